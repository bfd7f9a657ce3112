//! Chat messages as APIs and tracing libraries write them, in one form, so that the same request reads the same from
//! every format.

use std::borrow::Cow;

use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::format::is_own;
use crate::core::domain::{canonical_json, parse_timestamp};

/// Chat messages as a list of `{role, content}`, oldest first: of OpenAI's, Anthropic's, Gemini's, Bedrock's and
/// LangChain's APIs, of Vercel's AI SDK, and of OpenTelemetry's `parts`. Text of several parts is joined by line breaks;
/// reasoning is left out, pictures and files become `{type}`. `None` if the value has no message with a role; a single
/// message counts as a list of one.
pub fn messages(value: &Value) -> Option<Value> {
    let found: Vec<Value> = match value {
        Value::Array(items) => {
            let mut found = Vec::new();
            items.iter().for_each(|item| add(item, &mut found));
            found
        }
        Value::Object(_) => message(value).into_iter().collect(),
        _ => return None,
    };
    (!found.is_empty()).then_some(Value::Array(found))
}

/// Adds an item of a list of messages. OpenAI's responses list tool calls apart from the message that makes them, and
/// Anthropic's API takes the results of tools within messages of the user.
fn add(item: &Value, found: &mut Vec<Value>) {
    if let Some(halves) = split_results(item) {
        found.extend(halves.iter().filter_map(message));
        return;
    }
    let Some(message) = message(item) else { return };
    if is_item(item, &CALL_ITEMS)
        && let Some(Value::Object(last)) = found.last_mut()
        && last.get("role").and_then(Value::as_str) == Some("assistant")
        && let Some(Value::Array(calls)) = message.get("tool_calls")
    {
        let all = last.entry("tool_calls").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(all) = all {
            all.extend(calls.iter().cloned());
        }
        return;
    }
    found.push(message);
}

/// A message of the user that contains both results of tools and something else, as two messages.
fn split_results(item: &Value) -> Option<[Value; 2]> {
    let fields = item.as_object().filter(|fields| role(fields).as_deref() == Some("user"))?;
    let name =
        ["parts", "contents", "content"].into_iter().find(|name| fields.get(*name).is_some_and(Value::is_array))?;
    let (results, others): (Vec<Value>, Vec<Value>) = listed(fields.get(name)).cloned().partition(is_result);
    let with = |parts: Vec<Value>| {
        let mut half = fields.clone();
        half.insert(name.to_owned(), Value::Array(parts));
        Value::Object(half)
    };
    (!results.is_empty() && !others.is_empty()).then(|| [with(results), with(others)])
}

/// Whether a part of a message is the result of a tool.
fn is_result(part: &Value) -> bool {
    let part = part.get("message_content").unwrap_or(part);
    is_item(part, &RESULT_PARTS) || RESULT_NAMES.iter().any(|name| part.get(*name).is_some())
}

/// Types of parts that are results of tools.
const RESULT_PARTS: [&str; 4] = ["tool_call_response", "tool_result", "tool-result", "function_call_output"];

/// Names under which Bedrock's and Gemini's APIs have the results of tools.
const RESULT_NAMES: [&str; 3] = ["toolResult", "functionResponse", "function_response"];

