//! Imported traffic.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::privacy::redact::RedactionKind;

/// The JSON form of `karat traffic import --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportView {
    /// `karat.import/1`.
    pub schema: &'static str,
    /// Whether nothing was stored.
    pub dry_run: bool,
    /// One entry per file.
    pub files: Vec<ImportedView>,
    /// The first records, if nothing was stored.
    pub first: Vec<FirstRecordView>,
}

/// A record as it would be stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirstRecordView {
    /// Its id.
    pub record_id: String,
    /// When it was sent (RFC 3339).
    pub at: String,
    /// Pseudonym of the user, session or conversation.
    pub user: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The probability with which it was sampled.
    pub sample_rate: f64,
    /// Its text, redacted, at most 200 characters.
    pub input: String,
    /// Production's answer, redacted, at most 200 characters.
    pub output: Option<String>,
}

impl ImportView {
    /// Creates the view.
    pub fn new(dry_run: bool, files: Vec<ImportedView>, first: Vec<FirstRecordView>) -> Self {
        Self { schema: "karat.import/1", dry_run, files, first }
    }
}

/// One imported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedView {
    /// The path as given.
    pub file: String,
    /// The source it was imported into.
    pub source: String,
    /// The format in which it was read.
    pub format: String,
    /// Number of rows in the file.
    pub rows: u64,
    /// Number of new records.
    pub new: u64,
    /// Number of records that were already stored.
    pub known: u64,
    /// Rows that became part of a record together with others: further spans of a trace, messages recorded apart.
    pub merged: u64,
    /// Rows that are not requests, by reason.
    pub other: BTreeMap<String, u64>,
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
    /// The models that answered, as far as known.
    pub models: Vec<String>,
    /// Time of the earliest record (RFC 3339).
    pub first: String,
    /// Time of the latest record (RFC 3339).
    pub last: String,
    /// Number of rows of imported files that could not be read.
    pub rejected: usize,
}
