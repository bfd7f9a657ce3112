//! The result of a canary.

use serde::{Deserialize, Serialize};

use crate::core::canary::{Decision, Rule};
use crate::core::domain::CallErrorKind;

/// The JSON form of `karat canary --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryView {
    /// `karat.canary/1`.
    pub schema: String,
    /// Globally unique id.
    pub canary_id: String,
    /// Suite name.
    pub suite: String,
    /// Hash of the suite.
    pub suite_version: String,
    /// Dataset name.
    pub dataset: String,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Endpoint in use.
    pub baseline: CanarySide,
    /// Endpoint that may replace it.
    pub candidate: CanarySide,
    /// The scorer that decides.
    pub scorer: String,
    /// What was decided.
    pub decision: Decision,
    /// The rule it was decided by.
    pub rule: Rule,
    /// Seed of the draws.
    pub seed: u64,
    /// Whether examples were drawn with the weights of today's traffic; otherwise all were equally likely.
    pub traffic_weights: bool,
    /// Pairs observed until the decision.
    pub pairs: usize,
    /// Pairs in which the candidate scored higher.
    pub better: usize,
    /// Pairs in which the candidate scored lower.
    pub worse: usize,
    /// Pairs with equal scores.
    pub equal: usize,
    /// Pairs without a score on both sides.
    pub missing: usize,
    /// Mean difference, candidate − baseline; null without scores.
    pub difference: Option<f64>,
    /// Lower end of its anytime-valid interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Confidence level of the interval.
    pub confidence: f64,
    /// Decimal logarithm of the e-value against "worse by the margin or more".
    pub evidence_to_promote: f64,
    /// Decimal logarithm of the e-value against "not worse".
    pub evidence_to_roll_back: f64,
    /// Pairs that a test with a fixed number of pairs would have needed for the margin, with a power of 95 % and as many
    /// differing pairs; null if nothing was scored.
    pub fixed_pairs: Option<usize>,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// One of the two endpoints of a canary.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CanarySide {
    /// Endpoint name.
    pub endpoint: String,
    /// Mean score; null without scores.
    pub mean: Option<f64>,
    /// Number of requests that ended in an error.
    pub errors: usize,
    /// Median latency in milliseconds.
    pub p50_ms: Option<f64>,
    /// Total cost; null without prices.
    pub cost: Option<f64>,
}

/// The answers of both endpoints to one draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryPair {
    /// The number of the draw, from 0.
    pub number: usize,
    /// The example.
    pub example_id: String,
    /// The answer of the endpoint in use.
    pub baseline: CanaryAnswer,
    /// The answer of the endpoint that may replace it.
    pub candidate: CanaryAnswer,
}

/// One answer of a canary.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CanaryAnswer {
    /// The answer; null for an error.
    pub output: Option<String>,
    /// Kind and message of the error.
    pub error: Option<(CallErrorKind, String)>,
    /// The score; null for an error, and if there was nothing to compare with.
    pub score: Option<f64>,
    /// Latency in milliseconds.
    pub latency_ms: Option<f64>,
    /// Cost, if the endpoint has a price.
    pub cost: Option<f64>,
}
