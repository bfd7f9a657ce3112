//! Label tasks and labels.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::domain::{Window, canonical_json, content_hash, short};
use crate::core::tabular::cell_value;

/// What a task asks about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An example of the golden set.
    Example {
        /// Its id.
        id: String,
    },
    /// A record of traffic.
    Record {
        /// The source of the traffic.
        source: String,
        /// The id of the record within the source.
        id: String,
    },
}

/// A random draw of records from a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceDraw {
    /// Probability, in (0, 1], with which each record of the window was drawn.
    pub probability: f64,
    /// The window.
    pub window: Window,
}

/// Something that people were asked to label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelTask {
    /// Its id, which does not tell what kind of task it is; see [`task_id`].
    pub task_id: String,
    /// The golden set.
    pub dataset: String,
    /// What it asks about.
    pub subject: Subject,
    /// The input to be labelled.
    pub input: Value,
    /// The accepted answers of the example when the task was exported; empty for a record.
    pub expected: Vec<String>,
    /// Whether a record becomes an example once it is labelled.
    pub candidate: bool,
    /// The random draw that the record is part of, if it is.
    pub slice: Option<SliceDraw>,
    /// The answers that an import has applied, if one has.
    pub settled: Option<Vec<String>>,
}

/// The id of a task. It is the same in every export, and does not tell an example from a record.
pub fn task_id(dataset: &str, subject: &Subject) -> String {
    let text = match subject {
        Subject::Example { id } => format!("{dataset}\nexample\n{id}"),
        Subject::Record { source, id } => format!("{dataset}\nrecord\n{source}\n{id}"),
    };
    short(&content_hash("karat-task", text.as_bytes()), 16).to_owned()
}

/// A label that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRow {
    /// The task.
    pub task_id: String,
    /// Who gave it.
    pub annotator: String,
    /// The label: text, or a JSON list of answers any of which is right.
    pub label: String,
    /// When it was given.
    pub labeled_at: Timestamp,
    /// A remark of the annotator.
    pub comment: Option<String>,
}

/// The answers that an import has applied to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The task.
    pub task_id: String,
    /// The answers.
    pub answers: Vec<String>,
}

/// What an import of labels stores besides the decisions that follow from them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Labels that were not stored before, or that their annotators changed.
    pub rows: Vec<LabelRow>,
    /// The tasks whose labels were applied.
    pub settled: Vec<Settled>,
}

/// The accepted answers in a label, in a fixed order.
pub fn answers_of(label: &str) -> Vec<String> {
    match cell_value(label.trim()) {
        Value::Array(items) => {
            let text = |item: &Value| item.as_str().map_or_else(|| canonical_json(item), |text| text.trim().to_owned());
            let mut answers: Vec<String> = items.iter().map(text).filter(|answer| !answer.is_empty()).collect();
            answers.sort();
            answers.dedup();
            answers
        }
        Value::String(text) => vec![text],
        other => vec![canonical_json(&other)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_tasks_apart_but_not_their_kind() {
        let example = Subject::Example { id: "a".into() };
        let record = |source: &str| Subject::Record { source: source.into(), id: "a".into() };
        let ids =
            [task_id("d", &example), task_id("e", &example), task_id("d", &record("s")), task_id("d", &record("t"))];
        let mut distinct = ids.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids.iter().all(|id| id.len() == 16 && id.chars().all(|c| c.is_ascii_hexdigit())), "{ids:?}");
        assert_eq!(ids[0], task_id("d", &example));
    }

    #[test]
    fn a_label_is_one_answer_or_a_list_in_any_order() {
        let cases: [(&str, &[&str]); 6] = [
            (" refund ", &["refund"]),
            (r#"["b", "a", "b"]"#, &["a", "b"]),
            (r#"{"b": 1, "a": 2}"#, &[r#"{"a":2,"b":1}"#]),
            ("[not json", &["[not json"]),
            ("[1, \" x \"]", &["1", "x"]),
            ("[]", &[]),
        ];
        for (label, answers) in cases {
            assert_eq!(answers_of(label), answers, "{label}");
        }
    }
}
