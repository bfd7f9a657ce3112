//! Confidence intervals.
//!
//! In every function, `confidence` is the two-sided coverage, in (0, 1). Values below 0 count as 0; values of 1 and
//! above, and NaN, give the widest possible interval.

use serde::Serialize;

use super::special::{Tail, beta_quantile, gamma_quantile, normal_two_sided_quantile, student_two_sided_quantile};

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Interval {
    /// The whole range of a proportion, [0, 1].
    pub const UNIT: Interval = Interval { lo: 0.0, hi: 1.0 };

    /// Length, `hi - lo`.
    pub fn width(&self) -> f64 {
        self.hi - self.lo
    }

    /// Whether `x` is in the interval, including its ends; false for NaN.
    pub fn contains(&self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// The interval with both ends clamped to [0, 1].
    pub fn clamp_unit(self) -> Interval {
        Interval { lo: self.lo.clamp(0.0, 1.0), hi: self.hi.clamp(0.0, 1.0) }
    }
}

/// The probability outside of a two-sided interval, in [0, 1]; 0 means the widest interval.
pub(super) fn alpha(confidence: f64) -> f64 {
    if confidence.is_nan() { 0.0 } else { (1.0 - confidence).clamp(0.0, 1.0) }
}

/// Wilson's score interval for a proportion (Wilson 1927), without continuity correction.
///
/// `successes` and `n` may be fractional (effective sample sizes). `successes` is clamped to [0, n]. An `n` that is not
/// positive and finite, or NaN `successes`, gives [0, 1]. The interval always contains `successes / n`.
pub fn wilson(successes: f64, n: f64, confidence: f64) -> Interval {
    let alpha = alpha(confidence);
    if !(n > 0.0 && n.is_finite()) || successes.is_nan() || alpha == 0.0 {
        return Interval::UNIT;
    }
    wilson_at(successes, n, normal_two_sided_quantile(alpha))
}

/// Wilson's interval for a critical value in standard errors; `n` is positive and finite.
pub(super) fn wilson_at(successes: f64, n: f64, critical: f64) -> Interval {
    let p = successes.clamp(0.0, n) / n;
    let ratio = critical * critical / n;
    if ratio == f64::INFINITY {
        return Interval::UNIT;
    }
    let centre = p + 0.5 * ratio;
    let half = (ratio * (p * (1.0 - p) + 0.25 * ratio)).sqrt();
    let end = |x: f64| x / (1.0 + ratio);
    Interval {
        // The algebra gives exactly 0 and 1 at the ends; rounding would not.
        lo: if p == 0.0 { 0.0 } else { end(centre - half).clamp(0.0, p) },
        hi: if p == 1.0 { 1.0 } else { end(centre + half).clamp(p, 1.0) },
    }
}

/// Exact interval for a binomial proportion (Clopper and Pearson 1934).
///
/// `successes` above `n` count as `n`. If `n` is 0, the interval is [0, 1].
pub fn clopper_pearson(successes: u64, n: u64, confidence: f64) -> Interval {
    let alpha = alpha(confidence);
    if n == 0 || alpha == 0.0 {
        return Interval::UNIT;
    }
    let successes = successes.min(n);
    let (x, y) = (successes as f64, (n - successes) as f64);
    let lo = match successes {
        0 => 0.0,
        _ => beta_quantile(0.5 * alpha, x, y + 1.0, Tail::Lower),
    };
    let hi = match n - successes {
        0 => 1.0,
        _ => beta_quantile(0.5 * alpha, x + 1.0, y, Tail::Upper),
    };
    Interval { lo, hi }
}

/// Exact interval for the mean of a Poisson count (Garwood 1936).
///
/// `count` may be fractional, through the gamma quantile. Negative counts count as 0; a `count` that is NaN or infinite
/// gives [0, infinity].
pub fn poisson_exact(count: f64, confidence: f64) -> Interval {
    let alpha = alpha(confidence);
    if !count.is_finite() || alpha == 0.0 {
        return Interval { lo: 0.0, hi: f64::INFINITY };
    }
    let count = count.max(0.0);
    let lo = if count == 0.0 { 0.0 } else { gamma_quantile(0.5 * alpha, count, Tail::Lower) };
    Interval { lo, hi: gamma_quantile(0.5 * alpha, count + 1.0, Tail::Upper) }
}

/// Student's t interval around the mean of `n` values with this sample variance.
///
/// For fewer than two values, the interval is the whole real line.
pub fn t_interval(mean: f64, variance: f64, n: f64, confidence: f64) -> Interval {
    let alpha = alpha(confidence);
    if alpha == 0.0 || n < 2.0 {
        return Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
    }
    t_interval_df(mean, variance / n, n - 1.0, confidence)
}

/// Student's t interval around a mean whose own variance is `variance`, with `df` > 0 degrees of freedom.
pub fn t_interval_df(mean: f64, variance: f64, df: f64, confidence: f64) -> Interval {
    let half = student_two_sided_quantile(alpha(confidence).max(f64::MIN_POSITIVE), df) * variance.sqrt();
    Interval { lo: mean - half, hi: mean + half }
}

/// The unbiased variance of a sample; `None` for fewer than two values.
pub fn sample_variance(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.len() > 1).then(|| values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0))
}

