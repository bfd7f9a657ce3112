//! Langfuse: observations and traces, as its API lists them and as its exports write them.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::format::{EVALUATION, Found, NO_REQUEST, OWN, Request, Span, TrafficFormat};
use super::super::messages::{answer, asked, field, inner, messages, parsed, shows_karat, text_field, time_field};
use crate::core::domain::at_path;

/// Observations and traces of Langfuse.
pub struct Langfuse;

/// The type of observations that are calls of a model.
const GENERATION: &str = "GENERATION";

/// Types of observations that contain the user's request if they are the root of a trace.
const ROOTS: [&str; 3] = ["SPAN", "AGENT", "CHAIN"];

/// The type of observations that judge an answer.
const EVALUATOR: &str = "EVALUATOR";

/// The other types of observations.
const OTHERS: [&str; 5] = ["EVENT", "TOOL", "RETRIEVER", "EMBEDDING", "GUARDRAIL"];

/// Keys of metadata that only experiments have.
const EXPERIMENT: [&str; 4] = ["experiment_name", "experiment_run_name", "dataset_item_id", "dataset_run_id"];

impl TrafficFormat for Langfuse {
    fn name(&self) -> &'static str {
        "langfuse"
    }

    fn reads(&self) -> &'static str {
        "Langfuse 3 and 4: observations and traces, from the API, the UI's export and blob storage"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[&["data"]]
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        kind(row).is_some()
    }

    fn place(&self, row: &Map<String, Value>) -> Option<Span> {
        let row = unquoted(row.clone());
        match kind(&row)? {
            Kind::Observation => place(&row),
            Kind::Trace => text_field(&row, &["id"]).map(|id| Span { trace: id.clone(), id, ..Span::default() }),
            Kind::Score => None,
        }
    }

    fn field(&self, row: &Map<String, Value>, _: &[Map<String, Value>], path: &str) -> Option<Value> {
        let within = || {
            let fields = metadata(row);
            let path = path.strip_prefix("metadata.")?;
            let found = [Some(&fields), fields.get("attributes"), fields.get("resourceAttributes")];
            found.into_iter().flatten().filter_map(Value::as_object).find_map(|fields| at_path(fields, path)).cloned()
        };
        at_path(row, path).cloned().or_else(within)
    }

    fn read(&self, row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        match kind(&row) {
            Some(Kind::Observation) => observation(&unquoted(row)),
            Some(Kind::Trace) => trace(&unquoted(row)),
            Some(Kind::Score) => Err("scores contain no requests; export observations or traces".to_owned()),
            None => Err("neither an observation nor a trace".to_owned()),
        }
    }
}

enum Kind {
    Observation,
    Trace,
    Score,
}

fn kind(row: &Map<String, Value>) -> Option<Kind> {
    let has = |names: &[&str]| names.iter().any(|name| row.contains_key(*name));
    let is_one_of = |names: &[&str], known: &[&str]| {
        text_field(row, names).is_some_and(|text| known.contains(&text.trim_matches('"')))
    };
    if !has(&["id"]) {
        return None;
    }
    let of_trace = has(&["traceId", "trace_id"]);
    let is_observation =
        [&[GENERATION, EVALUATOR][..], &ROOTS, &OTHERS].iter().any(|known| is_one_of(&["type"], known));
    if of_trace && has(&["startTime", "start_time"]) && is_observation {
        return Some(Kind::Observation);
    }
    let types = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"];
    if is_one_of(&["dataType", "data_type"], &types) && is_one_of(&["source"], &["API", "ANNOTATION", "EVAL"]) {
        return Some(Kind::Score);
    }
    let is_trace = has(&["timestamp"]) && has(&["tags"]) && has(&["public"]);
    let of_project = has(&["environment", "htmlPath", "bookmarked", "projectId", "project_id"]);
    (is_trace && of_project && !of_trace).then_some(Kind::Trace)
}

/// Times, which the CSV exports of pages write as JSON, in quotes.
const TIMES: [&str; 5] = ["startTime", "endTime", "timestamp", "start_time", "end_time"];

/// A row without quotes around its texts. CSV exports of older versions write every text as JSON.
fn unquoted(mut row: Map<String, Value>) -> Map<String, Value> {
    let is_quoted = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('"') && text.len() > 1);
    let are_all = row.get("id").is_some_and(is_quoted);
    for (name, value) in &mut row {
        if is_quoted(value) && (are_all || TIMES.contains(&name.as_str())) {
            let text = value.as_str().and_then(|text| serde_json::from_str::<String>(text).ok());
            *value = text.map_or_else(|| value.take(), Value::String);
        }
    }
    row
}

