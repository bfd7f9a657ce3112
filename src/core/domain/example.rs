//! The golden set: examples, the card that describes them, and the text an input is compared by.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where an example stands, as written in the dataset file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExampleStatus {
    /// Counts for quality and for coverage.
    #[default]
    Active,
    /// Is run, but no longer represents today's traffic.
    RegressionOnly,
    /// Is neither run nor counted; stored with its reason.
    Retired,
}

impl ExampleStatus {
    /// The name used in files and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::RegressionOnly => "regression-only",
            Self::Retired => "retired",
        }
    }
}

/// One golden item.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Stable id; the hash of the input where the file gives none.
    pub id: String,
    /// What is asked: a text, chat messages, or an object whose fields a prompt names.
    pub input: Value,
    /// Accepted answers, any of them; empty where no answer was agreed.
    pub expected: Vec<Value>,
    /// Supporting material given to the prompt as `context`.
    pub context: Option<Value>,
    /// Free fields, given to the prompt by name.
    pub metadata: Map<String, Value>,
    /// Labels to slice and filter by.
    pub tags: Vec<String>,
    /// When it was written.
    pub created_at: Option<Timestamp>,
    /// When its answer was agreed.
    pub labeled_at: Option<Timestamp>,
    /// Who agreed it.
    pub labeled_by: Option<String>,
    /// When it was last looked at.
    pub reviewed_at: Option<Timestamp>,
    /// The last day its answer holds.
    pub valid_until: Option<Date>,
    /// Where it came from.
    pub source: Option<String>,
    /// Never flagged by traffic alone.
    pub critical: bool,
    /// Where it stands.
    pub status: ExampleStatus,
    /// Why it was retired.
    pub retired_reason: Option<String>,
    /// Line of the file it was read from (1 is the first); not part of the content.
    pub line: u64,
}

impl Example {
    /// The text it is embedded and compared by; see [`super::input_text`].
    pub fn text(&self) -> String {
        super::input_text(&self.input)
    }

    /// The accepted answers as text.
    pub fn expected_texts(&self) -> Vec<String> {
        self.expected.iter().map(value_text).collect()
    }

    /// The first accepted answer as text: what a classifier is trained on.
    pub fn label(&self) -> Option<String> {
        self.expected.first().map(value_text)
    }

    /// Whether it counts as representing traffic at `now`: active, and not past `valid_until`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status == ExampleStatus::Active && !self.is_expired(now)
    }

    /// Whether `valid_until` has passed (the day itself still counts, in UTC).
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.valid_until.is_some_and(|last| today > last)
    }

    /// The last time anybody stood in for its answer.
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

/// What `dataset.yaml` says about a golden set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it tests, in a sentence.
    pub description: Option<String>,
    /// The closed set of answers, where there is one.
    pub labels: Vec<String>,
    /// How often every example should be looked at, in days.
    pub review_every_days: Option<u32>,
    /// The traffic source it is compared with.
    pub traffic: Option<String>,
    /// The window it was last reviewed against, as written (see [`super::Window::parse`]).
    pub reference: Option<String>,
}

/// A named set of examples at one version.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The name of its folder.
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
