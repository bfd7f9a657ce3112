//! Helicone: requests as its API lists them, as its export writes them, and as its page of requests exports them.

use serde_json::{Map, Value};

use super::super::format::{Found, OWN, Request, TrafficFormat};
use super::super::messages::{NOT_CHAT, answer, asked, asker, field, parsed, shows_karat, text_field, time_field};

/// Requests of Helicone.
pub struct Helicone;

/// Parts of paths of calls that are not chats, although they may have an `input` or a `prompt`.
const OTHER_PATHS: [&str; 7] = ["/embed", "/images", "/moderations", "/audio", "/rerank", "/files", "/videos"];

/// Parts of names of models for such calls, for exports without paths.
const OTHER_MODELS: [&str; 5] = ["embed", "moderation", "tts", "dall-e", "gpt-image"];

impl TrafficFormat for Helicone {
    fn name(&self) -> &'static str {
        "helicone"
    }

    fn reads(&self) -> &'static str {
        "Helicone: /v1/request/query and query-clickhouse, @helicone/export with --include-body, and exports of the page \
         of requests; JSON, JSONL or CSV"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[&["data"]]
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        let has = |name: &str| row.contains_key(name);
        let is_listed = has("request_created_at")
            && (has("request_id") || has("response_id"))
            && (has("request_body") || has("signed_body_url"))
            && (has("request_properties") || has("helicone_user") || has("response_status"));
        is_listed || is_of_page(row)
    }

    fn read(&self, row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        let row = if is_of_page(&row) { listed(row) } else { row };
        let fetched = object(row.get("signed_body_content"));
        let part = |name: &str, apart: &str| object(fetched.get(apart).or_else(|| row.get(name)));
        let (request, response) = (part("request_body", "request"), part("response_body", "response"));
        let properties = object(field(&row, &["request_properties", "properties"]));
        if is_own(&request, &properties) {
            return Ok(Found::Other(OWN));
        }
        if is_other_call(&row, &request) {
            return Ok(Found::Other(NOT_CHAT));
        }
        let Some(input) = asked(&request) else { return without_input(&row, &request) };
        Ok(Found::Request(Box::new(Request {
            id: text_field(&row, &["request_id", "response_id"]),
            input,
            output: output(&row, &response),
            at: time_field(&row, &["request_created_at"])?,
            user: text_field(&row, &["request_user_id"])
                .or_else(|| asker(&request))
                .or_else(|| text_field(&properties, &["Helicone-Session-Id"])),
            model: text_field(&row, &["response_model", "model", "request_model"])
                .or_else(|| text_field(&response, &["model"]))
                .or_else(|| text_field(&request, &["model"])),
            sample_rate: None,
            span: None,
        })))
    }
}

/// Whether a row is one of the page of requests, which maps every API to the same fields and keeps the bodies as `raw`.
fn is_of_page(row: &Map<String, Value>) -> bool {
    row.contains_key("raw") && object(row.get("heliconeMetadata")).contains_key("requestId")
}

