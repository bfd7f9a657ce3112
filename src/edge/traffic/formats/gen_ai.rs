//! OpenTelemetry's semantic conventions for generative AI, current and former, and those of instrumentations that follow
//! them: which spans and events are requests, and where their messages are.

use serde_json::{Map, Value};

use super::super::format::{Found, NO_REQUEST};
use super::super::messages::{answer, asked, message, parsed};
use super::spans::{SpanRow, find, normal_input, normal_output, spread, text};

/// Operations that ask a model or an agent.
const ASKING: [&str; 6] =
    ["chat", "completion", "generate_content", "invoke_agent", "invoke_workflow", "text_completion"];

/// Other operations.
const OTHERS: [&str; 8] = [
    "create_agent",
    "embedding",
    "embeddings",
    "execute_tool",
    "image_generation",
    "moderation",
    "rerank",
    "retrieval",
];

/// What a span, an event of one, or a log record says about a request.
pub(super) struct Content {
    pub(super) input: Option<Value>,
    pub(super) output: Option<Value>,
}

/// What a span contains.
pub(super) fn found(span: &SpanRow) -> Found {
    let content = content(span);
    if !is_request(span, &content) {
        return Found::Other(NO_REQUEST);
    }
    span.request(content.input, content.output, model(&span.attributes))
}

/// The model that answered, or else the one that was asked.
pub(super) fn model(attributes: &Map<String, Value>) -> Option<String> {
    const NAMES: [&str; 6] = [
        "gen_ai.response.model",
        "gen_ai.request.model",
        "llm.response.model",
        "llm.request.model",
        "ai.response.model",
        "ai.model.id",
    ];
    text(attributes, &NAMES)
}

fn is_request(span: &SpanRow, content: &Content) -> bool {
    let get = |name: &str| text(&span.attributes, &[name]);
    let has_content = content.input.is_some() || content.output.is_some();
    match get("gen_ai.operation.name").as_deref() {
        Some(operation) if ASKING.contains(&operation) => return true,
        Some(operation) if OTHERS.contains(&operation) => return false,
        Some(_) => return has_content,
        None => {}
    }
    if let Some(kind) = get("llm.request.type") {
        return kind == "chat" || kind == "completion";
    }
    if let Some(kind) = get("traceloop.span.kind") {
        return (kind == "workflow" || kind == "agent") && has_content;
    }
    if let Some(operation) = get("ai.operationId") {
        return has_content && !operation.contains("embed") && !operation.contains("toolCall");
    }
    if get("gen_ai.tool.name").is_some() {
        return false;
    }
    // Some spans of embeddings do not name their operation.
    let is_embedding = span.name.to_lowercase().contains("embedding")
        || span.attributes.keys().any(|name| name.starts_with("gen_ai.embeddings."));
    !is_embedding && (has_content || model(&span.attributes).is_some())
}

/// The content of a span: in its attributes, or else in its events.
fn content(span: &SpanRow) -> Content {
    let mut content = recorded(&span.attributes);
    for event in &span.events {
        if is_content(&event.name) {
            let other = recorded(&event.attributes);
            content.input = content.input.or(other.input);
            content.output = content.output.or(other.output);
        }
    }
    let (mut inputs, mut output) = (Vec::new(), None);
    for event in &span.events {
        match event_message(&event.name, &event.attributes) {
            Some(Message { message, is_output: false }) => inputs.push(message),
            Some(Message { message, is_output: true }) => output = output.or_else(|| answer(&message)),
            None => {}
        }
    }
    let input = content.input.or_else(|| (!inputs.is_empty()).then_some(Value::Array(inputs)));
    Content { input: input.or_else(|| entity_input(&span.attributes)), output: content.output.or(output) }
}

/// Whether an event has the content of a request in its attributes.
pub(super) fn is_content(name: &str) -> bool {
    matches!(name, "gen_ai.client.inference.operation.details" | "gen_ai.content.prompt" | "gen_ai.content.completion")
}

/// The content in attributes.
pub(super) fn recorded(attributes: &Map<String, Value>) -> Content {
    Content { input: recorded_input(attributes), output: recorded_output(attributes) }
}

fn recorded_input(attributes: &Map<String, Value>) -> Option<Value> {
    if let Some(found) = find(attributes, "gen_ai.input.messages") {
        let input = normal_input(found.clone());
        let system = find(attributes, "gen_ai.system_instructions").and_then(system_message);
        return Some(match (system, input) {
            (Some(system), Value::Array(mut items)) if items.first() != Some(&system) => {
                items.insert(0, system);
                Value::Array(items)
            }
            (_, input) => input,
        });
    }
    if let Some(prompt) = listed(attributes, "gen_ai.prompt").or_else(|| listed(attributes, "llm.prompts")) {
        return Some(normal_input(with_roles(prompt)));
    }
    ai_sdk_input(attributes)
}

/// The prompt of Vercel's AI SDK: the messages that were sent to the model, or what the caller gave: a prompt or messages, and
/// instructions.
fn ai_sdk_input(attributes: &Map<String, Value>) -> Option<Value> {
    let prompt = ["ai.prompt.messages", "ai.prompt"].into_iter().find_map(|name| find(attributes, name))?;
    let mut prompt = parsed(prompt.clone());
    let Value::Object(body) = &mut prompt else { return Some(normal_input(prompt)) };
    if let Some(text) = body.remove("prompt") {
        body.entry("messages").or_insert(text);
    }
    Some(asked(body).unwrap_or(prompt))
}

