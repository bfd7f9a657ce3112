//! JSON Lines: one object per outcome.
//!
//! Every key is always present, and null means that something is not known. The keys, which are only ever added to, and
//! which docs/json.md describes to users:
//!
//! - `run_id`, `suite`, `suite_version`, `dataset`, `dataset_version`, `endpoint`, `prompt` (text or null),
//!   `started_at`: the run, and when it started
//! - `example_id`, `trial` (from 0), `answered_at` (when the outcome was recorded), `model` (as the server reported it)
//! - `input_text` (text), `input` (as in the golden set), `expected` (list of accepted answers)
//! - `output` (text, null for an error), `tool_calls`, `finish_reason`
//! - `error`: null, or `kind` and `message`
//! - `scores`: by scorer, in the order of the suite: `state` (`scored`, `skipped` or `failed`), `value` (null unless
//!   scored), `reason`
//! - `attempts`, `latency_ms`, `ttft_ms`, `prompt_tokens`, `completion_tokens`, `cost`, `cached`
//! - `tags` (list of text), `metadata` (object)
//! - `turns`: null, or the turns of a conversation: `user`, `expected` (list), `output` (text, null without an answer)

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    ExportedOutcome, ExportedRun, ExportedTurn, Exporter, Header, ScoreState, Summary, finite, one_line, ordered,
    run_of,
};

/// Writes JSON Lines.
pub struct Jsonl<W> {
    out: W,
    runs: Vec<ExportedRun>,
}

impl<W: Write> Jsonl<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, runs: Vec::new() }
    }
}

impl<W: Write> Exporter for Jsonl<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.runs.clone_from(&header.runs);
        Ok(())
    }

    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()> {
        let line = one_line(&Line::of(run_of(&self.runs, outcome)?, outcome))?;
        writeln!(self.out, "{line}")
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

/// One line; the order of the fields is that of the keys.
#[derive(Serialize)]
struct Line<'a> {
    run_id: &'a str,
    suite: &'a str,
    suite_version: &'a str,
    dataset: &'a str,
    dataset_version: &'a str,
    endpoint: &'a str,
    prompt: Option<&'a str>,
    started_at: String,
    example_id: &'a str,
    trial: u32,
    answered_at: Option<String>,
    model: Option<&'a str>,
    input_text: &'a str,
    input: &'a Value,
    expected: &'a [Value],
    output: Option<&'a str>,
    tool_calls: Option<&'a Value>,
    finish_reason: Option<&'a str>,
    error: Option<ErrorOf<'a>>,
    scores: Scores<'a>,
    attempts: u32,
    latency_ms: Option<f64>,
    ttft_ms: Option<f64>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cost: Option<f64>,
    cached: bool,
    tags: &'a [String],
    metadata: &'a Map<String, Value>,
    turns: Option<&'a [ExportedTurn]>,
}

#[derive(Serialize)]
struct ErrorOf<'a> {
    kind: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct ScoreOf<'a> {
    state: ScoreState,
    value: Option<f64>,
    reason: Option<&'a str>,
}

struct Scores<'a>(&'a ExportedOutcome);

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let score = |score: &'_ super::ExportedScore| score.number();
        let scores = self.0.scores.iter().map(|of| {
            (of.scorer.as_str(), ScoreOf { state: of.state, value: score(of), reason: of.reason.as_deref() })
        });
        ordered(&scores.collect::<Vec<_>>(), to)
    }
}

impl<'a> Line<'a> {
    fn of(run: &'a ExportedRun, outcome: &'a ExportedOutcome) -> Self {
        Self {
            run_id: &run.run_id,
            suite: &run.suite,
            suite_version: &run.suite_version,
            dataset: &run.dataset,
            dataset_version: &run.dataset_version,
            endpoint: &run.endpoint,
            prompt: run.prompt.as_deref(),
            started_at: run.started_at.to_string(),
            example_id: &outcome.example_id,
            trial: outcome.trial,
            answered_at: outcome.answered_at.map(|at| at.to_string()),
            model: outcome.model.as_deref(),
            input_text: &outcome.input_text,
            input: &outcome.input,
            expected: &outcome.expected,
            output: outcome.output.as_deref(),
            tool_calls: outcome.tool_calls.as_ref(),
            finish_reason: outcome.finish_reason.as_deref(),
            error: outcome.error.as_ref().map(|(kind, message)| ErrorOf { kind, message }),
            scores: Scores(outcome),
            attempts: outcome.attempts,
            latency_ms: finite(outcome.latency_ms),
            ttft_ms: finite(outcome.ttft_ms),
            prompt_tokens: outcome.prompt_tokens,
            completion_tokens: outcome.completion_tokens,
            cost: finite(outcome.cost),
            cached: outcome.cached,
            tags: &outcome.tags,
            metadata: &outcome.metadata,
            turns: outcome.turns.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{hostile, outcomes, rich_header};
    use super::*;

    fn lines(outcomes: &[ExportedOutcome]) -> Vec<Value> {
        let mut bytes = Vec::new();
        let mut exporter = Jsonl::new(&mut bytes);
        exporter.begin(&rich_header()).unwrap();
        outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
        exporter.end(&Summary::default()).unwrap();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_outcome_is_one_line_with_the_same_keys() {
        let lines = lines(&outcomes());
        assert_eq!(lines.len(), 4);
        let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        lines.iter().for_each(|line| assert_eq!(keys(line), keys(&lines[0])));
        assert_eq!(lines[0]["prompt"], json!("short"));
        assert_eq!(lines[3]["prompt"], json!("long"));
        assert_eq!(lines[1]["expected"], json!(["greeting", {"intent": "greeting"}]));
        let turn = json!({"user": "Hello", "expected": ["greeting"], "output": "complaint"});
        assert_eq!((&lines[0]["turns"], &lines[1]["turns"]), (&Value::Null, &json!([turn])));
    }

    #[test]
    fn an_error_and_a_scorer_without_a_score_are_never_zero() {
        let lines = lines(&outcomes());
        assert_eq!(lines[0]["scores"]["judge"], json!({"state": "skipped", "value": null, "reason": "no rubric"}));
        assert_eq!(lines[1]["scores"]["exact"]["value"], json!(0.0));
        assert_eq!(lines[1]["scores"]["judge"]["value"], Value::Null);
        assert_eq!(lines[2]["error"], json!({"kind": "timeout", "message": "no answer within 30 s"}));
        assert_eq!((&lines[2]["scores"], &lines[2]["output"]), (&json!({}), &Value::Null));
    }

    #[test]
    fn hostile_text_comes_back_unchanged_and_impossible_numbers_are_null() {
        let (outcome, lines) = (hostile(), lines(&[hostile()]));
        assert_eq!(lines[0]["output"], json!(outcome.output));
        assert_eq!(lines[0]["input"], outcome.input);
        assert_eq!(lines[0]["turns"][0]["output"], json!(outcome.output));
        assert_eq!(lines[0]["scores"]["exact"]["value"], Value::Null);
        assert_eq!(lines[0]["scores"]["rouge"]["value"], Value::Null);
        assert_eq!((&lines[0]["latency_ms"], &lines[0]["cost"]), (&Value::Null, &Value::Null));
        assert_eq!(lines[0]["prompt_tokens"], json!(u64::MAX));
    }
}
