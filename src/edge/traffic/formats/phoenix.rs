//! Phoenix: spans as rows of a data frame, and as its API lists them.

use serde_json::{Map, Value};

use super::super::format::{Found, Span, TrafficFormat};
use super::super::messages::{field, text_field};
use super::spans::{field_of, is_span, place_of, read};

/// Spans that Phoenix exported.
pub struct Phoenix;

impl TrafficFormat for Phoenix {
    fn name(&self) -> &'static str {
        "phoenix"
    }

    fn reads(&self) -> &'static str {
        "Arize Phoenix 20: the data frame of spans as JSONL, CSV or Parquet, and the spans of the REST API"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[&["data"]]
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        is_column_row(row) || is_of_api(row) || is_annotation(row)
    }

    fn place(&self, row: &Map<String, Value>) -> Option<Span> {
        place_of(row)
    }

    fn field(&self, row: &Map<String, Value>, around: &[Map<String, Value>], path: &str) -> Option<Value> {
        field_of(row, around, path)
    }

    fn read(&self, row: Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String> {
        if is_annotation(&row) {
            return Err("annotations contain no requests; export spans".to_owned());
        }
        if !(is_column_row(&row) || is_of_api(&row) || is_span(&row)) {
            return Err("not a span".to_owned());
        }
        read(&row, around)
    }
}

fn is_column_row(row: &Map<String, Value>) -> bool {
    ["context.trace_id", "context.span_id", "start_time"].iter().all(|name| field(row, &[name]).is_some())
        && row.contains_key("span_kind")
}

fn is_of_api(row: &Map<String, Value>) -> bool {
    let context = row.get("context").and_then(Value::as_object);
    context.is_some_and(|context| text_field(context, &["trace_id"]).is_some() && context.contains_key("span_id"))
        && ["span_kind", "start_time", "attributes"].iter().all(|name| row.contains_key(*name))
}

