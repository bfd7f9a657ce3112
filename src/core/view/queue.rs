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
    /// Creates the view.
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
    /// Score from which an example is flagged.
    pub threshold: f64,
    /// What was observed, and what would clear the flag.
    pub evidence: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
    /// The current input of the example; empty if the dataset no longer contains it.
    pub input: String,
    /// Accepted answers, joined by ` | `.
    pub expected: String,
}
