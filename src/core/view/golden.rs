//! What is found in golden sets, and what changed between two versions.

use serde::Serialize;

use crate::core::golden::{DatasetDiff, Finding, FindingKind};

/// The JSON form of `karat dataset lint --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintView {
    /// `karat.lint/1`.
    pub schema: &'static str,
    /// One entry per dataset.
    pub datasets: Vec<LintedView>,
}

impl LintView {
    /// Gathers datasets.
    pub fn new(datasets: Vec<LintedView>) -> Self {
        Self { schema: "karat.lint/1", datasets }
    }
}

/// One dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintedView {
    /// The file of its examples.
    #[serde(skip)]
    pub path: String,
    /// Its name.
    pub dataset: String,
    /// Version of the rows that could be read.
    pub version: String,
    /// Rows that could be read.
    pub examples: usize,
    /// Rows that could not.
    pub bad_rows: Vec<BadRowView>,
    /// What was found in the others.
    pub findings: Vec<Finding>,
}

impl LintedView {
    /// Whether it cannot be run, or contradicts itself.
    pub fn is_serious(&self) -> bool {
        !self.bad_rows.is_empty()
            || self.examples == 0
            || self.findings.iter().any(|finding| finding.kind == FindingKind::Conflicting)
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRowView {
    /// Its line; 1 is the first.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// The JSON form of `karat dataset diff --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffView {
    /// `karat.diff/1`.
    pub schema: &'static str,
    /// Its name.
    pub dataset: String,
    /// What was compared, such as `karat.lock (3f9a1c)`.
    pub before: String,
    /// With what.
    pub after: String,
    /// What changed.
    #[serde(flatten)]
    pub diff: DatasetDiff,
}

impl DiffView {
    /// The change of a dataset from `before` to `after`.
    pub fn new(dataset: String, before: String, after: String, diff: DatasetDiff) -> Self {
        Self { schema: "karat.diff/1", dataset, before, after, diff }
    }
}