/// A row of the page of requests with the names of the API.
fn listed(mut row: Map<String, Value>) -> Map<String, Value> {
    let (mut metadata, mut raw) = (object(row.get("heliconeMetadata")), object(row.get("raw")));
    let status = metadata.get_mut("status").and_then(|status| status.get_mut("code")).map(Value::take);
    let named = [
        ("request_id", metadata.remove("requestId")),
        ("request_created_at", metadata.remove("createdAt")),
        ("request_path", metadata.remove("path")),
        ("target_url", metadata.remove("targetUrl")),
        ("request_user_id", metadata.remove("user")),
        ("request_properties", metadata.remove("customProperties")),
        ("response_status", status),
        ("model", row.remove("model")),
        ("request_body", raw.remove("request")),
        ("response_body", raw.remove("response")),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn is_own(request: &Map<String, Value>, properties: &Map<String, Value>) -> bool {
    request.get("metadata").is_some_and(shows_karat) || shows_karat(&Value::Object(properties.clone()))
}

fn is_other_call(row: &Map<String, Value>, request: &Map<String, Value>) -> bool {
    // Helicone's own events: tools, vector databases and data.
    if request.contains_key("_type") {
        return true;
    }
    match text_field(row, &["request_path", "target_url"]) {
        Some(path) => OTHER_PATHS.iter().any(|other| path.contains(other)),
        None => {
            let model = text_field(row, &["model", "request_model"]).or_else(|| text_field(request, &["model"]));
            model.is_some_and(|model| OTHER_MODELS.iter().any(|other| model.contains(other)))
        }
    }
}

/// What a row without messages is. Helicone records every call, also those that list models or start threads.
fn without_input(row: &Map<String, Value>, request: &Map<String, Value>) -> Result<Found, String> {
    let is_left_out = request.contains_key("helicone_message");
    if is_left_out || request.is_empty() && text_field(row, &["signed_body_url"]).is_some() {
        return Err("the bodies are stored apart; add what `signed_body_url` returns as `request_body` and \
                    `response_body`, or export with --include-body"
            .to_owned());
    }
    match request.is_empty() || request.contains_key("messages") {
        true => Err("no messages in `request_body`".to_owned()),
        false => Ok(Found::Other(NOT_CHAT)),
    }
}

fn output(row: &Map<String, Value>, response: &Map<String, Value>) -> Option<Value> {
    // Statuses below 0 are Helicone's own, such as of canceled requests.
    let status = text_field(row, &["response_status"]).and_then(|status| status.parse::<i64>().ok());
    let has_failed = status.is_some_and(|status| !(200..300).contains(&status));
    let has_error = response.get("error").is_some_and(|error| !error.is_null());
    if has_failed || has_error && !response.contains_key("choices") {
        return None;
    }
    // Of Anthropic's API, the body was within another one once.
    match response.get("body").filter(|inner| inner.is_object()) {
        Some(inner) => answer(inner),
        None => answer(&Value::Object(response.clone())),
    }
}

/// The object, if necessary from JSON in text. The export to CSV doubles the quotes in it once too often.
fn object(value: Option<&Value>) -> Map<String, Value> {
    let value = match value {
        Some(Value::String(text)) if text.starts_with("{\"\"") => parsed(Value::String(text.replace("\"\"", "\""))),
        Some(other) => parsed(other.clone()),
        None => Value::Null,
    };
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::tests::{fixture, imported, json_with, record, shop, shop_requests};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(row: Value) -> Result<Found, String> {
        let Value::Object(row) = row else { panic!("not an object") };
        Helicone.read(row, &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn row(changes: Value) -> Value {
        let mut row = json!({"request_id": "r1", "request_created_at": "2026-02-03T10:00:00.000Z", "request_path": "/v1/chat/completions",
            "request_body": {"model": "g", "messages": [{"role": "user", "content": "hi"}]}, "request_user_id": "u",
            "request_properties": {"Helicone-Session-Id": "s"}, "response_id": "p1", "response_status": 200, "response_model": "m",
            "response_body": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}, "signed_body_url": null});
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    #[test]
    fn a_request_reads_the_same_from_the_api_and_from_exports() {
        let expected = Request {
            id: Some("r1".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: "2026-02-03T10:00:00Z".parse().ok(),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: None,
            span: None,
        };
        let body = row(json!({}));
        let texts = json!({"request_body": body["request_body"].to_string(), "response_body": body["response_body"].to_string(), "response_status": "200"});
        let apart = json!({"request_body": {"helicone_message": "fetching body"}, "response_body": null,
            "signed_body_content": {"request": body["request_body"], "response": body["response_body"]}});
        let claude = json!({"response_body": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hello"}]}});
        let gemini = json!({"request_body": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, "response_body": {"candidates": [{"content": {"parts": [{"text": "hello"}]}}]}});
        let responses = json!({"request_path": "/v1/responses", "request_body": {"model": "g", "input": "hi"}, "response_body": {"object": "response",
            "error": null, "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]}});
        let inner =
            json!({"response_body": {"body": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}}});
        let unnamed = json!({"request_user_id": "", "request_properties": {"Helicone-Session-Id": "u"}});
        for changes in [
            json!({}),
            texts,
            apart,
            claude,
            gemini,
            responses,
            inner,
            unnamed,
            json!({"response_model": null, "model": "m"}),
        ] {
            let row = row(changes.clone());
            assert!(Helicone.recognizes(row.as_object().unwrap(), &[]), "{changes}");
            assert_eq!(request_of(row), expected, "{changes}");
        }
    }

    #[test]
    fn exports_of_every_kind_give_the_same_records() {
        let at = |number: usize| format!("2026-09-14T08:30:{:02}Z", 2 * number);
        let expected = |place: &str, model: &str, has_output: bool, count: usize| -> Vec<TrafficRecord> {
            let failed = (shop(&["Please fail."]), "", "user-3");
            let numbered = shop_requests().into_iter().chain([failed, shop_requests()[0].clone()]).enumerate();
            let one = |(number, (messages, output, user)): (usize, (Value, &str, &str))| {
                let id = format!("6f7c1f8e-0000-4000-8000-{place}00000000{number:02}");
                let model = if number == 5 { "gpt-4o-mini" } else { model };
                record(
                    &id,
                    &at(number),
                    &messages,
                    Some(output).filter(|text| has_output && !text.is_empty()),
                    user,
                    model,
                )
            };
            numbered.map(one).take(count).collect()
        };
        let files = [
            ("helicone-query.json", expected("00", "gpt-4o-mini", true, 7)),
            ("helicone-export.jsonl", expected("00", "gpt-4o-mini", true, 5)),
            ("helicone-export.csv", expected("10", "gpt-4o-mini", false, 7)),
            ("helicone-page.jsonl", expected("00", "gpt-4o-mini-2024-07-18", true, 6)),
            ("helicone-page.csv", expected("00", "gpt-4o-mini-2024-07-18", true, 6)),
        ];
        for (name, expected) in files {
            let imported = imported(&Helicone, &[(name, &fixture(name))], Spans::Root).unwrap();
            assert_eq!(imported.records, expected, "{name}");
            assert_eq!(imported.bad, Vec::<String>::new(), "{name}");
            let other: Vec<(&str, u64)> = imported.counts[0].other.clone().into_iter().collect();
            let is_whole = expected.len() == 7;
            assert_eq!(other, if is_whole { vec![(NOT_CHAT, 1), (OWN, 1)] } else { vec![] }, "{name}");
        }
    }

    #[test]
    fn a_row_of_the_csv_export_has_no_answer() {
        let body = "{\"\"messages\"\":[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"say \\\"\"hi\\\"\"\"\"}]}";
        let row = json!({"response_id": "p1", "response_created_at": "2026-02-03T10:00:01Z", "response_status": "200",
            "request_created_at": "2026-02-03T10:00:00Z", "request_body": body, "request_properties": "", "request_user_id": "u",
            "model": "m", "prompt_tokens": "1", "completion_tokens": "1", "latency": "", "cost": ""});
        assert!(Helicone.recognizes(row.as_object().unwrap(), &[]));
        let request = request_of(row);
        assert_eq!(request.input, json!([{"role": "user", "content": "say \"hi\""}]));
        assert_eq!((request.id.as_deref(), request.output), (Some("p1"), None));
    }

    #[test]
    fn a_request_that_failed_has_no_output() {
        for changes in [
            json!({"response_status": 500}),
            json!({"response_status": -3}),
            json!({"response_body": {"error": {"message": "no"}}}),
        ] {
            assert_eq!(request_of(row(changes.clone())).output, None, "{changes}");
        }
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let cases = [
            (json!({"request_path": "/v1/embeddings"}), NOT_CHAT),
            (json!({"request_path": null, "target_url": "https://api.openai.com/v1/audio/speech"}), NOT_CHAT),
            (json!({"request_path": null, "response_model": null, "model": "text-embedding-3-small"}), NOT_CHAT),
            (json!({"request_body": {"assistant_id": "a"}, "request_path": "/v1/threads/t/runs"}), NOT_CHAT),
            (json!({"request_body": {"_type": "tool", "toolName": "t", "input": "hi"}}), NOT_CHAT),
            (json!({"request_properties": {"service": "karat"}}), OWN),
            (json!({"request_body": {"messages": [], "metadata": {"karat": "1"}}}), OWN),
        ];
        for (changes, reason) in cases {
            assert_eq!(read(row(changes.clone())), Ok(Found::Other(reason)), "{changes}");
        }
    }

    #[test]
    fn bodies_that_are_stored_apart_are_named() {
        for body in [json!({}), json!(""), Value::Null, json!({"helicone_message": "fetching body"})] {
            let error =
                read(row(json!({"request_body": body, "signed_body_url": "https://example.org/x"}))).unwrap_err();
            assert!(error.contains("stored apart"), "{error}");
        }
        assert_eq!(read(row(json!({"request_body": {}}))), Err("no messages in `request_body`".to_owned()));
        assert_eq!(
            read(row(json!({"request_created_at": "x"}))),
            Err("`request_created_at` is neither a date nor a Unix time".to_owned())
        );
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"messages": [{"role": "user", "content": "hi"}], "ts": 1}),
            json!({"request_id": "r", "call_type": "acompletion", "startTime": "2026-02-03", "spend": 0, "messages": {}}),
            json!({"request": {"messages": []}, "response": {"choices": []}}),
        ];
        for row in rows {
            assert!(!Helicone.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&[
            "body",
            "choices",
            "messages",
            "contents",
            "parts",
            "content",
            "candidates",
            "requestId",
            "request",
        ])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 9)) {
            let keys = ["request_id", "request_created_at", "request_body", "response_body", "response_status", "request_properties", "signed_body_content", "raw", "heliconeMetadata"];
            let row: Map<String, Value> = keys.iter().map(|key| (*key).to_owned()).zip(values).collect();
            let _ = Helicone.recognizes(&row, &[]);
            let _ = Helicone.read(row, &[]);
        }
    }
}
