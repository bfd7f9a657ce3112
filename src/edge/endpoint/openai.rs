//! Chat completions as OpenAI defined them, which vLLM, Ollama, llama.cpp, LiteLLM and others answer too.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::core::domain::{
    CallError, CallErrorKind, Endpoint, EndpointFuture, Failure, Request, Response, Usage, canonical_json, content_hash,
};
use crate::edge::net::{DEFAULT_MAX_BODY, Redactor, RetryPolicy, is_credential_name, post_json, with_retry};

/// The path every such server answers at, below its base URL.
const PATH: &str = "/chat/completions";
/// What [`OpenAiSettings::params`] may not hold.
const RESERVED: [&str; 3] = ["model", "messages", "stream"];

/// What is known of an endpoint before its first call.
#[derive(Clone)]
pub struct OpenAiSettings {
    /// The name it has in the workspace.
    pub name: String,
    /// Everything before `/chat/completions`, with or without a slash at its end, such as `http://localhost:8000/v1`.
    /// A query (`?api-version=…`) is kept. A URL that ends in `/chat/completions` is taken as it is.
    pub base_url: String,
    /// The model asked for.
    pub model: String,
    /// Sent as `Authorization: Bearer …`; `None` for servers that ask for none.
    pub api_key: Option<SecretString>,
    /// Further headers by name. All values are taken for credentials.
    pub headers: Vec<(String, SecretString)>,
    /// Further fields of the body, such as `temperature` and `max_tokens`; not `model`, `messages` or `stream`.
    pub params: Map<String, Value>,
    /// Longest time of one attempt, the whole answer included.
    pub timeout: Duration,
    /// How transient failures are tried again.
    pub retry: RetryPolicy,
}

/// A model behind `POST {base_url}/chat/completions`.
pub struct OpenAiEndpoint {
    name: String,
    fingerprint: String,
    client: Client,
    url: Url,
    headers: HeaderMap,
    model: String,
    params: Map<String, Value>,
    timeout: Duration,
    retry: RetryPolicy,
}

impl OpenAiEndpoint {
    /// An endpoint that sends by `client`; nothing is sent yet.
    ///
    /// Its fingerprint is the content hash, under the label `endpoint`, of the canonical JSON of type, base URL
    /// (without slash at its end and without values of query parameters that carry credentials), model, params
    /// and names of headers (in lower case and sorted).
    ///
    /// # Errors
    /// Settings that cannot be meant: no http(s) URL, a user or password in it, an empty model, a reserved param, an
    /// empty key, a key beside an `Authorization` header, or a header that cannot be sent.
    pub fn new(settings: OpenAiSettings, client: Client) -> Result<Self, Failure> {
        let fault = |what: String| Failure::data(format!("endpoint \"{}\": {what}", settings.name));
        let url = full_url(&settings.base_url).map_err(|what| fault(format!("base_url {what}")))?;
        if settings.model.trim().is_empty() {
            return Err(fault("model is empty".to_owned()));
        }
        if let Some(key) = RESERVED.iter().find(|key| settings.params.contains_key(**key)) {
            return Err(
                fault(format!("params may not set \"{key}\"")).hint("karat sets model, messages and stream itself")
            );
        }
        let headers = all_headers(settings.api_key.as_ref(), &settings.headers).map_err(fault)?;
        Ok(Self {
            fingerprint: fingerprint(&settings, &url),
            name: settings.name,
            client,
            url,
            headers,
            model: settings.model,
            params: settings.params,
            timeout: settings.timeout,
            retry: settings.retry,
        })
    }

    /// The body of a request; one without messages is asked as a single user turn of its input.
    fn body(&self, request: &Request) -> Value {
        let mut messages: Vec<Value> =
            request.messages.iter().map(|message| json!({"role": message.role, "content": message.content})).collect();
        if messages.is_empty() {
            messages.push(json!({"role": "user", "content": request.input}));
        }
        let mut body = self.params.clone();
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), Value::Array(messages));
        body.insert("stream".to_owned(), Value::Bool(false));
        Value::Object(body)
    }

    async fn ask(&self, request: &Request) -> Result<Response, CallError> {
        let body = self.body(request);
        let attempt = async |_: u32| {
            let (answer, latency) =
                post_json(&self.client, &self.url, &self.headers, &body, self.timeout, DEFAULT_MAX_BODY).await?;
            read_answer(&answer, latency, &Redactor::new(&self.url, &self.headers))
        };
        let (response, attempts) = with_retry(&self.retry, attempt).await?;
        Ok(Response { attempts, ..response })
    }
}

impl Endpoint for OpenAiEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(self.ask(request))
    }
}

