//! The records of a window, one by one.

use serde::{Deserialize, Serialize};

/// One record of the window measured, as `karat decay --records` writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRow {
    /// The record.
    pub record_id: String,
    /// Requests of production it stands for.
    pub weight: f64,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Id of the nearest live example.
    pub nearest_example: Option<String>,
    /// Its cosine similarity.
    pub similarity: Option<f64>,
    /// Probability that a live example represents it; the weighted mean over all rows is the coverage.
    pub p_represented: Option<f64>,
}