/// One chat message as `{role, content}`, with `tool_calls` if it has any.
pub fn message(value: &Value) -> Option<Value> {
    let outer = value.as_object()?;
    // OpenInference and LangSmith wrap messages.
    let fields = outer.get("message").or_else(|| outer.get("kwargs")).and_then(Value::as_object).unwrap_or(outer);
    let Some(role) = role(fields).or_else(|| role(outer)) else { return item(value) };
    let parts = || ["parts", "contents", "content"].into_iter().find_map(|name| fields.get(name)?.as_array());
    let only_results = || parts().is_some_and(|parts| !parts.is_empty() && parts.iter().all(is_result));
    let role = if role == "user" && only_results() { "tool".to_owned() } else { role };
    let (content, calls) = content(fields);
    let mut message = Map::new();
    message.insert("role".to_owned(), Value::String(role));
    message.insert("content".to_owned(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Some(Value::Object(message))
}

/// Types of items of OpenAI's responses that are tool calls.
const CALL_ITEMS: [&str; 2] = ["function_call", "custom_tool_call"];

/// Types of items of OpenAI's responses that are results of tools.
const RESULT_ITEMS: [&str; 2] = ["function_call_output", "custom_tool_call_output"];

fn is_item(value: &Value, kinds: &[&str]) -> bool {
    value.get("type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
}

/// An item of OpenAI's responses that is not a message, as one.
fn item(value: &Value) -> Option<Value> {
    if is_item(value, &CALL_ITEMS) {
        return call(value).map(|call| json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    }
    let output = value.get("output").filter(|_| is_item(value, &RESULT_ITEMS))?;
    let fields = Map::from_iter([("content".to_owned(), output.clone())]);
    Some(json!({"role": "tool", "content": content(&fields).0}))
}

/// The answer in the items of one of OpenAI's responses: its text, or else its tool calls.
fn answer_in_items(items: &[Value]) -> Option<Value> {
    let is_asked = |item: &Value| item.get("role").and_then(Value::as_str).is_some_and(|role| role != "assistant");
    let start = items.iter().rposition(is_asked).map_or(0, |last| last + 1);
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    for item in items.iter().skip(start).filter_map(message) {
        texts.extend(item.get("content").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned));
        calls.extend(listed(item.get("tool_calls")).cloned());
    }
    match (texts.is_empty(), calls.is_empty()) {
        (false, _) => Some(Value::String(texts.join("\n"))),
        (true, false) => Some(Value::Array(calls)),
        (true, true) => None,
    }
}

/// The request in the body of a call of OpenAI's, Anthropic's or Gemini's API: its messages, with instructions as the
/// first one, or its prompt. `None` if it has neither.
pub fn asked(body: &Map<String, Value>) -> Option<Value> {
    let named = |names: &[&str]| field(body, names);
    let mut found = Vec::new();
    if let Some(system) = named(&["system", "instructions", "systemInstruction", "system_instruction"]) {
        let fields = match system {
            Value::Object(fields) => fields.clone(),
            other => Map::from_iter([("content".to_owned(), other.clone())]),
        };
        found.push(json!({"role": "system", "content": content(&fields).0}));
    }
    let before = found.len();
    match named(&["messages", "input", "contents"]) {
        Some(Value::String(text)) => found.push(json!({"role": "user", "content": text})),
        Some(list) => {
            // Gemini's API takes contents without a role as the user's.
            let is_bare = |item: &Value| item.get("parts").is_some() && item.get("role").is_none();
            for item in list.as_array().into_iter().flatten().chain(list.is_object().then_some(list)) {
                match item.as_object().filter(|_| is_bare(item)) {
                    Some(fields) => found.push(json!({"role": "user", "content": content(fields).0})),
                    None => add(item, &mut found),
                }
            }
        }
        None => {}
    }
    if found.len() > before {
        return Some(Value::Array(found));
    }
    let prompt = named(&["prompt"])?;
    let single = prompt.as_array().filter(|items| items.len() == 1).and_then(|items| items.first());
    Some(single.unwrap_or(prompt).clone())
}

/// The answer in a message, a list of messages (the last one), a list of choices (the first one), or the body of an
/// answer of OpenAI's, Anthropic's or Gemini's API: its text, or else its tool calls as a list of `{type, function}`
/// without ids. `None` if there is neither.
pub fn answer(value: &Value) -> Option<Value> {
    let fields = match value {
        Value::String(text) => return (!text.is_empty()).then(|| value.clone()),
        Value::Array(items)
            if items.iter().any(|item| item.get("index").is_some() || item.get("finish_reason").is_some()) =>
        {
            return answer(items.first()?);
        }
        Value::Array(items) if items.iter().any(is_part_of_response) => return answer_in_items(items),
        Value::Array(items) => return answer(items.last()?),
        Value::Object(fields) => fields,
        _ => return None,
    };
    if let Some(choices) = fields.get("choices").and_then(Value::as_array) {
        let choice = choices.first()?;
        return answer(choice).or_else(|| choice.get("text").and_then(answer));
    }
    if let Some(items) = fields.get("output").and_then(Value::as_array) {
        return answer_in_items(items);
    }
    if let Some(candidates) = fields.get("candidates").and_then(Value::as_array) {
        return answer(candidates.first()?.get("content")?);
    }
    let fields = fields.get("message").or_else(|| fields.get("kwargs")).and_then(Value::as_object).unwrap_or(fields);
    match content(fields) {
        (Value::String(text), _) if !text.is_empty() => Some(Value::String(text)),
        (_, calls) if !calls.is_empty() => Some(Value::Array(calls)),
        (content @ Value::Array(_), _) => Some(content),
        _ => None,
    }
}

/// The value that JSON text contains, if it is an object or a list; otherwise the text.
pub fn parsed(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => serde_json::from_str(text)
            .ok()
            .filter(|inner: &Value| inner.is_object() || inner.is_array())
            .unwrap_or(value),
        _ => value,
    }
}

/// The value, parsed if it is JSON in text.
pub fn inner(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::String(_) => Cow::Owned(parsed(value.clone())),
        other => Cow::Borrowed(other),
    }
}

/// The fields of an object, also if it is JSON in text; none if it is something else.
pub fn object(value: Option<&Value>) -> Map<String, Value> {
    match value.map(|value| inner(value).into_owned()) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn is_part_of_response(item: &Value) -> bool {
    is_item(item, &CALL_ITEMS) || is_item(item, &["message", "reasoning"])
}

/// The first field with one of these names that is neither null nor empty text.
pub fn field<'f>(fields: &'f Map<String, Value>, names: &[&str]) -> Option<&'f Value> {
    names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null() && value.as_str() != Some("")))
}