fn observation(row: &Map<String, Value>) -> Result<Found, String> {
    if let Some(reason) = left_out(row) {
        return Ok(Found::Other(reason));
    }
    let kind = text_field(row, &["type"]).unwrap_or_default();
    let is_child = place(row).is_some_and(|span| span.parent.is_some());
    if kind != GENERATION && (is_child || !ROOTS.contains(&kind.as_str())) {
        return Ok(Found::Other(NO_REQUEST));
    }
    if kind == GENERATION && !row.contains_key("input") {
        return Err("no `input`; export inputs and outputs too (fields=core,basic,io)".to_owned());
    }
    let end = time_field(row, &["endTime", "end_time"])?;
    let span = place(row).map(|span| Span { end, ..span });
    request(row, text_field(row, &["id"]), time_field(row, &["startTime", "start_time"])?, span)
}

/// Where an observation is in its trace.
fn place(row: &Map<String, Value>) -> Option<Span> {
    let parent = text_field(row, &["parentObservationId", "parent_observation_id"]).filter(|_| !is_marked_root(row));
    let id = text_field(row, &["id"])?;
    Some(Span { trace: text_field(row, &["traceId", "trace_id"])?, id, parent, ..Span::default() })
}

/// Whether an SDK marked an observation as the root of what its application did, although it has a parent elsewhere.
fn is_marked_root(row: &Map<String, Value>) -> bool {
    let value = field(row, &["isRootObservation", "is_root_observation"]);
    value.is_some_and(|value| value == &Value::Bool(true) || value.as_str() == Some("true"))
}

fn trace(row: &Map<String, Value>) -> Result<Found, String> {
    if let Some(reason) = left_out(row) {
        return Ok(Found::Other(reason));
    }
    let id = text_field(row, &["id"]);
    let span = id.clone().map(|id| Span { trace: id.clone(), id, ..Span::default() });
    request(row, id, time_field(row, &["timestamp"])?, span)
}

fn request(
    row: &Map<String, Value>,
    id: Option<String>,
    at: Option<Timestamp>,
    span: Option<Span>,
) -> Result<Found, String> {
    let Some(input) = field(row, &["input"]) else { return Ok(Found::Other(NO_REQUEST)) };
    let user = text_field(row, &["userId", "user_id"]).or_else(|| text_field(row, &["sessionId", "session_id"]));
    Ok(Found::Request(Box::new(Request {
        id,
        input: normal_input(input),
        output: field(row, &["output"]).map(normal_output),
        at,
        user,
        model: text_field(row, &["model", "providedModelName", "provided_model_name"]),
        sample_rate: None,
        span,
    })))
}

/// Why an observation or a trace is no request of production.
fn left_out(row: &Map<String, Value>) -> Option<&'static str> {
    let metadata = metadata(row);
    let tags = ["tags", "traceTags"].iter().filter_map(|name| row.get(*name));
    if tags.map(inner).any(|tags| shows_karat(&tags)) || shows_karat(&metadata) {
        return Some(OWN);
    }
    let is_internal = |name: String| name.starts_with("langfuse-") || name == "sdk-experiment";
    let is_experiment = |fields: &Map<String, Value>| {
        EXPERIMENT.iter().any(|key| field(fields, &[key]).is_some())
            || fields.keys().any(|key| key.starts_with("langfuse.experiment."))
    };
    let within = [Some(&metadata), metadata.get("attributes")];
    let is_evaluation = text_field(row, &["environment"]).is_some_and(is_internal)
        || text_field(row, &["type"]).is_some_and(|kind| kind == EVALUATOR)
        || within.into_iter().flatten().filter_map(Value::as_object).any(is_experiment);
    is_evaluation.then_some(EVALUATION)
}

/// The metadata of a row. Exports to blob storage contain its values as text.
fn metadata(row: &Map<String, Value>) -> Value {
    let mut metadata = row.get("metadata").map(|metadata| inner(metadata).into_owned()).unwrap_or_default();
    for name in ["attributes", "resourceAttributes", "headers"] {
        if let Some(value) = metadata.get_mut(name) {
            *value = parsed(value.take());
        }
    }
    metadata
}

