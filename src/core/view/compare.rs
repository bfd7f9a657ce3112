//! The comparison of two runs.

use serde::{Deserialize, Serialize};

use super::ScoreView;
use crate::core::compare::Change;
use crate::core::contract::ShapeChange;
use crate::core::verdict::GateResult;

/// The JSON form of `karat compare --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompareView {
    /// `karat.compare/1`.
    pub schema: String,
    /// The run compared with.
    pub base: ComparedRun,
    /// The run that may replace it.
    pub candidate: ComparedRun,
    /// Which examples were compared.
    pub examples: ComparedExamples,
    /// Differences of scores up to this count as the same.
    pub margin: f64,
    /// The verdict on the primary scorer.
    pub verdict: Change,
    /// The difference of each scorer that both runs have, the primary one first.
    pub scores: Vec<ScoreDifferenceView>,
    /// Scorers that were not compared, with the reason.
    pub not_compared: Vec<NotComparedView>,
    /// Slices, critical ones first, then by p-value.
    pub slices: Vec<SliceDifferenceView>,
    /// Examples whose primary score fell, the largest fall first, flaky ones last.
    pub new_failures: Vec<FlipView>,
    /// Examples whose primary score rose, the largest rise first, flaky ones last.
    pub fixed: Vec<FlipView>,
    /// Median and 95th percentile of latency, over the requests that both runs have.
    pub latency: Vec<LatencyDifferenceView>,
    /// Mean cost of a request, over the requests that both runs have; null without prices.
    pub cost: Option<CostDifferenceView>,
    /// How the shape of JSON answers differs, breaking changes first.
    pub contract: Vec<ShapeChange>,
    /// Number of answers that the shapes were compared on; 0 if answers are not JSON.
    pub contract_answers: usize,
    /// The non-inferiority gate of this comparison, if one was asked for.
    pub gate: Option<GateResult>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// One of the runs compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Globally unique id.
    pub run_id: String,
    /// How it was named on the command line, such as `main`.
    pub named: String,
    /// Suite name.
    pub suite: String,
    /// Hash of the suite.
    pub suite_version: String,
    /// Dataset name.
    pub dataset: String,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Trials per example.
    pub repeats: u32,
    /// Models reported by the server.
    pub models: Vec<String>,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// Number of outcomes.
    pub outcomes: usize,
    /// Number of outcomes that are errors. They count as neither right nor wrong.
    pub errors: usize,
}

/// Which examples were compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComparedExamples {
    /// In both runs, and the same in both.
    pub common: usize,
    /// Only in the candidate.
    pub added: usize,
    /// Only in the base.
    pub removed: usize,
    /// In both, but with another input or other accepted answers.
    pub edited: usize,
    /// The first 50 ids.
    pub added_ids: Vec<String>,
    /// The first 50 ids.
    pub removed_ids: Vec<String>,
    /// The first 50 ids.
    pub edited_ids: Vec<String>,
}

/// The difference of one scorer: candidate − base, on the examples that both runs scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreDifferenceView {
    /// The scorer.
    pub scorer: String,
    /// Number of examples.
    pub n: usize,
    /// Number of clusters, if examples are clustered.
    pub clusters: Option<usize>,
    /// Mean of the base on these examples.
    pub base: ScoreView,
    /// Mean of the candidate on these examples.
    pub candidate: ScoreView,
    /// The difference; null for fewer than two examples.
    pub difference: Option<f64>,
    /// Lower end of its 95 % interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// The methods used.
    pub method: String,
    /// The smallest true difference that would be found with a power of 80 %.
    pub detectable: Option<f64>,
    /// Number of examples whose score rose.
    pub better: usize,
    /// Number of examples whose score fell.
    pub worse: usize,
    /// About how many examples like these would give a verdict; null if there is one, or if a million would not.
    pub needed: Option<u64>,
    /// The verdict.
    pub verdict: Change,
}

/// A scorer that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotComparedView {
    /// The scorer.
    pub scorer: String,
    /// Why not.
    pub reason: String,
}

/// The difference of the primary scorer on a slice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceDifferenceView {
    /// The slice, such as `tag=billing`.
    pub slice: String,
    /// Whether it is decided on its own.
    pub critical: bool,
    /// Number of examples.
    pub n: usize,
    /// Mean of the base.
    pub base: Option<f64>,
    /// Mean of the candidate.
    pub candidate: Option<f64>,
    /// The difference; null for fewer than two examples.
    pub difference: Option<f64>,
    /// Lower end of its 95 % interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// The p-value adjusted for the number of slices (Benjamini–Hochberg); equal to it for a critical slice.
    pub p_adjusted: Option<f64>,
    /// The verdict, at the adjusted p-value.
    pub verdict: Change,
}

/// An example whose score changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FlipView {
    /// The example.
    pub example_id: String,
    /// Score of the base.
    pub base_score: f64,
    /// Score of the candidate.
    pub candidate_score: f64,
    /// Whether trials of one of the runs disagree, or the example is flagged as flaky: the change says little.
    pub flaky: bool,
    /// The input.
    pub input: String,
    /// Accepted answers.
    pub expected: Vec<String>,
    /// An answer of the base with its lowest score.
    pub base_output: String,
    /// An answer of the candidate with its lowest score.
    pub candidate_output: String,
    /// The reason that the scorer gave for the candidate's score.
    pub reason: Option<String>,
}

/// The difference of a percentile of latency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyDifferenceView {
    /// `p50` or `p95`.
    pub percentile: String,
    /// Number of requests.
    pub requests: usize,
    /// Latency of the base.
    pub base_ms: f64,
    /// Latency of the candidate.
    pub candidate_ms: f64,
    /// Candidate − base.
    pub difference_ms: f64,
    /// Lower end of its 95 % interval; null if there are too few requests to bound it.
    pub lo_ms: Option<f64>,
    /// Upper end.
    pub hi_ms: Option<f64>,
}

/// The difference of the mean cost of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostDifferenceView {
    /// Number of requests.
    pub requests: usize,
    /// Mean of the base, in the currency of its prices.
    pub base: f64,
    /// Mean of the candidate.
    pub candidate: f64,
    /// Candidate − base.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}
