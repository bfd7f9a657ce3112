//! Quantiles and weighted summaries.
//!
//! Weights are importance weights: only their ratios matter. One negative, NaN or infinite weight
//! makes the result undefined (None, or an effective size of 0), because leaving a row out
//! silently would bias it.

/// Quantile of an ascending sample by linear interpolation (Hyndman and Fan 1996, type 7, the
/// default of R and numpy).
///
/// None for an empty sample, `q` outside [0, 1], a sample with NaN at either end (where
/// `f64::total_cmp` sorts them), or a quantile between minus and plus infinity.
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

/// Linear interpolation that stays between its ends, equal and infinite ones included.
fn interpolate(below: f64, above: f64, fraction: f64) -> f64 {
    if below == above || fraction == 0.0 {
        return below;
    }
    let mixed = below * (1.0 - fraction) + above * fraction;
    // `max` and `min` would turn the NaN of two opposite infinities into a number.
    if mixed.is_nan() { mixed } else { mixed.max(below).min(above) }
}

/// Whether weights fit the values and are all finite and not negative.
fn weights_fit(values: &[f64], weights: &[f64]) -> bool {
    values.len() == weights.len() && weights.iter().all(|w| w.is_finite() && *w >= 0.0)
}

/// Weights divided by the largest, so that no sum or square overflows; None when all are zero.
fn scaled(weights: &[f64]) -> Option<Vec<f64>> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    (largest > 0.0).then(|| weights.iter().map(|w| w / largest).collect())
}

/// Weighted type 7 quantile of values in any order (Akinshin 2023, "Weighted quantile
/// estimators", arXiv:2304.07265).
///
/// The sample size of the type 7 rule becomes Kish's effective size, so equal weights give exactly
/// [`quantile`] up to rounding, and a weight that goes to zero loses its influence continuously.
/// Rows of weight zero are left out.
///
/// None when the lengths differ, a weight is invalid, all weights are zero, a value of positive
/// weight is NaN, `q` is outside [0, 1], or infinities of both signs would be mixed.
pub fn weighted_quantile(values: &[f64], weights: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) || !weights_fit(values, weights) {
        return None;
    }
    let weights = scaled(weights)?;
    let mut rows: Vec<(f64, f64)> = values.iter().copied().zip(weights).filter(|(_, w)| *w > 0.0).collect();
    if rows.iter().any(|(v, _)| v.is_nan()) {
        return None;
    }
    // Ties in value are sorted by weight, so that the order of rows cannot change the rounding.
    rows.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let total: f64 = rows.iter().map(|r| r.1).sum();
    let size = total * total / rows.iter().map(|r| r.1 * r.1).sum::<f64>();
    // The estimate is the mean of the weighted quantile function over a window of width 1 / size.
    let start = q * (size - 1.0);
    let share = |cumulative: f64| (cumulative / total * size - start).clamp(0.0, 1.0);
    let (mut cumulative, mut before, mut estimate) = (0.0, 0.0, 0.0);
    let last = rows.len() - 1;
    for (i, (value, weight)) in rows.into_iter().enumerate() {
        cumulative += weight;
        let upto = if i == last { 1.0 } else { share(cumulative) };
        if upto > before {
            estimate += (upto - before) * value;
        }
        before = upto;
    }
    Some(estimate).filter(|v| !v.is_nan())
}

/// Weighted arithmetic mean.
///
/// None when the lengths differ, a weight is invalid, all weights are zero, or a value of positive
/// weight is NaN or infinite.
pub fn weighted_mean(values: &[f64], weights: &[f64]) -> Option<f64> {
    if !weights_fit(values, weights) {
        return None;
    }
    let weights = scaled(weights)?;
    let total: f64 = weights.iter().sum();
    let rows = values.iter().zip(&weights).filter(|(_, w)| **w > 0.0);
    let mean = rows.map(|(v, w)| v * (w / total)).sum::<f64>();
    mean.is_finite().then_some(mean)
}

/// Effective sample size of weighted rows, `(sum w)^2 / sum w^2` (Kish 1965).
///
/// Between 1 and the number of rows of positive weight. 0 for no rows, for weights that are all
/// zero, and when a weight is negative, NaN or infinite.
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
    fn weighted_quantiles_match_the_published_definition() {
        check_all(FIXTURE, "weighted_quantile", 1e-10, |case| {
            let (v, w) = (numbers(case, "values"), numbers(case, "weights"));
            vec![weighted_quantile(&v, &w, numbers(case, "q")[0]).unwrap()]
        });
    }

    #[test]
    fn weighted_mean_and_effective_size_match_numpy() {
        check_all(FIXTURE, "weighted_mean", 1e-12, |case| {
            let (v, w) = (numbers(case, "values"), numbers(case, "weights"));
            vec![weighted_mean(&v, &w).unwrap(), effective_n(&w)]
        });
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
        assert_eq!(weighted_quantile(&[], &[], 0.5), None);
        assert_eq!(weighted_quantile(&[3.0], &[0.2], 0.9), Some(3.0));
    }

    #[test]
    fn invalid_weights_leave_the_result_undefined() {
        for w in [[1.0, -1.0], [1.0, f64::NAN], [1.0, f64::INFINITY], [0.0, 0.0]] {
            assert_eq!(weighted_mean(&[1.0, 2.0], &w), None);
            assert_eq!(weighted_quantile(&[1.0, 2.0], &w, 0.5), None);
            assert_eq!(effective_n(&w), 0.0);
        }
        assert_eq!(weighted_mean(&[1.0], &[1.0, 1.0]), None);
        assert_eq!(effective_n(&[]), 0.0);
    }

    #[test]
    fn rows_of_weight_zero_do_not_matter_even_when_nan() {
        assert_eq!(weighted_mean(&[2.0, f64::NAN], &[3.0, 0.0]), Some(2.0));
        assert_eq!(weighted_quantile(&[2.0, f64::NAN], &[3.0, 0.0], 0.5), Some(2.0));
        assert_eq!(weighted_mean(&[f64::NAN, 2.0], &[3.0, 1.0]), None);
    }

    #[test]
    fn huge_weights_do_not_overflow() {
        assert_eq!(effective_n(&[1e300, 1e300]), 2.0);
        assert_eq!(weighted_mean(&[1.0, 3.0], &[1e308, 1e308]), Some(2.0));
    }

    proptest! {
        #[test]
        fn equal_weights_give_the_unweighted_quantile(mut v in prop::collection::vec(-1e3..1e3_f64, 1..60), q in 0.0..=1.0_f64, w in 0.01..100.0_f64) {
            let weighted = weighted_quantile(&v, &vec![w; v.len()], q).unwrap();
            v.sort_by(f64::total_cmp);
            prop_assert!((weighted - quantile(&v, q).unwrap()).abs() < 1e-8);
        }

        #[test]
        fn quantiles_stay_in_range_and_rise_with_q(v in prop::collection::vec((-1e3..1e3_f64, 0.0..5.0_f64), 1..60), q in 0.0..0.9_f64) {
            let values: Vec<f64> = v.iter().map(|r| r.0).collect();
            let weights: Vec<f64> = v.iter().map(|r| r.1 + 0.01).collect();
            let low = weighted_quantile(&values, &weights, q).unwrap();
            let high = weighted_quantile(&values, &weights, q + 0.1).unwrap();
            prop_assert!(low <= high + 1e-9);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(low >= least - 1e-9);
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
