//! Reads conversations in the format of OpenAI's Chat Completions, in which examples are stored, for the dialects that
//! have another format.

use serde_json::{Map, Value};

use super::api::tool_call;
use crate::core::domain::{CallErrorKind, Message};

/// A tool call in an assistant message.
pub(super) struct Call<'a> {
    /// The id by which its result refers to it.
    pub(super) id: &'a str,
    /// The name of the function.
    pub(super) name: &'a str,
    /// The arguments: usually JSON text, but any value is accepted.
    pub(super) arguments: &'a Value,
    /// The complete call.
    pub(super) raw: &'a Value,
}

impl Call<'_> {
    /// The arguments as an object; empty text counts as no arguments.
    pub(super) fn object(&self) -> Result<Value, String> {
        let parsed = match self.arguments {
            Value::String(text) if text.trim().is_empty() => Some(Value::Object(Map::new())),
            Value::String(text) => serde_json::from_str(text).ok(),
            other => Some(other.clone()),
        };
        let object = parsed.filter(Value::is_object);
        object.ok_or_else(|| format!("calls \"{}\" with arguments that are not a JSON object", self.name))
    }

    /// The arguments as text.
    pub(super) fn text(&self) -> String {
        self.arguments.as_str().map_or_else(|| self.arguments.to_string(), str::to_owned)
    }
}

/// The tool calls of a message; the error completes "message 3 …".
pub(super) fn calls(message: &Message) -> Result<Vec<Call<'_>>, String> {
    let calls = message.rest.get("tool_calls").and_then(Value::as_array);
    let read = |raw| {
        let function = Value::get(raw, "function").ok_or("has a tool call that is not a function call")?;
        let name = function.get("name").and_then(Value::as_str).ok_or("has a tool call without a name")?;
        let id = raw.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| format!("has a call to \"{name}\" without an id"))?;
        Ok(Call { id, name, arguments: function.get("arguments").unwrap_or(&Value::Null), raw })
    };
    calls.into_iter().flatten().map(read).collect()
}

/// The id of the tool call whose result the message contains.
pub(super) fn answered_call(message: &Message) -> Result<&str, String> {
    let id = message.rest.get("tool_call_id").and_then(Value::as_str);
    id.ok_or_else(|| "is a tool result, but has no tool_call_id".to_owned())
}

/// Whether a message instructs the model rather than being part of the conversation.
pub(super) fn is_system(message: &Message) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

/// The joined text of all system messages, for APIs with a single field for it; `None` if there are none.
pub(super) fn system_text(turns: &[Message]) -> Option<String> {
    let texts: Vec<String> = turns
        .iter()
        .filter(|turn| is_system(turn))
        .map(Message::content_text)
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// The refusal of a message, if it has one that is not empty.
pub(super) fn refusal(message: &Message) -> Option<&str> {
    message.rest.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Prefixes an error with the number of the message it is about, counted from 1.
pub(super) fn of_message(index: usize) -> impl Fn(String) -> String {
    move |what| format!("message {} {what}", index + 1)
}

/// An image in a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Picture<'a> {
    /// Contained in the message.
    Inline {
        /// The media type, such as `image/png`.
        media_type: &'a str,
        /// The data in base64.
        data: &'a str,
    },
    /// A link to the image.
    Link(&'a str),
}

/// The image of a part of type `image_url`; the error completes "message 3 …".
pub(super) fn picture(part: &Value) -> Result<Picture<'_>, String> {
    let image = part.get("image_url").unwrap_or(&Value::Null);
    let url = image.as_str().or_else(|| image.get("url")?.as_str()).ok_or("has an image without a URL")?;
    let Some(inline) = url.strip_prefix("data:") else { return Ok(Picture::Link(url)) };
    let parts = inline.split_once(',').and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
    let (head, data) = parts.ok_or("has an image in a data URL that is not base64")?;
    let media_type = head.split(';').next().filter(|kind| !kind.is_empty());
    Ok(Picture::Inline { media_type: media_type.ok_or("has an image in a data URL without a media type")?, data })
}

/// Removes a list from the fields of a request; `None` if it is missing, null or empty.
pub(super) fn take_list(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<Value>>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok((!list.is_empty()).then_some(list)),
        Some(_) => Err(format!("{name} is not a list")),
    }
}

/// The function of a tool; `None` for tools in an API's own format.
pub(super) fn function(tool: &Value) -> Option<&Map<String, Value>> {
    tool.get("function")?.as_object()
}

/// Which tool the model must call.
#[derive(Debug, PartialEq)]
pub(super) enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// At least one tool.
    Required,
    /// The named function.
    Function(String),
    /// A value in the API's own format.
    Own(Value),
}

