//! Findings in golden sets, and changes between two versions.

use serde::Serialize;

use crate::core::golden::{ChangeKind, DatasetDiff, Finding, FindingKind};

/// The JSON form of `karat dataset lint --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintView {
    /// `karat.lint/1`.
    pub schema: &'static str,
    /// One entry per dataset.
    pub datasets: Vec<LintedView>,
}

impl LintView {
    /// Creates the view.
    pub fn new(datasets: Vec<LintedView>) -> Self {
        Self { schema: "karat.lint/1", datasets }
    }
}

/// The findings in one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintedView {
    /// Path of the file with its examples.
    #[serde(skip)]
    pub path: String,
    /// Its name.
    pub dataset: String,
    /// Version of the valid rows.
    pub version: String,
    /// Number of valid rows.
    pub examples: usize,
    /// Rows that could not be read.
    pub bad_rows: Vec<BadRowView>,
    /// Findings in the valid rows.
    pub findings: Vec<Finding>,
}

impl LintedView {
    /// Whether the dataset cannot be run or contradicts itself.
    pub fn is_serious(&self) -> bool {
        !self.bad_rows.is_empty()
            || self.examples == 0
            || self.findings.iter().any(|finding| finding.kind == FindingKind::Conflicting)
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRowView {
    /// Its line, starting at 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// The JSON form of `karat dataset log --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetLogView {
    /// `karat.dataset-log/1`.
    pub schema: &'static str,
    /// Its name.
    pub dataset: String,
    /// Its versions, oldest first. The last one is that of the files.
    pub versions: Vec<LoggedVersion>,
}

impl DatasetLogView {
    /// Creates the view.
    pub fn new(dataset: String, versions: Vec<LoggedVersion>) -> Self {
        Self { schema: "karat.dataset-log/1", dataset, versions }
    }
}

/// A version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedVersion {
    /// Its hash.
    pub version: String,
    /// When it was first run or measured (RFC 3339); null if it is only in the files.
    pub first_seen: Option<String>,
    /// Number of examples.
    pub examples: usize,
    /// Changes since the version before; null for the first one.
    pub changes: Option<ChangeCounts>,
}

/// Number of examples by how they changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Only in the later version.
    pub added: usize,
    /// Only in the earlier version.
    pub removed: usize,
    /// With other answers.
    pub relabelled: usize,
    /// Otherwise changed.
    pub edited: usize,
}

impl ChangeCounts {
    /// Counts the changes.
    pub fn of(diff: &DatasetDiff) -> Self {
        Self {
            added: diff.count(ChangeKind::Added),
            removed: diff.count(ChangeKind::Removed),
            relabelled: diff.count(ChangeKind::Relabelled),
            edited: diff.count(ChangeKind::Edited),
        }
    }
}

/// The JSON form of `karat dataset diff --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffView {
    /// `karat.diff/1`.
    pub schema: &'static str,
    /// Its name.
    pub dataset: String,
    /// The old version, such as `karat.lock (3f9a1c)`.
    pub before: String,
    /// The new version.
    pub after: String,
    /// The changes.
    #[serde(flatten)]
    pub diff: DatasetDiff,
}

impl DiffView {
    /// Creates the view of the changes from `before` to `after`.
    pub fn new(dataset: String, before: String, after: String, diff: DatasetDiff) -> Self {
        Self { schema: "karat.diff/1", dataset, before, after, diff }
    }
}
