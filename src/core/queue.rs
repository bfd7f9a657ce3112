//! The relabel queue: the states of a flag, and their transitions.

use serde::{Deserialize, Serialize};

use crate::core::domain::Flag;

/// The state of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueState {
    /// Waiting for review.
    Queued,
    /// Was queued, but its signal no longer holds.
    Cleared,
    /// The answer was reviewed and updated.
    Relabelled,
    /// The example is run only to detect regressions.
    RegressionOnly,
    /// The example was removed from the set.
    Retired,
    /// Reviewed, and nothing was found wrong.
    Dismissed,
}

impl QueueState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Cleared, Self::Relabelled, Self::RegressionOnly, Self::Retired, Self::Dismissed];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Cleared => "cleared",
            Self::Relabelled => "relabelled",
            Self::RegressionOnly => "regression-only",
            Self::Retired => "retired",
            Self::Dismissed => "dismissed",
        }
    }

    /// The state with the given stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A stored flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagRow {
    /// The flag.
    pub flag: Flag,
    /// Its state.
    pub state: QueueState,
    /// Hash of the example's content that the state applies to.
    pub example_hash: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
}

/// The effect of a measurement on one flag, identified by its example and reason.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagChange {
    /// The flag as measured now, or as last measured if it no longer holds.
    pub flag: Flag,
    /// Its previous state; `None` for a new flag.
    pub from: Option<QueueState>,
    /// Its new state.
    pub to: QueueState,
    /// Hash of the example's content that the state applies to.
    pub example_hash: String,
}

/// The result of a decay measurement for one flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEvent {
    /// The signal holds.
    Flagged {
        /// Whether the content of the example has changed since the last decision about it.
        example_changed: bool,
    },
    /// The signal was measured and does not hold.
    NotFlagged,
}

/// The next state. A person's decision applies until the example itself changes. A flag that no longer holds is
/// cleared, and queued again if it holds again.
pub fn next(state: Option<QueueState>, event: QueueEvent) -> Option<QueueState> {
    use QueueState::{Cleared, Dismissed, Queued, RegressionOnly, Relabelled, Retired};
    match (state, event) {
        (None | Some(Queued | Cleared), QueueEvent::Flagged { .. }) => Some(Queued),
        (Some(Relabelled | RegressionOnly | Retired | Dismissed), QueueEvent::Flagged { example_changed: true }) => {
            Some(Queued)
        }
        (Some(Queued), QueueEvent::NotFlagged) => Some(Cleared),
        (other, QueueEvent::Flagged { example_changed: false } | QueueEvent::NotFlagged) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_applies_until_the_example_changes() {
        let same = QueueEvent::Flagged { example_changed: false };
        let changed = QueueEvent::Flagged { example_changed: true };
        for decided in [QueueState::Dismissed, QueueState::Retired, QueueState::Relabelled, QueueState::RegressionOnly]
        {
            assert_eq!(next(Some(decided), same), Some(decided));
            assert_eq!(next(Some(decided), changed), Some(QueueState::Queued));
            assert_eq!(next(Some(decided), QueueEvent::NotFlagged), Some(decided));
        }
    }

    #[test]
    fn a_flag_is_cleared_and_queued_again() {
        let flagged = QueueEvent::Flagged { example_changed: false };
        assert_eq!(next(None, flagged), Some(QueueState::Queued));
        assert_eq!(next(Some(QueueState::Queued), QueueEvent::NotFlagged), Some(QueueState::Cleared));
        assert_eq!(next(Some(QueueState::Cleared), flagged), Some(QueueState::Queued));
        assert_eq!(next(None, QueueEvent::NotFlagged), None);
    }

    #[test]
    fn names_read_back() {
        for state in QueueState::ALL {
            assert_eq!(QueueState::from_name(state.name()), Some(state));
        }
    }
}
