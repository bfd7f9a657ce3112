//! The decay gate.

use super::inputs::Settings;
use crate::core::coverage::CoverageMeasurement;
use crate::core::stats::Interval;
use crate::core::verdict::{GateResult, Verdict, evaluate_minimum};

/// Converts a share to karats: 1 is 24 karats.
pub(super) fn karats(share: f64) -> f64 {
    24.0 * share
}

/// The result of the gate, if the settings have one.
pub(super) fn gates(settings: Settings<'_>, coverage: Option<&CoverageMeasurement>) -> Vec<GateResult> {
    let gate = settings.min_karats.map(|minimum| {
        let name = format!("needs {minimum} karats");
        let require_decision = settings.require_decision;
        let Some(coverage) = coverage else {
            let detail = "coverage was not measured".to_owned();
            return GateResult::new(name, Verdict::Inconclusive, detail, require_decision);
        };
        let found = coverage.now.interval;
        let interval = Interval { lo: karats(found.lo), hi: karats(found.hi) };
        let value = karats(coverage.now.value);
        let detail = format!("{value:.1} karats, 95 % interval {:.1}–{:.1}", interval.lo, interval.hi);
        GateResult::new(name, evaluate_minimum(interval, minimum), detail, require_decision)
    });
    gate.into_iter().collect()
}
