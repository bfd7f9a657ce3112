//! Limits of latency and cost.

use super::MOST_NEEDED;
use crate::core::domain::Percentile;
use crate::core::stats::{Interval, clustered_mean, quantile_interval, t_interval_df};
use crate::core::verdict::{Verdict, evaluate_maximum};

/// Evaluates a maximum of a percentile of latency, in milliseconds, on its interval.
pub(super) fn latency_at_most(sorted: &[f64], percentile: Percentile, max: f64, confidence: f64) -> (Verdict, String) {
    let Some(found) = quantile_interval(sorted, percentile.quantile(), sorted.len() as f64, confidence) else {
        return (Verdict::Inconclusive, "no latency was measured".to_owned());
    };
    let interval = Interval { lo: found.lo.unwrap_or(0.0), hi: found.hi.unwrap_or(f64::INFINITY) };
    let end = found.hi.map_or_else(|| "unknown".to_owned(), |hi| format!("{hi:.0}"));
    let (percent, n) = (confidence * 100.0, sorted.len());
    let mut detail = format!("{:.0} ms, {percent:.0} % interval {:.0}–{end}, {n} answers", found.value, interval.lo);
    let verdict = evaluate_maximum(interval, max);
    if verdict == Verdict::Inconclusive {
        detail.push_str(&match found.hi {
            None => format!("; too few answers to bound the {} from above", percentile.name()),
            Some(_) => would_decide(n, found.value, interval, max, "answers"),
        });
    }
    (verdict, detail)
}

/// Evaluates a maximum of the mean cost of a request on its interval.
pub(super) fn cost_at_most(costs: &[f64], max: f64, confidence: f64) -> (Verdict, String) {
    let Some(estimate) = clustered_mean(costs, None) else {
        return (Verdict::Inconclusive, "no costs are known: give the endpoint a price".to_owned());
    };
    let interval = t_interval_df(estimate.mean, estimate.variance, estimate.df, confidence);
    let percent = confidence * 100.0;
    let verdict = evaluate_maximum(interval, max);
    let mut detail = format!(
        "mean {:.6}, {percent:.0} % interval {:.6}–{:.6}, {} requests",
        estimate.mean, interval.lo, interval.hi, estimate.n
    );
    if verdict == Verdict::Inconclusive {
        detail.push_str(&would_decide(estimate.n, estimate.mean, interval, max, "requests"));
    }
    (verdict, detail)
}

/// About how many values would decide an inconclusive maximum, since intervals narrow with the square root of their number.
pub(super) fn would_decide(n: usize, value: f64, interval: Interval, max: f64, of_what: &str) -> String {
    let reach = if value <= max { interval.hi - value } else { value - interval.lo };
    let needed = n as f64 * (reach / (max - value)).powi(2);
    if needed.is_finite() && needed <= MOST_NEEDED as f64 {
        format!("; about {needed:.0} {of_what} would decide it")
    } else {
        "; it is too close to the maximum to be decided by more of them".to_owned()
    }
}
