//! Tests of whole files, as an import reads them.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Exclusion, FieldMap, FileCounts, ReadOptions, Rows, Spans, Staging, TrafficFormat, TrafficReader, named, recognized,
};
use crate::core::domain::TrafficRecord;
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::Redactor;
use crate::edge::input::{expand, open};

/// What was read of files.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) records: Vec<TrafficRecord>,
    pub(super) bad: Vec<(u64, String)>,
    pub(super) counts: FileCounts,
}

/// Reads one file.
pub(super) fn read_path(format: &dyn TrafficFormat, path: &Path, spans: Spans, options: &ReadOptions) -> Read {
    let redactor = Redactor::new().unwrap();
    let staging = Staging::new(spans, 1.0).unwrap();
    let mut counts = [FileCounts::default()];
    let input = expand(&[path.to_owned()]).unwrap().remove(0);
    let opened = open(&input, &Arc::default()).unwrap();
    let reader = TrafficReader::new(format, options, &redactor, UserKey::new([1; 32]));
    reader.read(&input, opened, &mut |rows| staging.add(0, rows, &mut counts[0])).unwrap();
    let mut records = Vec::new();
    let missing = |_| "no time".to_owned();
    if staging.has_parts().unwrap() {
        staging.records(Some(&mut counts), &missing, &mut |_, _| Ok(())).unwrap();
    }
    let mut each = |_, record| {
        records.push(record);
        Ok(())
    };
    staging.records(None, &missing, &mut each).unwrap();
    let [counts] = counts;
    Read { records, bad: staging.bad_rows(0, None).unwrap(), counts }
}

/// Reads a text as a file of this name.
pub(super) fn read_text(format: &dyn TrafficFormat, name: &str, text: impl AsRef<[u8]>, options: &ReadOptions) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    read_path(format, &path, Spans::Root, options)
}

fn rows(name: &str, text: &str, pairs: &[(&str, &str)]) -> Read {
    let map = FieldMap::new(pairs.iter().copied()).unwrap();
    read_text(&Rows::new(map), name, text, &ReadOptions::default())
}

#[test]
fn a_field_map_reaches_into_nested_rows() {
    let row = json!({
        "body": {"messages": [{"role": "user", "content": "where is it"}]},
        "meta": [{"t": 1_789_374_600}], "uid": 7, "rate": "0.1", "llm": "m-1"
    });
    let pairs = [("input", "body.messages"), ("ts", "meta.0.t"), ("user", "uid"), ("p", "rate"), ("model", "llm")];
    let read = rows("a.jsonl", &row.to_string(), &pairs);
    assert!(read.bad.is_empty(), "{:?}", read.bad);
    let record = &read.records[0];
    assert_eq!(record.input, "where is it");
    assert_eq!(record.at.to_string(), "2026-09-14T08:30:00Z");
    assert_eq!(record.model.as_deref(), Some("m-1"));
    assert!((record.weight() - 10.0).abs() < 1e-9);
    assert_ne!(record.group.as_deref(), Some("7"), "users are stored as hashes");
}

#[test]
fn bad_rows_are_reported_with_their_line_and_without_their_text() {
    let read = rows("a.csv", "text,ts\nfine,2026-09-01\n,2026-09-01\nsecret words,soon\n", &[]);
    assert_eq!((read.records.len(), read.counts.rows, read.counts.bad), (1, 3, 2));
    let looked = "no input; looked for input, inputs, question, prompt, query, text, message, messages";
    assert_eq!(read.bad[0], (3, looked.to_owned()));
    assert_eq!(read.bad[1], (4, "the time is neither a date nor a Unix time".to_owned()));
}

#[test]
fn equal_rows_without_an_id_are_two_requests_with_stable_ids() {
    let text = "{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n";
    let (first, again) = (rows("a.jsonl", text, &[]), rows("b.jsonl", text, &[]));
    assert_ne!(first.records[0].record_id, first.records[1].record_id);
    assert_eq!(first, again);
}

#[test]
fn personal_data_never_leaves_the_reader() {
    let text = json!({
        "id": "jane@example.org", "text": "mail jane@example.org", "output": "key sk-abcdefghijklmnopqrstuvwxyz123456",
        "ts": "2026-09-01", "user": "jane@example.org", "model": "jane@example.org"
    });
    let read = rows("a.jsonl", &text.to_string(), &[]);
    let all = format!("{read:?}");
    assert!(!all.contains("jane@") && !all.contains("sk-abc"), "{all}");
    assert_eq!(read.records[0].input, "mail [redacted:email]");
}

#[test]
fn an_unknown_field_in_a_map_is_refused() {
    assert!(FieldMap::new([("inptu", "x")]).unwrap_err().hint.unwrap().contains("input"));
}

#[test]
fn rows_with_an_excluded_value_are_counted_apart() {
    let text = "{\"text\":\"a\",\"ts\":\"2026-09-01\",\"env\":{\"name\":\"staging\"}}\n{\"text\":\"b\",\"ts\":\"2026-09-01\"}\n";
    let exclude = vec![Exclusion { path: "env.name".to_owned(), value: "staging".to_owned() }];
    let read = read_text(&Rows::default(), "a.jsonl", text, &ReadOptions { exclude, ..ReadOptions::default() });
    assert_eq!(read.records.len(), 1);
    assert_eq!(read.counts.other.into_iter().collect::<Vec<_>>(), [("left out by --exclude", 1)]);
}

fn span(id: &str, parent: Option<&str>, attributes: &Value) -> Value {
    let pairs = attributes.as_object().unwrap().iter();
    let pairs = pairs.map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}));
    json!({
        "traceId": "5b8efff798038103d2e9b633813fc601", "spanId": id, "parentSpanId": parent, "name": "n",
        "startTimeUnixNano": "1789374600500000000", "endTimeUnixNano": "1789374600750000000",
        "attributes": pairs.collect::<Vec<_>>()
    })
}

