//! Rows of CSV and JSON Lines: one task per row, with empty columns for the label, the annotator and the date.

use serde_json::{Value, json};

use super::{ReadLabel, TaskFiles, TaskSheet, required_task_id, text, time};
use crate::core::domain::Failure;
use crate::core::privacy::sanitize::{for_spreadsheet, visible_lines};

/// Tasks for a spreadsheet. Text that a spreadsheet would take for a formula is escaped.
pub(super) fn csv(tasks: &[TaskSheet]) -> Result<TaskFiles, Failure> {
    let failed = |error: csv::Error| Failure::other("cannot write label tasks as CSV").caused_by(error);
    let has_context = tasks.iter().any(|task| task.context.is_some());
    let asked = tasks.iter().any(|task| task.asked.is_some());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns =
        [("task_id", true), ("input", true), ("context", has_context), ("expected", asked), ("reasons", asked)];
    let to_fill_in = ["label", "annotator", "labeled_at", "comment"];
    let names = columns.iter().filter(|(_, there)| *there).map(|(name, _)| *name).chain(to_fill_in);
    writer.write_record(names).map_err(failed)?;
    for task in tasks {
        let asked = task.asked.clone().unwrap_or_default();
        let context = task.context.clone().unwrap_or_default();
        let cells = [task.task_id.clone(), task.text.clone(), context, asked.expected, asked.reasons];
        let shown = cells.iter().zip(columns).filter(|(_, (_, there))| *there);
        let shown = shown.map(|(cell, _)| for_spreadsheet(&visible_lines(cell)).into_owned());
        writer.write_record(shown.chain(to_fill_in.map(|_| String::new()))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error().into()))?;
    let tasks = String::from_utf8(bytes).map_err(|error| Failure::other("cannot write CSV").caused_by(error))?;
    Ok(TaskFiles { tasks, settings: None })
}

/// Tasks for programs.
pub(super) fn jsonl(tasks: &[TaskSheet]) -> Result<TaskFiles, Failure> {
    let mut lines = String::new();
    for task in tasks {
        let mut row = json!({ "task_id": task.task_id, "input": task.text, "label": null, "annotator": null, "labeled_at": null, "comment": null });
        if let Some(context) = &task.context {
            row["context"] = json!(context);
        }
        if let Some(asked) = &task.asked {
            row["expected"] = json!(asked.expected);
            row["reasons"] = json!(asked.reasons);
        }
        lines.push_str(&row.to_string());
        lines.push('\n');
    }
    Ok(TaskFiles { tasks: lines, settings: None })
}

/// The label in a row.
pub(super) fn label(row: &Value) -> Result<ReadLabel, String> {
    let task_id = required_task_id(row)?;
    Ok(ReadLabel {
        task_id,
        annotator: text(row, "annotator"),
        label: text(row, "label"),
        labeled_at: time(row, &["labeled_at", "updated_at", "created_at"])?,
        comment: text(row, "comment"),
    })
}
