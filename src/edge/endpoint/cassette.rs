//! The requests and answers of a run as JSON lines: a header, then one line per outcome. Equal entries are written as
//! equal bytes.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::domain::{CallError, CallErrorKind, Failure, Message, Request, RequestKey, Response, Usage};
use crate::edge::files::AtomicFile;

/// The name of the format that this version reads and writes.
pub(super) const FORMAT: &str = "karat.cassette/1";

/// The first line, which identifies the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cassette", rename = "karat.cassette/1")]
pub struct CassetteHeader {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Fingerprint of the endpoint.
    pub fingerprint: String,
    /// Name of the suite.
    pub suite: String,
    /// Its hash.
    pub suite_version: String,
    /// Name of the dataset.
    pub dataset: String,
    /// Its hash.
    pub dataset_version: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Number of repeats of each example.
    pub repeats: u32,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CassetteEntry {
    /// The id of the example.
    pub id: String,
    /// The number of the repeat, from 0.
    pub trial: u32,
    /// The [`RequestKey`] in hexadecimal.
    pub request: String,
    /// The messages sent, for readers only: replay matches requests by their key.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// The options sent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// The answer; `None` for an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The error; `None` for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CassetteError>,
    /// The model the endpoint said it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Index of the turn of a conversation, if it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// Tool calls beside the text, as canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<String>,
    /// Why the answer ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Tokens used; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Duration of the successful attempt in milliseconds, rounded to the microsecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Time to the first token in milliseconds, rounded to the microsecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Number of attempts.
    #[serde(default = "one")]
    pub attempts: u32,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CassetteError {
    /// Name of the error kind.
    pub kind: String,
    /// What happened.
    pub message: String,
}

fn one() -> u32 {
    1
}

impl CassetteEntry {
    /// Creates the entry for a request and its result.
    pub fn new(request: &Request, result: Result<&Response, &CallError>) -> Self {
        let entry = Self {
            id: request.example_id.clone(),
            trial: request.trial,
            request: request.key.hex(),
            messages: request.turns(),
            options: request.options.clone(),
            output: None,
            error: None,
            model: None,
            turn: None,
            tool_calls: None,
            finish_reason: None,
            usage: None,
            latency_ms: None,
            ttft_ms: None,
            attempts: 1,
        };
        match result {
            Ok(response) => Self {
                output: Some(response.output.clone()),
                model: response.model.clone(),
                tool_calls: response.tool_calls.clone(),
                finish_reason: response.finish_reason.clone(),
                usage: Some(response.usage).filter(|usage| *usage != Usage::default()),
                latency_ms: Some(milliseconds(response.latency)),
                ttft_ms: response.ttft.map(milliseconds),
                attempts: response.attempts,
                ..entry
            },
            Err(error) => Self {
                error: Some(CassetteError { kind: error.kind.name().to_owned(), message: error.message.clone() }),
                attempts: error.attempts,
                ..entry
            },
        }
    }

    /// The key of the request; `None` if it is not 32 hexadecimal digits.
    pub(super) fn key(&self) -> Option<RequestKey> {
        let is_hex = self.request.len() == 32 && self.request.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&self.request, 16).ok().filter(|_| is_hex)?;
        Some(RequestKey(number.to_be_bytes()))
    }

    /// The recorded answer or error; an error kind unknown to this version becomes an internal error.
    ///
    /// # Errors
    /// A message that says what is wrong with the entry.
    pub(super) fn into_result(self) -> Result<Result<Response, CallError>, String> {
        match (self.output, self.error) {
            (Some(output), None) => Ok(Ok(Response {
                output,
                tool_calls: self.tool_calls,
                finish_reason: self.finish_reason,
                model: self.model,
                usage: self.usage.unwrap_or_default(),
                latency: self.latency_ms.map(|ms| duration("latency_ms", ms)).transpose()?.unwrap_or_default(),
                ttft: self.ttft_ms.map(|ms| duration("ttft_ms", ms)).transpose()?,
                attempts: self.attempts,
                cached: true,
            })),
            (None, Some(error)) => {
                let kind = CallErrorKind::from_name(&error.kind).unwrap_or(CallErrorKind::Internal);
                Ok(Err(CallError { attempts: self.attempts, ..CallError::new(kind, error.message) }))
            }
            (Some(_), Some(_)) => Err("both output and error are given".to_owned()),
            (None, None) => Err("neither output nor error is given".to_owned()),
        }
    }
}

/// Divides last, so that the result is the float nearest to a whole number of thousandths and prints with at most three
/// decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn duration(field: &str, ms: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(ms / 1e3).map_err(|_| format!("{field} {ms} is not a duration"))
}

/// Writes a cassette. If dropped before [`Self::finish`], it leaves no file behind.
pub struct CassetteWriter {
    file: AtomicFile,
}

impl CassetteWriter {
    /// Starts a cassette that will be placed at `path`.
    ///
    /// # Errors
    /// A failure naming the file.
    pub fn create(path: &Path, header: &CassetteHeader) -> Result<Self, Failure> {
        let mut writer = Self { file: AtomicFile::create(path)? };
        writer.line(header)?;
        Ok(writer)
    }

    /// Appends an outcome; the order of the calls is the order in the file.
    ///
    /// # Errors
    /// A failure naming the file.
    pub fn write(&mut self, entry: &CassetteEntry) -> Result<(), Failure> {
        self.line(entry)
    }

    /// Completes the cassette and moves it to its path.
    ///
    /// # Errors
    /// A failure naming the file.
    pub fn finish(self) -> Result<(), Failure> {
        self.file.finish()
    }

    fn line(&mut self, content: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(content)
            .map_err(|error| Failure::other("cannot write an outcome as JSON").caused_by(error))?;
        line.push(b'\n');
        self.file.write(&line)
    }
}
