//! Sampled production traffic.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::time::Window;

/// One sampled production request, already redacted.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficRecord {
    /// Stable id within its source.
    pub record_id: String,
    /// When it was asked.
    pub at: Timestamp,
    /// The request's text, by the default [`TextRule`](super::TextRule).
    pub input: String,
    /// Chat messages or an object, as canonical JSON, where the request was no plain text.
    pub structure: Option<String>,
    /// What production answered, where known.
    pub output: Option<String>,
    /// The user, session or conversation it belongs to: the unit that is resampled.
    pub group: Option<String>,
    /// Probability, in (0, 1], with which it was sampled into the file.
    pub sample_rate: f64,
}

impl TrafficRecord {
    /// How many production requests it represents.
    pub fn weight(&self) -> f64 {
        1.0 / self.sample_rate
    }
}

/// A window and what was found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant after.
    pub to: Timestamp,
    /// Records sampled.
    pub records: usize,
    /// Production requests they represent.
    pub weight: f64,
}

impl WindowSummary {
    /// The span alone.
    pub fn window(&self) -> Window {
        Window { from: self.from, to: self.to }
    }
}
