//! The golden set: examples, and the card that describes them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Source;

/// The status of an example, as written in the dataset file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExampleStatus {
    /// Counts for quality and for coverage.
    #[default]
    Active,
    /// Is run, but no longer counts as representing traffic.
    RegressionOnly,
    /// Is neither run nor counted, but remains in the file with its reason.
    Retired,
}

impl ExampleStatus {
    /// The name used in files and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::RegressionOnly => "regression-only",
            Self::Retired => "retired",
        }
    }
}

/// A turn of a conversation: what the user says, and what the answer to it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What the user says.
    pub user: String,
    /// Accepted answers to this turn; empty if none was agreed on.
    pub expected: Vec<Value>,
    /// Scorers of this turn, as written.
    pub assert: Option<Value>,
}

/// One item of a golden set.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Stable id; the hash of the input if the file specifies none.
    pub id: String,
    /// The request: a string, chat messages, or an object whose fields a prompt refers to.
    pub input: Value,
    /// Accepted answers, any of which is right; empty if no answer was agreed on. In a conversation, those of the last turn.
    pub expected: Vec<Value>,
    /// The turns of a conversation, which are sent one after the other with the answers so far; empty for a single
    /// request.
    pub turns: Vec<Turn>,
    /// Supporting material, available to the prompt as `context`.
    pub context: Option<Value>,
    /// Additional fields, available to the prompt as `metadata`.
    pub metadata: Map<String, Value>,
    /// Labels for slicing and filtering.
    pub tags: Vec<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When its answer was agreed on.
    pub labeled_at: Option<Timestamp>,
    /// Who agreed on it.
    pub labeled_by: Option<String>,
    /// When it was last reviewed.
    pub reviewed_at: Option<Timestamp>,
    /// The last day on which its answer is valid.
    pub valid_until: Option<Date>,
    /// Where it came from.
    pub source: Option<String>,
    /// The documents that its answer depends on; written in place of `source`.
    pub sources: Vec<Source>,
    /// Scorers of its own, as written, which the scorer `assert` of a suite evaluates.
    pub assert: Option<Value>,
    /// Whether it must never be flagged because of traffic alone.
    pub critical: bool,
    /// Its status.
    pub status: ExampleStatus,
    /// Why it was retired.
    pub retired_reason: Option<String>,
    /// Line of the file it was read from, starting at 1. Not part of the content.
    pub line: u64,
}

impl Example {
    /// The text by which it is embedded and compared; see `input_text`.
    pub fn text(&self) -> String {
        super::input_text(&self.input)
    }

    /// The example as one turn of its conversation is scored, given the answers to the turns so far: its input is the
    /// conversation up to what the user says in this turn.
    #[must_use]
    pub fn at_turn(&self, index: usize, answers: &[String]) -> Self {
        let Some(turn) = self.turns.get(index) else { return self.clone() };
        let is_last = index + 1 == self.turns.len();
        let message = |role: &str, text: &str| serde_json::json!({"role": role, "content": text});
        let before = self.turns.iter().zip(answers).take(index);
        let mut messages: Vec<Value> =
            before.flat_map(|(turn, answer)| [message("user", &turn.user), message("assistant", answer)]).collect();
        messages.push(message("user", &turn.user));
        let of_example = is_last && turn.expected.is_empty();
        Self {
            input: Value::Array(messages),
            expected: if of_example { self.expected.clone() } else { turn.expected.clone() },
            assert: turn.assert.clone().or_else(|| self.assert.clone().filter(|_| is_last)),
            turns: Vec::new(),
            ..self.clone()
        }
    }

    /// The accepted answers as text.
    pub fn expected_texts(&self) -> Vec<String> {
        self.expected.iter().map(value_text).collect()
    }

    /// The first accepted answer as text, which serves as its label.
    pub fn label(&self) -> Option<String> {
        self.expected.first().map(value_text)
    }

    /// Whether it counts as representing traffic at `now`, that is, whether it is active and not expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status == ExampleStatus::Active && !self.is_expired(now)
    }

    /// Whether `valid_until` has passed. It is still valid on that day, in UTC.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.valid_until.is_some_and(|last| today > last)
    }

    /// The most recent time at which somebody reviewed, labelled or created it.
    pub fn last_dated(&self) -> Option<Timestamp> {
        [self.reviewed_at, self.labeled_at, self.created_at].into_iter().flatten().max()
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => super::canonical_json(other),
    }
}

/// The card of a golden set, read from `dataset.yaml`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// Who is responsible for it.
    pub owner: Option<String>,
    /// A one-sentence description of what it tests.
    pub description: Option<String>,
    /// The closed set of answers, if there is one.
    pub labels: Vec<String>,
    /// How often every example should be reviewed, in days.
    pub review_every_days: Option<u32>,
    /// The traffic source to compare it with.
    pub traffic: Option<String>,
    /// The window it was last reviewed against, as written (see [`super::Window::parse`]).
    pub reference: Option<String>,
    /// The documents that the answers of many examples depend on.
    pub sources: Vec<CardSource>,
}

/// A document that the answers of many examples depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct CardSource {
    /// The document.
    pub source: Source,
    /// The tags of the examples that depend on it.
    pub tags: Vec<String>,
    /// The answers that depend on it. Without tags and labels, all do.
    pub labels: Vec<String>,
}

/// A named set of examples in one version.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name, which is that of its folder.
    pub name: String,
    /// Hash of the canonical content, 64 hex digits.
    pub version: String,
    /// Its card.
    pub card: Card,
    /// Its examples in the order of the file.
    pub examples: Vec<Example>,
}

impl Dataset {
    /// `name@3f9a1c`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, super::short(&self.version, 6))
    }
}
