//! Imported traffic.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::privacy::redact::RedactionKind;

/// The JSON form of `karat traffic import --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportView {
    /// `karat.import/1`.
    pub schema: &'static str,
    /// One entry per file.
    pub files: Vec<ImportedView>,
}

impl ImportView {
    /// Creates the view.
    pub fn new(files: Vec<ImportedView>) -> Self {
        Self { schema: "karat.import/1", files }
    }
}

/// One imported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedView {
    /// The path as given.
    pub file: String,
    /// The source it was imported into.
    pub source: String,
    /// Number of rows in the file.
    pub rows: usize,
    /// Number of new records.
    pub new: usize,
    /// Number of records that were already stored.
    pub known: usize,
    /// Rows that could not be read.
    pub rejected: Vec<RejectView>,
    /// Number of redactions by kind.
    pub redacted: BTreeMap<RedactionKind, u64>,
}

/// A row that could not be read, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectView {
    /// Its line, starting at 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The JSON form of `karat traffic stats --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficView {
    /// `karat.traffic/1`.
    pub schema: &'static str,
    /// One entry per source.
    pub sources: Vec<SourceView>,
}

impl TrafficView {
    /// Creates the view.
    pub fn new(sources: Vec<SourceView>) -> Self {
        Self { schema: "karat.traffic/1", sources }
    }
}

/// One source of traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceView {
    /// Its name.
    pub source: String,
    /// Number of records stored.
    pub records: usize,
    /// Number of production requests they represent.
    pub weight: f64,
    /// Number of distinct texts.
    pub distinct_inputs: usize,
    /// Number of users or sessions, as far as known.
    pub groups: usize,
    /// Number of records with production's answer.
    pub with_output: usize,
    /// Time of the earliest record (RFC 3339).
    pub first: String,
    /// Time of the latest record (RFC 3339).
    pub last: String,
    /// Number of rows of imported files that could not be read.
    pub rejected: usize,
}
