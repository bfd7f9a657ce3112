//! Chat messages of inspect_ai, in OpenAI's form.

use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, object};
use super::archive::ATTACHMENT;

/// What stands in place of a picture that was not logged.
const REMOVED: &str = "<base64-data-removed>";

/// Chat messages without the ids and sources that inspect_ai adds.
pub(super) fn chat(messages: Value, attachments: &Value, line: u64, dataset: &mut Dataset<'_>) -> Value {
    let Value::Array(messages) = messages else { return messages };
    messages.into_iter().map(|message| converted(object(message), attachments, line, dataset)).collect()
}

fn converted(mut fields: Map<String, Value>, attachments: &Value, line: u64, dataset: &mut Dataset<'_>) -> Value {
    let mut message = Map::new();
    message.extend(fields.remove("role").map(|role| ("role".to_owned(), role)));
    let calls = fields.remove("tool_calls").and_then(|calls| tool_calls(&calls));
    let content = match fields.remove("content").unwrap_or_default() {
        Value::Array(items) => parts(&items, attachments, line, dataset),
        other => resolved(other, attachments),
    };
    message.insert("content".to_owned(), content);
    message.extend(calls.map(|calls| ("tool_calls".to_owned(), calls)));
    let id = fields.remove("tool_call_id").filter(|id| !id.is_null());
    message.extend(id.map(|id| ("tool_call_id".to_owned(), id)));
    Value::Object(message)
}

/// A text, or the attachment that it refers to.
pub(super) fn resolved(text: Value, attachments: &Value) -> Value {
    let stored = text.as_str().and_then(|text| text.strip_prefix(ATTACHMENT)).and_then(|key| attachments.get(key));
    stored.cloned().unwrap_or(text)
}

fn parts(items: &[Value], attachments: &Value, line: u64, dataset: &mut Dataset<'_>) -> Value {
    let mut kept = Vec::new();
    for item in items {
        let field = |name: &str| resolved(item.get(name).cloned().unwrap_or_default(), attachments);
        match item.get("type").and_then(Value::as_str) {
            Some("text") => kept.push(json!({"type": "text", "text": field("text")})),
            Some("image") => {
                let url = field("image");
                note_picture(url.as_str().unwrap_or_default(), line, dataset);
                kept.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            other => {
                let what =
                    format!("content: {}", other.unwrap_or("without a type").chars().take(40).collect::<String>());
                dataset.note_once(line, &what, "parts of this type are not carried over");
            }
        }
    }
    match kept.as_slice() {
        [only] if only.get("type") == Some(&json!("text")) => only.get("text").cloned().unwrap_or_default(),
        _ => Value::Array(kept),
    }
}

fn note_picture(url: &str, line: u64, dataset: &mut Dataset<'_>) {
    if url.contains(REMOVED) {
        dataset.note_once(
            line,
            "content: image",
            "pictures are not in the log, which was written without them (log_images)",
        );
    } else if url.starts_with(ATTACHMENT) {
        dataset.note_once(line, "content: image", "the log does not contain the attachment that is the picture");
    } else if !url.starts_with("data:") && !url.starts_with("http") {
        dataset.note_once(
            line,
            "content: image",
            "is the path of a file; it is sent as it is, which no API understands",
        );
    }
}

fn tool_calls(calls: &Value) -> Option<Value> {
    let calls = calls.as_array().filter(|calls| !calls.is_empty())?;
    let convert = |call: &Value| {
        let arguments = call.get("arguments").map_or_else(|| "{}".to_owned(), ToString::to_string);
        json!({
            "id": call.get("id"),
            "type": "function",
            "function": {"name": call.get("function"), "arguments": arguments},
        })
    };
    Some(calls.iter().map(convert).collect())
}
