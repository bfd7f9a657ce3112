use proptest::prelude::*;

use super::*;
use crate::edge::endpoint::test_support::{
    KEY, body_of, broken, call, conversation, error_of, fingerprint, hostile_json, json_reply, plain_request, request,
    settings, stream_reply, streamed, streaming, survives, with_params,
};
use crate::edge::net::fault_server::FaultServer;

fn dialect(settings: &ApiSettings) -> Gemini {
    Gemini::new(settings).unwrap()
}

fn body(params: Value, request: &Request) -> Value {
    dialect(&with_params(params)).body(request).unwrap()
}

fn answer(parts: Value, reason: &str) -> Value {
    let usage =
        json!({"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 30, "totalTokenCount": 39});
    let candidate = json!({"content": {"role": "model", "parts": parts}, "finishReason": reason});
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-001"})
}

fn call_part() -> Value {
    json!({"functionCall": {"name": "f", "args": {"b": 1, "a": 2}}, "thoughtSignature": "s"})
}

const CALL_TEXT: &str = r#"[{"function":{"arguments":"{\"a\":2,\"b\":1}","name":"f"},"type":"function"}]"#;

#[test]
fn a_plain_prompt_is_sent_with_a_separate_system_text() {
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "hä?"}]}],
    });
    assert_eq!(body(json!({}), &plain_request()), expected);
}

#[test]
fn generation_params_are_collected_in_any_spelling() {
    let params = json!({
        "temperature": 0, "top_p": 0.5, "topK": 3, "max_tokens": 9, "stop": "END", "n": 1,
        "thinking_config": {"thinkingBudget": 0}, "generation_config": {"seed": 1, "temperature": 1},
        "safety_settings": [], "cachedContent": "c",
    });
    let sent = body(params, &plain_request());
    let config = json!({
        "temperature": 1, "topP": 0.5, "topK": 3, "maxOutputTokens": 9, "stopSequences": ["END"], "candidateCount": 1,
        "thinkingConfig": {"thinkingBudget": 0}, "seed": 1,
    });
    assert_eq!(sent["generationConfig"], config);
    assert_eq!((&sent["safety_settings"], &sent["cachedContent"]), (&json!([]), &json!("c")));
    assert_eq!(sent.get("generation_config"), None);
    assert_eq!(
        body(json!({"stop": ["a", "b"]}), &plain_request())["generationConfig"],
        json!({"stopSequences": ["a", "b"]})
    );
    let wrong = with_params(json!({"generationConfig": 1, "seed": 1}));
    assert!(error_of(Gemini::new(&wrong)).ends_with("params.generationConfig is not an object"));
}

