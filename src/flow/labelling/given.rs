//! The labels of the files, checked against the tasks that were exported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use super::import::LabelImportOptions;
use crate::core::domain::Failure;
use crate::core::labelling::{LabelRow, LabelTask, answers_of};
use crate::core::view::count_of;
use crate::edge::interop::{ReadLabel, read_labels};
use crate::flow::Workspace;
use crate::flow::queue::{read_text, unknown_label};

/// Labels that can be used, together with those stored before.
#[derive(Debug)]
pub(super) struct Given {
    /// The golden set.
    pub dataset: String,
    /// Its tasks by id.
    pub tasks: BTreeMap<String, LabelTask>,
    /// The tasks that the files have labels for.
    pub touched: BTreeSet<String>,
    /// Number of labels in the files.
    pub labels: usize,
    /// Number of tasks in the files without a label.
    pub unlabelled: usize,
    /// Labels that were not stored before, or that their annotators changed.
    pub new_rows: Vec<LabelRow>,
    /// All labels by task and annotator, the new ones included.
    pub merged: BTreeMap<(String, String), LabelRow>,
}

impl Given {
    /// Reads the files.
    ///
    /// # Errors
    /// A data failure that lists everything that cannot be used; a store failure.
    pub fn read(workspace: &Workspace, options: &LabelImportOptions, now: Timestamp) -> Result<Self, Failure> {
        let tasks = workspace.store.label_tasks(None)?;
        let tasks: BTreeMap<String, LabelTask> = tasks.into_iter().map(|task| (task.task_id.clone(), task)).collect();
        let mut reader =
            Reader { tasks: &tasks, options, now, rows: BTreeMap::new(), unlabelled: 0, problems: Vec::new() };
        for file in &options.files {
            reader.file(file)?;
        }
        let Reader { rows, unlabelled, mut problems, .. } = reader;
        let datasets: BTreeSet<&str> = rows.keys().map(|(task, _)| tasks[task].dataset.as_str()).collect();
        if datasets.len() > 1 {
            let names: Vec<&str> = datasets.into_iter().collect();
            return Err(Failure::usage(format!("the files have labels for {}", names.join(" and ")))
                .hint("import the labels of one dataset at a time"));
        }
        let dataset = datasets.into_iter().next().map(str::to_owned);
        if let Some(dataset) = &dataset {
            problems.extend(unknown_labels(workspace, dataset, &rows)?);
        }
        if !problems.is_empty() {
            return Err(Failure::data(format!(
                "{} cannot be imported; nothing was changed",
                count_of(problems.len(), "label")
            ))
            .details(problems)
            .hint("correct them, or export the tasks again with `karat queue export`"));
        }
        let Some(dataset) = dataset else {
            let files: Vec<String> = options.files.iter().map(|file| file.display().to_string()).collect();
            return Err(Failure::data(format!("{} has no labels", files.join(", "))).hint(format!(
                "{} still without a label; fill in the column \"label\"",
                count_of(unlabelled, "task")
            )));
        };
        Self::merge(workspace, dataset, tasks, rows, unlabelled)
    }

    fn merge(
        workspace: &Workspace,
        dataset: String,
        mut tasks: BTreeMap<String, LabelTask>,
        rows: BTreeMap<(String, String), Placed>,
        unlabelled: usize,
    ) -> Result<Self, Failure> {
        tasks.retain(|_, task| task.dataset == dataset);
        let stored = workspace.store.labels(&dataset)?;
        let mut merged: BTreeMap<(String, String), LabelRow> =
            stored.into_iter().map(|row| ((row.task_id.clone(), row.annotator.clone()), row)).collect();
        let (touched, labels) = (rows.keys().map(|(task, _)| task.clone()).collect(), rows.len());
        let mut new_rows = Vec::new();
        for (key, Placed { row, dated, .. }) in rows {
            let known = merged.get(&key);
            let same = known.is_some_and(|known| (&known.label, &known.comment) == (&row.label, &row.comment));
            // An older file does not undo what the annotator has changed since.
            let older = known.is_some_and(|known| dated && row.labeled_at < known.labeled_at);
            if !same && !older {
                new_rows.push(row.clone());
                merged.insert(key, row);
            }
        }
        Ok(Self { dataset, tasks, touched, labels, unlabelled, new_rows, merged })
    }

    /// The labels of a task, as (annotator, label).
    pub fn votes(&self, task_id: &str) -> Vec<(&str, &str)> {
        self.of_task(task_id).map(|row| (row.annotator.as_str(), row.label.as_str())).collect()
    }

    /// The labels of a task.
    pub fn of_task(&self, task_id: &str) -> impl Iterator<Item = &LabelRow> {
        let from = (task_id.to_owned(), String::new());
        self.merged.range(from..).take_while(move |((task, _), _)| task == task_id).map(|(_, row)| row)
    }
}

/// A label with its place.
struct Placed {
    place: String,
    row: LabelRow,
    /// Whether the file tells when it was given.
    dated: bool,
}

struct Reader<'a> {
    tasks: &'a BTreeMap<String, LabelTask>,
    options: &'a LabelImportOptions,
    now: Timestamp,
    rows: BTreeMap<(String, String), Placed>,
    unlabelled: usize,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = read_text(path)?;
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let read = read_labels(&text, is_csv);
        let place = |place: &str| format!("{}, {place}", path.display());
        self.problems.extend(read.problems.iter().map(|(at, problem)| format!("{}: {problem}", place(at))));
        for (at, label) in read.labels {
            if let Err(problem) = self.label(place(&at), label) {
                self.problems.push(format!("{}: {problem}", place(&at)));
            }
        }
        Ok(())
    }

    fn label(&mut self, place: String, read: ReadLabel) -> Result<(), String> {
        if !self.tasks.contains_key(&read.task_id) {
            return Err(format!("the task \"{}\" was not exported from this workspace", read.task_id));
        }
        let Some(label) = read.label else {
            self.unlabelled += 1;
            return Ok(());
        };
        if answers_of(&label).is_empty() {
            return Err("the list of answers is empty".to_owned());
        }
        let annotator = read.annotator.or_else(|| self.options.annotator.clone());
        let annotator =
            annotator.ok_or("nobody is named as the annotator; fill in the column, or pass --annotator NAME")?;
        let row = LabelRow {
            task_id: read.task_id,
            annotator,
            label,
            labeled_at: read.labeled_at.unwrap_or(self.now),
            comment: read.comment,
        };
        let key = (row.task_id.clone(), row.annotator.clone());
        if let Some(first) = self.rows.get(&key).filter(|first| first.row.label != row.label) {
            return Err(format!(
                "{} labels this task \"{}\" here and \"{}\" in {}",
                row.annotator, row.label, first.row.label, first.place
            ));
        }
        self.rows.insert(key, Placed { place, row, dated: read.labeled_at.is_some() });
        Ok(())
    }
}

/// Answers that are not among the card's labels.
fn unknown_labels(
    workspace: &Workspace,
    dataset: &str,
    rows: &BTreeMap<(String, String), Placed>,
) -> Result<Vec<String>, Failure> {
    let labels = workspace.card(dataset)?.labels;
    let card = workspace.dataset_folder(dataset).join("dataset.yaml");
    let problem = |placed: &Placed| {
        let (problem, hint) = unknown_label(dataset, &labels, &answers_of(&placed.row.label))?;
        let new = format!("a new label is first added to \"labels\" in {}", card.display());
        Some(format!("{}: {problem}; {hint}; {new}", placed.place))
    };
    Ok(rows.values().filter_map(problem).collect())
}
