//! The scores of production's answers.

use serde::{Deserialize, Serialize};

use super::ScoreView;
use crate::core::domain::WindowSummary;

/// The JSON form of `karat score-traffic --format json`. It is a measurement: no answer of production becomes a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficScoresView {
    /// `karat.traffic_scores/1`.
    pub schema: String,
    /// Suite name.
    pub suite: String,
    /// Hash of the suite.
    pub suite_version: String,
    /// Dataset name.
    pub dataset: String,
    /// The result in one sentence.
    pub summary: String,
    /// Source of the traffic.
    pub source: String,
    /// The window, with all of its records.
    pub window: WindowSummary,
    /// Number of records of the window that have an output.
    pub with_output: usize,
    /// Number of records that were sampled from them.
    pub sampled: usize,
    /// Number of known users or sessions in the sample.
    pub groups: usize,
    /// Seed of the sample.
    pub seed: u64,
    /// The run that is shown beside; null if the suite has none.
    pub golden_run: Option<GoldenRunView>,
    /// Version of the clusters; null if decay was not measured.
    pub clustering_version: Option<String>,
    /// One entry per scorer that can score production's answers, in the order of the suite.
    pub scorers: Vec<TrafficScorerView>,
    /// Scorers that cannot.
    pub not_applicable: Vec<NotApplicableView>,
    /// Number of sampled records that a scorer failed on.
    pub errors: usize,
    /// Whether every record was scored, apart from errors.
    pub finished: bool,
    /// Why it ended early, in words.
    pub stopped: Option<String>,
    /// Number of scores that were stored before and not computed again.
    pub reused: usize,
    /// What judges cost now; null without prices.
    pub cost: Option<f64>,
    /// Confidence level of every interval.
    pub confidence: f64,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// The run of the golden set that production is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenRunView {
    /// Its id.
    pub run_id: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// When it started (RFC 3339).
    pub started_at: String,
}

/// A scorer that cannot score production's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotApplicableView {
    /// The scorer.
    pub scorer: String,
    /// Why.
    pub reason: String,
}

/// The scores of one scorer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficScorerView {
    /// The scorer.
    pub scorer: String,
    /// What evaluates it outside karat, such as `judge gpt-x`; null if karat does.
    pub evaluator: Option<String>,
    /// Whether every score is 0 or 1.
    pub binary: bool,
    /// Number of scored records with a score of 1.
    pub passed: usize,
    /// Number of records without a score because there was nothing to score.
    pub skipped: usize,
    /// Number of records on which the scorer failed. They have no score.
    pub errors: usize,
    /// Why the first of the records that were skipped or failed has no score.
    pub reason: Option<String>,
    /// Why there is no score of the golden set beside; null if there is one.
    pub not_compared: Option<String>,
    /// All records.
    pub overall: TrafficPartView,
    /// By cluster of traffic, the largest share first; empty if decay was not measured.
    pub clusters: Vec<TrafficPartView>,
    /// By month of the records, in UTC, the earliest first.
    pub months: Vec<TrafficPartView>,
}

/// The scores of a part of the traffic, beside those of the golden set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficPartView {
    /// Id of the cluster, or the month; `all` for all records, and `none` for records in no cluster.
    pub part: String,
    /// Name of the cluster.
    pub name: Option<String>,
    /// Share of the traffic with an output that is in it.
    pub share: f64,
    /// The weighted mean, with its interval; `n` is the number of records.
    pub traffic: ScoreView,
    /// The mean of the golden set's examples in the same cluster, and of all examples for all records and months.
    pub golden: ScoreView,
    /// Mean of the traffic less that of the golden set; null unless both have at least two scores.
    pub difference: Option<f64>,
    /// Lower end of its interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// The same, adjusted for the number of clusters or months (Benjamini and Hochberg).
    pub p_adjusted: Option<f64>,
    /// How the traffic compares with the golden set.
    pub verdict: TrafficVerdict,
}

/// How the scores of traffic compare with those of the golden set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficVerdict {
    /// Lower than the golden set: the adjusted p-value is below 0.05.
    Lower,
    /// Higher than the golden set: the adjusted p-value is below 0.05.
    Higher,
    /// No difference was found.
    Undecided,
    /// Too few records or examples to say anything.
    Thin,
    /// There is no score of the golden set.
    NotCompared,
}

impl TrafficVerdict {
    /// The verdict in words; empty if there is none.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lower => "lower than the golden set",
            Self::Higher => "higher than the golden set",
            Self::Undecided => "no difference found",
            Self::Thin => "too few",
            Self::NotCompared => "",
        }
    }
}
