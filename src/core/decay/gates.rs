//! The decay gate.

use super::inputs::Settings;
use crate::core::coverage::CoverageMeasurement;
use crate::core::stats::{Interval, normal_upper_quantile};
use crate::core::verdict::{GateResult, Verdict, evaluate_minimum};

/// Confidence level of the interval of coverage.
const CONFIDENCE: f64 = 0.95;

/// Converts a share to karats: 1 is 24 karats.
pub(super) fn karats(share: f64) -> f64 {
    24.0 * share
}

/// The name of the gate, by which earlier results are found.
pub(crate) fn gate_name(minimum: f64) -> String {
    format!("needs {minimum} karats")
}

/// The result of the gate, if the settings have one.
pub(super) fn gates(settings: Settings<'_>, coverage: Option<&CoverageMeasurement>) -> Vec<GateResult> {
    let gate = settings.min_karats.map(|minimum| {
        let (name, require_decision) = (gate_name(minimum), settings.require_decision);
        let Some(coverage) = coverage else {
            let detail = "coverage was not measured".to_owned();
            return GateResult::new(name, Verdict::Inconclusive, detail, require_decision);
        };
        let (found, value) = (coverage.now.interval, karats(coverage.now.value));
        let interval = Interval { lo: karats(found.lo), hi: karats(found.hi) };
        let mut detail = format!("{value:.1} karats, 95 % interval {:.1}–{:.1}", interval.lo, interval.hi);
        let level = settings.past.level(CONFIDENCE);
        let mut verdict = evaluate_minimum(interval, minimum);
        if verdict == Verdict::Fail && value + (interval.hi - value) * widened(level) >= minimum {
            verdict = Verdict::Inconclusive;
            detail.push_str(&format!(
                "; below the minimum, but not by enough to tell it from chance (level {level:.2e})"
            ));
        }
        settings.past.after(GateResult::new(name, verdict, detail, require_decision), Some(level))
    });
    gate.into_iter().collect()
}

/// How much wider one side of an interval is at a smaller one-sided level, as under a normal distribution.
fn widened(level: f64) -> f64 {
    normal_upper_quantile(level) / normal_upper_quantile(0.5 * (1.0 - CONFIDENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_level_widens_the_interval() {
        assert!((widened(0.025) - 1.0).abs() < 1e-12);
        assert!((widened(0.025 / 30.0) - 1.6034).abs() < 1e-3, "{}", widened(0.025 / 30.0));
    }
}
