//! The individual records of a window.

use serde::{Deserialize, Serialize};

/// One record of the measured window, as written by `karat decay --records`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRow {
    /// The record.
    pub record_id: String,
    /// Number of production requests it represents.
    pub weight: f64,
    /// Its cluster.
    pub cluster: Option<String>,
    /// The group of unrepresented records that it is in.
    #[serde(default)]
    pub group: Option<String>,
    /// Id of its nearest live example.
    pub nearest_example: Option<String>,
    /// Cosine similarity to that example.
    pub similarity: Option<f64>,
    /// Probability that a live example represents it. The weighted mean over all rows is the coverage.
    pub p_represented: Option<f64>,
}
