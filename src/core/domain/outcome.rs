//! The outcome of one trial: what an endpoint answered for an example, and its scores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::endpoint::{CallError, CallErrorKind, RequestKey, Response, Usage};

/// The globally unique id of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The id that reads like this.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

/// A number in [0, 1], or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The value, in [0, 1], and what made it so.
    Value(f64, Option<String>),
    /// Not scored, and why. Counts neither as right nor as wrong.
    Skipped(String),
}

impl Score {
    /// 1 where `pass` holds, else 0.
    pub fn pass(pass: bool, reason: Option<String>) -> Self {
        Self::Value(f64::from(u8::from(pass)), reason)
    }

    /// The value, where there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value, _) => Some(*value),
            Self::Skipped(_) => None,
        }
    }
}

/// The answer with its scores by scorer name, or the error. An error is never a wrong answer.
#[derive(Debug, Clone)]
pub enum OutcomeResult {
    /// The endpoint answered.
    Answered {
        /// The answer.
        response: Response,
        /// One score a scorer, in the suite's order.
        scores: Vec<(String, Score)>,
    },
    /// The endpoint did not answer.
    Failed(CallError),
}

/// One example × trial of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The example.
    pub example_id: String,
    /// Which repeat, from 0.
    pub trial: u32,
    /// What its request is known by; `None` where none could be rendered.
    pub key: Option<RequestKey>,
    /// What it cost, where the endpoint has a price.
    pub cost: Option<f64>,
    /// What came of it.
    pub result: OutcomeResult,
}

/// An outcome as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOutcome {
    /// The example.
    pub example_id: String,
    /// Which repeat, from 0.
    pub trial: u32,
    /// The answer; `None` for an error.
    pub output: Option<String>,
    /// Kind and message of the error.
    pub error: Option<(CallErrorKind, String)>,
    /// Attempts made.
    pub attempts: u32,
    /// Duration of the successful attempt in milliseconds; of a cached answer the original one.
    pub latency_ms: Option<f64>,
    /// Time to the first token in milliseconds, where the answer was streamed.
    pub ttft_ms: Option<f64>,
    /// Whether the answer came from the cache or a cassette.
    pub cached: bool,
    /// What it cost.
    pub cost: Option<f64>,
    /// Tokens of prompt and answer, where the server counted them.
    pub usage: Usage,
    /// The model the server said it used.
    pub model: Option<String>,
    /// Score by scorer.
    pub scores: BTreeMap<String, Score>,
}
