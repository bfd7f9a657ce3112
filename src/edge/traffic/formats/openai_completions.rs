//! OpenAI's stored chat completions and responses, with their input, and logs of calls of its API: pairs of a request and its
//! response, or whole conversations.

use serde_json::{Map, Value, json};

use super::super::format::{Found, OWN, Request, TrafficFormat};
use super::super::messages::{NOT_CHAT, answer, asked, asker, field, parsed, shows_karat, text_field, time_field};

/// Chat completions and responses with their input.
pub struct OpenAiCompletions;

/// Names of the times of a row.
const TIMES: [&str; 7] = ["created", "created_at", "timestamp", "ts", "time", "start_time", "started_at"];

/// Kinds of objects that are answers.
const ANSWERS: [&str; 3] = ["chat.completion", "response", "text_completion"];

/// Roles of the messages of a conversation.
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Fields with which a list of messages is not a whole conversation, or is a row of another tool.
const ELSEWHERE: [&str; 9] =
    ["input", "inputs", "output", "outputs", "response", "completion", "answer", "choices", "call_type"];

/// What to do about an answer without its input.
const NO_INPUT: &str = "no input; stored answers come without it: add `messages` (what /v1/chat/completions/ID/messages \
                        returns) or `input` (what /v1/responses/ID/input_items?order=asc returns) to each row";

impl TrafficFormat for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai-completions"
    }

    fn reads(&self) -> &'static str {
        "OpenAI: stored chat completions with their `messages`, stored responses with their `input`, logs of {request, \
         response}, and conversations as for fine-tuning, with a time"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[&["data"]]
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        is_answer(row) || is_pair(row) || is_conversation(row) && TIMES.iter().any(|name| row.contains_key(*name))
    }

    fn read(&self, mut row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        for name in ["request", "response", "messages", "input", "metadata"] {
            if let Some(value) = row.get_mut(name) {
                *value = parsed(value.take());
            }
        }
        // A logged request may have headers, which name the program.
        let logged = row.get("request").filter(|request| request.is_object());
        let programs = ["user_agent", "service", "metadata"].into_iter().filter_map(|name| row.get(name));
        if programs.chain(logged).any(shows_karat) {
            return Ok(Found::Other(OWN));
        }
        for (name, inner) in
            [("request", body as fn(Value) -> Value), ("response", body), ("messages", items), ("input", items)]
        {
            if let Some(value) = row.get_mut(name) {
                *value = inner(value.take());
            }
        }
        read(&row)
    }
}

/// A stored completion or response.
fn is_answer(row: &Map<String, Value>) -> bool {
    let has_answer = row.get("choices").or_else(|| row.get("output")).is_some_and(Value::is_array);
    has_answer && text_field(row, &["object"]).is_some_and(|kind| ANSWERS.contains(&kind.as_str()))
}

/// A request with its response, or with the error it led to.
fn is_pair(row: &Map<String, Value>) -> bool {
    let object = |name: &str| row.get(name).map(|value| body(parsed(value.clone())));
    let is_request = |value: &Value| {
        let has = |name: &str| value.get(name).is_some();
        value.get("messages").is_some_and(Value::is_array) || (has("model") && (has("input") || has("prompt")))
    };
    let is_response =
        |value: &Value| value.is_null() || ["choices", "output", "error"].iter().any(|name| value.get(name).is_some());
    object("request").as_ref().is_some_and(is_request) && object("response").as_ref().is_some_and(is_response)
}

/// A whole conversation that ends with the answer, as in files for fine-tuning.
fn is_conversation(row: &Map<String, Value>) -> bool {
    let Some(Value::Array(messages)) = row.get("messages") else { return false };
    let role = |message: &Value| message.get("role").and_then(Value::as_str).map(str::to_owned);
    let roles: Vec<String> = messages.iter().filter_map(role).collect();
    roles.len() == messages.len()
        && roles.iter().all(|role| ROLES.contains(&role.as_str()))
        && roles.iter().any(|role| role == "user")
        && roles.last().is_some_and(|role| role == "assistant")
        && !ELSEWHERE.iter().any(|name| row.contains_key(*name))
}

/// The body of a logged HTTP message; any other value unchanged.
fn body(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => match fields.remove("body") {
            Some(body) => parsed(body),
            None => Value::Object(fields),
        },
        other => other,
    }
}

/// The items of a list that the API returns; any other value unchanged. Content in parts is next to the content.
fn items(value: Value) -> Value {
    let mut items = match value {
        Value::Object(mut fields) if fields.get("data").is_some_and(Value::is_array) => {
            fields.remove("data").unwrap_or_default()
        }
        other => other,
    };
    for item in items.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(parts @ Value::Array(_)) = item.remove("content_parts") {
            item.insert("content".to_owned(), parts);
        }
    }
    items
}

