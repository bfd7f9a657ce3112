//! One-sided comparisons of two rates or proportions. The alternative is always "2 lower than 1".

use super::result::TestResult;
use super::special::{beta_tails, normal_upper};

/// One-sided p-value that Poisson rate 2 is lower than rate 1, by the conditional binomial test
/// (Przyborowski and Wilenski 1940).
///
/// `x1`, `x2` are event counts and `n1`, `n2` exposures in one unit (requests, days). Given the
/// sum of the counts, `x2` is binomial with share `n2 / (n1 + n2)`; the result is its lower tail,
/// the observed count included. No events, or an exposure that is not positive and finite, gives 1.
pub fn binomial_rate_less(x1: u64, n1: f64, x2: u64, n2: f64) -> f64 {
    let exposure = n1 + n2;
    if x1 == 0 || !(n1 > 0.0 && n2 > 0.0 && exposure.is_finite()) {
        return 1.0;
    }
    beta_tails(x1 as f64, x2 as f64 + 1.0, n1 / exposure, n2 / exposure).lower
}

/// Pooled z test that proportion 2 is lower than proportion 1, one-sided.
///
/// `x1`, `x2` are successes out of `n1`, `n2` trials; all may be fractional (effective counts).
/// `statistic` is z, positive where proportion 2 is lower; `effect` is `x1/n1 - x2/n2`; `df` is
/// None. Two proportions both 0 or both 1 give z = 0 and p = 0.5.
///
/// None when a size is not positive and finite, or a count is NaN or outside [0, n].
pub fn two_proportion_z(x1: f64, n1: f64, x2: f64, n2: f64) -> Option<TestResult> {
    let usable = |x: f64, n: f64| n > 0.0 && n.is_finite() && (0.0..=n).contains(&x);
    if !usable(x1, n1) || !usable(x2, n2) {
        return None;
    }
    let effect = x1 / n1 - x2 / n2;
    let pooled = (x1 + x2) / (n1 + n2);
    let standard_error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let statistic = if effect == 0.0 { 0.0 } else { effect / standard_error };
    Some(TestResult { statistic, p_value: normal_upper(statistic), effect, df: None })
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/rates.json");

    #[test]
    fn the_conditional_binomial_test_matches_statsmodels() {
        check_all(FIXTURE, "binomial_rate_less", 1e-9, |case| {
            let v = numbers(case, "args");
            vec![binomial_rate_less(v[0] as u64, v[1], v[2] as u64, v[3])]
        });
    }

    #[test]
    fn the_pooled_z_test_matches_statsmodels() {
        check_all(FIXTURE, "two_proportion_z", 1e-10, |case| {
            let v = numbers(case, "args");
            let r = two_proportion_z(v[0], v[1], v[2], v[3]).unwrap();
            vec![r.statistic, r.p_value]
        });
    }

    #[test]
    fn no_events_or_no_exposure_is_no_evidence() {
        let cases = [
            (0, 10.0, 0, 10.0),
            (5, 0.0, 5, 10.0),
            (5, 10.0, 5, f64::NAN),
            (0, 10.0, 9, 10.0),
            (5, f64::INFINITY, 5, 1.0),
        ];
        for (x1, n1, x2, n2) in cases {
            assert_eq!(binomial_rate_less(x1, n1, x2, n2), 1.0);
        }
    }

    #[test]
    fn proportions_without_variance_are_not_different() {
        for x in [0.0, 10.0] {
            let r = two_proportion_z(x, 10.0, 2.0 * x, 20.0).unwrap();
            assert_eq!((r.statistic, r.p_value, r.effect), (0.0, 0.5, 0.0));
        }
    }

    #[test]
    fn impossible_counts_cannot_be_tested() {
        let cases = [
            (1.0, 0.0, 1.0, 5.0),
            (6.0, 5.0, 1.0, 5.0),
            (-1.0, 5.0, 1.0, 5.0),
            (f64::NAN, 5.0, 1.0, 5.0),
            (1.0, 5.0, 1.0, f64::INFINITY),
        ];
        for (x1, n1, x2, n2) in cases {
            assert_eq!(two_proportion_z(x1, n1, x2, n2), None);
        }
    }

    proptest! {
        #[test]
        fn the_rate_p_value_grows_with_the_second_count(x1 in 0_u64..500, x2 in 0_u64..500, n1 in 0.1..1e4_f64, n2 in 0.1..1e4_f64) {
            let p = binomial_rate_less(x1, n1, x2, n2);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(binomial_rate_less(x1, n1, x2 + 1, n2) >= p - 1e-12);
            prop_assert!(binomial_rate_less(x1 + 1, n1, x2, n2) <= p + 1e-12);
        }

        #[test]
        fn swapping_the_proportions_complements_the_p_value(f1 in 0.0..=1.0_f64, f2 in 0.0..=1.0_f64, n1 in 0.5..1e5_f64, n2 in 0.5..1e5_f64) {
            let p = two_proportion_z(f1 * n1, n1, f2 * n2, n2).unwrap();
            let s = two_proportion_z(f2 * n2, n2, f1 * n1, n1).unwrap();
            prop_assert!((p.p_value + s.p_value - 1.0).abs() < 1e-12);
        }
    }
}
