//! One-sided comparison of two rates. The alternative hypothesis is that rate 2 is lower than rate 1.

use super::special::beta_tails;

/// One-sided p-value that Poisson rate 2 is lower than rate 1, by the conditional binomial test
/// (Przyborowski and Wilenski 1940).
///
/// `x1`, `x2` are event counts and `n1`, `n2` are exposures in the same unit (requests, days). Given the sum of the
/// counts, `x2` is binomial with share `n2 / (n1 + n2)`; the result is its lower tail, including the observed count.
/// Without events, or with an exposure that is not positive and finite, the result is 1.
pub fn binomial_rate_less(x1: u64, n1: f64, x2: u64, n2: f64) -> f64 {
    let exposure = n1 + n2;
    if x1 == 0 || !(n1 > 0.0 && n2 > 0.0 && exposure.is_finite()) {
        return 1.0;
    }
    beta_tails(x1 as f64, x2 as f64 + 1.0, n1 / exposure, n2 / exposure).lower
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
    fn without_events_or_exposure_there_is_no_evidence() {
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

    proptest! {
        #[test]
        fn the_rate_p_value_grows_with_the_second_count(x1 in 0_u64..500, x2 in 0_u64..500, n1 in 0.1..1e4_f64, n2 in 0.1..1e4_f64) {
            let p = binomial_rate_less(x1, n1, x2, n2);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(binomial_rate_less(x1, n1, x2 + 1, n2) >= p - 1e-12);
            prop_assert!(binomial_rate_less(x1 + 1, n1, x2, n2) <= p + 1e-12);
        }
    }
}
