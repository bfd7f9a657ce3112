//! Tool calls in answers.

use serde_json::{Map, Value};

use crate::core::domain::unfenced;

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The name of the tool.
    pub name: String,
    /// The arguments: an object, or what was there instead if it is none.
    pub arguments: Value,
}

/// Fields that hold the arguments: of OpenAI, Gemini, Anthropic, and Llama.
const ARGUMENTS: [&str; 4] = ["arguments", "args", "input", "parameters"];

/// Fields that a call without arguments may have.
const CALL_FIELDS: [&str; 6] = ["name", "id", "call_id", "type", "index", "status"];

/// Fields of messages that hold a list of calls or blocks, or one call.
const MESSAGE_FIELDS: [&str; 6] =
    ["tool_calls", "functionCalls", "toolCall", "functionCall", "function_call", "content"];

/// Types of blocks beside calls.
const OTHER_BLOCKS: [&str; 7] =
    ["text", "output_text", "thinking", "redacted_thinking", "reasoning", "message", "refusal"];

/// The tool calls in an answer that is JSON, alone or in one code fence; `None` if it is anything else, so that it has no
/// calls. An empty list has none either, but is `Some`.
///
/// Reads one call or a list of them, with arguments as an object or as JSON in a string:
///
/// - `{"type": "function", "function": {"name": "f", "arguments": "{}"}}` (OpenAI's Chat Completions),
/// - `{"type": "function_call", "name": "f", "arguments": "{}"}` (OpenAI's Responses),
/// - `{"type": "tool_use", "name": "f", "input": {}}` (Anthropic), among blocks of text or thoughts,
/// - `{"functionCall": {"name": "f", "args": {}}}` (Gemini),
/// - `{"name": "f", "arguments": {}}`, also with `parameters` (Llama), or without arguments if nothing else is there,
///
/// and messages that hold them in `tool_calls`, `toolCall.functionCalls` or `content`.
///
/// Arguments that are absent, null or an empty string are an empty object. Those that are not valid JSON are kept as a
/// string, so that they equal no object.
pub fn parse_calls(text: &str) -> Option<Vec<ToolCall>> {
    calls(&serde_json::from_str(unfenced(text)).ok()?)
}

fn calls(value: &Value) -> Option<Vec<ToolCall>> {
    match value {
        Value::Array(items) => {
            let mut found = Vec::new();
            for item in items.iter().filter(|item| !is_other_block(item)) {
                found.extend(calls(item).filter(|_| item.is_object())?);
            }
            Some(found)
        }
        Value::Object(fields) => match call(fields) {
            Some(call) => Some(vec![call]),
            None => MESSAGE_FIELDS.into_iter().find_map(|field| match fields.get(field)? {
                Value::Null => None,
                inner => calls(inner),
            }),
        },
        _ => None,
    }
}

fn call(fields: &Map<String, Value>) -> Option<ToolCall> {
    let (function, is_marked) = match fields.get("function") {
        Some(Value::Object(function)) => (function, true),
        _ => (fields, matches!(text(fields, "type"), Some("function" | "function_call" | "tool_use"))),
    };
    let name = text(function, "name")?.to_owned();
    let arguments = ARGUMENTS.into_iter().find_map(|field| function.get(field));
    let is_bare = || function.keys().all(|field| CALL_FIELDS.contains(&field.as_str()));
    (arguments.is_some() || is_marked || is_bare()).then(|| ToolCall { name, arguments: parsed(arguments) })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn parsed(arguments: Option<&Value>) -> Value {
    match arguments {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(Value::String(text)) if text.trim().is_empty() => Value::Object(Map::new()),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => value,
            _ => Value::String(text.clone()),
        },
        Some(other) => other.clone(),
    }
}

fn is_other_block(item: &Value) -> bool {
    let Some(fields) = item.as_object() else { return false };
    let is_text_part = fields.len() == 1 && fields.get("text").is_some_and(Value::is_string);
    is_text_part
        || text(fields, "type").is_some_and(|kind| OTHER_BLOCKS.contains(&kind) && !fields.contains_key("content"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn names(text: &str) -> Option<Vec<(String, Value)>> {
        Some(parse_calls(text)?.into_iter().map(|call| (call.name, call.arguments)).collect())
    }

    #[test]
    fn calls_are_read_in_the_form_of_every_provider() {
        let one = vec![("f".to_owned(), json!({"a": 1}))];
        let forms = [
            r#"[{"function":{"arguments":"{\"a\":1}","name":"f"},"type":"function"}]"#,
            r#"{"function":{"arguments":"{\"a\":1}","name":"f"},"type":"function","id":"x"}"#,
            r#"{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}"#,
            r#"[{"type":"function_call","name":"f","call_id":"c","arguments":"{\"a\": 1}"}]"#,
            r#"[{"type":"text","text":"Well"},{"type":"tool_use","id":"x","name":"f","input":{"a":1}}]"#,
            r#"{"role":"assistant","content":[{"type":"thinking","thinking":"…"},{"type":"tool_use","name":"f","input":{"a":1}}]}"#,
            r#"{"functionCall":{"name":"f","args":{"a":1}}}"#,
            r#"[{"text":"Well"},{"functionCall":{"name":"f","args":{"a":1}}}]"#,
            r#"{"toolCall":{"functionCalls":[{"name":"f","args":{"a":1},"id":"1"}]}}"#,
            r#"{"name":"f","parameters":{"a":1}}"#,
            "```json\n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n```",
        ];
        for form in forms {
            assert_eq!(names(form), Some(one.clone()), "{form}");
        }
        let two = r#"[{"name":"f","arguments":{}},{"name":"g"}]"#;
        assert_eq!(names(two), Some(vec![("f".to_owned(), json!({})), ("g".to_owned(), json!({}))]));
    }

    #[test]
    fn other_answers_have_no_calls() {
        let none = [
            "",
            "f()",
            "42",
            "\"f\"",
            "[1]",
            "{}",
            r#"{"name": "Ann", "age": 3}"#,
            r#"[{"name": 1, "arguments": {}}]"#,
            r#"[{"name": "f", "arguments": {}}, 1]"#,
            r#"[[{"name": "f", "arguments": {}}]]"#,
            r#"{"content": "f"}"#,
            r#"{"tool_calls": null}"#,
        ];
        for text in none {
            assert_eq!(names(text), None, "{text}");
        }
        for text in ["[]", r#"{"tool_calls": []}"#, r#"[{"type": "text", "text": "Hello"}]"#] {
            assert_eq!(names(text), Some(vec![]), "{text}");
        }
    }

    #[test]
    fn arguments_that_are_no_object_are_kept() {
        let cases = [
            ("null", json!({})),
            ("\" \"", json!({})),
            ("\"{\\\"a\\\":\"", json!("{\"a\":")),
            ("\"[1]\"", json!("[1]")),
            ("[1]", json!([1])),
            ("7", json!(7)),
        ];
        for (arguments, expected) in cases {
            let text = format!("{{\"name\": \"f\", \"arguments\": {arguments}}}");
            assert_eq!(names(&text), Some(vec![("f".to_owned(), expected)]), "{text}");
        }
    }

    proptest! {
        #[test]
        fn calls_in_openais_form_are_read_back(name in ".{0,9}", key in ".{0,9}", value in any::<i64>()) {
            let arguments = json!({key: value});
            let text = json!([{"type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]);
            prop_assert_eq!(names(&text.to_string()), Some(vec![(name, arguments)]));
        }

        #[test]
        fn no_answer_panics(text in r#"[\[\]{}",:a ]{0,20}"#) {
            let _ = parse_calls(&text);
        }
    }
}
