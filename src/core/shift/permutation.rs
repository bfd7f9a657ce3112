//! The distribution of a statistic under random permutations of the windows.

use rayon::prelude::*;

use super::subsample::shuffle;
use crate::core::stats::{permutation_p_value, quantile, rng};

/// Minimum number of permutations per unit of parallel work.
const CHUNK: usize = 16;

/// Seed, stream and number of the permutations of one test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutations<'a> {
    /// Seed of all tests.
    pub seed: u64,
    /// Number of the test, so that different tests use different random numbers.
    pub stream: u64,
    /// Number of permutations.
    pub count: usize,
    /// The stratum of each row: labels are only permuted within strata, so that a change of their shares changes nothing.
    /// Empty if all rows are in one.
    pub strata: &'a [usize],
}

/// A statistic and its significance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Observed {
    /// The statistic of the actual windows.
    pub statistic: f64,
    /// (1 + permutations with at least this statistic) / (1 + permutations), in (0, 1].
    pub p_value: f64,
    /// Mean of the statistic over the permutations; `None` without permutations.
    pub null_mean: Option<f64>,
    /// How far above that mean a statistic of the same spread must be on average to have a p-value of at most 0.05 in four of
    /// five cases; `None` without permutations.
    pub detectable: Option<f64>,
}

/// Compares a statistic with its values after random permutations of the labels (Phipson & Smyth 2010).
///
/// The p-value is valid for any sample size if the rows are exchangeable under the null hypothesis: the statistic may
/// depend on the labels, and on the rows in an order that is independent of the labels.
pub(super) fn permutation_test(
    labels: &[bool],
    permutations: Permutations<'_>,
    statistic: impl Fn(&[bool]) -> f64 + Sync,
) -> Observed {
    let observed = statistic(labels);
    let strata = rows_of(permutations.strata);
    let null: Vec<f64> = (0..permutations.count)
        .into_par_iter()
        .with_min_len(CHUNK)
        .map(|round| {
            let mut permuted = labels.to_vec();
            let mut random = rng(permutations.seed, (permutations.stream << 32) | (round as u64 + 1));
            if strata.is_empty() {
                shuffle(&mut permuted, &mut random);
            }
            for rows in &strata {
                let mut of_stratum: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
                shuffle(&mut of_stratum, &mut random);
                rows.iter().zip(of_stratum).for_each(|(row, label)| permuted[*row] = label);
            }
            statistic(&permuted)
        })
        .collect();
    Observed {
        statistic: observed,
        p_value: permutation_p_value(observed, &null),
        null_mean: (!null.is_empty()).then(|| mean(&null)),
        detectable: detectable(null),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The distance from the mean to the critical value, and 0.84 standard deviations more.
fn detectable(mut null: Vec<f64>) -> Option<f64> {
    null.sort_unstable_by(f64::total_cmp);
    let critical = quantile(&null, 0.95)?;
    let mean = mean(&null);
    let variance = null.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / null.len() as f64;
    Some(critical - mean + 0.84 * variance.sqrt())
}

/// The rows of each stratum.
fn rows_of(strata: &[usize]) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); strata.iter().max().map_or(0, |last| last + 1)];
    strata.iter().enumerate().for_each(|(row, stratum)| rows[*stratum].push(row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_within_their_stratum() {
        // All of the first stratum is in one window: nothing about it can be permuted.
        let labels = [true, true, true, false, true, false, true, false];
        let strata = [0, 0, 0, 1, 1, 1, 1, 1];
        let permutations = Permutations { seed: 1, stream: 2, count: 99, strata: &strata };
        let first = |labels: &[bool]| labels.iter().take(3).filter(|label| **label).count() as f64;
        assert_eq!(permutation_test(&labels, permutations, first).null_mean, Some(3.0));
        let second = |labels: &[bool]| labels.iter().skip(3).filter(|label| **label).count() as f64;
        assert_eq!(permutation_test(&labels, permutations, second).null_mean, Some(2.0));
        let fourth = |labels: &[bool]| f64::from(u8::from(labels[3]));
        let mean = permutation_test(&labels, permutations, fourth).null_mean;
        assert!((mean.unwrap() - 0.4).abs() < 0.15, "{mean:?}");
    }

    #[test]
    fn an_extreme_statistic_has_the_smallest_p_value_and_a_constant_one_the_largest() {
        let labels: Vec<bool> = (0..40).map(|i| i >= 20).collect();
        let permutations = Permutations { seed: 1, stream: 2, count: 99, strata: &[] };
        let late = |labels: &[bool]| labels.iter().zip(0..).map(|(l, i)| f64::from(u8::from(*l)) * f64::from(i)).sum();
        let test = permutation_test(&labels, permutations, late);
        assert_eq!((test.statistic, test.p_value), (590.0, 0.01));
        assert!((test.null_mean.unwrap() - 390.0).abs() < 12.0);
        // The standard deviation is 37: 1.64 + 0.84 of them.
        assert!((test.detectable.unwrap() - 92.0).abs() < 20.0, "{:?}", test.detectable);
        assert_eq!(permutation_test(&labels, permutations, |_| 1.0).p_value, 1.0);
    }

    #[test]
    fn without_permutations_nothing_is_significant() {
        let test =
            permutation_test(&[true, false], Permutations { seed: 0, stream: 0, count: 0, strata: &[] }, |_| 3.0);
        assert_eq!(test, Observed { statistic: 3.0, p_value: 1.0, null_mean: None, detectable: None });
    }

    #[test]
    fn permutations_preserve_the_sizes_of_the_windows() {
        let labels = [true, true, false, false, false];
        let sizes = |labels: &[bool]| labels.iter().filter(|l| **l).count() as f64;
        let test = permutation_test(&labels, Permutations { seed: 0, stream: 0, count: 50, strata: &[] }, sizes);
        assert_eq!(test.null_mean, Some(2.0));
    }
}
