//! The results file of promptfoo, as `promptfoo eval -o FILE.json` writes it and `promptfoo import FILE` reads it
//! (version 3 of `results`).
//!
//! A run is a prompt of promptfoo on a provider, and an example with its repeat is a test. An answer passes if the
//! primary scorer of its run's suite gave it a score of 1. What promptfoo has no word for:
//!
//! - An outcome without an answer, and an answer that the primary scorer skipped or failed on, is an *error*
//!   (`failureReason` 2), which promptfoo counts neither as passed nor as failed. Its `score` is 0, as promptfoo itself
//!   writes it, because the format requires a number; it has no grading result, and named scores of other scorers only.
//! - Other scorers without a value have no named score and no component; they are listed in `metadata.karat.notScored`.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{ExportedOutcome, ExportedRun, ExportedScore, Exporter, Header, Summary, finite, one_line, run_of};
use crate::core::domain::{content_hash, content_hash_bytes};

/// Why a result did not pass, in the numbers of promptfoo: nothing, an assertion, an error.
const NONE: u8 = 0;
const ASSERT: u8 = 1;
const ERROR: u8 = 2;

/// Writes the results file of promptfoo.
pub struct Promptfoo<W> {
    out: W,
    header: Option<Header>,
    totals: Vec<Totals>,
    tests: Tests,
    is_first: bool,
}

impl<W: Write> Promptfoo<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, header: None, totals: Vec::new(), tests: Tests::default(), is_first: true }
    }
}

impl<W: Write> Exporter for Promptfoo<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.totals = header.runs.iter().map(|_| Totals::default()).collect();
        self.tests.is_shared = header.runs.len() > 1;
        let mut start = one_line(&document(header))?;
        // What follows is the last member of the object.
        start.pop();
        let timestamp = one_line(&started(header))?;
        write!(self.out, r#"{start},"results":{{"version":3,"timestamp":{timestamp},"results":["#)?;
        self.header = Some(header.clone());
        Ok(())
    }

    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()> {
        let Some(header) = &self.header else { return Err(io::Error::other("the export has not begun")) };
        let run = run_of(&header.runs, outcome)?;
        let verdict = Verdict::of(outcome, run.scorers.first().map(String::as_str));
        let result = result(run, outcome, &verdict, self.tests.index(run, outcome));
        if let Some(totals) = self.totals.get_mut(outcome.run) {
            totals.add(outcome, &verdict);
        }
        let comma = if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" };
        write!(self.out, "{comma}{}", one_line(&result)?)
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        let Some(header) = &self.header else { return Err(io::Error::other("the export has not begun")) };
        let prompts: Vec<Value> =
            header.runs.iter().zip(&self.totals).map(|(run, totals)| completed_prompt(run, totals)).collect();
        let stats = stats(header, &self.totals);
        writeln!(self.out, "\n],\"prompts\":{},\"stats\":{}}}}}", one_line(&prompts)?, one_line(&stats)?)?;
        self.out.flush()
    }
}

/// The numbers of tests. The same example and repeat in several runs on one golden set is the same test, so that
/// promptfoo shows the runs side by side; only with several runs is something remembered for every test, which is a hash
/// and a number.
#[derive(Default)]
struct Tests {
    is_shared: bool,
    next: u64,
    known: HashMap<u64, u64>,
}

impl Tests {
    fn index(&mut self, run: &ExportedRun, outcome: &ExportedOutcome) -> u64 {
        let new = self.next;
        let index = if self.is_shared {
            // Two golden sets may use the same ids for different examples.
            let identity = json!([run.dataset, outcome.example_id, outcome.trial]).to_string();
            let hash = content_hash_bytes("karat promptfoo test", identity.as_bytes());
            let key = hash.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte));
            *self.known.entry(key).or_insert(new)
        } else {
            new
        };
        self.next += u64::from(index == new);
        index
    }
}

/// Whether an outcome passed.
struct Verdict {
    failure: u8,
    score: f64,
    reason: String,
}

