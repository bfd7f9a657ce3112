use std::time::Duration;

use super::*;
use crate::core::domain::CallErrorKind::{BadAnswer, Connect, Overloaded, RateLimited, Server, Timeout, Unauthorized};
use crate::core::domain::Message;
use crate::core::domain::{CallError, Endpoint, RequestKey, Response};
use crate::edge::endpoint::{ApiEndpoint, ApiSettings};
use crate::edge::net::direct_client;
use crate::edge::net::fault_server::{FaultServer, Reply, closed_port};
use crate::edge::net::{DEFAULT_MAX_BODY, Limiters, RetryPolicy};

const KEY: &str = "sk-0123456789abcdef";

fn settings(base_url: &str) -> ApiSettings {
    let ms = Duration::from_millis;
    ApiSettings {
        name: "local".into(),
        base_url: base_url.into(),
        model: "m".into(),
        api_key: Some(KEY.into()),
        api_key_header: None,
        headers: vec![("X-Team".into(), "team-secret".into())],
        params: json!({"temperature": 0}).as_object().unwrap().clone(),
        // Long enough that a busy machine does not turn other failures into timeouts.
        timeout: ms(5000),
        retry: RetryPolicy { max_retries: 2, base: ms(1), cap: ms(2), max_retry_after: ms(2000) },
        stream: false,
        requests_per_minute: None,
        tokens_per_minute: None,
    }
}

fn endpoint(settings: ApiSettings) -> Result<ApiEndpoint, Failure> {
    let dialect = OpenAiChat::new(&settings)?;
    ApiEndpoint::new(settings, Box::new(dialect), direct_client(), &Limiters::default(), 8)
}

fn request() -> Request {
    let messages = vec![Message::text("system", "be brief"), Message::text("user", "hä?")];
    Request {
        example_id: "e".into(),
        trial: 0,
        input: "input".into(),
        fields: Map::new(),
        messages,
        options: Map::new(),
        key: RequestKey([0; 16]),
    }
}

async fn call(settings: ApiSettings) -> Result<Response, CallError> {
    endpoint(settings).unwrap().call(&request()).await
}

fn answer(message: Value) -> Vec<u8> {
    let answer = json!({
        "model": "m-0613",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    });
    answer.to_string().into_bytes()
}

fn ok() -> Reply {
    Reply::http(200, "content-type: application/json\r\n", &answer(json!({"role": "assistant", "content": "yes"})))
}

fn refused(settings: ApiSettings) -> String {
    match endpoint(settings) {
        Ok(_) => String::new(),
        Err(failure) => failure.message,
    }
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_valid_answer_is_read_with_its_model_and_usage() {
    let server = FaultServer::start(vec![ok()]);
    let response = call(settings(&format!("{}/v1/", server.url))).await.unwrap();
    assert_eq!((response.output.as_str(), response.model.as_deref(), response.attempts), ("yes", Some("m-0613"), 1));
    assert_eq!(response.usage, Usage { prompt_tokens: Some(7), completion_tokens: Some(2) });
    assert!(response.latency > Duration::ZERO && response.latency < Duration::from_secs(5));
    let requests = server.requests();
    let sent = requests.first().unwrap();
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("authorization: Bearer {KEY}\r\n")) && sent.contains("x-team: team-secret\r\n"));
    let expected = json!({
        "model": "m", "temperature": 0, "stream": false,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hä?"}],
    });
    assert_eq!(body_of(sent), expected);
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent_and_without_messages_the_input_is_sent() {
    let server = FaultServer::start(vec![ok()]);
    let settings = ApiSettings { api_key: None, headers: Vec::new(), ..settings(&server.url) };
    endpoint(settings).unwrap().call(&Request { messages: Vec::new(), ..request() }).await.unwrap();
    let requests = server.requests();
    let sent = requests.first().unwrap();
    assert!(sent.starts_with("POST /chat/completions ") && !sent.to_lowercase().contains("authorization"), "{sent}");
    assert_eq!(body_of(sent)["messages"], json!([{"role": "user", "content": "input"}]));
}