fn read(row: &Map<String, Value>) -> Result<Found, String> {
    let empty = Map::new();
    let part = |name: &str| row.get(name).and_then(Value::as_object);
    let answered = part("response").or_else(|| is_answer(row).then_some(row));
    if answered.or_else(|| part("request")).is_none() && !is_conversation(row) {
        return Err("neither a stored answer, nor a request with its response, nor a conversation".to_owned());
    }
    let (request, response) = (part("request").unwrap_or(&empty), answered.unwrap_or(&empty));
    if [row, request, response].into_iter().filter_map(|fields| fields.get("metadata")).any(shows_karat) {
        return Ok(Found::Other(OWN));
    }
    if text_field(response, &["object"]).is_some_and(|kind| !ANSWERS.contains(&kind.as_str())) {
        return Ok(Found::Other(NOT_CHAT));
    }
    let output = match answered {
        Some(response) => answer(&Value::Object(response.clone())),
        None if is_conversation(row) => row.get("messages").and_then(answer),
        None => None,
    };
    let at = match time_field(row, &TIMES)? {
        Some(at) => Some(at),
        None => time_field(response, &["created", "created_at"])?,
    };
    Ok(Found::Request(Box::new(Request {
        id: text_field(row, &["id", "request_id"]).or_else(|| text_field(response, &["id"])),
        input: without_answer(input(row, request, response).ok_or(NO_INPUT)?, output.as_ref()),
        output,
        at,
        user: user(row, request, response),
        model: text_field(response, &["model"])
            .or_else(|| text_field(request, &["model"]))
            .or_else(|| text_field(row, &["model"])),
        sample_rate: None,
        span: None,
    })))
}

/// What was asked: in the request, or else next to the answer.
fn input(row: &Map<String, Value>, request: &Map<String, Value>, response: &Map<String, Value>) -> Option<Value> {
    if let Some(input) = asked(request) {
        return Some(input);
    }
    let listed = ["messages", "input", "request"]
        .into_iter()
        .filter_map(|name| field(row, &[name]))
        .find(|value| value.is_array() || value.is_string());
    let Some(listed) = listed else {
        // Of a completion without messages.
        let prompt = field(row, &["prompt"]).filter(|prompt| prompt.is_array() || prompt.is_string())?;
        return asked(&Map::from_iter([("prompt".to_owned(), prompt.clone())]));
    };
    let mut body = Map::new();
    match (listed, field(response, &["instructions"])) {
        // Instructions from a prompt of the dashboard are messages.
        (Value::Array(items), Some(Value::Array(first))) => {
            body.insert("messages".to_owned(), Value::Array(first.iter().chain(items).cloned().collect()));
        }
        (Value::String(text), Some(Value::Array(first))) => {
            let question = json!({"role": "user", "content": text});
            body.insert("messages".to_owned(), Value::Array(first.iter().cloned().chain([question]).collect()));
        }
        (listed, instructions) => {
            body.insert("messages".to_owned(), listed.clone());
            body.extend(instructions.map(|text| ("instructions".to_owned(), text.clone())));
        }
    }
    asked(&body)
}

/// Logs of whole conversations repeat the answer as the last message.
fn without_answer(mut input: Value, output: Option<&Value>) -> Value {
    if let Value::Array(messages) = &mut input
        && messages.len() > 1
        && output.is_some()
        && messages.last().is_some_and(|last| {
            last.get("role").and_then(Value::as_str) == Some("assistant") && answer(last).as_ref() == output
        })
    {
        messages.pop();
    }
    input
}

