//! Agreement of scores between 0 and 1, by people and by the judge.

use serde::Serialize;

use super::{CONFIDENCE, Estimate};
use crate::core::stats::{
    Interval, cluster_bootstrap, clustered_mean, normal_upper_quantile, paired_difference, percentile_interval,
    score_interval,
};

/// Number of bootstrap replicates.
const REPLICATES: usize = 1000;

/// How far scores agree. Bootstrap intervals are those of percentiles over answers; without any disagreement they are
/// points, which say no more than that none was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GradedAgreement {
    /// Number of answers.
    pub n: usize,
    /// Mean distance of the two scores, in [0, 1].
    pub mean_absolute_error: Estimate,
    /// Mean of judge − person, in [−1, 1].
    pub mean_difference: Estimate,
    /// Spearman's rank correlation with mean ranks of ties, in [−1, 1]; its interval is that of Bonett & Wright (2000),
    /// and the point 1 or −1 where it is that. `None` for fewer than four answers or if one side does not vary.
    pub spearman: Option<Estimate>,
    /// Cohen's kappa weighted by the distance of the scores (Cohen 1968) with a bootstrap interval, at most 1: the
    /// linear one of scikit-learn if grades are equally spaced. `None` if all scores are equal.
    pub kappa_linear: Option<Estimate>,
    /// The same weighted by the squared distance.
    pub kappa_quadratic: Option<Estimate>,
    /// Krippendorff's alpha for interval data (Krippendorff 2019) with a bootstrap interval, at most 1; `None` if all
    /// scores are equal.
    pub alpha: Option<Estimate>,
}

/// How far the judge agrees with people, from pairs of (person's score, judge's score) on different answers. `None` for
/// fewer than two pairs, or if a score is outside of [0, 1]. `seed` is that of the bootstrap.
pub fn graded_agreement(pairs: &[(f64, f64)], seed: u64) -> Option<GradedAgreement> {
    if pairs.iter().any(|(person, judge)| !(0.0..=1.0).contains(person) || !(0.0..=1.0).contains(judge)) {
        return None;
    }
    let differences: Vec<f64> = pairs.iter().map(|(person, judge)| judge - person).collect();
    let distances: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    let distance = clustered_mean(&distances, None)?;
    let difference = paired_difference(&differences, &clustered_mean(&differences, None)?, CONFIDENCE);
    let order = Order::of(pairs);
    let rows: Vec<usize> = (0..pairs.len()).collect();
    let bootstrapped = |of: &(dyn Fn(&[f64]) -> f64 + Sync)| {
        let value = of(&vec![1.0; pairs.len()]);
        let replicates = || cluster_bootstrap(&rows, rows.len(), REPLICATES, seed, of);
        let interval = value.is_finite().then(replicates).and_then(|all| percentile_interval(&all, CONFIDENCE));
        Some(Estimate { value, interval: interval? })
    };
    Some(GradedAgreement {
        n: pairs.len(),
        mean_absolute_error: Estimate {
            value: distance.mean,
            interval: score_interval(&distances, &distance, CONFIDENCE),
        },
        mean_difference: Estimate { value: difference.difference, interval: difference.interval },
        spearman: spearman(pairs),
        kappa_linear: bootstrapped(&|weights| linear_kappa(pairs, &order, weights)),
        kappa_quadratic: bootstrapped(&|weights| Moments::of(pairs, weights).quadratic_kappa()),
        alpha: bootstrapped(&|weights| Moments::of(pairs, weights).interval_alpha()),
    })
}

/// The scores of both sides in ascending order, each with its row and whether it is the judge's.
struct Order(Vec<(f64, usize, bool)>);

impl Order {
    fn of(pairs: &[(f64, f64)]) -> Self {
        let both = |(row, (person, judge)): (usize, &(f64, f64))| [(*person, row, false), (*judge, row, true)];
        let mut all: Vec<(f64, usize, bool)> = pairs.iter().enumerate().flat_map(both).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(all)
    }

