//! LiteLLM: what its SDK and proxy hand to loggers for each call, and the rows of the proxy's spend logs.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::format::{Found, OWN, Request, Span, TrafficFormat};
use super::super::messages::{
    NOT_CHAT, answer, asked, asker, field, inner, object, parsed, shows_karat, text_field, time_field,
};
use crate::core::domain::input_text;

/// Logs of LiteLLM.
pub struct LiteLlm;

/// Calls with which LiteLLM's proxy tests whether a model answers.
const HEALTH: &str = "health checks";

/// Calls that LiteLLM makes itself while it handles a request, such as to choose a model or to judge an answer.
const INTERNAL: &str = "LiteLLM's own calls";

/// Copies of requests that are sent to a second model whose answers nobody gets.
const MIRRORED: &str = "mirrored calls";

/// Failed attempts that cost money, which spend logs list apart from the call that was retried.
const RETRIED: &str = "attempts that were retried";

/// The tag of health checks.
const HEALTH_TAG: &str = "litellm-internal-health-check";

/// What LiteLLM writes in place of messages that are not logged.
const REDACTED: &str = "redacted-by-litellm";

/// The types of calls that are chats; each also exists with an `a` in front.
const CHATS: [&str; 6] =
    ["completion", "text_completion", "responses", "anthropic_messages", "generate_content", "generate_content_stream"];

/// The types of calls that are chats if they have messages.
const PASSED_THROUGH: [&str; 2] = ["pass_through_endpoint", "llm_passthrough_route"];

impl TrafficFormat for LiteLlm {
    fn name(&self) -> &'static str {
        "litellm"
    }

    fn reads(&self) -> &'static str {
        "LiteLLM 1.110: StandardLoggingPayload as loggers write it, and spend logs with stored prompts"
    }

    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[&["data"]]
    }

    fn recognizes(&self, row: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        is_payload(row) || is_spend(row)
    }

    fn read(&self, row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        let log = Log::new(&row);
        match log.left_out() {
            Some(reason) => Ok(Found::Other(reason)),
            None => log.request(),
        }
    }
}

fn is_payload(row: &Map<String, Value>) -> bool {
    let has_times = row.get("startTime").is_some_and(Value::is_number);
    row.get("call_type").is_some_and(Value::is_string)
        && has_times
        && row.contains_key("id")
        && row.contains_key("response_cost")
        && row.contains_key("messages")
}

fn is_spend(row: &Map<String, Value>) -> bool {
    ["request_id", "call_type", "startTime"].iter().all(|name| row.get(*name).is_some_and(Value::is_string))
        && ["spend", "cache_hit", "request_tags"].iter().all(|name| row.contains_key(*name))
}

/// A row whose JSON in text is parsed.
struct Log<'r> {
    row: &'r Map<String, Value>,
    metadata: Map<String, Value>,
    /// The body of the request, as spend logs have it.
    body: Map<String, Value>,
    tags: Cow<'r, Value>,
    is_spend: bool,
}

impl<'r> Log<'r> {
    fn new(row: &'r Map<String, Value>) -> Self {
        let body = object(row.get("proxy_server_request"));
        let body = match body.get("body") {
            Some(Value::Object(inner)) => inner.clone(),
            _ => body,
        };
        let tags = row.get("request_tags").map_or(Cow::Owned(Value::Null), inner);
        Self { row, metadata: object(row.get("metadata")), body, tags, is_spend: !row.contains_key("id") }
    }

    fn in_metadata(&self, names: &[&str]) -> Option<String> {
        text_field(&self.metadata, names)
    }

    /// What the caller sent along with its request.
    fn sent(&self) -> Option<&Map<String, Value>> {
        self.metadata.get("requester_metadata").and_then(Value::as_object)
    }

    fn parameters(&self) -> Option<&Map<String, Value>> {
        self.row.get("model_parameters").and_then(Value::as_object)
    }

