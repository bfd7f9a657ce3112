//! The outcome of one trial: the answer of an endpoint for an example, and its scores.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::endpoint::{CallError, CallErrorKind, RequestKey, Response, Usage};

/// The globally unique id of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Creates an id from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
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

/// A score in [0, 1], or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The value, in [0, 1], and the reason for it, if any.
    Value(f64, Option<String>),
    /// Not scored, because the scorer has nothing to compare with, with the reason. Counts neither as right nor as wrong.
    Skipped(String),
    /// Not scored, because the scorer itself failed, with the reason. An error is never a wrong answer.
    Failed(String),
}

impl Score {
    /// A score of 1 if `pass` is true, else 0.
    pub fn pass(pass: bool, reason: Option<String>) -> Self {
        Self::Value(f64::from(u8::from(pass)), reason)
    }

    /// The value; `None` if not scored.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value, _) => Some(*value),
            Self::Skipped(_) | Self::Failed(_) => None,
        }
    }
}

/// The answer with its scores, or the error. An error never counts as a wrong answer.
#[derive(Debug, Clone)]
pub enum OutcomeResult {
    /// The endpoint answered.
    Answered {
        /// The answer.
        response: Response,
        /// Name and score of each scorer, in the order of the suite; `None` while a scorer outside karat works on them.
        scores: Option<Vec<(String, Score)>>,
    },
    /// The endpoint did not answer.
    Failed(CallError),
}

/// The outcome of one trial of an example.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The example.
    pub example_id: String,
    /// Index of the repeat, starting at 0.
    pub trial: u32,
    /// Key of the request; `None` if it could not be rendered.
    pub key: Option<RequestKey>,
    /// Cost, if the endpoint has a price.
    pub cost: Option<f64>,
    /// The result.
    pub result: OutcomeResult,
}

/// An outcome as recorded in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOutcome {
    /// The example.
    pub example_id: String,
    /// Index of the repeat, starting at 0.
    pub trial: u32,
    /// The answer; `None` for an error.
    pub output: Option<String>,
    /// Tool calls beside the text of the answer, as canonical JSON.
    pub tool_calls: Option<String>,
    /// Why the answer ended, such as `stop`.
    pub finish_reason: Option<String>,
    /// Kind and message of the error.
    pub error: Option<(CallErrorKind, String)>,
    /// Number of attempts.
    pub attempts: u32,
    /// Duration of the successful attempt in milliseconds. For a cached answer, the original duration.
    pub latency_ms: Option<f64>,
    /// Time to the first token in milliseconds, if the answer was streamed.
    pub ttft_ms: Option<f64>,
    /// Whether the answer came from the cache or a cassette.
    pub cached: bool,
    /// Cost, if known.
    pub cost: Option<f64>,
    /// Tokens of prompt and answer, as far as the server counted them.
    pub usage: Usage,
    /// The model reported by the server.
    pub model: Option<String>,
    /// Score by scorer.
    pub scores: BTreeMap<String, Score>,
    /// When it was recorded; `None` if an older version of karat did not say.
    pub answered_at: Option<Timestamp>,
}

impl RecordedOutcome {
    /// The answer as a response; an empty one for an error.
    pub fn into_response(self) -> Response {
        let span = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        Response {
            tool_calls: self.tool_calls,
            finish_reason: self.finish_reason,
            model: self.model,
            usage: self.usage,
            ttft: self.ttft_ms.map(span),
            attempts: self.attempts,
            cached: self.cached,
            ..Response::new(self.output.unwrap_or_default(), span(self.latency_ms.unwrap_or_default()))
        }
    }
}