fn user(row: &Map<String, Value>, request: &Map<String, Value>, response: &Map<String, Value>) -> Option<String> {
    let all = [request, response, row];
    let in_metadata =
        |names: &[&str]| all.iter().find_map(|fields| text_field(fields.get("metadata")?.as_object()?, names));
    let conversation = || match response.get("conversation")? {
        Value::Object(conversation) => text_field(conversation, &["id"]),
        _ => text_field(response, &["conversation"]),
    };
    all.iter()
        .find_map(|fields| asker(fields))
        // `input_user` is the user of a stored completion.
        .or_else(|| text_field(row, &["user_id", "input_user"]))
        .or_else(|| in_metadata(&["user_id", "user", "end_user"]))
        .or_else(|| text_field(row, &["session_id"]))
        .or_else(|| in_metadata(&["session_id", "conversation_id", "thread_id"]))
        .or_else(conversation)
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::tests::{fixture, imported, json_with, record, shop, shop_requests};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;

    fn read(row: Value) -> Result<Found, String> {
        let Value::Object(row) = row else { panic!("not an object") };
        OpenAiCompletions.read(row, &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn merged(mut row: Value, changes: &Value) -> Value {
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    fn completion() -> Value {
        json!({"id": "c1", "object": "chat.completion", "created": 1_770_112_800, "model": "m", "metadata": {"user_id": "u"},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}]})
    }

    #[test]
    fn a_request_reads_the_same_in_every_form() {
        let expected = Request {
            id: Some("c1".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: "2026-02-03T10:00:00Z".parse().ok(),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: None,
            span: None,
        };
        let messages = json!([{"role": "user", "content": "hi"}]);
        let whole = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]);
        let output =
            json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]);
        let rows = [
            merged(completion(), &json!({"messages": messages})),
            merged(completion(), &json!({"messages": whole})),
            merged(completion(), &json!({"messages": {"object": "list", "data": messages}})),
            merged(completion(), &json!({"input": messages})),
            merged(completion(), &json!({"request": messages})),
            merged(completion(), &json!({"request": {"messages": messages, "model": "g"}})),
            json!({"request": {"messages": messages, "model": "g"}, "response": completion()}),
            json!({"request": json!({"messages": messages, "user": "u"}).to_string(), "response": completion().to_string()}),
            json!({"id": "c1", "object": "response", "created_at": 1_770_112_800.0, "model": "m", "input": "hi", "output": output, "safety_identifier": "u"}),
            json!({"id": "c1", "object": "response", "created_at": 1_770_112_800.0, "model": "m", "input": messages, "output": output, "conversation": {"id": "u"}}),
        ];
        for row in rows {
            assert!(OpenAiCompletions.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
    }

    /// The records of a fixture, those without an id of their own as `hashed`, and the rows that are no requests.
    fn records_of(name: &str) -> (Vec<TrafficRecord>, Vec<(&'static str, u64)>) {
        let mut imported = imported(&OpenAiCompletions, &[(name, &fixture(name))], Spans::Root).unwrap();
        assert_eq!(imported.bad, Vec::<String>::new(), "{name}");
        for record in &mut imported.records {
            if record.record_id.len() == 32 && record.record_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                record.record_id = "hashed".to_owned();
            }
        }
        (imported.records, imported.counts[0].other.clone().into_iter().collect())
    }

    const ANSWERED_BY: &str = "gpt-4o-mini-2024-07-18";

    fn expected(id: &str, second: usize, (messages, output, user): (Value, &str, &str)) -> TrafficRecord {
        record(id, &format!("2026-09-14T08:30:{second:02}Z"), &messages, Some(output), user, ANSWERED_BY)
    }

    #[test]
    fn stored_completions_and_responses_are_read_with_their_listed_input() {
        let numbered = shop_requests().into_iter().enumerate();
        let completions: Vec<TrafficRecord> =
            numbered.map(|(number, one)| expected(&format!("chatcmpl-{}", number + 1), 2 * number + 1, one)).collect();
        assert_eq!(records_of("openai-completions-stored.json"), (completions, vec![(OWN, 1)]));
        let numbered = [0, 1, 2, 4].into_iter().enumerate();
        let responses: Vec<TrafficRecord> = numbered
            .map(|(place, number)| {
                expected(&format!("resp_{}", place + 7), 2 * place + 13, shop_requests()[number].clone())
            })
            .collect();
        assert_eq!(records_of("openai-completions-responses.jsonl"), (responses, vec![]));
    }

    #[test]
    fn logs_are_read_with_the_bodies_of_http_or_without() {
        let failed = |id: &str| TrafficRecord {
            output: None,
            model: Some("gpt-4o-mini".to_owned()),
            ..expected(id, 10, (shop(&["Please fail."]), "", "user-3"))
        };
        let numbered = || shop_requests().into_iter().enumerate();
        let mut http: Vec<TrafficRecord> =
            numbered().map(|(number, one)| expected(&format!("chatcmpl-{}", number + 1), 2 * number, one)).collect();
        http.extend([failed("hashed"), expected("resp_7", 12, shop_requests()[2].clone())]);
        assert_eq!(records_of("openai-completions-http.jsonl"), (http, vec![(NOT_CHAT, 1), (OWN, 1)]));
        let mut pairs: Vec<TrafficRecord> =
            numbered().map(|(number, one)| expected(&format!("log-{number}"), 2 * number, one)).collect();
        pairs.push(failed("log-5"));
        assert_eq!(records_of("openai-completions-pairs.jsonl"), (pairs, vec![]));
    }

    #[test]
    fn the_last_message_of_a_conversation_is_the_answer() {
        let chats: Vec<TrafficRecord> = shop_requests()
            .into_iter()
            .enumerate()
            .map(|(number, one)| TrafficRecord { model: None, ..expected("hashed", 2 * number, one) })
            .collect();
        assert_eq!(records_of("openai-completions-chats.jsonl"), (chats, vec![]));
        let row = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]});
        assert!(!OpenAiCompletions.recognizes(row.as_object().unwrap(), &[]), "there is no time");
        assert_eq!(request_of(row.clone()).at, None);
        assert_eq!(request_of(row).output, Some(json!("hello")));
    }

    #[test]
    fn instructions_may_be_messages() {
        let first =
            json!([{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]}]);
        let expected = json!([{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        for input in [json!("hi"), json!([{"role": "user", "content": "hi"}])] {
            let row = json!({"id": "r", "object": "response", "instructions": first, "input": input, "output": []});
            assert_eq!(request_of(row).input, expected);
        }
        let row =
            json!({"id": "r", "object": "text_completion", "prompt": "hi", "choices": [{"index": 0, "text": "a"}]});
        assert_eq!(request_of(row).input, json!("hi"));
    }

    #[test]
    fn the_time_of_a_row_counts_before_that_of_its_response() {
        let row = json!({"request": {"messages": [{"role": "user", "content": "hi"}]}, "response": completion(), "timestamp": "2026-02-03T09:59:58Z"});
        assert_eq!(request_of(row).at, "2026-02-03T09:59:58Z".parse().ok());
    }

    #[test]
    fn instructions_of_a_response_are_the_first_message() {
        let row = json!({"id": "r", "object": "response", "instructions": "be brief", "input": "hi", "output": []});
        let request = request_of(row);
        assert_eq!(
            request.input,
            json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}])
        );
        assert_eq!(request.output, None);
    }

    #[test]
    fn a_request_that_failed_has_no_output() {
        for response in [json!({"error": {"message": "no"}}), Value::Null] {
            let row = json!({"request": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, "response": response});
            assert!(OpenAiCompletions.recognizes(row.as_object().unwrap(), &[]), "{row}");
            let request = request_of(row);
            assert_eq!((request.output, request.model.as_deref()), (None, Some("m")));
        }
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let cases = [
            (merged(completion(), &json!({"messages": messages, "metadata": {"service": "karat"}})), OWN),
            (json!({"request": {"messages": messages}, "response": completion(), "user_agent": "karat/0.1"}), OWN),
            (json!({"request": {"model": "e", "input": "hi"}, "response": {"object": "list", "data": []}}), NOT_CHAT),
            (
                json!({"request": {"headers": {"User-Agent": "karat/1.0"}, "body": {"messages": messages}}, "response": null}),
                OWN,
            ),
        ];
        for (row, reason) in cases {
            assert_eq!(read(row.clone()), Ok(Found::Other(reason)), "{row}");
        }
        assert_eq!(
            request_of(merged(completion(), &json!({"request": "karat"}))).input,
            json!([{"role": "user", "content": "karat"}])
        );
    }

    #[test]
    fn answers_without_their_input_are_refused() {
        assert!(read(completion()).unwrap_err().starts_with("no input"));
        assert!(read(json!({})).unwrap_err().starts_with("neither"));
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"messages": [{"role": "user", "content": "hi"}], "ts": 1}),
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}], "ts": 1, "output": "b"}),
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "ai", "content": "a"}], "ts": 1}),
            json!({"request": "a question", "response": "an answer", "created": 1}),
            json!({"request": {"messages": []}, "response": "an answer"}),
            json!({"custom_id": "r1", "response": {"status_code": 200, "body": {"choices": []}}, "error": null}),
            json!({"object": "chat.completion.chunk", "choices": []}),
            json!({"id": "c1", "call_type": "acompletion", "messages": [], "response": {"choices": []}, "startTime": 1.0}),
            json!({"request_id": "r", "request_created_at": "2026-02-03", "request_body": {}, "response_body": {"choices": []}}),
        ];
        for row in rows {
            assert!(!OpenAiCompletions.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&[
            "data",
            "choices",
            "messages",
            "output",
            "role",
            "content",
            "metadata",
            "body",
            "content_parts",
            "instructions",
        ])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 9), kind in prop::sample::select(vec!["chat.completion", "response", ""])) {
            let keys = ["id", "request", "response", "messages", "input", "output", "choices", "metadata", "created"];
            let mut row: Map<String, Value> = keys.iter().map(|key| (*key).to_owned()).zip(values).collect();
            row.insert("object".to_owned(), json!(kind));
            let _ = OpenAiCompletions.recognizes(&row, &[]);
            let _ = OpenAiCompletions.read(row.clone(), &[]);
            row.remove("response");
            let _ = OpenAiCompletions.read(row, &[]);
        }
    }
}
