//! What all model APIs over HTTP share: credentials, rate limiting, retries, and reading whole or streamed answers.
//! Their differences are in the [`Dialect`] implementations, one file each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::core::domain::{
    CallError, CallErrorKind, Endpoint, EndpointFuture, Failure, Request, Response, Usage, canonical_json, content_hash,
};
use crate::core::privacy::names_a_secret;
use crate::edge::net::{
    Complete, EventReader, Exchange, HostLimiter, Limiters, Pace, RetryPolicy, StatusRules, Streamed, with_retry,
};

/// The settings of an API endpoint that do not depend on its dialect.
#[derive(Clone)]
pub struct ApiSettings {
    /// The endpoint's name in the workspace.
    pub name: String,
    /// The URL without the dialect's own path, with or without a trailing slash, such as `http://localhost:8000/v1`. A
    /// query (`?api-version=…`) is preserved. A URL that already ends in the dialect's path is used unchanged.
    pub base_url: String,
    /// The model to request.
    pub model: String,
    /// The credential; `None` for servers that need none.
    pub api_key: Option<SecretString>,
    /// The header that carries the key without a prefix; `None` for the dialect's own header.
    pub api_key_header: Option<String>,
    /// Additional headers by name. All values are treated as credentials.
    pub headers: Vec<(String, SecretString)>,
    /// Additional fields of the body, such as `temperature` and `max_tokens`; must not contain those that the dialect
    /// sets itself.
    pub params: Map<String, Value>,
    /// Time limit of one attempt, up to the end of the answer.
    pub timeout: Duration,
    /// How transient failures are retried.
    pub retry: RetryPolicy,
    /// Whether to request the answer as a stream, to measure the time to the first token.
    pub stream: bool,
    /// Maximum number of requests started per minute.
    pub requests_per_minute: Option<u64>,
    /// Maximum number of tokens (prompt and answer, estimated) per minute.
    pub tokens_per_minute: Option<u64>,
}

/// The content of an answer, independent of the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text; if there is none, the refusal, or the tool calls as canonical JSON in OpenAI's format.
    pub output: String,
    /// The tool calls as canonical JSON in OpenAI's format, whether or not there is text.
    pub tool_calls: Option<String>,
    /// Why the answer ended, in OpenAI's words where they exist.
    pub finish_reason: Option<String>,
    /// The model the server says it used.
    pub model: Option<String>,
    /// The number of tokens used.
    pub usage: Usage,
}

/// Assembles a streamed answer into the body that a request without streaming would have returned.
pub trait StreamReader: EventReader {
    /// Returns the whole answer; called once, when the stream is complete.
    fn whole(&mut self) -> Value;
}

/// The wire format of an API: how requests are written and answers are read. Does no I/O.
pub trait Dialect: Send + Sync {
    /// The dialect's name in fingerprints, such as `openai`.
    fn name(&self) -> &'static str;

    /// The path, below the base URL, to which requests are sent.
    fn path(&self) -> String;

    /// The path, below the base URL, of a resource that is free to request.
    fn probe_path(&self) -> String {
        "/models".to_owned()
    }

    /// The HTTP method.
    fn method(&self) -> Method {
        Method::POST
    }

    /// The header that carries the key, and the prefix of its value. `api_key_header` in the settings takes precedence.
    fn key_header(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    /// Headers that every request of this dialect carries.
    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// How HTTP statuses are interpreted.
    fn statuses(&self) -> StatusRules {
        StatusRules::default()
    }

    /// Anything besides base URL, model, params and header names that may change the answers, for the fingerprint.
    fn identity(&self) -> Option<Value> {
        None
    }

    /// The body of a request.
    ///
    /// # Errors
    /// A message if the request cannot be expressed in this dialect.
    fn body(&self, request: &Request) -> Result<Value, String>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// A message if the answer does not have the expected form. It may repeat text from the server; the caller redacts
    /// it.
    fn read(&self, answer: &Value) -> Result<Answer, String>;

    /// A reader for one streamed answer; `None` if the dialect or this endpoint does not stream.
    fn stream_reader(&self) -> Option<Box<dyn StreamReader>>;
}

/// A model behind an API.
pub struct ApiEndpoint {
    name: String,
    fingerprint: String,
    exchange: Exchange,
    probe_url: Url,
    dialect: Box<dyn Dialect>,
    retry: RetryPolicy,
    limiter: Arc<HostLimiter>,
    requests: Option<Pace>,
    tokens: Option<Pace>,
    answer_tokens: u64,
}

impl ApiEndpoint {
    /// Creates an endpoint that sends requests through `client`; nothing is sent yet. At most `most` requests are in
    /// flight to its host, whose limiter is taken from `limiters`.
    ///
    /// Its fingerprint is the content hash, under the label `endpoint`, of the canonical JSON of dialect, base URL
    /// (without a trailing slash and without the values of query parameters that carry credentials), model, params,
    /// header names (lower case and sorted), and the dialect's [`Dialect::identity`].
    ///
    /// # Errors
    /// A data failure for invalid settings: a base URL that is not http(s) or contains a user name or password, an
    /// empty key, a key in addition to the same header, or a header that cannot be sent.
    pub fn new(
        settings: ApiSettings,
        dialect: Box<dyn Dialect>,
        client: Client,
        limiters: &Limiters,
        most: usize,
    ) -> Result<Self, Failure> {
        let fault = |what: String| Failure::data(format!("endpoint \"{}\": {what}", settings.name));
        let url = full_url(&settings.base_url, &dialect.path()).map_err(|what| fault(format!("base_url {what}")))?;
        let headers = all_headers(&settings, dialect.as_ref()).map_err(fault)?;
        let probe_url = probe_url(&url, &dialect.path(), &dialect.probe_path());
        let fingerprint = fingerprint(&settings, dialect.as_ref(), &url);
        let limiter = limiters.of(&url, most);
        let exchange = Exchange {
            method: dialect.method(),
            statuses: dialect.statuses(),
            ..Exchange::post(client, url, headers, settings.timeout)
        };
        Ok(Self {
            fingerprint,
            exchange,
            probe_url,
            dialect,
            limiter,
            answer_tokens: crate::core::pricing::answer_limit(&settings.params).unwrap_or(0),
            requests: settings.requests_per_minute.map(Pace::new),
            tokens: settings.tokens_per_minute.map(Pace::new),
            name: settings.name,
            retry: settings.retry,
        })
    }

