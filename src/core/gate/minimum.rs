//! A minimum for the mean of scores.

use super::{MOST_NEEDED, Values};
use crate::core::stats::{Interval, MeanEstimate, clustered_mean, is_below, score_interval, wilson};
use crate::core::verdict::{Verdict, evaluate_minimum};

/// Evaluates a minimum on the interval of the mean: it passes if the whole interval at `confidence` reaches it, and fails if
/// the whole interval and the exact limit at the one-sided `level` lie below it.
///
/// A minimum of 1 requires every example to pass: one failure disproves it, and no number of passes could prove it.
pub(super) fn at_least(values: &Values, minimum: f64, confidence: f64, level: f64) -> (Verdict, String) {
    let scores = &values.values;
    let Some(mean) = mean(scores) else { return (Verdict::Inconclusive, "nothing was scored".to_owned()) };
    let n = scores.len();
    let estimate = clustered_mean(scores, values.clusters.as_deref());
    let at = |confidence: f64| interval(values, mean, confidence);
    let interval = at(confidence);
    let percent = confidence * 100.0;
    let mut detail = format!("mean {mean:.3}, {percent:.0} % interval {:.3}–{:.3}, n = {n}", interval.lo, interval.hi);
    if let Some(estimate) = estimate.as_ref().filter(|estimate| estimate.clusters < estimate.n) {
        detail.push_str(&format!(" in {} clusters", estimate.clusters));
    }
    if values.flaky > 0 {
        detail.push_str(&format!("; {} of them flaky, counted with their pass rate", values.flaky));
    }
    if minimum >= 1.0 {
        let failed = scores.iter().filter(|score| **score < 1.0).count();
        detail.push_str(&format!("; {failed} of {n} below 1"));
        return (if failed == 0 { Verdict::Pass } else { Verdict::Fail }, detail);
    }
    let excluded = estimate.as_ref().is_none_or(|estimate| is_below(scores, estimate, minimum, level));
    let verdict = match evaluate_minimum(interval, minimum) {
        Verdict::Fail if at(1.0 - 2.0 * level).hi >= minimum || !excluded => {
            detail.push_str(&format!(
                "; below the minimum, but not by enough to tell it from chance (level {level:.2e})"
            ));
            return (Verdict::Inconclusive, detail);
        }
        other => other,
    };
    if verdict == Verdict::Inconclusive {
        let needed = examples_needed(scores, estimate.as_ref(), mean, minimum, confidence);
        detail.push_str(&format!("; {}", needed.sentence()));
    }
    (verdict, detail)
}

fn mean(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

/// The interval of a mean. That of a single score is Wilson's if it is 0 or 1, and otherwise says nothing, like that of a
/// single cluster.
pub(super) fn interval(values: &Values, mean: f64, confidence: f64) -> Interval {
    let scores = &values.values;
    match clustered_mean(scores, values.clusters.as_deref()) {
        Some(estimate) => score_interval(scores, &estimate, confidence),
        None if mean == 0.0 || mean == 1.0 => wilson(mean, 1.0, confidence),
        None => Interval::UNIT,
    }
}

/// The number of examples that would decide an inconclusive gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// About this many, if mean and spread do not change.
    About(u64),
    /// More than [`MOST_NEEDED`].
    TooMany,
    /// No number of examples decides it, because the mean equals the minimum.
    Never,
    /// Unknown: a single score strictly between 0 and 1 says nothing about the spread.
    Unknown,
}

impl Needed {
    fn sentence(self) -> String {
        match self {
            Self::About(count) => {
                format!("the interval contains the minimum: with this mean, about {count} examples would decide it")
            }
            Self::TooMany => {
                format!("the mean is too close to the minimum: not even {MOST_NEEDED} examples would decide it")
            }
            Self::Never => "the mean equals the minimum: no number of examples would decide it".to_owned(),
            Self::Unknown => "a single score does not show how much scores vary: add examples".to_owned(),
        }
    }
}

/// The smallest number of examples like these at which the interval would no longer contain `minimum`.
pub(super) fn examples_needed(
    scores: &[f64],
    estimate: Option<&MeanEstimate>,
    mean: f64,
    minimum: f64,
    confidence: f64,
) -> Needed {
    if mean == minimum {
        return Needed::Never;
    }
    let interval_at = |n: u64| match estimate {
        Some(estimate) => {
            let factor = n as f64 / estimate.n as f64;
            let clusters = ((estimate.clusters as f64 * factor).round() as usize).max(1);
            let df = (estimate.df * factor).max(1.0);
            let (n, variance) = (n as usize, estimate.variance / factor);
            score_interval(scores, &MeanEstimate { n, variance, df, clusters, ..*estimate }, confidence)
        }
        None => wilson(mean * n as f64, n as f64, confidence),
    };
    if estimate.is_none() && mean > 0.0 && mean < 1.0 {
        return Needed::Unknown;
    }
    let decides = |n: u64| evaluate_minimum(interval_at(n), minimum) != Verdict::Inconclusive;
    let (mut low, mut high) = (0, MOST_NEEDED);
    if !decides(high) {
        return Needed::TooMany;
    }
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if decides(middle) { high = middle } else { low = middle }
    }
    Needed::About(high)
}
