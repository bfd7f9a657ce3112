//! OpenAI's Batch API: files of requests, and files of answers, which are joined by their `custom_id`. That is unique within a
//! batch only, and neither file names the batch.

use serde_json::{Map, Value, json};

use super::super::format::{Found, OWN, Part, Request, Span, TrafficFormat};
use super::super::messages::{NOT_CHAT, answer, asked, asker, field, shows_karat, text_field, time_field};

/// Input and output files of batches.
pub struct OpenAiBatch;

/// Lines of an output file, or of an error file, without an answer.
const FAILED: &str = "requests of a batch that failed";

impl TrafficFormat for OpenAiBatch {
    fn name(&self) -> &'static str {
        "openai-batch"
    }

    fn reads(&self) -> &'static str {
        "OpenAI's Batch API: input, output and error files together, for completions, chat completions and responses; no \
         `custom_id` twice in a source"
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        is_input(row) || is_output(row)
    }

    fn missing_time(&self) -> String {
        "no answer with a time; import the output file of its batch too, or set a time for all rows with --at"
            .to_owned()
    }

    fn read(&self, row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        let id = text_field(&row, &["custom_id"]).ok_or("no `custom_id`")?;
        match (row.get("body"), row.get("response")) {
            (Some(Value::Object(body)), _) => input(&row, body, id),
            (_, Some(response)) => output(response, id),
            _ => Err("neither `body` nor `response`".to_owned()),
        }
    }
}

fn is_input(row: &Map<String, Value>) -> bool {
    ["custom_id", "method", "url"].iter().all(|name| row.get(*name).is_some_and(Value::is_string))
        && row.get("body").is_some_and(Value::is_object)
}

fn is_output(row: &Map<String, Value>) -> bool {
    let is_response = |value: &Value| value.is_null() || value.get("status_code").is_some();
    row.get("custom_id").is_some_and(Value::is_string)
        && row.contains_key("error")
        && row.get("response").is_some_and(is_response)
}

fn input(row: &Map<String, Value>, body: &Map<String, Value>, id: String) -> Result<Found, String> {
    // Azure leaves out the version.
    let is_chat = |url: String| ["/completions", "/responses"].iter().any(|end| url.ends_with(end));
    if !text_field(row, &["url"]).is_some_and(is_chat) {
        return Ok(Found::Other(NOT_CHAT));
    }
    if body.get("metadata").is_some_and(shows_karat) {
        return Ok(Found::Other(OWN));
    }
    Ok(Found::Request(Box::new(Request {
        input: asked(body).ok_or("no messages in `body`")?,
        user: asker(body),
        model: text_field(body, &["model"]),
        span: Some(Span { trace: id.clone(), id: id.clone(), ..Span::default() }),
        id: Some(id),
        ..Request::default()
    })))
}

