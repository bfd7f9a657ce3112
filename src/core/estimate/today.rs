//! The score on today's traffic by post-stratification (Holt & Smith 1979), with thin strata shrunk towards the overall
//! mean, and the bound that counts the unrepresented rest as all wrong or all right (Manski bounds with the interval of
//! Imbens & Manski 2004).

use crate::core::coverage::{GoldenPoints, RecordCoverage};
use crate::core::mix::mix;
use crate::core::records::Records;
use crate::core::stats::Interval;

/// One stratum: its share of today's represented traffic, and the scores of its examples.
#[derive(Debug, Clone, Default)]
pub struct Stratum {
    /// Represented traffic weight, in any unit.
    pub weight: f64,
    /// Scores, each in [0, 1].
    pub scores: Vec<f64>,
}

/// One stratum per topic: its share of the represented traffic, and the scores of its examples. `scores` has one entry per
/// example, `coverage` one per record.
pub fn strata(
    golden: GoldenPoints<'_>,
    scores: &[Option<f64>],
    records: &Records<'_>,
    coverage: &[RecordCoverage],
) -> Vec<Stratum> {
    let shares = mix(golden, records, coverage).shares;
    let mut strata: Vec<Stratum> = shares.into_iter().map(|weight| Stratum { weight, scores: Vec::new() }).collect();
    for (topic, score) in golden.topics.iter().zip(scores) {
        strata[*topic].scores.extend(*score);
    }
    strata
}

/// The estimate and its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TodayEstimate {
    /// Plain mean over the given examples.
    pub raw: f64,
    /// Mean over the represented part of today's traffic.
    pub represented: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Interval for all of today's traffic: the lower end counts the rest as all wrong, the upper end as all right.
    pub bound: Interval,
    /// Effective number of examples it is based on.
    pub n_eff: f64,
}

/// Weight of the overall mean in the mean of each stratum, in examples. With more, the estimate stays near the raw score
/// where today's mix is harder or easier than the set.
const PRIOR_EXAMPLES: f64 = 0.5;

/// Standard error of the difference between the estimate and the raw score that is due to the mix, as a share of it:
/// requests that are confused with other topics make a moved mix look less moved.
const MIX_ERROR: f64 = 0.3;

/// Computes the estimate; `None` if no example was scored or no traffic is represented. `coverage` is the represented
/// share with its 95 % interval; its error widens the bound.
pub fn today(strata: &[Stratum], coverage: (f64, Interval)) -> Option<TodayEstimate> {
    let all: Vec<f64> = strata.iter().flat_map(|stratum| stratum.scores.iter().copied()).collect();
    let weight: f64 = strata.iter().map(|stratum| stratum.weight).sum();
    if all.is_empty() || weight <= 0.0 {
        return None;
    }
    let raw = all.iter().sum::<f64>() / all.len() as f64;
    let spread = adjusted_spread(raw, all.len() as f64);
    let (mut represented, mut variance, mut concentration) = (0.0, 0.0, 0.0);
    for stratum in strata {
        let share = stratum.weight / weight;
        let n = stratum.scores.len() as f64 + PRIOR_EXAMPLES;
        let mean = (stratum.scores.iter().sum::<f64>() + PRIOR_EXAMPLES * raw) / n;
        represented += share * mean;
        // A stratum with only right answers has no spread: half of the overall spread prevents certainty.
        variance += share * share * (mean * (1.0 - mean)).max(spread / 2.0) / n;
        concentration += share * share / n;
    }
    let error = variance.sqrt().hypot(MIX_ERROR * (represented - raw));
    let (covered, within) = (coverage.0.clamp(0.0, 1.0), coverage.1.clamp_unit());
    let (low, high) = (covered * represented, covered * represented + 1.0 - covered);
    // Less coverage than was measured lowers the one end and raises the other.
    let less = (covered - within.lo).max(0.0) / 1.96;
    let reach = |slope: f64| {
        let error = (covered * error).hypot(slope * less);
        imbens_manski(high - low, error) * error
    };
    Some(TodayEstimate {
        raw,
        represented,
        interval: Interval { lo: represented - 1.96 * error, hi: represented + 1.96 * error }.clamp_unit(),
        bound: Interval { lo: low - reach(represented), hi: high + reach(1.0 - represented) }.clamp_unit(),
        n_eff: 1.0 / concentration,
    })
}

