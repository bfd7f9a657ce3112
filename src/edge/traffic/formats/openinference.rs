//! OpenInference: spans with its attributes, as OTLP writes them and as OpenTelemetry's SDK prints them.

use serde_json::{Map, Value};

use super::super::format::{EVALUATION, Found, NO_REQUEST, Span, TrafficFormat};
use super::super::messages::{asked, messages, parsed, text_field};
use super::spans::{
    LISTS, SpanRow, expanded, field_of, find, is_span, kind_of, normal_input, normal_output, place_of, read, spread,
    text,
};

/// Spans with the attributes of OpenInference.
pub struct OpenInference;

/// What OpenInference writes in place of what it was told to hide.
const HIDDEN: &str = "__REDACTED__";

impl TrafficFormat for OpenInference {
    fn name(&self) -> &'static str {
        "openinference"
    }

    fn reads(&self) -> &'static str {
        "OpenInference 0.1: spans as OTLP JSON, and as the SDK's console exporter prints them"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        LISTS
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        is_span(row) && kind_of(row).is_some()
    }

    fn place(&self, row: &Map<String, Value>) -> Option<Span> {
        place_of(row)
    }

    fn field(&self, row: &Map<String, Value>, around: &[Map<String, Value>], path: &str) -> Option<Value> {
        field_of(row, around, path)
    }

    fn read(&self, row: Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String> {
        if !is_span(&row) {
            return Err("not a span".to_owned());
        }
        read(&row, around)
    }
}

/// What a span of a kind contains.
///
/// # Errors
/// That its input was hidden.
pub(super) fn found(span: &SpanRow, kind: &str) -> Result<Found, String> {
    let is_model = kind == "LLM";
    match kind {
        "EVALUATOR" => return Ok(Found::Other(EVALUATION)),
        "LLM" | "AGENT" | "CHAIN" => {}
        _ => return Ok(Found::Other(NO_REQUEST)),
    }
    let all = &span.attributes;
    let input = input(all, is_model);
    if input.as_ref().is_some_and(is_hidden) {
        return Err("the input was hidden when it was recorded (OpenInference's OPENINFERENCE_HIDE_INPUTS)".to_owned());
    }
    if input.is_none() && !is_model {
        return Ok(Found::Other(NO_REQUEST));
    }
    let output = output(all).filter(|output| !is_hidden(output));
    Ok(span.request(input, output, model(all)))
}

/// The model that answered, or else the one that was asked.
fn model(all: &Map<String, Value>) -> Option<String> {
    text(all, &["llm.response.model_name", "llm.model_name", "llm.request.model_name"]).or_else(|| {
        let parameters = parsed(find(all, "llm.invocation_parameters")?.clone());
        text_field(parameters.as_object()?, &["model"])
    })
}

fn input(all: &Map<String, Value>, is_model: bool) -> Option<Value> {
    let of_model = || {
        let found = listed(all, "llm.input_messages").and_then(|found| messages(&found));
        found.or_else(|| listed(all, "llm.prompts").and_then(|found| texts(&found, "prompt")))
    };
    let found = if is_model { of_model() } else { None };
    found.or_else(|| {
        let value = parsed(find(all, "input.value")?.clone());
        // The body of a call of an API.
        let body = value.as_object().filter(|_| is_model).and_then(asked);
        Some(body.unwrap_or_else(|| normal_input(value)))
    })
}

fn output(all: &Map<String, Value>) -> Option<Value> {
    // Messages without an answer stay messages.
    let answer = |found: Value| Some(normal_output(found)).filter(|answer| messages(answer).is_none());
    listed(all, "llm.output_messages")
        .and_then(answer)
        .or_else(|| listed(all, "llm.choices").and_then(|found| texts(&found, "completion")))
        .or_else(|| find(all, "output.value").cloned().map(normal_output))
}

/// The value of an attribute in any of its forms; Phoenix has lists of objects with dotted names.
fn listed(all: &Map<String, Value>, name: &str) -> Option<Value> {
    let found = find(all, name).map(|value| expanded(parsed(value.clone())));
    // Lists in CSV that pandas wrote are not JSON.
    found.filter(|found| !found.is_string()).or_else(|| spread(all, name))
}

/// The texts of prompts or completions.
fn texts(value: &Value, name: &str) -> Option<Value> {
    let text = |item: &Value| {
        let inner = item.get(name).unwrap_or(item);
        inner.get("text").unwrap_or(inner).as_str().map(str::to_owned)
    };
    let texts: Vec<String> = value.as_array()?.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| Value::String(texts.join("\n")))
}