/// Removes the tool choice from the fields of a request.
pub(super) fn take_tool_choice(fields: &mut Map<String, Value>) -> Result<Option<ToolChoice>, String> {
    let Some(choice) = fields.remove("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(None) };
    Ok(Some(match choice.as_str() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        Some(other) => return Err(format!("tool_choice is \"{other}\", not auto, none or required")),
        None => match choice.pointer("/function/name").and_then(Value::as_str) {
            Some(name) => ToolChoice::Function(name.to_owned()),
            None if choice.is_object() => ToolChoice::Own(choice),
            None => return Err("tool_choice is neither text nor an object".to_owned()),
        },
    }))
}

/// The required format of the answer.
#[derive(Debug, PartialEq)]
pub(super) enum ResponseFormat {
    /// Any JSON.
    Json,
    /// JSON with a schema: the fields `name`, `schema`, `strict` and so on.
    Schema(Map<String, Value>),
}

/// Removes the response format from the fields of a request; `None` for plain text.
pub(super) fn take_response_format(fields: &mut Map<String, Value>) -> Result<Option<ResponseFormat>, String> {
    let Some(format) = fields.remove("response_format").filter(|format| !format.is_null()) else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(ResponseFormat::Json)),
        Some("json_schema") => match format.get("json_schema") {
            Some(Value::Object(schema)) if schema.contains_key("schema") => {
                Ok(Some(ResponseFormat::Schema(schema.clone())))
            }
            _ => Err("response_format has no json_schema.schema".to_owned()),
        },
        _ => Err("the type of response_format is not text, json_object or json_schema".to_owned()),
    }
}

/// A tool call in an answer. Arguments that are valid JSON text are made canonical; truncated ones are left unchanged.
pub(super) fn answered_with(name: &str, arguments: &Value) -> Value {
    let Value::String(text) = arguments else { return tool_call(name, arguments) };
    match serde_json::from_str::<Value>(text) {
        Ok(parsed) => tool_call(name, &parsed),
        Err(_) => {
            let mut call = tool_call(name, &Value::Null);
            call["function"]["arguments"] = arguments.clone();
            call
        }
    }
}

/// Parses the data of an event as JSON.
pub(super) fn event_json(data: &str) -> Result<Value, (CallErrorKind, String)> {
    serde_json::from_str(data).map_err(|error| (CallErrorKind::BadAnswer, format!("an event is not JSON: {error}")))
}

/// The error of a stream that the server ended with an error event.
pub(super) fn broken_off(kind: CallErrorKind, error: &Value) -> (CallErrorKind, String) {
    let told = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
    (kind, format!("the server ended the stream with an error: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inline_and_linked_images_are_told_apart() {
        let part = |url: Value| json!({"type": "image_url", "image_url": url});
        let inline = part(json!({"url": "data:image/png;charset=x;base64,QUJD"}));
        assert_eq!(picture(&inline), Ok(Picture::Inline { media_type: "image/png", data: "QUJD" }));
        assert_eq!(picture(&part(json!("http://h/p.png"))), Ok(Picture::Link("http://h/p.png")));
        for url in [json!("data:image/png,ABC"), json!("data:;base64,QUJD"), json!("data:"), json!({}), json!(7)] {
            assert!(picture(&part(url.clone())).is_err(), "{url}");
        }
    }

    #[test]
    fn the_arguments_of_a_call_are_made_canonical_if_they_are_json() {
        let arguments = |value: Value| answered_with("f", &value)["function"]["arguments"].clone();
        assert_eq!(arguments(json!("{\"b\": 1, \"a\": 2}")), r#"{"a":2,"b":1}"#);
        assert_eq!(arguments(json!({"b": 1, "a": 2})), r#"{"a":2,"b":1}"#);
        assert_eq!(arguments(json!("{\"b\": ")), "{\"b\": ");
    }

    #[test]
    fn invalid_request_fields_are_refused() {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        for choice in [json!("any"), json!(7)] {
            assert!(take_tool_choice(&mut fields(json!({"tool_choice": choice}))).is_err(), "{choice}");
        }
        for format in [json!("json"), json!({"type": "xml"}), json!({"type": "json_schema"})] {
            assert!(take_response_format(&mut fields(json!({"response_format": format}))).is_err(), "{format}");
        }
        assert!(take_list(&mut fields(json!({"tools": {}})), "tools").is_err());
        assert_eq!(take_response_format(&mut fields(json!({"response_format": {"type": "text"}}))), Ok(None));
    }
}