    async fn send(&self, request: &Request) -> Result<Response, CallError> {
        let body = self.dialect.body(request).map_err(|what| CallError::new(CallErrorKind::Prompt, what))?;
        let body = body.to_string().into_bytes();
        let tokens = crate::core::pricing::estimated_tokens(body.len()) + self.answer_tokens;
        let attempt = async |_: u32| {
            if let Some(pace) = &self.requests {
                pace.wait(1).await;
            }
            if let Some(pace) = &self.tokens {
                pace.wait(tokens).await;
            }
            self.attempt(body.clone()).await
        };
        let (response, attempts) = with_retry(&self.retry, attempt).await?;
        Ok(Response { attempts, ..response })
    }

    async fn attempt(&self, body: Vec<u8>) -> Result<Response, CallError> {
        let permit = self.limiter.acquire().await;
        let mut reader = self.dialect.stream_reader();
        let (result, hints) = match &mut reader {
            None => {
                let received = self.exchange.json(body).await;
                (received.result.map(|Complete { body, latency }| (body, latency, None)), received.hints)
            }
            Some(reader) => {
                let received = self.exchange.events(body, reader.as_mut()).await;
                let read = received.result.map(|streamed| match streamed {
                    Streamed::Events { latency, ttft } => (reader.whole(), latency, ttft),
                    Streamed::Complete(Complete { body, latency }) => (body, latency, None),
                });
                (read, received.hints)
            }
        };
        permit.finish(result.as_ref().map(drop).map_err(|error| (error.kind, error.retry_after)), &hints);
        let (answer, latency, ttft) = result?;
        let Answer { output, tool_calls, finish_reason, model, usage } =
            self.dialect.read(&answer).map_err(|what| self.unreadable(&answer, &what))?;
        let tool_calls = tool_calls.filter(|calls| *calls != output);
        Ok(Response { tool_calls, finish_reason, model, usage, ttft, ..Response::new(output, latency) })
    }

    /// Requests the list of models once. Returns the HTTP status (any status counts), the server's time if it reports
    /// it, and how long the request took.
    ///
    /// # Errors
    /// A call error if the server does not respond.
    pub async fn probe(&self) -> Result<(u16, Option<SystemTime>, Duration), CallError> {
        self.exchange.probe(self.probe_url.clone()).await
    }

    /// The error for an answer that lacks its content. Some gateways respond with status 200 and describe the failure
    /// in the body.
    fn unreadable(&self, answer: &Value, what: &str) -> CallError {
        let redactor = self.exchange.redactor();
        let told = redactor.error_message(answer).map_or_else(String::new, |told| format!("; the server says: {told}"));
        CallError::new(CallErrorKind::BadAnswer, format!("{}{told}", redactor.line(what)))
    }
}

impl Endpoint for ApiEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(self.send(request))
    }
}

/// Refuses params that the dialect sets itself.
///
/// # Errors
/// A data failure that names the endpoint and the param.
pub(super) fn refuse_params(settings: &ApiSettings, reserved: &[&str]) -> Result<(), Failure> {
    match reserved.iter().find(|key| settings.params.contains_key(**key)) {
        None => Ok(()),
        Some(key) => Err(Failure::data(format!("endpoint \"{}\": params must not set \"{key}\"", settings.name))
            .hint(format!("karat sets {} itself", reserved.join(", ")))),
    }
}

