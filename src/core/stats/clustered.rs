//! The mean of values that may come in clusters, such as examples made from one template.

use std::collections::HashMap;

use super::special::student_two_sided_tail;

/// A mean and how precisely it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanEstimate {
    /// The mean.
    pub mean: f64,
    /// The estimated variance of the mean.
    pub variance: f64,
    /// Degrees of freedom of that variance, at least 1.
    pub df: f64,
    /// Number of values.
    pub n: usize,
    /// Number of clusters; `n` if every value is on its own.
    pub clusters: usize,
}

/// The mean of `values` with its cluster-robust variance: CR2 of Bell and McCaffrey (2002), with the degrees of freedom
/// of Imbens and Kolesár (2016) for the intercept alone. With one value per cluster it is the usual variance of a mean
/// with n − 1 degrees of freedom.
///
/// `clusters[i]` names the cluster of `values[i]`; `None` if every value is on its own. Returns `None` for fewer than
/// two values or clusters, for values that are not finite, and if the lengths differ.
pub fn clustered_mean(values: &[f64], clusters: Option<&[usize]>) -> Option<MeanEstimate> {
    let n = values.len();
    if n < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let count = n as f64;
    // The sum of equal values would be rounded, and leave a variance.
    let equal = values.iter().all(|value| Some(value) == values.first());
    let mean = if equal { values.first().copied()? } else { values.iter().sum::<f64>() / count };
    let Some(clusters) = clusters else {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        return Some(MeanEstimate { mean, variance: squares / (count - 1.0) / count, df: count - 1.0, n, clusters: n });
    };
    if clusters.len() != n {
        return None;
    }
    let sums = sums(values.iter().map(|value| value - mean), clusters);
    if sums.len() < 2 {
        return None;
    }
    let leverage = |size: f64| 1.0 - size / count;
    let variance = sums.iter().map(|(sum, size)| sum * sum / leverage(*size)).sum::<f64>() / (count * count);
    // The sums of c_g·c_h over all pairs of clusters, where the estimate is Σ (c_g·y)².
    let weight = |size: f64| size * size / leverage(size);
    let (mut own, mut all, mut squared) = (0.0, 0.0, 0.0);
    for (_, size) in &sums {
        own += size * size;
        all += weight(*size);
        squared += weight(*size).powi(2);
    }
    let trace = own / count.powi(4) + (all * all - squared).max(0.0) / count.powi(6);
    let df = (1.0 / (count * count) / trace).max(1.0);
    Some(MeanEstimate { mean, variance, df, n, clusters: sums.len() })
}

/// Two-sided p-value of equal means of two independent samples (Welch 1947): NaN-free, 1 for equal means, and 0 for
/// different ones that do not vary.
pub fn welch_p(a: &MeanEstimate, b: &MeanEstimate) -> f64 {
    let (difference, variance) = (a.mean - b.mean, a.variance + b.variance);
    if difference == 0.0 {
        return 1.0;
    }
    if variance == 0.0 {
        return 0.0;
    }
    let df = variance * variance / (a.variance * a.variance / a.df + b.variance * b.variance / b.df);
    student_two_sided_tail((difference / variance.sqrt()).abs(), df)
}

/// The sum and the size of each cluster, in the order in which clusters first occur.
fn sums(values: impl Iterator<Item = f64>, clusters: &[usize]) -> Vec<(f64, f64)> {
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for (value, cluster) in values.zip(clusters) {
        let place = *places.entry(*cluster).or_insert(sums.len());
        if place == sums.len() {
            sums.push((0.0, 0.0));
        }
        if let Some((sum, size)) = sums.get_mut(place) {
            *sum += value;
            *size += 1.0;
        }
    }
    sums
}

/// The sum of `values` less their mean in each cluster, in the order in which clusters first occur.
pub(super) fn cluster_sums(values: &[f64], clusters: &[usize]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    sums(values.iter().map(|value| value - mean), clusters).into_iter().map(|(sum, _)| sum).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, counts, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/paired.json");

    #[test]
    fn the_robust_variance_matches_the_matrix_form_and_statsmodels() {
        check_all(FIXTURE, "clustered_mean", 1e-9, |case| {
            let clusters: Vec<usize> = counts(case, "clusters").into_iter().map(|c| c as usize).collect();
            let found = clustered_mean(&numbers(case, "values"), Some(&clusters)).unwrap();
            vec![found.mean, found.variance, found.df]
        });
    }

    #[test]
    fn welchs_test_matches_scipy() {
        check_all(include_str!("../../../tests/fixtures/stats/two_sample.json"), "welch_t", 1e-9, |case| {
            let v = numbers(case, "args");
            let of = |mean: f64, variance: f64, n: f64| MeanEstimate {
                mean,
                variance: variance / n,
                df: n - 1.0,
                n: n as usize,
                clusters: n as usize,
            };
            vec![welch_p(&of(v[0], v[1], v[2]), &of(v[3], v[4], v[5]))]
        });
    }

    #[test]
    fn too_little_to_measure_gives_none() {
        assert_eq!(clustered_mean(&[], None), None);
        assert_eq!(clustered_mean(&[1.0], None), None);
        assert_eq!(clustered_mean(&[1.0, f64::NAN], None), None);
        assert_eq!(clustered_mean(&[1.0, 2.0], Some(&[4, 4])), None, "one cluster");
        assert_eq!(clustered_mean(&[1.0, 2.0], Some(&[4])), None, "lengths differ");
    }

    proptest! {
        #[test]
        fn clusters_of_one_are_no_clusters(values in prop::collection::vec(-1.0..1.0_f64, 2..50)) {
            let alone: Vec<usize> = (0..values.len()).collect();
            let (a, b) = (clustered_mean(&values, None).unwrap(), clustered_mean(&values, Some(&alone)).unwrap());
            prop_assert!((a.variance - b.variance).abs() < 1e-12 && (a.df - b.df).abs() < 1e-6);
        }

        #[test]
        fn copies_of_an_example_add_no_precision(values in prop::collection::vec(0.0..1.0_f64, 3..30)) {
            let alone = clustered_mean(&values, None).unwrap();
            let (copies, clusters): (Vec<f64>, Vec<usize>) =
                values.iter().enumerate().flat_map(|(i, v)| [(*v, i), (*v, i), (*v, i)]).unzip();
            let copied = clustered_mean(&copies, Some(&clusters)).unwrap();
            prop_assert!((copied.variance - alone.variance).abs() < 1e-12);
            prop_assert!((copied.df - alone.df).abs() < 1e-6);
        }
    }
}
