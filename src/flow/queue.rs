//! Carries out what people decide about flagged examples: in the queue and, if the example changes, in the golden set's
//! own file. Both change, or neither: the decision is stored as unfinished before the file is replaced, and an
//! interrupted one is completed or undone by whether the file was replaced ([`recover`]).

mod undo;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Workspace;
use super::decay::present_hashes;
use crate::core::domain::{Dataset, Example, Failure, ReasonCode, Source, content_hash, did_you_mean};
use crate::core::golden::{EditError, RowEdit, canonical_example, edit_rows, has_field, row_at, row_places};
use crate::core::queue::{ChangedRow, Decided, Decision, Decisions, FlagRow, QueueStep};
use crate::core::signals::with_present_hashes;
use crate::core::tabular::{Format, cell_value};
use crate::core::view::count_of;
use crate::edge::dataset::parse_examples;
use crate::edge::files::{lock_file, write_atomic};

pub use undo::{UNDONE, Undoing, undo};

/// A decision about a flagged example.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// The example.
    pub example_id: String,
    /// The reason that it is about; `None` for all reasons for which the example is flagged.
    pub code: Option<ReasonCode>,
    /// The decision.
    pub decision: Decision,
    /// The accepted answers, if they change.
    pub answers: Vec<String>,
    /// Why.
    pub why: Option<String>,
    /// Who decided.
    pub by: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// One step per flag.
    pub steps: Vec<QueueStep>,
    /// The file that was changed, with the line, if it was.
    pub edited: Option<(String, u64)>,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// The number of the decision.
    pub decision: i64,
}

/// Resolves the flags of one example.
///
/// # Errors
/// A data failure if the example is not flagged, or its file cannot be changed so that nothing else changes; a store
/// failure. Nothing is changed then.
pub fn resolve(
    workspace: &Workspace,
    dataset: &str,
    resolution: &Resolution,
    now: Timestamp,
) -> Result<Resolved, Failure> {
    resolve_if(workspace, dataset, resolution, now, |_| Ok(()))
}

/// Like [`resolve`], unless `check` refuses. It is called with the dataset while nobody else can change the queue or the file.
pub(super) fn resolve_if(
    workspace: &Workspace,
    dataset: &str,
    resolution: &Resolution,
    now: Timestamp,
    check: impl FnOnce(&Dataset) -> Result<(), Failure>,
) -> Result<Resolved, Failure> {
    let _lock = lock(workspace)?;
    let mut notes = recover(workspace)?;
    let read = workspace.read_dataset(dataset)?;
    let path = read.path.clone();
    let set = read.complete()?;
    check(&set)?;
    let rows = flags_of(workspace, dataset, resolution)?;
    let sources = renewed_sources(workspace, &set, &rows, resolution)?;
    let edit = edit(workspace, &set, &path, (resolution, sources), now)?;
    let mut decided = decided(dataset, &rows, resolution, now);
    if let Some(edit) = &edit {
        decided.iter_mut().for_each(|decided| decided.row = Some(edit.row.clone()));
        notes.extend(edit.notes.clone());
    }
    let edited = edit.as_ref().map(|edit| (path.display().to_string(), edit.line));
    let steps = decided.iter().map(|decided| decided.step.clone()).collect();
    let decision = carry_out(workspace, &path, edit, decided)?;
    Ok(Resolved { steps, edited, notes, decision })
}

/// Stores decisions, and replaces the file if it changes: both, or neither. Returns the number of the decisions. The caller
/// holds the lock.
fn carry_out(workspace: &Workspace, path: &Path, edit: Option<Edit>, decided: Vec<Decided>) -> Result<i64, Failure> {
    match edit {
        Some(Edit { text, before, .. }) => replace(workspace, path, &text, before, decided.into()),
        None => workspace.store.decide(decided.into()),
    }
}