fn normal_input(value: &Value) -> Value {
    let value = inner(value);
    let found = match &*value {
        Value::Array(_) => messages(&value),
        Value::Object(body) if is_body(body) => asked(body),
        Value::Object(fields) => arguments(fields).or_else(|| messages(&value)),
        _ => None,
    };
    found.unwrap_or_else(|| value.into_owned())
}

/// Whether an object is the body of a call of an API, as the wrappers of Langfuse's SDKs note it.
fn is_body(fields: &Map<String, Value>) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
    let input = || fields.get("input").is_some_and(|input| messages(input).is_some());
    has(&["messages", "contents"]) || has(&["input"]) && (has(&["instructions", "tools", "tool_choice"]) || input())
}

/// The input in the arguments of a function that `@observe` traced, if there is only one argument or they have names.
fn arguments(fields: &Map<String, Value>) -> Option<Value> {
    let (Value::Array(args), Value::Object(named)) = (fields.get("args")?, fields.get("kwargs")?) else { return None };
    match args.as_slice() {
        _ if fields.len() > 2 => None,
        [] if !named.is_empty() => Some(Value::Object(named.clone())),
        // Arguments are not parsed again, so that this ends.
        [single] if named.is_empty() => Some(messages(single).unwrap_or_else(|| single.clone())),
        _ => None,
    }
}

