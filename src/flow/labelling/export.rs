//! Collects label tasks: flagged examples, candidates, and a random slice of traffic, in an order that does not tell them apart.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::record;
use crate::core::domain::{Dataset, Failure, ReasonCode, Window, input_text};
use crate::core::estimate::Origin;
use crate::core::labelling::{LabelTask, SliceDraw, Subject, random_slice, task_id};
use crate::core::queue::{FlagRow, ranked};
use crate::core::view::{CandidateView, DecayView};
use crate::edge::interop::{Asked, TaskSheet};
use crate::edge::store::StoredRecord;
use crate::flow::Workspace;

/// What to export.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Export examples that are flagged for these reasons; `None` for the reasons that a label settles.
    pub codes: Option<Vec<ReasonCode>>,
    /// Maximum number of flagged examples, those ranked first in the queue.
    pub examples: Option<usize>,
    /// Maximum number of candidates.
    pub candidates: Option<usize>,
    /// Number of records in the random slice.
    pub slice: usize,
    /// Seed of the random slice.
    pub seed: u64,
    /// Whether annotators see the present answer and why it is asked for.
    pub with_reasons: bool,
}

/// The tasks of an export.
#[derive(Debug, Clone)]
pub struct Exported {
    /// As annotators see them.
    pub sheets: Vec<TaskSheet>,
    /// The answers to choose from; empty if there is no closed set.
    pub labels: Vec<String>,
    /// Number of flagged examples.
    pub examples: usize,
    /// Number of candidates.
    pub candidates: usize,
    /// Number of records drawn at random.
    pub slice: usize,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// Exports label tasks, and records them so that the labels can be imported.
///
/// # Errors
/// A data failure if the dataset cannot be read or there is nothing to label; a store failure.
pub fn export(
    workspace: &Workspace,
    dataset: &str,
    options: &ExportOptions,
    now: Timestamp,
) -> Result<Exported, Failure> {
    let set = workspace.dataset(dataset)?;
    let mut notes = Vec::new();
    let flagged = flagged(workspace, &set, options, &mut notes)?;
    let records = records(workspace, &set, options, &mut notes)?;
    let (examples, candidates) = (flagged.len(), records.iter().filter(|(task, _)| task.candidate).count());
    let slice = records.iter().filter(|(task, _)| task.slice.is_some()).count();
    let mut all: Vec<(LabelTask, Asked)> = flagged.into_iter().chain(records).collect();
    if all.is_empty() {
        return Err(Failure::data(format!("there is nothing to label in {dataset}")).details(notes).hint(
            "`karat decay` flags examples and finds candidates; --flag CODE exports examples flagged for other reasons",
        ));
    }
    // The ids are hashes, so this order does not tell one kind of task from another.
    all.sort_by(|(a, _), (b, _)| a.task_id.cmp(&b.task_id));
    let tasks: Vec<LabelTask> = all.iter().map(|(task, _)| task.clone()).collect();
    workspace.store.save_label_tasks(&tasks, now)?;
    let contexts: HashMap<&str, &Value> =
        set.examples.iter().filter_map(|example| Some((example.id.as_str(), example.context.as_ref()?))).collect();
    let sheet = |(task, asked): (LabelTask, Asked)| TaskSheet {
        text: input_text(&task.input),
        context: match &task.subject {
            Subject::Example { id } => contexts.get(id.as_str()).map(|context| input_text(context)),
            Subject::Record { .. } => None,
        },
        task_id: task.task_id,
        asked: options.with_reasons.then_some(asked),
    };
    Ok(Exported {
        sheets: all.into_iter().map(sheet).collect(),
        labels: choices(&set),
        examples,
        candidates,
        slice,
        notes,
    })
}

/// The labels of the card, or else those of the examples if they are few.
fn choices(set: &Dataset) -> Vec<String> {
    if !set.card.labels.is_empty() {
        return set.card.labels.clone();
    }
    let mut labels: Vec<String> = set.examples.iter().flat_map(|example| example.expected_texts()).collect();
    let all = labels.len();
    labels.sort();
    labels.dedup();
    // Open answers hardly ever repeat.
    if labels.len() * 3 <= all { labels } else { Vec::new() }
}

/// Tasks for the flagged examples.
fn flagged(
    workspace: &Workspace,
    set: &Dataset,
    options: &ExportOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<(LabelTask, Asked)>, Failure> {
    let wanted = |code: ReasonCode| match &options.codes {
        Some(codes) => codes.contains(&code),
        None => code.is_settled_by_label(),
    };
    let queued = workspace.store.flags(&set.name)?.into_iter().filter(|row| row.state.waits_for_review());
    let (asked, left_out): (Vec<FlagRow>, Vec<FlagRow>) =
        ranked(queued.collect()).into_iter().partition(|row| wanted(row.flag.code));
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for row in &asked {
        let id = row.flag.example_id.as_str();
        if !reasons.contains_key(id) {
            order.push(id);
        }
        reasons.entry(id).or_default().push(format!("{}: {}", row.flag.code.name(), row.flag.evidence));
    }
    note_left_out(&left_out, &reasons, notes);
    order.truncate(options.examples.unwrap_or(usize::MAX));
    let task = |id: &&str| {
        let example = set.examples.iter().find(|example| example.id == **id)?;
        let subject = Subject::Example { id: example.id.clone() };
        let task = LabelTask {
            task_id: task_id(&set.name, &subject),
            dataset: set.name.clone(),
            subject,
            input: example.input.clone(),
            expected: example.expected_texts(),
            candidate: false,
            slice: None,
            settled: None,
        };
        let asked = Asked { expected: task.expected.join(" | "), reasons: reasons[*id].join("\n") };
        Some((task, asked))
    };
    Ok(order.iter().filter_map(task).collect())
}

/// Tells how many examples wait for a decision that is not a label.
fn note_left_out(left_out: &[FlagRow], asked: &BTreeMap<&str, Vec<String>>, notes: &mut Vec<String>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids: Vec<&str> = left_out.iter().map(|row| row.flag.example_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| !asked.contains_key(id));
    for row in left_out.iter().filter(|row| ids.contains(&row.flag.example_id.as_str())) {
        *counts.entry(row.flag.code.name()).or_default() += 1;
    }
    if !ids.is_empty() {
        let counts: Vec<String> = counts.into_iter().map(|(code, count)| format!("{code} {count}")).collect();
        notes.push(format!(
            "{} flagged for reasons that a label does not settle ({}); decide with `karat queue resolve`, or export them with --flag",
            if ids.len() == 1 { "1 example is".to_owned() } else { format!("{} examples are", ids.len()) },
            counts.join(", ")
        ));
    }
}

/// Tasks for records of the traffic that was measured last: candidates, and the random slice.
fn records(
    workspace: &Workspace,
    set: &Dataset,
    options: &ExportOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<(LabelTask, Asked)>, Failure> {
    let latest = workspace.store.measurements(&set.name, workspace.space(), 1)?.pop();
    let Some(view) = latest.map(|row| row.view) else {
        notes.push(format!(
            "decay of {} was not measured yet, so there are neither candidates nor a random slice",
            set.name
        ));
        return Ok(Vec::new());
    };
    let source = traffic_source(workspace, set, &view)?;
    let traffic = workspace.store.traffic(&source, view.window.window())?;
    let by_id: HashMap<&str, &StoredRecord> =
        traffic.iter().map(|stored| (stored.record.record_id.as_str(), stored)).collect();
    let inputs: Vec<&Value> = set.examples.iter().map(|example| &example.input).collect();
    let mut tasks: BTreeMap<String, (LabelTask, Asked)> = BTreeMap::new();
    let candidates = view.candidates.iter().take(options.candidates.unwrap_or(usize::MAX));
    let labelled = labelled_records(workspace, &set.name)?;
    for candidate in candidates.filter(|candidate| !labelled.contains(&(source.clone(), candidate.record_id.clone()))) {
        let Some(stored) = by_id.get(candidate.record_id.as_str()) else { continue };
        let draw = |probability| SliceDraw { probability, window: view.window.window() };
        let slice = candidate.probability.map(draw);
        let task = LabelTask { candidate: true, slice, ..record_task(&set.name, &source, stored) };
        if inputs.contains(&&task.input) {
            continue;
        }
        tasks.insert(task.task_id.clone(), (task, Asked { expected: String::new(), reasons: why(candidate) }));
    }
    for (stored, slice) in drawn(&traffic, view.window.window(), options) {
        let task = record_task(&set.name, &source, stored);
        let asked = || Asked { expected: String::new(), reasons: "drawn at random".to_owned() };
        let present = &mut tasks.entry(task.task_id.clone()).or_insert_with(|| (task, asked())).0.slice;
        // Of two draws, the one that was more likely to contain the record is recorded, as in the database.
        *present = Some(present.filter(|present| present.probability > slice.probability).unwrap_or(slice));
    }
    Ok(tasks.into_values().collect())
}

/// Records that already became examples, or were labelled as such.
fn labelled_records(workspace: &Workspace, dataset: &str) -> Result<Vec<(String, String)>, Failure> {
    let tasks = workspace.store.label_tasks(Some(dataset))?.into_iter();
    let settled = tasks.filter(|task| task.settled.is_some() && task.candidate);
    let record = |task: LabelTask| match task.subject {
        Subject::Record { source, id } => Some((source, id)),
        Subject::Example { .. } => None,
    };
    Ok(settled.filter_map(record).collect())
}

/// The source of the traffic that was measured.
fn traffic_source(workspace: &Workspace, set: &Dataset, view: &DecayView) -> Result<String, Failure> {
    workspace.traffic_source(view.look.as_ref().map(|look| look.source.as_str()), &set.card)
}

fn record_task(dataset: &str, source: &str, stored: &StoredRecord) -> LabelTask {
    let subject = Subject::Record { source: source.to_owned(), id: stored.record.record_id.clone() };
    LabelTask {
        task_id: task_id(dataset, &subject),
        dataset: dataset.to_owned(),
        subject,
        input: record::input(stored),
        expected: Vec::new(),
        candidate: false,
        slice: None,
        settled: None,
    }
}

fn why(candidate: &CandidateView) -> String {
    match candidate.origin {
        Some(Origin::Random) => "drawn at random".to_owned(),
        Some(Origin::Disputed) => "production's answer is not that of the nearest examples".to_owned(),
        _ => format!("an example like it would represent {:.1} % more of the traffic", candidate.gain * 100.0),
    }
}

/// The random slice of a window.
fn drawn<'a>(
    traffic: &'a [StoredRecord],
    window: Window,
    options: &ExportOptions,
) -> Vec<(&'a StoredRecord, SliceDraw)> {
    let ids: Vec<&str> = traffic.iter().map(|stored| stored.record.record_id.as_str()).collect();
    let rows = random_slice(&ids, options.slice, options.seed);
    let slice = SliceDraw { probability: rows.len() as f64 / ids.len().max(1) as f64, window };
    rows.into_iter().map(|row| (&traffic[row], slice)).collect()
}
