//! The trait of endpoints, which answer requests, and the ways in which a call can fail.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message of a rendered prompt. Fields unknown to an endpoint are passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or any other role that the endpoint supports.
    pub role: String,
    /// A string, a list of parts, or null if there are tool calls.
    #[serde(default)]
    pub content: Value,
    /// All other fields of the message, such as `tool_calls`, `tool_call_id` and `name`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Message {
    /// Creates a message that consists of text only.
    pub fn text(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Value::String(content.into()), rest: Map::new() }
    }

    /// The text of the content, with text parts joined by newlines; empty if there is none.
    pub fn content_text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let text = |part: &Value| part.as_str().or_else(|| part.get("text")?.as_str()).map(str::to_owned);
                parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    /// The message as JSON, with fields in the order role, content, rest.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::from_iter([
            ("role".to_owned(), Value::String(self.role.clone())),
            ("content".to_owned(), self.content.clone()),
        ]);
        fields.extend(self.rest.clone());
        Value::Object(fields)
    }
}

/// The request for one example and trial, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The id of the example.
    pub example_id: String,
    /// Index of the repeat, starting at 0.
    pub trial: u32,
    /// The input of the example as text, for endpoints that need no prompt.
    pub input: String,
    /// The fields of an input that is an object, for programs; empty for any other input.
    pub fields: Map<String, Value>,
    /// The rendered prompt.
    pub messages: Vec<Message>,
    /// Fields of the input that belong to the request rather than to a message, in OpenAI's format: `tools`,
    /// `tool_choice`, `response_format`.
    pub options: Map<String, Value>,
    /// Identifies the content of the request, with secrets masked. Answers are looked up by it.
    pub key: RequestKey,
}

impl Request {
    /// The messages, or the input as a single user message if there are none.
    pub fn turns(&self) -> Vec<Message> {
        if self.messages.is_empty() { vec![Message::text("user", self.input.clone())] } else { self.messages.clone() }
    }
}

/// The key of a request in the cache and in cassettes: a hash of messages, options and trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub [u8; 16]);

impl RequestKey {
    /// The key of a request with these messages, options and trial. It does not depend on the example that the request
    /// is for.
    pub fn new(messages: &[Message], options: &Map<String, Value>, trial: u32) -> Self {
        let messages: Vec<Value> = messages.iter().map(Message::to_json).collect();
        let content = Value::Array(vec![Value::Array(messages), Value::Object(options.clone())]);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karat-request\0").update(&trial.to_le_bytes());
        hasher.update(super::canonical_json(&content).as_bytes());
        Self::from_hash(hasher.finalize())
    }

    /// The key of the same request to one endpoint, given by its fingerprint.
    #[must_use]
    pub fn at(self, endpoint_fingerprint: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karat-cache\0").update(&self.0).update(endpoint_fingerprint.as_bytes());
        Self::from_hash(hasher.finalize())
    }

    /// The key of the same request to an endpoint that is also given the input itself, as text and as fields.
    #[must_use]
    pub fn with_input(self, input: &str, fields: &Map<String, Value>) -> Self {
        let content = Value::Array(vec![Value::String(input.to_owned()), Value::Object(fields.clone())]);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karat-input\0").update(&self.0).update(super::canonical_json(&content).as_bytes());
        Self::from_hash(hasher.finalize())
    }

    /// 32 lower-case hex digits.
    pub fn hex(self) -> String {
        self.0.iter().fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write;
            // Writing to a string never fails.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn from_hash(hash: blake3::Hash) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&hash.as_bytes()[..16]);
        Self(key)
    }
}

/// Tokens used by a call, as counted by the endpoint.
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
    /// The text of the answer; tool calls as canonical JSON if there is none.
    pub output: String,
    /// Tool calls beside the text, as canonical JSON in OpenAI's form.
    pub tool_calls: Option<String>,
    /// Why the answer ended, in OpenAI's words where they exist: `stop`, `length`, `tool_calls`, `content_filter`.
    pub finish_reason: Option<String>,
    /// The model that the endpoint reports, if it does.
    pub model: Option<String>,
    /// Tokens used.
    pub usage: Usage,
    /// Duration of the successful attempt. For an answer from the cache or a cassette, the original duration.
    pub latency: Duration,
    /// Time to the first token of the successful attempt, if the answer was streamed.
    pub ttft: Option<Duration>,
    /// Number of attempts, including the successful one (1 = no retry).
    pub attempts: u32,
    /// Whether the answer comes from the cache or a cassette.
    pub cached: bool,
}

impl Response {
    /// Creates an answer of the first attempt, with everything else unknown.
    pub fn new(output: String, latency: Duration) -> Self {
        Self {
            output,
            tool_calls: None,
            finish_reason: None,
            model: None,
            usage: Usage::default(),
            latency,
            ttft: None,
            attempts: 1,
            cached: false,
        }
    }
}

/// The kind of a failed call. Kinds are stored, so their names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// The connection failed or broke.
    Connect,
    /// The attempt timed out.
    Timeout,
    /// The server received too many requests (HTTP 429).
    RateLimited,
    /// The server is overloaded (HTTP 503, 529).
    Overloaded,
    /// The server failed (other HTTP 5xx).
    Server,
    /// The server refused the request (other HTTP 4xx).
    Refused,
    /// The credentials were not accepted (HTTP 401, 403).
    Unauthorized,
    /// The answer did not have the expected format.
    BadAnswer,
    /// The prompt could not be rendered for this example.
    Prompt,
    /// A bug in karat, such as a panic, that affected only this example.
    Internal,
}

impl CallErrorKind {
    /// The stable name, as stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::BadAnswer => "bad_answer",
            Self::Prompt => "prompt",
            Self::Internal => "internal",
        }
    }

    /// The kind with this [`Self::name`]; `None` if this version of karat does not know it.
    pub fn from_name(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }

    /// Whether another attempt may succeed.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::RateLimited | Self::Overloaded | Self::Server)
    }
}

/// A failed call, which never counts as a wrong answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct CallError {
    /// The kind of failure.
    pub kind: CallErrorKind,
    /// What happened, without secrets.
    pub message: String,
    /// How long the server asked to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// Number of attempts.
    pub attempts: u32,
}

impl CallError {
    /// Creates a failure of the first attempt, without a requested delay.
    pub fn new(kind: CallErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, attempts: 1 }
    }
}

/// The future returned by [`Endpoint::call`].
pub type EndpointFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + 'a>>;

/// Something that answers requests.
pub trait Endpoint: Send + Sync {
    /// Its name in the workspace.
    fn name(&self) -> &str;

    /// Hash of everything that may affect its answers, except for secrets.
    fn fingerprint(&self) -> &str;

    /// Whether its answers may be cached. False for endpoints whose calls are free.
    fn is_cacheable(&self) -> bool {
        true
    }

    /// The key under which its answer to a request is found again.
    fn key(&self, request: &Request) -> RequestKey {
        request.key.at(self.fingerprint())
    }

    /// Answers a request, retrying transient failures as configured.
    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_is_found_by_its_name() {
        use CallErrorKind::*;
        let kinds =
            [Connect, Timeout, RateLimited, Overloaded, Server, Refused, Unauthorized, BadAnswer, Prompt, Internal];
        for kind in kinds {
            assert_eq!(CallErrorKind::from_name(kind.name()), Some(kind));
        }
        for unknown in ["", "Connect", "CONNECT", "other"] {
            assert_eq!(CallErrorKind::from_name(unknown), None);
        }
    }
}
