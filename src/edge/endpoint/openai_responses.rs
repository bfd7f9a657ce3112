//! OpenAI's Responses API, the successor of Chat Completions.

use serde_json::{Map, Value, json};

use super::api::{Answer, ApiSettings, Dialect, StreamReader, refuse_params, require_model, tool_calls_text};
use super::chat_form::{
    ResponseFormat, ToolChoice, answered_call, answered_with, broken_off, calls, event_json, function, of_message,
    refusal, take_list, take_response_format, take_tool_choice,
};
use crate::core::domain::{CallErrorKind, Failure, Message, Request, Usage};
use crate::edge::net::{EventReader, Step};

/// The path below the base URL.
const PATH: &str = "/responses";
/// Params that the dialect sets itself.
const RESERVED: [&str; 4] = ["model", "input", "messages", "stream"];

/// The dialect.
///
/// The server stores nothing unless params set `store`. `name` and other message fields unknown to the API are left
/// out, because it refuses requests that contain them.
pub struct OpenAiResponses {
    model: String,
    params: Map<String, Value>,
    stream: bool,
}

impl OpenAiResponses {
    /// Creates the dialect with an endpoint's model and params.
    ///
    /// # Errors
    /// A data failure for an empty model or a reserved param.
    pub fn new(settings: &ApiSettings) -> Result<Self, Failure> {
        require_model(settings)?;
        refuse_params(settings, &RESERVED)?;
        Ok(Self { model: settings.model.clone(), params: settings.params.clone(), stream: settings.stream })
    }
}

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn path(&self) -> String {
        PATH.to_owned()
    }

    fn body(&self, request: &Request) -> Result<Value, String> {
        let mut body = self.params.clone();
        body.extend(request.options.clone());
        if let Some(tools) = take_list(&mut body, "tools")? {
            body.insert("tools".to_owned(), tools.into_iter().map(tool).collect());
        }
        if let Some(choice) = take_tool_choice(&mut body)? {
            body.insert("tool_choice".to_owned(), tool_choice(choice));
        }
        if let Some(format) = take_response_format(&mut body)? {
            let text = body.entry("text").or_insert_with(|| json!({}));
            text.as_object_mut().ok_or("text is not an object")?.insert("format".to_owned(), text_format(format));
        }
        body.entry("store").or_insert(Value::Bool(false));
        body.insert("model".to_owned(), json!(self.model));
        body.insert("input".to_owned(), Value::Array(input(&request.turns())?));
        body.insert("stream".to_owned(), Value::Bool(self.stream));
        Ok(Value::Object(body))
    }

    fn read(&self, answer: &Value) -> Result<Answer, String> {
        let tokens = |key: &str| answer.get("usage").and_then(|usage| usage.get(key)).and_then(Value::as_u64);
        Ok(Answer {
            output: read_output(answer)?,
            tool_calls: answer.get("output").and_then(Value::as_array).and_then(|items| calls_text(items)),
            finish_reason: finish_reason(answer),
            model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
            usage: Usage { prompt_tokens: tokens("input_tokens"), completion_tokens: tokens("output_tokens") },
        })
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        self.stream.then(|| Box::<ResponseStream>::default() as Box<dyn StreamReader>)
    }
}

fn input(turns: &[Message]) -> Result<Vec<Value>, String> {
    let mut items = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        items.extend(turn_items(turn).map_err(of_message(index))?);
    }
    Ok(items)
}

/// The items for one message: in this API, tool calls and their results are items next to messages.
fn turn_items(turn: &Message) -> Result<Vec<Value>, String> {
    if turn.role == "tool" {
        let output = tool_output(turn);
        return Ok(vec![json!({"type": "function_call_output", "call_id": answered_call(turn)?, "output": output})]);
    }
    let mut items = Vec::new();
    let is_assistant = turn.role == "assistant";
    let content = match (&turn.content, refusal(turn)) {
        (Value::Null, Some(refusal)) => json!([{"type": "refusal", "refusal": refusal}]),
        (Value::Array(parts), _) => parts.iter().map(|part| content_part(part, is_assistant)).collect(),
        (other, _) => other.clone(),
    };
    let calls = calls(turn)?;
    let is_silent = content.is_null() || content == json!("");
    if calls.is_empty() || !is_silent {
        items.push(json!({"role": turn.role, "content": content}));
    }
    items.extend(
        calls.iter().map(
            |call| json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.text()}),
        ),
    );
    Ok(items)
}

/// The output of a tool: text as a plain string, because not every server accepts parts, and anything with images as
/// parts.
fn tool_output(turn: &Message) -> Value {
    let is_text = |part: &Value| part.is_string() || part.get("text").is_some();
    match &turn.content {
        Value::Array(parts) if !parts.iter().all(is_text) => {
            parts.iter().map(|part| content_part(part, false)).collect()
        }
        _ => Value::String(turn.content_text()),
    }
}

/// Converts a part to the API's format; parts of an unknown type are passed through.
fn content_part(part: &Value, is_assistant: bool) -> Value {
    let text_type = if is_assistant { "output_text" } else { "input_text" };
    if let Some(text) = part.as_str() {
        return json!({"type": text_type, "text": text});
    }
    match part.get("type").and_then(Value::as_str) {
        Some("text") => json!({"type": text_type, "text": part.get("text")}),
        Some("image_url") => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            let mut item = json!({"type": "input_image", "image_url": image.get("url").unwrap_or(image)});
            if let Some(detail) = image.get("detail") {
                item["detail"] = detail.clone();
            }
            item
        }
        Some("file") => {
            let mut file = part.get("file").and_then(Value::as_object).cloned().unwrap_or_default();
            file.insert("type".to_owned(), json!("input_file"));
            Value::Object(file)
        }
        _ => part.clone(),
    }
}

