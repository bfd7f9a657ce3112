//! Anthropic's Messages API.

use reqwest::Url;
use serde_json::{Map, Value, json};

use super::api::{Answer, ApiSettings, Dialect, StreamReader, refuse_params, require_model, tool_calls_text};
use super::chat_form::{
    Picture, ResponseFormat, ToolChoice, answered_call, answered_with, broken_off, calls, event_json, function,
    is_system, of_message, picture, refusal, system_text, take_list, take_response_format, take_tool_choice,
};
use crate::core::domain::{CallErrorKind, Failure, Message, Request, Usage};
use crate::edge::net::{EventReader, Step};

/// The API version.
const VERSION: &str = "2023-06-01";
/// The default limit of answer tokens; the API requires one.
const MAX_TOKENS: u64 = 4096;
/// Params that the dialect sets itself.
const RESERVED: [&str; 4] = ["model", "messages", "system", "stream"];

/// The dialect.
///
/// Requests answers of at most 4096 tokens, unless params set `max_tokens`. All system messages, wherever they are in
/// the conversation, are joined into the API's single `system` text.
pub struct Anthropic {
    path: &'static str,
    model: String,
    params: Map<String, Value>,
    stream: bool,
}

impl Anthropic {
    /// Creates the dialect with an endpoint's model and params. The base URL may end in `/v1` or not.
    ///
    /// # Errors
    /// A data failure for an empty model or a reserved param.
    pub fn new(settings: &ApiSettings) -> Result<Self, Failure> {
        require_model(settings)?;
        refuse_params(settings, &RESERVED)?;
        let base = settings.base_url.trim().parse::<Url>();
        let has_version = base.is_ok_and(|base| base.path().trim_end_matches('/').ends_with("/v1"));
        let path = if has_version { "/messages" } else { "/v1/messages" };
        Ok(Self { path, model: settings.model.clone(), params: settings.params.clone(), stream: settings.stream })
    }
}

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn probe_path(&self) -> String {
        self.path.replace("messages", "models")
    }

    fn path(&self) -> String {
        self.path.to_owned()
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("anthropic-version", VERSION)]
    }

    fn body(&self, request: &Request) -> Result<Value, String> {
        let mut body = self.params.clone();
        body.extend(request.options.clone());
        set_tools(&mut body)?;
        set_format(&mut body)?;
        let turns = request.turns();
        if let Some(system) = system_text(&turns) {
            body.insert("system".to_owned(), Value::String(system));
        }
        body.entry("max_tokens").or_insert(json!(MAX_TOKENS));
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), Value::Array(messages(&turns)?));
        body.insert("stream".to_owned(), Value::Bool(self.stream));
        Ok(Value::Object(body))
    }

    fn read(&self, answer: &Value) -> Result<Answer, String> {
        Ok(Answer {
            output: read_output(answer)?,
            tool_calls: answer.get("content").and_then(Value::as_array).and_then(|blocks| calls_text(blocks)),
            finish_reason: answer.get("stop_reason").and_then(Value::as_str).map(finish_reason),
            model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
            usage: read_usage(answer.get("usage").unwrap_or(&Value::Null)),
        })
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        self.stream.then(|| Box::<MessageStream>::default() as Box<dyn StreamReader>)
    }
}

fn set_tools(body: &mut Map<String, Value>) -> Result<(), String> {
    if let Some(tools) = take_list(body, "tools")? {
        body.insert("tools".to_owned(), tools.into_iter().map(tool).collect());
    }
    let choice = take_tool_choice(body)?;
    let one_at_a_time = body.remove("parallel_tool_calls") == Some(Value::Bool(false));
    if choice.is_none() && !one_at_a_time {
        return Ok(());
    }
    let mut choice = match choice.unwrap_or(ToolChoice::Auto) {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Function(name) => json!({"type": "tool", "name": name}),
        ToolChoice::Own(own) => own,
    };
    if one_at_a_time && choice.get("type") != Some(&json!("none")) {
        choice["disable_parallel_tool_use"] = Value::Bool(true);
    }
    body.insert("tool_choice".to_owned(), choice);
    Ok(())
}

fn tool(tool: Value) -> Value {
    let Some(function) = function(&tool) else { return tool };
    let mut own = Map::new();
    for (from, to) in [("name", "name"), ("description", "description"), ("parameters", "input_schema")] {
        own.extend(function.get(from).map(|value| (to.to_owned(), value.clone())));
    }
    own.entry("input_schema").or_insert_with(|| json!({"type": "object", "properties": {}}));
    if function.get("strict") == Some(&Value::Bool(true)) {
        own.insert("strict".to_owned(), Value::Bool(true));
    }
    Value::Object(own)
}

