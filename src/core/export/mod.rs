//! Stored outcomes as files for other tools. Every format is written one outcome at a time, so memory does not grow
//! with the run.
//!
//! An outcome without an answer has no scores, and a scorer that was skipped or failed has a state and a reason but no
//! value. No format writes a zero in their place, unless it has no other way to say so (see [`promptfoo`]).

pub mod csv;
pub mod jsonl;
pub mod otlp;
pub mod promptfoo;

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::core::privacy::sanitize::for_terminal;

/// A format of exported outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object per line.
    Jsonl,
    /// RFC 4180 with a header line.
    Csv,
    /// Apache Parquet, which `edge::parquet` writes.
    Parquet,
    /// One OTLP export request in JSON per line, with an event per score.
    Otlp,
    /// The results file of promptfoo.
    Promptfoo,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Jsonl, Self::Csv, Self::Parquet, Self::Otlp, Self::Promptfoo];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Otlp => "otlp",
            Self::Promptfoo => "promptfoo",
        }
    }

    /// The format for a file name: `.jsonl` or `.ndjson`, `.csv`, `.parquet`, `.otlp.jsonl` or `.otlp.json`, and
    /// `.promptfoo.json`. `None` for anything else, also for a plain `.json`, which several formats would fit.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = [
            (".otlp.jsonl", Self::Otlp),
            (".otlp.json", Self::Otlp),
            (".promptfoo.json", Self::Promptfoo),
            (".jsonl", Self::Jsonl),
            (".ndjson", Self::Jsonl),
            (".csv", Self::Csv),
            (".parquet", Self::Parquet),
        ];
        ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, format)| format)
    }
}

/// A run that is exported.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedRun {
    /// Its globally unique id.
    pub run_id: String,
    /// Name of the suite.
    pub suite: String,
    /// Hash of the suite.
    pub suite_version: String,
    /// Name of the golden set.
    pub dataset: String,
    /// Hash of the golden set.
    pub dataset_version: String,
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// The template of the prompt, if it is known.
    pub prompt_text: Option<String>,
    /// When the run started.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is unfinished.
    pub finished_at: Option<Timestamp>,
    /// The names of the scorers of its suite, the primary one first.
    pub scorers: Vec<String>,
}

/// What is known before the first outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The version of karat that writes the file.
    pub karat_version: String,
    /// When the file is written.
    pub exported_at: Timestamp,
    /// The runs, in the order in which their outcomes follow.
    pub runs: Vec<ExportedRun>,
    /// The names of all scorers of these runs without duplicates, in the order of the runs and of their suites. Only
    /// [`ExportedRun::scorers`] says which of them a run has.
    pub scorers: Vec<String>,
}

/// What is known after the last outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Number of outcomes written.
    pub outcomes: u64,
    /// Number of those without an answer.
    pub errors: u64,
}

/// The score of one scorer, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedScore {
    /// Name of the scorer.
    pub scorer: String,
    /// Whether it scored.
    pub state: ScoreState,
    /// The value, in [0, 1]; `None` unless it scored.
    pub value: Option<f64>,
    /// The reason for the value, or for there being none.
    pub reason: Option<String>,
}

impl ExportedScore {
    /// The value, if it scored and the value is a number.
    pub fn number(&self) -> Option<f64> {
        self.value.filter(|value| self.state == ScoreState::Scored && value.is_finite())
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedTurn {
    /// What the user says, as in the golden set.
    pub user: String,
    /// The answers accepted in this turn.
    pub expected: Vec<Value>,
    /// The answer to it; `None` if there is none.
    pub output: Option<String>,
}

/// Whether a scorer scored an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreState {
    /// There is a value.
    Scored,
    /// The scorer had nothing to compare with.
    Skipped,
    /// The scorer itself failed.
    Failed,
}

impl ScoreState {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scored => "scored",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// The outcome of one trial of an example in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedOutcome {
    /// The run, as an index into [`Header::runs`].
    pub run: usize,
    /// The example.
    pub example_id: String,
    /// Index of the repeat, starting at 0.
    pub trial: u32,
    /// When it was recorded, if that is known.
    pub answered_at: Option<Timestamp>,
    /// The model that the server reported.
    pub model: Option<String>,
    /// The text of the input.
    pub input_text: String,
    /// The input as in the golden set: a text, chat messages or an object.
    pub input: Value,
    /// The accepted answers.
    pub expected: Vec<Value>,
    /// The answer; `None` for an error.
    pub output: Option<String>,
    /// Tool calls beside the text of the answer.
    pub tool_calls: Option<Value>,
    /// Why the answer ended, such as `stop`.
    pub finish_reason: Option<String>,
    /// Kind and message of the error.
    pub error: Option<(String, String)>,
    /// The scores, in the order of the suite; empty for an error.
    pub scores: Vec<ExportedScore>,
    /// Number of attempts.
    pub attempts: u32,
    /// Duration of the successful attempt in milliseconds.
    pub latency_ms: Option<f64>,
    /// Time to the first token in milliseconds.
    pub ttft_ms: Option<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// Cost, if known.
    pub cost: Option<f64>,
    /// Whether the answer came from the cache or a cassette.
    pub cached: bool,
    /// The tags of the example.
    pub tags: Vec<String>,
    /// The additional fields of the example.
    pub metadata: Map<String, Value>,
    /// The turns of a conversation; `None` for a single request.
    pub turns: Option<Vec<ExportedTurn>>,
}

impl ExportedOutcome {
    /// The score by a scorer.
    pub fn score(&self, scorer: &str) -> Option<&ExportedScore> {
        self.scores.iter().find(|score| score.scorer == scorer)
    }
}

/// Writes outcomes in one format.
pub trait Exporter {
    /// Starts the file.
    ///
    /// # Errors
    /// An error of the writer.
    fn begin(&mut self, header: &Header) -> io::Result<()>;

