//! How many examples and repeats a measurement of a mean score, or of a paired difference of scores, needs.
//!
//! The variance has two components: between examples (some are harder than others) and within an example (the same
//! example does not get the same score every time). Repeats reduce only the second.
//!
//! Sizes use the normal approximation with Guenther's correction (1981) for Student's t-test, which adds half of the
//! squared quantile of the level to the number of examples: 1.4 one-sided and 1.9 two-sided at a level of 0.05. It
//! matters below 50 examples. The approximation is poor below about 10, and for scores that are nearly always the same.

use serde::{Deserialize, Serialize};

use crate::core::stats::normal_upper_quantile;

/// Components of the variance of a score, or of a paired difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// Variance of the examples' expected scores; not negative.
    pub between: f64,
    /// Variance of the score of one example from trial to trial, on average over examples; not negative.
    pub within: f64,
}

/// Whether a test looks for a difference in one direction or in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// In the direction that was named before.
    One,
    /// In either direction.
    Two,
}

/// What a test has to achieve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// Probability of finding a difference that does not exist, in (0, 1).
    pub level: f64,
    /// Probability of finding one that exists, in (0, 1).
    pub power: f64,
    /// Its direction.
    pub sides: Sides,
}

impl Aim {
    /// The quantiles of the level and of the power; `None` if either is not inside of (0, 1), or the power does not
    /// exceed the level.
    fn quantiles(&self) -> Option<(f64, f64)> {
        let open = |p: f64| p > 0.0 && p < 1.0;
        let tail = match self.sides {
            Sides::One => self.level,
            Sides::Two => 0.5 * self.level,
        };
        let usable = open(self.level) && open(self.power) && self.power > tail;
        usable.then(|| (normal_upper_quantile(tail), normal_upper_quantile(1.0 - self.power)))
    }
}

impl Components {
    /// Variance of the mean of the repeats of one example.
    fn of_one(&self, repeats: usize) -> f64 {
        // `max` alone would turn NaN into 0, and with it an unknown variance into none.
        let known = |variance: f64| if variance.is_nan() { variance } else { variance.max(0.0) };
        known(self.between) + known(self.within) / repeats as f64
    }

    /// The number of examples that a t-test needs to find a mean that is `effect` away from the one tested.
    ///
    /// Only the size of `effect` counts. At least 2, since a variance has to be estimated. `None` if no number is
    /// enough or known: an effect of 0, no repeats, an [`Aim`] outside of its ranges, NaN, or a number too large for
    /// `usize`.
    pub fn examples_needed(&self, effect: f64, repeats: usize, aim: Aim) -> Option<usize> {
        let (level, power) = aim.quantiles()?;
        let variance = self.of_one(repeats);
        let n = variance * ((level + power) / effect).powi(2) + 0.5 * level * level;
        // Everything that cannot be computed is NaN or infinite here; a float this large has no exact next integer.
        (repeats > 0 && n < 1e15).then(|| (n.ceil() as usize).max(2))
    }

    /// The smallest difference that a t-test on this many examples and repeats finds with the power of `aim`.
    ///
    /// In units of the score, above 0; 0 without any variance. `None` without repeats, for a single example (or
    /// so few that the correction leaves none), or an [`Aim`] outside of its ranges.
    pub fn detectable_effect(&self, examples: usize, repeats: usize, aim: Aim) -> Option<f64> {
        let (level, power) = aim.quantiles()?;
        let n = examples as f64 - 0.5 * level * level;
        let effect = (level + power) * (self.of_one(repeats) / n).sqrt();
        (repeats > 0 && examples > 1 && n > 0.0 && effect.is_finite()).then_some(effect)
    }
}