fn set_format(body: &mut Map<String, Value>) -> Result<(), String> {
    let schema = match take_response_format(body)? {
        None => return Ok(()),
        Some(ResponseFormat::Json) => {
            return Err("Anthropic's API does not support response_format json_object; use json_schema".to_owned());
        }
        Some(ResponseFormat::Schema(schema)) => schema.get("schema").cloned(),
    };
    let config = body.entry("output_config").or_insert_with(|| json!({}));
    let config = config.as_object_mut().ok_or("output_config is not an object")?;
    config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    Ok(())
}

fn messages(turns: &[Message]) -> Result<Vec<Value>, String> {
    let mut messages: Vec<Value> = Vec::new();
    let mut follows_result = false;
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| !is_system(turn)) {
        let fail = of_message(index);
        let is_result = turn.role == "tool";
        let (role, content) = match turn.role.as_str() {
            "user" => ("user", content(&turn.content).map_err(fail)?),
            "assistant" => ("assistant", assistant_content(turn).map_err(fail)?),
            "tool" => ("user", json!([tool_result(turn).map_err(fail)?])),
            other => return Err(fail(format!("has the role \"{other}\", which Anthropic's API does not support"))),
        };
        // The results of parallel calls must be in one message.
        let last = messages.last_mut().filter(|_| is_result && follows_result);
        match (last.and_then(|last| last.get_mut("content")?.as_array_mut()), content) {
            (Some(blocks), Value::Array(more)) => blocks.extend(more),
            (_, content) => messages.push(json!({"role": role, "content": content})),
        }
        follows_result = is_result;
    }
    Ok(messages)
}

fn content(content: &Value) -> Result<Value, String> {
    match content {
        Value::Array(parts) => parts.iter().map(block).collect(),
        Value::Null => Ok(json!("")),
        other => Ok(other.clone()),
    }
}

/// Converts a part to a block; parts already in the API's form are passed through.
fn block(part: &Value) -> Result<Value, String> {
    if let Some(text) = part.as_str() {
        return Ok(json!({"type": "text", "text": text}));
    }
    if part.get("type").and_then(Value::as_str) != Some("image_url") {
        return Ok(part.clone());
    }
    let source = match picture(part)? {
        Picture::Inline { media_type, data } => json!({"type": "base64", "media_type": media_type, "data": data}),
        Picture::Link(url) => json!({"type": "url", "url": url}),
    };
    Ok(json!({"type": "image", "source": source}))
}

fn assistant_content(turn: &Message) -> Result<Value, String> {
    let said = match (&turn.content, refusal(turn)) {
        (Value::Null, Some(refusal)) => json!(refusal),
        (other, _) => content(other)?,
    };
    let calls = calls(turn)?;
    if calls.is_empty() {
        return Ok(said);
    }
    let mut blocks = match said {
        Value::Array(blocks) => blocks,
        // The API refuses empty texts.
        Value::String(text) if text.is_empty() => Vec::new(),
        text => vec![json!({"type": "text", "text": text})],
    };
    for call in calls {
        blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.object()?}));
    }
    Ok(Value::Array(blocks))
}

fn tool_result(turn: &Message) -> Result<Value, String> {
    let id = answered_call(turn)?;
    Ok(json!({"type": "tool_result", "tool_use_id": id, "content": content(&turn.content)?}))
}

/// The text of all blocks, or else the tool calls. A model that ends its turn without any text has answered with empty
/// text.
fn read_output(answer: &Value) -> Result<String, String> {
    let blocks = answer.get("content").and_then(Value::as_array).ok_or("the response has no content")?;
    let kind = |block: &Value| block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let texts: Vec<&str> =
        blocks.iter().filter(|block| kind(block) == "text").filter_map(|block| block.get("text")?.as_str()).collect();
    let text = texts.concat();
    if !text.is_empty() {
        return Ok(text);
    }
    if let Some(calls) = calls_text(blocks) {
        return Ok(calls);
    }
    match answer.get("stop_reason").and_then(Value::as_str).unwrap_or("not given") {
        "end_turn" | "stop_sequence" => Ok(text),
        reason => Err(format!("the content has no text (stop_reason: {reason})")),
    }
}

fn calls_text(blocks: &[Value]) -> Option<String> {
    let calls = blocks.iter().filter(|block| block.get("type").and_then(Value::as_str) == Some("tool_use"));
    let calls = calls.filter_map(|block| {
        Some(answered_with(block.get("name")?.as_str()?, block.get("input").unwrap_or(&Value::Null)))
    });
    tool_calls_text(&calls.collect())
}

/// A stop reason in OpenAI's words.
fn finish_reason(reason: &str) -> String {
    match reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        other => other,
    }
    .to_owned()
}

