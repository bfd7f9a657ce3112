//! Quantiles, and the effective size of weighted samples.
//!
//! Weights are importance weights: only their ratios matter. A single negative, NaN or infinite weight makes the result
//! undefined (`None`, or an effective size of 0), because silently ignoring a row would bias it.

/// Quantile of an ascending sample by linear interpolation (Hyndman and Fan 1996, type 7, the
/// default of R and numpy).
///
/// Returns `None` for an empty sample, for `q` outside of [0, 1], for a sample with NaN at either end (to which
/// `f64::total_cmp` sorts them), or for a quantile between minus and plus infinity.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    if !(0.0..=1.0).contains(&q) || first.is_nan() || last.is_nan() {
        return None;
    }
    let position = (sorted.len() - 1) as f64 * q;
    let below = *sorted.get(position.floor() as usize)?;
    let above = *sorted.get(position.ceil() as usize)?;
    Some(interpolate(below, above, position.fract())).filter(|v| !v.is_nan())
}

/// Linear interpolation that stays between its ends, including equal and infinite ones.
fn interpolate(below: f64, above: f64, fraction: f64) -> f64 {
    if below == above || fraction == 0.0 {
        return below;
    }
    let mixed = below * (1.0 - fraction) + above * fraction;
    // `max` and `min` would turn the NaN of two opposite infinities into a number.
    if mixed.is_nan() { mixed } else { mixed.max(below).min(above) }
}

/// The weights divided by the largest one, so that no sum or square overflows; `None` if all are zero.
fn scaled(weights: &[f64]) -> Option<Vec<f64>> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    (largest > 0.0).then(|| weights.iter().map(|w| w / largest).collect())
}

/// Effective sample size of weighted rows, `(sum w)^2 / sum w^2` (Kish 1965).
///
/// Between 1 and the number of rows with positive weight. 0 if there are no rows, if all weights are zero, or if a
/// weight is negative, NaN or infinite.
pub fn effective_n(weights: &[f64]) -> f64 {
    if !weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
        return 0.0;
    }
    let Some(weights) = scaled(weights) else {
        return 0.0;
    };
    let total: f64 = weights.iter().sum();
    total * total / weights.iter().map(|w| w * w).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/sample.json");

    #[test]
    fn quantiles_match_numpy() {
        check_all(FIXTURE, "quantile", 1e-13, |case| {
            vec![quantile(&numbers(case, "sorted"), numbers(case, "q")[0]).unwrap()]
        });
    }

    #[test]
    fn the_effective_size_matches_numpy() {
        check_all(FIXTURE, "effective_n", 1e-12, |case| vec![effective_n(&numbers(case, "weights"))]);
    }

    #[test]
    fn empty_and_single_samples_have_defined_quantiles() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0], 1.1), None);
        assert_eq!(quantile(&[1.0, 2.0], f64::NAN), None);
        assert_eq!(quantile(&[1.0, f64::NAN], 0.0), None);
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.75), Some(f64::INFINITY));
        assert_eq!(quantile(&[f64::NEG_INFINITY, 5.0], 0.5), Some(f64::NEG_INFINITY));
        assert_eq!(quantile(&[f64::NEG_INFINITY, f64::INFINITY], 0.5), None);
        assert_eq!(quantile(&[-f64::MAX, f64::MAX], 0.5), Some(0.0));
    }

    #[test]
    fn huge_weights_do_not_overflow_and_invalid_ones_give_zero() {
        assert_eq!(effective_n(&[1e300, 1e300]), 2.0);
        assert_eq!(effective_n(&[]), 0.0);
        assert_eq!(effective_n(&[1.0, f64::NAN]), 0.0);
        assert_eq!(effective_n(&[1.0, -1.0]), 0.0);
    }

    proptest! {
        #[test]
        fn quantiles_stay_in_range_and_rise_with_q(mut v in prop::collection::vec(-1e3..1e3_f64, 1..60), q in 0.0..0.9_f64) {
            v.sort_by(f64::total_cmp);
            let (low, high) = (quantile(&v, q).unwrap(), quantile(&v, q + 0.1).unwrap());
            prop_assert!(v[0] <= low && low <= high && high <= v[v.len() - 1]);
        }

        #[test]
        fn effective_size_lies_between_one_and_the_number_of_rows(w in prop::collection::vec(0.001..1e6_f64, 1..60), k in 0.001..1e6_f64) {
            let n = effective_n(&w);
            prop_assert!(n >= 1.0 - 1e-12 && n <= w.len() as f64 + 1e-9);
            let scaled: Vec<f64> = w.iter().map(|x| x * k).collect();
            prop_assert!((effective_n(&scaled) - n).abs() < 1e-9 * n);
        }
    }
}
