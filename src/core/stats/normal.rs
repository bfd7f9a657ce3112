//! The standard normal distribution, accurate in its upper tail.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc;

use super::special::normal_two_sided_quantile;

/// P(Z > `z`) for a standard normal Z.
pub fn normal_upper_tail(z: f64) -> f64 {
    0.5 * erfc(z / SQRT_2)
}

/// The z with P(Z > z) = `p` for a standard normal Z; infinite where `p` is not inside (0, 1).
pub fn normal_upper_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        f64::INFINITY
    } else if p >= 1.0 {
        f64::NEG_INFINITY
    } else if p <= 0.5 {
        normal_two_sided_quantile(2.0 * p)
    } else {
        -normal_two_sided_quantile(2.0 * (1.0 - p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tails_match_the_tables() {
        for (z, tail) in [
            (0.0, 0.5),
            (1.644_853_626_951_472, 0.05),
            (3.0, 1.349_898_031_630_094_6e-3),
            (-1.0, 0.841_344_746_068_542_9),
        ] {
            assert!((normal_upper_tail(z) / tail - 1.0).abs() < 1e-9, "{z}");
            assert!((normal_upper_quantile(tail) - z).abs() < 1e-8, "{z}");
        }
        assert!((normal_upper_tail(6.0) / 9.865_876_450_376_98e-10 - 1.0).abs() < 1e-10);
        assert_eq!(normal_upper_quantile(0.0), f64::INFINITY);
        assert_eq!(normal_upper_quantile(1.0), f64::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn the_quantile_is_the_inverse_of_the_tail(exponent in -12.0_f64..-1e-6) {
            let p = 10.0_f64.powf(exponent);
            prop_assert!((normal_upper_tail(normal_upper_quantile(p)) / p - 1.0).abs() < 1e-9);
        }
    }
}
