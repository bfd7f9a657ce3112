use super::*;
use crate::core::domain::CallErrorKind::{
    BadAnswer, Connect, Overloaded, RateLimited, Refused, Server, Timeout, Unauthorized,
};
use crate::edge::net::direct_client;
use crate::edge::net::fault_server::{FaultServer, Reply, closed_port};
use reqwest::header::HeaderValue;
use serde_json::json;

const SECRET: &str = "sk-0123456789abcdef";

async fn post(base: &str, max_body: usize) -> Result<Value, CallError> {
    // Long enough that a busy machine does not turn other failures into timeouts.
    post_within(Duration::from_secs(5), base, max_body).await
}

async fn post_within(timeout: Duration, base: &str, max_body: usize) -> Result<Value, CallError> {
    let url: Url = format!("{base}/v1/x?key=query-secret").parse().unwrap();
    let mut headers = HeaderMap::new();
    let mut key = HeaderValue::from_str(&format!("Bearer {SECRET}")).unwrap();
    key.set_sensitive(true);
    headers.insert("authorization", key);
    let exchange = Exchange { max_body, ..Exchange::post(direct_client(), url, headers, timeout) };
    exchange.json(json!({"a": 1}).to_string().into_bytes()).await.result.map(|whole| whole.body)
}

async fn post_to(reply: Reply, max_body: usize) -> Result<Value, CallError> {
    post(&FaultServer::start(vec![reply]).url, max_body).await
}

#[tokio::test]
async fn a_response_of_exactly_the_limit_is_read_but_not_one_byte_more() {
    let body = b"[1,2,3,4]";
    assert_eq!(post_to(Reply::http(200, "", body), 9).await.unwrap(), json!([1, 2, 3, 4]));
    let failed = post_to(Reply::http(200, "", body), 8).await.unwrap_err();
    assert_eq!(failed.kind, BadAnswer);
    assert!(failed.message.ends_with("/v1/x is larger than 8 bytes"), "{}", failed.message);
}

#[tokio::test]
async fn an_endless_response_without_a_declared_length_is_cut_off() {
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400)).repeat(64);
    let bytes = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").into_bytes();
    let failed = post_to(Reply::Stall(bytes), 10_000).await.unwrap_err();
    assert!(failed.message.contains("larger than 10000 bytes"), "{}", failed.message);
}

#[tokio::test]
async fn every_status_has_its_kind() {
    let cases = [
        (302, Refused),
        (400, Refused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Refused),
        (408, Timeout),
        (409, Server),
        (422, Refused),
        (425, Server),
        (429, RateLimited),
        (500, Server),
        (503, Overloaded),
        (529, Overloaded),
    ];
    let replies = cases.map(|(status, _)| Reply::http(status, "", br#"{"error":{"message":"said so"}}"#));
    let server = FaultServer::start(replies.to_vec());
    for (status, kind) in cases {
        let failed = post(&server.url, 1000).await.unwrap_err();
        assert_eq!(failed.kind, kind, "{status}");
        assert!(failed.message.starts_with(&format!("HTTP {status} ")), "{}", failed.message);
        assert!(status == 302 || failed.message.ends_with("/v1/x: said so"), "{}", failed.message);
    }
}

#[tokio::test]
async fn no_message_contains_a_credential_the_query_or_a_control_character() {
    let echo = format!("\u{1b}[2Jkey {SECRET} at /v1/x?key=query-secret {}", "long ".repeat(100));
    let failed = post_to(Reply::http(401, "", echo.as_bytes()), 1000).await.unwrap_err();
    assert!(failed.message.contains("[2Jkey *** at /v1/x?key=*** long"), "{}", failed.message);
    assert!(failed.message.ends_with('…') && !failed.message.contains('\u{1b}'));
    let location = format!("location: http://elsewhere:9/y?token={SECRET}\r\n");
    let failed = post_to(Reply::http(307, &location, b""), 1000).await.unwrap_err();
    assert!(failed.message.ends_with("it points to http://elsewhere:9/y, and redirects are not followed"));
}

#[tokio::test]
async fn retry_after_is_carried_by_any_failed_status() {
    let failed = post_to(Reply::http(503, "retry-after: 7\r\n", b""), 1000).await.unwrap_err();
    assert_eq!(failed.retry_after, Some(Duration::from_secs(7)));
    let failed = post_to(Reply::http(429, "retry-after: later\r\n", b""), 1000).await.unwrap_err();
    assert_eq!(failed.retry_after, None);
}

#[tokio::test]
async fn a_missing_server_is_named_by_host_and_port() {
    let base = closed_port();
    let failed = post(&base, 1000).await.unwrap_err();
    assert_eq!(failed.kind, Connect);
    let place = base.trim_start_matches("http://");
    assert!(failed.message.starts_with(&format!("cannot connect to {place}: ")), "{}", failed.message);
    assert!(failed.message.ends_with("; is the server running?"));
}

#[tokio::test]
async fn broken_connections_and_broken_bodies_are_told_apart() {
    let gzip = "content-encoding: gzip\r\n";
    let cases = [
        (Reply::Send(Vec::new()), Connect, "broke before a response"),
        (Reply::Send(Reply::partial(100, "{\"a\":")), Connect, "broke in the middle of a response"),
        (Reply::Reset(Reply::partial(100, "{\"a\":")), Connect, "broke"),
        (Reply::Stall(Vec::new()), Timeout, "no complete response within 100ms"),
        (Reply::Stall(Reply::partial(100, "{\"a\":")), Timeout, "no complete response within 100ms"),
        (Reply::http(200, "", b"{\"a\":"), BadAnswer, "is not JSON: EOF"),
        (Reply::http(200, "", b""), BadAnswer, "is not JSON: EOF"),
        (Reply::http(200, "", b"{\"a\":\"\xff\"}"), BadAnswer, "is not UTF-8 from byte 6"),
        (Reply::http(200, gzip, b"not gzip at all, whatever the header says"), BadAnswer, "cannot be decoded"),
        (Reply::http(200, "", "[".repeat(500).as_bytes()), BadAnswer, "is not JSON: recursion"),
    ];
    for (reply, kind, message) in cases {
        let timeout = Duration::from_millis(if kind == Timeout { 100 } else { 5000 });
        let server = FaultServer::start(vec![reply]);
        let failed = post_within(timeout, &server.url, 1000).await.unwrap_err();
        assert_eq!(failed.kind, kind, "{failed}");
        assert!(failed.message.contains(message), "{failed}");
        assert!(!failed.message.contains("secret"), "{failed}");
    }
}

#[tokio::test]
async fn a_probe_accepts_any_status_and_reads_the_servers_time() {
    let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let date = format!("date: {}\r\n", httpdate::fmt_http_date(then));
    let server = FaultServer::start(vec![Reply::http(404, &date, b"{}"), Reply::http(200, "", b"{}")]);
    let url: Url = format!("{}/models", server.url).parse().unwrap();
    let exchange = Exchange::post(direct_client(), url.clone(), HeaderMap::new(), Duration::from_secs(5));
    let (status, date, _) = exchange.probe(url.clone()).await.unwrap();
    assert_eq!((status, date), (404, Some(then)));
    let (status, date, _) = exchange.probe(url).await.unwrap();
    assert_eq!((status, date), (200, None));
    assert!(server.requests()[0].starts_with("GET /models HTTP/1.1\r\n"));
    let nowhere: Url = closed_port().parse().unwrap();
    assert_eq!(exchange.probe(nowhere).await.unwrap_err().kind, Connect);
}
