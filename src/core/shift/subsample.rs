//! Subsampling, such that the result needs neither weights nor groups.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::core::records::Records;

/// Share of the total weight that may be lost by capping large weights.
const TRIMMED_SHARE: f64 = 0.01;

/// Draws up to `size` of the given rows, at most one per group, in random order, such that all drawn rows can be
/// weighted equally.
///
/// One record is drawn from each group, by weight. The group is then retained with a probability proportional to the
/// mean weight of its records, so that oversampled groups are thinned to the rate of the others (rejection sampling,
/// von Neumann 1951). `size` of the retained groups are drawn at random. Weights are capped at the level that loses 1 %
/// of their sum, which changes no share by more than about one percentage point and prevents a few large weights from
/// thinning out everything else. With equal weights, every group is retained. Rows whose weight is zero, negative, NaN
/// or infinite are ignored.
pub(super) fn subsample(
    records: &Records<'_>,
    rows: impl Iterator<Item = usize>,
    size: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut groups: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for row in rows {
        let weight = records.weights()[row];
        if weight > 0.0 && weight.is_finite() {
            groups.entry(records.groups()[row]).or_default().push((row, weight));
        }
    }
    let means: Vec<f64> = groups.values().map(|group| mean_weight(group)).collect();
    let cut = trimmed_maximum(&means);
    let mut drawn = Vec::new();
    for (group, mean) in groups.values().zip(&means) {
        let stays = rng.random::<f64>() * cut < *mean;
        let row = by_weight(group, rng.random());
        if stays {
            drawn.extend(row);
        }
    }
    shuffle(&mut drawn, rng);
    drawn.truncate(size);
    drawn
}

/// Mean weight, computed on scaled weights so that the sum does not overflow.
fn mean_weight(group: &[(usize, f64)]) -> f64 {
    group.iter().map(|(_, weight)| weight / group.len() as f64).sum()
}

/// The row that contains the point at the given share of the cumulative weights.
fn by_weight(group: &[(usize, f64)], share: f64) -> Option<usize> {
    let largest = group.iter().map(|(_, weight)| *weight).fold(f64::MIN_POSITIVE, f64::max);
    let mut rest = share * group.iter().map(|(_, weight)| weight / largest).sum::<f64>();
    let found = group.iter().find(|(_, weight)| {
        rest -= weight / largest;
        rest < 0.0
    });
    // Because of rounding, the point can be just beyond the last row.
    found.or(group.last()).map(|(row, _)| *row)
}

/// The level at which capping the weights loses [`TRIMMED_SHARE`] of their sum; 0 without weights.
fn trimmed_maximum(weights: &[f64]) -> f64 {
    let mut sorted = weights.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let Some(&largest) = sorted.first() else { return 0.0 };
    let allowed = TRIMMED_SHARE * sorted.iter().map(|weight| weight / largest).sum::<f64>();
    let mut above = 0.0;
    for (i, weight) in sorted.iter().enumerate() {
        // Capping at the next weight would lose the sum of the weights above it minus their number times that weight.
        let (count, next) = ((i + 1) as f64, sorted.get(i + 1).map_or(0.0, |next| next / largest));
        above += weight / largest;
        if above - count * next > allowed {
            return (above - allowed) / count * largest;
        }
    }
    0.0
}

/// Shuffles values; all orders are equally likely (Fisher–Yates).
pub(super) fn shuffle<T>(values: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..values.len()).rev() {
        values.swap(i, rng.random_range(0..=i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::records::Record;
    use crate::core::stats::rng;
    use crate::core::vector::Vectors;
    use proptest::prelude::*;

    /// A subsample of records with these weights and groups; without groups, each record is a group of its own.
    fn drawn(weights: &[f64], groups: &[usize], size: usize, stream: u64) -> Vec<usize> {
        let mut vectors = Vectors::new(0);
        weights.iter().for_each(|_| vectors.push(&[]));
        let group = |row| groups.get(row).copied().unwrap_or(row);
        let record = |(row, weight): (usize, &f64)| Record {
            id: "",
            weight: *weight,
            group: group(row),
            text: "",
            output: None,
        };
        let records = Records::new(&vectors, weights.iter().enumerate().map(record));
        subsample(&records, 0..weights.len(), size, &mut rng(7, stream))
    }

    #[test]
    fn with_equal_weights_every_group_is_retained_with_one_record() {
        let groups = [5, 5, 9, 9, 9, 2];
        let mut counts = [0; 6];
        for stream in 0..600 {
            let rows = drawn(&[0.3; 6], &groups, 10, stream);
            assert_eq!(rows.len(), 3);
            rows.iter().for_each(|&row| counts[row] += 1);
        }
        assert_eq!(counts[5], 600);
        assert!((240..360).contains(&counts[0]) && (140..260).contains(&counts[3]), "{counts:?}");
    }

    #[test]
    fn shares_in_the_subsample_equal_shares_of_the_weight() {
        // 100 records with weight 4 and 400 with weight 1: half of the traffic each.
        let weights: Vec<f64> = (0..500).map(|i| if i < 100 { 4.0 } else { 1.0 }).collect();
        let (mut heavy, mut all) = (0.0, 0.0);
        for stream in 0..60 {
            let rows = drawn(&weights, &[], 150, stream);
            assert!(rows.len() <= 150);
            heavy += rows.iter().filter(|&&row| row < 100).count() as f64;
            all += rows.len() as f64;
        }
        assert!((heavy / all - 0.5).abs() < 0.03, "{}", heavy / all);
    }

    #[test]
    fn within_a_group_records_are_drawn_by_weight() {
        let second = (0..1000).filter(|&stream| drawn(&[1.0, 3.0], &[4, 4], 9, stream) == [1]).count();
        let none = (0..1000).filter(|&stream| drawn(&[1.0, 3.0], &[4, 4], 9, stream).is_empty()).count();
        assert_eq!(none, 0);
        assert!((700..800).contains(&second), "{second}");
    }

    #[test]
    fn rows_without_a_usable_weight_are_left_out() {
        assert_eq!(drawn(&[0.0, -1.0, f64::NAN, f64::INFINITY, 1.0], &[], 10, 0), [4]);
        assert!(drawn(&[], &[], 10, 0).is_empty());
        assert!(drawn(&[1.0], &[], 0, 0).is_empty());
        assert_eq!(drawn(&[f64::MAX, f64::MAX], &[3, 3], 9, 1).len(), 1);
    }

    #[test]
    fn capping_the_weights_loses_a_hundredth_of_their_sum() {
        for weights in [vec![1.0; 50], vec![9.0, 1.0, 1.0, 1.0], (1..300).map(f64::from).collect()] {
            let cut = trimmed_maximum(&weights);
            let total: f64 = weights.iter().sum();
            let lost: f64 = weights.iter().map(|w| (w - cut).max(0.0)).sum();
            assert!((lost / total - 0.01).abs() < 1e-9, "{lost} of {total}");
        }
        assert_eq!(trimmed_maximum(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn a_subsample_has_at_most_one_record_per_group(
            rows in prop::collection::vec((0.0..9.0_f64, 0usize..8), 0..60), size in 0usize..12, stream in 0_u64..50
        ) {
            let (weights, groups): (Vec<f64>, Vec<usize>) = rows.iter().copied().unzip();
            let drawn = drawn(&weights, &groups, size, stream);
            let mut seen: Vec<usize> = drawn.iter().map(|&row| groups[row]).collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), drawn.len());
            prop_assert!(drawn.len() <= size && drawn.iter().all(|&row| weights[row] > 0.0));
        }
    }
}
