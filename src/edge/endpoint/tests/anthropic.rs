use proptest::prelude::*;

use super::*;
use crate::edge::endpoint::test_support::{
    KEY, body_of, broken, call, conversation, error_of, hostile_json, json_reply, plain_request, request, settings,
    stream_reply, streamed, streaming, survives, with_params,
};
use crate::edge::net::fault_server::FaultServer;

fn dialect(settings: &ApiSettings) -> Anthropic {
    Anthropic::new(settings).unwrap()
}

fn body(params: Value, request: &Request) -> Value {
    dialect(&with_params(params)).body(request).unwrap()
}

fn usage(output: u64) -> Value {
    json!({
        "input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
        "output_tokens": output,
    })
}

fn answer(content: Value, stop_reason: &str) -> Value {
    let usage = usage(2);
    json!({"type": "message", "model": "m-1", "content": content, "stop_reason": stop_reason, "usage": usage})
}

const CALL_TEXT: &str = r#"[{"function":{"arguments":"{\"a\":[1,2]}","name":"f"},"type":"function"}]"#;

#[test]
fn a_plain_prompt_is_sent_with_a_separate_system_text_and_a_token_limit() {
    let expected = json!({
        "model": "m", "stream": false, "max_tokens": 4096, "system": "be brief",
        "messages": [{"role": "user", "content": "hä?"}],
    });
    assert_eq!(body(json!({}), &plain_request()), expected);
    assert_eq!(body(json!({"max_tokens": 9}), &plain_request())["max_tokens"], 9);
    assert_eq!(
        body(json!({}), &request(&json!([]), json!({})))["messages"],
        json!([{"role": "user", "content": "input"}])
    );
}

#[test]
fn a_conversation_is_sent_as_blocks_with_tools_and_images() {
    let sent = body(json!({"output_config": {"effort": "low"}}), &conversation());
    let expected = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            {"type": "image", "source": {"type": "url", "url": "https://h/p.png"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "let me see"},
            {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}},
            {"type": "tool_use", "id": "c2", "name": "ask", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
            {"type": "tool_result", "tool_use_id": "c2", "content": "{\"kind\":\"tabby\"}"},
        ]},
        {"role": "user", "content": "well?"},
    ]);
    assert_eq!(sent["messages"], expected);
    assert_eq!(sent["system"], "be brief\n\nin German");
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    assert_eq!(sent["tools"], json!([{"name": "look", "description": "looks", "input_schema": schema}]));
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": "look"}));
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    assert_eq!(sent["output_config"], json!({"effort": "low", "format": format}));
    assert_eq!(sent.get("response_format"), None);
}

#[test]
fn every_tool_choice_is_translated() {
    let choice = |params: Value| body(params, &plain_request()).get("tool_choice").cloned();
    for (chat, own) in [("auto", "auto"), ("none", "none"), ("required", "any")] {
        assert_eq!(choice(json!({"tool_choice": chat})), Some(json!({"type": own})));
    }
    let one = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(choice(json!({"parallel_tool_calls": false})), Some(one));
    assert_eq!(choice(json!({"parallel_tool_calls": true})), None);
    assert_eq!(choice(json!({"tool_choice": "none", "parallel_tool_calls": false})), Some(json!({"type": "none"})));
    assert_eq!(choice(json!({"tool_choice": {"type": "any"}})), Some(json!({"type": "any"})));
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    assert_eq!(body(json!({"tools": tools}), &plain_request())["tools"], tools);
    let strict = json!([{"type": "function", "function": {"name": "f", "strict": true}}]);
    let expected = json!([{"name": "f", "strict": true, "input_schema": {"type": "object", "properties": {}}}]);
    assert_eq!(body(json!({"tools": strict}), &plain_request())["tools"], expected);
}

