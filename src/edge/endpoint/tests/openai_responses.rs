use proptest::prelude::*;

use super::*;
use crate::edge::endpoint::test_support::{
    KEY, body_of, broken, call, conversation, error_of, hostile_json, json_reply, object, plain_request, request,
    settings, stream_reply, streamed, streaming, survives, with_params,
};
use crate::edge::net::fault_server::FaultServer;

fn dialect(settings: &ApiSettings) -> OpenAiResponses {
    OpenAiResponses::new(settings).unwrap()
}

fn body(params: Value, request: &Request) -> Value {
    dialect(&with_params(params)).body(request).unwrap()
}

fn message(parts: Value) -> Value {
    json!({"type": "message", "role": "assistant", "status": "completed", "content": parts})
}

fn answer(output: Value) -> Value {
    let usage = json!({"input_tokens": 7, "output_tokens": 2, "total_tokens": 9});
    json!({"model": "m-0613", "status": "completed", "error": null, "output": output, "usage": usage})
}

fn call_item() -> Value {
    json!({"type": "function_call", "id": "fc", "call_id": "c9", "name": "f", "arguments": "{\"b\": 1, \"a\": 2}"})
}

const CALL_TEXT: &str = r#"[{"function":{"arguments":"{\"a\":2,\"b\":1}","name":"f"},"type":"function"}]"#;

#[test]
fn a_plain_prompt_is_sent_and_not_stored() {
    let expected = json!({
        "model": "m", "stream": false, "store": false, "temperature": 0,
        "input": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hä?"}],
    });
    assert_eq!(body(json!({"temperature": 0}), &plain_request()), expected);
    assert_eq!(body(json!({"store": true}), &plain_request())["store"], true);
}

#[test]
fn a_conversation_is_sent_as_items_with_tools_and_images() {
    let sent = body(json!({"text": {"verbosity": "low"}}), &conversation());
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "input_text", "text": "what is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,QUJD"},
            {"type": "input_image", "image_url": "https://h/p.png"},
        ]},
        {"role": "assistant", "content": "let me see"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"at\": 1}"},
        {"type": "function_call", "call_id": "c2", "name": "ask", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        {"type": "function_call_output", "call_id": "c2", "output": "{\"kind\":\"tabby\"}"},
        {"role": "developer", "content": "in German"},
        {"role": "user", "content": "well?"},
    ]);
    assert_eq!(sent["input"], expected);
    let parameters = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    let tool =
        json!({"type": "function", "name": "look", "description": "looks", "parameters": parameters, "strict": false});
    assert_eq!(sent["tools"], json!([tool]));
    assert_eq!(sent["tool_choice"], json!({"type": "function", "name": "look"}));
    let format = json!({"type": "json_schema", "name": "out", "schema": {"type": "object"}});
    assert_eq!(sent["text"], json!({"verbosity": "low", "format": format}));
    assert_eq!(sent.get("response_format"), None);
}

#[test]
fn parts_of_both_roles_have_the_right_type() {
    let call = json!({"id": "c", "function": {"name": "f", "arguments": {"a": 1}}});
    let said = |text: &str| json!({"type": "text", "text": text});
    let messages = json!([
        {"role": "user", "content": ["a", {"type": "file", "file": {"file_id": "f1"}}, {"type": "input_audio", "x": 1},
            {"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        {"role": "assistant", "content": null, "refusal": "no"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [said("x"), said("y")]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
    ]);
    let expected = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_file", "file_id": "f1"},
            {"type": "input_audio", "x": 1}, {"type": "input_image", "image_url": "u", "detail": "low"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "c", "output": "x\ny"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "u"}]},
    ]);
    assert_eq!(body(json!({}), &request(&messages, json!({})))["input"], expected);
}