/// The variance of a single score, as if two more had been wrong and two right (Agresti & Coull 1998): that a few examples were all
/// right does not make it certain that others will be.
fn adjusted_spread(mean: f64, n: f64) -> f64 {
    let adjusted = (mean * n + 2.0) / (n + 4.0);
    adjusted * (1.0 - adjusted)
}

/// The multiplier with which the interval covers the true value, rather than the whole identified set, with a
/// probability of 95 %. It ranges from 1.96 if the set is a point to 1.645 if it is wide.
fn imbens_manski(width: f64, error: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    let normal = Normal::standard();
    let gap = if error > 0.0 { width / error } else { return 1.96 };
    let (mut low, mut high) = (1.6, 2.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if normal.cdf(middle + gap) - normal.cdf(-middle) < 0.95 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stratum(weight: f64, right: usize, wrong: usize) -> Stratum {
        Stratum { weight, scores: [vec![1.0; right], vec![0.0; wrong]].concat() }
    }

    /// Coverage without error.
    fn certain(coverage: f64) -> (f64, Interval) {
        (coverage, Interval { lo: coverage, hi: coverage })
    }

    #[test]
    fn the_estimate_is_weighted_by_traffic() {
        let estimate = today(&[stratum(0.1, 90, 10), stratum(0.9, 50, 50)], certain(1.0)).unwrap();
        assert!((estimate.raw - 0.7).abs() < 1e-12);
        assert!((estimate.represented - 0.54).abs() < 0.01, "{estimate:?}");
        assert!(estimate.interval.contains(0.54));
        assert!((estimate.bound.lo - estimate.interval.lo).abs() < 0.01, "full coverage leaves nothing to bound");
    }

    #[test]
    fn the_bound_counts_the_rest_as_all_wrong_and_all_right() {
        let estimate = today(&[stratum(1.0, 800, 200)], certain(0.75)).unwrap();
        assert!(estimate.bound.lo < 0.6 && estimate.bound.lo > 0.55, "{estimate:?}");
        assert!(estimate.bound.hi > 0.85 && estimate.bound.hi < 0.9, "{estimate:?}");
    }

    #[test]
    fn an_uncertain_coverage_widens_the_bound_and_not_the_interval() {
        let strata = [stratum(1.0, 800, 200)];
        let sure = today(&strata, certain(0.75)).unwrap();
        let unsure = today(&strata, (0.75, Interval { lo: 0.65, hi: 0.85 })).unwrap();
        assert_eq!((sure.interval, sure.represented), (unsure.interval, unsure.represented));
        assert!(unsure.bound.lo < sure.bound.lo - 0.03 && unsure.bound.hi > sure.bound.hi, "{sure:?} {unsure:?}");
        assert!(unsure.bound.lo > 0.65 * sure.represented - 0.03, "not by more than it may be: {unsure:?}");
    }

    #[test]
    fn a_few_right_answers_do_not_make_it_certain_that_all_are_right() {
        let few = today(&[stratum(0.5, 10, 0), stratum(0.5, 10, 0)], certain(1.0)).unwrap();
        let many = today(&[stratum(0.5, 500, 0), stratum(0.5, 500, 0)], certain(1.0)).unwrap();
        assert_eq!((few.represented, few.interval.hi), (1.0, 1.0));
        assert!(few.interval.lo < 0.93 && many.interval.lo > 0.995 && many.interval.lo < 1.0, "{few:?} {many:?}");
    }

    #[test]
    fn a_stratum_without_examples_takes_the_overall_mean() {
        let estimate = today(&[stratum(0.5, 8, 2), stratum(0.5, 0, 0)], certain(0.9)).unwrap();
        assert!((estimate.represented - 0.8).abs() < 1e-9, "{estimate:?}");
    }

    #[test]
    fn there_is_no_estimate_without_scores_or_represented_traffic() {
        assert_eq!(today(&[], certain(0.5)), None);
        assert_eq!(today(&[stratum(1.0, 0, 0)], certain(0.5)), None);
        assert_eq!(today(&[stratum(0.0, 1, 0)], certain(0.0)), None);
    }
}
