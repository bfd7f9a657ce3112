//! What people say about answers: the rows of a labels file, and the verdict of several people on one answer.

use serde_json::{Map, Value};

use crate::core::domain::canonical_json;

/// The score from which on an answer passes, where a judge or people give scores between 0 and 1.
pub const PASS_MARK: f64 = 0.5;

/// Names accepted for what a person says about an answer.
const LABEL: &[&str] = &["label", "person", "score", "pass", "verdict"];

/// Names accepted for the example.
const ID: &[&str] = &["id", "example_id"];

/// Names accepted for the model that wrote the answer, or for its family.
const MODEL: &[&str] = &["model", "family"];

/// Names accepted for who gave the label.
const ANNOTATOR: &[&str] = &["annotator", "labeled_by", "by"];

/// Names accepted for the run whose answer it is.
const RUN: &[&str] = &["run", "run_id"];

/// What one person says about one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// Line of the file, starting at 1.
    pub line: u64,
    /// The example.
    pub id: Option<String>,
    /// Index of the answer's trial, from 0.
    pub trial: Option<u32>,
    /// The run whose answer it is.
    pub run: Option<String>,
    /// The score by the person, in [0, 1]; 0 or 1 for a verdict.
    pub person: f64,
    /// Who gave it.
    pub annotator: Option<String>,
    /// The model that wrote the answer, or its family.
    pub model: Option<String>,
    /// The answer; `None` if it is one of a stored run.
    pub output: Option<String>,
    /// The request that was answered.
    pub input: Option<Value>,
    /// The accepted answers.
    pub expected: Option<Value>,
    /// The supporting material.
    pub context: Option<Value>,
    /// Further fields of the example.
    pub metadata: Option<Value>,
}

/// Reads a row. Names other than the accepted ones are ignored.
///
/// # Errors
/// Returns a sentence that names the field if the row has no label, has one under several names, or has an invalid value.
pub fn label_row(line: u64, mut row: Map<String, Value>) -> Result<LabelRow, String> {
    // An empty answer is an answer.
    let output = row.remove("output").filter(|value| !value.is_null());
    row.retain(|_, value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()));
    let label = one_of(&row, LABEL)?.ok_or_else(|| format!("no label; add one of the fields {}", LABEL.join(", ")))?;
    let person = score(label)?;
    let text =
        |names: &[&str]| one_of(&row, names).and_then(|value| value.map(|value| plain(names, value)).transpose());
    let (id, annotator, model, run) = (text(ID)?, text(ANNOTATOR)?, text(MODEL)?, text(RUN)?);
    let trial = row.get("trial").map(trial).transpose()?;
    if let Some(other) = row.get("metadata").filter(|value| !value.is_object()) {
        return Err(format!("metadata must be an object, not {other}"));
    }
    let output = output.map(|value| match value {
        Value::String(text) => text,
        other => canonical_json(&other),
    });
    let [input, expected, context, metadata] =
        ["input", "expected", "context", "metadata"].map(|name| row.get(name).cloned());
    Ok(LabelRow { line, id, trial, run, person, annotator, model, output, input, expected, context, metadata })
}

/// The value under one of several names; the first name wins over the others, which may then mean something else.
fn one_of<'r>(row: &'r Map<String, Value>, names: &[&str]) -> Result<Option<&'r Value>, String> {
    let present: Vec<&str> = names.iter().copied().filter(|name| row.contains_key(*name)).collect();
    match (present.as_slice(), names.first()) {
        ([], _) => Ok(None),
        ([one], _) => Ok(row.get(*one)),
        ([first, ..], Some(name)) if first == name => Ok(row.get(*first)),
        (many, name) => Err(format!(
            "{} all name the same; keep one, or rename it to \"{}\"",
            many.join(" and "),
            name.copied().unwrap_or_default()
        )),
    }
}

fn plain(names: &[&str], value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(format!("{} must be text", names.join(" or "))),
    }
}

/// What a person says, in [0, 1].
fn score(value: &Value) -> Result<f64, String> {
    let text = match value {
        Value::Bool(pass) => return Ok(f64::from(u8::from(*pass))),
        Value::String(text) => text.trim().to_lowercase(),
        other => other.to_string(),
    };
    match text.as_str() {
        "true" | "yes" | "pass" | "passed" | "correct" | "right" | "good" => return Ok(1.0),
        "false" | "no" | "fail" | "failed" | "incorrect" | "wrong" | "bad" => return Ok(0.0),
        _ => {}
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    match number {
        Some(number) if (0.0..=1.0).contains(&number) => Ok(number.abs()),
        Some(number) => Err(format!("the label {number} is not from 0 to 1; divide grades by the highest one")),
        None => {
            let shown: String = text.chars().take(40).collect();
            Err(format!("the label \"{shown}\" is neither true/false, pass/fail, right/wrong nor a number from 0 to 1"))
        }
    }
}

fn trial(value: &Value) -> Result<u32, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("trial must be a number of 0 or more, not {value}"))
}