#[test]
fn tools_and_choices_in_the_apis_own_format_are_passed_through() {
    let own =
        json!({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}, "parallel_tool_calls": false});
    let sent = body(own.clone(), &plain_request());
    assert!(object(own).iter().all(|(key, value)| sent[key] == *value), "{sent}");
    for choice in ["auto", "none", "required"] {
        assert_eq!(body(json!({"tool_choice": choice}), &plain_request())["tool_choice"], choice);
    }
    let format = body(json!({"response_format": {"type": "json_object"}}), &plain_request())["text"].clone();
    assert_eq!(format, json!({"format": {"type": "json_object"}}));
}

#[test]
fn requests_that_cannot_be_sent_are_refused_with_a_message() {
    let cases = [
        (
            json!([{"role": "user", "content": "a"}, {"role": "tool", "content": "x"}]),
            "message 2 is a tool result, but has no tool_call_id",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]),
            "message 1 has a call to \"f\" without an id",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{"id": "c"}]}]),
            "message 1 has a tool call that is not a function call",
        ),
    ];
    for (messages, expected) in cases {
        let error = dialect(&settings("http://h")).body(&request(&messages, json!({}))).unwrap_err();
        assert_eq!(error, expected);
    }
    for param in RESERVED {
        let message = error_of(OpenAiResponses::new(&with_params(json!({param: 1}))));
        assert!(message.contains(&format!("params must not set \"{param}\"")), "{message}");
    }
    let empty = ApiSettings { model: String::new(), ..settings("http://h") };
    assert!(error_of(OpenAiResponses::new(&empty)).contains("model is empty"));
    assert!(
        dialect(&with_params(json!({"text": 1}))).body(&conversation()).unwrap_err().contains("text is not an object")
    );
}

#[test]
fn the_output_is_text_or_refusal_or_calls() {
    let text = |text: &str| json!({"type": "output_text", "text": text});
    let refusal = json!({"type": "refusal", "refusal": "I cannot"});
    let reasoning = json!({"type": "reasoning", "content": [text("no")], "summary": []});
    let cases = [
        (json!([reasoning, message(json!([text("a"), text("b")])), message(json!([text("c")]))]), "abc"),
        (json!([message(json!([text("")]))]), ""),
        (json!([message(json!([refusal])), call_item()]), "I cannot"),
        (json!([reasoning, call_item()]), CALL_TEXT),
        (json!([message(json!([text("")])), call_item()]), CALL_TEXT),
    ];
    let dialect = dialect(&settings("http://h"));
    for (output, expected) in cases {
        let read = dialect.read(&answer(output)).unwrap();
        assert_eq!((read.output.as_str(), read.model.as_deref()), (expected, Some("m-0613")));
        assert_eq!(read.usage, Usage { prompt_tokens: Some(7), completion_tokens: Some(2) });
    }
}

#[test]
fn answers_without_output_are_errors_with_the_reason() {
    let mut cut = answer(json!([]));
    cut["status"] = json!("incomplete");
    cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let cases = [
        (answer(json!([{"type": "reasoning"}])), "the output has no text (status: completed)"),
        (cut, "the output has no text (status: incomplete, max_output_tokens)"),
        (
            json!({"status": "failed", "error": {"code": "x", "message": "boom"}}),
            "the response failed (status: failed): boom",
        ),
        (json!({"error": {"message": "boom"}, "output": []}), "the response failed (status: not given): boom"),
        (json!({"status": "failed", "output": []}), "the response failed (status: failed): no reason given"),
        (json!({"choices": []}), "the response has no output"),
    ];
    for (answer, expected) in cases {
        assert_eq!(dialect(&settings("http://h")).read(&answer).unwrap_err(), expected);
    }
}

#[test]
fn the_text_of_a_truncated_answer_is_used() {
    let mut cut = answer(json!([message(json!([{"type": "output_text", "text": "half"}]))]));
    cut["status"] = json!("incomplete");
    assert_eq!(dialect(&settings("http://h")).read(&cut).unwrap().output, "half");
}

