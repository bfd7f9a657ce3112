//! `generateContent` of Google's Gemini API.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::api::{Answer, ApiSettings, Dialect, StreamReader, refuse_params, require_model, tool_calls_text};
use super::chat_form::{
    Picture, ResponseFormat, ToolChoice, answered_call, answered_with, broken_off, calls, event_json, function,
    is_system, of_message, picture, refusal, system_text, take_list, take_response_format, take_tool_choice,
};
use crate::core::domain::{CallErrorKind, Failure, Message, Request, Usage};
use crate::edge::net::{EventReader, Step};

/// Params that the dialect sets itself.
const RESERVED: [&str; 6] = ["model", "contents", "messages", "stream", "systemInstruction", "system_instruction"];

/// Params that belong to `generationConfig`.
const GENERATION: [&str; 21] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "speechConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "enableEnhancedCivicAnswers",
];

/// The dialect.
///
/// All system messages, wherever they are in the conversation, are joined into the API's single `systemInstruction`.
/// Params that belong to `generationConfig` are moved there, whether written as in the API, as in Python (`top_p`) or
/// as in OpenAI's API (`max_tokens`, `stop`); all others are fields of the body itself.
pub struct Gemini {
    path: String,
    params: Map<String, Value>,
    stream: bool,
}

impl Gemini {
    /// Creates the dialect with an endpoint's model and params. A model that contains a slash, such as `tunedModels/x`,
    /// is its whole path below the base URL; any other one is below `models/`.
    ///
    /// # Errors
    /// A data failure for an empty model, one that cannot be used in a URL, or a reserved param.
    pub fn new(settings: &ApiSettings) -> Result<Self, Failure> {
        require_model(settings)?;
        refuse_params(settings, &RESERVED)?;
        let fault = |what: String| Failure::data(format!("endpoint \"{}\": {what}", settings.name));
        let model = settings.model.trim().trim_start_matches('/');
        let is_sendable = |c: char| c.is_ascii_alphanumeric() || "-._~/@:".contains(c);
        if !model.chars().all(is_sendable) || model.split('/').any(|step| matches!(step, "" | "." | "..")) {
            return Err(fault(format!("model \"{model}\" cannot be used in a URL")));
        }
        let place = if model.contains('/') { String::new() } else { "/models".to_owned() };
        let method = if settings.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let params = sorted_params(&settings.params).map_err(fault)?;
        Ok(Self { path: format!("{place}/{model}:{method}"), params, stream: settings.stream })
    }
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn path(&self) -> String {
        self.path.clone()
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }

    fn body(&self, request: &Request) -> Result<Value, String> {
        let mut body = self.params.clone();
        body.extend(request.options.clone());
        if let Some(tools) = take_list(&mut body, "tools")? {
            body.insert("tools".to_owned(), Value::Array(declared(&tools)));
        }
        if let Some(choice) = take_tool_choice(&mut body)? {
            object_in(&mut body, "toolConfig")?.insert("functionCallingConfig".to_owned(), calling_config(choice));
        }
        if body.remove("parallel_tool_calls") == Some(Value::Bool(false)) {
            return Err("Gemini's API cannot be limited to one tool call at a time (parallel_tool_calls)".to_owned());
        }
        if let Some(format) = take_response_format(&mut body)? {
            let config = object_in(&mut body, "generationConfig")?;
            config.insert("responseMimeType".to_owned(), json!("application/json"));
            if let ResponseFormat::Schema(schema) = format {
                config.insert("responseJsonSchema".to_owned(), schema.get("schema").cloned().unwrap_or_default());
            }
        }
        let turns = request.turns();
        if let Some(system) = system_text(&turns) {
            body.insert("systemInstruction".to_owned(), json!({"parts": [{"text": system}]}));
        }
        body.insert("contents".to_owned(), Value::Array(contents(&turns)?));
        Ok(Value::Object(body))
    }