/// The value of an attribute, which former versions spread over several: `gen_ai.prompt.0.role` and so on.
fn listed(attributes: &Map<String, Value>, name: &str) -> Option<Value> {
    find(attributes, name).map(|value| parsed(value.clone())).or_else(|| spread(attributes, name))
}

/// Instructions as the first message.
fn system_message(value: &Value) -> Option<Value> {
    let name = if value.is_object() { "content" } else { "parts" };
    let fields = [("role".to_owned(), Value::from("system")), (name.to_owned(), parsed(value.clone()))];
    message(&Value::Object(Map::from_iter(fields))).filter(|message| message.get("content") != Some(&Value::Null))
}

/// Prompts of completions have no role, or have it as the name of their text.
fn with_roles(prompt: Value) -> Value {
    let Value::Array(items) = prompt else { return prompt };
    let with_role = |item: Value| {
        let Value::Object(mut fields) = item else { return item };
        if let Some(content) = fields.get_mut("content") {
            *content = parts_in(content.take());
        }
        if !fields.contains_key("role") && !fields.contains_key("type") {
            if let Some(text) = fields.remove("user") {
                fields.insert("content".to_owned(), text);
            }
            fields.insert("role".to_owned(), Value::from("user"));
        }
        Value::Object(fields)
    };
    items.into_iter().map(with_role).collect()
}

/// Types of parts of messages.
const PARTS: [&str; 12] = [
    "file",
    "image",
    "image_url",
    "input_audio",
    "input_file",
    "input_image",
    "input_text",
    "output_text",
    "text",
    "tool_call",
    "tool_result",
    "tool_use",
];

/// The parts of a message that were written as JSON; other text stays as it is, although it may be JSON too.
fn parts_in(content: Value) -> Value {
    let is_part = |part: &Value| {
        let kind = part.get("type").and_then(Value::as_str);
        kind.map_or_else(|| part.get("text").is_some_and(Value::is_string), |kind| PARTS.contains(&kind))
    };
    match parsed(content.clone()) {
        Value::Array(parts) if !parts.is_empty() && parts.iter().all(is_part) => Value::Array(parts),
        _ => content,
    }
}

fn recorded_output(attributes: &Map<String, Value>) -> Option<Value> {
    const TEXTS: [&str; 4] = ["ai.response.text", "ai.response.object", "traceloop.entity.output", "output.value"];
    let names = ["gen_ai.output.messages", "gen_ai.completion", "llm.completions"];
    if let Some(choices) = names.into_iter().find_map(|name| listed(attributes, name)) {
        // Choices without an answer were recorded without content.
        return match normal_output(choices) {
            Value::Array(items) if items.iter().all(is_empty_message) => None,
            output => Some(output),
        };
    }
    let found = TEXTS.into_iter().find_map(|name| find(attributes, name))?;
    Some(normal_output(entity(found, "outputs")))
}

fn is_empty_message(item: &Value) -> bool {
    item.get("role").is_some() || item.get("finish_reason").is_some()
}

/// What a workflow or an agent was called with.
fn entity_input(attributes: &Map<String, Value>) -> Option<Value> {
    let found = ["traceloop.entity.input", "input.value"].into_iter().find_map(|name| find(attributes, name))?;
    Some(normal_input(entity(found, "inputs")))
}

/// The arguments or results of a function that a decorator recorded, or an integration under `name`, without what is around
/// them.
fn entity(value: &Value, name: &str) -> Value {
    let fields = match value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        Some(Value::Object(fields)) => fields,
        Some(inner @ Value::String(_)) => return inner,
        _ => return value.clone(),
    };
    if let Some(inner) = fields.get(name) {
        return inner.clone();
    }
    let (Some(Value::Array(args)), Some(Value::Object(kwargs)), 2) =
        (fields.get("args"), fields.get("kwargs"), fields.len())
    else {
        return Value::Object(fields);
    };
    match (args.as_slice(), kwargs.is_empty()) {
        ([only], true) => only.clone(),
        ([], false) => Value::Object(kwargs.clone()),
        _ => Value::Object(fields),
    }
}

/// A message of an event.
pub(super) struct Message {
    /// As `{role, content}`.
    pub(super) message: Value,
    pub(super) is_output: bool,
}

/// The message in an event of which it is the body or the attributes; `None` if the event is another one, or its content was
/// not recorded.
pub(super) fn event_message(name: &str, fields: &Map<String, Value>) -> Option<Message> {
    let role = message_role(name)?;
    let body = match find(fields, "gen_ai.event.content").map(|content| parsed(content.clone())) {
        Some(Value::Object(body)) => body,
        Some(content) => Map::from_iter([("content".to_owned(), content)]),
        None => fields.clone(),
    };
    let mut inner = match body.get("message") {
        Some(Value::Object(inner)) => inner.clone(),
        Some(text @ Value::String(_)) => Map::from_iter([("content".to_owned(), text.clone())]),
        _ => body,
    };
    if !inner.get("role").is_some_and(Value::is_string) {
        inner.insert("role".to_owned(), Value::from(role));
    }
    if let Some(content) = inner.get_mut("content") {
        *content = parts_in(content.take());
    }
    let message = message(&Value::Object(inner))?;
    let is_empty = message.get("content").is_none_or(Value::is_null) && message.get("tool_calls").is_none();
    (!is_empty).then_some(Message { message, is_output: name == "gen_ai.choice" })
}

/// The role of the message in an event with this name.
pub(super) fn message_role(name: &str) -> Option<&'static str> {
    Some(match name {
        "gen_ai.system.message" => "system",
        "gen_ai.user.message" => "user",
        "gen_ai.assistant.message" | "gen_ai.choice" => "assistant",
        "gen_ai.tool.message" => "tool",
        _ => return None,
    })
}