/// Converts a tool to the API's format, in which the function's fields are next to its type.
fn tool(tool: Value) -> Value {
    let Some(function) = function(&tool) else { return tool };
    let mut flat = function.clone();
    flat.insert("type".to_owned(), json!("function"));
    // The default is strict in this API but not in Chat Completions, in whose format the tool was written.
    flat.entry("strict").or_insert(Value::Bool(false));
    Value::Object(flat)
}

fn tool_choice(choice: ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({"type": "function", "name": name}),
        ToolChoice::Own(own) => own,
    }
}

fn text_format(format: ResponseFormat) -> Value {
    match format {
        ResponseFormat::Json => json!({"type": "json_object"}),
        ResponseFormat::Schema(mut schema) => {
            schema.insert("type".to_owned(), json!("json_schema"));
            Value::Object(schema)
        }
    }
}

/// The text of all messages, or else the refusal, or else the function calls. Empty text counts only if there is
/// nothing else.
fn read_output(answer: &Value) -> Result<String, String> {
    let status = answer.get("status").and_then(Value::as_str).unwrap_or("not given");
    let error = answer.get("error").filter(|error| !error.is_null());
    if status == "failed" || error.is_some() {
        let told = error.and_then(|error| error.get("message")).and_then(Value::as_str).unwrap_or("no reason given");
        return Err(format!("the response failed (status: {status}): {told}"));
    }
    let items = answer.get("output").and_then(Value::as_array).ok_or("the response has no output")?;
    let text = parts_text(items, "output_text", "text");
    let candidates = [
        text.clone().filter(|text| !text.is_empty()),
        parts_text(items, "refusal", "refusal").filter(|text| !text.is_empty()),
        calls_text(items),
        text,
    ];
    candidates.into_iter().flatten().next().ok_or_else(|| {
        let reason = answer.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
        format!("the output has no text (status: {status}{reason})")
    })
}

fn calls_text(items: &[Value]) -> Option<String> {
    tool_calls_text(&items.iter().filter_map(function_call).collect())
}

/// Why the answer ended, in the words of Chat Completions.
fn finish_reason(answer: &Value) -> Option<String> {
    let has_calls = || {
        let items = answer.get("output").and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(|item| function_call(item).is_some()))
    };
    let reason = match answer.get("status").and_then(Value::as_str)? {
        "completed" if has_calls() => "tool_calls",
        "completed" => "stop",
        _ => match answer.pointer("/incomplete_details/reason").and_then(Value::as_str)? {
            "max_output_tokens" => "length",
            other => other,
        },
    };
    Some(reason.to_owned())
}

/// The joined parts of one type in all messages; `None` if there is no such part.
fn parts_text(items: &[Value], kind: &str, key: &str) -> Option<String> {
    let is = |value: &Value, kind: &str| value.get("type").and_then(Value::as_str) == Some(kind);
    let messages = items.iter().filter(|item| is(item, "message"));
    let parts = messages.filter_map(|item| item.get("content")?.as_array()).flatten();
    let texts: Vec<&str> = parts.filter(|part| is(part, kind)).filter_map(|part| part.get(key)?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

fn function_call(item: &Value) -> Option<Value> {
    if item.get("type")?.as_str()? != "function_call" {
        return None;
    }
    Some(answered_with(item.get("name")?.as_str()?, item.get("arguments").unwrap_or(&Value::Null)))
}

/// Reads a streamed answer. The last event of a stream contains the whole response, so nothing needs to be assembled.
#[derive(Default)]
struct ResponseStream {
    response: Option<Value>,
}

impl EventReader for ResponseStream {
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)> {
        if data == "[DONE]" {
            return Ok(Step::Quiet);
        }
        let event = event_json(data)?;
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "response.completed" | "response.incomplete" => {
                self.response = event.get("response").filter(|response| response.is_object()).cloned();
                let missing = || (CallErrorKind::BadAnswer, "the last event has no response".to_owned());
                self.response.as_ref().map(|_| Step::End).ok_or_else(missing)
            }
            "response.failed" => Err(failed(event.pointer("/response/error").unwrap_or(&Value::Null))),
            "error" => Err(failed(event.get("error").filter(|error| error.is_object()).unwrap_or(&event))),
            "response.output_text.delta" | "response.refusal.delta" | "response.function_call_arguments.delta" => {
                Ok(Step::Output)
            }
            "" if event.get("error").is_some_and(|error| !error.is_null()) => Err(failed(&event["error"])),
            _ => Ok(Step::Quiet),
        }
    }

    fn is_complete(&self) -> bool {
        self.response.is_some()
    }
}

impl StreamReader for ResponseStream {
    fn whole(&mut self) -> Value {
        self.response.take().unwrap_or_default()
    }
}

fn failed(error: &Value) -> (CallErrorKind, String) {
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let kind = match code {
        "rate_limit_exceeded" => CallErrorKind::RateLimited,
        "server_is_overloaded" | "slow_down" => CallErrorKind::Overloaded,
        code if code.starts_with("invalid_") || code == "context_length_exceeded" => CallErrorKind::Refused,
        _ => CallErrorKind::Server,
    };
    broken_off(kind, error)
}

#[cfg(test)]
#[path = "tests/openai_responses.rs"]
mod tests;
