//! Tests of one window of traffic against another. A finding is a p-value *and* an effect, never one alone.

use crate::core::stats::{g_test, holm, ks_two_sample};
use crate::core::view::ShiftView;

/// One window as the tests see it: a cluster and a length for every record.
#[derive(Debug, Clone, Copy)]
pub struct ShiftSample<'a> {
    /// Cluster of every record, `None` where it belongs to none.
    pub clusters: &'a [Option<usize>],
    /// Characters of every record.
    pub lengths: &'a [f64],
    /// Weight of every record.
    pub weights: &'a [f64],
}

/// Compares two windows by their mix of clusters (G-test, the primary one) and by the lengths of their requests
/// (Kolmogorov–Smirnov), with p-values adjusted by Holm's method. Tests that have nothing to compare are left out.
///
/// Weighted counts are scaled to the effective sample size, so that unequal sampling never passes for evidence.
pub fn shift_tests(reference: ShiftSample<'_>, now: ShiftSample<'_>, clusters: usize) -> Vec<ShiftView> {
    let mut found = Vec::new();
    if let Some(test) = g_test(&cluster_counts(reference, clusters), &cluster_counts(now, clusters)) {
        found.push(("cluster mix (G-test)", test));
    }
    if let Some(test) = ks_two_sample(reference.lengths, now.lengths) {
        found.push(("length (Kolmogorov-Smirnov)", test));
    }
    let adjusted = holm(&found.iter().map(|(_, test)| test.p_value).collect::<Vec<_>>());
    let views = found.into_iter().zip(adjusted);
    views
        .map(|((name, test), p_value)| ShiftView {
            test: name.to_owned(),
            statistic: test.statistic,
            p_value,
            effect: test.effect,
        })
        .collect()
}

fn cluster_counts(sample: ShiftSample<'_>, clusters: usize) -> Vec<f64> {
    let total: f64 = sample.weights.iter().sum();
    let scale = if total > 0.0 { crate::core::stats::effective_n(sample.weights) / total } else { 0.0 };
    // The last place is for records in no cluster.
    let mut counts = vec![0.0; clusters + 1];
    for (cluster, weight) in sample.clusters.iter().zip(sample.weights) {
        counts[cluster.unwrap_or(clusters)] += weight * scale;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_mix_is_found_and_an_equal_one_is_not() {
        let lengths = [10.0; 400];
        let weights = [1.0; 400];
        let even: Vec<_> = (0..400).map(|i| Some(i % 4)).collect();
        let moved: Vec<_> = (0..400).map(|i| Some(if i % 3 == 0 { 0 } else { i % 4 })).collect();
        let sample = |clusters| ShiftSample { clusters, lengths: &lengths, weights: &weights };
        let same = shift_tests(sample(&even), sample(&even), 4);
        assert!(same[0].p_value > 0.9 && same[0].effect < 0.01, "{same:?}");
        let other = shift_tests(sample(&even), sample(&moved), 4);
        assert!(other[0].p_value < 1e-6 && other[0].effect > 0.1, "{other:?}");
    }

    #[test]
    fn an_empty_window_has_no_tests() {
        let nothing = ShiftSample { clusters: &[], lengths: &[], weights: &[] };
        assert!(shift_tests(nothing, nothing, 3).is_empty());
    }
}
