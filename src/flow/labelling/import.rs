//! Takes labels back: into the golden set's own file, into the queue, and into the random slice. Everything is stored, or nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::given::Given;
use super::plan::Plan;
use crate::core::domain::{Dataset, Failure};
use crate::core::golden::{append_rows, edit_rows};
use crate::core::labelling::{LabelRow, Labels, alpha, answers_of, kappa};
use crate::core::queue::Decisions;
use crate::core::stats::clopper_pearson;
use crate::core::view::{AgreementOfAnnotators, LabelImportView, PairOfAnnotators, ShareView};
use crate::flow::Workspace;
use crate::flow::queue::{
    add_rows, cannot_edit, format_of, hash, lock, read_text, recover, refuse_other_changes, replace,
};

/// How to import labels.
#[derive(Debug, Clone)]
pub struct LabelImportOptions {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Who gave the labels that name nobody.
    pub annotator: Option<String>,
    /// Number of annotators a task needs.
    pub min_labels: usize,
    /// Whether a tie refuses the import, instead of waiting for another label.
    pub refuse_ties: bool,
    /// Seed of the intervals.
    pub seed: u64,
}

/// Imports labels.
///
/// # Errors
/// A data failure that lists every label that cannot be used; a store failure. Nothing is changed then.
pub fn import_labels(
    workspace: &Workspace,
    options: &LabelImportOptions,
    now: Timestamp,
) -> Result<LabelImportView, Failure> {
    let _lock = lock(workspace)?;
    let mut notes = recover(workspace)?;
    let given = Given::read(workspace, options, now)?;
    let read = workspace.read_dataset(&given.dataset)?;
    let path = read.path.clone();
    let set = read.complete()?;
    let text = read_text(&path)?;
    let plan = Plan::new(&given, &set, (&text, format_of(&path)), &workspace.store.flags(&set.name)?, options, now)?;
    notes.extend(plan.notes.iter().cloned());
    let labels = Labels { rows: given.new_rows.clone(), settled: plan.settled.clone() };
    let mut decisions = Decisions { decided: plan.decided.clone(), labels };
    let after = if plan.changes_file() {
        let format = format_of(&path);
        let edited = edit_rows(&text, format, &plan.edits).and_then(|text| append_rows(&text, format, &plan.new_rows));
        let edited = edited.map_err(|error| cannot_edit(&path, &error))?;
        let changed: Vec<&String> = plan.changed.iter().collect();
        let after = refuse_other_changes(workspace, &set, (&changed, plan.new_rows.len()), (&path, format), &edited)?;
        add_rows(&mut decisions.decided, &set, format, (&text, &edited));
        replace(workspace, &path, &edited, hash(text.as_bytes()), decisions)?;
        after
    } else {
        workspace.store.decide(decisions)?;
        set.clone()
    };
    Ok(view(&given, plan, (&set, &after), notes, options.seed))
}

fn view(
    given: &Given,
    plan: Plan,
    (before, after): (&Dataset, &Dataset),
    notes: Vec<String>,
    seed: u64,
) -> LabelImportView {
    let reviewed = plan.confirmed.len() + plan.relabelled.len();
    LabelImportView {
        schema: "karat.label-import/1",
        dataset: before.name.clone(),
        version_before: before.version.clone(),
        version_after: after.version.clone(),
        labels: given.labels,
        new_labels: given.new_rows.len(),
        unlabelled: given.unlabelled,
        agreement: agreement(given, seed),
        flipped: (reviewed > 0).then(|| share(plan.relabelled.len(), reviewed)),
        confirmed: plan.confirmed,
        relabelled: plan.relabelled,
        added: plan.added,
        slice_labels: plan.slice_labels,
        ties: plan.ties,
        waiting: plan.waiting,
        notes,
    }
}

fn share(count: usize, of: usize) -> ShareView {
    let interval = clopper_pearson(count as u64, of as u64, 0.95);
    ShareView { count, of, value: count as f64 / of as f64, lo: interval.lo, hi: interval.hi }
}

/// Maximum number of pairs of annotators that are listed.
const MAX_PAIRS: usize = 10;

/// How far the annotators of the given tasks agree.
fn agreement(given: &Given, seed: u64) -> AgreementOfAnnotators {
    let mut labels: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let of_given = given.merged.values().filter(|row| given.touched.contains(&row.task_id));
    for LabelRow { task_id, annotator, label, .. } in of_given {
        labels.entry(task_id).or_default().insert(annotator, answers_of(label).join(" | "));
    }
    let mut annotators: Vec<&str> = labels.values().flat_map(|by| by.keys().copied()).collect();
    annotators.sort_unstable();
    annotators.dedup();
    let tasks: Vec<Vec<&str>> = labels.values().map(|by| by.values().map(String::as_str).collect()).collect();
    let found = alpha(&tasks, seed);
    let mut pairs = Vec::new();
    for (at, one) in annotators.iter().enumerate() {
        for other in &annotators[at + 1..] {
            let both = labels.values().filter_map(|by| Some((by.get(one)?.as_str(), by.get(other)?.as_str())));
            let both: Vec<(&str, &str)> = both.collect();
            if !both.is_empty() {
                let (one, other) = ((*one).to_owned(), (*other).to_owned());
                pairs.push(PairOfAnnotators { one, other, kappa: kappa(&both), tasks: both.len() });
            }
        }
    }
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.tasks));
    pairs.truncate(MAX_PAIRS);
    AgreementOfAnnotators {
        annotators: annotators.len(),
        shared_tasks: tasks.iter().filter(|labels| labels.len() >= 2).count(),
        alpha: found.map(|alpha| alpha.value),
        alpha_lo: found.and_then(|alpha| alpha.interval).map(|interval| interval.lo),
        alpha_hi: found.and_then(|alpha| alpha.interval).map(|interval| interval.hi),
        pairs,
    }
}