#[test]
fn requests_that_cannot_be_sent_are_refused_with_a_message() {
    let call = |arguments: &str| {
        let call = json!({"id": "c", "function": {"name": "f", "arguments": arguments}});
        json!([{"role": "assistant", "content": "", "tool_calls": [call]}])
    };
    let picture =
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}]);
    let cases = [
        (call("{"), "message 1 calls \"f\" with arguments that are not a JSON object"),
        (call("[1]"), "message 1 calls \"f\" with arguments that are not a JSON object"),
        (json!([{"role": "tool", "content": "x"}]), "message 1 is a tool result, but has no tool_call_id"),
        (
            json!([{"role": "function", "content": "x"}]),
            "message 1 has the role \"function\", which Anthropic's API does not support",
        ),
        (picture, "message 1 has an image in a data URL that is not base64"),
    ];
    for (messages, expected) in cases {
        assert_eq!(dialect(&settings("http://h")).body(&request(&messages, json!({}))).unwrap_err(), expected);
    }
    let format = json!({"response_format": {"type": "json_object"}});
    let error = dialect(&with_params(format)).body(&plain_request()).unwrap_err();
    assert!(error.contains("does not support response_format json_object"), "{error}");
    for param in RESERVED {
        let message = error_of(Anthropic::new(&with_params(json!({param: 1}))));
        assert!(message.contains(&format!("params must not set \"{param}\"")), "{message}");
    }
    assert!(
        error_of(Anthropic::new(&ApiSettings { model: " ".into(), ..settings("http://h") })).contains("model is empty")
    );
}

#[test]
fn the_output_is_text_or_calls_and_all_tokens_count() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let thinking = json!({"type": "thinking", "thinking": "no", "signature": "s"});
    let tool = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, 2]}});
    let cases = [
        (answer(json!([thinking, text("a"), text("b"), tool]), "tool_use"), "ab"),
        (answer(json!([thinking, tool]), "tool_use"), CALL_TEXT),
        (answer(json!([text(""), tool]), "tool_use"), CALL_TEXT),
        (answer(json!([]), "end_turn"), ""),
        (answer(json!([text("I cann")]), "refusal"), "I cann"),
    ];
    for (answer, expected) in cases {
        let read = dialect(&settings("http://h")).read(&answer).unwrap();
        assert_eq!((read.output.as_str(), read.model.as_deref()), (expected, Some("m-1")));
        assert_eq!(read.usage, Usage { prompt_tokens: Some(127), completion_tokens: Some(2) });
    }
}

#[test]
fn answers_without_output_are_errors_with_the_reason() {
    let cases = [
        (answer(json!([]), "refusal"), "the content has no text (stop_reason: refusal)"),
        (answer(json!([{"type": "thinking"}]), "max_tokens"), "the content has no text (stop_reason: max_tokens)"),
        (json!({"content": []}), "the content has no text (stop_reason: not given)"),
        (json!({"type": "error", "error": {"message": "x"}}), "the response has no content"),
        (json!({"content": "text"}), "the response has no content"),
    ];
    for (answer, expected) in cases {
        assert_eq!(dialect(&settings("http://h")).read(&answer).unwrap_err(), expected);
    }
}

