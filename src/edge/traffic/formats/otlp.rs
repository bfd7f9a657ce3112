//! OTLP: spans and log records with OpenTelemetry's conventions for generative AI, in the JSON that exporters write.

use serde_json::{Map, Value};

use super::super::format::{EVALUATION, Found, Part, Span, TrafficFormat};
use super::super::messages::{parsed, text_field};
use super::gen_ai::{Message, event_message, is_content, message_role, model, recorded};
use super::spans::{
    LISTS, Place, Sent, any_value, attributes, field_of, is_span, kind_of, left_out, place_of, read, sample_rate, text,
    time, user,
};

/// Traces and logs of OpenTelemetry.
pub struct Otlp;

/// Log records that have nothing to do with a model.
const NOT_MESSAGES: &str = "log records that are not messages";

/// Messages of which only metadata was recorded.
const NO_CONTENT: &str = "messages without content";

/// Messages that cannot be put together, since they do not say to which span they belong.
const WITHOUT_SPAN: &str = "messages without a span";

impl TrafficFormat for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn reads(&self) -> &'static str {
        "OTLP JSON of spans and logs: OpenTelemetry's gen_ai conventions, current and former, and OpenLLMetry 0.40 to 0.62"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        LISTS
    }

    fn recognizes(&self, row: &Map<String, Value>, around: &[Map<String, Value>]) -> bool {
        (is_span(row) && kind_of(row).is_none()) || is_log(row, around)
    }

    fn place(&self, row: &Map<String, Value>) -> Option<Span> {
        place_of(row).filter(|_| is_span(row))
    }

    fn field(&self, row: &Map<String, Value>, around: &[Map<String, Value>], path: &str) -> Option<Value> {
        field_of(row, around, path)
    }

    fn read(&self, row: Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String> {
        if is_span(&row) {
            return read(&row, around);
        }
        if is_log(&row, around) {
            return log(&row, around);
        }
        if row.contains_key("resourceMetrics") || row.contains_key("resource_metrics") {
            return Ok(Found::Other("metrics"));
        }
        Err("neither a span nor a log record".to_owned())
    }
}

const LOG_TIMES: [&str; 4] = ["timeUnixNano", "time_unix_nano", "observedTimeUnixNano", "observed_time_unix_nano"];

fn is_log(row: &Map<String, Value>, around: &[Map<String, Value>]) -> bool {
    around.len() > 1 && LOG_TIMES.iter().any(|name| row.contains_key(*name))
}

