//! A thing that answers requests, and how a call can fail.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One message of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or whatever role the endpoint knows.
    pub role: String,
    /// The text.
    pub content: String,
}

/// One example, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The example asked about.
    pub example_id: String,
    /// The example's own input as text, for endpoints that need no prompt.
    pub input: String,
    /// The rendered prompt.
    pub messages: Vec<Message>,
}

/// Tokens a call used, as the endpoint counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The text of the answer.
    pub output: String,
    /// The model the endpoint says it used, where it says so.
    pub model: Option<String>,
    /// Tokens used.
    pub usage: Usage,
    /// Duration of the attempt that succeeded.
    pub latency: Duration,
    /// Attempts made, the successful one included (1 = no retry).
    pub attempts: u32,
}

/// Why a call failed. Kinds are stored, so their names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// No connection could be made, or it broke.
    Connect,
    /// The attempt ran past its timeout.
    Timeout,
    /// The server said it is asked too often (HTTP 429).
    RateLimited,
    /// The server failed (HTTP 5xx).
    Server,
    /// The server refused the request (other HTTP 4xx).
    Refused,
    /// The credentials were not accepted (HTTP 401, 403).
    Unauthorized,
    /// The answer was not of the promised form.
    BadAnswer,
    /// The prompt could not be rendered for this example.
    Prompt,
}

impl CallErrorKind {
    /// The stable name, as stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::BadAnswer => "bad_answer",
            Self::Prompt => "prompt",
        }
    }

    /// Whether another attempt may help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::RateLimited | Self::Server)
    }
}

/// A failed call: never a wrong answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct CallError {
    /// What kind of failure.
    pub kind: CallErrorKind,
    /// What happened, without secrets.
    pub message: String,
    /// How long the server asked to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// Attempts made.
    pub attempts: u32,
}

impl CallError {
    /// A failure of the first attempt, without a wish to wait.
    pub fn new(kind: CallErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, attempts: 1 }
    }
}

/// The future of one call.
pub type EndpointFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + 'a>>;

/// Something that answers a request.
pub trait Endpoint: Send + Sync {
    /// The name it has in the workspace.
    fn name(&self) -> &str;

    /// Hash of everything that may change its answers; secrets are not part of it.
    fn fingerprint(&self) -> &str;

    /// Answers one request, retrying transient failures as it was configured to.
    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a>;
}
