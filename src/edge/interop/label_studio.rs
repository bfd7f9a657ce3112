//! Label Studio: tasks in its basic JSON form, the labelling configuration, and exported annotations
//! (<https://labelstud.io/guide/tasks>, <https://labelstud.io/guide/export>).

use serde_json::{Value, json};

use super::{ReadLabel, TaskFiles, TaskSheet, pretty, required_task_id, text, time};
use crate::core::domain::Failure;
use crate::core::privacy::sanitize::xml_safe;

/// The tasks and the labelling configuration.
pub(super) fn files(tasks: &[TaskSheet], labels: &[String]) -> Result<TaskFiles, Failure> {
    let task = |task: &TaskSheet| {
        let mut data = json!({ "task_id": task.task_id, "text": task.text });
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                data[name] = json!(value);
            }
        };
        add("context", task.context.as_deref());
        add("expected", task.asked.as_ref().map(|asked| asked.expected.as_str()));
        add("reasons", task.asked.as_ref().map(|asked| asked.reasons.as_str()));
        json!({ "data": data })
    };
    let settings = configuration(tasks, labels);
    Ok(TaskFiles { tasks: pretty(&tasks.iter().map(task).collect())?, settings: Some((".config.xml", settings)) })
}

/// The labelling configuration: what is shown, and a choice of the labels, or a text if there are none.
fn configuration(tasks: &[TaskSheet], labels: &[String]) -> String {
    let mut lines = vec!["<View>".to_owned(), "  <Text name=\"text\" value=\"$text\"/>".to_owned()];
    if tasks.iter().any(|task| task.context.is_some()) {
        lines.push("  <Text name=\"context\" value=\"$context\"/>".to_owned());
    }
    if tasks.iter().any(|task| task.asked.is_some()) {
        lines.push("  <Text name=\"expected\" value=\"$expected\"/>".to_owned());
        lines.push("  <Text name=\"reasons\" value=\"$reasons\"/>".to_owned());
    }
    if labels.is_empty() {
        lines.push(
            "  <TextArea name=\"label\" toName=\"text\" placeholder=\"the right answer\" maxSubmissions=\"1\"/>"
                .to_owned(),
        );
    } else {
        lines.push("  <Choices name=\"label\" toName=\"text\" choice=\"single\" required=\"true\">".to_owned());
        lines.extend(labels.iter().map(|label| format!("    <Choice value=\"{}\"/>", attribute(label))));
        lines.push("  </Choices>".to_owned());
    }
    lines
        .push("  <TextArea name=\"comment\" toName=\"text\" placeholder=\"comment\" maxSubmissions=\"1\"/>".to_owned());
    lines.push("</View>".to_owned());
    lines.join("\n") + "\n"
}

/// A text as the value of an XML attribute.
fn attribute(text: &str) -> String {
    let text = xml_safe(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\n', "&#10;")
}

/// The labels of a task: one per annotation that was not skipped.
pub(super) fn labels(task: &Value) -> Result<Vec<ReadLabel>, String> {
    let task_id = required_task_id(task.get("data").unwrap_or(&Value::Null))?;
    let annotations = task["annotations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let given = annotations.iter().filter(|annotation| annotation["was_cancelled"] != true);
    let labels: Vec<ReadLabel> = given.map(|annotation| label(&task_id, annotation)).collect::<Result<_, _>>()?;
    Ok(if labels.is_empty() { vec![ReadLabel { task_id, ..ReadLabel::default() }] } else { labels })
}

fn label(task_id: &str, annotation: &Value) -> Result<ReadLabel, String> {
    let result = annotation["result"].as_array().map(Vec::as_slice).unwrap_or_default();
    let given = |name: &str| -> Vec<&Value> {
        let of_name = result.iter().filter(|item| item["from_name"] == name);
        let values = of_name.flat_map(|item| [&item["value"]["choices"], &item["value"]["text"]]);
        values.flat_map(|values| values.as_array().map_or_else(|| vec![values], |all| all.iter().collect())).collect()
    };
    let texts = |name: &str| -> Vec<String> {
        given(name)
            .into_iter()
            .filter_map(Value::as_str)
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let label = match texts("label").as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(json!(several).to_string()),
    };
    if label.is_none() && !result.is_empty() && result.iter().all(|item| item["from_name"] != "label") {
        return Err(
            "the annotation has no result named \"label\"; use the configuration that `karat queue export` wrote"
                .to_owned(),
        );
    }
    Ok(ReadLabel {
        task_id: task_id.to_owned(),
        annotator: annotator(&annotation["completed_by"]),
        label,
        labeled_at: time(annotation, &["updated_at", "created_at"])?,
        comment: texts("comment").into_iter().next(),
    })
}

/// The e-mail address of an annotator if it is given, or else the id.
fn annotator(completed_by: &Value) -> Option<String> {
    match completed_by {
        Value::Object(_) => text(completed_by, "email").or_else(|| text(completed_by, "id")),
        Value::Number(id) => Some(id.to_string()),
        Value::String(name) => Some(name.clone()),
        _ => None,
    }
}
