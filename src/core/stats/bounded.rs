//! Intervals for means of scores in [0, 1], and for differences of such scores on the same examples.
//!
//! Student's interval fails where it matters most: where nearly every example passes, the sample often has no variance at
//! all. Score intervals do not, so each mean is treated as a proportion of an effective number of examples, the number at
//! which a proportion would be as precise (Korn and Graubard 1998). For single trials scored 0 or 1, these are exactly the
//! intervals of Wilson and of Tango.

use super::clustered::MeanEstimate;
use super::interval::{Interval, alpha, wilson_at};
use super::special::{beta_tails, normal_two_sided_quantile, student_two_sided_quantile, student_two_sided_tail};

/// Halvings of the bracket of a limit, which leave less than a rounding error.
const HALVINGS: u32 = 60;

/// Largest number of examples that is reported as needed.
const MOST_EXAMPLES: f64 = 1e6;

/// How much a mean score is known like a proportion.
#[derive(Clone, Copy, Debug)]
struct Effective {
    /// Effective number of examples.
    n: f64,
    /// Critical value, in standard errors.
    critical: f64,
}

impl Effective {
    /// `spread` is the variance that a single 0/1 score would have; `binary` means that the scores are 0 and 1, or their
    /// differences −1, 0 and 1, of examples on their own.
    fn of(estimate: &MeanEstimate, spread: f64, binary: bool, alpha: f64) -> Self {
        if binary {
            return Self { n: estimate.n as f64, critical: normal_two_sided_quantile(alpha) };
        }
        let n =
            if estimate.variance > 0.0 && spread > 0.0 { spread / estimate.variance } else { estimate.clusters as f64 };
        Self { n, critical: student_two_sided_quantile(alpha, estimate.df) }
    }
}

/// Whether every value is one of −1, 0 and 1.
fn is_ternary(values: &[f64]) -> bool {
    values.iter().all(|value| *value == 0.0 || value.abs() == 1.0)
}

/// Interval for the mean of scores in [0, 1]: Wilson's for single 0/1 scores, and Wilson's with the effective number of
/// examples and Student's critical value otherwise.
///
/// `estimate` is [`super::clustered_mean`] of `values`. The interval is inside [0, 1] and contains the mean.
pub fn score_interval(values: &[f64], estimate: &MeanEstimate, confidence: f64) -> Interval {
    let alpha = alpha(confidence);
    if alpha == 0.0 {
        return Interval::UNIT;
    }
    let mean = estimate.mean.clamp(0.0, 1.0);
    let binary = estimate.clusters == estimate.n && is_ternary(values);
    let effective = Effective::of(estimate, mean * (1.0 - mean), binary, alpha);
    wilson_at(mean * effective.n, effective.n, effective.critical)
}

/// Whether a true mean of `minimum` or more is excluded at a one-sided level by the exact limit: that of Clopper and Pearson
/// for single 0/1 scores, and otherwise with the effective number of examples, reduced for the estimated variance (Korn and
/// Graubard 1998). At small levels the end of [`score_interval`] would exclude it several times too often where few examples
/// fail.
pub fn is_below(values: &[f64], estimate: &MeanEstimate, minimum: f64, level: f64) -> bool {
    lower_tail(values, estimate, minimum, level) <= level
}

/// P(X <= passed) for a binomial X with the effective number of examples and probability `minimum`.
fn lower_tail(values: &[f64], estimate: &MeanEstimate, minimum: f64, level: f64) -> f64 {
    let mean = estimate.mean.clamp(0.0, 1.0);
    let binary = estimate.clusters == estimate.n && is_ternary(values);
    let alpha = (2.0 * level).clamp(f64::MIN_POSITIVE, 1.0);
    let Effective { n, critical } = Effective::of(estimate, mean * (1.0 - mean), binary, alpha);
    let n = if binary { n } else { n * (normal_two_sided_quantile(alpha) / critical).powi(2) };
    let passed = mean * n;
    if passed >= n {
        return 1.0;
    }
    beta_tails(passed + 1.0, n - passed, minimum, 1.0 - minimum).upper
}

/// A difference of two mean scores on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// Mean of the second minus mean of the first.
    pub difference: f64,
    /// Its interval, inside [−1, 1].
    pub interval: Interval,
    /// Two-sided p-value of no difference, by the test that belongs to the interval.
    pub p_value: f64,
    counts: Discordant,
    critical: f64,
}

impl PairedDifference {
    /// The interval if there were `factor` times as many examples like these.
    pub fn interval_at(&self, factor: f64) -> Interval {
        let Discordant { worse, better, n } = self.counts;
        Discordant { worse: worse * factor, better: better * factor, n: n * factor }.interval(self.critical)
    }

