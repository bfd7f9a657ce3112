//! Intervals of quantiles, such as the 95th percentile of latency, and of their difference in pairs.

use super::clustered::{cluster_sums, clustered_mean};
use super::interval::alpha;
use super::sample::quantile;
use super::special::beta_tails;

/// A quantile and its interval. An end is `None` where there are too few values to bound it: no value of 20 is above
/// their 95th percentile with any confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileEstimate {
    /// The quantile of the sample (type 7).
    pub value: f64,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
}

/// Interval of the quantile `q` in (0, 1) from order statistics, without assumptions about the distribution (Conover
/// 1999, section 3.2). `n` is the effective number of values, at most their number; fewer than their number widen it by
/// the method of Woodruff (1952).
///
/// `sorted` is ascending. Returns `None` if it is empty or contains NaN.
pub fn quantile_interval(sorted: &[f64], q: f64, n: f64, confidence: f64) -> Option<QuantileEstimate> {
    let value = quantile(sorted, q)?;
    let tail = 0.5 * alpha(confidence);
    let effective = (n.min(sorted.len() as f64).floor() as u64).max(1);
    // The largest rank with P(X < rank) <= tail and the smallest with P(X >= rank) <= tail, for a binomial X.
    let below = last_rank(effective, |rank| at_least(rank, effective, q) >= 1.0 - tail);
    let above = last_rank(effective, |rank| at_least(rank, effective, q) > tail) + 1;
    let scale = sorted.len() as f64 / effective as f64;
    let at = |rank: f64| sorted.get((rank as usize).checked_sub(1)?).copied();
    let lo = (below >= 1).then(|| at((below as f64 * scale).floor().max(1.0))).flatten().map(|lo| lo.min(value));
    let hi = (above <= effective).then(|| at((above as f64 * scale).ceil())).flatten().map(|hi| hi.max(value));
    Some(QuantileEstimate { value, lo, hi })
}

/// P(X >= `rank`) for X binomial with `n` trials of probability `q`.
fn at_least(rank: u64, n: u64, q: f64) -> f64 {
    if rank == 0 {
        return 1.0;
    }
    beta_tails(rank as f64, (n - rank) as f64 + 1.0, q, 1.0 - q).lower
}

/// The largest rank in 0..=n that satisfies a condition which holds up to some rank; 0 if none does.
fn last_rank(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n + 1);
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// Difference of a quantile in pairs of values, second minus first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileDifference {
    /// The first quantile.
    pub first: QuantileEstimate,
    /// The second quantile.
    pub second: QuantileEstimate,
    /// Their difference.
    pub difference: f64,
    /// Lower end of its interval.
    pub lo: Option<f64>,
    /// Upper end of its interval.
    pub hi: Option<f64>,
}

/// The difference of the quantile `q` in pairs: the intervals of both quantiles are combined (MOVER, Zou and Donner
/// 2008) with the correlation of being above them.
///
/// `clusters[i]` names the cluster of pair i, such as the example that several trials belong to; `None` if every pair is
/// on its own. Returns `None` without pairs, for NaN, and if the lengths differ.
pub fn paired_quantile_difference(
    pairs: &[(f64, f64)],
    clusters: Option<&[usize]>,
    q: f64,
    confidence: f64,
) -> Option<QuantileDifference> {
    let side = |pick: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = pairs.iter().map(pick).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = quantile(&sorted, q)?;
        let above: Vec<f64> = values.iter().map(|value| f64::from(u8::from(*value > at))).collect();
        let estimate = quantile_interval(&sorted, q, effective_n(&above, clusters), confidence)?;
        Some((estimate, above))
    };
    let (first, first_above) = side(|pair| pair.0)?;
    let (second, second_above) = side(|pair| pair.1)?;
    let r = match clusters {
        Some(clusters) => correlation(&cluster_sums(&first_above, clusters), &cluster_sums(&second_above, clusters)),
        None => correlation(&first_above, &second_above),
    };
    let difference = second.value - first.value;
    // Distances from each estimate towards the end that matters.
    let combined = |a: Option<f64>, b: Option<f64>| {
        let (a, b) = (a?, b?);
        Some((a * a + b * b - 2.0 * r * a * b).max(0.0).sqrt())
    };
    let down = |e: &QuantileEstimate| e.lo.map(|lo| e.value - lo);
    let up = |e: &QuantileEstimate| e.hi.map(|hi| hi - e.value);
    Some(QuantileDifference {
        lo: combined(down(&second), up(&first)).map(|distance| difference - distance),
        hi: combined(up(&second), down(&first)).map(|distance| difference + distance),
        first,
        second,
        difference,
    })
}

