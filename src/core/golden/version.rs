//! Dataset versions. A version is the hash of the canonical content: the same examples have the same version regardless
//! of the order of lines and keys, the line endings, and the file format.

use serde_json::{Map, Value, json};

use super::row::{RowError, example_from_row};
use crate::core::domain::{Example, Source, Turn, canonical_json, content_hash};

/// Serializes an example as canonical JSON, which is hashed, stored, and read back by [`example_from_canonical`].
pub fn canonical_example(example: &Example) -> String {
    let mut map = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    put("id", Some(json!(example.id)));
    put("input", example.turns.is_empty().then(|| example.input.clone()));
    put("turns", (!example.turns.is_empty()).then(|| example.turns.iter().map(canonical_turn).collect()));
    put("expected", (!example.expected.is_empty()).then(|| Value::Array(example.expected.clone())));
    put("context", example.context.clone());
    put("metadata", (!example.metadata.is_empty()).then(|| Value::Object(example.metadata.clone())));
    put("tags", (!example.tags.is_empty()).then(|| json!(example.tags)));
    put("created_at", example.created_at.map(|time| json!(time.to_string())));
    put("labeled_at", example.labeled_at.map(|time| json!(time.to_string())));
    put("labeled_by", example.labeled_by.as_ref().map(|who| json!(who)));
    put("reviewed_at", example.reviewed_at.map(|time| json!(time.to_string())));
    put("valid_until", example.valid_until.map(|date| json!(date.to_string())));
    let sources = (!example.sources.is_empty()).then(|| Source::to_json(&example.sources));
    put("source", sources.or_else(|| example.source.as_ref().map(|source| json!(source))));
    put("assert", example.assert.clone());
    put("critical", example.critical.then(|| json!("true")));
    put("status", (example.status != Default::default()).then(|| json!(example.status.name())));
    put("retired_reason", example.retired_reason.as_ref().map(|reason| json!(reason)));
    canonical_json(&Value::Object(map))
}

fn canonical_turn(turn: &Turn) -> Value {
    let mut map = Map::from_iter([("user".to_owned(), json!(turn.user))]);
    if !turn.expected.is_empty() {
        map.insert("expected".to_owned(), Value::Array(turn.expected.clone()));
    }
    if let Some(assert) = &turn.assert {
        map.insert("assert".to_owned(), assert.clone());
    }
    Value::Object(map)
}

/// Reads an example written by [`canonical_example`].
///
/// # Errors
/// Returns an error if the text is not a valid row.
pub fn example_from_canonical(line: u64, text: &str) -> Result<Example, RowError> {
    let row = serde_json::from_str(text).map_err(|error| RowError { line, message: error.to_string() })?;
    example_from_row(line, row)
}

/// Hash label of dataset versions. The hash covers the canonical rows, sorted by their bytes and joined by newlines.
pub const VERSION_LABEL: &str = "karat-dataset-v1";

/// Hash of a set of examples, as 64 hex digits. Independent of their order.
pub fn dataset_version(examples: &[Example]) -> String {
    let mut rows: Vec<String> = examples.iter().map(canonical_example).collect();
    rows.sort_unstable();
    content_hash(VERSION_LABEL, rows.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn examples(rows: &[Value]) -> Vec<Example> {
        rows.iter().map(|row| example_from_row(1, row.as_object().unwrap().clone()).unwrap()).collect()
    }

    #[test]
    fn order_scalar_types_and_line_endings_do_not_change_the_version() {
        let a = examples(&[
            json!({"id": 1, "input": "x\r\ny", "expected": 5}),
            json!({"id": "2", "input": "z", "tags": "b,a"}),
        ]);
        let b = examples(&[
            json!({"tags": ["a", "b"], "text": "z", "id": "2"}),
            json!({"label": ["5"], "input": "x\ny", "id": "1"}),
        ]);
        assert_eq!(dataset_version(&a), dataset_version(&b));
    }

    #[test]
    fn any_change_of_content_changes_the_version() {
        let base = json!({"id": "1", "input": "x", "expected": "y"});
        let version = dataset_version(&examples(std::slice::from_ref(&base)));
        for (key, value) in [
            ("input", json!("x2")),
            ("expected", json!("z")),
            ("status", json!("retired")),
            ("critical", json!(true)),
            ("reviewed_at", json!("2026-01-01")),
            ("colour", json!("red")),
            ("source", json!("a ticket")),
            ("source", json!({"file": "a.md", "hash": "12345678"})),
        ] {
            let mut changed = base.clone();
            changed[key] = value;
            assert_ne!(dataset_version(&examples(&[changed])), version, "{key}");
        }
    }

    #[test]
    fn documents_are_written_and_read_back_and_text_remains_text() {
        let row = |source: Value| examples(&[json!({"id": "1", "input": "x", "source": source})]).remove(0);
        let text = row(json!("a ticket"));
        assert_eq!(canonical_example(&text), r#"{"id":"1","input":"x","source":"a ticket"}"#);
        let one = json!({"file": "a.md", "hash": "sha256:12345678"});
        assert_eq!(row(one.clone()), row(json!([one])));
        for source in [one.clone(), json!([one, {"url": "https://example.org", "hash": "blake3:12345678"}])] {
            let example = row(source);
            assert_eq!(example_from_canonical(1, &canonical_example(&example)).unwrap(), example);
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back_as_the_same_example(input in "\\PC{1,40}", label in "\\PC{0,10}", note in "\\PC{0,10}") {
            prop_assume!(!input.trim().is_empty());
            let row = json!({"id": "e1", "input": input, "label": label, "note": note, "valid_until": "2026-12-31"});
            let example = examples(&[row]).remove(0);
            let again = example_from_canonical(1, &canonical_example(&example)).unwrap();
            prop_assert_eq!(again, example);
        }
    }
}
