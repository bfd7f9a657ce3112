//! Scorers outside karat: programs and servers. Both get the same JSON and give the same JSON back.

mod exec;
mod http;

pub use exec::ExecScorer;
pub use http::{HttpScorer, HttpScorerSettings};

use serde_json::{Map, Value, json};

use crate::core::domain::{Example, Score};
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::scoring::Answer;

/// Longest reason that is stored, in characters.
const MAX_REASON: usize = 200;

/// What a scorer outside karat is told of an answer.
///
/// `{"id", "trial", "output", "input", "expected", "context", "metadata", "tags", "tool_calls", "finish_reason", "latency_ms",
/// "cost", "params"}`; what is not known is null.
pub fn request(answer: &Answer<'_>, example: &Example, trial: u32, params: &Map<String, Value>) -> Value {
    json!({
        "id": example.id,
        "trial": trial,
        "output": answer.output,
        "input": example.input,
        "expected": example.expected,
        "context": example.context,
        "metadata": example.metadata,
        "tags": example.tags,
        "tool_calls": answer.calls(),
        "finish_reason": answer.finish_reason,
        "latency_ms": answer.latency_ms,
        "cost": answer.cost,
        "params": params,
    })
}

/// Reads what a scorer outside karat says: `{"score": 0.5}` (or `true`, `false`) or `{"pass": true}`, with a `reason` if it
/// has one, or `{"skip": "why"}`. `score` takes precedence over `pass`.
///
/// # Errors
/// What is wrong, completing "the program …" or "the server …". It is never a score of 0.
fn read_score(answer: &Map<String, Value>) -> Result<Score, String> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(one_line);
    if let Some(reason) = text("skip") {
        return Ok(Score::Skipped(reason));
    }
    let given = |key: &str| answer.get(key).filter(|value| !value.is_null());
    let value = match given("score").or_else(|| given("pass")) {
        Some(Value::Bool(pass)) => f64::from(u8::from(*pass)),
        Some(value) => {
            let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
            number
                .ok_or_else(|| format!("gave the score {value}, but a score is a number from 0 to 1, true or false"))?
        }
        None => return Err("gave neither \"score\" nor \"pass\"".to_owned()),
    };
    Ok(Score::Value(value, text("reason").filter(|reason| !reason.is_empty())))
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    truncate_chars(line.trim(), MAX_REASON).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_number_or_a_boolean_and_anything_else_is_an_error() {
        let read = |value: Value| read_score(value.as_object().unwrap());
        let cases = [
            (json!({"score": 0.5, "reason": "half\nright"}), Score::Value(0.5, Some("half right".into()))),
            (json!({"pass": true}), Score::Value(1.0, None)),
            (json!({"pass": true, "score": 0.25}), Score::Value(0.25, None)),
            (json!({"score": false, "reason": ""}), Score::Value(0.0, None)),
            (json!({"skip": "no price in the answer"}), Score::Skipped("no price in the answer".into())),
        ];
        for (value, expected) in cases {
            assert_eq!(read(value), Ok(expected));
        }
        for value in
            [json!({}), json!({"score": 1.5}), json!({"score": "1"}), json!({"score": -0.1}), json!({"score": null})]
        {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
