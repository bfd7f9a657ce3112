use super::*;
use crate::core::domain::CallErrorKind::{BadAnswer, Connect, RateLimited, Server, Timeout, Unauthorized};
use crate::core::domain::Message;
use crate::edge::net::direct_client;
use crate::edge::net::fault_server::{FaultServer, Reply, closed_port};

const KEY: &str = "sk-0123456789abcdef";

fn settings(base_url: &str) -> OpenAiSettings {
    let ms = Duration::from_millis;
    OpenAiSettings {
        name: "local".into(),
        base_url: base_url.into(),
        model: "m".into(),
        api_key: Some(KEY.into()),
        headers: vec![("X-Team".into(), "team-secret".into())],
        params: json!({"temperature": 0}).as_object().unwrap().clone(),
        // Long, so that a busy machine does not turn one failure into another.
        timeout: ms(5000),
        retry: RetryPolicy { max_retries: 2, base: ms(1), cap: ms(2), max_retry_after: ms(2000) },
    }
}

fn request() -> Request {
    let messages = vec![
        Message { role: "system".into(), content: "be brief".into() },
        Message { role: "user".into(), content: "hä?".into() },
    ];
    Request { example_id: "e".into(), input: "input".into(), messages }
}

async fn call(settings: OpenAiSettings) -> Result<Response, CallError> {
    OpenAiEndpoint::new(settings, direct_client()).unwrap().call(&request()).await
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

fn refused(settings: OpenAiSettings) -> String {
    match OpenAiEndpoint::new(settings, direct_client()) {
        Ok(_) => String::new(),
        Err(failure) => failure.message,
    }
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_good_answer_is_read_with_its_model_and_usage() {
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
async fn without_a_key_no_authorization_is_sent_and_without_messages_the_input_is() {
    let server = FaultServer::start(vec![ok()]);
    let settings = OpenAiSettings { api_key: None, headers: Vec::new(), ..settings(&server.url) };
    let endpoint = OpenAiEndpoint::new(settings, direct_client()).unwrap();
    endpoint.call(&Request { messages: Vec::new(), ..request() }).await.unwrap();
    let requests = server.requests();
    let sent = requests.first().unwrap();
    assert!(sent.starts_with("POST /chat/completions ") && !sent.to_lowercase().contains("authorization"), "{sent}");
    assert_eq!(body_of(sent)["messages"], json!([{"role": "user", "content": "input"}]));
}

#[tokio::test]
async fn transient_failures_are_tried_again_until_one_succeeds() {
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
async fn a_wait_asked_for_in_seconds_is_kept() {
    let server = FaultServer::start(vec![Reply::http(429, "retry-after: 1\r\n", b"{}"), ok()]);
    let start = std::time::Instant::now();
    let response = call(settings(&server.url)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(response.latency < Duration::from_millis(900), "the latency is that of the last attempt alone");
}

#[tokio::test]
async fn failures_that_last_end_with_their_kind_and_the_attempts_made() {
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
        (Reply::Stall(Reply::partial(1000, "{\"choi")), Timeout, 3, "no complete answer within 100ms"),
        (Reply::http(200, "", b"{\"choices\":[{\"mess"), BadAnswer, 1, "is not JSON: EOF"),
        (Reply::http(200, "", b"{\"choices\":\"\xc3\x28\"}"), BadAnswer, 1, "is not UTF-8"),
        (huge, BadAnswer, 1, "larger than 10485760 bytes"),
    ];
    for (reply, kind, attempts, message) in cases {
        let server = FaultServer::start(vec![reply]);
        let timeout = Duration::from_millis(if kind == Timeout { 100 } else { 5000 });
        let failed = call(OpenAiSettings { timeout, ..settings(&server.url) }).await.unwrap_err();
        assert_eq!((failed.kind, failed.attempts), (kind, attempts), "{failed}");
        assert_eq!(server.requests().len(), attempts as usize, "{failed}");
        assert!(failed.message.contains(message), "{failed}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_for_by_name() {
    let base = closed_port();
    let failed = call(settings(&base)).await.unwrap_err();
    assert_eq!((failed.kind, failed.attempts), (Connect, 3));
    assert!(failed.message.contains(base.trim_start_matches("http://")), "{failed}");
    assert!(failed.message.ends_with("is the server running?"));
}

#[tokio::test]
async fn with_no_retries_allowed_one_attempt_is_made() {
    let server = FaultServer::start(vec![Reply::http(503, "retry-after: 0\r\n", b""), ok()]);
    let mut settings = settings(&server.url);
    settings.retry.max_retries = 0;
    let failed = call(settings).await.unwrap_err();
    assert_eq!((failed.kind, failed.attempts, server.requests().len()), (Server, 1, 1));
}

#[tokio::test]
async fn a_server_that_repeats_the_credentials_does_not_get_them_shown() {
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
    let redactor = Redactor::new(&"http://host".parse().unwrap(), &HeaderMap::new());
    for (message, expected) in cases {
        let answer = json!({"choices": [{"message": message, "finish_reason": "length"}]});
        match (read_output(&answer, &redactor), expected) {
            (Ok(output), Some(expected)) => assert_eq!(output, expected),
            (Err(what), None) => assert!(what.ends_with("no content (finish_reason: length)"), "{what}"),
            (result, expected) => panic!("{message}: {result:?} instead of {expected:?}"),
        }
    }
    for answer in [json!({}), json!([]), json!({"choices": []}), json!({"choices": {}}), json!(null)] {
        assert_eq!(read_output(&answer, &redactor).unwrap_err(), "the answer has no choices[0]");
    }
}

#[test]
fn the_path_is_added_whatever_form_the_base_url_has() {
    let cases = [
        ("http://h/v1", "http://h/v1/chat/completions"),
        (" http://h:1/v1/ ", "http://h:1/v1/chat/completions"),
        ("https://h", "https://h/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("https://h/d/x/?api-version=2024#f", "https://h/d/x/chat/completions?api-version=2024"),
    ];
    for (base, expected) in cases {
        assert_eq!(full_url(base).unwrap().as_str(), expected);
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_without_showing_secrets() {
    let base = || settings("http://h/v1");
    let header = |name: &str, value: &str| OpenAiSettings {
        headers: vec![(name.to_owned(), value.to_owned().into())],
        ..base()
    };
    let param = |name: &str| OpenAiSettings { params: Map::from_iter([(name.to_owned(), json!(true))]), ..base() };
    let cases = [
        (settings("h/v1"), "base_url is not a URL"),
        (settings("ftp://h/v1"), "base_url must begin with http"),
        (settings("http://user:team-secret@h/v1"), "base_url may not hold a user or password"),
        (OpenAiSettings { model: " ".into(), ..base() }, "model is empty"),
        (OpenAiSettings { api_key: Some(" ".into()), ..base() }, "api_key is empty"),
        (OpenAiSettings { api_key: Some("a\nb".into()), ..base() }, "api_key holds a character"),
        (header("Authorization", "team-secret"), "both api_key and an Authorization header"),
        (header("a b", "team-secret"), "\"a b\" is not a header name"),
        (header("x-a", "team-secret\n2"), "header \"x-a\" holds a character"),
        (param("model"), "params may not set \"model\""),
        (param("messages"), "params may not set \"messages\""),
        (param("stream"), "params may not set \"stream\""),
    ];
    for (settings, expected) in cases {
        let message = refused(settings);
        assert!(message.starts_with("endpoint \"local\": ") && message.contains(expected), "{message}");
        assert!(!message.contains("team-secret"));
    }
}

#[test]
fn the_fingerprint_follows_what_may_change_answers_and_no_secret() {
    let print = |change: fn(&mut OpenAiSettings)| {
        let mut settings = settings("http://h/v1?api-version=1&key=one");
        change(&mut settings);
        OpenAiEndpoint::new(settings, direct_client()).unwrap().fingerprint().to_owned()
    };
    let first = print(|_| {});
    let same: [fn(&mut OpenAiSettings); 5] = [
        |s| s.api_key = None,
        |s| s.headers = vec![("x-team".into(), "another".into())],
        |s| s.base_url = "http://h/v1/?api-version=1&key=two".into(),
        |s| s.timeout = Duration::from_secs(9),
        |s| s.name = "other".into(),
    ];
    let other: [fn(&mut OpenAiSettings); 5] = [
        |s| s.model = "m2".into(),
        |s| s.base_url = "http://h/v2?api-version=1&key=one".into(),
        |s| s.base_url = "http://h/v1?api-version=2&key=one".into(),
        |s| s.params = Map::new(),
        |s| s.headers = Vec::new(),
    ];
    assert!(same.iter().all(|change| print(*change) == first));
    assert!(other.iter().all(|change| print(*change) != first));
}