/// A stream with text after a thought, or with a tool call after text.
fn events(blocks: &[(Value, Vec<Value>)], stop_reason: &str) -> Vec<Value> {
    let usage = usage(1);
    let start = json!({"type": "message", "model": "m-1", "content": [], "stop_reason": null, "usage": usage});
    let mut events = vec![json!({"type": "message_start", "message": start}), json!({"type": "ping"})];
    for (index, (block, deltas)) in blocks.iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events
            .extend(deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let ending = json!({"stop_reason": stop_reason, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 2, "input_tokens": null}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn text_block(pieces: &[&str]) -> (Value, Vec<Value>) {
    let deltas = pieces.iter().map(|text| json!({"type": "text_delta", "text": text})).collect();
    (json!({"type": "text", "text": ""}), deltas)
}

fn tool_block(pieces: &[&str]) -> (Value, Vec<Value>) {
    let deltas = pieces.iter().map(|text| json!({"type": "input_json_delta", "partial_json": text})).collect();
    (json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}), deltas)
}

#[test]
fn a_streamed_answer_equals_the_whole_one() {
    let dialect = dialect(&streaming());
    let thought =
        (json!({"type": "thinking", "thinking": ""}), vec![json!({"type": "thinking_delta", "thinking": "hm"})]);
    let text = json!({"type": "text", "text": "yes"});
    let tool = |input: Value| json!({"type": "tool_use", "id": "t2", "name": "f", "input": input});
    let cases = [
        (vec![thought, text_block(&["y", "", "es"])], answer(json!([text]), "end_turn"), true),
        (vec![tool_block(&["", "{\"a\":", "[1,2]}"])], answer(json!([tool(json!({"a": [1, 2]}))]), "tool_use"), true),
        (vec![tool_block(&[])], answer(json!([tool(json!({}))]), "tool_use"), true),
        (vec![text_block(&[])], answer(json!([]), "end_turn"), false),
    ];
    for (blocks, whole, has_output) in cases {
        let reason = whole["stop_reason"].as_str().unwrap_or_default();
        assert_eq!(streamed(&dialect, &events(&blocks, reason)).unwrap(), (dialect.read(&whole).unwrap(), has_output));
    }
    let (cut, _) = streamed(&dialect, &events(&[tool_block(&["{\"a\":"])], "max_tokens")).unwrap();
    assert_eq!(cut.output, r#"[{"function":{"arguments":"{\"a\":","name":"f"},"type":"function"}]"#);
}

#[test]
fn a_stream_that_fails_reports_the_error() {
    let cases = [
        ("overloaded_error", CallErrorKind::Overloaded),
        ("rate_limit_error", CallErrorKind::RateLimited),
        ("api_error", CallErrorKind::Server),
        ("authentication_error", CallErrorKind::Unauthorized),
        ("invalid_request_error", CallErrorKind::Refused),
        ("new_error", CallErrorKind::Server),
    ];
    for (name, kind) in cases {
        let event = json!({"type": "error", "error": {"type": name, "message": "boom"}});
        let expected = (kind, "the server ended the stream with an error: boom".to_owned());
        assert_eq!(broken(dialect(&streaming()).stream_reader(), &event), expected);
    }
    let stray = json!({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}});
    assert_eq!(broken(dialect(&streaming()).stream_reader(), &stray).0, CallErrorKind::BadAnswer);
}

#[tokio::test]
async fn requests_are_sent_to_messages_with_the_key_and_a_version() {
    let whole = answer(json!([{"type": "text", "text": "yes"}]), "end_turn");
    let server = FaultServer::start(vec![json_reply(&whole)]);
    for base in ["", "/", "/v1", "/v1/", "/v1/messages"] {
        let base = settings(&format!("{}{base}", server.url));
        assert_eq!(call(base.clone(), Box::new(dialect(&base))).await.unwrap().output, "yes");
    }
    let base = settings(&server.url);
    for sent in server.requests() {
        assert!(sent.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains(&format!("x-api-key: {KEY}\r\n")) && sent.contains("anthropic-version: 2023-06-01\r\n"));
        assert!(!sent.contains("authorization"));
        assert_eq!(body_of(&sent), dialect(&base).body(&plain_request()).unwrap());
    }
}

#[tokio::test]
async fn an_overload_in_the_middle_of_a_stream_is_retried() {
    let good: Vec<String> = events(&[text_block(&["yes"])], "end_turn").iter().map(Value::to_string).collect();
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "later"}}).to_string();
    let bad = [&good[..3], &[error.as_str()]].concat();
    let server = FaultServer::start(vec![stream_reply(&bad), stream_reply(&good)]);
    let base = ApiSettings { stream: true, ..settings(&server.url) };
    let response = call(base.clone(), Box::new(dialect(&base))).await.unwrap();
    assert_eq!((response.output.as_str(), response.attempts, response.ttft.is_some()), ("yes", 2, true));
}

const WORDS: &[&str] = &[
    "type",
    "content",
    "text",
    "tool_use",
    "name",
    "input",
    "usage",
    "input_tokens",
    "output_tokens",
    "stop_reason",
    "message_start",
    "message",
    "content_block_start",
    "content_block",
    "content_block_delta",
    "delta",
    "index",
    "text_delta",
    "partial_json",
    "input_json_delta",
    "message_delta",
    "error",
];

proptest! {
    #[test]
    fn no_answer_causes_a_panic(answers in prop::collection::vec(hostile_json(WORDS), 1..6), text in any::<String>()) {
        survives(&dialect(&streaming()), &answers, &text);
    }
}
