//! The peer: a test that looks once.

use crate::core::stats::normal_upper_quantile;

/// Number of pairs that a one-sided paired z-test of a mean difference needs if it looks only once, at the end
/// (Miettinen 1968; Connor 1987).
///
/// - `discordance`: mean squared difference, in [0, 1]; for scores of 0 and 1 this is the share of pairs that differ
/// - `effect`: distance of the true mean difference from the bound that is tested, above 0
/// - `level`: probability of a wrong rejection, in (0, 1)
/// - `power`: probability of a right rejection, in (0, 1)
///
/// The variance of a difference is `discordance` at the bound and `discordance - effect²` at the true difference. Uses
/// the normal approximation. The result is at least 1; an argument that is NaN or outside of its range gives
/// `usize::MAX`, since no number is enough.
pub fn fixed_sample_size(discordance: f64, effect: f64, level: f64, power: f64) -> usize {
    let open = |p: f64| p > 0.0 && p < 1.0;
    if !(effect > 0.0 && discordance >= 0.0 && open(level) && open(power)) {
        return usize::MAX;
    }
    let at_bound = normal_upper_quantile(level) * discordance.sqrt();
    let at_truth = normal_upper_quantile(1.0 - power) * (discordance - effect * effect).max(0.0).sqrt();
    let root = (at_bound + at_truth).max(0.0) / effect;
    // The cast saturates.
    ((root * root).ceil() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_size_agrees_with_connors_formula_by_hand() {
        // (1.6449 sqrt(0.2) + 1.6449 sqrt(0.2 - 0.0025))² / 0.0025 = 860.4.
        assert_eq!(fixed_sample_size(0.2, 0.05, 0.05, 0.95), 861);
        // (1.6449 sqrt(0.4) + 0.8416 sqrt(0.39))² / 0.01 = 245.3.
        assert_eq!(fixed_sample_size(0.4, 0.1, 0.05, 0.8), 246);
    }

    #[test]
    fn impossible_arguments_have_a_defined_result() {
        for (discordance, effect, level, power) in [
            (0.2, 0.0, 0.05, 0.9),
            (0.2, -0.1, 0.05, 0.9),
            (0.2, f64::NAN, 0.05, 0.9),
            (f64::NAN, 0.1, 0.05, 0.9),
            (-0.1, 0.1, 0.05, 0.9),
            (0.2, 0.1, 0.0, 0.9),
            (0.2, 0.1, 0.05, 1.0),
            (0.2, 1e-300, 0.05, 0.9),
        ] {
            assert_eq!(fixed_sample_size(discordance, effect, level, power), usize::MAX);
        }
        assert_eq!(fixed_sample_size(0.0, 0.1, 0.05, 0.9), 1);
        assert_eq!(fixed_sample_size(0.2, 1.0, 0.6, 0.1), 1);
    }

    proptest! {
        #[test]
        fn a_larger_effect_needs_fewer_pairs(discordance in 0.01..1.0_f64, effect in 0.001..0.5_f64) {
            let size = |e| fixed_sample_size(discordance, e, 0.05, 0.95);
            prop_assert!(size(effect) >= size(effect * 1.5));
        }
    }
}