/// Reads a log record.
fn log(row: &Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String> {
    let mut all = row.get("attributes").map(attributes).unwrap_or_default();
    if let Some(reason) = left_out(row, around, &all) {
        return Ok(Found::Other(reason));
    }
    let name = text_field(row, &["eventName", "event_name"]).or_else(|| text(&all, &["event.name"]));
    let name = name.unwrap_or_default();
    if name.starts_with("gen_ai.evaluation.") {
        return Ok(Found::Other(EVALUATION));
    }
    let body = row.get("body").map(any_value).map(parsed);
    if is_content(&name) {
        if let Some(Value::Object(body)) = body {
            all.extend(body);
        }
        return details(row, &all);
    }
    if message_role(&name).is_none() {
        return Ok(Found::Other(NOT_MESSAGES));
    }
    let fields = match body {
        Some(Value::Object(body)) if !body.is_empty() => body,
        Some(text @ Value::String(_)) => Map::from_iter([("content".to_owned(), text)]),
        _ => all,
    };
    let Some(Message { message, is_output }) = event_message(&name, &fields) else {
        return Ok(Found::Other(NO_CONTENT));
    };
    let place = place(row)?;
    let Some((trace, span)) = place.trace.zip(place.id) else { return Ok(Found::Other(WITHOUT_SPAN)) };
    Ok(Found::Part(Box::new(Part { trace, span, at: place.start, message, is_output })))
}

/// The request that an event describes apart from its span.
fn details(row: &Map<String, Value>, all: &Map<String, Value>) -> Result<Found, String> {
    let content = recorded(all);
    if content.input.is_none() && content.output.is_none() {
        return Ok(Found::Other(NO_CONTENT));
    }
    let mut place = place(row)?;
    // So that requests of which there are spans come first.
    place.parent = place.trace.clone();
    Ok(place.request(Sent {
        input: content.input,
        output: content.output,
        model: model(all),
        user: user(all),
        // Log records have no trace state.
        sample_rate: sample_rate("", all),
    }))
}

/// The place of a log record: that of its span, at its own time.
fn place(row: &Map<String, Value>) -> Result<Place, String> {
    let mut place = Place::new(row)?;
    place.start = time(row, &["timeUnixNano", "time_unix_nano"], &[])?;
    if place.start.is_none() {
        place.start = time(row, &["observedTimeUnixNano", "observed_time_unix_nano"], &[])?;
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::super::format::{NO_REQUEST, OWN, Request, Span};
    use super::super::spans::tests::{model_of, requests};
    use super::super::tests::{Imported, fixture, imported, json_with, record};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;
    use serde_json::json;

    /// The records of the calls in a fixture of which the ids and times are known.
    fn calls(ids: &[&str; 6], at: &[&str; 6], sample_rate: f64) -> Vec<TrafficRecord> {
        let call = |(number, (messages, output, user)): (usize, (Value, Option<&str>, &str))| {
            let at = format!("2026-09-14T08:30:{}Z", at[number]);
            let record = record(ids[number], &at, &messages, output, user, model_of(number));
            TrafficRecord { sample_rate, ..record }
        };
        requests().into_iter().enumerate().map(call).collect()
    }

    const TRACES: [&str; 6] = [
        "5b8efff798038103d2e9b633813fc601",
        "5b8efff798038103d2e9b633813fc602",
        "5b8efff798038103d2e9b633813fc603",
        "5b8efff798038103d2e9b633813fc604",
        "5b8efff798038103d2e9b633813fc605",
        "5b8efff798038103d2e9b633813fc606",
    ];

    const SPANS: [&str; 6] = [
        "eee19b7ec3c1b102",
        "eee19b7ec3c1b104",
        "eee19b7ec3c1b106",
        "eee19b7ec3c1b108",
        "eee19b7ec3c1b10a",
        "eee19b7ec3c1b10c",
    ];

    fn import(names: &[&str], spans: Spans) -> Imported {
        let contents: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
        let files: Vec<(&str, &[u8])> = names.iter().copied().zip(contents.iter().map(Vec::as_slice)).collect();
        let imported = imported(&Otlp, &files, spans).unwrap();
        assert_eq!(imported.bad, Vec::<String>::new(), "{names:?}");
        imported
    }

    #[test]
    fn messages_in_attributes_are_read_with_the_sample_rate_of_the_trace() {
        let at = ["00.5", "01.5", "02.5", "03.5", "04.5", "05.5"];
        for (spans, ids) in [(Spans::Root, &TRACES), (Spans::All, &SPANS)] {
            let imported = import(&["otlp-genai-current.jsonl"], spans);
            assert_eq!(imported.records, calls(ids, &at, 0.5));
            // The spans of the server, and an embedding.
            assert_eq!(imported.counts[0].other, [(NO_REQUEST, 7), (OWN, 1)].into());
            assert_eq!(imported.counts[0].rows, 14);
        }
    }

    #[test]
    fn messages_in_log_records_are_put_together_with_their_spans() {
        let at = ["00.5", "02.25", "04.5", "06.25", "08.5", "10.25"];
        for names in [
            ["otlp-genai-events.jsonl", "otlp-genai-events-logs.jsonl"],
            ["otlp-genai-events-logs.jsonl", "otlp-genai-events.jsonl"],
        ] {
            let imported = import(&names, Spans::Root);
            assert_eq!(imported.records, calls(&TRACES, &at, 1.0));
            assert_eq!(imported.counts.iter().map(|counts| counts.merged).sum::<u64>(), 21);
        }
    }

    #[test]
    fn messages_in_log_records_are_requests_without_a_user_if_their_spans_are_missing() {
        let imported = import(&["otlp-genai-events-logs.jsonl"], Spans::Root);
        let at = ["00.75", "02.5", "04.75", "06.5", "08.75", "10.5"];
        let expected = calls(&TRACES, &at, 1.0);
        let alone = expected.into_iter().map(|record| TrafficRecord { group: None, model: None, ..record });
        assert_eq!(imported.records, alone.collect::<Vec<_>>());
    }

    #[test]
    fn events_with_all_details_are_requests() {
        let expected = calls(&TRACES, &["00.75", "02", "03.25", "04.5", "05.75", "07"], 1.0);
        let alone = expected.iter().cloned().map(|record| TrafficRecord { group: None, ..record });
        assert_eq!(import(&["otlp-genai-details-logs.jsonl"], Spans::Root).records, alone.collect::<Vec<_>>());
        let both = import(&["otlp-genai-details.jsonl", "otlp-genai-details-logs.jsonl"], Spans::Root);
        assert_eq!(both.records, calls(&TRACES, &["00.5", "01.75", "03", "04.25", "05.5", "06.75"], 1.0));
    }

    #[test]
    fn workflows_and_the_calls_within_them_are_read_from_openllmetry() {
        let at = ["00.5", "01.5", "02.5", "03.5", "04.5", "05.5"];
        let started = ["00.25", "01.25", "02.25", "03.25", "04.25", "05.25"];
        for name in ["otlp-openllmetry-messages.jsonl", "otlp-openllmetry-indexed.jsonl"] {
            let roots = import(&[name], Spans::Root);
            let workflows = calls(&TRACES, &started, 1.0).into_iter().enumerate().map(|(number, record)| {
                let (messages, ..) = &requests()[number];
                let question = messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
                // The result of a tool is an object.
                let structure = (number == 3).then(|| r#"{"status":"shipped"}"#.to_owned());
                let input = structure.clone().unwrap_or_else(|| question.to_owned());
                let output = record.output.filter(|_| number != 2);
                TrafficRecord { input, structure, output, model: None, ..record }
            });
            assert_eq!(roots.records, workflows.collect::<Vec<_>>(), "{name}");
            assert_eq!((roots.counts[0].rows, roots.counts[0].merged), (13, 6), "{name}");
            assert_eq!(roots.counts[0].other, [(NO_REQUEST, 1)].into(), "{name}");
            let mut all = import(&[name], Spans::All).records;
            all.retain(|record| SPANS.contains(&record.record_id.as_str()));
            assert_eq!(all, calls(&SPANS, &at, 1.0), "{name}");
        }
    }

    fn span(attributes: &Value) -> Map<String, Value> {
        let row = json!({"traceId": TRACES[0], "spanId": SPANS[0], "name": "n", "startTimeUnixNano": "1789374600500000000",
            "endTimeUnixNano": "1789374600750000000", "attributes": attributes});
        row.as_object().unwrap().clone()
    }

    fn found(row: Value) -> Result<Found, String> {
        Otlp.read(row.as_object().unwrap().clone(), &[])
    }

    fn request_of(row: Map<String, Value>) -> Request {
        match Otlp.read(row, &[]) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn usual() -> Request {
        let at = |text: &str| text.parse().ok();
        Request {
            id: Some(SPANS[0].to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: at("2026-09-14T08:30:00.5Z"),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: Some(0.5),
            span: Some(Span {
                trace: TRACES[0].to_owned(),
                id: SPANS[0].to_owned(),
                parent: Some("eee19b7ec3c1b101".to_owned()),
                end: at("2026-09-14T08:30:00.75Z"),
                turn: None,
            }),
        }
    }

    #[test]
    fn a_span_reads_the_same_in_every_spelling() {
        let messages = "[{\"role\": \"user\", \"parts\": [{\"type\": \"text\", \"content\": \"hi\"}]}]";
        let answers = "[{\"role\": \"assistant\", \"parts\": [{\"type\": \"text\", \"content\": \"hello\"}], \"finish_reason\": \"stop\"}]";
        let text = |name: &str, value: &str| json!({"key": name, "value": {"stringValue": value}});
        let camel = [
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.request.model", "m"),
            text("enduser.id", "u"),
            text("gen_ai.input.messages", messages),
            text("gen_ai.output.messages", answers),
        ];
        let snake: Vec<Value> = camel
            .iter()
            .map(|pair| json!({"key": pair["key"], "value": {"int_value": null, "string_value": pair["value"]["stringValue"]}}))
            .collect();
        let object = json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "enduser.id": "u",
            "gen_ai.input.messages": messages, "gen_ai.output.messages": answers});
        let rows = [
            json!({"traceId": TRACES[0], "spanId": SPANS[0], "parentSpanId": "eee19b7ec3c1b101", "traceState": "ot=th:8",
                "startTimeUnixNano": "1789374600500000000", "endTimeUnixNano": "1789374600750000000", "attributes": camel}),
            json!({"traceId": "W47/95gDgQPS6bYzgT/GAQ==", "spanId": "7uGbfsPBsQI=", "parentSpanId": "7uGbfsPBsQE=",
                "traceState": "ot=th:8", "startTimeUnixNano": 1_789_374_600_500_000_000_u64,
                "endTimeUnixNano": 1_789_374_600_750_000_000_u64, "attributes": camel}),
            json!({"trace_id": TRACES[0].to_uppercase(), "span_id": SPANS[0], "parent_span_id": "eee19b7ec3c1b101",
                "trace_state": "ot=th:8", "start_time_unix_nano": 1_789_374_600_500_000_000_u64,
                "end_time_unix_nano": 1_789_374_600_750_000_000_u64, "attributes": snake}),
            json!({"name": "chat m", "context": {"trace_id": "0x5b8efff798038103d2e9b633813fc601", "span_id": "0xeee19b7ec3c1b102"},
                "kind": "SpanKind.CLIENT", "parent_id": "0xeee19b7ec3c1b101", "start_time": "2026-09-14T08:30:00.500000Z",
                "end_time": "2026-09-14T08:30:00.750000Z", "trace_state": "ot=th:8", "attributes": object}),
        ];
        for row in rows {
            let row = row.as_object().unwrap();
            assert!(Otlp.recognizes(row, &[]), "{row:?}");
            assert_eq!(request_of(row.clone()), usual(), "{row:?}");
        }
    }

    fn assert_inputs(cases: impl IntoIterator<Item = (Value, Value)>) {
        for (attributes, expected) in cases {
            assert_eq!(request_of(span(&attributes)).input, expected, "{attributes}");
        }
    }

    #[test]
    fn instructions_are_the_first_message() {
        let messages = json!([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]);
        let chat = json!([{"role": "user", "content": "hi"}]);
        let with_system = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        let instructions = json!([{"type": "text", "content": "be brief"}]);
        let both = |messages: &Value, instructions: Value| json!({"gen_ai.input.messages": messages, "gen_ai.system_instructions": instructions});
        assert_inputs([
            (json!({"gen_ai.input.messages": messages}), chat.clone()),
            (json!({"gen_ai.input.messages": messages.to_string()}), chat),
            (both(&messages, instructions.clone()), with_system.clone()),
            (both(&messages, json!(instructions.to_string())), with_system.clone()),
            (both(&messages, json!("be brief")), with_system.clone()),
            (both(&with_system, json!("be brief")), with_system),
        ]);
    }

    #[test]
    fn requests_are_found_under_former_names() {
        let chat = json!([{"role": "user", "content": "hi"}]);
        let content = |role: &str, text: &str| json!({"gen_ai.prompt.0.role": role, "gen_ai.prompt.0.content": text});
        let parts = "[{\"type\": \"text\", \"text\": \"hi\"}]";
        assert_inputs([
            (json!({"gen_ai.prompt": "[{\"role\": \"user\", \"content\": \"hi\"}]"}), chat.clone()),
            (json!({"gen_ai.prompt": "hi"}), json!("hi")),
            (content("user", "hi"), chat.clone()),
            (content("user", parts), chat.clone()),
            (content("tool", "[{\"n\": 1}]"), json!([{"role": "tool", "content": "[{\"n\": 1}]"}])),
            (json!({"gen_ai.prompt.0.user": "hi"}), chat.clone()),
            (json!({"gen_ai.prompt.0.content": "hi"}), chat.clone()),
            (json!({"llm.prompts.0.role": "user", "llm.prompts.0.content": "hi"}), chat),
        ]);
    }

    #[test]
    fn requests_to_agents_and_workflows_are_without_what_decorators_add() {
        let entity = |input: &str| json!({"traceloop.span.kind": "workflow", "traceloop.entity.input": input});
        assert_inputs([
            (json!({"gen_ai.operation.name": "invoke_agent", "input.value": "hi"}), json!("hi")),
            (json!({"traceloop.span.kind": "agent", "traceloop.entity.input": "hi"}), json!("hi")),
            (entity("{\"inputs\": {\"q\": \"hi\"}, \"tags\": []}"), json!({"q": "hi"})),
            (entity("{\"args\": [\"hi\"], \"kwargs\": {}}"), json!("hi")),
            (entity("{\"args\": [], \"kwargs\": {\"q\": \"hi\"}}"), json!({"q": "hi"})),
            (entity("{\"args\": [1, 2], \"kwargs\": {}}"), json!({"args": [1, 2], "kwargs": {}})),
            (entity("{\"args\": [1], \"more\": 2}"), json!({"args": [1], "more": 2})),
        ]);
    }

    #[test]
    fn prompts_of_the_ai_sdk_are_read_from_outer_and_inner_spans() {
        let chat = json!([{"role": "user", "content": "hi"}]);
        let with_system = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        let outer = |prompt: &str| json!({"ai.operationId": "ai.generateText", "ai.prompt": prompt});
        let messages = "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"hi\"}]}]";
        assert_inputs([
            (outer("{\"prompt\": \"hi\"}"), chat.clone()),
            (outer("{\"system\": \"be brief\", \"prompt\": \"hi\"}"), with_system.clone()),
            (outer(&format!("{{\"system\": \"be brief\", \"messages\": {messages}}}")), with_system),
            (outer("hi"), json!("hi")),
            (json!({"ai.operationId": "ai.streamText.doStream", "ai.prompt.messages": messages}), chat),
        ]);
    }

    #[test]
    fn answers_are_found_under_current_and_former_names() {
        let call = json!([{"type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
        let cases = [
            (
                json!({"gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "a"}]}]}),
                Some(json!("a")),
            ),
            (
                json!({"gen_ai.output.messages": "[{\"role\": \"assistant\", \"parts\": [{\"type\": \"tool_call\", \"name\": \"f\", \"arguments\": {\"a\": 1}}]}]"}),
                Some(call.clone()),
            ),
            (json!({"gen_ai.output.messages": "[{\"role\": \"assistant\", \"finish_reason\": \"stop\"}]"}), None),
            (json!({"gen_ai.completion": "a"}), Some(json!("a"))),
            (json!({"gen_ai.completion": "[{\"role\": \"assistant\", \"content\": \"a\"}]"}), Some(json!("a"))),
            (json!({"gen_ai.completion.0.content": "a", "gen_ai.completion.1.content": "b"}), Some(json!("a"))),
            (
                json!({"gen_ai.completion.0.tool_calls.0.name": "f", "gen_ai.completion.0.tool_calls.0.arguments": "{\"a\": 1}"}),
                Some(call),
            ),
            (json!({"gen_ai.completion.0.finish_reason": "stop"}), None),
            (json!({"llm.completions.0.content": "a"}), Some(json!("a"))),
            (json!({"ai.response.text": "a"}), Some(json!("a"))),
            (json!({"ai.response.object": "{\"b\": 1}"}), Some(json!({"b": 1}))),
            (json!({"traceloop.entity.output": "\"a\""}), Some(json!("a"))),
            (json!({"traceloop.entity.output": "{\"outputs\": {\"b\": 1}, \"kwargs\": {}}"}), Some(json!({"b": 1}))),
            (json!({}), None),
        ];
        for (mut attributes, expected) in cases {
            attributes["gen_ai.operation.name"] = json!("chat");
            assert_eq!(request_of(span(&attributes)).output, expected, "{attributes}");
        }
    }

    #[test]
    fn events_of_a_span_supply_what_its_attributes_lack() {
        let chat = "[{\"role\": \"user\", \"content\": \"hi\"}]";
        let answers = "[{\"role\": \"assistant\", \"content\": \"a\"}]";
        let event = |name: &str, attributes: Value| json!({"name": name, "attributes": attributes});
        let asked = |attributes: Value| event("gen_ai.user.message", attributes);
        let wrapped = |text: &str| json!({"gen_ai.event.content": text});
        let answered = event("gen_ai.choice", json!({"message": "a", "finish_reason": "stop"}));
        let choice = event("gen_ai.choice", wrapped("{\"index\": 0, \"message\": {\"content\": \"a\"}}"));
        let other = event("gen_ai.choice", json!({"message": "b"}));
        let prompt = event("gen_ai.content.prompt", json!({"gen_ai.prompt": chat}));
        let completion = event("gen_ai.content.completion", json!({"gen_ai.completion": answers}));
        let details = json!({"gen_ai.input.messages": chat, "gen_ai.output.messages": answers});
        let cases = [
            vec![asked(json!({"content": "hi"})), answered.clone()],
            vec![asked(json!({"role": "user", "content": "[{\"text\": \"hi\"}]"})), answered.clone()],
            vec![asked(wrapped("{\"role\": \"user\", \"content\": \"hi\"}")), choice],
            vec![asked(wrapped("hi")), answered, other],
            vec![prompt, completion],
            vec![event("gen_ai.client.inference.operation.details", details)],
        ];
        for events in cases {
            let mut row = span(&json!({"gen_ai.operation.name": "chat"}));
            row.insert("events".to_owned(), json!(events));
            let request = request_of(row);
            let expected = json!([{"role": "user", "content": "hi"}]);
            assert_eq!((request.input, request.output), (expected, Some(json!("a"))), "{events:?}");
        }
    }

    #[test]
    fn spans_without_content_wait_for_their_messages() {
        for attributes in [
            json!({"gen_ai.operation.name": "chat"}),
            json!({"gen_ai.operation.name": "invoke_agent"}),
            json!({"llm.request.type": "completion"}),
            json!({"gen_ai.request.model": "m"}),
            json!({"gen_ai.operation.name": "chat", "gen_ai.input.messages": "[]"}),
            json!({"gen_ai.operation.name": "chat", "gen_ai.prompt": "{}"}),
        ] {
            assert_eq!(request_of(span(&attributes)).input, Value::Null, "{attributes}");
        }
        let mut row = span(&json!({"gen_ai.operation.name": "chat"}));
        row.insert("spanId".to_owned(), json!("0000000000000000"));
        assert_eq!(Otlp.read(row, &[]), Ok(Found::Other(NO_REQUEST)), "nothing can be added to it");
    }

    #[test]
    fn spans_that_are_no_requests_of_production_are_told_why() {
        let cases = [
            (json!({"http.request.method": "POST"}), NO_REQUEST),
            (json!({"gen_ai.operation.name": "embeddings", "gen_ai.input.messages": "[]"}), NO_REQUEST),
            (json!({"gen_ai.operation.name": "execute_tool", "gen_ai.request.model": "m"}), NO_REQUEST),
            (json!({"gen_ai.operation.name": "create_agent", "gen_ai.request.model": "m"}), NO_REQUEST),
            (json!({"gen_ai.operation.name": "plan", "gen_ai.request.model": "m"}), NO_REQUEST),
            (json!({"gen_ai.embeddings.dimension.count": 2, "gen_ai.response.model": "m"}), NO_REQUEST),
            (json!({"gen_ai.tool.name": "f", "gen_ai.request.model": "m"}), NO_REQUEST),
            (json!({"llm.request.type": "embedding", "gen_ai.prompt.0.content": "a"}), NO_REQUEST),
            (json!({"traceloop.span.kind": "workflow"}), NO_REQUEST),
            (json!({"traceloop.span.kind": "tool", "traceloop.entity.input": "a"}), NO_REQUEST),
            (json!({"traceloop.span.kind": "task", "traceloop.entity.input": "a"}), NO_REQUEST),
            (json!({"ai.operationId": "ai.embed.doEmbed", "ai.prompt": "a", "ai.model.id": "m"}), NO_REQUEST),
            (json!({"ai.operationId": "ai.toolCall", "input.value": "a"}), NO_REQUEST),
            (json!({"openinference.span.kind": "TOOL", "input.value": "a"}), NO_REQUEST),
            (json!({"openinference.span.kind": "EVALUATOR", "input.value": "a"}), EVALUATION),
            (json!({"gen_ai.operation.name": "chat", "user_agent.original": "karat/0.1"}), OWN),
            (json!({"gen_ai.operation.name": "chat", "http.request.header.user-agent": ["karat/0.1"]}), OWN),
        ];
        for (attributes, reason) in cases {
            assert_eq!(Otlp.read(span(&attributes), &[]), Ok(Found::Other(reason)), "{attributes}");
        }
        let chat = span(&json!({"gen_ai.operation.name": "chat", "gen_ai.prompt": "hi"}));
        let karat = json!([{"key": "service.name", "value": {"stringValue": "karat"}}]);
        for around in [
            json!({"resource": {"attributes": karat}}),
            json!({"scope": {"name": "karat"}}),
            json!({"instrumentationLibrary": {"name": "karat"}}),
        ] {
            let around = [around.as_object().unwrap().clone()];
            assert_eq!(Otlp.read(chat.clone(), &around), Ok(Found::Other(OWN)), "{around:?}");
        }
    }

    /// Reads a log record with an event of this name.
    fn log_of(name: &str, changes: &Value) -> Result<Found, String> {
        let row =
            json!({"traceId": TRACES[0], "spanId": SPANS[0], "timeUnixNano": "1789374600500000000", "eventName": name});
        let mut row = row.as_object().unwrap().clone();
        row.extend(changes.as_object().unwrap().clone());
        Otlp.read(row, &[Map::new(), Map::new(), Map::new()])
    }

    fn body(name: &str, value: Value) -> Value {
        json!({"body": {"kvlistValue": {"values": [{"key": name, "value": value}]}}})
    }

    #[test]
    fn messages_in_log_records_are_parts_of_their_spans() {
        let text = json!({"stringValue": "hi"});
        let mut observed = body("content", text.clone());
        observed["timeUnixNano"] = json!("0");
        observed["observedTimeUnixNano"] = json!("1789374600500000000");
        let mut former = body("content", text.clone());
        former["attributes"] = json!([{"key": "event.name", "value": {"stringValue": "gen_ai.user.message"}}]);
        let cases = [
            ("gen_ai.user.message", body("content", text.clone()), "user"),
            ("gen_ai.user.message", json!({"body": {"stringValue": "{\"content\": \"hi\"}"}}), "user"),
            ("gen_ai.system.message", json!({"body": text}), "system"),
            ("gen_ai.assistant.message", json!({"attributes": {"content": "hi"}, "body": {}}), "assistant"),
            ("gen_ai.tool.message", observed, "tool"),
            ("", former, "user"),
        ];
        for (name, changes, role) in cases {
            let part = Part {
                trace: TRACES[0].to_owned(),
                span: SPANS[0].to_owned(),
                at: "2026-09-14T08:30:00.5Z".parse().ok(),
                message: json!({"role": role, "content": "hi"}),
                is_output: false,
            };
            assert_eq!(log_of(name, &changes), Ok(Found::Part(Box::new(part))), "{changes}");
        }
    }

    #[test]
    fn other_log_records_are_told_why() {
        let cases = [
            ("gen_ai.user.message", json!({"body": {}}), NO_CONTENT),
            ("gen_ai.choice", body("index", json!({"intValue": "0"})), NO_CONTENT),
            ("gen_ai.client.inference.operation.details", json!({}), NO_CONTENT),
            ("gen_ai.user.message", json!({"spanId": "", "body": {"stringValue": "hi"}}), WITHOUT_SPAN),
            ("gen_ai.evaluation.result", json!({}), EVALUATION),
            ("device.app.lifecycle", body("content", json!({"stringValue": "hi"})), NOT_MESSAGES),
            ("", body("content", json!({"stringValue": "hi"})), NOT_MESSAGES),
        ];
        for (name, changes, reason) in cases {
            assert_eq!(log_of(name, &changes), Ok(Found::Other(reason)), "{name} {changes}");
        }
        let late = json!({"timeUnixNano": "x", "body": {"stringValue": "hi"}});
        let error = Err("`timeUnixNano` is not a time in nanoseconds since 1970".to_owned());
        assert_eq!(log_of("gen_ai.user.message", &late), error);
    }

    #[test]
    fn what_karat_exports_is_its_own() {
        let line = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "karat"}}]},
            "scopeLogs": [{"scope": {"name": "karat"}, "logRecords": [{"timeUnixNano": "1789374600500000000",
                "eventName": "gen_ai.evaluation.result", "traceId": TRACES[0], "spanId": SPANS[0], "attributes": []}]}]}]});
        let imported = imported(&Otlp, &[("a.jsonl", line.to_string().as_bytes())], Spans::Root).unwrap();
        assert_eq!(imported.counts[0].other, [(OWN, 1)].into());
    }

    #[test]
    fn documents_of_other_signals_and_other_rows_are_told_apart() {
        assert_eq!(found(json!({"resourceMetrics": []})), Ok(Found::Other("metrics")));
        assert_eq!(found(json!({"input": "a"})), Err("neither a span nor a log record".to_owned()));
        let mut row = span(&json!({}));
        row.insert("startTimeUnixNano".to_owned(), json!("soon"));
        assert!(Otlp.read(row, &[]).unwrap_err().contains("`startTimeUnixNano`"));
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        assert!(Otlp.recognizes(&span(&json!([])), &[]));
        let log = json!({"observedTimeUnixNano": "1"});
        assert!(Otlp.recognizes(log.as_object().unwrap(), &[Map::new(), Map::new(), Map::new()]));
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"observedTimeUnixNano": "1"}),
            json!({"traceId": "t", "spanId": "s", "startTimeUnixNano": "1", "attributes": [{"key": "openinference.span.kind", "value": {"stringValue": "LLM"}}]}),
            json!({"context.trace_id": "t", "context.span_id": "s", "start_time": "2026-02-03", "span_kind": "LLM"}),
            json!({"id": "a", "span_kind": "LLM", "context": {"trace_id": "t", "span_id": "s"}, "start_time": "2026-02-03", "attributes": {}}),
            json!({"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi"}),
            json!({"id": "r", "trace_id": "t", "run_type": "llm", "start_time": "2026-02-03", "inputs": {}}),
        ];
        for row in rows {
            assert!(!Otlp.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&[
            "role",
            "content",
            "parts",
            "message",
            "key",
            "value",
            "stringValue",
            "arrayValue",
            "kvlistValue",
            "values",
            "args",
        ])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 12), outer in prop::collection::vec(any_json(), 7), event in prop::sample::select(vec!["gen_ai.choice", "gen_ai.user.message", "gen_ai.content.prompt"])) {
            let keys = ["gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.prompt", "gen_ai.prompt.0.role", "gen_ai.output.messages", "gen_ai.completion", "traceloop.entity.input", "traceloop.entity.output", "ai.prompt", "gen_ai.event.content", "sampling.threshold", "user.id"];
            let attributes: Value = keys.iter().map(|key| (*key).to_owned()).zip(values).collect::<Map<_, _>>().into();
            let mut row = span(&attributes);
            row.insert("events".to_owned(), json!([{"name": event, "attributes": attributes}]));
            let _ = Otlp.read(row.clone(), &[]);
            row.extend(["parentSpanId", "traceState", "attributes", "events", "resource", "body", "endTimeUnixNano"].iter().map(|key| (*key).to_owned()).zip(outer));
            let around = [row.clone(), row.clone()];
            let _ = Otlp.recognizes(&row, &around);
            let _ = Otlp.read(row.clone(), &around);
            for name in ["startTimeUnixNano", "eventName", "timeUnixNano"] {
                row.remove(name);
            }
            row.extend([("eventName".to_owned(), json!(event)), ("timeUnixNano".to_owned(), json!("1"))]);
            let _ = Otlp.read(row, &around);
        }
    }
}
