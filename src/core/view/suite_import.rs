//! Imported suites and datasets of other tools.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::privacy::redact::RedactionKind;

/// The JSON form of `karat import --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuiteImportView {
    /// `karat.suite_import/1`.
    pub schema: &'static str,
    /// The format in which the file was read.
    pub format: String,
    /// The file or folder, as given.
    pub file: String,
    /// The workspace.
    pub workspace: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Names of the suites.
    pub suites: Vec<String>,
    /// Names of the endpoints.
    pub endpoints: Vec<String>,
    /// The datasets.
    pub datasets: Vec<ImportedDatasetView>,
    /// How the checks of the other tool were carried over, by their names there.
    pub checks: Vec<CarriedView>,
    /// What is not carried over, or not exactly.
    pub notes: Vec<NoteView>,
    /// Rows that could not be read, and were left out.
    pub rejected: Vec<BadSourceRowView>,
    /// Number of redactions by kind.
    pub redacted: BTreeMap<RedactionKind, u64>,
    /// The files of the workspace.
    pub files: Vec<WrittenFileView>,
    /// The first examples as they would be written, if nothing was written.
    pub first: Vec<FirstExampleView>,
}

/// A dataset of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedDatasetView {
    /// Its name.
    pub name: String,
    /// Number of examples.
    pub examples: u64,
}

/// How often a check of the other tool was carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CarriedView {
    /// Its name in the other tool.
    pub check: String,
    /// By a scorer of karat.
    pub by_scorer: u64,
    /// By a program that a scorer starts.
    pub by_program: u64,
    /// Not carried over.
    pub not: u64,
}

/// Something that is not carried over, or not exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoteView {
    /// The file it is in.
    pub file: String,
    /// Its line, starting at 1; `None` if it is about the whole file.
    pub line: Option<u64>,
    /// Its name in the other tool.
    pub what: String,
    /// Why it is not carried over, or how it differs, and what to do.
    pub why: String,
}

/// A row that could not be read, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadSourceRowView {
    /// The file it is in.
    pub file: String,
    /// Its line, starting at 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// A file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFileView {
    /// Its path within the workspace.
    pub path: String,
    /// `created`, `changed` or `unchanged`.
    pub state: &'static str,
}

/// An example as it would be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstExampleView {
    /// The dataset.
    pub dataset: String,
    /// The line of its file: JSON, redacted.
    pub line: String,
}