fn is_annotation(row: &Map<String, Value>) -> bool {
    ["annotator_kind", "result", "name"].iter().all(|name| row.contains_key(*name))
        && ["span_id", "trace_id", "session_id"].iter().any(|name| row.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::super::format::{EVALUATION, NO_REQUEST, OWN, Request, Span};
    use super::super::spans::tests::{Chain, chains};
    use super::super::tests::{fixture, imported, json_with};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const CHAINS: [Chain; 4] = [
        ["01", "00.25", "02", "00.5"],
        ["03", "01.25", "05", "02"],
        ["06", "02.75", "07", "03"],
        ["08", "03.75", "09", "04"],
    ];

    fn with(mut row: Value, changes: &Value) -> Value {
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    fn columns(changes: Value) -> Value {
        let row = json!({"name": "n", "span_kind": "LLM", "parent_id": null, "start_time": "2026-09-14T08:30:00.500Z",
            "end_time": "2026-09-14T08:30:00.750Z", "context.span_id": "eee19b7ec3c1b102",
            "context.trace_id": "5b8efff798038103d2e9b633813fc601", "attributes.user.id": "u",
            "attributes.llm.model_name": "m", "attributes.llm.input_messages": [{"message.role": "user", "message.content": "hi"}],
            "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "hello", "message.tool_calls": null}]});
        with(row, &changes)
    }

    fn listed(changes: Value) -> Value {
        let row = json!({"id": "U3BhbjoxMA==", "name": "n", "span_kind": "LLM", "parent_id": null,
            "context": {"trace_id": "5b8efff798038103d2e9b633813fc601", "span_id": "eee19b7ec3c1b102"},
            "start_time": "2026-09-14T08:30:00.500000+00:00", "end_time": "2026-09-14T08:30:00.750000+00:00",
            "attributes": {"user": {"id": "u"}, "llm": {"model_name": "m",
                "input_messages": [{"message": {"role": "user", "content": "hi"}}],
                "output_messages": [{"message": {"role": "assistant", "content": "hello"}}]}}});
        with(row, &changes)
    }

    fn read(row: Value) -> Result<Found, String> {
        Phoenix.read(row.as_object().unwrap().clone(), &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_data_frame_and_the_api_become_the_same_records() {
        for name in ["phoenix-dataframe.jsonl", "phoenix-dataframe.csv", "phoenix-rest.jsonl"] {
            let content = fixture(name);
            let roots = imported(&Phoenix, &[(name, &content)], Spans::Root).unwrap();
            assert_eq!(roots.records, chains(&CHAINS, false), "{name}");
            assert_eq!((roots.counts[0].rows, roots.counts[0].bad, roots.counts[0].merged), (10, 0, 4), "{name}");
            // The execution of a tool, and the call of an embedding model.
            assert_eq!(roots.counts[0].other, [(NO_REQUEST, 2)].into(), "{name}");
            let all = imported(&Phoenix, &[(name, &content)], Spans::All).unwrap();
            assert_eq!(all.records, chains(&CHAINS, true), "{name}");
        }
    }

    #[test]
    fn annotations_are_refused() {
        let name = "phoenix-annotations.jsonl";
        let imported = imported(&Phoenix, &[(name, &fixture(name))], Spans::Root).unwrap();
        assert_eq!(imported.bad, ["annotations contain no requests; export spans"]);
        assert_eq!(imported.records, []);
    }

    #[test]
    fn a_span_reads_the_same_from_columns_and_from_nested_attributes() {
        let at = |text: &str| text.parse().ok();
        let expected = Request {
            id: Some("eee19b7ec3c1b102".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: at("2026-09-14T08:30:00.5Z"),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: None,
            span: Some(Span {
                trace: "5b8efff798038103d2e9b633813fc601".to_owned(),
                id: "eee19b7ec3c1b102".to_owned(),
                parent: None,
                end: at("2026-09-14T08:30:00.75Z"),
                turn: None,
            }),
        };
        let rows = [
            columns(json!({})),
            columns(json!({"start_time": "2026-09-14 08:30:00.500+00:00", "parent_id": ""})),
            columns(json!({"start_time": 1_789_374_600_500_i64, "end_time": 1_789_374_600_750_i64})),
            columns(json!({"span_kind": "UNKNOWN", "attributes.openinference.span.kind": "LLM"})),
            columns(json!({"attributes.user.id": null, "attributes.session.id": "u"})),
            // As pandas writes lists in CSV.
            columns(json!({"attributes.llm.input_messages": "[{'message.role': 'user', 'message.content': 'hi'}]",
                "attributes.input.value": "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}",
                "attributes.llm.output_messages": "[{'message.role': 'assistant'}]", "attributes.output.value": "hello"})),
            listed(json!({})),
            listed(
                json!({"attributes": {"user.id": "u", "llm.model_name": "m", "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "hi", "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": "hello"}}),
            ),
        ];
        for row in rows {
            assert!(Phoenix.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let cases = [
            (json!({"span_kind": "TOOL"}), NO_REQUEST),
            (json!({"span_kind": "RETRIEVER"}), NO_REQUEST),
            (json!({"span_kind": "CHAIN"}), NO_REQUEST),
            (json!({"span_kind": "UNKNOWN"}), NO_REQUEST),
            (json!({"span_kind": "EVALUATOR"}), EVALUATION),
            (json!({"attributes.metadata": {"service": "karat"}}), OWN),
        ];
        for (changes, reason) in cases {
            assert_eq!(read(columns(changes.clone())), Ok(Found::Other(reason)), "{changes}");
        }
        assert_eq!(
            read(columns(json!({"start_time": "soon"}))),
            Err("`start_time` is neither a date nor a Unix time".to_owned())
        );
        assert_eq!(read(json!({"input": "a"})), Err("not a span".to_owned()));
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"traceId": "t", "spanId": "s", "name": "n", "startTimeUnixNano": "1", "attributes": []}),
            json!({"name": "n", "context": {"trace_id": "0x1", "span_id": "0x2"}, "kind": "SpanKind.INTERNAL", "start_time": "2026-02-03", "attributes": {}}),
            json!({"id": "r", "trace_id": "t", "run_type": "llm", "start_time": "2026-02-03", "inputs": {}}),
            json!({"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi"}),
            json!({"id": "s1", "traceId": "t1", "name": "n", "value": 1, "source": "API", "dataType": "NUMERIC"}),
        ];
        for row in rows {
            assert!(!Phoenix.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&["message.role", "message", "trace_id", "0", "llm", "input_messages"])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 9), kind in prop::sample::select(vec!["LLM", "CHAIN", "UNKNOWN", "\u{130}"])) {
            let keys = ["attributes.llm.input_messages", "attributes.llm.output_messages", "attributes.input.value", "attributes.llm", "attributes", "context", "events", "parent_id", "end_time"];
            let changes: Map<String, Value> = keys.iter().map(|key| (*key).to_owned()).zip(values).collect();
            for row in [columns(changes.clone().into()), listed(changes.into())] {
                let row = with(row, &json!({"span_kind": kind}));
                let _ = Phoenix.recognizes(row.as_object().unwrap(), &[]);
                let _ = read(row);
            }
        }
    }
}
