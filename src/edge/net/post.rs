//! A single attempt at a JSON request, answered with JSON or with events, and the classification of failures.

use std::error::Error;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use super::events::{EventParser, EventReader, Step};
use super::hints::RateHints;
use super::redact::{Redactor, host_and_port, shown};
use super::retry::parse_retry_after;
use crate::core::domain::{CallError, CallErrorKind};

/// The default maximum size of a response body in bytes (4 MiB).
pub const DEFAULT_MAX_BODY: usize = 4 * 1024 * 1024;
/// The maximum number of bytes read from an error response, which is needed only for its message.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Why a body could not be read completely.
enum BodyError {
    TooLarge,
    Broken(reqwest::Error),
}

/// Statuses that are interpreted differently than in HTTP, for APIs that deviate from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusRules {
    /// Statuses that count as success; if empty, every 2xx.
    pub ok: Vec<u16>,
    /// Statuses to retry, in addition to those that are retried by default.
    pub retry: Vec<u16>,
}

/// How to call a server: everything in a request except its body.
pub struct Exchange {
    /// The client, which contains the connection pool.
    pub client: Client,
    /// The HTTP method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// The headers. Values marked as sensitive are credentials and are masked wherever the server repeats them.
    pub headers: HeaderMap,
    /// Time limit of an attempt, from connecting to the last byte.
    pub timeout: Duration,
    /// Maximum size of a response body in bytes, after decompression.
    pub max_body: usize,
    /// How statuses are interpreted.
    pub statuses: StatusRules,
}

/// The result of a request, with hints from the response headers.
pub struct Received<T> {
    /// The answer, or the reason why there is none.
    pub result: Result<T, CallError>,
    /// The rate limits that the server reported.
    pub hints: RateHints,
}

/// A whole answer and its latency.
pub struct Complete {
    /// The answer.
    pub body: Value,
    /// The time from connecting to the last byte.
    pub latency: Duration,
}

/// How the answer to a streaming request arrived.
pub enum Streamed {
    /// As events, which the reader has processed.
    Events {
        /// The time from connecting to the end.
        latency: Duration,
        /// The time from connecting to the first event that carried output; `None` if none did.
        ttft: Option<Duration>,
    },
    /// As one JSON body: the server does not stream.
    Complete(Complete),
}

impl Exchange {
    /// A POST of JSON with the default size limit and HTTP's own interpretation of statuses.
    pub fn post(client: Client, url: Url, mut headers: HeaderMap, timeout: Duration) -> Self {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        let statuses = StatusRules::default();
        Self { client, method: Method::POST, url, headers, timeout, max_body: DEFAULT_MAX_BODY, statuses }
    }

    /// Sends `body` and reads a JSON response.
    ///
    /// # Errors
    /// A call error whose message never contains a credential, or the user or query of the URL. Its kinds:
    /// - `Connect`: no connection (a TLS failure included), or it broke before the answer was complete;
    /// - `Timeout`: `timeout` passed, or HTTP 408;
    /// - `RateLimited`: HTTP 429;
    /// - `Overloaded`: HTTP 503, 529;
    /// - `Server`: other HTTP 5xx, and 409 and 425, which ask for another attempt rather than another request;
    /// - `Unauthorized`: HTTP 401, 403;
    /// - `Refused`: other HTTP 4xx, a redirect (none is followed), or a request that cannot be sent at all;
    /// - `BadAnswer`: success with a body that is too large, or not JSON in UTF-8.
    ///
    /// `retry_after` is set from the header of any error response.
    pub async fn json(&self, body: Vec<u8>) -> Received<Complete> {
        let started = Instant::now();
        let mut hints = RateHints::default();
        let exchange = async {
            let response = self.answered(body, &mut hints).await?;
            self.read_json(response).await
        };
        let result = self.within(exchange).await.map(|body| Complete { body, latency: started.elapsed() });
        Received { result, hints }
    }