/// The first field with one of these names that is text or a number, as text.
pub fn text_field(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    match field(fields, names)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The time in the first field with one of these names: in ISO 8601 or as a Unix time.
///
/// # Errors
/// That the field is something else.
pub fn time_field(fields: &Map<String, Value>, names: &[&str]) -> Result<Option<Timestamp>, String> {
    if field(fields, names).is_none() {
        return Ok(None);
    }
    let text = text_field(fields, names);
    let time = text.as_deref().and_then(parse_timestamp);
    // A Unix time with decimals is exact only to fractions of a microsecond.
    let is_unix = text.is_some_and(|text| text.parse::<f64>().is_ok());
    let time = time.map(|time| time.round(Unit::Microsecond).ok().filter(|_| is_unix).unwrap_or(time));
    let name = names.iter().find(|name| field(fields, &[name]).is_some()).unwrap_or(&"time");
    time.map(Some).ok_or_else(|| format!("`{name}` is neither a date nor a Unix time"))
}

/// Calls of an API that are not chats, such as embeddings.
pub const NOT_CHAT: &str = "calls that are not chats";

/// The user in the body of a call of OpenAI's or Anthropic's API.
pub fn asker(body: &Map<String, Value>) -> Option<String> {
    let in_metadata = || text_field(body.get("metadata")?.as_object()?, &["user_id"]);
    text_field(body, &["safety_identifier", "user"]).or_else(in_metadata)
}

/// Keys of metadata with the name of a program.
const PROGRAMS: [&str; 12] = [
    "service",
    "service.name",
    "service_name",
    "app",
    "application",
    "client",
    "source",
    "user_agent",
    "user-agent",
    "User-Agent",
    "user_agent.original",
    "http.user_agent",
];

/// Whether tags or metadata show that karat made the request.
pub fn shows_karat(value: &Value) -> bool {
    let is_named =
        |value: &Value| value.as_str().is_some_and(|text| is_own(text.strip_prefix("User-Agent: ").unwrap_or(text)));
    let in_object = |fields: &Map<String, Value>| {
        PROGRAMS.iter().any(|name| fields.get(*name).is_some_and(is_named))
            || field(fields, &["karat"]).is_some_and(|value| value != &Value::Bool(false))
    };
    match value {
        Value::Array(tags) => tags.iter().any(is_named),
        Value::Object(fields) => {
            let inner = ["attributes", "resourceAttributes", "headers"].into_iter().filter_map(|name| fields.get(name));
            in_object(fields) || inner.filter_map(Value::as_object).any(in_object)
        }
        text => is_named(text),
    }
}

fn role(fields: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    // Roles, and the types of LangChain's messages.
    let role =
        text("role").or_else(|| text("type").filter(|kind| matches!(*kind, "human" | "ai" | "system" | "tool")))?;
    Some(match role {
        "human" => "user".to_owned(),
        "ai" | "model" | "bot" => "assistant".to_owned(),
        other => other.to_owned(),
    })
}

/// The content of a message (text, `null`, or a list of parts that are not only text), and its tool calls.
fn content(fields: &Map<String, Value>) -> (Value, Vec<Value>) {
    let mut calls: Vec<Value> = listed(fields.get("tool_calls")).filter_map(call).collect();
    if calls.is_empty() {
        // The form of OpenAI's API before tool calls.
        calls.extend(fields.get("function_call").and_then(call));
    }
    // Some messages have their content both as text and as parts.
    let is_filled = |value: &&Value| !value.is_null() && value.as_array().is_none_or(|parts| !parts.is_empty());
    let parts = ["parts", "contents", "content"].into_iter().find_map(|name| fields.get(name).filter(is_filled));
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    match parts {
        Some(Value::String(text)) => texts.push(text.clone()),
        Some(Value::Array(parts)) => {
            for part in parts {
                match piece(part) {
                    Piece::Text(text) => texts.push(text),
                    Piece::Call(call) => calls.push(call),
                    Piece::Other(kind) => others.push(json!({"type": kind})),
                    Piece::Nothing => {}
                }
            }
        }
        Some(other @ Value::Object(_)) => texts.push(canonical_json(other)),
        _ => {}
    }
    if texts.is_empty() {
        texts.extend(fields.get("refusal").and_then(Value::as_str).map(str::to_owned));
    }
    let text = (!texts.is_empty()).then(|| texts.join("\n"));
    let content = match (text, others.is_empty()) {
        (Some(text), true) => Value::String(text),
        (None, true) => Value::Null,
        (text, false) => {
            let text = text.map(|text| json!({"type": "text", "text": text}));
            Value::Array(text.into_iter().chain(others).collect())
        }
    };
    (content, calls)
}

enum Piece {
    Text(String),
    Call(Value),
    /// Its type.
    Other(String),
    Nothing,
}

fn piece(part: &Value) -> Piece {
    // OpenInference wraps parts.
    let part = part.get("message_content").unwrap_or(part);
    let fields = match part {
        Value::String(text) => return Piece::Text(text.clone()),
        Value::Object(fields) => fields,
        _ => return Piece::Nothing,
    };
    let text = |names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null())).map(|value| match value {
            Value::String(text) => text.clone(),
            other => canonical_json(other),
        })
    };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_else(|| {
        let named =
            ["functionCall", "function_call", "toolUse", "text"].into_iter().find(|name| fields.contains_key(*name));
        named.unwrap_or(if is_result(part) { "tool_result" } else { "unknown" })
    });
    match kind {
        "text" | "input_text" | "output_text" => text(&["text", "content"]).map_or(Piece::Nothing, Piece::Text),
        "tool_call" | "tool-call" | "tool_use" | "toolUse" | "function_call" | "functionCall" => {
            call(part).map_or(Piece::Nothing, Piece::Call)
        }
        kind if RESULT_PARTS.contains(&kind) => result(fields).map_or(Piece::Nothing, Piece::Text),
        "refusal" => text(&["refusal"]).map_or(Piece::Nothing, Piece::Text),
        "reasoning" | "thinking" | "redacted_thinking" => Piece::Nothing,
        other => Piece::Other(other.to_owned()),
    }
}

