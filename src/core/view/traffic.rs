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
    /// Gathers files.
    pub fn new(files: Vec<ImportedView>) -> Self {
        Self { schema: "karat.import/1", files }
    }
}

/// One imported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedView {
    /// The path as given.
    pub file: String,
    /// The source it went to.
    pub source: String,
    /// Rows of the file.
    pub rows: usize,
    /// Records that were new.
    pub new: usize,
    /// Records that were stored already.
    pub known: usize,
    /// Rows that could not be read.
    pub rejected: Vec<RejectView>,
    /// What was redacted, by kind.
    pub redacted: BTreeMap<RedactionKind, u64>,
}

/// A row that could not be read, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectView {
    /// Its line; 1 is the first.
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
    /// Gathers sources.
    pub fn new(sources: Vec<SourceView>) -> Self {
        Self { schema: "karat.traffic/1", sources }
    }
}

/// One source of traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceView {
    /// Its name.
    pub source: String,
    /// Records stored.
    pub records: usize,
    /// Production requests they represent.
    pub weight: f64,
    /// Different texts.
    pub distinct_inputs: usize,
    /// Users or sessions, where known.
    pub groups: usize,
    /// Records with production's answer.
    pub with_output: usize,
    /// Time of the earliest record (RFC 3339).
    pub first: String,
    /// Time of the latest record (RFC 3339).
    pub last: String,
    /// Rows of imported files that could not be read.
    pub rejected: usize,
}
