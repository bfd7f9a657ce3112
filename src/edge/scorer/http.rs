//! A scorer that is a server: a JSON request, a JSON response.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, json};

use super::{read_score, request};
use crate::core::domain::{CallError, CallErrorKind, Example, Failure, Score, canonical_json, content_hash};
use crate::core::scoring::Answer;
use crate::edge::net::{ClientOptions, Exchange, HostLimiter, Limiters, RetryPolicy, client, with_retry};

/// The settings of a server that scores, with references resolved.
pub struct HttpScorerSettings {
    /// The scorer's name.
    pub name: String,
    /// The URL.
    pub url: String,
    /// Headers by name. All values are treated as credentials.
    pub headers: Vec<(String, SecretString)>,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// How often a transient failure is retried.
    pub max_retries: u32,
}

/// A server that scores answers.
pub struct HttpScorer {
    identity: String,
    exchange: Exchange,
    retry: RetryPolicy,
    limiter: Arc<HostLimiter>,
}

impl HttpScorer {
    /// Creates a scorer; nothing is sent yet. At most `most` requests are in flight to its host.
    ///
    /// # Errors
    /// A data failure for a URL that is not http(s) or contains a user name or password, or a header that cannot be sent.
    pub fn new(settings: HttpScorerSettings, limiters: &Limiters, most: usize) -> Result<Self, Failure> {
        let fault = |what: &str| Failure::data(format!("scorer \"{}\": {what}", settings.name));
        let url: Url = settings.url.trim().parse().map_err(|error| fault(&format!("url is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fault("url must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("url must not contain a user name or password; set an authorization header instead"));
        }
        let mut headers = HeaderMap::new();
        let mut names: Vec<String> = Vec::new();
        for (name, value) in &settings.headers {
            let parsed: HeaderName = name.parse().map_err(|_| fault(&format!("\"{name}\" is not a header name")))?;
            let mut value = HeaderValue::from_str(value.expose_secret().trim()).map_err(|_| {
                fault(&format!("header \"{name}\" contains a character that is not allowed in a header"))
            })?;
            value.set_sensitive(true);
            names.push(parsed.as_str().to_owned());
            headers.insert(parsed, value);
        }
        names.sort();
        let identity =
            json!({"url": format!("{}{}", url.origin().ascii_serialization(), url.path()), "headers": names});
        let http = client(&ClientOptions::for_attempts_of(settings.timeout), url.as_str())?;
        let limiter = limiters.of(&url, most);
        Ok(Self {
            identity: content_hash("scorer", canonical_json(&identity).as_bytes()),
            exchange: Exchange::post(http, url, headers, settings.timeout),
            retry: RetryPolicy { max_retries: settings.max_retries, ..RetryPolicy::default() },
            limiter,
        })
    }

    /// Hash of the URL without its query and of the names of the headers.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Scores an answer.
    ///
    /// # Errors
    /// A call error if the server does not respond, or gives no score.
    pub async fn score(&self, answer: &Answer<'_>, example: &Example, trial: u32) -> Result<Score, CallError> {
        let body = request(answer, example, trial, &Map::new()).to_string().into_bytes();
        let attempt = async |_: u32| {
            let permit = self.limiter.acquire().await;
            let received = self.exchange.json(body.clone()).await;
            let result = received.result;
            permit.finish(result.as_ref().map(drop).map_err(|error| (error.kind, error.retry_after)), &received.hints);
            let answer = result?.body;
            let redactor = self.exchange.redactor();
            let told = || redactor.error_message(&answer).map_or_else(String::new, |told| format!("; it says: {told}"));
            let bad = |what: &str| CallError::new(CallErrorKind::BadAnswer, format!("the server {what}{}", told()));
            let fields = answer.as_object().ok_or_else(|| bad("did not answer with a JSON object"))?;
            read_score(fields).map_err(|what| bad(&redactor.line(&what)))
        };
        with_retry(&self.retry, attempt).await.map(|(score, _)| score)
    }
}