/// The text of the result of a tool.
fn result(fields: &Map<String, Value>) -> Option<String> {
    let fields = RESULT_NAMES.iter().find_map(|name| fields.get(*name)?.as_object()).unwrap_or(fields);
    let value = field(fields, &["response", "result", "output", "content"])?;
    match content(&Map::from_iter([("content".to_owned(), value.clone())])).0 {
        Value::String(text) => Some(text),
        _ => Some(canonical_json(value)),
    }
}

/// A tool call in OpenAI's form, without its id, which differs every time.
fn call(value: &Value) -> Option<Value> {
    let outer = value.get("tool_call").unwrap_or(value);
    let within = ["function", "functionCall", "function_call", "toolUse"];
    let inner = within.into_iter().find_map(|name| outer.get(name)).unwrap_or(outer);
    let name = inner.get("name").or_else(|| inner.get("toolName")).and_then(Value::as_str)?;
    let arguments = ["arguments", "input", "args"].into_iter().find_map(|name| inner.get(name)).unwrap_or(&Value::Null);
    let arguments = match arguments {
        Value::String(text) => {
            serde_json::from_str::<Value>(text).map_or_else(|_| text.clone(), |value| canonical_json(&value))
        }
        Value::Null => "{}".to_owned(),
        other => canonical_json(other),
    };
    Some(json!({"type": "function", "function": {"name": name, "arguments": arguments}}))
}