fn output(response: &Value, id: String) -> Result<Found, String> {
    let Some(Value::Object(body)) = response.get("body") else { return Ok(Found::Other(FAILED)) };
    if field(body, &["error"]).is_some() {
        return Ok(Found::Other(FAILED));
    }
    if body.get("metadata").is_some_and(shows_karat) {
        return Ok(Found::Other(OWN));
    }
    if !["choices", "output"].iter().any(|name| body.contains_key(*name)) {
        return Ok(Found::Other(NOT_CHAT));
    }
    let at = time_field(body, &["created", "created_at"])?;
    let Some(answer) = answer(&Value::Object(body.clone())) else { return Ok(Found::Other(FAILED)) };
    let is_call = |item: &Value| item.get("function").is_some();
    let message = match &answer {
        Value::Array(items) if items.iter().all(is_call) => {
            json!({"role": "assistant", "content": null, "tool_calls": answer})
        }
        _ => json!({"role": "assistant", "content": answer}),
    };
    Ok(Found::Part(Box::new(Part { trace: id.clone(), span: id, at, message, is_output: true })))
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::super::format::NO_REQUEST;
    use super::super::tests::{fixture, imported, json_with, key, record, shop_requests};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;

    fn read(row: Value) -> Result<Found, String> {
        let Value::Object(row) = row else { panic!("not an object") };
        OpenAiBatch.read(row, &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn line(url: &str, body: Value) -> Value {
        json!({"custom_id": "r1", "method": "POST", "url": url, "body": body})
    }

    fn result(body: Value) -> Value {
        json!({"id": "batch_req_1", "custom_id": "r1", "response": {"status_code": 200, "request_id": "q", "body": body}, "error": null})
    }

    #[test]
    fn a_request_reads_the_same_from_every_endpoint() {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "user": "u"});
        let expected = Request {
            id: Some("r1".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            span: Some(Span { trace: "r1".to_owned(), id: "r1".to_owned(), ..Span::default() }),
            ..Request::default()
        };
        let rows = [
            line("/v1/chat/completions", body.clone()),
            line("/chat/completions", body),
            line("/v1/responses", json!({"model": "m", "input": "hi", "safety_identifier": "u"})),
            line("/openai/v1/responses", json!({"model": "m", "input": "hi", "user": "u"})),
        ];
        for row in rows {
            assert!(OpenAiBatch.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
        let prompt = line("/v1/completions", json!({"model": "m", "prompt": "hi"}));
        assert_eq!(request_of(prompt).input, json!("hi"));
    }

    #[test]
    fn an_answer_is_a_part_in_the_place_of_its_request() {
        let part = |message: Value| {
            let at = "2026-02-03T10:00:00Z".parse().ok();
            Ok(Found::Part(Box::new(Part {
                trace: "r1".to_owned(),
                span: "r1".to_owned(),
                at,
                message,
                is_output: true,
            })))
        };
        let text = json!({"role": "assistant", "content": "hello"});
        let call = json!({"type": "function", "function": {"name": "f", "arguments": "{}"}});
        let cases = [
            (
                json!({"created": 1_770_112_800, "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}),
                text.clone(),
            ),
            (
                json!({"created_at": 1_770_112_800, "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]}),
                text,
            ),
            (
                json!({"created": 1_770_112_800, "choices": [{"index": 0, "message": {"content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}]}),
                json!({"role": "assistant", "content": null, "tool_calls": [call]}),
            ),
        ];
        for (body, message) in cases {
            let row = result(body);
            assert!(OpenAiBatch.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(read(row.clone()), part(message), "{row}");
        }
    }

    #[test]
    fn requests_are_joined_with_their_answers_over_the_files_of_a_batch() {
        let names = ["openai-batch-output.jsonl", "openai-batch-input.jsonl", "openai-batch-errors.jsonl"];
        let contents = names.map(fixture);
        let files: Vec<(&str, &[u8])> = names.into_iter().zip(contents.iter().map(Vec::as_slice)).collect();
        let imported = imported(&OpenAiBatch, &files, Spans::Root).unwrap();
        let at = |number: usize| format!("2026-09-14T08:30:{:02}Z", 2 * number + 1);
        let hidden = key().record("shop canary.person@example.org");
        let id = |number: usize| if number == 4 { hidden.clone() } else { format!("shop-{number}") };
        let requests = shop_requests();
        let (first, third) = (requests[0].clone(), requests[2].clone());
        let numbered = requests.into_iter().enumerate().chain([(6, first), (7, third)]);
        let mut expected: Vec<TrafficRecord> = numbered
            .map(|(number, (messages, output, user))| {
                record(&id(number), &at(number), &messages, Some(output), user, "gpt-4o-mini")
            })
            .collect();
        let prompt =
            record("shop-8", &at(8), &json!("Can I return shoes?"), Some("Yes, for 30 days."), "", "gpt-4o-mini");
        expected.push(TrafficRecord { group: None, ..prompt });
        expected.sort_by(|a, b| a.record_id.cmp(&b.record_id));
        assert_eq!(imported.records, expected);
        // One failed, one expired: there is no time at which they were sent.
        assert_eq!(imported.bad, [OpenAiBatch.missing_time(), OpenAiBatch.missing_time()]);
        let other =
            |index: usize| imported.counts[index].other.iter().map(|(reason, count)| (*reason, *count)).collect();
        let [output, input, errors]: [Vec<(&str, u64)>; 3] = [other(0), other(1), other(2)];
        assert_eq!(output, [(NOT_CHAT, 1), (NO_REQUEST, 1)]);
        assert_eq!(input, [(NOT_CHAT, 1), (OWN, 1)]);
        assert_eq!(errors, [(FAILED, 2)]);
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let cases = [
            (line("/v1/embeddings", json!({"model": "m", "input": "hi"})), NOT_CHAT),
            (line("/v1/chat/completions", json!({"messages": messages, "metadata": {"service": "karat"}})), OWN),
            (result(json!({"object": "list", "data": [{"embedding": [0.1]}]})), NOT_CHAT),
            (result(json!({"output": [], "metadata": {"karat": "1"}})), OWN),
            (result(json!({"error": {"message": "no"}})), FAILED),
            (result(json!({"choices": []})), FAILED),
            (
                json!({"id": "b", "custom_id": "r1", "response": null, "error": {"code": "batch_expired", "message": "m"}}),
                FAILED,
            ),
        ];
        for (row, reason) in cases {
            assert_eq!(read(row.clone()), Ok(Found::Other(reason)), "{row}");
        }
    }

    #[test]
    fn lines_without_a_request_are_refused() {
        assert_eq!(read(line("/v1/chat/completions", json!({}))), Err("no messages in `body`".to_owned()));
        assert_eq!(read(json!({"url": "/v1/responses"})), Err("no `custom_id`".to_owned()));
        assert_eq!(read(json!({"custom_id": "a"})), Err("neither `body` nor `response`".to_owned()));
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"messages": [{"role": "user", "content": "hi"}], "ts": 1}),
            json!({"request": {"messages": []}, "response": {"choices": []}, "custom_id": "1"}),
            json!({"custom_id": "1", "params": {"messages": []}}),
        ];
        for row in rows {
            assert!(!OpenAiBatch.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&["body", "choices", "messages", "output", "message", "type", "created"])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(body in any_json(), response in any_json(), url in prop::sample::select(vec!["/v1/responses", "/v1/embeddings", ""])) {
            for row in [line(url, body.clone()), json!({"custom_id": "r1", "response": response, "error": null}), result(body)] {
                let row = row.as_object().unwrap().clone();
                let _ = OpenAiBatch.recognizes(&row, &[]);
                let _ = OpenAiBatch.read(row, &[]);
            }
        }
    }
}
