//! What a gate said in earlier runs: how strict tonight's test is, and whether a warning has been repeated too often.
//!
//! A test that is repeated every night fails sooner or later although nothing changed. So a gate may only start to fail at a
//! level that is spent over time: the level of one test per [`PERIOD_DAYS`] days, shared by the nights (after Lan and DeMets
//! 1983). Runs on the same day count as nights, or a sudden drop could not fail an hour after a run that passed. A gate that already fails stays at the level at which it failed, since that is no new alarm. After a change of the
//! suite, the dataset, the endpoint or the model behind it, everything starts again: then somebody wants to know.

use std::collections::BTreeMap;

use crate::core::verdict::{GateResult, Verdict};

/// Days over which the level of one test is spent.
const PERIOD_DAYS: f64 = 30.0;

/// Number of inconclusive results in a row at which a decision is required.
const WARNINGS: u32 = 3;

/// What one gate said in the runs before, since the last change.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GatePast {
    /// The result of the run before, the level at which it was evaluated, and how many days ago.
    pub last: Option<(Verdict, f64, f64)>,
    /// Number of inconclusive results in a row, up to the run before.
    pub warnings: u32,
}

/// What the gates of a suite said in the runs before, by the name of the gate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History(pub BTreeMap<String, GatePast>);

impl History {
    /// The past of a gate; empty if it was never evaluated.
    pub(super) fn of(&self, gate: &str) -> GatePast {
        self.0.get(gate).copied().unwrap_or_default()
    }
}

impl GatePast {
    /// The one-sided level at which the gate may fail.
    pub fn level(&self, confidence: f64) -> f64 {
        // Rounded, since 1 − 0.95 is not quite 0.05.
        let whole = (0.5e9 * (1.0 - confidence)).round() / 1e9;
        match self.last {
            None => whole,
            Some((Verdict::Fail, level, _)) => level.min(whole),
            Some((_, _, days)) => whole * (days.max(1.0) / PERIOD_DAYS).min(1.0),
        }
    }

    /// The result as it counts after the results before it.
    pub fn after(&self, result: GateResult, level: Option<f64>) -> GateResult {
        let mut result = GateResult { level, ..result };
        let warned = self.warnings + 1;
        if result.verdict == Verdict::Inconclusive && !result.require_decision && warned >= WARNINGS {
            result.require_decision = true;
            result.detail.push_str(&format!("; inconclusive {warned} times in a row, so a decision is required"));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_spent_over_the_nights() {
        let past = |last| GatePast { last, warnings: 0 };
        assert!((past(None).level(0.95) - 0.025).abs() < 1e-12);
        let night = past(Some((Verdict::Pass, 0.025, 1.0))).level(0.95);
        assert!((night - 0.025 / 30.0).abs() < 1e-12);
        assert!((past(Some((Verdict::Pass, 0.001, 90.0))).level(0.95) - 0.025).abs() < 1e-12, "a long pause");
        assert_eq!(past(Some((Verdict::Inconclusive, 0.025, 0.01))).level(0.95), night, "the same day");
    }

    #[test]
    fn a_gate_that_fails_stays_at_its_level() {
        let past = GatePast { last: Some((Verdict::Fail, 0.002, 1.0)), warnings: 0 };
        assert_eq!(past.level(0.95), 0.002);
    }

    #[test]
    fn the_third_warning_in_a_row_requires_a_decision() {
        let warned = |warnings, verdict| {
            let result = GateResult::new("g".into(), verdict, "d".into(), false);
            GatePast { last: None, warnings }.after(result, None)
        };
        assert!(!warned(1, Verdict::Inconclusive).require_decision);
        let third = warned(2, Verdict::Inconclusive);
        assert!(third.require_decision && third.detail.contains("3 times in a row"), "{}", third.detail);
        assert!(!warned(2, Verdict::Pass).require_decision);
    }
}