/// Refuses an empty model.
///
/// # Errors
/// A data failure that names the endpoint.
pub(super) fn require_model(settings: &ApiSettings) -> Result<(), Failure> {
    if settings.model.trim().is_empty() {
        return Err(Failure::data(format!("endpoint \"{}\": model is empty", settings.name)));
    }
    Ok(())
}

/// Appends `path` to `base_url`; the error completes "base_url …" and never repeats the URL, which may contain a key.
pub(super) fn full_url(base_url: &str, path: &str) -> Result<Url, String> {
    let mut url: Url = base_url.trim().parse().map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password; set an Authorization header instead".to_owned());
    }
    if !path.is_empty() {
        let base = url.path().trim_end_matches('/');
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let full = format!("{}{path}", base.strip_suffix(path).unwrap_or(base));
        url.set_path(&full);
        if !query.is_empty() {
            let query = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
            url.set_query(Some(&query));
        }
    }
    url.set_fragment(None);
    Ok(url)
}

/// The full URL with its `path` replaced by `probe`.
fn probe_url(full: &Url, path: &str, probe: &str) -> Url {
    let mut url = full.clone();
    let path = path.split('?').next().unwrap_or_default();
    let base = full.path().strip_suffix(path).unwrap_or(full.path()).to_owned();
    url.set_path(&format!("{base}{probe}"));
    url
}

fn all_headers(settings: &ApiSettings, dialect: &dyn Dialect) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let parsed: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is not a header name"))?;
        let value = secret_value(value.expose_secret()).ok_or_else(|| format!("header \"{name}\" {UNSENDABLE}"))?;
        if headers.insert(parsed, value).is_some() {
            return Err(format!("header \"{name}\" is given twice"));
        }
    }
    for (name, value) in dialect.headers() {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    if let Some(key) = &settings.api_key {
        let key = key.expose_secret().trim();
        if key.is_empty() {
            return Err("api_key is empty; omit it if the server needs none".to_owned());
        }
        let (name, before) = match &settings.api_key_header {
            Some(name) => (name.as_str(), ""),
            None => dialect.key_header(),
        };
        let parsed: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is not a header name"))?;
        let value = secret_value(&format!("{before}{key}")).ok_or_else(|| format!("api_key {UNSENDABLE}"))?;
        let shown = if parsed == AUTHORIZATION { "Authorization".to_owned() } else { parsed.to_string() };
        if headers.insert(parsed, value).is_some() {
            return Err(format!("both api_key and the header {shown} are given"));
        }
    }
    Ok(headers)
}

const UNSENDABLE: &str = "contains a character that is not allowed in a header";

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.trim()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn fingerprint(settings: &ApiSettings, dialect: &dyn Dialect, url: &Url) -> String {
    let mut names: Vec<String> = settings.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let mut basis = json!({
        "type": dialect.name(),
        "base_url": public_base(url, &dialect.path()),
        "model": settings.model,
        "params": settings.params,
        "headers": names,
    });
    if let Some(identity) = dialect.identity() {
        basis["dialect"] = identity;
    }
    content_hash("endpoint", canonical_json(&basis).as_bytes())
}

/// The normalized base URL, without any value that could be a credential.
fn public_base(full: &Url, path: &str) -> String {
    let mut url = full.clone();
    let (path, added) = path.split_once('?').unwrap_or((path, ""));
    url.set_path(full.path().strip_suffix(path).unwrap_or(full.path()));
    let query: Vec<_> = full.query_pairs().into_owned().collect();
    url.set_query(None);
    // The query of the dialect's path is not part of the base URL.
    let own = query.len() - added.split('&').filter(|pair| !pair.is_empty()).count().min(query.len());
    for (name, value) in query.into_iter().take(own) {
        let value = if names_a_secret(&name) { String::new() } else { value };
        url.query_pairs_mut().append_pair(&name, &value);
    }
    url.to_string()
}

/// Canonical JSON of tool calls in OpenAI's format, without `id` and `index`: ids differ in every answer, so no two
/// answers would ever be equal. Arguments that are valid JSON are made canonical too. `None` if there are no calls.
pub(super) fn tool_calls_text(calls: &Value) -> Option<String> {
    let calls = calls.as_array().filter(|calls| !calls.is_empty())?;
    let mut calls = calls.clone();
    for call in calls.iter_mut().filter_map(Value::as_object_mut) {
        call.remove("id");
        call.remove("index");
        if let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments")) {
            let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(parsed) = parsed {
                *arguments = Value::String(canonical_json(&parsed));
            }
        }
    }
    Some(canonical_json(&Value::Array(calls)))
}

/// A tool call in OpenAI's format, with its arguments as canonical JSON text.
pub(super) fn tool_call(name: &str, arguments: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "arguments": canonical_json(arguments)}})
}
