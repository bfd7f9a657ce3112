//! Why an example should be looked at.

use serde::{Deserialize, Serialize};

/// Reason codes. Their names are stored and printed, so they are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The traffic it represented is gone.
    TrafficVanished,
    /// The same request has another answer elsewhere in the set.
    Conflicting,
    /// The same request, asked several times, is now right and now wrong.
    Flaky,
    /// Past `valid_until`, or not reviewed within the card's cadence.
    Expired,
    /// The same request stands in the set more than once.
    Duplicate,
    /// Nothing says when its answer was agreed.
    Undated,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [Self; 6] =
        [Self::TrafficVanished, Self::Conflicting, Self::Flaky, Self::Expired, Self::Duplicate, Self::Undated];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrafficVanished => "traffic-vanished",
            Self::Conflicting => "conflicting",
            Self::Flaky => "flaky",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
            Self::Undated => "undated",
        }
    }

    /// The code of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

/// One reason, with its strength and evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// The example.
    pub example_id: String,
    /// The reason.
    pub code: ReasonCode,
    /// Strength, in [0, 1].
    pub score: f64,
    /// The score from which it is flagged.
    pub threshold: f64,
    /// What was seen, and what would clear it.
    pub evidence: String,
}