    /// Sends `body` and passes every event of the response to `reader` as it arrives.
    ///
    /// # Errors
    /// As [`Self::json`], plus the errors of the reader, and `Connect` for a stream that ends before the answer is
    /// complete.
    pub async fn events(&self, body: Vec<u8>, reader: &mut dyn EventReader) -> Received<Streamed> {
        let started = Instant::now();
        let mut hints = RateHints::default();
        let exchange = async {
            let response = self.answered(body, &mut hints).await?;
            if !is_event_stream(&response) {
                let body = self.read_json(response).await?;
                return Ok(Streamed::Complete(Complete { body, latency: started.elapsed() }));
            }
            let ttft = self.read_events(response, reader, started).await?;
            Ok(Streamed::Events { latency: started.elapsed(), ttft })
        };
        let result = self.within(exchange).await;
        Received { result, hints }
    }

    /// Sends a GET to another URL of the same server with the same headers. Returns the status, the server's time if it
    /// reports it, and how long the response took.
    ///
    /// # Errors
    /// `Connect` and `Timeout`, as [`Self::json`].
    pub async fn probe(&self, url: Url) -> Result<(u16, Option<SystemTime>, Duration), CallError> {
        let started = Instant::now();
        let request = self.client.get(url).headers(self.headers.clone());
        let response = self.within(async { request.send().await.map_err(|error| self.unsent(&error)) }).await?;
        let date = header(&response, DATE).and_then(|text| httpdate::parse_http_date(&text).ok());
        Ok((response.status().as_u16(), date, started.elapsed()))
    }

