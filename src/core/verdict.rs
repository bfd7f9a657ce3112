//! Gates: a minimum evaluated on an interval, with three possible results.

use serde::{Deserialize, Serialize};

use crate::core::stats::Interval;

/// The result of a gate, a run or a decay measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval reaches the minimum.
    Pass,
    /// The whole interval lies below the minimum.
    Fail,
    /// The interval contains the minimum, or nothing was measured.
    Inconclusive,
    /// Too many errors to decide.
    Incomplete,
}

impl Verdict {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Incomplete => "INCOMPLETE",
        }
    }

    /// The name used in JSON and in the database.
    pub fn id(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Incomplete => "incomplete",
        }
    }

    /// The verdict with this name; `None` if there is none.
    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Inconclusive, Self::Incomplete].into_iter().find(|verdict| verdict.id() == id)
    }

    /// Combines two verdicts; the more severe one wins: incomplete, then fail, inconclusive, pass.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |verdict| match verdict {
            Self::Pass => 0,
            Self::Inconclusive => 1,
            Self::Fail => 2,
            Self::Incomplete => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// A gate and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The condition, such as `exact >= 0.85`.
    pub name: String,
    /// Its result.
    pub verdict: Verdict,
    /// The figures behind the verdict, and what would decide an inconclusive gate.
    pub detail: String,
    /// Whether an inconclusive result fails the pipeline.
    pub require_decision: bool,
    /// The one-sided level at which the gate could fail; null where none was spent.
    #[serde(default)]
    pub level: Option<f64>,
}

impl GateResult {
    /// A result without a level.
    pub fn new(name: String, verdict: Verdict, detail: String, require_decision: bool) -> Self {
        Self { name, verdict, detail, require_decision, level: None }
    }

    /// The verdict as it counts towards the overall verdict: an inconclusive gate that does not require a decision
    /// passes.
    pub fn counted(&self) -> Verdict {
        match self.verdict {
            Verdict::Inconclusive if !self.require_decision => Verdict::Pass,
            other => other,
        }
    }
}

/// Evaluates a minimum on an interval. A minimum below the interval passes, above it fails, and within it is
/// inconclusive.
pub fn evaluate_minimum(interval: Interval, minimum: f64) -> Verdict {
    if interval.lo >= minimum {
        Verdict::Pass
    } else if interval.hi < minimum {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// Evaluates a maximum on an interval: one above the interval passes, below it fails, and within it is inconclusive.
pub fn evaluate_maximum(interval: Interval, maximum: f64) -> Verdict {
    if interval.hi <= maximum {
        Verdict::Pass
    } else if interval.lo > maximum {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// Combines the verdicts of all gates; [`Verdict::Pass`] if there are none.
pub fn overall(gates: &[GateResult]) -> Verdict {
    gates.iter().fold(Verdict::Pass, |all, gate| all.and(gate.counted()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_is_evaluated_on_the_whole_interval() {
        let interval = Interval { lo: 0.8, hi: 0.9 };
        for (minimum, verdict) in [
            (0.7, Verdict::Pass),
            (0.8, Verdict::Pass),
            (0.85, Verdict::Inconclusive),
            (0.9, Verdict::Inconclusive),
            (0.91, Verdict::Fail),
        ] {
            assert_eq!(evaluate_minimum(interval, minimum), verdict, "{minimum}");
        }
    }

    #[test]
    fn an_inconclusive_gate_counts_only_if_a_decision_is_required() {
        let gate = |verdict, require_decision| GateResult::new(String::new(), verdict, String::new(), require_decision);
        assert_eq!(overall(&[]), Verdict::Pass);
        assert_eq!(overall(&[gate(Verdict::Inconclusive, false)]), Verdict::Pass);
        assert_eq!(overall(&[gate(Verdict::Inconclusive, true), gate(Verdict::Pass, true)]), Verdict::Inconclusive);
        assert_eq!(overall(&[gate(Verdict::Inconclusive, true), gate(Verdict::Fail, false)]), Verdict::Fail);
    }
}