    /// The mean distance of a person's score from a judge's score on any answers: the integral of F(1 − G) + G(1 − F).
    fn mean_distance(&self, weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let (mut shares, mut sum, mut last) = ([0.0, 0.0], 0.0, 0.0);
        for (score, row, judge) in &self.0 {
            let [f, g]: [f64; 2] = shares;
            sum += (score - last) * (f * (1.0 - g) + g * (1.0 - f));
            last = *score;
            let share = weights.get(*row).copied().unwrap_or(0.0) / total;
            shares = if *judge { [f, g + share] } else { [f + share, g] };
        }
        sum
    }
}

/// NaN if all scores are equal.
fn linear_kappa(pairs: &[(f64, f64)], order: &Order, weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let observed: f64 = pairs.iter().zip(weights).map(|((x, y), weight)| weight * (x - y).abs()).sum();
    share_below_chance(observed / total, order.mean_distance(weights))
}

/// 1 − observed / by chance; NaN where chance gives no disagreement but by rounding.
fn share_below_chance(observed: f64, by_chance: f64) -> f64 {
    if by_chance > 1e-14 { 1.0 - observed / by_chance } else { f64::NAN }
}

/// Weighted moments of pairs.
struct Moments {
    total: f64,
    means: [f64; 2],
    /// Mean squared distances from the means.
    spreads: [f64; 2],
    /// Mean squared distance of the two scores of an answer.
    apart: f64,
}

impl Moments {
    fn of(pairs: &[(f64, f64)], weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().zip(weights).map(|((x, y), weight)| weight * of(*x, *y)).sum::<f64>() / total
        };
        let means = [mean(&|x, _| x), mean(&|_, y| y)];
        let spreads = [mean(&|x, _| (x - means[0]).powi(2)), mean(&|_, y| (y - means[1]).powi(2))];
        Self { total, means, spreads, apart: mean(&|x, y| (x - y).powi(2)) }
    }

    fn quadratic_kappa(&self) -> f64 {
        let [x, y] = self.means;
        share_below_chance(self.apart, self.spreads[0] + self.spreads[1] + (x - y).powi(2))
    }

    fn interval_alpha(&self) -> f64 {
        let (scores, centre) = (2.0 * self.total, 0.5 * (self.means[0] + self.means[1]));
        let around = |at: usize| self.spreads[at] + (self.means[at] - centre).powi(2);
        let variance = 0.5 * (around(0) + around(1)) * scores / (scores - 1.0);
        share_below_chance(self.apart, 2.0 * variance)
    }
}

fn spearman(pairs: &[(f64, f64)]) -> Option<Estimate> {
    let n = pairs.len() as f64;
    let (people, judge): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranks: Vec<(f64, f64)> = ranks(&people).into_iter().zip(ranks(&judge)).collect();
    let Moments { spreads: [x, y], means: [a, b], .. } = Moments::of(&ranks, &vec![1.0; ranks.len()]);
    if pairs.len() < 4 || x <= 0.0 || y <= 0.0 {
        return None;
    }
    let product = ranks.iter().map(|(one, other)| (one - a) * (other - b)).sum::<f64>() / n;
    let value = (product / (x * y).sqrt()).clamp(-1.0, 1.0);
    let error = ((1.0 + 0.5 * value * value) / (n - 3.0)).sqrt();
    let half = normal_upper_quantile(0.5 * (1.0 - CONFIDENCE)) * error;
    let end = |sign: f64| (value.atanh() + sign * half).tanh();
    Some(Estimate { value, interval: Interval { lo: end(-1.0).min(value), hi: end(1.0).max(value) } })
}

