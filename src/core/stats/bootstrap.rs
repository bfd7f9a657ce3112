//! Seeded resampling.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::interval::Interval;
use super::sample::quantile;

/// The part of the 256-bit key that does not come from the seed. Changing it changes every result.
const KEY_SUFFIX: [u8; 24] = *b"karat core stats rng v1.";

/// Creates the random generator for `stream` of `seed`.
///
/// Streams of one seed are disjoint (the nonce of ChaCha), so work can be split by stream without affecting results.
/// The key is built here rather than by `seed_from_u64`, so the numbers depend only on ChaCha8.
pub fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&seed.to_le_bytes());
    tail.copy_from_slice(&KEY_SUFFIX);
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// A uniform index in `0..n`. The bias of the multiplication is below n / 2^64.
fn index_below(n: usize, rng: &mut impl Rng) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// Cluster bootstrap: resamples whole groups of rows with replacement.
///
/// `groups[row]` is the group, in `0..n_groups`, of each row. In each replicate, `n_groups` groups are drawn, and
/// `statistic` receives the multiplicity of every row, one per entry of `groups`. A row whose group is `n_groups` or
/// more is never drawn (multiplicity 0); groups without rows are drawn like any other.
///
/// Results are in the order of replicates. Replicate r depends only on `seed` and r, not on the number of threads or
/// replicates. Without groups, there are no results.
pub fn cluster_bootstrap(
    groups: &[usize],
    n_groups: usize,
    replicates: usize,
    seed: u64,
    statistic: impl Fn(&[f64]) -> f64 + Sync,
) -> Vec<f64> {
    if n_groups == 0 {
        return Vec::new();
    }
    (0..replicates)
        .into_par_iter()
        .map_init(
            || (vec![0.0; n_groups], vec![0.0; groups.len()]),
            |(counts, multiplicities), replicate| {
                draw_counts(counts, &mut rng(seed, replicate as u64));
                for (multiplicity, group) in multiplicities.iter_mut().zip(groups) {
                    *multiplicity = counts.get(*group).copied().unwrap_or(0.0);
                }
                statistic(multiplicities)
            },
        )
        .collect()
}

/// Overwrites `counts` with the number of times each group was drawn, in as many draws as there are groups.
fn draw_counts(counts: &mut [f64], rng: &mut impl Rng) {
    let n = counts.len();
    counts.fill(0.0);
    for _ in 0..n {
        if let Some(count) = counts.get_mut(index_below(n, rng)) {
            *count += 1.0;
        }
    }
}

/// Percentile interval of bootstrap replicates (Efron 1981).
///
/// Replicates that are NaN, for which the statistic was undefined, are ignored. Returns `None` if no others are left.
/// `confidence` is the two-sided coverage, clamped to [0, 1]; NaN gives `None`.
pub fn percentile_interval(replicates: &[f64], confidence: f64) -> Option<Interval> {
    if confidence.is_nan() {
        return None;
    }
    let mut sorted: Vec<f64> = replicates.iter().copied().filter(|r| !r.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - confidence.clamp(0.0, 1.0));
    Some(Interval { lo: quantile(&sorted, tail)?, hi: quantile(&sorted, 1.0 - tail)? })
}

