//! The relabel queue: where a flagged example stands, and what moves it on.

use serde::{Deserialize, Serialize};

use crate::core::domain::Flag;

/// Where a flag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueState {
    /// Waits for a person.
    Queued,
    /// Was queued, but its signal no longer holds.
    Cleared,
    /// The answer was agreed again.
    Relabelled,
    /// Run for regressions only.
    RegressionOnly,
    /// Taken out of the set.
    Retired,
    /// A person looked and found nothing wrong.
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

    /// The state of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One flag as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagRow {
    /// The flag.
    pub flag: Flag,
    /// Where it stands.
    pub state: QueueState,
    /// Hash of the example's content when it was flagged.
    pub example_hash: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
}

/// What a measurement does to one flag (an example and a reason).
#[derive(Debug, Clone, PartialEq)]
pub struct FlagChange {
    /// The flag as measured now, or as last measured where it no longer holds.
    pub flag: Flag,
    /// Where it stood; `None` for a new one.
    pub from: Option<QueueState>,
    /// Where it stands now.
    pub to: QueueState,
    /// Hash of the example's content that the state is about.
    pub example_hash: String,
}

impl FlagChange {}

/// What a decay measurement says about one flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEvent {
    /// The signal holds. `example_changed`: the example is not the one a person last decided about.
    Flagged {
        /// Whether its content changed since.
        example_changed: bool,
    },
    /// The signal was measured and does not hold.
    NotFlagged,
}

/// The next state. A person's decision stands until the example itself changes; a flag that no longer holds clears
/// itself and comes back should it hold again.
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
    fn a_decision_stands_until_the_example_changes() {
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
    fn a_flag_clears_itself_and_comes_back() {
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
