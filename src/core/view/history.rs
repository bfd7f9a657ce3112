//! The history of a suite.

use serde::Serialize;

use super::{DisparityView, ScoreView};
use crate::core::verdict::Verdict;

/// The JSON form of `karat show SUITE --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryView {
    /// `karat.history/1`.
    pub schema: String,
    /// Suite name.
    pub suite: String,
    /// One line per endpoint and prompt.
    pub lines: Vec<HistoryLine>,
}

/// The runs of a suite on one endpoint with one prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryLine {
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// The suite's first scorer.
    pub scorer: String,
    /// The finished runs, oldest first.
    pub nights: Vec<NightView>,
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NightView {
    /// Globally unique id.
    pub run_id: String,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// The mean of the scorer.
    pub score: ScoreView,
    /// The verdict; null if an older version of karat ran it.
    pub verdict: Option<Verdict>,
    /// The change of the score since the last one, if it is more than chance.
    pub change: Option<ScoreChangeView>,
    /// What changed since the run before, such as `model (a → b)`, `dataset`, `prompt`.
    pub changed: Vec<String>,
    /// The differences between groups of people; empty unless the suite compares them.
    pub parity: Vec<DisparityView>,
    /// Names of the run.
    pub tags: Vec<String>,
}

/// A change of a score, on common examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreChangeView {
    /// The difference.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}
