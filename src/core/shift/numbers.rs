//! Compares two windows by a number per record.

use super::permutation::{Permutations, permutation_test};
use super::types::Finding;
use crate::core::stats::quantile;

/// Tests numbers by the largest distance D between the two empirical distribution functions (Kolmogorov 1933, Smirnov
/// 1939), with a permutation null distribution, so that ties are not a problem. The effect is D; the plain figures are
/// the medians, in `unit`.
///
/// Returns `None` if all numbers are equal, any is NaN, or a window is empty.
pub(super) fn test_distribution(
    labels: &[bool],
    values: &[f64],
    unit: &str,
    permutations: Permutations<'_>,
) -> Option<Finding> {
    let [then, now] = split(labels, values)?;
    let ranked = Ranked::new(values);
    let test = permutation_test(labels, permutations, |labels| ranked.distance(labels));
    let (then, now) = (quantile(&then, 0.5)?, quantile(&now, 0.5)?);
    Some(Finding {
        statistic: test.statistic,
        p_value: test.p_value,
        effect: test.statistic,
        reference: Some(then),
        now: Some(now),
        detail: format!("median {then:.0} → {now:.0} {unit}"),
    })
}

/// Tests shares in [0, 1], one per record, by the absolute difference of their means, with a permutation null
/// distribution. The effect is the difference; the plain figures are the means, described as shares of `of`.
///
/// Returns `None` if all numbers are equal, any is NaN, or a window is empty.
pub(super) fn test_mean(labels: &[bool], values: &[f64], of: &str, permutations: Permutations<'_>) -> Option<Finding> {
    split(labels, values)?;
    let means = |labels: &[bool]| {
        let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
        for (&now, value) in labels.iter().zip(values) {
            sums[usize::from(now)] += value;
            counts[usize::from(now)] += 1.0;
        }
        [sums[0] / counts[0], sums[1] / counts[1]]
    };
    let difference = |labels: &[bool]| {
        let [then, now] = means(labels);
        (now - then).abs()
    };
    let test = permutation_test(labels, permutations, difference);
    let [then, now] = means(labels);
    Some(Finding {
        statistic: test.statistic,
        p_value: test.p_value,
        effect: test.statistic.min(1.0),
        reference: Some(then),
        now: Some(now),
        detail: format!("{then:.2} → {now:.2} of {of}"),
    })
}

/// The sorted numbers of each window; `None` if there is nothing to compare.
fn split(labels: &[bool], values: &[f64]) -> Option<[Vec<f64>; 2]> {
    let first = *values.first()?;
    if values.iter().any(|v| v.is_nan()) || values.iter().all(|v| *v == first) {
        return None;
    }
    let side = |wanted: bool| {
        let mut side: Vec<f64> =
            labels.iter().zip(values).filter(|(now, _)| **now == wanted).map(|(_, v)| *v).collect();
        side.sort_unstable_by(f64::total_cmp);
        side
    };
    let sides = [side(false), side(true)];
    sides.iter().all(|side| !side.is_empty()).then_some(sides)
}

/// Row numbers in ascending order of value.
struct Ranked {
    /// The row, and whether the next row has a greater value.
    order: Vec<(usize, bool)>,
}

impl Ranked {
    fn new(values: &[f64]) -> Self {
        let mut rows: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
        rows.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let last_of_ties = |i: usize, value: f64| rows.get(i + 1).is_none_or(|next| next.1 > value);
        Self { order: rows.iter().enumerate().map(|(i, &(row, value))| (row, last_of_ties(i, value))).collect() }
    }

    fn distance(&self, labels: &[bool]) -> f64 {
        let total = labels.iter().filter(|now| **now).count() as f64;
        let rest = labels.len() as f64 - total;
        let (mut below, mut distance) = ([0.0; 2], 0.0_f64);
        for &(row, last_of_ties) in &self.order {
            below[usize::from(labels.get(row).copied().unwrap_or_default())] += 1.0;
            if last_of_ties {
                distance = distance.max((below[0] / rest - below[1] / total).abs());
            }
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERMUTATIONS: Permutations<'static> = Permutations { seed: 3, stream: 1, count: 99, strata: &[] };

    #[test]
    fn shifted_numbers_are_detected_with_plain_figures() {
        let labels: Vec<bool> = (0..80).map(|i| i % 2 == 1).collect();
        let values: Vec<f64> = (0..80).map(|i| f64::from(i / 2 + (i % 2) * 20)).collect();
        let found = test_distribution(&labels, &values, "characters", PERMUTATIONS).unwrap();
        assert_eq!((found.effect, found.p_value), (0.5, 0.01));
        assert_eq!(found.detail, "median 20 → 40 characters");
        let shares: Vec<f64> = labels.iter().map(|&now| if now { 0.5 } else { 0.25 }).collect();
        let found = test_mean(&labels, &shares, "words", PERMUTATIONS).unwrap();
        assert_eq!((found.effect, found.p_value, found.detail.as_str()), (0.25, 0.01, "0.25 → 0.50 of words"));
    }

    #[test]
    fn equal_numbers_nan_and_an_empty_window_are_not_tested() {
        let labels = [true, false, true];
        for (labels, values) in [
            (&labels[..], &[2.0, 2.0, 2.0][..]),
            (&labels, &[1.0, f64::NAN, 2.0]),
            (&[true, true], &[1.0, 2.0]),
            (&[], &[]),
        ] {
            assert!(test_distribution(labels, values, "", PERMUTATIONS).is_none(), "{values:?}");
            assert!(test_mean(labels, values, "", PERMUTATIONS).is_none(), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn the_distance_matches_kolmogorov_smirnov(
            rows in prop::collection::vec((any::<bool>(), 0_u8..12), 2..60)
        ) {
            let (labels, values): (Vec<bool>, Vec<f64>) = rows.iter().map(|(l, v)| (*l, f64::from(*v))).unzip();
            if let Some([then, now]) = split(&labels, &values) {
                let share = |side: &[f64], value: f64| {
                    side.iter().filter(|v| **v <= value).count() as f64 / side.len() as f64
                };
                let gaps = values.iter().map(|&value| (share(&then, value) - share(&now, value)).abs());
                let expected = gaps.fold(0.0, f64::max);
                prop_assert!((Ranked::new(&values).distance(&labels) - expected).abs() < 1e-12);
            }
        }
    }
}