/// Reads the token counts. Tokens read from or written to a cache are prompt tokens too, but `input_tokens` excludes
/// them.
fn read_usage(usage: &Value) -> Usage {
    let tokens = |key: &str| usage.get(key).and_then(Value::as_u64);
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let prompt = tokens("input_tokens").map(|fresh| {
        cached.iter().filter_map(|key| tokens(key)).fold(fresh, |sum: u64, tokens| sum.saturating_add(tokens))
    });
    Usage { prompt_tokens: prompt, completion_tokens: tokens("output_tokens") }
}

/// Collects the pieces of a streamed answer.
#[derive(Default)]
struct MessageStream {
    message: Map<String, Value>,
    blocks: Vec<Block>,
}

/// A content block: its start, and the text and input streamed since.
#[derive(Default)]
struct Block {
    start: Map<String, Value>,
    text: String,
    input: String,
}

impl EventReader for MessageStream {
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)> {
        let event = event_json(data)?;
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => {
                self.message = event.get("message").and_then(Value::as_object).cloned().unwrap_or_default();
                Ok(Step::Quiet)
            }
            "content_block_start" => {
                let start = event.get("content_block").and_then(Value::as_object).cloned().unwrap_or_default();
                let is_call = start.get("type").and_then(Value::as_str) == Some("tool_use");
                self.blocks.push(Block { start, ..Block::default() });
                Ok(if is_call { Step::Output } else { Step::Quiet })
            }
            "content_block_delta" => self.take_delta(&event),
            "message_delta" => {
                self.take_ending(&event);
                Ok(Step::Quiet)
            }
            "message_stop" => Ok(Step::End),
            "error" => Err(failed(event.get("error").unwrap_or(&event))),
            _ => Ok(Step::Quiet),
        }
    }

    fn is_complete(&self) -> bool {
        self.message.get("stop_reason").is_some_and(Value::is_string)
    }
}

impl MessageStream {
    fn take_delta(&mut self, event: &Value) -> Result<Step, (CallErrorKind, String)> {
        let index = event.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let unknown = || (CallErrorKind::BadAnswer, "contains a delta for a block that was not started".to_owned());
        let block = index.and_then(|index| self.blocks.get_mut(index)).ok_or_else(unknown)?;
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let text = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        let (piece, whole) = match text("type") {
            "text_delta" => (text("text"), &mut block.text),
            "input_json_delta" => (text("partial_json"), &mut block.input),
            _ => return Ok(Step::Quiet),
        };
        whole.push_str(piece);
        Ok(if piece.is_empty() { Step::Quiet } else { Step::Output })
    }

    /// Stores the stop reason and the latest token counts, which replace the earlier ones.
    fn take_ending(&mut self, event: &Value) {
        if let Some(delta) = event.get("delta").and_then(Value::as_object) {
            self.message.extend(delta.clone());
        }
        let newer = event.get("usage").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut usage = self.message.get("usage").and_then(Value::as_object).cloned().unwrap_or_default();
        usage.extend(newer.into_iter().filter(|(_, count)| !count.is_null()));
        self.message.insert("usage".to_owned(), Value::Object(usage));
    }
}

impl StreamReader for MessageStream {
    fn whole(&mut self) -> Value {
        let mut message = std::mem::take(&mut self.message);
        message.insert("content".to_owned(), self.blocks.drain(..).map(Block::whole).collect());
        Value::Object(message)
    }
}

impl Block {
    fn whole(mut self) -> Value {
        if !self.text.is_empty() {
            let start = self.start.get("text").and_then(Value::as_str).unwrap_or_default();
            let text = format!("{start}{}", self.text);
            self.start.insert("text".to_owned(), Value::String(text));
        }
        if !self.input.is_empty() {
            // An answer that reached its token limit may end in the middle of the JSON.
            let input = serde_json::from_str(&self.input).unwrap_or(Value::String(self.input));
            self.start.insert("input".to_owned(), input);
        }
        Value::Object(self.start)
    }
}

fn failed(error: &Value) -> (CallErrorKind, String) {
    let kind = match error.get("type").and_then(Value::as_str).unwrap_or_default() {
        "overloaded_error" => CallErrorKind::Overloaded,
        "rate_limit_error" => CallErrorKind::RateLimited,
        "timeout_error" => CallErrorKind::Timeout,
        "authentication_error" | "permission_error" => CallErrorKind::Unauthorized,
        "invalid_request_error" | "not_found_error" | "request_too_large" | "billing_error" => CallErrorKind::Refused,
        _ => CallErrorKind::Server,
    };
    broken_off(kind, error)
}

#[cfg(test)]
#[path = "tests/anthropic.rs"]
mod tests;
