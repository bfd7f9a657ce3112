//! How likely a statistic crosses its threshold tonight without having crossed one last night.

use std::f64::consts::PI;

use crate::core::stats::{normal_upper_quantile, normal_upper_tail};

/// Number of parts of the integral, each half as wide as the next: the integrand may change quickly near 0.
const PANELS: i32 = 24;

/// Nodes and weights of the Gauss–Legendre rule with six points, on [−1, 1].
const NODES: [(f64, f64); 6] = [
    (-0.932_469_514_203_152, 0.171_324_492_379_170_36),
    (-0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (-0.238_619_186_083_196_9, 0.467_913_934_572_691_04),
    (0.238_619_186_083_196_9, 0.467_913_934_572_691_04),
    (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (0.932_469_514_203_152, 0.171_324_492_379_170_36),
];

/// P(Z₁ > `now`, Z₀ ≤ `before`) for two standard normal variables with this correlation, in [0, 1].
///
/// With correlation 1 it is max(0, P(Z > now) − P(Z > before)). Its derivative with respect to the correlation is minus
/// the joint density (Plackett 1954), so the density is integrated from 1 down to the correlation, whose cosine is
/// substituted. All terms are positive, so that small probabilities are precise.
pub(super) fn first_crossing(now: f64, before: f64, correlation: f64) -> f64 {
    let together = (normal_upper_tail(now) - normal_upper_tail(before)).max(0.0);
    if now.is_infinite() || before.is_infinite() {
        // One of the two is certain or impossible.
        return normal_upper_tail(now) * (1.0 - normal_upper_tail(before));
    }
    let angle = correlation.clamp(0.0, 1.0).acos();
    if angle <= 0.0 {
        return together;
    }
    let density = |u: f64| {
        let exponent = (now - before).powi(2) / (2.0 * u.sin().powi(2)) + now * before / (1.0 + u.cos());
        (-exponent).exp()
    };
    together + integral(density, angle) / (2.0 * PI)
}

/// The integral of a function from 0 to `end`.
fn integral(function: impl Fn(f64) -> f64, end: f64) -> f64 {
    let panel = |from: f64, to: f64| {
        let (middle, half) = (end * f64::midpoint(from, to), end * 0.5 * (to - from));
        half * NODES.iter().map(|(node, weight)| weight * function(middle + half * node)).sum::<f64>()
    };
    let halved = |number: i32| {
        let to = 0.5_f64.powi(PANELS - 1 - number);
        let from = if number == 0 { 0.0 } else { 0.5 * to };
        let middle = f64::midpoint(from, to);
        panel(from, middle) + panel(middle, to)
    };
    (0..PANELS).map(halved).sum()
}

/// The one-sided level of tonight's test: P(Z₁ > c) for the threshold c at which a first crossing,
/// P(Z₁ > c, Z₀ ≤ c₀), has the probability `share`, where c₀ is the threshold that belongs to `before`, last night's
/// level. It is at least `share`, which is what Bonferroni's inequality would leave, and equal to it where last night
/// tells nothing.
pub(super) fn level_of(share: f64, before: f64, correlation: f64) -> f64 {
    if share <= 0.0 || correlation <= 0.0 {
        return share.max(0.0);
    }
    let threshold = normal_upper_quantile(before);
    // The share itself, and the largest level there is: the probability is increasing in between.
    let (mut low, mut high) = (share, 1.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        let crossing = first_crossing(normal_upper_quantile(middle), threshold, correlation);
        if crossing < share { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn independent_looks_multiply_and_equal_looks_cross_together() {
        for (now, before) in [(1.0, 2.0), (2.0, 1.0), (3.0, 3.0), (0.0, -1.0), (-0.5, 0.5)] {
            let (above, below) = (normal_upper_tail(now), 1.0 - normal_upper_tail(before));
            assert!((first_crossing(now, before, 0.0) / (above * below) - 1.0).abs() < 1e-7, "{now} {before}");
            let together = (normal_upper_tail(now) - normal_upper_tail(before)).max(0.0);
            assert!((first_crossing(now, before, 1.0) - together).abs() < 1e-15, "{now} {before}");
        }
    }

    #[test]
    fn it_matches_known_orthant_probabilities() {
        // P(Z₁ > 0, Z₀ ≤ 0) = 1/4 − asin(r) / 2π (Sheppard 1899).
        for correlation in [0.1_f64, 0.5, 0.9, 0.967, 0.999, 0.999_999] {
            let expected = 0.25 - correlation.asin() / (2.0 * PI);
            assert!((first_crossing(0.0, 0.0, correlation) / expected - 1.0).abs() < 1e-8, "{correlation}");
        }
    }

    #[test]
    fn it_is_the_conditional_probability_integrated_over_last_night() {
        for (now, before, correlation) in
            [(2.9, 1.645, 0.967), (1.645, 2.9, 0.967), (2.5, 2.5, 0.5), (3.0, 2.99, 0.999)]
        {
            let spread = (1.0_f64 - correlation * correlation).sqrt();
            let steps = 400_000;
            let width = (before + 8.0) / f64::from(steps);
            let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
            let at = |step: i32| -8.0 + width * (f64::from(step) + 0.5);
            let given = |z: f64| normal_upper_tail((now - correlation * z) / spread);
            let expected: f64 = (0..steps).map(|step| density(at(step)) * given(at(step)) * width).sum();
            let found = first_crossing(now, before, correlation);
            assert!((found / expected - 1.0).abs() < 1e-6, "{now} {before} {correlation}: {found} {expected}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_probability_that_falls_with_the_threshold_and_the_correlation(
            now in -3.0_f64..6.0, more in 0.0_f64..2.0, before in -3.0_f64..6.0, a in 0.0_f64..1.0, b in 0.0_f64..1.0
        ) {
            let (low, high) = (a.min(b), a.max(b));
            let found = first_crossing(now, before, low);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!(found <= normal_upper_tail(now) * (1.0 + 1e-9));
            prop_assert!(first_crossing(now + more, before, low) <= found * (1.0 + 1e-9));
            prop_assert!(first_crossing(now, before, high) <= found * (1.0 + 1e-9));
        }

        #[test]
        fn the_level_spends_the_share_exactly(share in 1e-6_f64..0.05, before in 1e-5_f64..0.05, correlation in 0.0_f64..1.0) {
            let level = level_of(share, before, correlation);
            prop_assert!(level >= share);
            let thresholds = (normal_upper_quantile(level), normal_upper_quantile(before));
            let spent = first_crossing(thresholds.0, thresholds.1, correlation);
            prop_assert!(spent <= share * (1.0 + 1e-6), "{spent}");
            prop_assert!(correlation == 0.0 || spent >= share * 0.95, "{spent}");
        }
    }
}
