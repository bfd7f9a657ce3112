//! A thing that answers requests, and how a call can fail.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message of a rendered prompt, whole: what an endpoint does not know it passes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or whatever role the endpoint knows.
    pub role: String,
    /// A text, a list of parts, or null beside tool calls.
    #[serde(default)]
    pub content: Value,
    /// Every other field of the message, such as `tool_calls`, `tool_call_id` and `name`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Message {
    /// A message of text alone.
    pub fn text(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Value::String(content.into()), rest: Map::new() }
    }

    /// The text of its content, text parts joined by line ends; empty if there is none.
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

    /// The message as JSON, its fields in the order role, content, rest.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::from_iter([
            ("role".to_owned(), Value::String(self.role.clone())),
            ("content".to_owned(), self.content.clone()),
        ]);
        fields.extend(self.rest.clone());
        Value::Object(fields)
    }
}

/// One example and trial, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The example it is about.
    pub example_id: String,
    /// Which repeat, from 0.
    pub trial: u32,
    /// The example's own input as text, for endpoints that need no prompt.
    pub input: String,
    /// The rendered prompt.
    pub messages: Vec<Message>,
    /// Fields of the input that belong to the request rather than to a message, in OpenAI's form: `tools`,
    /// `tool_choice`, `response_format`.
    pub options: Map<String, Value>,
    /// Identifies what is sent, with secrets masked; answers are found by it.
    pub key: RequestKey,
}

impl Request {
    /// The messages, or the input as a single user message if there are none.
    pub fn turns(&self) -> Vec<Message> {
        if self.messages.is_empty() { vec![Message::text("user", self.input.clone())] } else { self.messages.clone() }
    }
}

/// What an answer to a request is known by, in the cache and in cassettes: a hash of messages, options and trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub [u8; 16]);

impl RequestKey {
    /// The key of a request for these messages with these options, for the `trial`th time. Requests that differ in
    /// any of them differ in their keys, whatever example they are about.
    pub fn new(messages: &[Message], options: &Map<String, Value>, trial: u32) -> Self {
        let messages: Vec<Value> = messages.iter().map(Message::to_json).collect();
        let content = Value::Array(vec![Value::Array(messages), Value::Object(options.clone())]);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karat-request\0").update(&trial.to_le_bytes());
        hasher.update(super::canonical_json(&content).as_bytes());
        Self::from_hash(hasher.finalize())
    }

    /// The same request to one endpoint, by its fingerprint.
    #[must_use]
    pub fn at(self, endpoint_fingerprint: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karat-cache\0").update(&self.0).update(endpoint_fingerprint.as_bytes());
        Self::from_hash(hasher.finalize())
    }

    /// 32 lower-case hex digits.
    pub fn hex(self) -> String {
        self.0.iter().fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write;
            // Writing to a string cannot fail.
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
    /// Duration of the attempt that succeeded. Of an answer from the cache or a cassette, the original one.
    pub latency: Duration,
    /// Time to the first token of the attempt that succeeded, where the answer was streamed.
    pub ttft: Option<Duration>,
    /// Attempts made, the successful one included (1 = no retry).
    pub attempts: u32,
    /// Whether it was given before, and comes from the cache or a cassette.
    pub cached: bool,
}

impl Response {
    /// An answer of one attempt, of which no more is known.
    pub fn new(output: String, latency: Duration) -> Self {
        Self { output, model: None, usage: Usage::default(), latency, ttft: None, attempts: 1, cached: false }
    }
}

/// Why a call failed. Kinds are stored, so their names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// No connection could be made, or it broke.
    Connect,
    /// The attempt ran past its timeout.
    Timeout,
    /// The server said it gets too many requests (HTTP 429).
    RateLimited,
    /// The server said it is overloaded (HTTP 503, 529).
    Overloaded,
    /// The server failed (other HTTP 5xx).
    Server,
    /// The server refused the request (other HTTP 4xx).
    Refused,
    /// The credentials were not accepted (HTTP 401, 403).
    Unauthorized,
    /// The answer was not of the promised form.
    BadAnswer,
    /// The prompt could not be rendered for this example.
    Prompt,
    /// A fault of karat itself, such as a panic, that touched this example alone.
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

    /// The kind of that [`Self::name`]; `None` where this version of karat knows none.
    pub fn from_name(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }

    /// Whether another attempt may help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::RateLimited | Self::Overloaded | Self::Server)
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
    /// How long the server said to wait before the next attempt.
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

    /// Whether its answers may be cached. Not for endpoints whose calls cost nothing.
    fn is_cacheable(&self) -> bool {
        true
    }

    /// Answers one request, retrying transient failures as it was configured to.
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