    fn left_out(&self) -> Option<&'static str> {
        let agents =
            [self.row.get("user_agent"), self.metadata.get("user_agent"), self.metadata.get("requester_metadata")];
        let headers = [self.metadata.get("requester_custom_headers"), self.body.get("metadata")];
        if shows_karat(&self.tags) || agents.into_iter().chain(headers).flatten().any(shows_karat) {
            return Some(OWN);
        }
        let is_health = |tag: &Value| tag.as_str() == Some(HEALTH_TAG);
        if self.tags.as_array().is_some_and(|tags| tags.iter().any(is_health))
            || self.in_metadata(&["user_api_key_alias"]).as_deref() == Some(HEALTH_TAG)
        {
            return Some(HEALTH);
        }
        let is_set = |name: &str| self.metadata.get(name) == Some(&Value::Bool(true));
        let is_internal = self.in_metadata(&["internal_call_origin"]).is_some()
            || self.row.contains_key("classifier_input")
            || self.body.contains_key("classifier_input");
        let reasons = [
            (is_internal, INTERNAL),
            (is_set("is_silent_experiment"), MIRRORED),
            (is_set("billed_retry_attempt"), RETRIED),
            (!self.is_chat(), NOT_CHAT),
        ];
        reasons.into_iter().find(|(applies, _)| *applies).map(|(_, reason)| reason)
    }

    /// The type of the call without the `a` of calls that do not block.
    fn kind(&self) -> &str {
        let kind = self.row.get("call_type").and_then(Value::as_str).unwrap_or_default();
        let is_known = |rest: &&str| CHATS.contains(rest) || PASSED_THROUGH.contains(rest);
        kind.strip_prefix('a').filter(is_known).unwrap_or(kind)
    }

    fn is_passed_through(&self) -> bool {
        PASSED_THROUGH.contains(&self.kind())
    }

    fn is_chat(&self) -> bool {
        CHATS.contains(&self.kind()) || ((self.is_passed_through() || self.kind().is_empty()) && self.input().is_some())
    }

    fn input(&self) -> Option<Value> {
        if let Some(input) = asked(&self.body) {
            return Some(input);
        }
        let logged = inner(self.row.get("messages")?);
        if let Some(body) = passed_body(&logged).filter(|_| self.is_passed_through()) {
            return asked(&body);
        }
        let mut body = Map::new();
        body.insert("messages".to_owned(), logged.into_owned());
        let named =
            |fields: Option<&Map<String, Value>>, name| fields.and_then(|fields| field(fields, &[name]).cloned());
        // OpenAI's responses repeat the instructions.
        let repeated = || named(self.row.get("response").and_then(Value::as_object), "instructions");
        let instructions = named(self.parameters(), "instructions").or_else(repeated);
        for (name, text) in [("instructions", instructions), ("system", named(self.parameters(), "system"))] {
            if let Some(text) = text {
                body.insert(name.to_owned(), text);
            }
        }
        asked(&body)
    }

    fn output(&self) -> Option<Value> {
        let response = inner(self.row.get("response")?);
        // Calls that are passed through have their answer within another object.
        let passed = response.get("response").filter(|_| self.is_passed_through()).map(inner);
        answer(passed.as_deref().unwrap_or(&response)).filter(|answer| answer.as_str() != Some(REDACTED))
    }

    fn request(&self) -> Result<Found, String> {
        let input = self.input().ok_or_else(|| self.missing_input().to_owned())?;
        if is_redacted(&input) {
            return Err("the messages were not logged (LiteLLM's `turn_off_message_logging`)".to_owned());
        }
        let has_failed = text_field(self.row, &["status"]).is_some_and(|status| status == "failure");
        Ok(Found::Request(Box::new(Request {
            id: text_field(self.row, &["id", "request_id"]),
            output: self.output().filter(|_| !has_failed),
            at: time_field(self.row, &["startTime"])?,
            user: self.user(),
            model: text_field(self.row, &["model"]),
            sample_rate: None,
            span: self.span(&input, has_failed)?,
            input,
        })))
    }

    fn missing_input(&self) -> &'static str {
        match self.is_spend {
            false => "no `messages`",
            true if self.row.contains_key("proxy_server_request") => {
                "no messages; LiteLLM stores them in spend logs with `store_prompts_in_spend_logs: true`"
            }
            true => {
                "no `proxy_server_request`, which lists of spend logs leave out; export the table LiteLLM_SpendLogs"
            }
        }
    }

    fn user(&self) -> Option<String> {
        text_field(self.row, &["end_user"])
            .or_else(|| self.in_metadata(&["user_api_key_end_user_id"]))
            .or_else(|| self.parameters().and_then(asker))
            .or_else(|| asker(&self.body))
            .or_else(|| self.session())
            // The owner of a key is the user only if every user has one.
            .or_else(|| self.in_metadata(&["user_api_key_user_id"]).filter(|user| user != "default_user_id"))
    }

    fn session(&self) -> Option<String> {
        text_field(self.row, &["session_id"]).or_else(|| text_field(self.sent()?, &["session_id"]))
    }

    /// The calls of one trace that answer the same turn are attempts and fallbacks of one request, or the steps of an
    /// agent. Without `request_correlation_in_logs`, the trace of calls in a session is the session, and nothing in a
    /// row tells whether it is. Spend logs have only the last attempt.
    fn span(&self, input: &Value, has_failed: bool) -> Result<Option<Span>, String> {
        let trace = text_field(self.row, &["trace_id"]).filter(|_| !self.is_spend);
        let trace = trace.filter(|trace| self.session().as_ref() != Some(trace));
        let Some((trace, id)) = trace.zip(text_field(self.row, &["id"])) else { return Ok(None) };
        // So that an attempt that succeeded comes first.
        let parent = has_failed.then(|| trace.clone());
        Ok(Some(Span { trace, id, parent, end: time_field(self.row, &["endTime"])?, turn: Some(turn(input)) }))
    }
}