#[test]
fn a_conversation_is_sent_as_contents_with_tools_and_images() {
    let sent = body(json!({"temperature": 0, "tool_config": {"retrievalConfig": {}}}), &conversation());
    let expected = json!([
        {"role": "user", "parts": [
            {"text": "what is this?"},
            {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            {"fileData": {"fileUri": "https://h/p.png"}},
        ]},
        {"role": "model", "parts": [
            {"text": "let me see"},
            {"functionCall": {"name": "look", "args": {"at": 1}}},
            {"functionCall": {"name": "ask", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "look", "response": {"output": "a cat"}}},
            {"functionResponse": {"name": "ask", "response": {"kind": "tabby"}}},
        ]},
        {"role": "user", "parts": [{"text": "well?"}]},
    ]);
    assert_eq!(sent["contents"], expected);
    assert_eq!(sent["systemInstruction"], json!({"parts": [{"text": "be brief\n\nin German"}]}));
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    let declaration = json!({"name": "look", "description": "looks", "parametersJsonSchema": schema});
    assert_eq!(sent["tools"], json!([{"functionDeclarations": [declaration]}]));
    let calling = json!({"mode": "ANY", "allowedFunctionNames": ["look"]});
    assert_eq!(sent["toolConfig"], json!({"retrievalConfig": {}, "functionCallingConfig": calling}));
    let config =
        json!({"temperature": 0, "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}});
    assert_eq!(sent["generationConfig"], config);
    assert!(["tool_choice", "response_format", "tool_config"].iter().all(|key| sent.get(*key).is_none()));
}

#[test]
fn calls_are_sent_back_with_their_signature() {
    let signature = json!({"google": {"thought_signature": "s"}});
    let calls = json!([{"id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": signature}]);
    let sent =
        body(json!({}), &request(&json!([{"role": "assistant", "content": "", "tool_calls": calls}]), json!({})));
    let part = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s"});
    assert_eq!(sent["contents"], json!([{"role": "model", "parts": [part]}]));
}

#[test]
fn every_tool_choice_is_translated() {
    for (chat, own) in [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")] {
        let sent = body(json!({"tool_choice": chat, "parallel_tool_calls": true}), &plain_request());
        assert_eq!(sent["toolConfig"], json!({"functionCallingConfig": {"mode": own}}));
        assert_eq!(sent.get("parallel_tool_calls"), None);
    }
    let tools = json!([{"googleSearch": {}}]);
    assert_eq!(body(json!({"tools": tools}), &plain_request())["tools"], tools);
    let json_object = body(json!({"response_format": {"type": "json_object"}}), &plain_request());
    assert_eq!(json_object["generationConfig"], json!({"responseMimeType": "application/json"}));
}

#[test]
fn requests_that_cannot_be_sent_are_refused_with_a_message() {
    let cases = [
        (
            json!([{"role": "tool", "tool_call_id": "c7", "content": "x"}]),
            "message 1 is the result of tool call \"c7\", which no earlier message makes",
        ),
        (
            json!([{"role": "user", "content": [{"type": "input_audio"}]}]),
            "message 1 has a part of the type \"input_audio\", which cannot be sent to Gemini's API",
        ),
        (
            json!([{"role": "critic", "content": "x"}]),
            "message 1 has the role \"critic\", which Gemini's API does not support",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]}]),
            "message 1 calls \"f\" with arguments that are not a JSON object",
        ),
    ];
    for (messages, expected) in cases {
        assert_eq!(dialect(&settings("http://h")).body(&request(&messages, json!({}))).unwrap_err(), expected);
    }
    let one = dialect(&with_params(json!({"parallel_tool_calls": false}))).body(&plain_request()).unwrap_err();
    assert!(one.contains("one tool call at a time"), "{one}");
    for param in RESERVED {
        let message = error_of(Gemini::new(&with_params(json!({param: 1}))));
        assert!(message.contains(&format!("params must not set \"{param}\"")), "{message}");
    }
    for model in ["a b", "a?key=x", "a#b", "../a", "a//b", "a%2e"] {
        let message = error_of(Gemini::new(&ApiSettings { model: model.into(), ..settings("http://h") }));
        assert!(message.ends_with("cannot be used in a URL"), "{message}");
    }
    assert!(
        error_of(Gemini::new(&ApiSettings { model: " ".into(), ..settings("http://h") })).contains("model is empty")
    );
}

#[test]
fn a_model_with_a_slash_is_the_whole_path() {
    let path = |model: &str| dialect(&ApiSettings { model: model.into(), ..settings("http://h") }).path();
    assert_eq!(path("gemini-x"), "/models/gemini-x:generateContent");
    assert_eq!(path("models/gemini-x"), "/models/gemini-x:generateContent");
    assert_eq!(path("/tunedModels/x"), "/tunedModels/x:generateContent");
}

#[test]
fn the_output_is_text_or_calls_and_thoughts_count_only_as_tokens() {
    let thought = json!({"text": "hm", "thought": true});
    let cases = [
        (json!([thought, {"text": "a"}, {"text": "b"}, call_part()]), "ab"),
        (json!([thought, call_part()]), CALL_TEXT),
        (json!([{"text": ""}, call_part()]), CALL_TEXT),
        (json!([thought]), ""),
    ];
    for (parts, expected) in cases {
        let read = dialect(&settings("http://h")).read(&answer(parts, "STOP")).unwrap();
        assert_eq!((read.output.as_str(), read.model.as_deref()), (expected, Some("m-001")));
        assert_eq!(read.usage, Usage { prompt_tokens: Some(7), completion_tokens: Some(32) });
    }
    let read = dialect(&settings("http://h")).read(&json!({"candidates": [{"finishReason": "STOP"}]})).unwrap();
    assert_eq!((read.output.as_str(), read.usage), ("", Usage::default()));
}

#[test]
fn answers_without_output_are_errors_with_the_reason() {
    let cases = [
        (answer(json!([]), "SAFETY"), "candidates[0] has no text (finishReason: SAFETY)"),
        (
            json!({"candidates": [{"finishReason": "MAX_TOKENS"}]}),
            "candidates[0] has no text (finishReason: MAX_TOKENS)",
        ),
        (json!({"candidates": [{}]}), "candidates[0] has no text (finishReason: not given)"),
        (json!({"promptFeedback": {"blockReason": "OTHER"}}), "the prompt was blocked (blockReason: OTHER)"),
        (json!({"error": {"message": "x"}}), "the response has no candidates[0]"),
    ];
    for (answer, expected) in cases {
        assert_eq!(dialect(&settings("http://h")).read(&answer).unwrap_err(), expected);
    }
}

