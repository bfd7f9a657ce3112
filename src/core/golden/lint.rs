//! Checks of a set whose rows are valid: duplicates, conflicting answers, missing answers and unknown labels.

use std::collections::BTreeMap;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::core::domain::{Example, ExampleStatus, nearest};

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The same request with different accepted answers.
    Conflicting,
    /// The same request with the same answers.
    Duplicate,
    /// An example without an accepted answer.
    NoAnswer,
    /// An answer that is not among the card's labels.
    UnknownLabel,
}

impl FindingKind {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conflicting => "conflicting",
            Self::Duplicate => "duplicate",
            Self::NoAnswer => "no-answer",
            Self::UnknownLabel => "unknown-label",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind.
    pub kind: FindingKind,
    /// Ids of the examples concerned.
    pub ids: Vec<String>,
    /// Their lines in the file.
    pub lines: Vec<u64>,
    /// A description in one sentence.
    pub message: String,
}

/// Normalises a request for comparison: Unicode NFKC, lower case, single spaces, no trailing punctuation.
pub fn normalised_input(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_lowercase();
    let spaced = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    let trimmed = spaced.trim_end_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace());
    if trimmed.is_empty() { spaced } else { trimmed.to_owned() }
}

/// Findings about examples that are not retired, ordered by severity and then by line.
pub fn lint<'a>(examples: impl IntoIterator<Item = &'a Example>, labels: &[String]) -> Vec<Finding> {
    let present: Vec<&Example> =
        examples.into_iter().filter(|example| example.status != ExampleStatus::Retired).collect();
    let mut findings = shared_requests(&present);
    for example in present {
        if example.expected.is_empty() {
            findings.push(single(
                FindingKind::NoAnswer,
                example,
                "has no accepted answer; scorers that need one skip it".into(),
            ));
        }
        let unknown = example.expected_texts().into_iter().find(|text| !labels.is_empty() && !labels.contains(text));
        if let Some(label) = unknown {
            let hint =
                nearest(&label, labels).map(|nearest| format!("; did you mean \"{nearest}\"?")).unwrap_or_default();
            findings.push(single(
                FindingKind::UnknownLabel,
                example,
                format!("answer \"{label}\" is not in the card's labels{hint}"),
            ));
        }
    }
    findings.sort_by(|a, b| (a.kind, &a.lines).cmp(&(b.kind, &b.lines)));
    findings
}

fn single(kind: FindingKind, example: &Example, message: String) -> Finding {
    Finding { kind, ids: vec![example.id.clone()], lines: vec![example.line], message }
}

fn shared_requests(examples: &[&Example]) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<&Example>> = BTreeMap::new();
    for example in examples {
        // The same words mean different things in different contexts.
        let context = example.context.as_ref().map(crate::core::domain::canonical_json).unwrap_or_default();
        let key = format!("{}\u{0}{context}", normalised_input(&example.text()));
        groups.entry(key).or_default().push(example);
    }
    let shared = groups.into_values().filter(|group| group.len() > 1);
    shared
        .map(|group| {
            let answers: std::collections::BTreeSet<Vec<String>> = group
                .iter()
                .map(|example| {
                    let mut texts = example.expected_texts();
                    texts.sort();
                    texts
                })
                .collect();
            let (kind, message) = if answers.len() > 1 {
                let shown: Vec<_> = answers.iter().map(|texts| texts.join("|")).collect();
                (FindingKind::Conflicting, format!("the same request has different answers: {}", shown.join(" and ")))
            } else {
                (FindingKind::Duplicate, "the same request appears more than once".to_owned())
            };
            Finding {
                kind,
                ids: group.iter().map(|example| example.id.clone()).collect(),
                lines: group.iter().map(|example| example.line).collect(),
                message,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn example(line: u64, row: serde_json::Value) -> Example {
        example_from_row(line, row.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn duplicates_conflicts_and_unknown_labels_are_found_with_their_lines() {
        let examples = [
            example(1, json!({"id": "a", "input": "Where is my parcel?", "label": "track"})),
            example(2, json!({"id": "b", "input": "where  is my parcel", "label": "track"})),
            example(3, json!({"id": "c", "input": "Stop it!", "label": "cancel"})),
            example(4, json!({"id": "d", "input": "stop it", "label": "pause"})),
            example(5, json!({"id": "e", "input": "hello", "label": "trak"})),
            example(6, json!({"id": "f", "input": "hm"})),
            example(7, json!({"id": "g", "input": "hm", "status": "retired"})),
        ];
        let labels = ["track", "cancel", "pause"].map(str::to_owned);
        let found: Vec<_> = lint(&examples, &labels).into_iter().map(|f| (f.kind.name(), f.lines)).collect();
        assert_eq!(
            found,
            [
                ("conflicting", vec![3, 4]),
                ("duplicate", vec![1, 2]),
                ("no-answer", vec![6]),
                ("unknown-label", vec![5])
            ]
        );
    }

    #[test]
    fn the_same_words_in_another_context_are_not_the_same_request() {
        let examples = [
            example(1, json!({"id": "a", "input": "summarise", "context": "one", "label": "1"})),
            example(2, json!({"id": "b", "input": "summarise", "context": "two", "label": "2"})),
        ];
        assert!(lint(&examples, &[]).is_empty());
    }

    #[test]
    fn punctuation_alone_is_not_normalised_to_an_empty_request() {
        assert_eq!(normalised_input("???"), "???");
        assert_eq!(normalised_input(" Ｗhy \n not? "), "why not");
    }
}