/// Completes or undoes decisions that were interrupted, and returns remarks on those that can be neither. The caller holds the
/// lock.
pub(super) fn recover(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    for edit in workspace.store.unfinished_edits()? {
        let path = workspace.config.root.join(&edit.path);
        let found = match std::fs::read(&path) {
            Ok(bytes) => hash(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(cannot_read(&path, error)),
        };
        if found != edit.after && found != edit.before {
            remarks.push(format!(
                "a decision about {} was interrupted, and {} has changed since; it is not in the queue: check the file, and decide or import again",
                subject(&edit.decisions),
                path.display()
            ));
        }
        workspace.store.end_edit(edit.id, (found == edit.after).then_some(edit.decisions))?;
    }
    Ok(remarks)
}

/// Replaces the file of a golden set and stores the decisions; `before` is the hash of what it contains now. Returns the
/// number of the decisions. The caller holds the lock.
///
/// # Errors
/// A failure naming the file, or a store failure; neither the file nor the database is changed then.
pub(super) fn replace(
    workspace: &Workspace,
    path: &Path,
    text: &str,
    before: String,
    decisions: Decisions,
) -> Result<i64, Failure> {
    // Relative to the workspace, since the next process may be started in another folder.
    let relative = path.strip_prefix(&workspace.config.root).unwrap_or(path).display().to_string();
    let id = workspace.store.begin_edit(relative, (before, hash(text.as_bytes())), &decisions)?;
    if let Err(failure) = write_atomic(path, text.as_bytes()) {
        // If this fails too, the next command undoes the decisions.
        let _ = workspace.store.end_edit(id, None);
        return Err(failure);
    }
    Ok(workspace.store.end_edit(id, Some(decisions))?.unwrap_or_default())
}

/// Adds the examples' rows to decisions that change a file from one text to another, so that they can be undone.
pub(super) fn add_rows(decided: &mut [Decided], set: &Dataset, format: Format, (before, after): (&str, &str)) {
    let lines: HashMap<&str, u64> = set.examples.iter().map(|example| (example.id.as_str(), example.line)).collect();
    let wanted = decided.iter().filter_map(|decided| lines.get(decided.step.example_id.as_str()).copied()).collect();
    let (old, new) = (row_places(before, format, &wanted), row_places(after, format, &wanted));
    for decided in decided {
        let line = lines.get(decided.step.example_id.as_str());
        let places = line.and_then(|line| Some((old.get(line)?, new.get(line)?)));
        decided.row = places.map(|(old, new)| ChangedRow {
            before: before[old.clone()].to_owned(),
            after: after[new.clone()].to_owned(),
        });
    }
}

/// The examples that decisions are about, or how many labels they follow from.
fn subject(decisions: &Decisions) -> String {
    let ids: BTreeSet<&str> = decisions.decided.iter().map(|decided| decided.step.example_id.as_str()).collect();
    match decisions.labels.rows.len() {
        0 => ids.into_iter().collect::<Vec<_>>().join(", "),
        labels => count_of(labels, "label"),
    }
}

/// Completes or undoes decisions that were interrupted, once no other process is deciding. Returns remarks for the user.
///
/// # Errors
/// A store failure, or a data failure if a file cannot be read.
pub fn recover_interrupted(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    if workspace.store.unfinished_edits()?.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = lock(workspace)?;
    recover(workspace)
}

/// Waits until no other process changes golden sets of this workspace.
pub(super) fn lock(workspace: &Workspace) -> Result<File, Failure> {
    lock_file(&workspace.config.store.with_extension("lock"))
}

pub(super) fn hash(bytes: &[u8]) -> String {
    content_hash("karat-file", bytes)
}

/// The stored flags that a resolution is about.
fn flags_of(workspace: &Workspace, dataset: &str, resolution: &Resolution) -> Result<Vec<FlagRow>, Failure> {
    let Resolution { example_id, code, .. } = resolution;
    let mut rows = workspace.store.flags(dataset)?;
    let ids: Vec<String> = rows.iter().map(|row| row.flag.example_id.clone()).collect();
    rows.retain(|row| row.flag.example_id == *example_id);
    if rows.is_empty() {
        return Err(Failure::data(format!("the example \"{example_id}\" of {dataset} is not flagged"))
            .hint(did_you_mean(example_id, &ids, "flagged are")));
    }
    let all: Vec<&str> = rows.iter().map(|row| row.flag.code.name()).collect();
    let reasons = all.join(", ");
    match code {
        Some(code) => rows.retain(|row| row.flag.code == *code),
        None => rows.retain(|row| row.state.is_open()),
    }
    if rows.is_empty() {
        let what = code.map_or("flagged at the moment".to_owned(), |code| format!("flagged as {}", code.name()));
        return Err(Failure::data(format!("the example \"{example_id}\" of {dataset} is not {what}"))
            .hint(format!("its reasons are {reasons}; `karat queue show {dataset} {example_id}` shows their states")));
    }
    Ok(rows)
}

fn decided(dataset: &str, rows: &[FlagRow], resolution: &Resolution, now: Timestamp) -> Vec<Decided> {
    let Resolution { decision, answers, why, by, .. } = resolution;
    let snoozed_until = match decision {
        Decision::Snooze(until) => Some(*until),
        _ => None,
    };
    let detail = match decision {
        Decision::Snooze(until) => {
            Some(format!("until {}", until.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M")))
        }
        _ => (!answers.is_empty()).then(|| answers.join(" | ")),
    };
    let step = |row: &FlagRow| QueueStep {
        dataset: dataset.to_owned(),
        example_id: row.flag.example_id.clone(),
        code: row.flag.code,
        at: now.to_string(),
        from: Some(row.state),
        to: decision.state(),
        by: Some(by.clone()),
        reason: why.clone(),
        detail: detail.clone(),
    };
    rows.iter().map(|row| Decided { step: step(row), snoozed_until, row: None, undoes: None }).collect()
}

/// The changed text of a golden set.
struct Edit {
    text: String,
    /// Hash of the text before.
    before: String,
    /// The example's row.
    row: ChangedRow,
    notes: Vec<String>,
    line: u64,
}

/// The sources of a relabelled example with their present hashes, if it was flagged because one of them changed.
fn renewed_sources(
    workspace: &Workspace,
    set: &Dataset,
    rows: &[FlagRow],
    resolution: &Resolution,
) -> Result<Option<Value>, Failure> {
    let changed = rows.iter().any(|row| row.flag.code == ReasonCode::SourceChanged);
    if !changed || resolution.decision != Decision::Relabel {
        return Ok(None);
    }
    let example = set.examples.iter().find(|example| example.id == resolution.example_id);
    let Some(example) = example.filter(|example| !example.sources.is_empty()) else { return Ok(None) };
    let sources = with_present_hashes(&example.sources, &present_hashes(workspace, set)?);
    Ok((sources != example.sources).then(|| Source::to_json(&sources)))
}

/// The text of the file with the example as decided, and with other sources if they are given; `None` if the decision does not change the example.
fn edit(
    workspace: &Workspace,
    set: &Dataset,
    path: &Path,
    (resolution, sources): (&Resolution, Option<Value>),
    now: Timestamp,
) -> Result<Option<Edit>, Failure> {
    let Resolution { example_id, decision, .. } = resolution;
    let example = set.examples.iter().find(|example| example.id == *example_id);
    let Some(mut wanted) = wanted_fields(resolution, now) else { return Ok(None) };
    wanted.extend(sources.map(|value| WantedField { name: "source", value, needed: true }));
    let example = example.ok_or_else(|| {
        Failure::data(format!("{} no longer contains the example \"{example_id}\"", path.display()))
            .hint("measure decay again to update the queue")
    })?;
    if *decision == Decision::Relabel {
        refuse_unknown_labels(set, &resolution.answers)?;
    }
    let text = read_text(path)?;
    let format = format_of(path);
    let (fields, missing): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|field| field.needed || has_field(&text, format, field.name));
    let fields = fields.into_iter().map(|field| (field.name, field.value)).collect();
    let row = RowEdit { line: example.line, fields };
    let edited = edit_rows(&text, format, &[row]).map_err(|error| cannot_edit(path, &error))?;
    refuse_other_changes(workspace, set, (&[example_id], 0), (path, format), &edited)?;
    let row = |text: &str| match row_at(text, format, example.line) {
        Ok(place) => Ok(text[place].to_owned()),
        Err(error) => Err(cannot_edit(path, &error)),
    };
    let row = ChangedRow { before: row(&text)?, after: row(&edited)? };
    let names: Vec<&str> = missing.iter().map(|field| field.name).collect();
    let note = || format!("{} has no column {}; only the queue's log tells", path.display(), names.join(" and "));
    let notes = if names.is_empty() { Vec::new() } else { vec![note()] };
    Ok(Some(Edit { before: hash(text.as_bytes()), text: edited, row, notes, line: example.line }))
}

/// A field that a decision sets.
struct WantedField {
    name: &'static str,
    value: Value,
    /// Whether the decision would have no effect without it.
    needed: bool,
}

fn wanted_fields(resolution: &Resolution, now: Timestamp) -> Option<Vec<WantedField>> {
    let day = now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let needed = |name, value| WantedField { name, value, needed: true };
    let also = |name, value| WantedField { name, value, needed: false };
    let why = resolution.why.as_ref().map(|why| also("retired_reason", json!(why)));
    match resolution.decision {
        Decision::Relabel => Some(vec![
            needed("expected", answers_value(&resolution.answers)),
            also("labeled_at", json!(day)),
            also("labeled_by", json!(resolution.by)),
        ]),
        Decision::Retire => Some(std::iter::once(needed("status", json!("retired"))).chain(why).collect()),
        Decision::RegressionOnly => Some(vec![needed("status", json!("regression-only"))]),
        Decision::Confirm | Decision::Dismiss | Decision::Snooze(_) => None,
    }
}

/// Accepted answers as the value of the field: one answer, or a list of which any is right.
pub(super) fn answers_value(answers: &[String]) -> Value {
    match answers {
        [one] => cell_value(one),
        several => several.iter().map(|answer| cell_value(answer)).collect(),
    }
}

fn refuse_unknown_labels(set: &Dataset, answers: &[String]) -> Result<(), Failure> {
    let unknown = unknown_label(&set.name, &set.card.labels, answers);
    unknown.map_or(Ok(()), |(problem, hint)| Err(Failure::data(problem).hint(hint)))
}

/// Why answers are refused, and a hint, if one of them is not among the labels of the card; `None` if all are, or if the card has no
/// closed set of labels.
pub(super) fn unknown_label(dataset: &str, labels: &[String], answers: &[String]) -> Option<(String, String)> {
    let answer = answers.iter().find(|answer| !labels.is_empty() && !labels.contains(answer))?;
    let hint = did_you_mean(answer, labels, "the labels are");
    Some((format!("\"{answer}\" is not among the labels of {dataset}"), hint))
}

/// The format of a golden set's file.
pub(super) fn format_of(path: &Path) -> Format {
    let format = path.extension().and_then(|extension| Format::of_extension(&extension.to_string_lossy()));
    format.unwrap_or(Format::Jsonl)
}

pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::data(format!("cannot read {}", path.display())).hint("check its permissions").caused_by(error)
}

pub(super) fn cannot_edit(path: &Path, error: &EditError) -> Failure {
    let failure = Failure::data(format!("cannot change {}: {error}", path.display()));
    match error {
        EditError::NoColumn(name) => {
            failure.hint(format!("add a column \"{name}\" to the file, with an empty cell in every row"))
        }
        _ => failure.hint("check the file with `karat dataset lint`"),
    }
}

/// Parses the changed text, in which only the examples `changed` may differ, and `added` are new. Others could differ where several
/// examples share an input and have no id, since their ids depend on all of them.
///
/// # Errors
/// A data failure if others differ, or if the text cannot be read.
pub(super) fn refuse_other_changes(
    workspace: &Workspace,
    set: &Dataset,
    (changed, added): (&[&String], usize),
    (path, format): (&Path, Format),
    text: &str,
) -> Result<Dataset, Failure> {
    let card = workspace.card(&set.name)?;
    let after = parse_examples(text.as_bytes(), format, path, &set.name, card)?.complete()?;
    let known: BTreeSet<&str> = set.examples.iter().map(|example| example.id.as_str()).collect();
    let others = |examples: &[Example]| -> Vec<String> {
        let other = |example: &&Example| known.contains(example.id.as_str()) && !changed.contains(&&example.id);
        examples.iter().filter(other).map(canonical_example).collect()
    };
    if others(&set.examples) == others(&after.examples) && after.examples.len() == set.examples.len() + added {
        return Ok(after);
    }
    let changed: Vec<&str> = changed.iter().map(|id| id.as_str()).collect();
    Err(Failure::data(format!(
        "changing {} would change the ids of other examples with the same input",
        changed.join(", ")
    ))
    .hint(format!("give the examples of {} an id each", path.display())))
}
