//! The review queue.

use serde::Serialize;

use crate::core::domain::ReasonCode;
use crate::core::queue::QueueState;

/// The JSON form of `karat queue list --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueView {
    /// `karat.queue/1`.
    pub schema: &'static str,
    /// Flags, the strongest first within each dataset.
    pub flags: Vec<QueueRow>,
}

impl QueueView {
    /// Gathers flags.
    pub fn new(flags: Vec<QueueRow>) -> Self {
        Self { schema: "karat.queue/1", flags }
    }
}

/// One flag, as listed and exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueRow {
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// Its state.
    pub state: QueueState,
    /// The reason.
    pub code: ReasonCode,
    /// Strength, in [0, 1].
    pub score: f64,
    /// The score from which it is flagged.
    pub threshold: f64,
    /// What was seen, and what would clear it.
    pub evidence: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
    /// The input as the dataset has it now; empty where it no longer has the example.
    pub input: String,
    /// Accepted answers, joined by ` | `.
    pub expected: String,
}
