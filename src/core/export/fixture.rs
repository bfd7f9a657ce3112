//! Outcomes for tests: answered, wrong, skipped, failed, without an answer, and hostile.

use serde_json::{Map, Value, json};

use super::{ExportedOutcome, ExportedRun, ExportedScore, ExportedTurn, Header, ScoreState};

/// A header with two runs of one suite, which has three scorers.
pub fn rich_header() -> Header {
    let scorers = || ["exact", "rouge", "judge"].map(str::to_owned).to_vec();
    let run = |id: &str, prompt: &str| ExportedRun {
        run_id: id.to_owned(),
        suite: "support".to_owned(),
        suite_version: "5".repeat(64),
        dataset: "tickets".to_owned(),
        dataset_version: "d".repeat(64),
        endpoint: "prod".to_owned(),
        prompt: Some(prompt.to_owned()),
        prompt_text: Some(format!("{prompt}: {{{{ input }}}}")),
        started_at: "2026-09-14T08:30:00Z".parse().unwrap(),
        finished_at: Some("2026-09-14T08:31:00.5Z".parse().unwrap()),
        scorers: scorers(),
    };
    Header {
        karat_version: "0.1.0".to_owned(),
        exported_at: "2026-09-15T00:00:00Z".parse().unwrap(),
        runs: vec![run("0199aaaa", "short"), run("0199bbbb", "long")],
        scorers: scorers(),
    }
}

/// A header of one run without scorers.
pub fn empty_header() -> Header {
    let mut header = rich_header();
    header.runs.truncate(1);
    header.runs[0].scorers.clear();
    header.scorers.clear();
    header
}

/// A header with two runs of different suites, whose golden sets and scorers are different, too.
pub fn two_suites() -> Header {
    let mut header = rich_header();
    let other = &mut header.runs[1];
    (other.suite, other.dataset) = ("tone".to_owned(), "letters".to_owned());
    other.scorers = vec!["polite".to_owned()];
    header.scorers.push("polite".to_owned());
    header
}

/// Outcomes of [`two_suites`]: in each run one with an answer and one without, of examples with the same ids.
pub fn outcomes_of_two_suites() -> Vec<ExportedOutcome> {
    let [right, _, failed, _]: [ExportedOutcome; 4] = outcomes().try_into().unwrap();
    let polite = vec![score("polite", ScoreState::Scored, Some(1.0), None)];
    let other = ExportedOutcome { run: 1, scores: polite, ..right.clone() };
    let other_failed = ExportedOutcome { run: 1, ..failed.clone() };
    vec![right, failed, other, other_failed]
}

/// A score.
pub fn score(scorer: &str, state: ScoreState, value: Option<f64>, reason: Option<&str>) -> ExportedScore {
    ExportedScore { scorer: scorer.to_owned(), state, value, reason: reason.map(str::to_owned) }
}

fn turn(user: &str, expected: &[Value], output: &str) -> ExportedTurn {
    ExportedTurn { user: user.to_owned(), expected: expected.to_vec(), output: Some(output.to_owned()) }
}

fn answered() -> ExportedOutcome {
    ExportedOutcome {
        run: 0,
        example_id: "a".to_owned(),
        trial: 0,
        answered_at: Some("2026-09-14T08:30:07.25Z".parse().unwrap()),
        model: Some("m-1".to_owned()),
        input_text: "Where is my parcel?".to_owned(),
        input: json!("Where is my parcel?"),
        expected: vec![json!("delivery")],
        output: Some("delivery".to_owned()),
        tool_calls: None,
        finish_reason: Some("stop".to_owned()),
        error: None,
        scores: vec![
            score("exact", ScoreState::Scored, Some(1.0), None),
            score("rouge", ScoreState::Scored, Some(0.75), Some("3 of 4 words")),
            score("judge", ScoreState::Skipped, None, Some("no rubric")),
        ],
        attempts: 1,
        latency_ms: Some(12.5),
        ttft_ms: Some(3.0),
        prompt_tokens: Some(20),
        completion_tokens: Some(2),
        cost: Some(0.000_25),
        cached: false,
        tags: vec!["billing".to_owned(), "de".to_owned()],
        metadata: Map::from_iter([("tier".to_owned(), json!({"level": 3}))]),
        turns: None,
    }
}

/// An answer that is right, one in a conversation that is wrong and that a scorer failed on, one without an answer, and
/// one that the primary scorer skipped, in two runs.
pub fn outcomes() -> Vec<ExportedOutcome> {
    let wrong = ExportedOutcome {
        example_id: "b".to_owned(),
        input_text: "Hello".to_owned(),
        input: json!([{"role": "user", "content": "Hello"}]),
        expected: vec![json!("greeting"), json!({"intent": "greeting"})],
        output: Some("complaint".to_owned()),
        tool_calls: Some(json!([{"id": "1", "function": {"name": "f", "arguments": "{}"}}])),
        scores: vec![
            score("exact", ScoreState::Scored, Some(0.0), Some("differs")),
            score("judge", ScoreState::Failed, None, Some("the judge did not answer")),
        ],
        cached: true,
        tags: Vec::new(),
        metadata: Map::new(),
        turns: Some(vec![turn("Hello", &[json!("greeting")], "complaint")]),
        ..answered()
    };
    let failed = ExportedOutcome {
        example_id: "c".to_owned(),
        answered_at: None,
        model: None,
        output: None,
        finish_reason: None,
        error: Some(("timeout".to_owned(), "no answer within 30 s".to_owned())),
        scores: Vec::new(),
        attempts: 3,
        latency_ms: None,
        ttft_ms: None,
        prompt_tokens: None,
        completion_tokens: None,
        cost: None,
        ..answered()
    };
    let skipped = ExportedOutcome {
        run: 1,
        trial: 1,
        expected: Vec::new(),
        scores: vec![score("exact", ScoreState::Skipped, None, Some("no accepted answer"))],
        ..answered()
    };
    vec![answered(), wrong, failed, skipped]
}

/// An outcome whose every text tries to do harm.
pub fn hostile() -> ExportedOutcome {
    let text = "=cmd|'/c calc'!A1;=1+1;\"@x\u{1b}[31m\u{202e}\"\r\n,\u{0}\u{e0041}{{x}}</script>";
    ExportedOutcome {
        example_id: text.to_owned(),
        model: Some(text.to_owned()),
        input_text: text.to_owned(),
        input: json!({ text: [text, {"__proto__": text}] }),
        expected: vec![json!(text), json!(null), json!(1e300)],
        output: Some(text.to_owned()),
        tool_calls: Some(Value::Null),
        finish_reason: Some(text.to_owned()),
        scores: vec![
            score("exact", ScoreState::Scored, Some(f64::NAN), Some(text)),
            score("rouge", ScoreState::Failed, Some(0.0), Some(text)),
            score("not in the header", ScoreState::Scored, Some(1.0), Some(text)),
        ],
        latency_ms: Some(f64::INFINITY),
        prompt_tokens: Some(u64::MAX),
        cost: Some(f64::NAN),
        tags: vec![text.to_owned()],
        metadata: Map::from_iter([(text.to_owned(), json!(text))]),
        turns: Some(vec![turn(text, &[json!(text)], text)]),
        ..answered()
    }
}