/// `base_url` with [`PATH`] added; the error completes "base_url …" and never repeats the URL, which may hold a key.
fn full_url(base_url: &str) -> Result<Url, String> {
    let mut url: Url = base_url.trim().parse().map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("may not hold a user or password; give an Authorization header instead".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    let path = format!("{}{PATH}", path.strip_suffix(PATH).unwrap_or(path));
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

fn all_headers(api_key: Option<&SecretString>, given: &[(String, SecretString)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is not a header name"))?;
        let value = secret_value(value.expose_secret()).ok_or_else(|| format!("header \"{name}\" {UNSENDABLE}"))?;
        if headers.insert(parsed, value).is_some() {
            return Err(format!("header \"{name}\" is given twice"));
        }
    }
    if let Some(key) = api_key {
        let key = key.expose_secret().trim();
        if key.is_empty() {
            return Err("api_key is empty; leave it out for a server that asks for none".to_owned());
        }
        let value = secret_value(&format!("Bearer {key}")).ok_or_else(|| format!("api_key {UNSENDABLE}"))?;
        if headers.insert(AUTHORIZATION, value).is_some() {
            return Err("both api_key and an Authorization header are given".to_owned());
        }
    }
    Ok(headers)
}

const UNSENDABLE: &str = "holds a character that no header can carry";

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.trim()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn fingerprint(settings: &OpenAiSettings, url: &Url) -> String {
    let mut names: Vec<String> = settings.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let basis = json!({
        "type": "openai",
        "base_url": public_base(url),
        "model": settings.model,
        "params": settings.params,
        "headers": names,
    });
    content_hash("endpoint", canonical_json(&basis).as_bytes())
}

/// The base URL in one spelling, with no value in it that could be a credential.
fn public_base(full: &Url) -> String {
    let mut url = full.clone();
    url.set_path(full.path().strip_suffix(PATH).unwrap_or_default());
    let query: Vec<_> = full.query_pairs().into_owned().collect();
    url.set_query(None);
    for (name, value) in query {
        let value = if is_credential_name(&name) { String::new() } else { value };
        url.query_pairs_mut().append_pair(&name, &value);
    }
    url.to_string()
}

fn read_answer(answer: &Value, latency: Duration, redactor: &Redactor) -> Result<Response, CallError> {
    let output = read_output(answer, redactor).map_err(|what| CallError::new(CallErrorKind::BadAnswer, what))?;
    let tokens = |key: &str| answer.get("usage").and_then(|usage| usage.get(key)).and_then(Value::as_u64);
    Ok(Response {
        output,
        model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
        usage: Usage { prompt_tokens: tokens("prompt_tokens"), completion_tokens: tokens("completion_tokens") },
        latency,
        attempts: 1,
    })
}

/// The text of the first choice: its content, else its refusal, else its tool calls as canonical JSON. Content that
/// is empty counts only where there is nothing else.
fn read_output(answer: &Value, redactor: &Redactor) -> Result<String, String> {
    let Some(choice) = answer.pointer("/choices/0") else {
        // Some gateways answer 200 and put the failure into the body.
        let told = redactor.error_message(answer).map_or_else(String::new, |told| format!("; the server says: {told}"));
        return Err(format!("the answer has no choices[0]{told}"));
    };
    let message = choice.get("message").unwrap_or(&Value::Null);
    let content = content_text(message.get("content").unwrap_or(&Value::Null));
    let refusal = message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty());
    let candidates = [
        content.clone().filter(|text| !text.is_empty()),
        refusal.map(str::to_owned),
        message.get("tool_calls").and_then(tool_calls_text),
        content,
    ];
    candidates.into_iter().flatten().next().ok_or_else(|| {
        let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("not given");
        format!("choices[0].message has no content (finish_reason: {})", redactor.line(reason))
    })
}

/// A string as it is, of an array the text parts joined; `None` for anything else or where no part is text.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(part_text).collect();
            (!texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

fn part_text(part: &Value) -> Option<&str> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    part.get("text").and_then(Value::as_str).filter(|_| matches!(kind, "text" | "output_text"))
}

/// Canonical JSON of the calls without their `id` and `index`: ids are drawn anew by every answer, so that no two
/// answers would ever be equal.
fn tool_calls_text(calls: &Value) -> Option<String> {
    let calls = calls.as_array().filter(|calls| !calls.is_empty())?;
    let mut calls = calls.clone();
    for call in calls.iter_mut().filter_map(Value::as_object_mut) {
        call.remove("id");
        call.remove("index");
    }
    Some(canonical_json(&Value::Array(calls)))
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