    fn read(&self, answer: &Value) -> Result<Answer, String> {
        let tokens = |key: &str| answer.get("usageMetadata").and_then(|usage| usage.get(key)).and_then(Value::as_u64);
        let spoken = [tokens("candidatesTokenCount"), tokens("thoughtsTokenCount")];
        let completion_tokens = spoken.into_iter().flatten().reduce(|sum: u64, tokens| sum.saturating_add(tokens));
        Ok(Answer {
            output: read_output(answer)?,
            tool_calls: answer.pointer("/candidates/0").and_then(calls_text),
            finish_reason: answer.pointer("/candidates/0").and_then(finish_reason),
            model: answer.get("modelVersion").and_then(Value::as_str).map(str::to_owned),
            usage: Usage { prompt_tokens: tokens("promptTokenCount"), completion_tokens },
        })
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        self.stream.then(|| Box::<ContentStream>::default() as Box<dyn StreamReader>)
    }
}

/// Moves params into `generationConfig` where they belong, and spells section names as the API does.
fn sorted_params(params: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let (mut sorted, mut config) = (Map::new(), Map::new());
    for (name, value) in params {
        let own_name = generation_name(name);
        if GENERATION.contains(&own_name.as_str()) {
            let is_single_stop = own_name == "stopSequences" && value.is_string();
            config.insert(own_name, if is_single_stop { json!([value]) } else { value.clone() });
        } else if matches!(own_name.as_str(), "generationConfig" | "toolConfig") {
            sorted.insert(own_name, value.clone());
        } else {
            sorted.insert(name.clone(), value.clone());
        }
    }
    if !config.is_empty() {
        let named = object_in(&mut sorted, "generationConfig").map_err(|what| format!("params.{what}"))?;
        config.extend(std::mem::take(named));
        *named = config;
    }
    Ok(sorted)
}

fn generation_name(name: &str) -> String {
    match name {
        "max_tokens" | "max_completion_tokens" => "maxOutputTokens".to_owned(),
        "stop" => "stopSequences".to_owned(),
        "n" => "candidateCount".to_owned(),
        other => camel_case(other),
    }
}

fn camel_case(name: &str) -> String {
    let mut steps = name.split('_');
    let first = steps.next().unwrap_or_default().to_owned();
    steps.fold(first, |mut name, step| {
        let mut rest = step.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name + rest.as_str()
    })
}

/// The object with this name in a body, created if it is missing.
fn object_in<'a>(body: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>, String> {
    let section = body.entry(name).or_insert_with(|| json!({}));
    section.as_object_mut().ok_or_else(|| format!("{name} is not an object"))
}

/// All functions in a single tool, followed by the tools in the API's own format.
fn declared(tools: &[Value]) -> Vec<Value> {
    let declarations: Vec<Value> = tools.iter().filter_map(function).map(declaration).collect();
    let own = tools.iter().filter(|tool| function(tool).is_none()).cloned();
    let declared = (!declarations.is_empty()).then(|| json!({"functionDeclarations": declarations}));
    declared.into_iter().chain(own).collect()
}

fn declaration(function: &Map<String, Value>) -> Value {
    // The field `parameters` supports only a subset of JSON Schema.
    let fields = [("name", "name"), ("description", "description"), ("parameters", "parametersJsonSchema")];
    fields.into_iter().filter_map(|(from, to)| Some((to.to_owned(), function.get(from)?.clone()))).collect()
}

fn calling_config(choice: ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Function(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        ToolChoice::Own(own) => own,
    }
}

