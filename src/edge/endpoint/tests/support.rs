//! Helpers shared by the tests of all dialects.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::api::{Answer, ApiEndpoint, ApiSettings, Dialect, StreamReader};
use crate::core::domain::{CallError, CallErrorKind, Endpoint, Failure, Message, Request, Response};
use crate::edge::net::fault_server::Reply;
use crate::edge::net::{Limiters, RetryPolicy, Step, direct_client};

/// The key of every endpoint under test.
pub(super) const KEY: &str = "sk-0123456789abcdef";

pub(super) fn settings(base_url: &str) -> ApiSettings {
    let ms = Duration::from_millis;
    ApiSettings {
        name: "local".into(),
        base_url: base_url.into(),
        model: "m".into(),
        api_key: Some(KEY.into()),
        api_key_header: None,
        headers: Vec::new(),
        params: Map::new(),
        timeout: ms(5000),
        retry: RetryPolicy { max_retries: 1, base: ms(1), cap: ms(2), max_retry_after: ms(2000) },
        stream: false,
        requests_per_minute: None,
        tokens_per_minute: None,
    }
}

pub(super) fn streaming() -> ApiSettings {
    ApiSettings { stream: true, ..settings("http://h/v1") }
}

pub(super) fn with_params(params: Value) -> ApiSettings {
    ApiSettings { params: object(params), ..settings("http://h/v1") }
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A request with these messages, in the form used in a golden set.
pub(super) fn request(messages: &Value, options: Value) -> Request {
    let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
    let key = crate::core::domain::RequestKey([0; 16]);
    let (fields, options) = (Map::new(), object(options));
    Request { example_id: "e".into(), trial: 0, input: "input".into(), fields, messages, options, key }
}

pub(super) fn plain_request() -> Request {
    request(&json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hä?"}]), json!({}))
}

/// A conversation in Chat Completions format with everything it can contain.
pub(super) fn conversation() -> Request {
    let call = |id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    let calls = json!([call("c1", "look", "{\"at\": 1}"), call("c2", "ask", "")]);
    let messages = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "image_url", "image_url": {"url": "https://h/p.png"}},
        ]},
        {"role": "assistant", "content": "let me see", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "content": "{\"kind\":\"tabby\"}"},
        {"role": "developer", "content": "in German"},
        {"role": "user", "content": "well?"},
    ]);
    let parameters = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    let options = json!({
        "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": parameters}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object"}}},
    });
    request(&messages, options)
}

pub(super) fn error_of<T>(result: Result<T, Failure>) -> String {
    result.err().map_or_else(String::new, |failure| failure.message)
}

pub(super) async fn call(settings: ApiSettings, dialect: Box<dyn Dialect>) -> Result<Response, CallError> {
    let endpoint = ApiEndpoint::new(settings, dialect, direct_client(), &Limiters::default(), 8).unwrap();
    endpoint.call(&plain_request()).await
}

pub(super) fn fingerprint(settings: ApiSettings, dialect: Box<dyn Dialect>) -> String {
    let endpoint = ApiEndpoint::new(settings, dialect, direct_client(), &Limiters::default(), 8).unwrap();
    endpoint.fingerprint().to_owned()
}

pub(super) fn json_reply(answer: &Value) -> Reply {
    Reply::http(200, "content-type: application/json\r\n", answer.to_string().as_bytes())
}

/// Events as a server sends them.
pub(super) fn stream_reply(events: &[&str]) -> Reply {
    let body: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    Reply::http(200, "content-type: text/event-stream; charset=utf-8\r\n", body.as_bytes())
}

pub(super) fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The answer that a dialect reads from events, and whether one of them carried output.
pub(super) fn streamed(dialect: &dyn Dialect, events: &[Value]) -> Result<(Answer, bool), (CallErrorKind, String)> {
    let mut reader = dialect.stream_reader().unwrap();
    let mut has_output = false;
    for event in events {
        match reader.event(&event.to_string())? {
            Step::Output => has_output = true,
            Step::Quiet => {}
            Step::End => break,
        }
    }
    assert!(reader.is_complete() || events.last().is_some_and(|last| last["type"] == "message_stop"));
    Ok((dialect.read(&reader.whole()).map_err(|what| (CallErrorKind::BadAnswer, what))?, has_output))
}

/// The error of one event.
pub(super) fn broken(reader: Option<Box<dyn StreamReader>>, event: &Value) -> (CallErrorKind, String) {
    reader.unwrap().event(&event.to_string()).unwrap_err()
}

/// Arbitrary JSON made of words that APIs use, so that parsers get far into it.
pub(super) fn hostile_json(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words).prop_map(Value::from),
        "[ -~]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Feeds a dialect answers that no server should send; nothing may panic.
pub(super) fn survives(dialect: &dyn Dialect, answers: &[Value], text: &str) {
    for answer in answers {
        let _ = dialect.read(answer);
    }
    let Some(mut reader) = dialect.stream_reader() else { return };
    let _ = reader.event(text);
    for answer in answers {
        let _ = reader.event(&answer.to_string());
        let _ = reader.is_complete();
    }
    let _ = dialect.read(&reader.whole());
}