#[test]
fn a_streamed_answer_equals_the_whole_one() {
    let dialect = dialect(&streaming());
    let whole =
        [answer(json!([message(json!([{"type": "output_text", "text": "yes"}]))])), answer(json!([call_item()]))];
    let deltas = ["response.output_text.delta", "response.function_call_arguments.delta"];
    for (whole, delta) in whole.into_iter().zip(deltas) {
        for last in ["response.completed", "response.incomplete"] {
            let events = [
                json!({"type": "response.created", "response": {"status": "in_progress"}}),
                json!({"type": delta, "delta": "ye"}),
                json!({"type": last, "response": whole}),
            ];
            assert_eq!(streamed(&dialect, &events).unwrap(), (dialect.read(&whole).unwrap(), true));
        }
    }
}

#[test]
fn a_stream_that_fails_reports_the_error() {
    let error = |code: &str| json!({"code": code, "message": "boom"});
    let cases = [
        (
            json!({"type": "response.failed", "response": {"error": error("rate_limit_exceeded")}}),
            CallErrorKind::RateLimited,
        ),
        (json!({"type": "response.failed", "response": {"error": error("server_error")}}), CallErrorKind::Server),
        (json!({"type": "error", "code": "invalid_prompt", "message": "boom"}), CallErrorKind::Refused),
        (json!({"type": "error", "error": error("server_is_overloaded")}), CallErrorKind::Overloaded),
        (json!({"error": error("x")}), CallErrorKind::Server),
    ];
    for (event, kind) in cases {
        let expected = (kind, "the server ended the stream with an error: boom".to_owned());
        assert_eq!(broken(dialect(&streaming()).stream_reader(), &event), expected);
    }
    let without = broken(dialect(&streaming()).stream_reader(), &json!({"type": "response.completed"}));
    assert_eq!(without.0, CallErrorKind::BadAnswer);
}

#[tokio::test]
async fn requests_are_sent_to_responses_with_a_bearer_token() {
    let whole = answer(json!([message(json!([{"type": "output_text", "text": "yes"}]))]));
    let server = FaultServer::start(vec![json_reply(&whole)]);
    let base = settings(&format!("{}/v1", server.url));
    let response = call(base.clone(), Box::new(dialect(&base))).await.unwrap();
    assert_eq!(response.output, "yes");
    let requests = server.requests();
    let sent = requests.first().unwrap();
    assert!(sent.starts_with("POST /v1/responses HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("authorization: Bearer {KEY}\r\n")));
    assert_eq!(body_of(sent), dialect(&base).body(&plain_request()).unwrap());
}

#[tokio::test]
async fn a_stream_that_ends_early_is_retried() {
    let whole = answer(json!([message(json!([{"type": "output_text", "text": "yes"}]))]));
    let delta = json!({"type": "response.output_text.delta", "delta": "y"}).to_string();
    let last = json!({"type": "response.completed", "response": whole}).to_string();
    let server = FaultServer::start(vec![stream_reply(&[&delta, "[DONE]"]), stream_reply(&[&delta, &last])]);
    let base = ApiSettings { stream: true, ..settings(&server.url) };
    let response = call(base.clone(), Box::new(dialect(&base))).await.unwrap();
    assert_eq!((response.output.as_str(), response.attempts, response.ttft.is_some()), ("yes", 2, true));
}

const WORDS: &[&str] = &[
    "type",
    "message",
    "output",
    "content",
    "output_text",
    "text",
    "refusal",
    "function_call",
    "name",
    "arguments",
    "status",
    "error",
    "code",
    "response",
    "response.completed",
    "response.failed",
    "usage",
    "input_tokens",
];

proptest! {
    #[test]
    fn no_answer_causes_a_panic(answers in prop::collection::vec(hostile_json(WORDS), 1..4), text in any::<String>()) {
        survives(&dialect(&streaming()), &answers, &text);
    }
}
