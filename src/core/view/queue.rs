//! The review queue.

use serde::Serialize;

use crate::core::domain::ReasonCode;
use crate::core::queue::{QueueState, QueueStep};

/// The JSON form of `karat queue list --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueView {
    /// `karat.queue/1`.
    pub schema: &'static str,
    /// Flags of each dataset, ranked by the traffic share of the example × its strongest reason.
    pub flags: Vec<QueueRow>,
}

impl QueueView {
    /// Creates the view.
    pub fn new(flags: Vec<QueueRow>) -> Self {
        Self { schema: "karat.queue/1", flags }
    }
}

/// The JSON form of `karat queue log --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueLogView {
    /// `karat.queue-log/1`.
    pub schema: &'static str,
    /// Steps, oldest first.
    pub steps: Vec<QueueStep>,
}

impl QueueLogView {
    /// Creates the view.
    pub fn new(steps: Vec<QueueStep>) -> Self {
        Self { schema: "karat.queue-log/1", steps }
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
    /// Share of today's traffic that its example represents; null if that is not known.
    pub traffic_share: Option<f64>,
    /// When it returns, if it is snoozed (RFC 3339).
    pub snoozed_until: Option<String>,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
    /// The current input of the example; empty if the dataset no longer contains it.
    pub input: String,
    /// Accepted answers, joined by ` | `.
    pub expected: String,
}