/// The user's last turn: the number of messages up to it, and its text.
fn turn(input: &Value) -> String {
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_user = |item: &Value| item.get("role").and_then(Value::as_str) == Some("user");
    let count = items.iter().rposition(is_user).map_or(items.len(), |last| last + 1);
    format!("{count} {}", input_text(input))
}

/// The body of a call that was passed through, which LiteLLM logs as JSON in the text of a single message.
fn passed_body(logged: &Value) -> Option<Map<String, Value>> {
    let [message] = logged.as_array()?.as_slice() else { return None };
    match parsed(message.get("content")?.clone()) {
        Value::Object(body) => Some(body),
        _ => None,
    }
}

fn is_redacted(input: &Value) -> bool {
    let is_mark = |item: &Value| item.get("content").and_then(Value::as_str) == Some(REDACTED);
    input.as_str() == Some(REDACTED)
        || input.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(is_mark))
}

#[cfg(test)]
mod tests {
    use super::super::super::Spans;
    use super::super::tests::{Imported, fixture, imported, json_with, key, record, shop, shop_requests};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn read(row: Value) -> Result<Found, String> {
        let Value::Object(row) = row else { panic!("not an object") };
        LiteLlm.read(row, &[])
    }

    fn request_of(row: Value) -> Request {
        match read(row) {
            Ok(Found::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn with(mut row: Value, changes: &Value) -> Value {
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    fn payload(changes: Value) -> Value {
        let row = json!({"id": "c1", "trace_id": "t1", "session_id": "", "call_type": "acompletion", "status": "success",
            "startTime": 1_770_112_800.0, "endTime": 1_770_112_802.0, "response_cost": 0.1, "model": "m", "end_user": "u",
            "messages": [{"role": "user", "content": "hi"}], "request_tags": ["a"], "metadata": {}, "model_parameters": {},
            "response": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}});
        with(row, &changes)
    }

    fn spend(changes: Value) -> Value {
        let row = json!({"request_id": "c1", "call_type": "acompletion", "startTime": "2026-02-03T10:00:00Z", "spend": 0.1,
            "endTime": "2026-02-03T10:00:02Z", "cache_hit": "False", "request_tags": "[]", "session_id": "s", "end_user": "u",
            "model": "m", "messages": {}, "proxy_server_request": {"model": "g", "messages": [{"role": "user", "content": "hi"}]},
            "response": "{\"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"hello\"}}]}"});
        with(row, &changes)
    }

    #[test]
    fn a_call_reads_the_same_from_every_logger() {
        let at = |text: &str| text.parse().ok();
        let expected = Request {
            id: Some("c1".to_owned()),
            input: json!([{"role": "user", "content": "hi"}]),
            output: Some(json!("hello")),
            at: at("2026-02-03T10:00:00Z"),
            user: Some("u".to_owned()),
            model: Some("m".to_owned()),
            sample_rate: None,
            span: Some(Span {
                trace: "t1".to_owned(),
                id: "c1".to_owned(),
                parent: None,
                end: at("2026-02-03T10:00:02Z"),
                turn: Some("1 hi".to_owned()),
            }),
        };
        let passed = json!([{"role": "user", "content": "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}"}]);
        let rows = [
            payload(json!({})),
            payload(json!({"end_user": null, "metadata": {"user_api_key_end_user_id": "u"}})),
            payload(json!({"end_user": null, "model_parameters": {"user": "u"}})),
            payload(json!({"end_user": null, "session_id": "u"})),
            payload(json!({"call_type": "aresponses", "messages": "hi", "response": {"object": "response",
                "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]}})),
            payload(json!({"call_type": "pass_through_endpoint"})),
            payload(json!({"call_type": "pass_through_endpoint", "messages": passed,
                "response": {"response": "{\"content\": [{\"type\": \"text\", \"text\": \"hello\"}]}"}})),
            payload(json!({"call_type": ""})),
        ];
        for row in rows {
            assert!(LiteLlm.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
    }

    #[test]
    fn spend_logs_contain_the_request_and_the_response_as_json() {
        let expected = Request { span: None, ..request_of(payload(json!({}))) };
        let body = "{\"body\": {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}}";
        let text = "[{\"role\": \"user\", \"content\": \"hi\"}]";
        let rows = [
            spend(json!({})),
            spend(json!({"proxy_server_request": body})),
            spend(json!({"proxy_server_request": {}, "messages": text})),
            spend(json!({"end_user": "", "session_id": "u"})),
        ];
        for row in rows {
            assert!(LiteLlm.recognizes(row.as_object().unwrap(), &[]), "{row}");
            assert_eq!(request_of(row.clone()), expected, "{row}");
        }
    }

    #[test]
    fn instructions_are_the_first_message() {
        let answer = json!({"object": "response", "instructions": "be brief", "output": []});
        let rows = [
            payload(
                json!({"call_type": "responses", "messages": "hi", "model_parameters": {"instructions": "be brief"}}),
            ),
            payload(json!({"call_type": "aresponses", "messages": "hi", "response": answer})),
        ];
        let expected = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        for row in rows {
            assert_eq!(request_of(row.clone()).input, expected, "{row}");
        }
    }

    #[test]
    fn of_the_attempts_at_a_request_the_one_that_succeeded_comes_first() {
        let failed = request_of(payload(json!({"id": "c0", "status": "failure"})));
        assert_eq!(failed.output, None);
        let (failed, succeeded) = (failed.span.unwrap(), request_of(payload(json!({}))).span.unwrap());
        assert_eq!(failed.parent.as_deref(), Some("t1"));
        assert_eq!(succeeded.parent, None);
        assert_eq!(failed.trace, succeeded.trace);
    }

    #[test]
    fn the_turns_of_a_conversation_are_several_requests_and_the_steps_of_an_agent_one() {
        let trace = |messages: Value| request_of(payload(json!({"messages": messages}))).span.unwrap().turn;
        let turn = |texts: &[&str]| {
            let message =
                |(index, text)| json!({"role": if index % 2 == 0 { "user" } else { "assistant" }, "content": text});
            texts.iter().enumerate().map(message).collect::<Vec<_>>()
        };
        let (first, second) = (turn(&["hi"]), turn(&["hi", "hello", "hi"]));
        assert_ne!(trace(json!(first)), trace(json!(second)));
        assert_ne!(trace(json!(first)), trace(json!(turn(&["bye"]))));
        let call = json!({"type": "function", "function": {"name": "f", "arguments": "{}"}});
        let step = [
            json!({"role": "assistant", "content": null, "tool_calls": [call]}),
            json!({"role": "tool", "content": "2"}),
        ];
        assert_eq!(trace(json!(first)), trace(json!([first.as_slice(), step.as_slice()].concat())));
    }

    #[test]
    fn a_session_is_not_a_trace() {
        for changes in [json!({"session_id": "t1"}), json!({"metadata": {"requester_metadata": {"session_id": "t1"}}})]
        {
            assert_eq!(request_of(payload(changes.clone())).span, None, "{changes}");
        }
    }

    #[test]
    fn rows_that_are_no_requests_of_production_are_told_why() {
        let cases = [
            (json!({"call_type": "aembedding"}), NOT_CHAT),
            (json!({"call_type": "image_generation"}), NOT_CHAT),
            (json!({"call_type": "amoderation"}), NOT_CHAT),
            (json!({"call_type": "pass_through_endpoint", "messages": null}), NOT_CHAT),
            (
                json!({"call_type": "pass_through_endpoint", "messages": [{"role": "user", "content": "{\"q\": 1}"}]}),
                NOT_CHAT,
            ),
            (json!({"request_tags": [HEALTH_TAG]}), HEALTH),
            (json!({"classifier_input": {"messages": []}}), INTERNAL),
            (json!({"metadata": {"internal_call_origin": "shadow_eval_judge"}}), INTERNAL),
            (json!({"metadata": {"is_silent_experiment": true}}), MIRRORED),
            (json!({"metadata": {"billed_retry_attempt": true}}), RETRIED),
            (json!({"request_tags": ["User-Agent: karat", "User-Agent: karat/0.1"]}), OWN),
            (json!({"user_agent": "karat/0.1"}), OWN),
            (json!({"metadata": {"requester_metadata": {"service": "karat"}}}), OWN),
        ];
        for (changes, reason) in cases {
            assert_eq!(read(payload(changes.clone())), Ok(Found::Other(reason)), "{changes}");
        }
        assert_eq!(read(spend(json!({"request_tags": "[\"karat\"]"}))), Ok(Found::Other(OWN)));
    }

    #[test]
    fn calls_without_messages_are_refused() {
        let redacted = json!({"messages": [{"role": "user", "content": REDACTED}]});
        assert!(read(payload(redacted)).unwrap_err().contains("not logged"));
        assert_eq!(read(payload(json!({"messages": {}}))), Err("no `messages`".to_owned()));
        assert!(
            read(spend(json!({"proxy_server_request": "{}"}))).unwrap_err().contains("store_prompts_in_spend_logs")
        );
        let mut listed = spend(json!({}));
        listed.as_object_mut().unwrap().remove("proxy_server_request");
        assert!(read(listed).unwrap_err().contains("LiteLLM_SpendLogs"));
        assert_eq!(
            read(payload(json!({"startTime": "x"}))),
            Err("`startTime` is neither a date nor a Unix time".to_owned())
        );
    }

    #[test]
    fn rows_of_other_formats_are_not_recognized() {
        let rows = [
            json!({"input": "a", "output": "b", "timestamp": "2026-02-03", "id": "1"}),
            json!({"messages": [{"role": "user", "content": "hi"}], "ts": 1}),
            json!({"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-02-03T10:00:00Z", "input": "hi"}),
            json!({"request_id": "r", "request_created_at": "2026-02-03", "request_body": {}, "response_status": 200}),
        ];
        for row in rows {
            assert!(!LiteLlm.recognizes(row.as_object().unwrap(), &[]), "{row}");
        }
    }

    const MODEL: &str = "gpt-4o-mini";

    fn read_file(name: &str) -> Imported {
        imported(&LiteLlm, &[(name, &fixture(name))], Spans::Root).unwrap()
    }

    fn uuid(number: u32) -> String {
        format!("{number:08x}-0000-4000-8000-000000000000")
    }

    fn at(minute: usize) -> String {
        format!("2026-09-14T08:{:02}:00.250Z", 30 + minute)
    }

    /// The requests of the shop, of which the last one failed, with the given ids.
    fn records(ids: [&str; 6]) -> Vec<TrafficRecord> {
        let mut requests: Vec<(Value, Option<&str>, &str)> =
            shop_requests().into_iter().map(|(messages, output, user)| (messages, Some(output), user)).collect();
        requests.push((shop(&["Please fail."]), None, "user-3"));
        let records = requests.iter().zip(ids).zip(0..);
        records.map(|(((messages, output, user), id), n)| record(id, &at(n), messages, *output, user, MODEL)).collect()
    }

    #[test]
    fn the_payloads_of_the_sdk_are_the_requests_that_were_sent() {
        let found = read_file("litellm-payloads.jsonl");
        // Without correlation, LiteLLM logs the session as the trace.
        let sessions = ["session-1", "session-1", "session-2", "session-2", "session-3", "session-4"];
        let mut read = found.records;
        read.sort_by_key(|record| record.at);
        let ids: Vec<&str> = read.iter().map(|record| record.record_id.as_str()).collect();
        for (id, session) in ids.iter().zip(sessions) {
            assert_eq!(id.split_once('/').map(|(session, turn)| (session, turn.len())), Some((session, 12)), "{id}");
        }
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6);
        let expected = records(ids.clone().try_into().unwrap());
        assert_eq!(read, expected);
        assert_eq!((found.counts[0].rows, found.counts[0].merged, found.bad.len()), (6, 0, 0));
        assert_eq!(read_file("litellm-object.json").records, expected[..1]);
    }

    #[test]
    fn spend_logs_are_the_same_requests() {
        let ids = [1, 3, 5, 7, 9].map(|number| format!("chatcmpl-{}", uuid(number)));
        let expected = records([&ids[0], &ids[1], &ids[2], &ids[3], &ids[4], &uuid(11)]);
        for name in ["litellm-spend.csv", "litellm-spend.json"] {
            let found = read_file(name);
            assert_eq!(found.records, expected, "{name}");
            assert_eq!((found.counts[0].rows, found.bad.len()), (6, 0), "{name}");
        }
    }

    #[test]
    fn retries_are_one_request_a_cached_answer_is_another_and_other_calls_are_told_apart() {
        let found = read_file("litellm-payloads-others.jsonl");
        let (chat, alone) =
            (shop(&["Can I return shoes?"]), json!([{"role": "user", "content": "Can I return shoes?"}]));
        let yes = "Yes, for 30 days.";
        let cases = [
            // Two attempts failed, at minutes 6 and 7.
            (0x0d, 8, &chat, yes, Some("user-4"), "gpt-4o"),
            (0x13, 9, &chat, yes, Some("user-5"), MODEL),
            // Answered from the cache, for which LiteLLM does not log the user.
            (0x15, 10, &chat, yes, None, MODEL),
            (0x18, 11, &chat, yes, Some("user-1"), MODEL),
            (0x1a, 12, &alone, yes, None, MODEL),
            (0x1d, 13, &alone, "Yes.", None, "gpt-3.5-turbo-instruct"),
        ];
        let expected: Vec<TrafficRecord> = cases
            .into_iter()
            .map(|(trace, minute, messages, output, user, model)| {
                let id = format!("{}/{}", uuid(trace), &key().record(&turn(messages))[..12]);
                let mut record = record(&id, &at(minute), messages, Some(output), user.unwrap_or_default(), model);
                record.group = record.group.filter(|_| user.is_some());
                record
            })
            .collect();
        assert_eq!(found.records, expected);
        assert_eq!(found.bad, ["the messages were not logged (LiteLLM's `turn_off_message_logging`)"]);
        assert_eq!(found.counts[0].merged, 2);
        assert_eq!(found.counts[0].other, [(NOT_CHAT, 1), (HEALTH, 1), (OWN, 1)].into_iter().collect());
    }

    #[test]
    fn the_turns_of_a_trace_are_told_apart_by_pseudonyms_that_nobody_can_guess() {
        let ask = |text: &str| turn(&json!([{"role": "user", "content": text}]));
        assert_ne!(ask("Where is order 1001?"), ask("Where is order 1002?"));
        assert_ne!(turn(&json!("once")), turn(&json!("twice")));
        let id = &read_file("litellm-payloads.jsonl").records[0].record_id;
        let (_, hash) = id.split_once('/').unwrap();
        for text in ["Can I return shoes?", "2 Can I return shoes?"] {
            assert!(!blake3::hash(text.as_bytes()).to_hex().starts_with(hash));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        json_with(&["role", "content", "messages", "body", "choices", "x"])
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(values in prop::collection::vec(any_json(), 11), kind in prop::sample::select(vec!["acompletion", "a", ""])) {
            let keys = ["id", "trace_id", "startTime", "endTime", "messages", "response", "request_tags", "metadata", "model_parameters", "proxy_server_request", "status"];
            let mut row: Map<String, Value> = keys.iter().map(|key| (*key).to_owned()).zip(values).collect();
            row.insert("call_type".to_owned(), json!(kind));
            let _ = LiteLlm.recognizes(&row, &[]);
            let _ = LiteLlm.read(row.clone(), &[]);
            row.remove("id");
            let _ = LiteLlm.read(row, &[]);
        }
    }
}
