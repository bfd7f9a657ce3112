//! The description of an embedding space, and the id derived from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical::{canonical_json, content_hash, short};

/// Everything that affects a vector: model bytes, tokenizer, pooling, normalisation, prefix, truncation, dimension, and
/// the conversion of inputs to text. Embedders with the same parts produce the same vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// `KIND-` and 12 hex digits of the hash of `parts`, such as `builtin-7d0a51c2e94f`. Vectors, clusterings and
    /// results are keyed by it.
    pub id: String,
    /// The kind of embedder, such as `builtin` or `bert`.
    pub kind: String,
    /// The parts by name.
    pub parts: BTreeMap<String, String>,
}

impl EmbeddingSpace {
    /// Creates the description of the space with these parts.
    pub fn new(kind: &str, parts: BTreeMap<String, String>) -> Self {
        let spelt = canonical_json(&serde_json::json!({"kind": kind, "parts": parts}));
        let hash = content_hash("karat-space", spelt.as_bytes());
        Self { id: format!("{kind}-{}", short(&hash, 12)), kind: kind.to_owned(), parts }
    }

    /// Adds parts, which changes the id.
    #[must_use]
    pub fn with(mut self, parts: impl IntoIterator<Item = (String, String)>) -> Self {
        self.parts.extend(parts);
        Self::new(&self.kind, self.parts)
    }

    /// The parts in which two spaces differ, as name, own value and other value. A missing part has an empty value.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let mut names: Vec<&String> = self.parts.keys().chain(other.parts.keys()).collect();
        names.sort();
        names.dedup();
        let value = |space: &Self, name: &String| space.parts.get(name).cloned().unwrap_or_default();
        let pairs = names.into_iter().map(|name| (name.clone(), value(self, name), value(other, name)));
        pairs.filter(|(_, a, b)| a != b).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_part_changes_the_id_and_equal_parts_give_the_same_id() {
        let one = EmbeddingSpace::new("bert", parts(&[("model", "a"), ("pooling", "mean")]));
        assert_eq!(one.id, EmbeddingSpace::new("bert", parts(&[("pooling", "mean"), ("model", "a")])).id);
        assert_ne!(one.id, EmbeddingSpace::new("bert", parts(&[("model", "a"), ("pooling", "cls")])).id);
        assert_ne!(one.id, EmbeddingSpace::new("model2vec", one.parts.clone()).id);
        assert_ne!(one.id, one.clone().with([("prefix".to_owned(), "query: ".to_owned())]).id);
        assert!(one.id.starts_with("bert-") && one.id.len() == 17, "{}", one.id);
    }

    #[test]
    fn differences_name_the_part_and_both_values() {
        let one = EmbeddingSpace::new("bert", parts(&[("model", "a"), ("pooling", "mean")]));
        let two = EmbeddingSpace::new("bert", parts(&[("model", "b"), ("pooling", "mean"), ("prefix", "q")]));
        let found = one.differences(&two);
        let expected = [("model", "a", "b"), ("prefix", "", "q")];
        assert_eq!(found, expected.map(|(n, a, b)| (n.to_owned(), a.to_owned(), b.to_owned())));
    }
}