impl Verdict {
    fn of(outcome: &ExportedOutcome, primary: Option<&str>) -> Self {
        let error = |reason: String| Self { failure: ERROR, score: 0.0, reason };
        if let Some((kind, message)) = &outcome.error {
            return error(format!("{kind}: {message}"));
        }
        let Some(primary) = primary else { return error("the suite has no scorer".to_owned()) };
        let Some(score) = outcome.score(primary) else { return error(format!("not scored by {primary}")) };
        let why = score.reason.as_deref();
        let Some(value) = score.number() else {
            let reason = why.map(|why| format!(": {why}")).unwrap_or_default();
            return error(format!("not scored by {primary}, which {}{reason}", was(score)));
        };
        let reason = why.map_or_else(|| format!("{primary} scored {value}"), str::to_owned);
        Self { failure: if value >= 1.0 { NONE } else { ASSERT }, score: value, reason }
    }

    fn passed(&self) -> bool {
        self.failure == NONE
    }
}

fn was(score: &ExportedScore) -> &'static str {
    match score.state {
        super::ScoreState::Scored => "gave no number",
        super::ScoreState::Skipped => "was skipped",
        super::ScoreState::Failed => "failed",
    }
}

/// Everything but the results.
fn document(header: &Header) -> Value {
    let suites: Vec<&str> = distinct(header.runs.iter().map(|run| run.suite.as_str()));
    let datasets: Vec<String> =
        distinct(header.runs.iter().map(|run| format!("{}@{}", run.dataset, short(&run.dataset_version))));
    let providers = distinct(header.runs.iter().map(|run| run.endpoint.as_str()));
    let prompts = distinct(header.runs.iter().map(prompt_text));
    json!({
        "evalId": eval_id(header),
        "config": {
            "description": format!("karat: {} on {}", suites.join(", "), datasets.join(", ")),
            "prompts": prompts,
            "providers": providers,
            "tests": [],
            "metadata": {"karat": {
                "runs": header.runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(),
                "scorers": header.scorers,
            }},
        },
        "shareableUrl": null,
        "metadata": {
            "exportedBy": format!("karat {}", header.karat_version),
            "exportedAt": header.exported_at.to_string(),
            "evaluationCreatedAt": started(header),
        },
        "vars": ["input", "expected"],
    })
}

