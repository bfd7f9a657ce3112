//! The states of a flag as (state, event) → state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueState {
    /// Waiting for review.
    Queued,
    /// Reviewed, and the problem is real; the example has not been changed yet.
    Confirmed,
    /// Set aside until a date.
    Snoozed,
    /// Was waiting for review, but its signal no longer holds.
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
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Confirmed,
        Self::Snoozed,
        Self::Cleared,
        Self::Relabelled,
        Self::RegressionOnly,
        Self::Retired,
        Self::Dismissed,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Confirmed => "confirmed",
            Self::Snoozed => "snoozed",
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

    /// Whether somebody has to look at it: it is queued, or confirmed and not yet corrected.
    pub fn waits_for_review(self) -> bool {
        matches!(self, Self::Queued | Self::Confirmed)
    }

    /// Whether the example still has the problem, as far as is known.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Confirmed | Self::Snoozed)
    }
}

/// What a person decides about a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The answer was wrong and was updated.
    Relabel,
    /// The problem is real.
    Confirm,
    /// Nothing is wrong.
    Dismiss,
    /// The example is no longer used.
    Retire,
    /// The example no longer represents traffic, and is only run.
    RegressionOnly,
    /// To be reviewed after this time.
    Snooze(Timestamp),
}

impl Decision {
    /// The state of a flag about which this was decided.
    pub fn state(self) -> QueueState {
        match self {
            Self::Relabel => QueueState::Relabelled,
            Self::Confirm => QueueState::Confirmed,
            Self::Dismiss => QueueState::Dismissed,
            Self::Retire => QueueState::Retired,
            Self::RegressionOnly => QueueState::RegressionOnly,
            Self::Snooze(_) => QueueState::Snoozed,
        }
    }
}

/// The result of a decay measurement for one flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEvent {
    /// The signal holds.
    Flagged {
        /// Whether it is based on something else than at the last decision.
        evidence_changed: bool,
        /// Whether the time until which it was snoozed has passed.
        due: bool,
    },
    /// The signal was measured and does not hold.
    NotFlagged,
}

/// The next state. A person's decision applies until the evidence changes. A flag that no longer holds is cleared, and
/// queued again if it holds again.
pub fn next(state: Option<QueueState>, event: QueueEvent) -> Option<QueueState> {
    use QueueState::{Cleared, Confirmed, Queued, Snoozed};
    match (state, event) {
        (None | Some(Queued | Cleared), QueueEvent::Flagged { .. })
        | (Some(_), QueueEvent::Flagged { evidence_changed: true, .. })
        | (Some(Snoozed), QueueEvent::Flagged { due: true, .. }) => Some(Queued),
        (Some(Queued | Confirmed | Snoozed), QueueEvent::NotFlagged) => Some(Cleared),
        (other, QueueEvent::Flagged { .. } | QueueEvent::NotFlagged) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flagged(evidence_changed: bool, due: bool) -> QueueEvent {
        QueueEvent::Flagged { evidence_changed, due }
    }

    #[test]
    fn a_decision_applies_until_the_evidence_changes() {
        use QueueState::{Confirmed, Dismissed, Queued, RegressionOnly, Relabelled, Retired, Snoozed};
        for decided in [Dismissed, Retired, Relabelled, RegressionOnly, Confirmed, Snoozed] {
            assert_eq!(next(Some(decided), flagged(false, false)), Some(decided));
            assert_eq!(next(Some(decided), flagged(true, false)), Some(Queued));
        }
        for decided in [Dismissed, Retired, Relabelled, RegressionOnly] {
            assert_eq!(next(Some(decided), QueueEvent::NotFlagged), Some(decided));
            assert_eq!(next(Some(decided), flagged(false, true)), Some(decided));
        }
    }

    #[test]
    fn a_snoozed_flag_returns_when_it_is_due() {
        assert_eq!(next(Some(QueueState::Snoozed), flagged(false, true)), Some(QueueState::Queued));
    }

    #[test]
    fn a_flag_is_cleared_and_queued_again() {
        assert_eq!(next(None, flagged(false, false)), Some(QueueState::Queued));
        for open in QueueState::ALL.into_iter().filter(|state| state.is_open()) {
            assert_eq!(next(Some(open), QueueEvent::NotFlagged), Some(QueueState::Cleared));
        }
        assert_eq!(next(Some(QueueState::Cleared), flagged(false, false)), Some(QueueState::Queued));
        assert_eq!(next(None, QueueEvent::NotFlagged), None);
    }

    #[test]
    fn names_read_back() {
        for state in QueueState::ALL {
            assert_eq!(QueueState::from_name(state.name()), Some(state));
        }
    }
}