/// The rank of each value from 1, with the mean rank of equal ones.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    // Zeros of either sign are equal.
    sorted.iter_mut().for_each(|value| *value += 0.0);
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let not_above = sorted.partition_point(|other| other <= value);
        0.5 * (below + not_above + 1) as f64
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, numbers};
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn found(case: &serde_json::Value) -> GradedAgreement {
        let pairs: Vec<(f64, f64)> = numbers(case, "people").into_iter().zip(numbers(case, "judge")).collect();
        graded_agreement(&pairs, 1).unwrap()
    }

    #[test]
    fn weighted_kappas_equal_scikit_learn_and_alpha_the_package_krippendorff() {
        check_all(FIXTURE, "graded", 1e-9, |case| {
            let found = found(case);
            let all = [found.kappa_linear, found.kappa_quadratic, found.alpha];
            let values = all.into_iter().flatten().map(|estimate| estimate.value);
            [found.mean_absolute_error.value, found.mean_difference.value].into_iter().chain(values).collect()
        });
    }

    #[test]
    fn spearman_equals_scipy_and_its_interval_the_formula_written_out() {
        check_all(FIXTURE, "spearman", 1e-9, |case| {
            let rho = found(case).spearman.unwrap();
            vec![rho.value, rho.interval.lo, rho.interval.hi]
        });
    }

    #[test]
    fn equal_scores_agree_perfectly() {
        let pairs: Vec<(f64, f64)> = (0..20).map(|at| (f64::from(at) / 19.0, f64::from(at) / 19.0)).collect();
        let found = graded_agreement(&pairs, 1).unwrap();
        assert_eq!((found.mean_absolute_error.value, found.mean_difference.value), (0.0, 0.0));
        for estimate in [found.spearman, found.kappa_linear, found.kappa_quadratic, found.alpha] {
            assert!((estimate.unwrap().value - 1.0).abs() < 1e-12, "{found:?}");
        }
        assert!(found.mean_absolute_error.interval.hi > 0.0, "never certain");
    }

    #[test]
    fn scores_that_do_not_vary_have_no_agreement_beyond_chance() {
        let found = graded_agreement(&[(0.3, 0.3); 9], 1).unwrap();
        assert_eq!((found.kappa_linear, found.kappa_quadratic, found.alpha, found.spearman), (None, None, None, None));
        assert_eq!(graded_agreement(&[(0.3, 0.3)], 1), None);
        assert_eq!(graded_agreement(&[], 1), None);
        for odd in [-0.1, 1.1, f64::NAN] {
            assert_eq!(graded_agreement(&[(0.5, odd), (0.5, 0.5)], 1), None);
        }
    }

    #[test]
    fn a_judge_that_is_always_higher_agrees_in_rank_only() {
        let pairs: Vec<(f64, f64)> = (0..20).map(|at| (f64::from(at) / 40.0, f64::from(at) / 40.0 + 0.5)).collect();
        let found = graded_agreement(&pairs, 1).unwrap();
        assert_eq!(found.spearman.unwrap().value, 1.0);
        assert!((found.mean_difference.value - 0.5).abs() < 1e-12 && found.alpha.unwrap().value < 0.0, "{found:?}");
    }

    proptest! {
        #[test]
        fn the_sweep_equals_the_sum_over_all_pairs(
            rows in prop::collection::vec((0_u8..6, 0_u8..6, 0_u8..3), 1..25)
        ) {
            let number = |grade: u8| f64::from(grade) / 5.0;
            let pairs: Vec<(f64, f64)> = rows.iter().map(|(x, y, _)| (number(*x), number(*y))).collect();
            let weights: Vec<f64> = rows.iter().map(|(_, _, w)| f64::from(*w)).collect();
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.0);
            let cells = pairs.iter().zip(&weights).flat_map(|((x, _), v)| {
                pairs.iter().zip(&weights).map(move |((_, y), w)| v * w * (x - y).abs())
            });
            let expected = cells.sum::<f64>() / (total * total);
            prop_assert!((Order::of(&pairs).mean_distance(&weights) - expected).abs() < 1e-12);
        }

        #[test]
        fn figures_are_in_range_and_symmetric(rows in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 2..30)) {
            let found = graded_agreement(&rows, 1).unwrap();
            let swapped: Vec<(f64, f64)> = rows.iter().map(|(x, y)| (*y, *x)).collect();
            let swapped = graded_agreement(&swapped, 1).unwrap();
            prop_assert!(found.mean_absolute_error.interval.contains(found.mean_absolute_error.value));
            prop_assert!((found.mean_difference.value + swapped.mean_difference.value).abs() < 1e-12);
            let both = |of: fn(&GradedAgreement) -> Option<Estimate>| of(&found).zip(of(&swapped));
            let all = [both(|g| g.alpha), both(|g| g.kappa_linear), both(|g| g.kappa_quadratic)];
            for (one, other) in all.into_iter().flatten() {
                prop_assert!(one.value <= 1.0 && (one.value - other.value).abs() < 1e-9);
            }
            if let Some(rho) = found.spearman {
                prop_assert!((-1.0..=1.0).contains(&rho.value) && rho.interval.contains(rho.value));
            }
        }
    }
}
