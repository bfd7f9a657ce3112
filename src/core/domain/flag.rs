//! Reasons why an example should be reviewed.

use serde::{Deserialize, Serialize};

/// The code of a reason. Names are stored and printed, so they are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The traffic that it represented is gone.
    TrafficVanished,
    /// Independent endpoints agree with each other on another answer.
    LabelDisputed,
    /// The same request has a different answer elsewhere in the set.
    Conflicting,
    /// Repeated trials are sometimes right and sometimes wrong.
    Flaky,
    /// A model has seen it.
    Exposed,
    /// It is past `valid_until`, or was not reviewed within the review cadence.
    Expired,
    /// The same request is in the set more than once.
    Duplicate,
    /// It has no date.
    Undated,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::TrafficVanished,
        Self::LabelDisputed,
        Self::Conflicting,
        Self::Flaky,
        Self::Exposed,
        Self::Expired,
        Self::Duplicate,
        Self::Undated,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrafficVanished => "traffic-vanished",
            Self::LabelDisputed => "label-disputed",
            Self::Conflicting => "conflicting",
            Self::Flaky => "flaky",
            Self::Exposed => "exposed",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
            Self::Undated => "undated",
        }
    }

    /// Whether the answer of an example is wrong if the flag is confirmed, so that the example no longer counts as live.
    pub fn ends_liveness(self) -> bool {
        matches!(self, Self::Conflicting | Self::LabelDisputed)
    }

    /// Whether a label settles it: one that confirms the answer, or replaces it.
    pub fn is_settled_by_label(self) -> bool {
        matches!(self, Self::Conflicting | Self::LabelDisputed | Self::Expired | Self::Undated)
    }

    /// The code with the given stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

/// A flagged example, with the reason, its strength and the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// The example.
    pub example_id: String,
    /// The reason.
    pub code: ReasonCode,
    /// Strength, in [0, 1].
    pub score: f64,
    /// Score from which an example is flagged.
    pub threshold: f64,
    /// What was observed, and what would clear the flag.
    pub evidence: String,
    /// What the flag is based on, apart from figures that differ in every measurement. A decision about the flag applies as
    /// long as this is the same.
    pub basis: String,
}