fn normal_output(value: &Value) -> Value {
    let value = inner(value);
    answer(&value).unwrap_or_else(|| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::tests::{Imported, fixture, imported, json_with, record, shop, shop_requests};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(row: Value) -> Result<Found, String> {
        let Value::Object(row) = row else { panic!("not an object") };
        Langfuse.read(row, &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn generation(changes: Value) -> Value {
        let mut row = json!({"id": "o1", "traceId": "t1", "parentObservationId": "p1", "type": "GENERATION",
            "startTime": "2026-02-03T10:00:00.000Z", "endTime": "2026-02-03T10:00:02Z", "environment": "production",
            "input": [{"role": "user", "content": "hi"}], "output": {"role": "assistant", "content": "hello"},
            "model": "m", "userId": "u", "sessionId": "s", "tags": ["a"], "metadata": {"k": "v"}, "level": "DEFAULT"});
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    #[test]
    fn an_observation_reads_the_same_from_the_api_the_ui_and_blob_storage() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let expected = Request {
            id: Some("o1".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: at("2026-02-03T10:00:00Z"),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: None,
            span: Some(Span {
                trace: "t1".to_owned(),
                id: "o1".to_owned(),
                parent: Some("p1".to_owned()),
                end: at("2026-02-03T10:00:02Z"),
                turn: None,
            }),
        };
        let rows = [
            generation(json!({})),
            generation(json!({"model": null, "providedModelName": "m"})),
            generation(json!({"input": {"messages": [{"role": "user", "content": "hi"}], "tools": []}})),
            generation(json!({"userId": "", "sessionId": "u", "output": "hello"})),
            json!({"id": "o1", "trace_id": "t1", "parent_observation_id": "p1", "type": "GENERATION",
                "start_time": "2026-02-03 10:00:00.000000", "end_time": "2026-02-03 10:00:02.000000",
                "input": "[{\"role\": \"user\", \"content\": \"hi\"}]", "output": "hello",
                "provided_model_name": "m", "user_id": "u", "session_id": "s", "tags": ["a"]}),
            generation(json!({"startTime": "\"2026-02-03T10:00:00.000Z\"", "endTime": "\"2026-02-03T10:00:02.000Z\""})),
            json!({"id": "\"o1\"", "traceId": "\"t1\"", "parentObservationId": "\"p1\"", "type": "\"GENERATION\"",
                "startTime": "\"2026-02-03T10:00:00.000Z\"", "endTime": "\"2026-02-03T10:00:02.000Z\"",
                "input": [{"role": "user", "content": "hi"}], "output": "\"hello\"", "model": "\"m\"", "userId": "\"u\""}),
        ];
        for row in rows {
            assert!(Langfuse.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
    }

    #[test]
    fn a_trace_is_the_root_of_its_observations() {
        let row = json!({"id": "t1", "timestamp": "2026-02-03T10:00:00Z", "name": "chat", "input": {"question": "hi"},
            "output": {"answer": "hello"}, "userId": null, "sessionId": "s", "tags": [], "public": false, "environment": "default"});
        let request = request_of(row);
        assert_eq!(request.input, json!({"question": "hi"}));
        assert_eq!(request.output, Some(json!({"answer": "hello"})));
        assert_eq!(request.user.as_deref(), Some("s"));
        assert_eq!(request.span, Some(Span { trace: "t1".to_owned(), id: "t1".to_owned(), ..Span::default() }));
    }

    #[test]
    fn a_logical_root_has_no_parent() {
        for changes in [
            json!({"isRootObservation": true}),
            json!({"is_root_observation": true, "type": "AGENT"}),
            json!({"is_root_observation": "true", "type": "SPAN"}),
            json!({"parentObservationId": "", "type": "CHAIN"}),
        ] {
            let request = request_of(generation(changes.clone()));
            assert_eq!(request.span.unwrap().parent, None, "{changes}");
        }
        assert_eq!(
            request_of(generation(json!({"isRootObservation": false}))).span.unwrap().parent.as_deref(),
            Some("p1")
        );
    }

    #[test]
    fn the_request_is_found_in_what_the_sdks_note() {
        let chat = json!([{"role": "user", "content": "hi"}]);
        let with_system = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        let cases = [
            (json!({"input": "hi", "tools": []}), chat.clone()),
            (json!({"input": with_system.clone(), "tools": []}), with_system.clone()),
            (json!({"instructions": "be brief", "input": "hi"}), with_system),
            (json!({"input": chat.clone()}), chat.clone()),
            (json!({"args": ["hi"], "kwargs": {}}), json!("hi")),
            (json!({"args": [chat.clone()], "kwargs": {}}), chat),
            (json!({"args": [], "kwargs": {"question": "hi"}}), json!({"question": "hi"})),
            (json!({"args": ["hi", 5], "kwargs": {}}), json!({"args": ["hi", 5], "kwargs": {}})),
            (json!({"input": "hi", "chat_history": []}), json!({"input": "hi", "chat_history": []})),
            (json!("plain"), json!("plain")),
            (json!("[INST] hi"), json!("[INST] hi")),
        ];
        for (input, expected) in cases {
            assert_eq!(request_of(generation(json!({"input": input.clone()}))).input, expected, "{input}");
        }
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let cases = [
            (json!({"type": "TOOL"}), NO_REQUEST),
            (json!({"type": "RETRIEVER"}), NO_REQUEST),
            (json!({"type": "EVENT"}), NO_REQUEST),
            (json!({"type": "SPAN"}), NO_REQUEST),
            (json!({"type": "SPAN", "parentObservationId": null, "input": null}), NO_REQUEST),
            (json!({"type": "EVALUATOR"}), EVALUATION),
            (json!({"environment": "langfuse-llm-as-a-judge"}), EVALUATION),
            (json!({"environment": "sdk-experiment"}), EVALUATION),
            (json!({"metadata": {"experiment_run_name": "r"}}), EVALUATION),
            (json!({"metadata": "{\"attributes\": {\"langfuse.experiment.id\": \"e\"}}"}), EVALUATION),
            (json!({"tags": ["karat"]}), OWN),
            (json!({"traceTags": ["karat"]}), OWN),
            (json!({"metadata": {"resourceAttributes": {"service.name": "karat"}}}), OWN),
            (json!({"metadata": {"resourceAttributes": "{\"service.name\": \"karat\"}"}}), OWN),
            (json!({"metadata": {"attributes": "{\"langfuse.experiment.id\": \"e\"}"}}), EVALUATION),
        ];
        for (changes, reason) in cases {
            assert_eq!(read(generation(changes.clone())), Ok(Found::Other(reason)), "{changes}");
        }
    }

    #[test]
    fn scores_and_observations_without_inputs_are_refused() {
        let score = json!({"id": "s1", "traceId": "t1", "name": "n", "value": 1, "source": "API", "dataType": "NUMERIC", "timestamp": "2026-02-03T10:00:00Z"});
        assert!(Langfuse.recognizes(score.as_object().unwrap(), &[]));
        assert!(read(score).unwrap_err().contains("scores contain no requests"));
        let mut row = generation(json!({}));
        row.as_object_mut().unwrap().remove("input");
        assert!(read(row).unwrap_err().contains("no `input`"));
        assert_eq!(
            read(generation(json!({"startTime": "soon"}))),
            Err("`startTime` is neither a date nor a Unix time".to_owned())
        );
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"messages": [{"role": "user", "content": "hi"}], "ts": 1}),
            json!({"id": "r", "trace_id": "t", "run_type": "llm", "start_time": "2026-02-03", "inputs": {}}),
            json!({"id": "chatcmpl-1", "trace_id": "t", "call_type": "acompletion", "startTime": 1.5, "messages": []}),
            json!({"traceId": "t", "spanId": "s", "name": "n", "startTimeUnixNano": "1"}),
        ];
        for row in rows {
            assert!(!Langfuse.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    const MODEL: &str = "gpt-4o-mini-2024-07-18";

    fn at(minute: usize) -> String {
        format!("2026-09-14T08:{:02}:00.250Z", 30 + minute)
    }

    /// The records of a file with the requests and the agent. `has_user` and `has_model` tell what its rows say.
    fn records(has_user: bool, has_model: bool) -> Vec<TrafficRecord> {
        let mut requests: Vec<(Value, Option<&str>, &str)> =
            shop_requests().into_iter().map(|(messages, output, user)| (messages, Some(output), user)).collect();
        requests.push((shop(&["Please fail."]), None, "user-3"));
        let mut records: Vec<TrafficRecord> = (0..)
            .zip(&requests)
            .map(|(n, (messages, output, user))| {
                record(&format!("t-{}", n + 1), &at(n), messages, *output, user, MODEL)
            })
            .collect();
        let agent = json!("Where is order 1001?");
        let shipped = Some("It has been shipped.");
        records.push(TrafficRecord { model: None, ..record("t-7", &at(6), &agent, shipped, "user-4", "") });
        for record in &mut records {
            record.group = record.group.take().filter(|_| has_user);
            record.model = record.model.take().filter(|_| has_model);
        }
        records
    }

    fn read_files(names: &[&str], spans: Spans) -> Imported {
        let contents: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
        let files: Vec<(&str, &[u8])> = names.iter().copied().zip(contents.iter().map(Vec::as_slice)).collect();
        imported(&Langfuse, &files, spans).unwrap()
    }

    #[test]
    fn every_api_and_export_gives_the_same_records() {
        let cases = [
            ("langfuse-api-v2.json", true),
            ("langfuse-api-v1.json", false),
            ("langfuse-page.json", true),
            ("langfuse-page.csv", true),
            ("langfuse-events.jsonl", true),
            ("langfuse-events.csv", true),
            ("langfuse-bucket-observations.jsonl", false),
            ("langfuse-bucket-enriched.jsonl", true),
            ("langfuse-bucket-enriched.csv", true),
        ];
        for (name, has_user) in cases {
            let found = read_files(&[name], Spans::Root);
            assert_eq!(found.records, records(has_user, true), "{name}");
            assert_eq!(found.bad, Vec::<String>::new(), "{name}");
            let counts = &found.counts[0];
            assert_eq!((counts.rows, counts.merged), (13, 1), "{name}");
            // A tool and an embedding; a judge and an experiment.
            let other = [(EVALUATION, 2), (OWN, 1), (NO_REQUEST, 2)].into_iter().collect();
            assert_eq!(counts.other, other, "{name}");
        }
    }

    #[test]
    fn traces_alone_give_the_same_records_without_models() {
        for name in ["langfuse-api-traces.json", "langfuse-page-traces.csv"] {
            let mut expected = records(true, false);
            // A trace does not say that what it traced is an embedding.
            let embedded = TrafficRecord {
                group: None,
                model: None,
                ..record("t-8", &at(9), &json!("Can I return shoes?"), None, "", "")
            };
            expected.push(embedded);
            assert_eq!(read_files(&[name], Spans::Root).records, expected, "{name}");
        }
    }

    #[test]
    fn all_spans_are_the_calls_of_models_and_the_roots() {
        let found = read_files(&["langfuse-api-v2.json"], Spans::All);
        let ids: Vec<&str> = found.records.iter().map(|record| record.record_id.as_str()).collect();
        assert_eq!(ids, ["o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7", "o-9"]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&["role", "content", "messages", "type", "attributes", "x"])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 12), kind in prop::sample::select(vec!["GENERATION", "SPAN", "\"TOOL\"", ""])) {
            let keys = ["id", "traceId", "parentObservationId", "startTime", "endTime", "input", "output", "tags", "metadata", "environment", "timestamp", "public"];
            let mut row: Map<String, Value> = keys.iter().map(|key| (*key).to_owned()).zip(values).collect();
            row.insert("type".to_owned(), json!(kind));
            let _ = Langfuse.recognizes(&row, &[]);
            let _ = Langfuse.read(row.clone(), &[]);
            row.remove("type");
            let _ = Langfuse.read(row, &[]);
        }
    }
}