fn chunk(parts: Value, reason: Value) -> Value {
    let usage = json!({"promptTokenCount": 7, "candidatesTokenCount": 1});
    let candidate = json!({"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0});
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-001"})
}

#[test]
fn a_streamed_answer_equals_the_whole_one() {
    let dialect = dialect(&streaming());
    let thought = json!({"text": "hm", "thought": true});
    let cases = [
        (json!([thought]), json!([{"text": "y"}]), json!([{"text": "es"}]), true),
        (json!([thought]), json!([call_part()]), json!([{"text": ""}]), true),
        (json!([thought]), json!([]), json!([]), false),
    ];
    for (first, second, last, has_output) in cases {
        let parts: Value =
            [&first, &second, &last].into_iter().filter_map(Value::as_array).flatten().cloned().collect();
        let whole = answer(parts, "STOP");
        let end = answer(last, "STOP");
        let events = [chunk(first, Value::Null), chunk(second, Value::Null), end, json!({"responseId": "x"})];
        assert_eq!(streamed(&dialect, &events).unwrap(), (dialect.read(&whole).unwrap(), has_output));
    }
    let blocked = [json!({"promptFeedback": {"blockReason": "SAFETY"}})];
    let (kind, what) = streamed(&dialect, &blocked).unwrap_err();
    assert_eq!((kind, what.contains("blockReason: SAFETY")), (CallErrorKind::BadAnswer, true));
}

#[test]
fn a_stream_that_fails_reports_the_error() {
    let cases = [
        ("RESOURCE_EXHAUSTED", CallErrorKind::RateLimited),
        ("UNAVAILABLE", CallErrorKind::Overloaded),
        ("INTERNAL", CallErrorKind::Server),
        ("DEADLINE_EXCEEDED", CallErrorKind::Timeout),
        ("PERMISSION_DENIED", CallErrorKind::Unauthorized),
        ("INVALID_ARGUMENT", CallErrorKind::Refused),
    ];
    for (status, kind) in cases {
        let event = json!({"error": {"code": 1, "status": status, "message": "boom"}});
        let expected = (kind, "the server ended the stream with an error: boom".to_owned());
        assert_eq!(broken(dialect(&streaming()).stream_reader(), &event), expected);
    }
}

#[tokio::test]
async fn requests_are_sent_to_the_model_with_the_key() {
    let whole = answer(json!([{"text": "yes"}]), "STOP");
    let server = FaultServer::start(vec![json_reply(&whole)]);
    let base = settings(&format!("{}/v1beta", server.url));
    assert_eq!(call(base.clone(), Box::new(dialect(&base))).await.unwrap().output, "yes");
    let requests = server.requests();
    let sent = requests.first().unwrap();
    assert!(sent.starts_with("POST /v1beta/models/m:generateContent HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("x-goog-api-key: {KEY}\r\n")) && !sent.contains("authorization"), "{sent}");
    assert_eq!(body_of(sent), dialect(&base).body(&plain_request()).unwrap());
}

#[tokio::test]
async fn a_stream_is_requested_as_events_and_may_end_without_a_final_event() {
    let (first, last) =
        (chunk(json!([{"text": "y"}]), Value::Null).to_string(), answer(json!([{"text": "es"}]), "STOP").to_string());
    let server = FaultServer::start(vec![stream_reply(&[&first]), stream_reply(&[&first, &last])]);
    let base = ApiSettings { stream: true, ..settings(&format!("{}/v1beta?x=1", server.url)) };
    let response = call(base.clone(), Box::new(dialect(&base))).await.unwrap();
    assert_eq!((response.output.as_str(), response.attempts, response.ttft.is_some()), ("yes", 2, true));
    assert!(server.requests()[1].starts_with("POST /v1beta/models/m:streamGenerateContent?x=1&alt=sse HTTP/1.1\r\n"));
}

#[test]
fn the_fingerprint_is_the_same_whether_answers_are_streamed() {
    let print = |stream: bool, base: &str| {
        let base = ApiSettings { stream, ..settings(base) };
        let dialect = Box::new(dialect(&base));
        fingerprint(base, dialect)
    };
    for base in ["http://h/v1beta", "http://h/v1beta?x=1"] {
        assert_eq!(print(true, base), print(false, base));
    }
    assert_ne!(print(true, "http://h/v1beta"), print(true, "http://h/v1beta?x=1"));
}

const WORDS: &[&str] = &[
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "functionCall",
    "name",
    "args",
    "finishReason",
    "STOP",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "thoughtsTokenCount",
    "error",
    "status",
];

proptest! {
    #[test]
    fn no_answer_causes_a_panic(answers in prop::collection::vec(hostile_json(WORDS), 1..4), text in any::<String>()) {
        survives(&dialect(&streaming()), &answers, &text);
    }
}