fn listed(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_message_reads_the_same_from_every_api() {
        let expected = json!({"role": "user", "content": "where is it"});
        let forms = [
            json!({"role": "user", "content": "where is it"}),
            json!({"role": "user", "content": [{"type": "text", "text": "where is it"}]}),
            json!({"role": "user", "content": [{"type": "input_text", "text": "where is it"}]}),
            json!({"role": "user", "parts": [{"type": "text", "content": "where is it"}]}),
            json!({"role": "user", "parts": [{"text": "where is it"}]}),
            json!({"role": "user", "content": [{"text": "where is it"}]}),
            json!({"role": "user", "content": "where is it", "parts": []}),
            json!({"role": "user", "content": "where is it", "parts": null}),
            json!({"type": "human", "content": "where is it", "id": "1"}),
            json!({"type": "constructor", "kwargs": {"type": "human", "content": "where is it"}}),
            json!({"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": "where is it"}}]}}),
        ];
        for form in forms {
            assert_eq!(message(&form), Some(expected.clone()), "{form}");
        }
        assert_eq!(messages(&json!([{"no": "role"}, 5, null])), None);
        assert_eq!(messages(&json!("text")), None);
    }

    #[test]
    fn results_of_tools_are_no_turns_of_the_user() {
        let result =
            json!({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "shipped"}]});
        let tool = json!({"role": "tool", "content": "shipped"});
        assert_eq!(messages(&json!([{"role": "user", "content": [result]}])), Some(json!([tool])));
        let both = json!([{"role": "user", "content": [result, {"type": "text", "text": "and now?"}]}]);
        assert_eq!(messages(&both), Some(json!([tool, {"role": "user", "content": "and now?"}])));
        let others = [
            json!({"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "shipped"}]}}]}),
            json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "shipped"}}}]}),
        ];
        for other in others {
            let read = messages(&json!([other])).unwrap();
            assert_eq!(read[0]["role"], "tool", "{other}");
            assert!(read[0]["content"].as_str().unwrap().contains("shipped"), "{other}");
        }
    }

    #[test]
    fn pictures_are_named_but_not_stored_and_reasoning_is_left_out() {
        let both = json!({"role": "user", "content": [{"type": "text", "text": "what is this"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "thinking", "thinking": "hm"}]});
        let content = json!([{"type": "text", "text": "what is this"}, {"type": "image_url"}]);
        assert_eq!(message(&both).unwrap()["content"], content);
    }

    #[test]
    fn the_answer_is_the_text_of_the_last_message_or_its_tool_calls_without_ids() {
        let call = json!([{"type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
        let cases = [
            (json!("text"), Some(json!("text"))),
            (
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "first"}}]}),
                Some(json!("first")),
            ),
            (
                json!([{"index": 0, "message": {"content": "first"}}, {"index": 1, "message": {"content": "second"}}]),
                Some(json!("first")),
            ),
            (
                json!([{"role": "assistant", "parts": [{"type": "text", "content": "a"}], "finish_reason": "stop"}]),
                Some(json!("a")),
            ),
            (json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": "last"}]), Some(json!("last"))),
            (
                json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}),
                Some(call.clone()),
            ),
            (
                json!({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]}),
                Some(call.clone()),
            ),
            (
                json!({"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}]}),
                Some(call.clone()),
            ),
            (
                json!({"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "1", "toolName": "f", "input": {"a": 1}}]}),
                Some(call.clone()),
            ),
            (
                json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}]}),
                Some(call),
            ),
            (json!({"role": "assistant", "content": null}), None),
            (json!([]), None),
            (json!(5), None),
        ];
        for (value, expected) in cases {
            assert_eq!(answer(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_request_in_a_body_reads_the_same_from_every_api() {
        let expected = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
        let bodies = [
            json!({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]}),
            json!({"system": "be brief", "messages": [{"role": "user", "content": "hi"}]}),
            json!({"system": [{"type": "text", "text": "be brief"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
            json!({"instructions": "be brief", "input": "hi"}),
            json!({"instructions": "be brief", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}),
            json!({"systemInstruction": {"parts": [{"text": "be brief"}]}, "contents": [{"parts": [{"text": "hi"}]}]}),
        ];
        for body in bodies {
            assert_eq!(asked(body.as_object().unwrap()), Some(expected.clone()), "{body}");
        }
        assert_eq!(asked(json!({"prompt": ["once"]}).as_object().unwrap()), Some(json!("once")));
        assert_eq!(asked(json!({"instructions": "be brief", "input": [[1, 2]]}).as_object().unwrap()), None);
    }

    #[test]
    fn tool_calls_of_responses_read_like_those_of_chat_completions() {
        let call = json!({"type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
        let chat =
            json!([{"role": "assistant", "content": "look", "tool_calls": [call]}, {"role": "tool", "content": "2"}]);
        let items = json!([
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "look"}]},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "function_call_output", "call_id": "1", "output": "2"},
        ]);
        assert_eq!(messages(&items), messages(&chat));
        assert_eq!(messages(&items), Some(chat));
    }

    #[test]
    fn answers_are_found_in_the_bodies_of_every_api() {
        let call = json!([{"type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
        let cases = [
            (json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}}]}), Some(json!("a"))),
            (json!({"choices": [{"index": 0, "text": "a"}]}), Some(json!("a"))),
            (
                json!({"choices": [{"message": {"role": "assistant", "content": null, "refusal": "no"}}]}),
                Some(json!("no")),
            ),
            (
                json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}),
                Some(json!("a")),
            ),
            (json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]}), Some(json!("a"))),
            (
                json!({"object": "response", "output": [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}]}),
                Some(json!("a")),
            ),
            (json!({"output": [{"type": "function_call", "name": "f", "arguments": "{\"a\":1}"}]}), Some(call.clone())),
            (
                json!({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\": 1}"}}),
                Some(call),
            ),
            (
                json!([{"type": "message", "role": "user", "content": "q"}, {"type": "message", "role": "assistant", "content": "a"}]),
                Some(json!("a")),
            ),
            (json!({"error": {"message": "no"}}), None),
        ];
        for (body, expected) in cases {
            assert_eq!(answer(&body), expected, "{body}");
        }
    }

    #[test]
    fn times_are_read_in_every_form_and_others_are_named() {
        let at = |value: Value| time_field(&Map::from_iter([("t".to_owned(), value)]), &["t"]);
        let expected = "2026-02-03T10:00:00Z".parse().ok();
        for value in [
            json!("2026-02-03T10:00:00Z"),
            json!("2026-02-03 10:00:00.000"),
            json!(1_770_112_800),
            json!(1_770_112_800_000_i64),
        ] {
            assert_eq!(at(value.clone()), Ok(expected), "{value}");
        }
        for number in [json!(1_770_112_800.25), json!("1770112800.25")] {
            assert_eq!(at(number.clone()), Ok("2026-02-03T10:00:00.25Z".parse().ok()), "{number}");
        }
        assert_eq!(at(Value::Null), Ok(None));
        assert_eq!(at(json!("soon")), Err("`t` is neither a date nor a Unix time".to_owned()));
    }

    #[test]
    fn requests_of_karat_are_told_from_those_about_karats() {
        for value in [
            json!(["a", "karat"]),
            json!(["User-Agent: karat/1.0"]),
            json!({"service": "karat"}),
            json!({"karat": {"run": 1}}),
            json!({"resourceAttributes": {"service.name": "karat"}}),
            json!("karat/0.1"),
            json!({"headers": {"user-agent": "karat/0.1"}}),
        ] {
            assert!(shows_karat(&value), "{value}");
        }
        for value in [
            json!(["karats"]),
            json!({"unit": "karat"}),
            json!({"karat": null}),
            json!({"karat": false}),
            json!(null),
            json!(5),
        ] {
            assert!(!shows_karat(&value), "{value}");
        }
    }

    #[test]
    fn json_in_text_is_parsed_only_if_it_is_an_object_or_a_list() {
        assert_eq!(parsed(json!("{\"a\": 1}")), json!({"a": 1}));
        for text in ["5", "plain", "{broken", "\"quoted\""] {
            assert_eq!(parsed(json!(text)), json!(text));
        }
    }

    fn any_content() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[\\PC\"{\\[]{0,8}".prop_map(Value::from),
            prop::sample::select(vec![
                "user",
                "ai",
                "text",
                "tool_use",
                "tool-call",
                "image",
                "function_call",
                "refusal"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let keys =
                ["role", "type", "content", "parts", "text", "message", "tool_calls", "function", "name", "input"];
            let keys = prop::sample::select(keys.to_vec()).prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(keys, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn messages_that_were_read_read_the_same_again(value in any_content()) {
            let body = Map::from_iter([("messages".to_owned(), value.clone())]);
            let _ = (answer(&value), asked(&body));
            if let Some(found) = messages(&value) {
                prop_assert_eq!(messages(&found), Some(found));
            }
        }
    }
}
