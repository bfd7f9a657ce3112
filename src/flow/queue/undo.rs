//! Undoes decisions: the flags return to their former states, and the example's row to its former bytes, as a further step
//! of the log.

use std::path::Path;

use jiff::Timestamp;

use super::{Edit, Resolved, cannot_edit, carry_out, format_of, hash, lock, read_text, recover, refuse_other_changes};
use crate::core::domain::{Dataset, Failure};
use crate::core::golden::row_at;
use crate::core::queue::{ChangedRow, Decided, LoggedStep, QueueState, QueueStep};
use crate::flow::Workspace;

/// The `detail` of a step that undoes another one.
pub const UNDONE: &str = "undone";

/// Which decision to undo.
#[derive(Debug, Clone, PartialEq)]
pub struct Undoing {
    /// The example.
    pub example_id: String,
    /// The decision's number, if no other one may be undone; `None` for the latest.
    pub decision: Option<i64>,
    /// Who undoes it.
    pub by: String,
    /// Why.
    pub why: Option<String>,
}

/// Undoes the latest decision about an example.
///
/// # Errors
/// A data failure if there is none, or if the flags or the row have changed since; a store failure. Nothing is changed then.
pub fn undo(workspace: &Workspace, dataset: &str, undoing: &Undoing, now: Timestamp) -> Result<Resolved, Failure> {
    let _lock = lock(workspace)?;
    let notes = recover(workspace)?;
    let log = workspace.store.logged_steps(dataset, Some(&undoing.example_id), 0)?;
    let (number, steps) = latest(dataset, undoing, &log)?;
    refuse_changed_flags(workspace, dataset, &steps, &log)?;
    let row = steps.iter().find_map(|logged| logged.row.as_ref());
    let decided: Vec<Decided> = steps.iter().map(|logged| reversed(logged, number, undoing, now)).collect();
    let undone = decided.iter().map(|decided| decided.step.clone()).collect();
    let Some(row) = row else {
        let decision = workspace.store.decide(decided.into())?;
        return Ok(Resolved { steps: undone, edited: None, notes, decision });
    };
    let read = workspace.read_dataset(dataset)?;
    let path = read.path.clone();
    let edit = restored(workspace, &read.complete()?, &path, undoing, row)?;
    let edited = Some((path.display().to_string(), edit.line));
    let decision = carry_out(workspace, &path, Some(edit), decided)?;
    Ok(Resolved { steps: undone, edited, notes, decision })
}

/// The number and the steps of the latest decision about the example.
fn latest<'a>(dataset: &str, undoing: &Undoing, log: &'a [LoggedStep]) -> Result<(i64, Vec<&'a LoggedStep>), Failure> {
    let example = &undoing.example_id;
    let last = log.iter().rev().find(|logged| logged.decision.is_some() && !logged.undone);
    let Some(number) = last.and_then(|logged| logged.decision) else {
        let is_older = |LoggedStep { step, decision, .. }: &LoggedStep| {
            step.by.is_some() && decision.is_none() && step.detail.as_deref() != Some(UNDONE)
        };
        let older = log.iter().any(is_older);
        let hint = if older {
            "decisions of earlier versions of karat cannot be undone; decide again with `karat queue resolve`"
                .to_owned()
        } else {
            format!("`karat queue log {dataset}` lists the decisions")
        };
        return Err(Failure::data(format!("there is no decision about \"{example}\" of {dataset} to undo")).hint(hint));
    };
    if undoing.decision.is_some_and(|wanted| wanted != number) {
        return Err(Failure::data(format!(
            "\"{example}\" of {dataset} was decided again since, or this was undone already"
        ))
        .hint(format!("`karat queue log {dataset} {example}` shows by whom")));
    }
    Ok((number, log.iter().filter(|logged| logged.decision == Some(number)).collect()))
}

fn refuse_changed_flags(
    workspace: &Workspace,
    dataset: &str,
    steps: &[&LoggedStep],
    log: &[LoggedStep],
) -> Result<(), Failure> {
    let flags = workspace.store.flags(dataset)?;
    for LoggedStep { id, step, row, .. } in steps {
        let flag = flags.iter().find(|row| row.flag.example_id == step.example_id && row.flag.code == step.code);
        // A measurement in between has changed the flag, even if a later one changed it back.
        let measured =
            log.iter().any(|later| later.id > *id && later.step.code == step.code && later.step.by.is_none());
        if measured || flag.is_none_or(|flag| flag.state != step.to) {
            return Err(Failure::data(format!(
                "the flag {} of \"{}\" has changed since this decision, so it cannot be undone",
                step.code.name(),
                step.example_id
            ))
            .hint(format!("`karat queue log {dataset} {}` shows how", step.example_id)));
        }
        let changes_row = matches!(step.to, QueueState::Relabelled | QueueState::Retired | QueueState::RegressionOnly);
        if changes_row && row.is_none() {
            return Err(Failure::data(format!("the former row of \"{}\" is not stored", step.example_id))
                .hint("restore the row by hand, and decide again with `karat queue resolve`"));
        }
    }
    Ok(())
}

/// The step that undoes another one.
fn reversed(logged: &LoggedStep, number: i64, undoing: &Undoing, now: Timestamp) -> Decided {
    let LoggedStep { step, snoozed_before, row, .. } = logged;
    Decided {
        step: QueueStep {
            at: now.to_string(),
            from: Some(step.to),
            to: step.from.unwrap_or(QueueState::Queued),
            by: Some(undoing.by.clone()),
            reason: undoing.why.clone(),
            detail: Some(UNDONE.to_owned()),
            ..step.clone()
        },
        snoozed_until: *snoozed_before,
        row: row.as_ref().map(|row| ChangedRow { before: row.after.clone(), after: row.before.clone() }),
        undoes: Some(number),
    }
}

/// The file's text with the example's row as it was.
fn restored(
    workspace: &Workspace,
    set: &Dataset,
    path: &Path,
    undoing: &Undoing,
    row: &ChangedRow,
) -> Result<Edit, Failure> {
    let id = &undoing.example_id;
    let changed = || {
        Failure::data(format!(
            "the row of \"{id}\" in {} has changed since this decision, so it cannot be undone",
            path.display()
        ))
        .hint("change the row by hand, and decide again with `karat queue resolve`")
    };
    let example = set.examples.iter().find(|example| example.id == *id).ok_or_else(changed)?;
    let (text, format) = (read_text(path)?, format_of(path));
    let place = row_at(&text, format, example.line).map_err(|error| cannot_edit(path, &error))?;
    if text[place.clone()] != row.after {
        return Err(changed());
    }
    let restored = [&text[..place.start], &row.before, &text[place.end..]].concat();
    refuse_other_changes(workspace, set, (&[id], 0), (path, format), &restored)?;
    let row = ChangedRow { before: row.after.clone(), after: row.before.clone() };
    Ok(Edit { before: hash(text.as_bytes()), text: restored, row, notes: Vec::new(), line: example.line })
}