const ROOT: &str = "eee19b7ec3c1b101";
const MIDDLE: &str = "eee19b7ec3c1b102";
const CALL: &str = "eee19b7ec3c1b103";

/// A trace of a server that calls a model within another span.
fn served(root: Value, resource: &Value) -> String {
    let chat =
        json!({"gen_ai.operation.name": "chat", "gen_ai.input.messages": r#"[{"role": "user", "content": "hi"}]"#});
    let spans = [
        span(CALL, Some(MIDDLE), &chat),
        span(MIDDLE, Some(ROOT), &json!({"http.request.method": "POST"})),
        span(ROOT, None, &root),
    ];
    let attributes = span(ROOT, None, resource)["attributes"].take();
    json!({"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}]}).to_string()
}

fn format(name: &str) -> &'static dyn TrafficFormat {
    named(name).unwrap().unwrap()
}

#[test]
fn the_calls_of_a_service_that_karat_evaluates_are_left_out_with_the_request_that_they_are_within() {
    let (otlp, options) = (format("otlp"), ReadOptions::default());
    let own = served(json!({"user_agent.original": "karat/0.1"}), &json!({}));
    let read = read_text(otlp, "a.json", &own, &options);
    assert!(read.records.is_empty(), "{:?}", read.records);
    assert_eq!(read.counts.other, [("karat's own requests", 2), ("spans without a request", 1)].into());
    let other = served(json!({"user_agent.original": "curl/8"}), &json!({}));
    assert_eq!(read_text(otlp, "a.json", other, &options).records.len(), 1);
}

#[test]
fn the_calls_of_an_evaluator_are_no_requests_but_those_beside_it_are() {
    let row = |id: &str, parent: Option<&str>, kind: &str, input: &str| {
        json!({"traceId": "t", "spanId": id, "parentSpanId": parent, "name": "n", "startTimeUnixNano": "1789374600500000000",
            "attributes": {"openinference.span.kind": kind, "input.value": input}})
        .to_string()
    };
    let lines = [
        row("a", None, "CHAIN", "hi"),
        row("b", Some("a"), "EVALUATOR", "good?"),
        row("c", Some("b"), "LLM", "judge"),
        row("d", Some("a"), "LLM", "hi there"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let read = read_path(format("openinference"), &path, Spans::All, &ReadOptions::default());
    let inputs: Vec<&str> = read.records.iter().map(|record| record.input.as_str()).collect();
    assert_eq!(inputs, ["hi", "hi there"]);
    assert_eq!(read.counts.other, [("evaluation runs", 2)].into());
}

#[test]
fn attributes_of_spans_and_of_their_resource_can_be_excluded_with_all_within_them() {
    let environment = json!({"deployment.environment.name": "staging"});
    for text in [served(json!({}), &environment), served(environment.clone(), &json!({}))] {
        let exclude = vec![Exclusion { path: "deployment.environment.name".to_owned(), value: "staging".to_owned() }];
        let read = read_text(format("otlp"), "a.json", text, &ReadOptions { exclude, ..ReadOptions::default() });
        assert!(read.records.is_empty());
        assert!(read.counts.other["left out by --exclude"] >= 2, "{:?}", read.counts);
    }
}

#[test]
fn metadata_that_is_json_in_text_can_be_excluded() {
    let row = json!({"id": "o", "traceId": "t", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi",
        "metadata": "{\"env\": \"staging\"}"});
    let exclude = vec![Exclusion { path: "metadata.env".to_owned(), value: "staging".to_owned() }];
    let options = ReadOptions { exclude, ..ReadOptions::default() };
    let read = read_text(format("langfuse"), "a.jsonl", row.to_string(), &options);
    assert_eq!((read.records.len(), read.counts.rows), (0, 1));
}

#[test]
fn spans_that_were_exported_twice_do_not_count_their_messages_twice() {
    let line =
        |id: &str, body: Value| json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body});
    let asked = line("a", json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})).to_string();
    let answered = json!({"id": "r", "custom_id": "a", "response": {"status_code": 200, "body": {
        "object": "chat.completion", "created": 1_770_112_800, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}}})
    .to_string();
    let text = [asked.clone(), asked, answered.clone(), answered].join("\n");
    let read = read_text(format("openai-batch"), "a.jsonl", text, &ReadOptions::default());
    assert_eq!(read.records.len(), 1);
    assert!(read.counts.merged < read.counts.rows, "{:?}", read.counts);
}

#[test]
fn a_mark_at_the_beginning_or_a_broken_first_line_does_not_hide_the_format() {
    let row =
        json!({"id": "o", "traceId": "t", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi"});
    for text in [format!("\u{feff}{row}\n"), format!("\"cut\"}}\n{row}\n"), format!("\u{feff}[{row}]")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let path = if text.contains('[') { path.with_extension("json") } else { path };
        std::fs::write(&path, &text).unwrap();
        let opened = open(&expand(&[path]).unwrap()[0], &Arc::default()).unwrap();
        assert_eq!(recognized(&opened).map(TrafficFormat::name), Some("langfuse"), "{text}");
    }
}

#[test]
fn a_column_that_is_a_cell_of_the_first_row_is_redacted_in_the_reason() {
    let read = rows("a.csv", "jane@example.org,jane@example.org\n1,2\n", &[]);
    assert_eq!(read.counts.bad, 1);
    assert!(!read.bad[0].1.contains("jane"), "{:?}", read.bad);
}
