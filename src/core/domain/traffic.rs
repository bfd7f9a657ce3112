//! Sampled production traffic.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::time::Window;

/// One sampled production request, already redacted.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficRecord {
    /// Id, stable within its source.
    pub record_id: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The text of the request, under the default [`TextRule`](super::TextRule).
    pub input: String,
    /// The chat messages or object as canonical JSON, if the request was not plain text.
    pub structure: Option<String>,
    /// Production's answer, if known.
    pub output: Option<String>,
    /// The user, session or conversation it belongs to, which is the unit of resampling.
    pub group: Option<String>,
    /// Probability, in (0, 1], with which it was sampled.
    pub sample_rate: f64,
    /// The model that answered, if known.
    pub model: Option<String>,
}

impl TrafficRecord {
    /// The number of production requests it represents.
    pub fn weight(&self) -> f64 {
        1.0 / self.sample_rate
    }
}

/// A window and the amount of traffic in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// First instant in the window.
    pub from: Timestamp,
    /// First instant after the window.
    pub to: Timestamp,
    /// Number of records.
    pub records: usize,
    /// Number of production requests they represent.
    pub weight: f64,
}

impl WindowSummary {
    /// The window itself.
    pub fn window(&self) -> Window {
        Window { from: self.from, to: self.to }
    }
}