/// Whether all texts of a request were hidden.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text == HIDDEN,
        Value::Array(items) => {
            let texts = items.iter().filter_map(|item| item.get("content"));
            let mut texts = texts.filter(|text| !text.is_null()).peekable();
            texts.peek().is_some() && texts.all(|text| text == HIDDEN)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::super::format::{OWN, Request};
    use super::super::spans::KIND;
    use super::super::spans::tests::{Chain, chains};
    use super::super::tests::{fixture, imported, json_with};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const CHAINS: [Chain; 4] = [
        ["01", "00.25", "03", "00.75"],
        ["04", "01.75", "07", "02.75"],
        ["08", "03.75", "0a", "04.25"],
        ["0b", "05.25", "0d", "05.75"],
    ];

    fn span(attributes: Value) -> Map<String, Value> {
        let mut row = json!({"traceId": "5b8efff798038103d2e9b633813fc601", "spanId": "eee19b7ec3c1b102", "name": "n",
            "startTimeUnixNano": "1789374600500000000", "attributes": attributes});
        if row["attributes"].get(KIND).is_none() {
            row["attributes"][KIND] = json!("LLM");
        }
        row.as_object().unwrap().clone()
    }

    fn read(attributes: Value) -> Result<Found, String> {
        OpenInference.read(span(attributes), &[])
    }

    fn request_of(attributes: Value) -> Request {
        match read(attributes) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn chains_and_the_calls_within_them_are_read_from_otlp_and_from_the_console() {
        for name in ["openinference-otlp.jsonl", "openinference-console.jsonl"] {
            let content = fixture(name);
            let roots = imported(&OpenInference, &[(name, &content)], Spans::Root).unwrap();
            assert_eq!(roots.records, chains(&CHAINS, false), "{name}");
            assert_eq!((roots.counts[0].rows, roots.counts[0].bad, roots.counts[0].merged), (10, 0, 4), "{name}");
            // The execution of a tool, and the call of an embedding model.
            assert_eq!(roots.counts[0].other, [(NO_REQUEST, 2)].into(), "{name}");
            let all = imported(&OpenInference, &[(name, &content)], Spans::All).unwrap();
            assert_eq!(all.records, chains(&CHAINS, true), "{name}");
        }
    }

    #[test]
    fn what_phoenix_returns_as_otlp_reads_like_other_otlp() {
        let chains_of = [
            ["01", "00.25", "02", "00.5"],
            ["03", "01.25", "05", "02"],
            ["06", "02.75", "07", "03"],
            ["08", "03.75", "09", "04"],
        ];
        let content = fixture("phoenix-otlp.jsonl");
        let imported = imported(&OpenInference, &[("phoenix-otlp.jsonl", &content)], Spans::All).unwrap();
        // Its last page has only the last spans.
        assert_eq!(imported.records, chains(&chains_of, true)[4..]);
    }

    #[test]
    fn the_request_is_in_the_messages_or_else_in_the_value() {
        let chat = json!([{"role": "user", "content": "hi"}]);
        let body = "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}";
        let cases = [
            (
                json!({"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "hi"}),
                chat.clone(),
            ),
            (
                json!({"llm.input_messages.0.message.role": "user",
                    "llm.input_messages.0.message.contents.0.message_content.type": "text",
                    "llm.input_messages.0.message.contents.0.message_content.text": "hi"}),
                chat.clone(),
            ),
            (json!({"llm.input_messages": [{"message.role": "user", "message.content": "hi"}]}), chat.clone()),
            (json!({"llm": {"input_messages": [{"message": {"role": "user", "content": "hi"}}]}}), chat.clone()),
            (json!({"llm.input_messages": "[{'message.role': 'user'}]", "input.value": body}), chat.clone()),
            (json!({"input.value": body, "input.mime_type": "application/json"}), chat.clone()),
            (json!({"input.value": "{\"model\": \"m\", \"input\": \"hi\"}"}), chat.clone()),
            (json!({"llm.prompts.0.prompt.text": "hi"}), json!("hi")),
            (json!({"llm.prompts": ["hi", "there"]}), json!("hi\nthere")),
            (json!({"input.value": "hi"}), json!("hi")),
            (json!({KIND: "CHAIN", "input.value": "hi"}), json!("hi")),
            (json!({KIND: "agent", "input.value": body}), chat.clone()),
            (json!({KIND: "CHAIN", "input.value": "{\"input\": \"hi\"}"}), json!({"input": "hi"})),
            (
                json!({KIND: "CHAIN", "input.value": "hi", "llm.input_messages": [{"message.role": "user", "message.content": "x"}]}),
                json!("hi"),
            ),
            (json!({"llm.model_name": "m"}), Value::Null),
        ];
        for (attributes, expected) in cases {
            assert_eq!(request_of(attributes.clone()).input, expected, "{attributes}");
        }
    }

    #[test]
    fn the_answer_is_in_the_messages_or_else_in_the_value() {
        let call = json!([{"type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
        let cases = [
            (
                json!({"llm.output_messages.0.message.content": "a", "llm.output_messages.0.message.role": "assistant"}),
                Some(json!("a")),
            ),
            (
                json!({"llm.output_messages.0.message.role": "assistant",
                    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
                    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"a\": 1}"}),
                Some(call),
            ),
            (json!({"llm.output_messages.0.message.role": "assistant", "output.value": "a"}), Some(json!("a"))),
            (json!({"llm.choices.0.completion.text": "a"}), Some(json!("a"))),
            (json!({"output.value": "{\"choices\": [{\"message\": {\"content\": \"a\"}}]}"}), Some(json!("a"))),
            (json!({KIND: "CHAIN", "output.value": "{\"score\": 1}"}), Some(json!({"score": 1}))),
            (json!({"output.value": HIDDEN}), None),
            (json!({}), None),
        ];
        for (mut attributes, expected) in cases {
            attributes["input.value"] = json!("hi");
            assert_eq!(request_of(attributes.clone()).output, expected, "{attributes}");
        }
    }

    #[test]
    fn the_model_that_answered_comes_before_the_one_that_was_asked() {
        let cases = [
            (json!({"llm.response.model_name": "a", "llm.model_name": "b"}), Some("a")),
            (json!({"llm.model_name": "b", "llm.invocation_parameters": "{\"model\": \"c\"}"}), Some("b")),
            (json!({"llm.invocation_parameters": "{\"model\": \"c\"}"}), Some("c")),
            (json!({}), None),
        ];
        for (attributes, expected) in cases {
            assert_eq!(request_of(attributes.clone()).model.as_deref(), expected, "{attributes}");
        }
    }

    #[test]
    fn spans_that_are_no_requests_of_production_are_told_why() {
        let mut cases = vec![
            (json!({KIND: "EVALUATOR", "input.value": "hi"}), EVALUATION),
            (json!({KIND: "CHAIN"}), NO_REQUEST),
            (json!({KIND: "UNKNOWN"}), NO_REQUEST),
            (json!({"tag.tags": ["karat"], "input.value": "hi"}), OWN),
            (json!({"metadata": "{\"service\": \"karat\"}", "input.value": "hi"}), OWN),
            (json!({"user_agent.original": "karat/0.1", "input.value": "hi"}), OWN),
        ];
        for kind in ["EMBEDDING", "RETRIEVER", "TOOL", "RERANKER", "GUARDRAIL", "PROMPT", "tool"] {
            cases.push((json!({KIND: kind, "input.value": "hi"}), NO_REQUEST));
        }
        for (attributes, reason) in cases {
            assert_eq!(read(attributes.clone()), Ok(Found::Other(reason)), "{attributes}");
        }
        for project in ["Experiment-0123456789abcdef01234567", "playground"] {
            let resource = json!({"resource": {"attributes": [
                {"key": "openinference.project.name", "value": {"stringValue": project}}]}});
            let around = [resource.as_object().unwrap().clone()];
            let found = OpenInference.read(span(json!({"input.value": "hi"})), &around);
            assert_eq!(found, Ok(Found::Other(EVALUATION)), "{project}");
        }
    }

    #[test]
    fn requests_that_were_hidden_are_refused() {
        for attributes in [
            json!({"input.value": HIDDEN}),
            json!({KIND: "CHAIN", "input.value": HIDDEN}),
            json!({"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": HIDDEN}),
        ] {
            assert!(read(attributes.clone()).unwrap_err().contains("hidden"), "{attributes}");
        }
        let row = json!({"input": "a"});
        assert_eq!(OpenInference.read(row.as_object().unwrap().clone(), &[]), Err("not a span".to_owned()));
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        assert!(OpenInference.recognizes(&span(json!({})), &[]));
        let pairs = json!([{"key": KIND, "value": {"stringValue": "LLM"}}]);
        let mut row = span(json!({}));
        row.insert("attributes".to_owned(), pairs);
        assert!(OpenInference.recognizes(&row, &[]));
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"traceId": "t", "spanId": "s", "name": "n", "startTimeUnixNano": "1", "attributes": []}),
            json!({"traceId": "t", "spanId": "s", "name": "n", "startTimeUnixNano": "1"}),
            json!({"context.trace_id": "t", "context.span_id": "s", "start_time": "2026-02-03", "span_kind": "LLM"}),
            json!({"id": "r", "trace_id": "t", "run_type": "llm", "start_time": "2026-02-03", "inputs": {}}),
            json!({"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi"}),
        ];
        for row in rows {
            assert!(!OpenInference.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&["message.role", "message", "content", "0", "key", "value", ".."])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 10), outer in prop::collection::vec(any_json(), 6)) {
            let keys = ["llm.input_messages", "llm.input_messages.0.message.role", "llm.output_messages.1", "input.value", "output.value", "llm.prompts", "metadata", "user.id", "llm", "openinference.span.kind"];
            let mut row = span(keys.iter().map(|key| (*key).to_owned()).zip(values).collect::<Map<_, _>>().into());
            let _ = OpenInference.recognizes(&row, &[]);
            let _ = OpenInference.read(row.clone(), &[]);
            row.extend(["attributes", "events", "parentSpanId", "endTimeUnixNano", "traceState", "resource"].iter().map(|key| (*key).to_owned()).zip(outer));
            let _ = OpenInference.recognizes(&row, &[row.clone()]);
            let _ = OpenInference.read(row.clone(), &[row]);
        }
    }
}