    /// About how many examples like these `n` would give an interval that is `decided`; `None` if not even a million.
    pub fn examples_needed(&self, n: usize, decided: impl Fn(Interval) -> bool) -> Option<u64> {
        let n = n as f64;
        let (mut low, mut high) = (1.0, MOST_EXAMPLES / n);
        if high <= low || !decided(self.interval_at(high)) {
            return None;
        }
        while (high - low) * n > 1.0 {
            let middle = f64::midpoint(low, high);
            if decided(self.interval_at(middle)) { high = middle } else { low = middle }
        }
        Some((high * n).ceil() as u64)
    }
}

/// The difference of scores in [0, 1] on the same examples, where `differences` are second − first, in [−1, 1]: the score
/// interval of Tango (1998) for single 0/1 scores, and the same with the effective number of examples and Student's
/// critical value otherwise.
///
/// `estimate` is [`super::clustered_mean`] of `differences`.
pub fn paired_difference(differences: &[f64], estimate: &MeanEstimate, confidence: f64) -> PairedDifference {
    let n = estimate.n as f64;
    let share = |sign: f64| differences.iter().map(|d| (d * sign).max(0.0)).sum::<f64>() / n;
    let (worse, better) = (share(-1.0), share(1.0));
    let binary = estimate.clusters == estimate.n && is_ternary(differences);
    let spread = worse + better - estimate.mean * estimate.mean;
    let alpha = alpha(confidence);
    let effective = Effective::of(estimate, spread, binary, alpha.max(f64::MIN_POSITIVE));
    let counts = Discordant { worse: worse * effective.n, better: better * effective.n, n: effective.n };
    let interval = if alpha == 0.0 { Interval { lo: -1.0, hi: 1.0 } } else { counts.interval(effective.critical) };
    let p_value = match (counts.statistic(0.0), binary) {
        (z, true) => 2.0 * super::normal_upper_tail(z.abs()),
        (t, false) => student_two_sided_tail(t.abs(), estimate.df),
    };
    PairedDifference { difference: estimate.mean, interval, p_value, counts, critical: effective.critical }
}

/// Numbers of pairs, possibly fractional.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Discordant {
    worse: f64,
    better: f64,
    n: f64,
}

impl Discordant {
    /// Tango's score statistic for a true difference, in standard errors; decreasing in the difference.
    fn statistic(self, delta: f64) -> f64 {
        let Self { worse, better, n } = self;
        let excess = better - worse - n * delta;
        // The share of worse pairs that is most likely given the difference.
        let linear = (2.0 * n - better + worse) * delta - worse - better;
        let constant = -worse * delta * (1.0 - delta);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        let share = if linear <= 0.0 { (root - linear) / (4.0 * n) } else { -2.0 * constant / (root + linear) };
        let variance = n * (2.0 * share + delta * (1.0 - delta));
        if variance > 0.0 {
            excess / variance.sqrt()
        } else {
            excess.signum() * if excess == 0.0 { 0.0 } else { f64::INFINITY }
        }
    }

