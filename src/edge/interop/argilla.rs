//! Argilla: records, the settings of their dataset, and the responses in exported records
//! (<https://docs.argilla.io/latest/reference/argilla/records/records/>).

use serde_json::{Value, json};

use super::{ReadLabel, TaskFiles, TaskSheet, pretty, text};
use crate::core::domain::Failure;

/// The records and the settings of the dataset.
pub(super) fn files(tasks: &[TaskSheet], labels: &[String]) -> Result<TaskFiles, Failure> {
    let record = |task: &TaskSheet| {
        let mut fields = json!({ "text": task.text });
        for (name, value) in shown(task) {
            fields[name] = json!(value);
        }
        json!({
            "id": task.task_id, "fields": fields, "metadata": {}, "suggestions": {}, "responses": {}, "vectors": {},
            "status": "pending",
        })
    };
    let settings = pretty(&settings(tasks, labels))?;
    Ok(TaskFiles { tasks: pretty(&tasks.iter().map(record).collect())?, settings: Some((".settings.json", settings)) })
}

/// The fields that a record has besides its text.
fn shown(task: &TaskSheet) -> Vec<(&'static str, &str)> {
    let context = task.context.as_deref().map(|context| ("context", context));
    let asked = task
        .asked
        .iter()
        .flat_map(|asked| [("expected", asked.expected.as_str()), ("reasons", asked.reasons.as_str())]);
    context.into_iter().chain(asked).filter(|(_, value)| !value.is_empty()).collect()
}

fn settings(tasks: &[TaskSheet], labels: &[String]) -> Value {
    let field = |name: &str| {
        json!({
            "name": name, "title": name, "required": name == "text",
            "settings": { "type": "text", "use_markdown": false },
        })
    };
    let others = ["context", "expected", "reasons"];
    let others = others.iter().filter(|name| tasks.iter().flat_map(shown).any(|(shown, _)| shown == **name));
    let fields: Vec<Value> = std::iter::once(&"text").chain(others).map(|name| field(name)).collect();
    let options: Vec<Value> =
        labels.iter().map(|label| json!({ "value": label, "text": label, "description": null })).collect();
    let free_text = || json!({ "type": "text", "use_markdown": false });
    // A label question needs something to choose from.
    let label = match labels.len() {
        0 | 1 => free_text(),
        count => json!({ "type": "label_selection", "options": options, "visible_options": count.clamp(3, 20) }),
    };
    let question = |name: &str, required: bool, settings: Value| json!({ "name": name, "title": name, "description": null, "required": required, "settings": settings });
    let questions = [question("label", true, label), question("comment", false, free_text())];
    json!({
        "guidelines": "Give the right answer to each text.", "allow_extra_metadata": false, "fields": fields,
        "questions": questions, "metadata": [], "vectors": [],
    })
}

/// The labels of a record: one per user who responded.
pub(super) fn labels(record: &Value) -> Result<Vec<ReadLabel>, String> {
    let task_id = text(record, "id").ok_or("no id; import the records that `karat queue export` wrote")?;
    let responses = |name: &str| record["responses"][name].as_array().map(Vec::as_slice).unwrap_or_default();
    let value = |response: &Value| -> Option<String> { text(response, "value") };
    let by = |response: &Value| text(response, "user_id");
    let given =
        responses("label").iter().filter(|response| response["status"] != "discarded" && value(response).is_some());
    let label = |response: &Value| ReadLabel {
        task_id: task_id.clone(),
        annotator: by(response),
        label: value(response),
        labeled_at: None,
        comment: responses("comment").iter().find(|comment| by(comment) == by(response)).and_then(value),
    };
    let labels: Vec<ReadLabel> = given.map(label).collect();
    Ok(if labels.is_empty() { vec![ReadLabel { task_id, ..ReadLabel::default() }] } else { labels })
}