/// The number of independent values at which the mean of 0/1 values would be as precise.
fn effective_n(indicators: &[f64], clusters: Option<&[usize]>) -> f64 {
    let n = indicators.len() as f64;
    let (Some(clusters), Some(alone)) = (clusters, clustered_mean(indicators, None)) else { return n };
    match clustered_mean(indicators, Some(clusters)) {
        // More than by rounding, which would cost a whole rank.
        Some(together) if together.variance > alone.variance * (1.0 + 1e-9) => n * alone.variance / together.variance,
        _ => n,
    }
}

/// Pearson's correlation, 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    if aa > 0.0 && bb > 0.0 { (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, counts, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/paired.json");

    #[test]
    fn quantile_intervals_match_scipy() {
        let root: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        let cases = root["quantile_interval"].as_array().unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let (sorted, q) = (numbers(case, "sorted"), numbers(case, "q")[0]);
            let found = quantile_interval(&sorted, q, sorted.len() as f64, 0.95).unwrap();
            let expected: Vec<Option<f64>> =
                numbers(case, "expected").into_iter().map(|e| Some(e).filter(|e| !e.is_nan())).collect();
            assert_eq!([found.lo, found.hi], expected[..], "{case}");
        }
    }

    #[test]
    fn differences_of_quantiles_match_their_definition() {
        check_all(
            include_str!("../../../tests/fixtures/stats/planning.json"),
            "paired_quantile_difference",
            1e-9,
            |case| {
                let pairs: Vec<(f64, f64)> = numbers(case, "first").into_iter().zip(numbers(case, "second")).collect();
                let clusters: Vec<usize> = counts(case, "clusters").into_iter().map(|c| c as usize).collect();
                let q = numbers(case, "q")[0];
                let found = paired_quantile_difference(&pairs, Some(&clusters), q, 0.95).unwrap();
                vec![found.difference, found.lo.unwrap(), found.hi.unwrap()]
            },
        );
    }

    #[test]
    fn a_high_quantile_of_few_values_has_no_upper_end() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let found = quantile_interval(&values, 0.95, 20.0, 0.95).unwrap();
        assert_eq!((found.lo, found.hi), (Some(17.0), None));
        let pairs: Vec<(f64, f64)> = values.iter().map(|v| (*v, *v + 1.0)).collect();
        let found = paired_quantile_difference(&pairs, None, 0.95, 0.95).unwrap();
        assert_eq!((found.difference, found.lo, found.hi), (1.0, None, None));
    }

    #[test]
    fn identical_pairs_differ_by_nothing_and_a_shift_by_itself() {
        let pairs: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(i), f64::from(i) + 50.0)).collect();
        let found = paired_quantile_difference(&pairs, None, 0.5, 0.95).unwrap();
        assert_eq!(found.difference, 50.0);
        assert!(found.lo.unwrap() > 48.0 && found.hi.unwrap() < 52.0, "{found:?}");
    }

    #[test]
    fn copies_of_a_pair_add_no_precision() {
        let mut rng = super::super::rng(3, 0);
        let mut draw = || (rand::Rng::next_u32(&mut rng) % 1000) as f64;
        let pairs: Vec<(f64, f64)> = (0..100).map(|_| (draw(), draw())).collect();
        let (copies, clusters): (Vec<(f64, f64)>, Vec<usize>) =
            pairs.iter().enumerate().flat_map(|(i, pair)| [(*pair, i), (*pair, i), (*pair, i)]).unzip();
        let width = |found: QuantileDifference| found.hi.unwrap() - found.lo.unwrap();
        let alone = width(paired_quantile_difference(&pairs, None, 0.5, 0.95).unwrap());
        let copied = width(paired_quantile_difference(&copies, Some(&clusters), 0.5, 0.95).unwrap());
        assert!((copied / alone - 1.0).abs() < 0.1, "{copied} {alone}");
    }

    #[test]
    fn nothing_to_measure_gives_none() {
        assert_eq!(quantile_interval(&[], 0.5, 0.0, 0.95), None);
        assert_eq!(paired_quantile_difference(&[], None, 0.5, 0.95), None);
        assert_eq!(paired_quantile_difference(&[(f64::NAN, 1.0)], None, 0.5, 0.95), None);
    }

    proptest! {
        #[test]
        fn the_ends_are_on_either_side_of_the_value(mut v in prop::collection::vec(-1e3..1e3_f64, 1..80), q in 0.01..0.99_f64, n in 1.0..80.0_f64) {
            v.sort_by(f64::total_cmp);
            let found = quantile_interval(&v, q, n, 0.95).unwrap();
            prop_assert!(found.lo.is_none_or(|lo| lo <= found.value));
            prop_assert!(found.hi.is_none_or(|hi| hi >= found.value));
        }
    }
}
