//! Latency and cost of the requests that two runs have in common.

use super::run::RunScores;
use super::scores::CONFIDENCE;
use crate::core::domain::Percentile;
use crate::core::stats::{clustered_mean, paired_quantile_difference, t_interval_df};
use crate::core::view::{CostDifferenceView, LatencyDifferenceView};

/// The same request in both runs: the place of its example, and a value of each.
type Pair = (usize, (f64, f64));

/// The requests for which `pick` gives a value in both runs.
fn pairs(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    pick: fn(&super::TrialScores) -> Option<f64>,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (place, (first, second)) in common.iter().enumerate() {
        let (Some(first), Some(second)) = (base.examples.get(*first), candidate.examples.get(*second)) else {
            continue;
        };
        for trial in &first.trials {
            let other = second.trials.iter().find(|other| other.trial == trial.trial);
            if let (Some(base), Some(candidate)) = (pick(trial), other.and_then(pick)) {
                pairs.push((place, (base, candidate)));
            }
        }
    }
    pairs
}

/// Clusters of requests by example; `None` if every example has only one.
fn clusters(pairs: &[Pair]) -> Option<Vec<usize>> {
    let repeated = pairs.windows(2).any(|two| matches!(two, [(a, _), (b, _)] if a == b));
    repeated.then(|| pairs.iter().map(|(example, _)| *example).collect())
}

/// The difference of a percentile of latency; `None` if no request is in both runs.
pub fn latency_difference(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    percentile: Percentile,
    confidence: f64,
) -> Option<LatencyDifferenceView> {
    let found = pairs(base, candidate, common, |trial| trial.latency_ms);
    let values: Vec<(f64, f64)> = found.iter().map(|(_, pair)| *pair).collect();
    let found = paired_quantile_difference(&values, clusters(&found).as_deref(), percentile.quantile(), confidence)?;
    Some(LatencyDifferenceView {
        percentile: percentile.name().to_owned(),
        requests: values.len(),
        base_ms: found.first.value,
        candidate_ms: found.second.value,
        difference_ms: found.difference,
        lo_ms: found.lo,
        hi_ms: found.hi,
    })
}

/// Median and 95th percentile of latency.
pub(super) fn latency(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
) -> Vec<LatencyDifferenceView> {
    let of = |percentile| latency_difference(base, candidate, common, percentile, CONFIDENCE);
    [Percentile::P50, Percentile::P95].into_iter().filter_map(of).collect()
}

/// The difference of the mean cost of a request; `None` unless both runs have costs.
pub fn cost_difference(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    confidence: f64,
) -> Option<CostDifferenceView> {
    let found = pairs(base, candidate, common, |trial| trial.cost);
    let count = found.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| found.iter().map(|(_, pair)| pick(pair)).sum::<f64>() / count;
    let differences: Vec<f64> = found.iter().map(|(_, (base, candidate))| candidate - base).collect();
    let estimate = clustered_mean(&differences, clusters(&found).as_deref())?;
    let interval = t_interval_df(estimate.mean, estimate.variance, estimate.df, confidence);
    Some(CostDifferenceView {
        requests: found.len(),
        base: mean(|pair| pair.0),
        candidate: mean(|pair| pair.1),
        difference: estimate.mean,
        lo: interval.lo,
        hi: interval.hi,
    })
}

/// The difference of the mean cost of a request; `None` if neither run cost anything.
pub(super) fn cost(base: &RunScores, candidate: &RunScores, common: &[(usize, usize)]) -> Option<CostDifferenceView> {
    cost_difference(base, candidate, common, CONFIDENCE).filter(|found| found.base != 0.0 || found.candidate != 0.0)
}
