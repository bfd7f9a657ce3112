//! What moved between two windows: what people ask about, and how they word it.

use serde::{Deserialize, Serialize};

use super::ShiftView;

/// What moved since the reference window. Only the first of the two findings raises the alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovedView {
    /// What people ask about.
    pub topics: TopicsMoved,
    /// How they word it.
    pub wording: WordingMoved,
}

/// Whether what people ask about moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicsMoved {
    /// Whether it did; this is the alarm.
    pub moved: bool,
    /// The drift gap: by how much the share of requests grew that are about things that no example represents.
    pub effect: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end of its 95 % interval.
    pub hi: f64,
    /// Its p-value.
    pub p_value: f64,
    /// The finding in one sentence.
    pub sentence: String,
    /// How the mix of the known topics moved; null if too few records are represented.
    pub mix: Option<MixView>,
    /// The groups of unrepresented records that grew most, by share of all traffic.
    pub groups: Vec<MovedShare>,
    /// The known topics that grew or shrank most, by share of the represented traffic.
    pub topics: Vec<MovedShare>,
}

/// How the mix of the known topics moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MixView {
    /// Share of the represented traffic that moved from one topic to another, beyond what sampling explains.
    pub effect: f64,
    /// Permutation p-value.
    pub p_value: f64,
}

/// A share in both windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovedShare {
    /// Id of a group, as in `unrepresented`; null for a topic.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its share in the reference window.
    pub reference: f64,
    /// Its share now.
    pub now: f64,
}

/// Whether how people word their requests moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordingMoved {
    /// Whether it did. It never raises the alarm.
    pub moved: bool,
    /// By how much coverage would have fallen if the wording were not accounted for.
    pub effect: f64,
    /// The smallest p-value in `tests`; null if there are none.
    pub p_value: Option<f64>,
    /// The finding in one sentence.
    pub sentence: String,
    /// What differs, the largest differences first.
    pub differs: Vec<String>,
    /// Tests of the wording, which compare only represented requests of the same topic.
    pub tests: Vec<ShiftView>,
    /// The topics that the difference is concentrated on, with the shares of their requests that show it; empty if it is
    /// spread over most of the traffic, or not visible in single requests.
    pub topics: Vec<MovedShare>,
}