#[tokio::test]
async fn transient_failures_are_retried_until_one_attempt_succeeds() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let first = [
        Reply::http(429, "retry-after: 0\r\n", b"{}"),
        Reply::http(429, &format!("retry-after: {date}\r\n"), b"{}"),
        Reply::http(500, "", b"oops"),
        Reply::http(529, "", b"{}"),
        Reply::Reset(Reply::partial(1000, "{\"choices\"")),
        Reply::Send(Reply::partial(1000, "{\"choices\"")),
    ];
    for (index, first) in first.into_iter().enumerate() {
        let server = FaultServer::start(vec![first, ok()]);
        let response = call(settings(&server.url)).await.unwrap();
        assert_eq!((response.output.as_str(), response.attempts), ("yes", 2), "case {index}");
    }
}

#[tokio::test]
async fn retry_after_in_seconds_is_respected() {
    let server = FaultServer::start(vec![Reply::http(429, "retry-after: 1\r\n", b"{}"), ok()]);
    let start = std::time::Instant::now();
    let response = call(settings(&server.url)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(response.latency < Duration::from_millis(900), "the latency is that of the last attempt only");
}

#[tokio::test]
async fn permanent_failures_are_reported_with_their_kind_and_the_number_of_attempts() {
    let huge = Reply::http(200, "", &vec![b' '; DEFAULT_MAX_BODY + 1]);
    let cases = [
        (Reply::http(500, "", b"{\"error\":\"down\"}"), Server, 3, "HTTP 500"),
        (
            Reply::http(429, "retry-after: 3\r\n", b"{}"),
            RateLimited,
            1,
            "asks to wait 3 s, longer than the 2 s allowed",
        ),
        (Reply::Reset(Reply::partial(1000, "{\"choi")), Connect, 3, "broke"),
        (Reply::Stall(Reply::partial(1000, "{\"choi")), Timeout, 3, "no complete response within 100ms"),
        (Reply::http(200, "", b"{\"choices\":[{\"mess"), BadAnswer, 1, "is not JSON: EOF"),
        (Reply::http(200, "", b"{\"choices\":\"\xc3\x28\"}"), BadAnswer, 1, "is not UTF-8"),
        (huge, BadAnswer, 1, "larger than 4194304 bytes"),
    ];
    for (reply, kind, attempts, message) in cases {
        let server = FaultServer::start(vec![reply]);
        let timeout = Duration::from_millis(if kind == Timeout { 100 } else { 5000 });
        let failed = call(ApiSettings { timeout, ..settings(&server.url) }).await.unwrap_err();
        assert_eq!((failed.kind, failed.attempts), (kind, attempts), "{failed}");
        assert_eq!(server.requests().len(), attempts as usize, "{failed}");
        assert!(failed.message.contains(message), "{failed}");
    }
}

#[tokio::test]
async fn a_missing_server_is_named_in_the_error() {
    let base = closed_port();
    let failed = call(settings(&base)).await.unwrap_err();
    assert_eq!((failed.kind, failed.attempts), (Connect, 3));
    assert!(failed.message.contains(base.trim_start_matches("http://")), "{failed}");
    assert!(failed.message.ends_with("is the server running?"));
}

#[tokio::test]
async fn without_retries_one_attempt_is_made() {
    let server = FaultServer::start(vec![Reply::http(503, "retry-after: 0\r\n", b""), ok()]);
    let mut settings = settings(&server.url);
    settings.retry.max_retries = 0;
    let failed = call(settings).await.unwrap_err();
    assert_eq!((failed.kind, failed.attempts, server.requests().len()), (Overloaded, 1, 1));
}

#[tokio::test]
async fn credentials_repeated_by_a_server_are_not_shown() {
    let told = json!({"error": {"message": format!("Incorrect API key provided: {KEY} of team-secret."), "code": 401}});
    let body = told.to_string();
    for (status, kind) in [(401, Unauthorized), (200, BadAnswer)] {
        let server = FaultServer::start(vec![Reply::http(status, "", body.as_bytes())]);
        let failed = call(settings(&server.url)).await.unwrap_err();
        assert_eq!((failed.kind, failed.attempts), (kind, 1));
        assert!(failed.message.ends_with("Incorrect API key provided: *** of ***."), "{failed}");
    }
}

#[test]
fn the_output_is_content_or_refusal_or_tool_calls() {
    let tool = json!([{"index": 0, "id": "call_x1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let tool_text = r#"[{"function":{"arguments":"{}","name":"f"},"type":"function"}]"#;
    let cases = [
        (json!({"content": "text"}), Some("text")),
        (json!({"content": ""}), Some("")),
        (
            json!({"content": [{"type": "text", "text": "a"}, {"type": "thinking", "text": "no"}, {"text": "b"}]}),
            Some("ab"),
        ),
        (json!({"content": null, "tool_calls": tool}), Some(tool_text)),
        (json!({"content": "", "tool_calls": tool}), Some(tool_text)),
        (json!({"content": "text", "tool_calls": tool}), Some("text")),
        (json!({"content": null, "refusal": "I cannot"}), Some("I cannot")),
        (json!({"content": null, "tool_calls": []}), None),
        (json!({"content": [{"type": "image"}]}), None),
        (json!({"content": 5}), None),
        (json!({}), None),
        (Value::Null, None),
    ];
    for (message, expected) in cases {
        let answer = json!({"choices": [{"message": message, "finish_reason": "length"}]});
        match (read_output(&answer), expected) {
            (Ok(output), Some(expected)) => assert_eq!(output, expected),
            (Err(what), None) => assert!(what.ends_with("no content (finish_reason: length)"), "{what}"),
            (result, expected) => panic!("{message}: {result:?} instead of {expected:?}"),
        }
    }
    for answer in [json!({}), json!([]), json!({"choices": []}), json!({"choices": {}}), json!(null)] {
        assert_eq!(read_output(&answer).unwrap_err(), "the response has no choices[0]");
    }
}

#[test]
fn the_path_is_added_to_any_form_of_base_url() {
    let cases = [
        ("http://h/v1", "http://h/v1/chat/completions"),
        (" http://h:1/v1/ ", "http://h:1/v1/chat/completions"),
        ("https://h", "https://h/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("https://h/d/x/?api-version=2024#f", "https://h/d/x/chat/completions?api-version=2024"),
    ];
    for (base, expected) in cases {
        assert_eq!(super::super::api::full_url(base, PATH).unwrap().as_str(), expected);
    }
}

#[test]
fn invalid_settings_are_refused_without_showing_secrets() {
    let base = || settings("http://h/v1");
    let header =
        |name: &str, value: &str| ApiSettings { headers: vec![(name.to_owned(), value.to_owned().into())], ..base() };
    let param = |name: &str| ApiSettings { params: Map::from_iter([(name.to_owned(), json!(true))]), ..base() };
    let cases = [
        (settings("h/v1"), "base_url is not a URL"),
        (settings("ftp://h/v1"), "base_url must begin with http"),
        (settings("http://user:team-secret@h/v1"), "base_url must not contain a user name or password"),
        (ApiSettings { model: " ".into(), ..base() }, "model is empty"),
        (ApiSettings { api_key: Some(" ".into()), ..base() }, "api_key is empty"),
        (ApiSettings { api_key: Some("a\nb".into()), ..base() }, "api_key contains a character"),
        (header("Authorization", "team-secret"), "both api_key and the header Authorization are given"),
        (header("a b", "team-secret"), "\"a b\" is not a header name"),
        (header("x-a", "team-secret\n2"), "header \"x-a\" contains a character"),
        (param("model"), "params must not set \"model\""),
        (param("messages"), "params must not set \"messages\""),
        (param("stream"), "params must not set \"stream\""),
    ];
    for (settings, expected) in cases {
        let message = refused(settings);
        assert!(message.starts_with("endpoint \"local\": ") && message.contains(expected), "{message}");
        assert!(!message.contains("team-secret"));
    }
}

#[test]
fn the_fingerprint_depends_on_what_may_change_answers_but_not_on_secrets() {
    let print = |change: fn(&mut ApiSettings)| {
        let mut settings = settings("http://h/v1?api-version=1&key=one");
        change(&mut settings);
        endpoint(settings).unwrap().fingerprint().to_owned()
    };
    let first = print(|_| {});
    let same: [fn(&mut ApiSettings); 5] = [
        |s| s.api_key = None,
        |s| s.headers = vec![("x-team".into(), "another".into())],
        |s| s.base_url = "http://h/v1/?api-version=1&key=two".into(),
        |s| s.timeout = Duration::from_secs(9),
        |s| s.name = "other".into(),
    ];
    let other: [fn(&mut ApiSettings); 5] = [
        |s| s.model = "m2".into(),
        |s| s.base_url = "http://h/v2?api-version=1&key=one".into(),
        |s| s.base_url = "http://h/v1?api-version=2&key=one".into(),
        |s| s.params = Map::new(),
        |s| s.headers = Vec::new(),
    ];
    assert!(same.iter().all(|change| print(*change) == first));
    assert!(other.iter().all(|change| print(*change) != first));
}

/// The result of a streaming endpoint for these connections.
async fn stream(replies: Vec<Reply>) -> (Result<Response, CallError>, Vec<String>) {
    let server = FaultServer::start(replies);
    let result = call(ApiSettings { stream: true, ..settings(&server.url) }).await;
    (result, server.requests())
}

fn events(chunks: &[Value]) -> Reply {
    let body: String = chunks.iter().map(|chunk| format!(": keep-alive\n\ndata: {chunk}\n\n")).collect();
    Reply::http(200, "content-type: text/event-stream\r\n", format!("{body}data: [DONE]\n\n").as_bytes())
}

fn cut_events(chunks: &[Value]) -> Reply {
    let body: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    Reply::http(200, "content-type: text/event-stream\r\n", body.as_bytes())
}

fn delta(delta: Value) -> Value {
    json!({"model": "m-0613", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null})
}

fn stop() -> Value {
    json!({"model": "m-0613", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
}

fn usage() -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
}

#[tokio::test]
async fn a_streamed_text_is_read_with_its_usage_and_time_to_first_token() {
    let first = delta(json!({"role": "assistant", "content": ""}));
    let chunks = [first, delta(json!({"content": "y"})), delta(json!({"content": "es"})), stop(), usage()];
    let (response, requests) = stream(vec![events(&chunks)]).await;
    let response = response.unwrap();
    assert_eq!((response.output.as_str(), response.model.as_deref(), response.attempts), ("yes", Some("m-0613"), 1));
    assert_eq!(response.usage, Usage { prompt_tokens: Some(7), completion_tokens: Some(2) });
    assert!(response.ttft.is_some_and(|ttft| ttft > Duration::ZERO && ttft <= response.latency));
    let sent = body_of(requests.first().unwrap());
    assert_eq!((&sent["stream"], &sent["stream_options"]), (&json!(true), &json!({"include_usage": true})));
}

#[tokio::test]
async fn streamed_tool_calls_are_assembled_like_whole_ones() {
    let piece = |index: u64, name: Option<&str>, arguments: &str| {
        let mut function = json!({"arguments": arguments});
        if let Some(name) = name {
            function["name"] = json!(name);
        }
        delta(json!({"tool_calls": [{"index": index, "id": name, "type": "function", "function": function}]}))
    };
    let chunks = [
        delta(json!({"role": "assistant", "content": null})),
        piece(0, Some("f"), ""),
        piece(0, None, "{\"a\""),
        piece(1, Some("g"), "{}"),
        piece(0, None, ":1}"),
        stop(),
    ];
    let call = |name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": "x", "type": "function", "function": function})
    };
    let whole = answer(json!({"content": null, "tool_calls": [call("f", "{\"a\":1}"), call("g", "{}")]}));
    let (streamed, _) = stream(vec![events(&chunks)]).await;
    let (whole, _) = stream(vec![Reply::http(200, "", &whole)]).await;
    let streamed = streamed.unwrap();
    assert_eq!(streamed.output, whole.unwrap().output);
    assert!(streamed.ttft.is_some());
}

#[tokio::test]
async fn a_streamed_refusal_and_an_empty_text_are_answers() {
    let (refused, _) =
        stream(vec![events(&[delta(json!({"refusal": "I "})), delta(json!({"refusal": "cannot"})), stop()])]).await;
    assert_eq!(refused.unwrap().output, "I cannot");
    let (empty, _) = stream(vec![events(&[delta(json!({"content": ""})), stop()])]).await;
    let empty = empty.unwrap();
    assert_eq!((empty.output.as_str(), empty.ttft), ("", None));
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_a_server_error_and_retried() {
    let error = json!({"error": {"message": format!("out of memory for {KEY}"), "type": "server_error"}});
    let bad = [delta(json!({"content": "y"})), error];
    let (response, _) = stream(vec![events(&bad), events(&[delta(json!({"content": "yes"})), stop()])]).await;
    let response = response.unwrap();
    assert_eq!((response.output.as_str(), response.attempts), ("yes", 2));
    let (failed, requests) = stream(vec![events(&bad)]).await;
    let failed = failed.unwrap_err();
    assert_eq!((failed.kind, failed.attempts, requests.len()), (Server, 3, 3));
    assert!(failed.message.ends_with("the server ended the stream with an error: out of memory for ***"), "{failed}");
}

#[tokio::test]
async fn a_stream_cut_off_before_its_end_is_a_broken_connection_and_retried() {
    let cut = [delta(json!({"content": "ye"}))];
    let (failed, requests) = stream(vec![cut_events(&cut)]).await;
    let failed = failed.unwrap_err();
    assert_eq!((failed.kind, failed.attempts, requests.len()), (Connect, 3, 3));
    assert!(failed.message.ends_with("ended before the answer was complete"), "{failed}");
    // With a finish reason it is complete, with or without [DONE].
    let (response, _) = stream(vec![cut_events(&cut), cut_events(&[cut[0].clone(), stop()])]).await;
    let response = response.unwrap();
    assert_eq!((response.output.as_str(), response.attempts), ("ye", 2));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_supported() {
    let (response, _) = stream(vec![ok()]).await;
    let response = response.unwrap();
    assert_eq!((response.output.as_str(), response.ttft), ("yes", None));
}

#[tokio::test]
async fn events_that_cannot_be_read_are_a_bad_answer() {
    let body = b"data: {\"choices\"\n\n";
    let (failed, _) = stream(vec![Reply::http(200, "content-type: text/event-stream\r\n", body)]).await;
    let failed = failed.unwrap_err();
    assert_eq!((failed.kind, failed.attempts), (BadAnswer, 1));
    assert!(failed.message.contains("an event is not JSON"), "{failed}");
}

const WORDS: &[&str] = &[
    "choices",
    "delta",
    "message",
    "content",
    "refusal",
    "tool_calls",
    "index",
    "function",
    "name",
    "arguments",
    "finish_reason",
    "usage",
    "prompt_tokens",
    "error",
    "type",
    "text",
];

proptest::proptest! {
    #[test]
    fn no_answer_causes_a_panic(
        answers in proptest::collection::vec(crate::edge::endpoint::test_support::hostile_json(WORDS), 1..5),
        text in proptest::prelude::any::<String>(),
    ) {
        let settings = ApiSettings { stream: true, ..settings("http://h") };
        crate::edge::endpoint::test_support::survives(&OpenAiChat::new(&settings).unwrap(), &answers, &text);
    }
}
