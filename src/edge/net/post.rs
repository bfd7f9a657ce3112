//! One attempt of a POST of JSON that answers JSON, and what each way of failing is called.

use std::error::Error;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use super::redact::{Redactor, host_and_port, shown};
use super::retry::parse_retry_after;
use crate::core::domain::{CallError, CallErrorKind};

/// Most bytes of an answer that are read, where the caller has no wish of its own (10 MiB).
pub const DEFAULT_MAX_BODY: usize = 10 * 1024 * 1024;
/// Most bytes read of the answer of a failed call, which is only wanted for its message.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Sends `body` and gives the answer with the time the attempt took, from before connecting to the last byte.
///
/// `timeout` bounds all of that; of the answer at most `max_body` bytes, after decompression, are read. Header values
/// marked sensitive are credentials, and masked wherever the server repeats them.
///
/// # Errors
/// No message shows a credential, nor the URL's user or query. Kinds:
/// - `Connect`: no connection (a TLS failure included), or it broke before the answer was complete;
/// - `Timeout`: `timeout` passed, or HTTP 408;
/// - `RateLimited`: HTTP 429;
/// - `Server`: HTTP 5xx (529 included), and 409 and 425, which ask for another attempt rather than another request;
/// - `Unauthorized`: HTTP 401, 403;
/// - `Refused`: other HTTP 4xx, a redirect (none is followed), or a request that cannot be sent at all;
/// - `BadAnswer`: success with a body that is too large, or not JSON in UTF-8.
///
/// `retry_after` is filled in from the header of any failed answer.
pub async fn post_json(
    client: &Client,
    url: &Url,
    headers: &HeaderMap,
    body: &Value,
    timeout: Duration,
    max_body: usize,
) -> Result<(Value, Duration), CallError> {
    let call = Call { url, redactor: Redactor::new(url, headers) };
    let request = client.post(url.clone()).headers(headers.clone()).json(body);
    let started = Instant::now();
    match tokio::time::timeout(timeout, call.exchange(request, max_body)).await {
        Ok(answer) => answer.map(|answer| (answer, started.elapsed())),
        Err(_) => {
            let message = format!("no complete answer within {timeout:?} from {}", shown(url));
            Err(CallError::new(CallErrorKind::Timeout, message))
        }
    }
}

/// Why a body was not read to its end.
enum BodyError {
    TooLarge,
    Broken(reqwest::Error),
}

struct Call<'a> {
    url: &'a Url,
    redactor: Redactor,
}

impl Call<'_> {
    async fn exchange(&self, request: reqwest::RequestBuilder, max_body: usize) -> Result<Value, CallError> {
        let mut response = request.send().await.map_err(|error| self.unsent(&error))?;
        if !response.status().is_success() {
            return Err(self.failed(response).await);
        }
        let mut bytes = Vec::new();
        match read_body(&mut response, max_body, &mut bytes).await {
            Ok(()) => self.parse(&bytes),
            Err(BodyError::TooLarge) => Err(self.bad_answer(&format!("is larger than {max_body} bytes"))),
            Err(BodyError::Broken(error)) => Err(self.broken(&error)),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Value, CallError> {
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(self.bad_answer(&format!("is not UTF-8 from byte {}", error.valid_up_to())));
        }
        serde_json::from_slice(bytes).map_err(|error| self.bad_answer(&format!("is not JSON: {error}")))
    }

    fn bad_answer(&self, what: &str) -> CallError {
        CallError::new(CallErrorKind::BadAnswer, format!("the answer of {} {what}", shown(self.url)))
    }

    /// The error of a request that got no status line.
    fn unsent(&self, error: &reqwest::Error) -> CallError {
        let (place, cause) = (host_and_port(self.url), self.root_cause(error));
        let (kind, message) = if error.is_builder() {
            (CallErrorKind::Refused, format!("the request to {} cannot be sent: {cause}", shown(self.url)))
        } else if error.is_dns() {
            (CallErrorKind::Connect, format!("cannot find {place}: {cause}; is the host name right?"))
        } else if error.is_connect() {
            (CallErrorKind::Connect, format!("cannot connect to {place}: {cause}; is the server running?"))
        } else {
            (CallErrorKind::Connect, format!("the connection to {place} broke before an answer: {cause}"))
        };
        CallError::new(kind, message)
    }

    /// The error of a body that stopped in its middle, or whose compression is not what its header says.
    fn broken(&self, error: &reqwest::Error) -> CallError {
        let cause = self.root_cause(error);
        let is_undecodable = sources(error)
            .filter_map(|source| source.downcast_ref::<std::io::Error>())
            .any(|io| matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput));
        if is_undecodable {
            return self.bad_answer(&format!("cannot be decoded: {cause}"));
        }
        let message =
            format!("the connection to {} broke in the middle of an answer: {cause}", host_and_port(self.url));
        CallError::new(CallErrorKind::Connect, message)
    }

    async fn failed(&self, mut response: Response) -> CallError {
        let status = response.status();
        let retry_after = header(&response, RETRY_AFTER).and_then(|text| parse_retry_after(&text, SystemTime::now()));
        let told = if status.is_redirection() {
            self.redirect(&response)
        } else {
            let mut bytes = Vec::new();
            // The status is the news; what of the message arrived is enough.
            let _ = read_body(&mut response, MAX_ERROR_BODY, &mut bytes).await;
            self.redactor.body_message(&bytes)
        };
        let reason = status.canonical_reason().map_or_else(String::new, |reason| format!(" {reason}"));
        let mut message = format!("HTTP {}{reason} from {}", status.as_u16(), shown(self.url));
        if !told.is_empty() {
            message.push_str(": ");
            message.push_str(&told);
        }
        CallError { retry_after, ..CallError::new(kind_of(status), message) }
    }

    fn redirect(&self, response: &Response) -> String {
        let target = header(response, LOCATION).and_then(|target| self.url.join(&target).ok());
        target.map_or_else(String::new, |target| {
            self.redactor.line(&format!("it points to {}, and redirects are not followed", shown(&target)))
        })
    }

    fn root_cause(&self, error: &reqwest::Error) -> String {
        // The outer errors may show the URL.
        let cause = sources(error).last().map_or_else(|| "unknown error".to_owned(), ToString::to_string);
        self.redactor.line(&cause)
    }
}

/// The kind of an HTTP status that is no success; see [`post_json`].
fn kind_of(status: StatusCode) -> CallErrorKind {
    match status.as_u16() {
        401 | 403 => CallErrorKind::Unauthorized,
        408 => CallErrorKind::Timeout,
        409 | 425 => CallErrorKind::Server,
        429 => CallErrorKind::RateLimited,
        300..=499 => CallErrorKind::Refused,
        _ => CallErrorKind::Server,
    }
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn sources<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source())
}

/// Appends the body to `bytes`, never more than `max` of it.
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
#[path = "post_tests.rs"]
mod tests;
