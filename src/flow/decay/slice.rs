//! The labelled records of the random slice, with the score of production's answers.

use std::collections::HashMap;

use serde_json::json;

use crate::core::decay::SliceScore;
use crate::core::domain::{Dataset, Failure, RecordIdx, Scorer, TrafficRecord};
use crate::core::golden::example_from_row;
use crate::core::labelling::{Consensus, LabelTask, Subject, consensus};
use crate::core::scoring::{Answer, CompiledScorers, varies};
use crate::flow::Workspace;
use crate::flow::queue::answers_value;

/// Scores production's answer to every record of the window that was drawn at random and labelled without a tie.
pub(super) fn slice_scores<'a>(
    workspace: &Workspace,
    dataset: &Dataset,
    source: &str,
    scorer: Option<&Scorer>,
    records: impl Iterator<Item = &'a TrafficRecord>,
) -> Result<Vec<SliceScore>, Failure> {
    let tasks = workspace.store.label_tasks(Some(&dataset.name))?;
    let drawn = |task: &LabelTask| match &task.subject {
        Subject::Record { source: of, id } if of == source && task.slice.is_some() => Some(id.clone()),
        _ => None,
    };
    let drawn: HashMap<String, &LabelTask> = tasks.iter().filter_map(|task| Some((drawn(task)?, task))).collect();
    // The records have none of the fields that a template fills in, or by which a scorer applies to an example or not.
    let Some(scorer) = scorer.filter(|scorer| !drawn.is_empty() && !varies(scorer)) else {
        return Ok(Vec::new());
    };
    let compiled = CompiledScorers::compile(std::slice::from_ref(scorer))
        .map_err(|error| Failure::store("the scorer of a stored suite cannot be used").caused_by(error))?;
    let labels = workspace.store.labels(&dataset.name)?;
    let score = |(row, record): (usize, &TrafficRecord)| {
        let task = drawn.get(&record.record_id)?;
        let votes = labels.iter().filter(|label| label.task_id == task.task_id);
        let votes: Vec<(&str, &str)> = votes.map(|row| (row.annotator.as_str(), row.label.as_str())).collect();
        let Consensus::Agreed { answers, .. } = consensus(&votes, 1) else { return None };
        let output = record.output.as_deref()?;
        let fields = json!({ "input": task.input, "expected": answers_value(&answers) });
        let example = example_from_row(0, fields.as_object()?.clone()).ok()?;
        let (_, score) = compiled.score(&Answer::text(output), &example, &[]).into_iter().next()?;
        Some(SliceScore { record: RecordIdx(row), score: score.value()? })
    };
    Ok(records.enumerate().filter_map(score).collect())
}