/// Estimates the components from the scores of repeated examples: `values[example]` are the scores of its trials.
///
/// Unbiased estimates of one-way random effects by analysis of variance, with any number of trials per example (Searle,
/// Casella and McCulloch 1992, section 3.6), except that a negative estimate of the variance between examples becomes
/// 0. Examples without trials are ignored.
///
/// `None` if the components cannot be told apart: fewer than two examples with trials, no example with two of them, or
/// a score that is NaN or infinite.
pub fn components(values: &[Vec<f64>]) -> Option<Components> {
    let groups: Vec<&[f64]> = values.iter().map(Vec::as_slice).filter(|g| !g.is_empty()).collect();
    if groups.iter().any(|g| g.iter().any(|x| !x.is_finite())) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let n: f64 = groups.iter().map(|g| g.len() as f64).sum();
    let k = groups.len() as f64;
    if k < 2.0 || n <= k {
        return None;
    }
    let grand = groups.iter().map(|g| g.len() as f64 * mean(g)).sum::<f64>() / n;
    let (mut inside, mut among, mut squared_sizes) = (0.0, 0.0, 0.0);
    for group in groups {
        let (size, centre) = (group.len() as f64, mean(group));
        inside += group.iter().map(|x| (x - centre).powi(2)).sum::<f64>();
        among += size * (centre - grand).powi(2);
        squared_sizes += size * size;
    }
    let within = inside / (n - k);
    let trials = (n - squared_sizes / n) / (k - 1.0);
    Some(Components { between: ((among / (k - 1.0) - within) / trials).max(0.0), within })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::{rng, sample_variance, t_interval};
    use proptest::prelude::*;
    use rand::{Rng, RngExt};

    const AIM: Aim = Aim { level: 0.05, power: 0.95, sides: Sides::One };

    #[test]
    fn the_examples_needed_are_those_of_statsmodels() {
        let fixture = include_str!("../../tests/fixtures/stats/planning.json");
        let root: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for case in root["examples_needed"].as_array().unwrap() {
            let v: Vec<f64> = case["args"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let sides = if v[4] == 1.0 { Sides::One } else { Sides::Two };
            let parts = Components { between: v[1] * v[1], within: 0.0 };
            let found = parts.examples_needed(v[0], 1, Aim { level: v[2], power: v[3], sides }).unwrap();
            let expected = case["expected"][0].as_f64().unwrap().ceil();
            // statsmodels solves the noncentral t distribution, which the correction approximates to within an example.
            assert!((found as f64 - expected).abs() <= 1.0, "{case}: {found}");
        }
    }

    #[test]
    fn the_variance_of_a_mean_falls_with_examples_and_partly_with_repeats() {
        let parts = Components { between: 0.06, within: 0.12 };
        assert!((parts.of_one(1) / 30.0 - 0.006).abs() < 1e-15);
        assert!((parts.of_one(4) / 30.0 - 0.003).abs() < 1e-15);
    }

    #[test]
    fn the_number_of_examples_agrees_with_the_formula_by_hand() {
        let parts = Components { between: 0.06, within: 0.12 };
        // 0.18 (1.64485 + 1.64485)² / 0.01 + 1.64485² / 2 = 194.80 + 1.35.
        assert_eq!(parts.examples_needed(0.1, 1, AIM), Some(197));
        assert_eq!(parts.examples_needed(-0.1, 1, AIM), Some(197));
        // 0.09 (1.95996 + 0.84162)² / 0.04 + 1.95996² / 2 = 17.66 + 1.92.
        let usual = Aim { level: 0.05, power: 0.8, sides: Sides::Two };
        assert_eq!(parts.examples_needed(0.2, 4, usual), Some(20));
    }

    #[test]
    fn the_components_agree_with_an_analysis_of_variance_by_hand() {
        let balanced = components(&[vec![1.0, 2.0], vec![3.0, 5.0], vec![4.0, 4.0]]).unwrap();
        // Mean squares 25/6 and 5/6, two trials each.
        assert!((balanced.within - 5.0 / 6.0).abs() < 1e-12 && (balanced.between - 5.0 / 3.0).abs() < 1e-12);
        let uneven = components(&[vec![1.0, 3.0], vec![], vec![4.0], vec![6.0, 7.0, 8.0]]).unwrap();
        // Mean squares 185/12 and 4/3, 11/6 trials each on average.
        assert!((uneven.within - 4.0 / 3.0).abs() < 1e-12 && (uneven.between - 169.0 / 22.0).abs() < 1e-12);
    }

    #[test]
    fn variance_between_examples_is_never_negative() {
        let parts = components(&[vec![0.0, 1.0], vec![1.0, 0.0], vec![0.0, 1.0]]).unwrap();
        assert_eq!(parts, Components { between: 0.0, within: 0.5 });
        assert_eq!(components(&[vec![0.3; 4], vec![0.3; 2]]).map(|c| c.between.max(c.within) < 1e-30), Some(true));
    }

    #[test]
    fn components_that_cannot_be_told_apart_are_none() {
        for values in [
            vec![],
            vec![vec![1.0, 2.0]],
            vec![vec![1.0], vec![2.0], vec![3.0]],
            vec![vec![1.0, 2.0], vec![]],
            vec![vec![1.0, f64::NAN], vec![2.0]],
            vec![vec![1.0, f64::INFINITY], vec![2.0]],
        ] {
            assert_eq!(components(&values), None, "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_none() {
        let parts = Components { between: 0.1, within: 0.1 };
        for aim in [
            Aim { level: 0.0, ..AIM },
            Aim { level: f64::NAN, ..AIM },
            Aim { power: 1.0, ..AIM },
            Aim { power: 0.01, ..AIM },
        ] {
            assert_eq!(parts.examples_needed(0.1, 1, aim), None);
            assert_eq!(parts.detectable_effect(100, 1, aim), None);
        }
        for effect in [0.0, f64::NAN, 1e-300] {
            assert_eq!(parts.examples_needed(effect, 1, AIM), None);
        }
        assert_eq!(parts.examples_needed(0.1, 0, AIM), None);
        assert_eq!((parts.detectable_effect(1, 1, AIM), parts.detectable_effect(9, 0, AIM)), (None, None));
        let unknown = Components { between: f64::NAN, within: 0.1 };
        assert_eq!((unknown.examples_needed(0.1, 1, AIM), unknown.detectable_effect(9, 1, AIM)), (None, None));
        let constant = Components { between: 0.0, within: 0.0 };
        assert_eq!(constant.examples_needed(0.1, 1, AIM), Some(2));
        assert_eq!(constant.detectable_effect(10, 1, AIM), Some(0.0));
    }

    /// A standard normal number (Box and Muller 1958).
    fn normal(rng: &mut impl Rng) -> f64 {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Scores of repeated examples whose components and mean are known.
    fn scores(parts: Components, mean: f64, examples: usize, repeats: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
        let example = |_| {
            let centre = mean + parts.between.sqrt() * normal(rng);
            (0..repeats).map(|_| centre + parts.within.sqrt() * normal(rng)).collect()
        };
        (0..examples).map(example).collect()
    }

    #[test]
    fn the_components_are_estimated_without_bias() {
        let truth = Components { between: 0.05, within: 0.1 };
        let mut rng = rng(41, 0);
        let mut sums = [0.0; 2];
        for _ in 0..2000 {
            let mut values = scores(truth, 0.3, 30, 4, &mut rng);
            values.iter_mut().step_by(3).for_each(|trials| trials.truncate(1));
            let found = components(&values).unwrap();
            sums[0] += found.between / 2000.0;
            sums[1] += found.within / 2000.0;
        }
        println!("mean estimates between and within: {sums:?}");
        assert!((sums[0] - truth.between).abs() < 0.0015 && (sums[1] - truth.within).abs() < 0.0015);
    }

    #[test]
    fn the_power_that_was_planned_is_reached() {
        let parts = Components { between: 0.06, within: 0.12 };
        for (stream, (effect, repeats)) in [(0.4, 1), (0.3, 3), (0.15, 1), (0.1, 5)].into_iter().enumerate() {
            let examples = parts.examples_needed(effect, repeats, AIM).unwrap();
            let mut rng = rng(42, stream as u64);
            let mut found = 0;
            for _ in 0..3000 {
                let values = scores(parts, effect, examples, repeats, &mut rng);
                let means: Vec<f64> = values.iter().map(|v| v.iter().sum::<f64>() / v.len() as f64).collect();
                // The lower end of a two-sided interval at 90 % is a one-sided test at 5 %.
                let (n, variance) = (means.len() as f64, sample_variance(&means).unwrap());
                found += u32::from(t_interval(means.iter().sum::<f64>() / n, variance, n, 0.9).lo > 0.0);
            }
            let power = f64::from(found) / 3000.0;
            println!("effect {effect}, {repeats} repeats: {examples} examples reach a power of {power}");
            assert!((0.93..=0.97).contains(&power), "{effect} {repeats} {power}");
        }
    }

    proptest! {
        #[test]
        fn the_detectable_effect_is_the_one_that_needs_these_examples(
            between in 0.0..0.25_f64, within in 0.001..0.25_f64, examples in 4_usize..5000, repeats in 1_usize..20
        ) {
            let parts = Components { between, within };
            let effect = parts.detectable_effect(examples, repeats, AIM).unwrap();
            let again = parts.examples_needed(effect, repeats, AIM).unwrap();
            prop_assert!(again == examples || again == examples + 1, "{examples} {again}");
        }

        #[test]
        fn repeats_never_increase_the_number_of_examples(
            between in 0.0..0.25_f64, within in 0.0..0.25_f64, effect in 0.01..0.5_f64, repeats in 1_usize..20
        ) {
            let parts = Components { between, within };
            let needed = |repeats| parts.examples_needed(effect, repeats, AIM).unwrap();
            prop_assert!(needed(repeats + 1) <= needed(repeats));
        }
    }
}
