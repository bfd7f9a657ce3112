//! Labels that were imported, and what followed from them.

use serde::Serialize;

/// The JSON form of `karat queue import --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelImportView {
    /// `karat.label-import/1`.
    pub schema: &'static str,
    /// The golden set.
    pub dataset: String,
    /// Its version before, 64 hex digits.
    pub version_before: String,
    /// Its version now.
    pub version_after: String,
    /// Number of labels in the files.
    pub labels: usize,
    /// Number of them that were not stored before, or differ from what their annotator said before.
    pub new_labels: usize,
    /// Number of tasks in the files without a label.
    pub unlabelled: usize,
    /// How far the annotators agree, over all labels of the tasks in the files.
    pub agreement: AgreementOfAnnotators,
    /// Examples whose present answer the annotators agreed with.
    pub confirmed: Vec<ReviewedExample>,
    /// Examples whose answer was replaced.
    pub relabelled: Vec<ReviewedExample>,
    /// Share of the reviewed examples whose answer was replaced, with its 95 % interval; null if none was reviewed.
    pub flipped: Option<ShareView>,
    /// New examples.
    pub added: Vec<ReviewedExample>,
    /// Number of labelled records of the random slice.
    pub slice_labels: usize,
    /// Tasks on which the annotators did not agree; they wait for another label.
    pub ties: Vec<TiedTask>,
    /// Number of tasks with fewer labels than `--min-labels`.
    pub waiting: usize,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ShareView {
    /// Numerator.
    pub count: usize,
    /// Denominator.
    pub of: usize,
    /// The share, in [0, 1].
    pub value: f64,
    /// Lower end of the interval.
    pub lo: f64,
    /// Upper end of the interval.
    pub hi: f64,
}

/// How far annotators agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AgreementOfAnnotators {
    /// Number of annotators.
    pub annotators: usize,
    /// Number of tasks that at least two of them labelled.
    pub shared_tasks: usize,
    /// Krippendorff's alpha; null if fewer than two annotators labelled the same task, or all labels are the same.
    pub alpha: Option<f64>,
    /// Lower end of its 95 % interval.
    pub alpha_lo: Option<f64>,
    /// Upper end of its 95 % interval.
    pub alpha_hi: Option<f64>,
    /// Cohen's kappa of each pair of annotators, those with the most common tasks first.
    pub pairs: Vec<PairOfAnnotators>,
}

/// Two annotators.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairOfAnnotators {
    /// One of them.
    pub one: String,
    /// The other.
    pub other: String,
    /// Cohen's kappa; null if both gave one and the same label everywhere.
    pub kappa: Option<f64>,
    /// Number of tasks that both labelled.
    pub tasks: usize,
}

/// An example that was reviewed or added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewedExample {
    /// The example.
    pub example_id: String,
    /// Its input, shortened.
    pub input: String,
    /// The accepted answers before; empty for a new example.
    pub before: Vec<String>,
    /// The accepted answers now.
    pub answers: Vec<String>,
    /// Who gave them.
    pub by: Vec<String>,
    /// Number of annotators who labelled it.
    pub annotators: usize,
}

/// A task without a most frequent label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TiedTask {
    /// The task.
    pub task_id: String,
    /// Its input, shortened.
    pub input: String,
    /// The labels with the most votes.
    pub labels: Vec<String>,
    /// Number of annotators who labelled it.
    pub annotators: usize,
}
