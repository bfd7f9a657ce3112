//! Files of other tools: label tasks, and the labels that come back.

mod argilla;
mod label_studio;
mod rows;
pub mod suites;

use jiff::Timestamp;
use serde_json::Value;

use crate::core::domain::{Failure, canonical_json, parse_timestamp};
use crate::core::tabular::Format;

/// A format of label tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskFormat {
    /// One row per task, for a spreadsheet.
    Csv,
    /// One JSON object per line and task.
    Jsonl,
    /// Tasks of Label Studio, with a labelling configuration.
    LabelStudio,
    /// Records of Argilla, with the settings of their dataset.
    Argilla,
}

/// A task as annotators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSheet {
    /// Its id.
    pub task_id: String,
    /// What to label.
    pub text: String,
    /// Supporting material, if there is any.
    pub context: Option<String>,
    /// The present answer and why it is asked for; `None` in a blind export.
    pub asked: Option<Asked>,
}

/// What annotators are told about a task that is not blind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The accepted answers at present, joined by ` | `; empty if there are none.
    pub expected: String,
    /// Why it is asked for.
    pub reasons: String,
}

/// The files of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFiles {
    /// The tasks.
    pub tasks: String,
    /// The configuration of the labelling tool that fits them: the end of its file name, and its content.
    pub settings: Option<(&'static str, String)>,
}

/// Writes label tasks. `labels` are the answers to choose from; if there are none, annotators write the answer.
///
/// # Errors
/// A failure of an encoder.
pub fn write_tasks(format: TaskFormat, tasks: &[TaskSheet], labels: &[String]) -> Result<TaskFiles, Failure> {
    match format {
        TaskFormat::Csv => rows::csv(tasks),
        TaskFormat::Jsonl => rows::jsonl(tasks),
        TaskFormat::LabelStudio => label_studio::files(tasks, labels),
        TaskFormat::Argilla => argilla::files(tasks, labels),
    }
}

/// One label as it was read, or a task without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadLabel {
    /// The task.
    pub task_id: String,
    /// Who gave it, if the file says so.
    pub annotator: Option<String>,
    /// The label; `None` if the task was not labelled.
    pub label: Option<String>,
    /// When it was given, if the file says so.
    pub labeled_at: Option<Timestamp>,
    /// A remark of the annotator.
    pub comment: Option<String>,
}

/// The labels of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadLabels {
    /// What was read, with its place in the file.
    pub labels: Vec<(String, ReadLabel)>,
    /// What could not be read: the place, and why.
    pub problems: Vec<(String, String)>,
}

/// Reads labels: rows as karat exports them, in CSV or JSON; an export of Label Studio in JSON (also its short form, JSON-MIN); or
/// records of Argilla. Every item of a JSON list is recognised by its members.
pub fn read_labels(text: &str, is_csv: bool) -> ReadLabels {
    let mut found = ReadLabels::default();
    if !is_csv && text.trim_start_matches('\u{feff}').trim_start().starts_with('[') {
        match serde_json::from_str::<Vec<Value>>(text.trim_start_matches('\u{feff}')) {
            Ok(items) => {
                items.iter().enumerate().for_each(|(at, item)| found.add(format!("item {}", at + 1), item));
            }
            Err(error) => found.problems.push((format!("line {}", error.line()), format!("invalid JSON: {error}"))),
        }
        return found;
    }
    let format = if is_csv { Format::Csv } else { Format::Jsonl };
    for row in crate::core::tabular::rows(text.as_bytes(), format) {
        match row {
            Ok(row) => match row.fields {
                Ok(fields) => found.add(format!("line {}", row.line), &Value::Object(fields)),
                Err(problem) => found.problems.push((format!("line {}", row.line), problem)),
            },
            Err(error) => found.problems.push(("line 1".to_owned(), error.to_string())),
        }
    }
    found
}

impl ReadLabels {
    fn add(&mut self, place: String, item: &Value) {
        let labels = if item.get("annotations").is_some_and(Value::is_array) {
            label_studio::labels(item)
        } else if item.get("responses").is_some() && item.get("fields").is_some() {
            argilla::labels(item)
        } else {
            rows::label(item).map(|label| vec![label])
        };
        match labels {
            Ok(labels) => self.labels.extend(labels.into_iter().map(|label| (place.clone(), label))),
            Err(problem) => self.problems.push((place, problem)),
        }
    }
}

/// The text of a member; numbers and structures as JSON, `None` if it is missing or blank.
fn text(item: &Value, name: &str) -> Option<String> {
    let text = match item.get(name)? {
        Value::Null => return None,
        Value::String(text) => text.trim().to_owned(),
        other => canonical_json(other),
    };
    (!text.is_empty()).then_some(text)
}

/// The time of the first of these members that has one.
fn time(item: &Value, names: &[&str]) -> Result<Option<Timestamp>, String> {
    let Some((name, text)) = names.iter().find_map(|name| Some((name, text(item, name)?))) else { return Ok(None) };
    let read = parse_timestamp(&text);
    read.map(Some).ok_or_else(|| format!("{name} \"{text}\" is not a date; write 2026-09-14 or 2026-09-14T08:30:00Z"))
}

/// The id of the task, or a sentence about how to get it.
fn required_task_id(item: &Value) -> Result<String, String> {
    text(item, "task_id").ok_or_else(|| {
        "no task_id; import the file that `karat queue export` wrote, or what the labelling tool made of it".to_owned()
    })
}

/// JSON for people: indented, with a line end.
fn pretty(value: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::other("cannot write label tasks as JSON").caused_by(error))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests;
