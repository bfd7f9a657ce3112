//! Reference values and texts for the tests of the metrics.

use proptest::prelude::*;
use serde_json::Value;

const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/similarity.json");

/// An answer, its references, and the values of the reference libraries.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) candidate: String,
    pub(super) references: Vec<String>,
    values: Value,
}

impl Case {
    /// The reference for metrics of two texts.
    pub(super) fn reference(&self) -> &str {
        &self.references[0]
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.values[key].as_str().unwrap()
    }

    /// Compares values with those of the reference library.
    pub(super) fn check(&self, key: &str, values: &[f64]) {
        let mut expected = Vec::new();
        flatten(&self.values[key], &mut expected);
        assert_eq!(values.len(), expected.len(), "{key}");
        let is_close = values.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-9);
        assert!(is_close, "{key}: {values:?}, expected {expected:?}: {self:?}");
    }
}

/// The cases of `tools/similarity_fixtures.py`.
pub(super) fn cases() -> Vec<Case> {
    let cases: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    assert!(cases.len() > 90);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let case = |values: Value| Case {
        candidate: text(&values["candidate"]),
        references: values["references"].as_array().unwrap().iter().map(text).collect(),
        values,
    };
    cases.into_iter().map(case).collect()
}

fn flatten(value: &Value, out: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
        value => out.push(value.as_f64().unwrap()),
    }
}

/// Texts of a few words that often share some, with punctuation and other scripts among them.
pub(super) fn texts() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[ab]{1,2}",
        2 => "(the|a|an|Dr|e\\.g|no)",
        2 => "[.,!?…。\\-'\"&0-9]{1,3}",
        1 => "[東京都あé\u{301}Жж🙂क्ष]{1,3}",
        1 => any::<String>(),
    ];
    let space = prop_oneof![6 => Just(" "), 1 => Just(""), 1 => Just("\n"), 1 => Just("\u{3000}\u{1c}")];
    prop::collection::vec((word, space), 0..24)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, space)| [word, space.to_owned()]).collect())
}

/// Long and odd texts.
pub(super) fn hostile() -> Vec<String> {
    let chars = ["a", "\n", "\0", "東", "\u{3000}", "🙂"].map(|c| c.repeat((1 << 20) / c.len()));
    let parts = ["a ", "a\n", ". ", "a.b. ", "1. ", "\u{301}\u{316}", "&amp;", "-\n"].map(|part| part.repeat(1 << 15));
    let odd = ["", " ", "\u{301}", "\0", "\u{FEFF}", ".", "&", "\u{10FFFF}", "\u{1c}", "\u{200D}"];
    [&chars[..], &parts[..], &odd.map(str::to_owned)[..]].concat()
}

/// Whether a value is a score.
pub(super) fn is_score(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}
