//! Changes between two versions of a set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::version::canonical_example;
use crate::core::domain::{Example, canonical_json, content_hash, short};

/// Hashes of the parts of an example; small enough for a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Hash of the input.
    pub input: String,
    /// Hash of the accepted answers.
    pub expected: String,
    /// Hash of everything.
    pub content: String,
}

impl Fingerprint {
    fn of(example: &Example) -> Self {
        let hash = |label: &str, text: &str| short(&content_hash(label, text.as_bytes()), 12).to_owned();
        Self {
            input: hash("karat-input", &canonical_json(&example.input)),
            expected: hash("karat-expected", &canonical_json(&serde_json::Value::Array(example.expected.clone()))),
            content: hash("karat-example", &canonical_example(example)),
        }
    }
}

/// The fingerprints of examples, by example id.
pub fn fingerprints(examples: &[Example]) -> BTreeMap<String, Fingerprint> {
    examples.iter().map(|example| (example.id.clone(), Fingerprint::of(example))).collect()
}

/// How an example changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Only in the second version.
    Added,
    /// Only in the first version.
    Removed,
    /// The accepted answers differ.
    Relabelled,
    /// Something else differs.
    Edited,
}

impl ChangeKind {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Relabelled => "relabelled",
            Self::Edited => "edited",
        }
    }
}

/// One example that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// How it changed.
    pub kind: ChangeKind,
}

/// All changes between two versions, ordered by kind and then by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DatasetDiff {
    /// The changes.
    pub changes: Vec<Change>,
    /// Number of examples that are the same in both.
    pub unchanged: usize,
}

impl DatasetDiff {
    /// The number of changes of this kind.
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }
}

/// Compares two versions by example id.
pub fn diff(before: &BTreeMap<String, Fingerprint>, after: &BTreeMap<String, Fingerprint>) -> DatasetDiff {
    let mut result = DatasetDiff::default();
    for (id, old) in before {
        let kind = match after.get(id) {
            None => ChangeKind::Removed,
            Some(new) if new.content == old.content => {
                result.unchanged += 1;
                continue;
            }
            Some(new) if new.expected != old.expected => ChangeKind::Relabelled,
            Some(_) => ChangeKind::Edited,
        };
        result.changes.push(Change { id: id.clone(), kind });
    }
    let added = after.keys().filter(|id| !before.contains_key(*id));
    result.changes.extend(added.map(|id| Change { id: id.clone(), kind: ChangeKind::Added }));
    result.changes.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| a.id.cmp(&b.id)));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn set(rows: &[(&str, &str, &str)]) -> BTreeMap<String, Fingerprint> {
        let examples: Vec<_> = rows
            .iter()
            .map(|(id, input, label)| {
                let row = json!({"id": id, "input": input, "label": label});
                example_from_row(1, row.as_object().unwrap().clone()).unwrap()
            })
            .collect();
        fingerprints(&examples)
    }

    #[test]
    fn added_removed_relabelled_and_edited_examples_are_distinguished() {
        let before = set(&[("a", "x", "1"), ("b", "x", "1"), ("c", "x", "1"), ("d", "x", "1")]);
        let after = set(&[("a", "x", "1"), ("b", "x", "2"), ("c", "y", "1"), ("e", "x", "1")]);
        let found = diff(&before, &after);
        let listed: Vec<_> = found.changes.iter().map(|change| (change.id.as_str(), change.kind.name())).collect();
        assert_eq!(listed, [("e", "added"), ("d", "removed"), ("b", "relabelled"), ("c", "edited")]);
        assert_eq!(found.unchanged, 1);
    }

    #[test]
    fn a_set_does_not_differ_from_itself() {
        let set = set(&[("a", "x", "1")]);
        assert_eq!(diff(&set, &set), DatasetDiff { changes: vec![], unchanged: 1 });
    }
}
