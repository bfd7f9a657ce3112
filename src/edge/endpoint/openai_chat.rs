//! OpenAI's Chat Completions API, which vLLM, Ollama, llama.cpp, LiteLLM, Azure and others implement too.

use serde_json::{Map, Value, json};

use super::api::{Answer, ApiSettings, Dialect, StreamReader, refuse_params, require_model, tool_calls_text};
use crate::core::domain::{CallErrorKind, Failure, Message, Request, Usage};
use crate::edge::net::{EventReader, Step};

/// The path of the API, below the base URL.
const PATH: &str = "/chat/completions";
/// Params that the dialect sets itself.
const RESERVED: [&str; 3] = ["model", "messages", "stream"];

/// The dialect.
pub struct OpenAiChat {
    model: String,
    params: Map<String, Value>,
    stream: bool,
}

impl OpenAiChat {
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

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn path(&self) -> String {
        PATH.to_owned()
    }

    fn body(&self, request: &Request) -> Result<Value, String> {
        let mut body = self.params.clone();
        body.extend(request.options.clone());
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), request.turns().iter().map(Message::to_json).collect());
        body.insert("stream".to_owned(), Value::Bool(self.stream));
        if self.stream {
            body.entry("stream_options").or_insert_with(|| json!({"include_usage": true}));
        }
        Ok(Value::Object(body))
    }

    fn read(&self, answer: &Value) -> Result<Answer, String> {
        let tokens = |key: &str| answer.get("usage").and_then(|usage| usage.get(key)).and_then(Value::as_u64);
        Ok(Answer {
            output: read_output(answer)?,
            tool_calls: answer.pointer("/choices/0/message/tool_calls").and_then(tool_calls_text),
            finish_reason: answer.pointer("/choices/0/finish_reason").and_then(Value::as_str).map(str::to_owned),
            model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
            usage: Usage { prompt_tokens: tokens("prompt_tokens"), completion_tokens: tokens("completion_tokens") },
        })
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        self.stream.then(|| Box::<ChatStream>::default() as Box<dyn StreamReader>)
    }
}

/// The text of the first choice: its content, or else its refusal, or else its tool calls as canonical JSON. Empty
/// content counts only if there is nothing else.
fn read_output(answer: &Value) -> Result<String, String> {
    let choice = answer.pointer("/choices/0").ok_or("the response has no choices[0]")?;
    let message = choice.get("message").unwrap_or(&Value::Null);
    let content = content_text(message.get("content").unwrap_or(&Value::Null));
    let refusal = message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty());
    let candidates = [
        content.clone().filter(|text| !text.is_empty()),
        refusal.map(str::to_owned),
        message.get("tool_calls").and_then(tool_calls_text),
        content,
    ];
    candidates.into_iter().flatten().next().ok_or_else(|| {
        let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("not given");
        format!("choices[0].message has no content (finish_reason: {reason})")
    })
}

/// The text of a string, or the joined text parts of an array; `None` for anything else or if no part is text.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(part_text).collect();
            (!texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

fn part_text(part: &Value) -> Option<&str> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    part.get("text").and_then(Value::as_str).filter(|_| matches!(kind, "text" | "output_text"))
}

/// Collects the pieces of a streamed answer.
#[derive(Default)]
struct ChatStream {
    content: String,
    refusal: String,
    calls: Vec<Map<String, Value>>,
    finish_reason: Option<String>,
    model: Option<String>,
    usage: Option<Value>,
}

impl EventReader for ChatStream {
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)> {
        if data == "[DONE]" {
            return Ok(Step::End);
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| (CallErrorKind::BadAnswer, format!("an event is not JSON: {error}")))?;
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let told = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
            return Err((CallErrorKind::Server, format!("the server ended the stream with an error: {told}")));
        }
        let text = |key: &str| chunk.get(key).and_then(Value::as_str).map(str::to_owned);
        self.model = text("model").or(self.model.take());
        self.usage = chunk.get("usage").filter(|usage| !usage.is_null()).cloned().or(self.usage.take());
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(Step::Quiet) };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish_reason = Some(reason.to_owned());
        }
        Ok(self.take_delta(choice.get("delta").unwrap_or(&Value::Null)))
    }

    fn is_complete(&self) -> bool {
        self.finish_reason.is_some()
    }
}

impl ChatStream {
    fn take_delta(&mut self, delta: &Value) -> Step {
        let text = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        self.content.push_str(text("content"));
        self.refusal.push_str(text("refusal"));
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        let has_output = !text("content").is_empty() || !text("refusal").is_empty() || calls.is_some();
        for call in calls.into_iter().flatten() {
            self.take_call(call);
        }
        if has_output { Step::Output } else { Step::Quiet }
    }

    /// Adds a piece of a tool call by appending to the name and arguments of its function.
    fn take_call(&mut self, piece: &Value) {
        let index = piece.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        // An index far beyond the calls seen so far would only waste memory.
        let index = index.unwrap_or(self.calls.len()).min(self.calls.len());
        if index == self.calls.len() {
            self.calls
                .push(Map::from_iter([("type".to_owned(), json!("function")), ("function".to_owned(), json!({}))]));
        }
        let function = self.calls[index].entry("function").or_insert_with(|| json!({}));
        for key in ["name", "arguments"] {
            let more = piece.pointer(&format!("/function/{key}")).and_then(Value::as_str).unwrap_or_default();
            let before = function.get(key).and_then(Value::as_str).unwrap_or_default();
            function[key] = Value::String(format!("{before}{more}"));
        }
    }
}

impl StreamReader for ChatStream {
    fn whole(&mut self) -> Value {
        let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        let has_more = !self.refusal.is_empty() || !self.calls.is_empty();
        let content = if has_more { text(&self.content) } else { json!(self.content) };
        json!({
            "model": self.model,
            "usage": self.usage,
            "choices": [{
                "finish_reason": self.finish_reason,
                "message": {"content": content, "refusal": text(&self.refusal), "tool_calls": self.calls},
            }],
        })
    }
}

#[cfg(test)]
#[path = "tests/openai_chat.rs"]
mod tests;