    /// All differences whose statistic is at most `critical`.
    fn interval(self, critical: f64) -> Interval {
        let observed = ((self.better - self.worse) / self.n).clamp(-1.0, 1.0);
        let inside = |delta: f64| self.statistic(delta).abs() <= critical;
        let limit = |mut outside: f64| {
            if inside(outside) {
                return outside;
            }
            let mut within = observed;
            for _ in 0..HALVINGS {
                let middle = f64::midpoint(within, outside);
                if inside(middle) { within = middle } else { outside = middle }
            }
            within
        };
        Interval { lo: limit(-1.0), hi: limit(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clustered::clustered_mean;
    use super::super::parity::{check_all, counts, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/paired.json");

    fn difference(differences: &[f64], confidence: f64) -> PairedDifference {
        paired_difference(differences, &clustered_mean(differences, None).unwrap(), confidence)
    }

    fn of_counts(worse: u64, better: u64, n: u64) -> Vec<f64> {
        let sides = [(-1.0, worse), (1.0, better), (0.0, n - worse - better)];
        sides.iter().flat_map(|(d, count)| std::iter::repeat_n(*d, *count as usize)).collect()
    }

    fn clusters(case: &serde_json::Value) -> Vec<usize> {
        counts(case, "clusters").into_iter().map(|c| c as usize).collect()
    }

    #[test]
    fn tangos_interval_matches_its_definition() {
        check_all(FIXTURE, "tango", 1e-6, |case| {
            let v = counts(case, "counts");
            let discordant = Discordant { worse: v[0] as f64, better: v[1] as f64, n: v[2] as f64 };
            let alpha = alpha(numbers(case, "confidence")[0]);
            let found = discordant.interval(normal_two_sided_quantile(alpha));
            vec![found.lo, found.hi]
        });
    }

    #[test]
    fn intervals_of_graded_and_clustered_scores_match_their_definition() {
        check_all(FIXTURE, "score_interval", 1e-6, |case| {
            let values = numbers(case, "values");
            let found = score_interval(&values, &clustered_mean(&values, Some(&clusters(case))).unwrap(), 0.95);
            vec![found.lo, found.hi]
        });
        check_all(FIXTURE, "paired_difference", 1e-6, |case| {
            let values = numbers(case, "values");
            let found = paired_difference(&values, &clustered_mean(&values, Some(&clusters(case))).unwrap(), 0.95);
            vec![found.interval.lo, found.interval.hi, found.p_value]
        });
    }

    #[test]
    fn single_zero_one_scores_have_wilsons_interval() {
        let values = of_counts(0, 7, 9);
        let found = score_interval(&values, &clustered_mean(&values, None).unwrap(), 0.95);
        assert_eq!(found, super::super::wilson(7.0, 9.0, 0.95));
    }

    #[test]
    fn the_lower_tail_of_single_scores_is_that_of_the_binomial_distribution() {
        let values = of_counts(0, 7, 10);
        let estimate = clustered_mean(&values, None).unwrap();
        // P(X <= 7) for n = 10 and p = 0.9 is 0.0701908264.
        assert!((lower_tail(&values, &estimate, 0.9, 0.025) - 0.070_190_826_4).abs() < 1e-9);
        assert!(is_below(&values, &estimate, 0.9, 0.071) && !is_below(&values, &estimate, 0.9, 0.07));
        let all = [1.0; 10];
        assert!(!is_below(&all, &clustered_mean(&all, None).unwrap(), 0.9, 0.5));
    }

    #[test]
    fn no_difference_at_all_is_not_certainty() {
        let found = difference(&[0.0; 20], 0.95).interval;
        assert!(found.lo < -0.15 && found.hi > 0.15, "{found:?}");
        let all_pass = [1.0; 20];
        let found = score_interval(&all_pass, &clustered_mean(&all_pass, None).unwrap(), 0.95);
        assert!(found.lo < 0.85 && found.hi == 1.0, "{found:?}");
        let graded = [0.7; 20];
        let found = score_interval(&graded, &clustered_mean(&graded, None).unwrap(), 0.95);
        assert!(found.lo < 0.55 && found.hi > 0.8, "{found:?}");
    }

    #[test]
    fn steady_graded_scores_are_known_precisely() {
        let values: Vec<f64> = (0..50).map(|i| 0.7 + 0.001 * f64::from(i % 10)).collect();
        let found = score_interval(&values, &clustered_mean(&values, None).unwrap(), 0.95);
        assert!(found.width() < 0.003, "{found:?}");
    }

    #[test]
    fn an_impossible_confidence_gives_the_widest_interval() {
        for confidence in [1.0, 2.0, f64::NAN] {
            assert_eq!(difference(&[1.0, 0.0, -1.0], confidence).interval, Interval { lo: -1.0, hi: 1.0 });
        }
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_difference_and_turns_with_it(d in prop::collection::vec(-1.0..=1.0_f64, 2..40)) {
            let found = difference(&d, 0.95);
            prop_assert!(found.interval.lo <= found.difference + 1e-12 && found.difference <= found.interval.hi + 1e-12);
            prop_assert!(found.interval.lo >= -1.0 && found.interval.hi <= 1.0);
            let turned = difference(&d.iter().map(|x| -x).collect::<Vec<_>>(), 0.95);
            prop_assert!((found.interval.lo + turned.interval.hi).abs() < 1e-9);
            prop_assert!((found.p_value - turned.p_value).abs() < 1e-9);
        }

        #[test]
        fn the_interval_excludes_zero_when_the_test_rejects(worse in 0_u64..30, better in 0_u64..30, rest in 1_u64..100) {
            let found = difference(&of_counts(worse, better, worse + better + rest), 0.95);
            prop_assert_eq!(found.p_value < 0.05 - 1e-9, !found.interval.contains(0.0) && (found.p_value - 0.05).abs() > 1e-9);
        }

        #[test]
        fn the_score_interval_stays_in_range(v in prop::collection::vec(0.0..=1.0_f64, 2..40)) {
            let estimate = clustered_mean(&v, None).unwrap();
            let found = score_interval(&v, &estimate, 0.95);
            prop_assert!(found.lo >= 0.0 && found.hi <= 1.0);
            prop_assert!(found.lo <= estimate.mean + 1e-12 && estimate.mean <= found.hi + 1e-12);
        }
    }
}
