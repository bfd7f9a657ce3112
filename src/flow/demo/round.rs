//! One round of labelling: the tasks, the labels, and the measurement that shows what they brought.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{DATASET, DemoOptions};
use crate::core::domain::Failure;
use crate::core::labelling::{LabelTask, Subject};
use crate::core::view::{DecayView, LabelImportView};
use crate::edge::demo::card_with_new_intents;
use crate::edge::files::write_atomic;
use crate::edge::interop::{TaskFormat, write_tasks};
use crate::flow::decay::{DecayOptions, measure_decay};
use crate::flow::labelling::{ExportOptions, LabelImportOptions, export, import_labels};
use crate::flow::{Events, Workspace};

/// What a round of labelling brought.
#[derive(Debug, Clone)]
pub struct LabelledRound {
    /// Number of tasks.
    pub tasks: usize,
    /// What was imported.
    pub import: LabelImportView,
    /// Decay of the new version, in the same window as before.
    pub decay: DecayView,
}

/// Number of records drawn at random.
const RANDOM: usize = 30;

/// Who labels.
const ANNOTATOR: &str = "the demo's writer";

/// Exports tasks, labels each with the intent that its text was written for, imports the labels, and measures again. `intents` are
/// those of all traffic records by id.
pub(super) fn label_once(
    workspace: &Workspace,
    options: &DemoOptions,
    (intents, month): (&BTreeMap<String, String>, &str),
    files: &mut Vec<(PathBuf, &'static str)>,
    now: Timestamp,
    events: Events<'_>,
) -> Result<LabelledRound, Failure> {
    let wanted = ExportOptions {
        codes: None,
        examples: None,
        candidates: None,
        slice: RANDOM,
        seed: options.seed,
        with_reasons: false,
    };
    let exported = export(workspace, DATASET, &wanted, now)?;
    let tasks = options.dir.join("labelling/tasks.csv");
    write_atomic(&tasks, write_tasks(TaskFormat::Csv, &exported.sheets, &exported.labels)?.tasks.as_bytes())?;
    files.push((tasks, "what to label: flagged examples, candidates, a random slice"));
    let card = card_with_new_intents();
    write_atomic(&options.dir.join(card.path), card.content.as_bytes())?;
    let labels = options.dir.join("labelling/labels.csv");
    write_atomic(&labels, labelled(&workspace.store.label_tasks(Some(DATASET))?, intents)?.as_bytes())?;
    files.push((labels.clone(), "the labels: the intents that the texts were written for"));
    let given = LabelImportOptions {
        files: vec![labels],
        annotator: Some(ANNOTATOR.to_owned()),
        min_labels: 1,
        refuse_ties: false,
        seed: options.seed,
    };
    let import = import_labels(workspace, &given, now)?;
    let window = DecayOptions { window: Some(month.to_owned()), seed: options.seed, ..DecayOptions::default() };
    let decay = measure_decay(workspace, DATASET, &window, now, events)?.view;
    Ok(LabelledRound { tasks: exported.sheets.len(), import, decay })
}

/// The labels as CSV.
fn labelled(tasks: &[LabelTask], intents: &BTreeMap<String, String>) -> Result<String, Failure> {
    let failed = |error: csv::Error| Failure::other("cannot write the demo's labels").caused_by(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["task_id", "label"]).map_err(failed)?;
    for task in tasks {
        let intent = match &task.subject {
            // The ids of the examples begin with the intent that they were written for.
            Subject::Example { id } => id.rsplit_once('-').map(|(intent, _)| intent),
            Subject::Record { id, .. } => intents.get(id).map(String::as_str),
        };
        writer.write_record([task.task_id.as_str(), intent.unwrap_or_default()]).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error().into()))?;
    String::from_utf8(bytes).map_err(|error| Failure::other("cannot write the demo's labels").caused_by(error))
}
