//! Golden sets in the database. A golden set is read from its file once and stored, then read back a part at a time:
//! what is run is what is stored, even if the file changes meanwhile.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Workspace;
use crate::core::domain::{Card, Dataset, Example, ExampleStatus, Failure, short};
use crate::core::golden::canonical_example;
use crate::edge::dataset::{Scan, examples_file, scan_examples};
use crate::edge::store::{RunHeader, Store, StoredPart};

/// Bytes of rows in one part.
const PART: usize = 256 << 10;

/// A golden set stored in the database.
#[derive(Debug, Clone)]
pub struct StoredDataset {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its card.
    pub card: Card,
    /// Number of examples in the selection it was stored for.
    pub selected: usize,
}

impl StoredDataset {
    /// Returns its label, such as `name@3f9a1c`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, short(&self.version, 6))
    }

    /// Returns the examples of a selection, in the order of the file.
    ///
    /// # Errors
    /// A store failure; so may each item.
    pub fn selected<'a>(
        &self,
        store: &'a Store,
        selection: &'a Selection,
    ) -> Result<impl Iterator<Item = Result<Example, Failure>> + 'a, Failure> {
        selected(store, &self.name, &self.version, selection)
    }
}

/// Returns the examples of a selection of a stored version, in the order of the file.
///
/// # Errors
/// A store failure; so may each item.
pub fn selected<'a>(
    store: &'a Store,
    name: &str,
    version: &str,
    selection: &'a Selection,
) -> Result<impl Iterator<Item = Result<Example, Failure>> + 'a, Failure> {
    let stored = store.stored_examples(name, version)?;
    let stored = stored
        .ok_or_else(|| Failure::store(format!("the version {version} of {name} is missing from the database")))?;
    let wanted = stored.filter(|example| example.as_ref().map_or(true, |example| selection.takes(example)));
    Ok(wanted.take(selection.limit.unwrap_or(usize::MAX)))
}

/// Reads a dataset from its file, stores it, and counts the examples of a selection.
///
/// # Errors
/// A data failure that lists every bad row; a store failure.
pub fn save_set(
    workspace: &Workspace,
    name: &str,
    selection: &Selection,
    now: Timestamp,
) -> Result<StoredDataset, Failure> {
    let path = examples_file(&workspace.dataset_folder(name))?;
    let (mut parts, mut taken) = (Parts::new(&workspace.store), 0);
    let scanned = scan_examples(&path, &mut |step| match step {
        Scan::Restarted => {
            parts.restart();
            taken = 0;
            Ok(())
        }
        Scan::Example { row, example } => {
            taken += usize::from(selection.takes(example));
            parts.push(row)
        }
    })?;
    let Some(scanned) = scanned else {
        let dataset = workspace.dataset(name)?;
        return Err(
            Failure::data(format!("{} changed while it was being read", dataset.label())).hint("run the command again")
        );
    };
    let parts = parts.finish()?;
    workspace.store.save_dataset(name, &scanned.version, parts, now)?;
    let selected = taken.min(selection.limit.unwrap_or(usize::MAX));
    Ok(StoredDataset { name: name.to_owned(), version: scanned.version, card: workspace.card(name)?, selected })
}

/// Splits the rows of a dataset in memory into parts, as they are stored.
pub fn parts_of(dataset: &Dataset) -> Vec<String> {
    let (mut parts, mut rows) = (Vec::new(), String::new());
    for example in &dataset.examples {
        append(&mut rows, &canonical_example(example));
        if rows.len() >= PART {
            parts.push(std::mem::take(&mut rows));
        }
    }
    parts.extend(Some(rows).filter(|rows| !rows.is_empty()));
    parts
}

fn append(rows: &mut String, row: &str) {
    if !rows.is_empty() {
        rows.push('\n');
    }
    rows.push_str(row);
}

/// Collects rows into parts and stores these.
struct Parts<'a> {
    store: &'a Store,
    rows: String,
    stored: Vec<StoredPart>,
}

impl<'a> Parts<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, rows: String::new(), stored: Vec::new() }
    }

    fn restart(&mut self) {
        self.rows.clear();
        self.stored.clear();
    }

    fn push(&mut self, row: &str) -> Result<(), Failure> {
        append(&mut self.rows, row);
        if self.rows.len() >= PART { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.stored.push(self.store.save_part(std::mem::take(&mut self.rows))?);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<StoredPart>, Failure> {
        if !self.rows.is_empty() {
            self.save()?;
        }
        Ok(self.stored)
    }
}

/// Which examples of a golden set are run: all that match the filters, up to a limit. Retired ones never are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Only examples with this tag, id or metadata value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<(String, String)>,
    /// Only the first this many of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl Selection {
    /// Returns the form stored with a run; empty if everything is selected.
    ///
    /// # Errors
    /// A failure if it cannot be written as JSON: stored as empty, it would select everything on `--resume`.
    pub fn to_text(&self) -> Result<String, Failure> {
        if *self == Self::default() {
            return Ok(String::new());
        }
        let text = serde_json::to_string(self);
        text.map_err(|error| Failure::other("cannot write the filters of a run as JSON").caused_by(error))
    }

    /// Reads the selection of a stored run.
    ///
    /// # Errors
    /// A store failure if it cannot be read.
    pub fn of_run(header: &RunHeader) -> Result<Self, Failure> {
        if header.selection.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&header.selection).map_err(|error| {
            Failure::store(format!("the selection of run {} cannot be read", header.run_id)).caused_by(error)
        })
    }

    /// Whether an example is selected, ignoring the limit.
    pub fn takes(&self, example: &Example) -> bool {
        let matches = |key: &str, value: &str| match key {
            "tag" => example.tags.iter().any(|tag| tag == value),
            "id" => example.id == value,
            _ => example.metadata.get(key).and_then(serde_json::Value::as_str) == Some(value),
        };
        example.status != ExampleStatus::Retired && self.filters.iter().all(|(key, value)| matches(key, value))
    }
}