fn contents(turns: &[Message]) -> Result<Vec<Value>, String> {
    let mut contents: Vec<Value> = Vec::new();
    // Results refer to the function, not to the call.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut follows_result = false;
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| !is_system(turn)) {
        let fail = of_message(index);
        let is_result = turn.role == "tool";
        names.extend(calls(turn).map_err(&fail)?.iter().map(|call| (call.id, call.name)));
        let (role, parts) = match turn.role.as_str() {
            "user" => ("user", parts(&turn.content).map_err(fail)?),
            "assistant" => ("model", model_parts(turn).map_err(fail)?),
            "tool" => ("user", vec![function_response(turn, &names).map_err(fail)?]),
            other => return Err(fail(format!("has the role \"{other}\", which Gemini's API does not support"))),
        };
        // The results of parallel calls must be in one message.
        let last = contents.last_mut().filter(|_| is_result && follows_result);
        match last.and_then(|last| last.get_mut("parts")?.as_array_mut()) {
            Some(before) => before.extend(parts),
            None => contents.push(json!({"role": role, "parts": parts})),
        }
        follows_result = is_result;
    }
    Ok(contents)
}

fn parts(content: &Value) -> Result<Vec<Value>, String> {
    match content {
        Value::Array(parts) => parts.iter().map(part).collect(),
        Value::String(text) => Ok(vec![json!({"text": text})]),
        _ => Ok(Vec::new()),
    }
}

/// Converts a part to the API's format; parts without a type are in it already.
fn part(part: &Value) -> Result<Value, String> {
    if let Some(text) = part.as_str() {
        return Ok(json!({"text": text}));
    }
    match part.get("type").and_then(Value::as_str) {
        None => Ok(part.clone()),
        Some("text") => Ok(json!({"text": part.get("text")})),
        Some("image_url") => Ok(match picture(part)? {
            Picture::Inline { media_type, data } => json!({"inlineData": {"mimeType": media_type, "data": data}}),
            Picture::Link(url) => json!({"fileData": {"fileUri": url}}),
        }),
        Some(other) => Err(format!("has a part of the type \"{other}\", which cannot be sent to Gemini's API")),
    }
}

fn model_parts(turn: &Message) -> Result<Vec<Value>, String> {
    let calls = calls(turn)?;
    let mut parts = match (&turn.content, refusal(turn)) {
        (Value::Null, Some(refusal)) => vec![json!({"text": refusal})],
        (Value::String(text), _) if text.is_empty() && !calls.is_empty() => Vec::new(),
        (content, _) => parts(content)?,
    };
    for call in calls {
        let mut part = json!({"functionCall": {"name": call.name, "args": call.object()?}});
        // Google's Chat Completions answers carry the signature here; it must be sent back to the model.
        if let Some(signature) = call.raw.pointer("/extra_content/google/thought_signature") {
            part["thoughtSignature"] = signature.clone();
        }
        parts.push(part);
    }
    Ok(parts)
}

fn function_response(turn: &Message, names: &HashMap<&str, &str>) -> Result<Value, String> {
    let id = answered_call(turn)?;
    let own_name = turn.rest.get("name").and_then(Value::as_str);
    let name = names.get(id).copied().or(own_name);
    let name = name.ok_or_else(|| format!("is the result of tool call \"{id}\", which no earlier message makes"))?;
    let text = turn.content_text();
    let response = serde_json::from_str(&text).ok().filter(Value::is_object);
    Ok(json!({"functionResponse": {"name": name, "response": response.unwrap_or_else(|| json!({"output": text}))}}))
}

/// The text of the first candidate without its thoughts, or else its function calls. A model that stops by itself
/// without any text has answered with empty text.
fn read_output(answer: &Value) -> Result<String, String> {
    let Some(candidate) = answer.pointer("/candidates/0") else {
        let reason = answer.pointer("/promptFeedback/blockReason").and_then(Value::as_str);
        return Err(reason.map_or_else(
            || "the response has no candidates[0]".to_owned(),
            |reason| format!("the prompt was blocked (blockReason: {reason})"),
        ));
    };
    let texts: Vec<&str> = spoken(candidate).filter_map(|part| part.get("text")?.as_str()).collect();
    let text = texts.concat();
    if !text.is_empty() {
        return Ok(text);
    }
    if let Some(calls) = calls_text(candidate) {
        return Ok(calls);
    }
    match candidate.get("finishReason").and_then(Value::as_str).unwrap_or("not given") {
        "STOP" => Ok(text),
        reason => Err(format!("candidates[0] has no text (finishReason: {reason})")),
    }
}