    /// Writes one outcome.
    ///
    /// # Errors
    /// An error of the writer, or an outcome of a run that the header does not have.
    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()>;

    /// Completes the file.
    ///
    /// # Errors
    /// An error of the writer.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// The writer of a text format; `None` for Parquet, which is not one.
pub fn text_exporter<'a>(format: ExportFormat, out: impl Write + 'a) -> Option<Box<dyn Exporter + 'a>> {
    match format {
        ExportFormat::Jsonl => Some(Box::new(jsonl::Jsonl::new(out))),
        ExportFormat::Csv => Some(Box::new(csv::Csv::new(out))),
        ExportFormat::Otlp => Some(Box::new(otlp::Otlp::new(out))),
        ExportFormat::Promptfoo => Some(Box::new(promptfoo::Promptfoo::new(out))),
        ExportFormat::Parquet => None,
    }
}

/// The run of an outcome.
///
/// # Errors
/// If the header does not have it.
pub fn run_of<'a>(runs: &'a [ExportedRun], outcome: &ExportedOutcome) -> io::Result<&'a ExportedRun> {
    runs.get(outcome.run).ok_or_else(|| io::Error::other("the outcome belongs to no run of the export"))
}

/// A value as JSON on one line. Characters that control a terminal or reorder text are written as escapes, which a JSON
/// parser decodes.
///
/// # Errors
/// If the value cannot be serialized.
pub fn one_line(value: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string(value)?;
    let steers = |c: char| !for_terminal(c.encode_utf8(&mut [0; 4])).starts_with(c);
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}")));
        } else {
            line.push(c);
        }
    }
    Ok(line)
}

/// Serializes pairs as an object in their order.
fn ordered<S: Serializer, V: Serialize>(pairs: &[(&str, V)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// A finite number; JSON has no others.
fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
pub mod fixture;

#[cfg(test)]
mod tests {
    use super::fixture::{empty_header, hostile, outcomes, rich_header};
    use super::*;

    /// The whole file of a format.
    fn file(format: ExportFormat, header: &Header, outcomes: &[ExportedOutcome]) -> String {
        let mut bytes = Vec::new();
        {
            let mut exporter = text_exporter(format, &mut bytes).unwrap();
            exporter.begin(header).unwrap();
            outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
            let errors = outcomes.iter().filter(|outcome| outcome.error.is_some()).count() as u64;
            exporter.end(&Summary { outcomes: outcomes.len() as u64, errors }).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    const TEXTS: [ExportFormat; 4] =
        [ExportFormat::Jsonl, ExportFormat::Csv, ExportFormat::Otlp, ExportFormat::Promptfoo];

    #[test]
    fn the_format_follows_from_the_end_of_the_file_name() {
        let cases = [
            ("a.jsonl", Some(ExportFormat::Jsonl)),
            ("a.NDJSON", Some(ExportFormat::Jsonl)),
            ("a.csv", Some(ExportFormat::Csv)),
            ("a.parquet", Some(ExportFormat::Parquet)),
            ("a.otlp.jsonl", Some(ExportFormat::Otlp)),
            ("a.otlp.json", Some(ExportFormat::Otlp)),
            ("a.promptfoo.json", Some(ExportFormat::Promptfoo)),
            ("a.json", None),
            ("a", None),
            ("", None),
        ];
        for (name, format) in cases {
            assert_eq!(ExportFormat::of_file_name(name), format, "{name}");
        }
        assert!(text_exporter(ExportFormat::Parquet, Vec::new()).is_none());
    }

    #[test]
    fn every_format_writes_a_run_without_outcomes() {
        for format in TEXTS {
            let text = file(format, &empty_header(), &[]);
            assert_eq!(
                text.is_empty(),
                matches!(format, ExportFormat::Jsonl | ExportFormat::Otlp),
                "{format:?}: {text}"
            );
        }
    }

    #[test]
    fn nothing_in_a_text_can_steer_a_terminal() {
        for format in TEXTS {
            let text = file(format, &rich_header(), &[hostile()]);
            let found =
                text.chars().find(|c| *c != '\n' && matches!(for_terminal(&c.to_string()), std::borrow::Cow::Owned(_)));
            assert_eq!(found, None, "{format:?}");
        }
    }

    #[test]
    fn an_outcome_of_an_unknown_run_is_an_error() {
        let stray = ExportedOutcome { run: 9, ..outcomes().remove(0) };
        for format in TEXTS {
            let mut bytes = Vec::new();
            let mut exporter = text_exporter(format, &mut bytes).unwrap();
            exporter.begin(&rich_header()).unwrap();
            assert!(exporter.write(&stray).is_err(), "{format:?}");
        }
    }

    #[test]
    fn no_scorer_without_a_value_has_a_number() {
        let score = |state, value| ExportedScore { scorer: "s".into(), state, value, reason: None };
        assert_eq!(score(ScoreState::Scored, Some(0.0)).number(), Some(0.0));
        assert_eq!(score(ScoreState::Scored, Some(f64::NAN)).number(), None);
        assert_eq!(score(ScoreState::Failed, Some(0.0)).number(), None);
        assert_eq!(score(ScoreState::Skipped, None).number(), None);
    }
}
