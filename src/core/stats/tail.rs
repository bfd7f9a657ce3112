//! One-sided p-values from replicates, also below the resolution of counting them.

use super::interval::sample_variance;
use super::normal::{normal_upper_quantile, normal_upper_tail};

/// Number of replicates that must be in the tail for counting them to be precise enough: with ten, the standard error
/// of the count is a third of it.
const COUNTED: usize = 10;

/// Smallest number of replicates of which a tail is extrapolated: ten of fewer would not be a tail.
const EXTRAPOLATED: usize = 200;

/// Smallest p-value. No approximation of a tail deserves to be believed further out.
const LEAST: f64 = 1e-9;

/// One-sided p-value of the hypothesis that a quantity is at most `limit`, from its bootstrap replicates:
/// (1 + #{replicates at most `limit`}) / (1 + replicates).
///
/// A count has no resolution below 1 / (1 + replicates). Where fewer than 10 of at least 200 replicates are at most
/// `limit`, the p-value is the tail of a normal distribution with the mean of the replicates instead. Its standard
/// deviation is that of the replicates, or the one that makes the tenth smallest of them a normal quantile if that is
/// larger, so that a heavy tail is not taken for a thin one. The p-value never exceeds what nine counted replicates
/// would give, and is at least 1e-9; it never increases when `limit` is lowered.
pub fn lower_tail_p(replicates: &[f64], limit: f64) -> f64 {
    let count = replicates.len();
    let within = replicates.iter().filter(|replicate| **replicate <= limit).count();
    let counted = |within: usize| (within + 1) as f64 / (count + 1) as f64;
    if within >= COUNTED || count < EXTRAPOLATED {
        return counted(within);
    }
    let mut sorted = replicates.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mean = replicates.iter().sum::<f64>() / count as f64;
    let overall = sample_variance(replicates).unwrap_or(0.0).sqrt();
    let of_tail = (mean - sorted[COUNTED - 1]) / normal_upper_quantile(counted(COUNTED - 1));
    let deviation = overall.max(of_tail);
    if deviation.is_nan() || deviation <= 0.0 {
        return counted(within);
    }
    normal_upper_tail((mean - limit) / deviation).clamp(LEAST, counted(COUNTED - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use proptest::prelude::*;
    use rand::RngExt;

    /// Replicates at the quantiles of a normal distribution.
    fn normal(mean: f64, deviation: f64) -> Vec<f64> {
        (0..1000).map(|at| mean + deviation * normal_upper_quantile((f64::from(at) + 0.5) / 1000.0)).collect()
    }

    #[test]
    fn enough_replicates_in_the_tail_are_counted() {
        let replicates = normal(1.0, 1.0);
        for limit in [-1.4, -1.0, 0.0, 1.0, 5.0] {
            let within = replicates.iter().filter(|replicate| **replicate <= limit).count();
            assert!(within < COUNTED || lower_tail_p(&replicates, limit) == (within + 1) as f64 / 1001.0, "{limit}");
        }
        assert_eq!(lower_tail_p(&[1.0, 2.0, 3.0], 0.0), 0.25);
        assert_eq!(lower_tail_p(&[], 0.0), 1.0);
        assert_eq!(lower_tail_p(&[2.0; 500], 1.0), 1.0 / 501.0, "nothing is known about the tail");
    }

    #[test]
    fn beyond_that_the_tail_of_normal_replicates_is_normal() {
        let replicates = normal(0.0, 0.02);
        for z in [2.6, 3.0, 3.5, 4.0, 5.0] {
            let ratio = lower_tail_p(&replicates, -0.02 * z) / normal_upper_tail(z);
            assert!((0.8..1.5).contains(&ratio), "{z}: {ratio}");
        }
        assert_eq!(lower_tail_p(&replicates, -1.0), LEAST);
    }

    #[test]
    fn heavy_tails_are_not_taken_for_thin_ones() {
        // A tenth of the replicates has five times the deviation.
        let mut replicates = normal(0.0, 1.0);
        replicates.iter_mut().step_by(10).for_each(|replicate| *replicate *= 5.0);
        let deviation = sample_variance(&replicates).unwrap().sqrt();
        let limit = -9.0;
        let truth = 0.1 * normal_upper_tail(9.0 / 5.0);
        let found = lower_tail_p(&replicates, limit);
        assert!(found > 100.0 * normal_upper_tail(9.0 / deviation) || found > truth / 10.0, "{found} {truth}");
    }

    proptest! {
        #[test]
        fn it_is_monotone_and_continuous_to_within_a_replicate(seed in 0_u64..50, power in 0.5_f64..3.0) {
            let mut random = rng(seed, 0);
            let mut draw = || { let x: f64 = random.random_range(-1.0..1.0); x.signum() * x.abs().powf(power) };
            let replicates: Vec<f64> = (0..1000).map(|_| draw() + draw() + draw()).collect();
            let limits: Vec<f64> = (0..400).map(|at| -4.0 + 0.02 * f64::from(at)).collect();
            let ps: Vec<f64> = limits.iter().map(|limit| lower_tail_p(&replicates, *limit)).collect();
            prop_assert!(ps.windows(2).all(|pair| pair[0] <= pair[1]), "{ps:?}");
            for (p, limit) in ps.iter().zip(&limits) {
                let within = replicates.iter().filter(|replicate| **replicate <= *limit).count();
                let counted = (within + 1) as f64 / 1001.0;
                let expected = if counted > 0.0105 { *p == counted } else { *p <= 0.0101 && *p >= LEAST };
                prop_assert!(expected, "p {} at {}", p, limit);
            }
        }
    }
}