fn eval_id(header: &Header) -> String {
    match header.runs.as_slice() {
        [run] => format!("karat-{}", run.run_id),
        runs => {
            let ids = json!(runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>()).to_string();
            format!("karat-{}", short(&content_hash("karat promptfoo eval", ids.as_bytes())))
        }
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn started(header: &Header) -> String {
    let first = header.runs.iter().map(|run| run.started_at).min();
    first.unwrap_or(header.exported_at).to_string()
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut found, item| {
        if !found.contains(&item) {
            found.push(item);
        }
        found
    })
}

fn label(run: &ExportedRun) -> &str {
    run.prompt.as_deref().unwrap_or(&run.suite)
}

fn prompt_text(run: &ExportedRun) -> &str {
    run.prompt_text.as_deref().unwrap_or_else(|| label(run))
}

fn prompt_id(run: &ExportedRun) -> String {
    content_hash("karat promptfoo prompt", json!([label(run), prompt_text(run)]).to_string().as_bytes())
}

fn completed_prompt(run: &ExportedRun, totals: &Totals) -> Value {
    json!({
        "id": prompt_id(run),
        "raw": prompt_text(run),
        "label": label(run),
        "provider": run.endpoint,
        "metrics": totals.metrics(),
    })
}

fn result(run: &ExportedRun, outcome: &ExportedOutcome, verdict: &Verdict, test: u64) -> Value {
    let vars = json!({"input": outcome.input_text, "expected": expected(outcome)});
    let repeat = if outcome.trial == 0 { String::new() } else { format!(", repeat {}", outcome.trial) };
    let mut result = json!({
        "id": result_id(run, outcome),
        "promptIdx": outcome.run,
        "testIdx": test,
        "promptId": prompt_id(run),
        "prompt": {"raw": prompt_text(run), "label": label(run)},
        "provider": {"id": run.endpoint, "label": outcome.model.as_deref().unwrap_or_default()},
        "testCase": {
            "description": format!("{}{repeat}", outcome.example_id),
            "vars": vars,
            "assert": [],
            "metadata": outcome.metadata,
        },
        "vars": vars,
        "success": verdict.passed(),
        "score": verdict.score,
        "failureReason": verdict.failure,
        "namedScores": named_scores(outcome),
        "metadata": {"karat": about(run, outcome)},
    });
    let Some(members) = result.as_object_mut() else { return result };
    let mut add = |key: &str, value: Option<Value>| drop(value.map(|value| members.insert(key.to_owned(), value)));
    // The database of promptfoo ends this text at a NUL.
    add("error", (!verdict.passed()).then(|| json!(verdict.reason.replace('\0', "\u{fffd}"))));
    add("gradingResult", (verdict.failure != ERROR).then(|| grading(outcome, verdict)));
    add("response", Some(response(outcome)));
    add("tokenUsage", Some(tokens(&Tokens::of(outcome))));
    add("latencyMs", finite(outcome.latency_ms).map(|ms| json!(ms.round().max(0.0) as u64)));
    add("cost", finite(outcome.cost).map(Value::from));
    result
}

/// A UUID made of the hash of run, example and repeat.
fn result_id(run: &ExportedRun, outcome: &ExportedOutcome) -> String {
    let identity = json!([run.run_id, outcome.example_id, outcome.trial]).to_string();
    let hash = content_hash("karat promptfoo result", identity.as_bytes());
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn expected(outcome: &ExportedOutcome) -> String {
    match outcome.expected.as_slice() {
        [] => String::new(),
        [Value::String(answer)] => answer.clone(),
        several => Value::Array(several.to_vec()).to_string(),
    }
}

/// What promptfoo has no place for.
fn about(run: &ExportedRun, outcome: &ExportedOutcome) -> Value {
    let no_value = |score: &&ExportedScore| score.number().is_none();
    let reason =
        |score: &ExportedScore| json!({"scorer": score.scorer, "state": score.state.name(), "reason": score.reason});
    json!({
        "runId": run.run_id,
        "exampleId": outcome.example_id,
        "trial": outcome.trial,
        "tags": outcome.tags,
        "toolCalls": outcome.tool_calls,
        "errorKind": outcome.error.as_ref().map(|(kind, _)| kind),
        "notScored": outcome.scores.iter().filter(no_value).map(reason).collect::<Vec<_>>(),
    })
}

fn named_scores(outcome: &ExportedOutcome) -> Map<String, Value> {
    let value = |score: &ExportedScore| Some((score.scorer.clone(), json!(score.number()?)));
    outcome.scores.iter().filter_map(value).collect()
}

fn grading(outcome: &ExportedOutcome, verdict: &Verdict) -> Value {
    let component = |score: &ExportedScore| {
        let value = score.number()?;
        let reason = score.reason.clone().unwrap_or_else(|| format!("{} scored {value}", score.scorer));
        let assertion = json!({"type": "karat", "metric": score.scorer});
        Some(json!({"pass": value >= 1.0, "score": value, "reason": reason, "assertion": assertion}))
    };
    json!({
        "pass": verdict.passed(),
        "score": verdict.score,
        "reason": verdict.reason,
        "namedScores": named_scores(outcome),
        "componentResults": outcome.scores.iter().filter_map(component).collect::<Vec<_>>(),
    })
}

fn response(outcome: &ExportedOutcome) -> Value {
    if let Some((kind, message)) = &outcome.error {
        return json!({"error": format!("{kind}: {message}")});
    }
    let mut response =
        json!({"output": outcome.output, "cached": outcome.cached, "tokenUsage": tokens(&Tokens::of(outcome))});
    if let (Some(members), Some(reason)) = (response.as_object_mut(), &outcome.finish_reason) {
        members.insert("finishReason".to_owned(), json!(reason));
    }
    if let (Some(members), Some(cost)) = (response.as_object_mut(), finite(outcome.cost)) {
        members.insert("cost".to_owned(), json!(cost));
    }
    response
}

/// Tokens of requests.
#[derive(Default, Clone, Copy)]
struct Tokens {
    prompt: u64,
    completion: u64,
    cached: u64,
    requests: u64,
}

impl Tokens {
    fn of(outcome: &ExportedOutcome) -> Self {
        let (prompt, completion) = (outcome.prompt_tokens.unwrap_or(0), outcome.completion_tokens.unwrap_or(0));
        let cached = if outcome.cached { prompt.saturating_add(completion) } else { 0 };
        Self { prompt, completion, cached, requests: u64::from(!outcome.cached) }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            completion: self.completion.saturating_add(other.completion),
            cached: self.cached.saturating_add(other.cached),
            requests: self.requests.saturating_add(other.requests),
        }
    }
}

fn tokens(tokens: &Tokens) -> Value {
    json!({
        "total": tokens.prompt.saturating_add(tokens.completion),
        "prompt": tokens.prompt,
        "completion": tokens.completion,
        "cached": tokens.cached,
        "numRequests": tokens.requests,
    })
}

/// The statistics of one run.
#[derive(Default)]
struct Totals {
    score: f64,
    passed: u64,
    failed: u64,
    errors: u64,
    parts_passed: u64,
    parts_failed: u64,
    latency_ms: f64,
    cost: f64,
    tokens: Tokens,
    named: BTreeMap<String, (f64, u64)>,
}

impl Totals {
    fn add(&mut self, outcome: &ExportedOutcome, verdict: &Verdict) {
        match verdict.failure {
            NONE => self.passed += 1,
            ASSERT => self.failed += 1,
            _ => self.errors += 1,
        }
        self.score += verdict.score;
        self.latency_ms += finite(outcome.latency_ms).unwrap_or(0.0);
        self.cost += finite(outcome.cost).unwrap_or(0.0);
        self.tokens = self.tokens.plus(Tokens::of(outcome));
        for (scorer, value) in outcome.scores.iter().filter_map(|score| Some((&score.scorer, score.number()?))) {
            let (sum, count) = self.named.entry(scorer.clone()).or_default();
            (*sum, *count) = (*sum + value, *count + 1);
            if verdict.failure != ERROR {
                *(if value >= 1.0 { &mut self.parts_passed } else { &mut self.parts_failed }) += 1;
            }
        }
    }

    fn metrics(&self) -> Value {
        let sums: BTreeMap<&String, f64> = self.named.iter().map(|(name, (sum, _))| (name, *sum)).collect();
        let counts: BTreeMap<&String, u64> = self.named.iter().map(|(name, (_, count))| (name, *count)).collect();
        json!({
            "score": self.score,
            "testPassCount": self.passed,
            "testFailCount": self.failed,
            "testErrorCount": self.errors,
            "assertPassCount": self.parts_passed,
            "assertFailCount": self.parts_failed,
            "totalLatencyMs": self.latency_ms.round(),
            "tokenUsage": tokens(&self.tokens),
            "namedScores": sums,
            "namedScoresCount": counts,
            "namedScoreWeights": counts,
            "cost": self.cost,
        })
    }
}

fn stats(header: &Header, totals: &[Totals]) -> Value {
    let ends = header.runs.iter().filter_map(|run| Some((run.started_at, run.finished_at?)));
    let milliseconds = |(from, to): (jiff::Timestamp, jiff::Timestamp)| to.duration_since(from).as_millis().max(0);
    let duration = ends.map(milliseconds).fold(0_i128, i128::saturating_add);
    let sum = |of: fn(&Totals) -> u64| totals.iter().map(of).fold(0, u64::saturating_add);
    json!({
        "successes": sum(|totals| totals.passed),
        "failures": sum(|totals| totals.failed),
        "errors": sum(|totals| totals.errors),
        "tokenUsage": tokens(&totals.iter().fold(Tokens::default(), |all, totals| all.plus(totals.tokens))),
        "durationMs": u64::try_from(duration).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{empty_header, hostile, outcomes, outcomes_of_two_suites, rich_header, two_suites};
    use super::*;

    fn export(header: &Header, outcomes: &[ExportedOutcome]) -> Value {
        let mut bytes = Vec::new();
        let mut exporter = Promptfoo::new(&mut bytes);
        exporter.begin(header).unwrap();
        outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
        exporter.end(&Summary::default()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_run_without_outcomes_is_a_valid_file() {
        let file = export(&empty_header(), &[]);
        assert_eq!((&file["evalId"], &file["results"]["version"]), (&json!("karat-0199aaaa"), &json!(3)));
        assert_eq!(file["results"]["results"], json!([]));
        assert_eq!(file["results"]["prompts"].as_array().unwrap().len(), 1);
        assert_eq!(file["results"]["stats"]["durationMs"], json!(60_500));
    }

    #[test]
    fn what_has_no_score_is_an_error_and_never_a_failed_test() {
        let file = export(&rich_header(), &outcomes());
        let results = file["results"]["results"].as_array().unwrap();
        let column = |key: &str| results.iter().map(|result| result[key].clone()).collect::<Vec<_>>();
        assert_eq!(column("success"), [json!(true), json!(false), json!(false), json!(false)]);
        assert_eq!(column("failureReason"), [json!(0), json!(1), json!(2), json!(2)]);
        assert_eq!(
            column("namedScores"),
            [json!({"exact": 1.0, "rouge": 0.75}), json!({"exact": 0.0}), json!({}), json!({})]
        );
        assert_eq!(results[2]["error"], json!("timeout: no answer within 30 s"));
        assert_eq!(results[3]["error"], json!("not scored by exact, which was skipped: no accepted answer"));
        assert!(results[2].get("gradingResult").is_none() && results[2].get("latencyMs").is_none());
        let not_scored = json!([{"scorer": "judge", "state": "failed", "reason": "the judge did not answer"}]);
        assert_eq!(results[1]["metadata"]["karat"]["notScored"], not_scored);
        let stats = &file["results"]["stats"];
        assert_eq!((&stats["successes"], &stats["failures"], &stats["errors"]), (&json!(1), &json!(1), &json!(2)));
    }

    #[test]
    fn every_run_is_a_prompt_with_its_own_statistics() {
        let file = export(&rich_header(), &outcomes());
        let metrics = |at: usize| &file["results"]["prompts"][at]["metrics"];
        assert_eq!(metrics(0)["testPassCount"], json!(1));
        assert_eq!(metrics(0)["namedScores"], json!({"exact": 1.0, "rouge": 0.75}));
        assert_eq!(metrics(0)["namedScoresCount"], json!({"exact": 2, "rouge": 1}));
        assert_eq!(metrics(1)["testErrorCount"], json!(1));
        assert_eq!(
            metrics(0)["tokenUsage"],
            json!({"total": 44, "prompt": 40, "completion": 4, "cached": 22, "numRequests": 2})
        );
    }

    #[test]
    fn the_same_example_and_repeat_in_two_runs_is_one_test() {
        let first = outcomes();
        let second: Vec<_> =
            first.iter().take(3).map(|outcome| ExportedOutcome { run: 1, ..outcome.clone() }).collect();
        let file = export(&rich_header(), &[first, second].concat());
        let results = file["results"]["results"].as_array().unwrap();
        let tests: Vec<u64> = results.iter().map(|result| result["testIdx"].as_u64().unwrap()).collect();
        assert_eq!(tests, [0, 1, 2, 3, 0, 1, 2]);
        let mut single = rich_header();
        single.runs.truncate(1);
        let file = export(&single, &outcomes()[..3]);
        assert_eq!(file["results"]["results"][2]["testIdx"], json!(2));
    }

    #[test]
    fn runs_of_different_suites_have_their_own_primary_scorer_and_their_own_tests() {
        let file = export(&two_suites(), &outcomes_of_two_suites());
        let results = file["results"]["results"].as_array().unwrap();
        let column = |key: &str| results.iter().map(|result| result[key].clone()).collect::<Vec<_>>();
        assert_eq!(column("failureReason"), [json!(0), json!(2), json!(0), json!(2)], "{}", column("error")[2]);
        assert_eq!(column("testIdx"), [json!(0), json!(1), json!(2), json!(3)]);
        let passed = |run: usize| &file["results"]["prompts"][run]["metrics"]["testPassCount"];
        assert_eq!((passed(0), passed(1)), (&json!(1), &json!(1)));
    }

    #[test]
    fn hostile_text_comes_back_unchanged() {
        let (file, outcome) = (export(&rich_header(), &[hostile()]), hostile());
        let result = &file["results"]["results"][0];
        assert_eq!(result["response"]["output"], json!(outcome.output));
        assert_eq!(result["vars"]["input"], json!(outcome.input_text));
        assert_eq!(result["failureReason"], json!(2));
        let error = result["error"].as_str().unwrap();
        assert!(error.ends_with("{{x}}</script>") && error.contains('\u{fffd}') && !error.contains('\0'), "{error:?}");
        assert_eq!(result["namedScores"], json!({"not in the header": 1.0}));
        assert!(result.get("cost").is_none() && result.get("latencyMs").is_none());
    }
}