/// What several people say about one answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    /// The score, in [0, 1].
    Score(f64),
    /// As many pass it as fail it.
    Tie,
}

/// What people say about one answer: for verdicts that of the majority, and otherwise the mean of the scores. A tie without
/// labels.
pub fn said(labels: &[f64]) -> Said {
    let passes = labels.iter().filter(|label| **label == 1.0).count();
    let fails = labels.iter().filter(|label| **label == 0.0).count();
    if passes + fails < labels.len() {
        return Said::Score((labels.iter().sum::<f64>() / labels.len() as f64).clamp(0.0, 1.0));
    }
    match passes.cmp(&fails) {
        std::cmp::Ordering::Greater => Said::Score(1.0),
        std::cmp::Ordering::Less => Said::Score(0.0),
        std::cmp::Ordering::Equal => Said::Tie,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(row: &Value) -> Result<LabelRow, String> {
        label_row(7, row.as_object().unwrap().clone())
    }

    #[test]
    fn a_verdict_may_be_written_in_many_ways() {
        let yes =
            [json!(true), json!(1), json!("yes"), json!("PASS"), json!(" Correct "), json!("right"), json!("good")];
        let no = [json!(false), json!(0), json!("no"), json!("fail"), json!("incorrect"), json!("Wrong"), json!("bad")];
        for (verdicts, score) in [(yes, 1.0), (no, 0.0)] {
            for verdict in verdicts {
                assert_eq!(read(&json!({"id": "a", "label": verdict})).unwrap().person, score, "{verdict}");
            }
        }
        assert_eq!(read(&json!({"id": "a", "score": "0.25"})).unwrap().person, 0.25);
        assert_eq!(read(&json!({"id": "a", "label": true, "score": 0.3})).unwrap().person, 1.0, "label comes first");
    }

    #[test]
    fn every_field_has_its_accepted_names() {
        let row = read(&json!({
            "example_id": 12, "trial": "2", "verdict": "pass", "family": "openai", "by": "ana", "run_id": "r1",
            "output": "", "input": {"q": 1}, "expected": ["x"], "context": "c", "metadata": {"k": "v"}, "note": "kept out",
        }))
        .unwrap();
        assert_eq!((row.id.as_deref(), row.trial, row.line), (Some("12"), Some(2), 7));
        assert_eq!(
            (row.annotator.as_deref(), row.model.as_deref(), row.run.as_deref()),
            (Some("ana"), Some("openai"), Some("r1"))
        );
        assert_eq!(row.output.as_deref(), Some(""), "an empty answer is an answer");
        assert_eq!((row.input, row.context), (Some(json!({"q": 1})), Some(json!("c"))));
        assert_eq!(read(&json!({"label": 1, "output": {"b": 1, "a": 2}})).unwrap().output.unwrap(), r#"{"a":2,"b":1}"#);
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (row, text) in [
            (json!({"id": "a"}), "no label; add one of the fields label, person, score, pass, verdict"),
            (json!({"id": "a", "label": ""}), "no label"),
            (json!({"id": "a", "label": "perhaps"}), "\"perhaps\" is neither"),
            (json!({"id": "a", "label": 4}), "the label 4 is not from 0 to 1"),
            (json!({"id": "a", "label": "NaN"}), "is neither"),
            (json!({"id": "a", "score": 1, "pass": true}), "score and pass all name the same"),
            (json!({"id": "a", "label": 1, "trial": -1}), "trial must be a number"),
            (json!({"id": ["a"], "label": 1}), "id or example_id must be text"),
            (json!({"id": "a", "label": 1, "metadata": "x"}), "metadata must be an object"),
        ] {
            let found = read(&row).unwrap_err();
            assert!(found.contains(text), "{row}: {found}");
        }
    }

    #[test]
    fn the_majority_decides_and_scores_are_averaged() {
        assert_eq!(said(&[1.0, 1.0, 0.0]), Said::Score(1.0));
        assert_eq!(said(&[0.0]), Said::Score(0.0));
        assert_eq!(said(&[1.0, 0.0]), Said::Tie);
        assert_eq!(said(&[]), Said::Tie);
        assert_eq!(said(&[0.5, 1.0]), Said::Score(0.75));
    }

    proptest! {
        #[test]
        fn any_label_is_a_score_or_an_error(text in any::<String>()) {
            if let Ok(row) = read(&json!({"label": text})) {
                prop_assert!((0.0..=1.0).contains(&row.person));
            }
        }
    }
}