/// Newcombe's hybrid score interval for `p1 - p2` (Newcombe 1998, method 10).
///
/// `p1`, `p2` are observed proportions, clamped to [0, 1]; `n1`, `n2` are their sample sizes, which may be fractional.
/// A size that is not positive and finite, or a NaN proportion, gives [-1, 1]. The interval always contains `p1 - p2`.
pub fn difference_newcombe(p1: f64, n1: f64, p2: f64, n2: f64, confidence: f64) -> Interval {
    let usable = |p: f64, n: f64| !p.is_nan() && n > 0.0 && n.is_finite();
    if !usable(p1, n1) || !usable(p2, n2) || alpha(confidence) == 0.0 {
        return Interval { lo: -1.0, hi: 1.0 };
    }
    let (p1, p2) = (p1.clamp(0.0, 1.0), p2.clamp(0.0, 1.0));
    let w1 = wilson(p1 * n1, n1, confidence);
    let w2 = wilson(p2 * n2, n2, confidence);
    let difference = p1 - p2;
    Interval {
        lo: (difference - (p1 - w1.lo).hypot(w2.hi - p2)).max(-1.0),
        hi: (difference + (w1.hi - p1).hypot(p2 - w2.lo)).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, counts, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/interval.json");

    fn ends(i: Interval) -> Vec<f64> {
        vec![i.lo, i.hi]
    }

    #[test]
    fn wilson_matches_statsmodels() {
        check_all(FIXTURE, "wilson", 1e-12, |case| {
            let v = numbers(case, "args");
            ends(wilson(v[0], v[1], v[2]))
        });
    }

    #[test]
    fn clopper_pearson_matches_statsmodels() {
        check_all(FIXTURE, "clopper_pearson", 1e-10, |case| {
            let v = counts(case, "counts");
            ends(clopper_pearson(v[0], v[1], numbers(case, "confidence")[0]))
        });
    }

    #[test]
    fn poisson_exact_matches_statsmodels() {
        check_all(FIXTURE, "poisson_exact", 1e-10, |case| {
            let v = numbers(case, "args");
            ends(poisson_exact(v[0], v[1]))
        });
    }

    #[test]
    fn students_interval_matches_scipy() {
        check_all(FIXTURE, "mean_t", 1e-10, |case| {
            let values = numbers(case, "values");
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            ends(t_interval(mean, sample_variance(&values).unwrap(), n, numbers(case, "confidence")[0]))
        });
    }

    #[test]
    fn difference_newcombe_matches_statsmodels() {
        check_all(FIXTURE, "difference_newcombe", 1e-10, |case| {
            let v = numbers(case, "args");
            ends(difference_newcombe(v[0], v[1], v[2], v[3], v[4]))
        });
    }

    #[test]
    fn an_empty_sample_gives_the_whole_range() {
        for n in [0.0, -3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(wilson(0.0, n, 0.95), Interval::UNIT);
            assert_eq!(difference_newcombe(0.5, n, 0.5, 10.0, 0.95), Interval { lo: -1.0, hi: 1.0 });
        }
        assert_eq!(clopper_pearson(0, 0, 0.95), Interval::UNIT);
        assert_eq!(wilson(f64::NAN, 5.0, 0.95), Interval::UNIT);
        assert_eq!(wilson(0.0, 1e-320, 0.95), Interval::UNIT);
        assert_eq!(t_interval(0.5, 1.0, 1.0, 0.95), Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY });
    }

    #[test]
    fn an_impossible_confidence_has_a_defined_result() {
        for c in [1.0, 2.0, f64::NAN] {
            assert_eq!(wilson(3.0, 10.0, c), Interval::UNIT);
            assert_eq!(clopper_pearson(3, 10, c), Interval::UNIT);
            assert_eq!(poisson_exact(3.0, c), Interval { lo: 0.0, hi: f64::INFINITY });
            assert_eq!(t_interval(1.5, 0.5, 2.0, c).hi, f64::INFINITY);
        }
        let point = wilson(3.0, 10.0, -1.0);
        let mean = t_interval(1.5, 0.5, 2.0, 0.0);
        assert!((mean.lo - 1.5).abs() < 1e-15 && (mean.hi - 1.5).abs() < 1e-15);
        assert!((point.lo - 0.3).abs() < 1e-15 && (point.hi - 0.3).abs() < 1e-15);
    }

    #[test]
    fn no_and_all_successes_touch_the_ends() {
        assert_eq!(wilson(0.0, 7.5, 0.95).lo, 0.0);
        assert_eq!(wilson(7.5, 7.5, 0.95).hi, 1.0);
        assert_eq!(wilson(9.0, 7.5, 0.95), wilson(7.5, 7.5, 0.95));
        assert_eq!(clopper_pearson(0, 9, 0.95).lo, 0.0);
        assert_eq!(clopper_pearson(9, 9, 0.95).hi, 1.0);
        assert_eq!(poisson_exact(0.0, 0.95).lo, 0.0);
        assert_eq!(poisson_exact(-2.0, 0.95), poisson_exact(0.0, 0.95));
    }

    #[test]
    fn clamping_brings_both_ends_into_the_unit_interval() {
        let i = Interval { lo: -0.5, hi: 1.5 };
        assert_eq!(i.clamp_unit(), Interval::UNIT);
        assert_eq!(i.width(), 2.0);
        assert!(!i.contains(f64::NAN));
    }

    proptest! {
        #[test]
        fn wilson_contains_the_observed_proportion(n in 0.01..1e7_f64, f in 0.0..=1.0_f64, c in 0.0..0.9999_f64) {
            let i = wilson(f * n, n, c);
            prop_assert!(i.contains(f * n / n));
            prop_assert!(i.lo >= 0.0 && i.hi <= 1.0);
        }

        #[test]
        fn wilson_is_symmetric_and_nested(n in 0.5..1e5_f64, f in 0.0..=1.0_f64, c in 0.1..0.99_f64) {
            let i = wilson(f * n, n, c);
            let mirrored = wilson(n - f * n, n, c);
            prop_assert!((i.lo - (1.0 - mirrored.hi)).abs() < 1e-9);
            let wider = wilson(f * n, n, c + 0.009);
            prop_assert!(wider.lo <= i.lo && wider.hi >= i.hi);
        }

        #[test]
        fn clopper_pearson_contains_the_proportion_and_has_exact_tails(n in 1_u64..5000, f in 0.0..=1.0_f64) {
            let x = ((n as f64) * f) as u64;
            let i = clopper_pearson(x, n, 0.95);
            prop_assert!(i.contains(x as f64 / n as f64));
            let mirrored = clopper_pearson(n - x, n, 0.95);
            prop_assert!((i.lo - (1.0 - mirrored.hi)).abs() < 1e-12);
        }

        #[test]
        fn poisson_exact_contains_the_count_and_grows_with_it(count in 0.0..1e6_f64) {
            let i = poisson_exact(count, 0.95);
            prop_assert!(i.contains(count));
            let next = poisson_exact(count + 1.0, 0.95);
            prop_assert!(next.lo > i.lo && next.hi > i.hi);
        }

        #[test]
        fn newcombe_contains_the_difference(p1 in 0.0..=1.0_f64, p2 in 0.0..=1.0_f64, n1 in 0.5..1e4_f64, n2 in 0.5..1e4_f64) {
            let i = difference_newcombe(p1, n1, p2, n2, 0.95);
            prop_assert!(i.contains(p1 - p2));
            prop_assert!(i.lo >= -1.0 && i.hi <= 1.0);
            let swapped = difference_newcombe(p2, n2, p1, n1, 0.95);
            prop_assert!((i.lo + swapped.hi).abs() < 1e-12);
        }
    }
}