/// The parts of a candidate that are not thoughts.
fn spoken(candidate: &Value) -> impl Iterator<Item = &Value> {
    let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
    parts.into_iter().flatten().filter(|part| !is_thought(part))
}

fn calls_text(candidate: &Value) -> Option<String> {
    let calls = spoken(candidate).filter_map(|part| {
        let call = part.get("functionCall")?;
        let arguments = call.get("args").cloned().unwrap_or_else(|| json!({}));
        Some(answered_with(call.get("name")?.as_str()?, &arguments))
    });
    tool_calls_text(&calls.collect())
}

/// Why the answer ended, in OpenAI's words.
fn finish_reason(candidate: &Value) -> Option<String> {
    let reason = match candidate.get("finishReason").and_then(Value::as_str)? {
        "STOP" if calls_text(candidate).is_some() => "tool_calls",
        "STOP" => "stop",
        "MAX_TOKENS" => "length",
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => "content_filter",
        other => other,
    };
    Some(reason.to_owned())
}

fn is_thought(part: &Value) -> bool {
    part.get("thought") == Some(&Value::Bool(true))
}

/// Collects the pieces of a streamed answer.
#[derive(Default)]
struct ContentStream {
    parts: Vec<Value>,
    has_candidate: bool,
    finish_reason: Option<Value>,
    /// Fields that every piece repeats; the last value counts.
    latest: Map<String, Value>,
}

impl EventReader for ContentStream {
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)> {
        if data == "[DONE]" {
            return Ok(Step::End);
        }
        let chunk = event_json(data)?;
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(failed(error));
        }
        for key in ["promptFeedback", "usageMetadata", "modelVersion"] {
            let value = chunk.get(key).filter(|value| !value.is_null());
            self.latest.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        let Some(candidate) = chunk.pointer("/candidates/0") else { return Ok(Step::Quiet) };
        self.has_candidate = true;
        let reason = candidate.get("finishReason").filter(|reason| reason.is_string());
        self.finish_reason = reason.cloned().or(self.finish_reason.take());
        let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
        let mut step = Step::Quiet;
        for part in parts.into_iter().flatten() {
            let says = part.get("text").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            if !is_thought(part) && (says || part.get("functionCall").is_some()) {
                step = Step::Output;
            }
            self.parts.push(part.clone());
        }
        Ok(step)
    }

    fn is_complete(&self) -> bool {
        let is_blocked = self.latest.get("promptFeedback").is_some_and(|told| told.get("blockReason").is_some());
        self.finish_reason.is_some() || is_blocked
    }
}

impl StreamReader for ContentStream {
    fn whole(&mut self) -> Value {
        let mut whole = std::mem::take(&mut self.latest);
        if self.has_candidate {
            let parts = std::mem::take(&mut self.parts);
            let candidate = json!({"content": {"parts": parts}, "finishReason": self.finish_reason.take()});
            whole.insert("candidates".to_owned(), json!([candidate]));
        }
        Value::Object(whole)
    }
}

fn failed(error: &Value) -> (CallErrorKind, String) {
    let kind = match error.get("status").and_then(Value::as_str).unwrap_or_default() {
        "RESOURCE_EXHAUSTED" => CallErrorKind::RateLimited,
        "UNAVAILABLE" => CallErrorKind::Overloaded,
        "DEADLINE_EXCEEDED" => CallErrorKind::Timeout,
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => CallErrorKind::Unauthorized,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "NOT_FOUND" | "OUT_OF_RANGE" => CallErrorKind::Refused,
        _ => CallErrorKind::Server,
    };
    broken_off(kind, error)
}

#[cfg(test)]
#[path = "tests/gemini.rs"]
mod tests;