    /// A redactor for text from this server.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(&self.url, &self.headers)
    }

    async fn within<T>(&self, exchange: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or_else(|_| {
            let message = format!("no complete response within {:?} from {}", self.timeout, shown(&self.url));
            Err(CallError::new(CallErrorKind::Timeout, message))
        })
    }

    async fn answered(&self, body: Vec<u8>, hints: &mut RateHints) -> Result<Response, CallError> {
        let request =
            self.client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        *hints = RateHints::read(response.headers(), SystemTime::now());
        let status = response.status();
        let is_answer =
            if self.statuses.ok.is_empty() { status.is_success() } else { self.statuses.ok.contains(&status.as_u16()) };
        if is_answer { Ok(response) } else { Err(self.failed(response).await) }
    }

    async fn read_json(&self, mut response: Response) -> Result<Value, CallError> {
        let mut bytes = Vec::new();
        match read_body(&mut response, self.max_body, &mut bytes).await {
            Ok(()) => self.parse(&bytes),
            Err(BodyError::TooLarge) => Err(self.too_large()),
            Err(BodyError::Broken(error)) => Err(self.broken(&error)),
        }
    }

    /// Reads events until the answer is complete; returns the time of the first event with output.
    async fn read_events(
        &self,
        mut response: Response,
        reader: &mut dyn EventReader,
        started: Instant,
    ) -> Result<Option<Duration>, CallError> {
        let (mut parser, mut ttft, mut read) = (EventParser::default(), None, 0_usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            read = read.saturating_add(chunk.len());
            if read > self.max_body {
                return Err(self.too_large());
            }
            for event in parser.push(&chunk) {
                let data = event.map_err(|_| self.bad_answer("is not UTF-8"))?;
                let step = reader.event(&data).map_err(|(kind, what)| {
                    CallError::new(
                        kind,
                        format!("the response from {}: {}", shown(&self.url), self.redactor().line(&what)),
                    )
                })?;
                if step == Step::Output && ttft.is_none() {
                    ttft = Some(started.elapsed());
                }
                if step == Step::End {
                    return Ok(ttft);
                }
            }
        }
        if reader.is_complete() {
            return Ok(ttft);
        }
        let message = format!("the stream from {} ended before the answer was complete", shown(&self.url));
        Err(CallError::new(CallErrorKind::Connect, message))
    }

    fn too_large(&self) -> CallError {
        self.bad_answer(&format!("is larger than {} bytes", self.max_body))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Value, CallError> {
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(self.bad_answer(&format!("is not UTF-8 from byte {}", error.valid_up_to())));
        }
        serde_json::from_slice(bytes).map_err(|error| self.bad_answer(&format!("is not JSON: {error}")))
    }

    fn bad_answer(&self, what: &str) -> CallError {
        CallError::new(CallErrorKind::BadAnswer, format!("the response from {} {what}", shown(&self.url)))
    }

    /// The error of a request that received no status line.
    fn unsent(&self, error: &reqwest::Error) -> CallError {
        let (place, cause) = (host_and_port(&self.url), self.root_cause(error));
        let (kind, message) = if error.is_builder() {
            (CallErrorKind::Refused, format!("the request to {} cannot be sent: {cause}", shown(&self.url)))
        } else if error.is_dns() {
            (CallErrorKind::Connect, format!("cannot find {place}: {cause}; is the host name correct?"))
        } else if error.is_connect() {
            (CallErrorKind::Connect, format!("cannot connect to {place}: {cause}; is the server running?"))
        } else {
            (CallErrorKind::Connect, format!("the connection to {place} broke before a response: {cause}"))
        };
        CallError::new(kind, message)
    }

    /// The error of a body that broke off, or that is not compressed as its header says.
    fn broken(&self, error: &reqwest::Error) -> CallError {
        let cause = self.root_cause(error);
        let is_undecodable = sources(error)
            .filter_map(|source| source.downcast_ref::<std::io::Error>())
            .any(|io| matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput));
        if is_undecodable {
            return self.bad_answer(&format!("cannot be decoded: {cause}"));
        }
        let message =
            format!("the connection to {} broke in the middle of a response: {cause}", host_and_port(&self.url));
        CallError::new(CallErrorKind::Connect, message)
    }

    async fn failed(&self, mut response: Response) -> CallError {
        let status = response.status();
        let retry_after = header(&response, RETRY_AFTER).and_then(|text| parse_retry_after(&text, SystemTime::now()));
        let told = if status.is_redirection() {
            self.redirect(&response)
        } else {
            let mut bytes = Vec::new();
            // The status matters most; whatever arrived of the message is enough.
            let _ = read_body(&mut response, MAX_ERROR_BODY, &mut bytes).await;
            self.redactor().body_message(&bytes)
        };
        let reason = status.canonical_reason().map_or_else(String::new, |reason| format!(" {reason}"));
        let mut message = format!("HTTP {}{reason} from {}", status.as_u16(), shown(&self.url));
        if !told.is_empty() {
            message.push_str(": ");
            message.push_str(&told);
        }
        let kind = if self.statuses.retry.contains(&status.as_u16()) { CallErrorKind::Server } else { kind_of(status) };
        CallError { retry_after, ..CallError::new(kind, message) }
    }

    fn redirect(&self, response: &Response) -> String {
        let target = header(response, LOCATION).and_then(|target| self.url.join(&target).ok());
        target.map_or_else(String::new, |target| {
            self.redactor().line(&format!("it points to {}, and redirects are not followed", shown(&target)))
        })
    }

    fn root_cause(&self, error: &reqwest::Error) -> String {
        // The outer errors may show the URL.
        let cause = sources(error).last().map_or_else(|| "unknown error".to_owned(), ToString::to_string);
        self.redactor().line(&cause)
    }
}

/// The error kind of an HTTP status that is not a success; see [`Exchange::json`].
fn kind_of(status: StatusCode) -> CallErrorKind {
    match status.as_u16() {
        401 | 403 => CallErrorKind::Unauthorized,
        408 => CallErrorKind::Timeout,
        409 | 425 => CallErrorKind::Server,
        429 => CallErrorKind::RateLimited,
        503 | 529 => CallErrorKind::Overloaded,
        300..=499 => CallErrorKind::Refused,
        _ => CallErrorKind::Server,
    }
}

fn is_event_stream(response: &Response) -> bool {
    header(response, CONTENT_TYPE)
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn sources<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source())
}

/// Appends the body to `bytes`, up to a total of `max` bytes.
async fn read_body(response: &mut Response, max: usize, bytes: &mut Vec<u8>) -> Result<(), BodyError> {
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        let free = max.saturating_sub(bytes.len());
        bytes.extend_from_slice(chunk.get(..free).unwrap_or(&chunk));
        if chunk.len() > free {
            return Err(BodyError::TooLarge);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/post.rs"]
mod tests;