/// One-sided permutation p-value, `(1 + #{permuted >= observed}) / (B + 1)` (Phipson and Smyth
/// 2010), never 0.
///
/// NaN values in `permuted` count as extreme. A NaN `observed` gives 1, and so does an empty `permuted`.
pub fn permutation_p_value(observed: f64, permuted: &[f64]) -> f64 {
    let below = permuted.iter().filter(|p| **p < observed).count();
    (1 + permuted.len() - below) as f64 / (1 + permuted.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn streams_are_reproducible_and_differ() {
        let first = |seed, stream| rng(seed, stream).next_u64();
        assert_eq!(first(7, 0), first(7, 0));
        assert_ne!(first(7, 0), first(7, 1));
        assert_ne!(first(7, 0), first(8, 0));
        // Pinned: a change here would change every published interval.
        assert_eq!([first(7, 0), first(7, 1)], [9744631657654894855, 4559320113341494073]);
    }

    fn grouped() -> (Vec<usize>, Vec<f64>) {
        let groups: Vec<usize> = (0..300).map(|row| row / 5).collect();
        let mut rng = rng(4, 0);
        let mut noise = || (rng.next_u32() as f64) / (u32::MAX as f64);
        let levels: Vec<f64> = (0..60).map(|_| noise()).collect();
        let values = groups.iter().map(|g| levels[*g] + 0.1 * noise()).collect();
        (groups, values)
    }

    fn weighted_mean(values: &[f64], weights: &[f64]) -> f64 {
        values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / weights.iter().sum::<f64>()
    }

    #[test]
    fn the_number_of_threads_does_not_change_replicates() {
        let (groups, values) = grouped();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cluster_bootstrap(&groups, 60, 200, 9, |w| weighted_mean(&values, w)))
        };
        assert_eq!(run(1), run(4));
        let (groups, values) = grouped();
        let fewer = cluster_bootstrap(&groups, 60, 50, 9, |w| weighted_mean(&values, w));
        assert_eq!(fewer, run(2)[..50]);
    }

    #[test]
    fn the_replicates_spread_like_the_group_means() {
        let (groups, values) = grouped();
        let replicates = cluster_bootstrap(&groups, 60, 4000, 9, |w| weighted_mean(&values, w));
        let spread = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt()
        };
        let means: Vec<f64> = values.chunks(5).map(|c| c.iter().sum::<f64>() / 5.0).collect();
        let expected = spread(&means) / 60.0_f64.sqrt();
        let ratio = spread(&replicates) / expected;
        println!("bootstrap standard error over its analytic value: {ratio}");
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }

    #[test]
    fn rows_of_a_group_share_a_multiplicity_and_counts_add_up() {
        let groups = [0, 0, 1, 2, 2, 9];
        let sums = cluster_bootstrap(&groups, 3, 100, 1, |w| {
            assert_eq!((w[0], w[3], w[5]), (w[1], w[4], 0.0));
            w[0] + w[2] + w[3]
        });
        assert_eq!(sums, vec![3.0; 100]);
    }

    #[test]
    fn results_are_defined_without_anything_to_resample() {
        assert!(cluster_bootstrap(&[], 0, 10, 1, |_| 1.0).is_empty());
        assert!(cluster_bootstrap(&[0], 1, 0, 1, |_| 1.0).is_empty());
        assert_eq!(cluster_bootstrap(&[], 3, 2, 1, |w| w.len() as f64), [0.0, 0.0]);
        assert_eq!(percentile_interval(&[], 0.95), None);
        assert_eq!(percentile_interval(&[f64::NAN], 0.95), None);
        assert_eq!(percentile_interval(&[1.0], f64::NAN), None);
        let one = percentile_interval(&[2.0, f64::NAN], 0.95);
        assert_eq!(one, Some(Interval { lo: 2.0, hi: 2.0 }));
    }

    #[test]
    fn the_percentile_interval_uses_type_7_quantiles() {
        let replicates: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let i = percentile_interval(&replicates, 0.9).unwrap();
        assert!((i.lo - 5.0).abs() < 1e-9 && (i.hi - 95.0).abs() < 1e-9);
        assert_eq!(percentile_interval(&replicates, 2.0), Some(Interval { lo: 0.0, hi: 100.0 }));
    }

    #[test]
    fn the_permutation_p_value_includes_the_observed_value() {
        assert_eq!(permutation_p_value(3.0, &[1.0, 2.0, 3.0, 4.0]), 0.6);
        assert_eq!(permutation_p_value(9.0, &[1.0; 99]), 0.01);
        assert_eq!(permutation_p_value(9.0, &[]), 1.0);
        assert_eq!(permutation_p_value(f64::NAN, &[1.0, 2.0]), 1.0);
        assert_eq!(permutation_p_value(9.0, &[f64::NAN]), 1.0);
    }

    proptest! {
        #[test]
        fn the_permutation_p_value_is_positive_and_falls_with_the_observed(
            permuted in prop::collection::vec(-5.0..5.0_f64, 0..50), observed in -5.0..5.0_f64
        ) {
            let p = permutation_p_value(observed, &permuted);
            prop_assert!(p > 0.0 && p <= 1.0);
            prop_assert!(permutation_p_value(observed + 1.0, &permuted) <= p);
        }
    }
}
