//! Conditional logit: which of several options is chosen, where some choices are recorded wrongly.

use rayon::prelude::*;

use super::logistic::solve;

/// Maximum number of steps; a fit takes about twenty.
const MAX_STEPS: usize = 200;

/// Share of wrong choices that is assumed before any is seen, with the weight of one wrong choice.
const WRONG_AT_FIRST: f64 = 0.05;

/// Choices whose derivatives are added up at once. It does not depend on the number of threads, so neither do the sums.
const CHUNK: usize = 64;

/// A choice among options.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The features of the first option, then those of the second, and so on.
    pub values: Vec<f64>,
    /// The option that is recorded as chosen.
    pub chosen: usize,
}

/// A fitted conditional logit: P(option) ∝ exp(Σ coefficient × value) (McFadden 1974), unless the choice is wrong; a wrong one
/// is any option with the same probability.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionalLogit {
    /// One coefficient per feature, none below 0.
    coefficients: Vec<f64>,
    /// Share of wrong choices.
    wrong: f64,
}

impl ConditionalLogit {
    /// Maximises the log-likelihood − `penalty` / 2 × Σ (coefficient − expected one)² by expectation–maximisation, with a
    /// projected Newton step of the coefficients in each round. `expected` has one coefficient per feature, at least 0, which
    /// matters if there are few choices. `penalty` must be above 0.
    ///
    /// Returns `None` if there are no choices or features, if an option has too few values, or if a number is not finite.
    pub fn fit(choices: &[Choice], expected: &[f64], penalty: f64) -> Option<Self> {
        let features = expected.len();
        let valid = |choice: &Choice| {
            choice.values.len().is_multiple_of(features)
                && choice.chosen * features < choice.values.len()
                && choice.values.iter().all(|value| value.is_finite())
        };
        let usable = features > 0 && !choices.is_empty() && penalty > 0.0;
        let finite = expected.iter().chain([&penalty]).all(|value| value.is_finite());
        if !usable || !finite || !choices.iter().all(valid) {
            return None;
        }
        let mut fit = Self { coefficients: expected.to_vec(), wrong: WRONG_AT_FIRST };
        for _ in 0..MAX_STEPS {
            let right: Vec<f64> = choices.par_iter().map(|choice| fit.probability_right(choice)).collect();
            let problem = Problem { choices, right: &right, expected, penalty };
            let next = problem.step(&fit.coefficients)?;
            let moved = next.iter().zip(&fit.coefficients).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let wrong: f64 = right.iter().map(|right| 1.0 - right).sum();
            fit = Self { coefficients: next, wrong: (wrong + 1.0) / (choices.len() as f64 + 1.0 / WRONG_AT_FIRST) };
            if moved < 1e-7 {
                break;
            }
        }
        Some(fit)
    }

    /// Σ coefficient × value of each option: the higher, the more probable it is.
    pub fn utilities(&self, choice: &Choice) -> Vec<f64> {
        utilities(&self.coefficients, choice)
    }

    /// The probability that the recorded choice is not one of the wrong ones.
    fn probability_right(&self, choice: &Choice) -> f64 {
        let probabilities = probabilities(&self.coefficients, choice);
        let right = (1.0 - self.wrong) * probabilities[choice.chosen];
        right / (right + self.wrong / probabilities.len() as f64)
    }
}

fn utilities(coefficients: &[f64], choice: &Choice) -> Vec<f64> {
    let utility = |option: &[f64]| coefficients.iter().zip(option).map(|(x, value)| x * value).sum();
    choice.values.chunks_exact(coefficients.len()).map(utility).collect()
}

/// The probability of each option.
fn probabilities(coefficients: &[f64], choice: &Choice) -> Vec<f64> {
    let utilities = utilities(coefficients, choice);
    let largest = utilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = utilities.iter().map(|utility| (utility - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The coefficients' part of a round: every choice counts by the probability that it is right.
struct Problem<'a> {
    choices: &'a [Choice],
    right: &'a [f64],
    expected: &'a [f64],
    penalty: f64,
}

impl Problem<'_> {
    /// A Newton step with step halving, in which no coefficient falls below 0.
    fn step(&self, at: &[f64]) -> Option<Vec<f64>> {
        let (gradient, hessian) = self.derivatives(at);
        // Coefficients at 0 that would fall stay where they are.
        let free: Vec<usize> = (0..at.len()).filter(|i| at[*i] > 0.0 || gradient[*i] < 0.0).collect();
        let within = free.iter().map(|i| free.iter().map(|j| hessian[*i][*j]).collect()).collect();
        let step = solve(within, free.iter().map(|i| gradient[*i]).collect())?;
        let loss = self.loss(at);
        let mut scale = 1.0;
        loop {
            let mut candidate = at.to_vec();
            free.iter().zip(&step).for_each(|(i, step)| candidate[*i] = (at[*i] - scale * step).max(0.0));
            if self.loss(&candidate) <= loss {
                return Some(candidate);
            }
            if scale < 1e-9 {
                return Some(at.to_vec());
            }
            scale /= 2.0;
        }
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let of_choice = |(choice, right): (&Choice, &f64)| {
            let chosen = probabilities(at, choice)[choice.chosen];
            -right * chosen.max(f64::MIN_POSITIVE).ln()
        };
        let losses: Vec<f64> = self.choices.par_iter().zip(self.right).map(of_choice).collect();
        let distance = at.iter().zip(self.expected).map(|(x, expected)| (x - expected) * (x - expected));
        self.penalty / 2.0 * distance.sum::<f64>() + losses.iter().sum::<f64>()
    }

    /// The gradient, and the rows of the Hessian.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let chunks: Vec<(&[Choice], &[f64])> = self.choices.chunks(CHUNK).zip(self.right.chunks(CHUNK)).collect();
        let parts: Vec<_> = chunks.par_iter().map(|(choices, right)| derivatives_of(choices, right, at)).collect();
        let mut gradient: Vec<f64> =
            at.iter().zip(self.expected).map(|(x, expected)| (x - expected) * self.penalty).collect();
        let mut hessian = vec![vec![0.0; at.len()]; at.len()];
        (0..at.len()).for_each(|i| hessian[i][i] = self.penalty);
        for (of_gradient, of_hessian) in parts {
            gradient.iter_mut().zip(of_gradient).for_each(|(sum, x)| *sum += x);
            hessian.iter_mut().flatten().zip(of_hessian.into_iter().flatten()).for_each(|(sum, x)| *sum += x);
        }
        (gradient, hessian)
    }
}

fn derivatives_of(choices: &[Choice], right: &[f64], at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut gradient = vec![0.0; at.len()];
    let mut hessian = vec![vec![0.0; at.len()]; at.len()];
    for (choice, right) in choices.iter().zip(right) {
        let probabilities = probabilities(at, choice);
        let mut mean = vec![0.0; at.len()];
        for (row, probability) in choice.values.chunks_exact(at.len()).zip(&probabilities) {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += probability * x);
        }
        let chosen = &choice.values[choice.chosen * at.len()..][..at.len()];
        gradient.iter_mut().zip(mean.iter().zip(chosen)).for_each(|(sum, (mean, x))| *sum += right * (mean - x));
        for (row, probability) in choice.values.chunks_exact(at.len()).zip(&probabilities) {
            let deviations: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            for (line, deviation) in hessian.iter_mut().zip(&deviations) {
                let weight = right * probability * deviation;
                line.iter_mut().zip(&deviations).for_each(|(sum, other)| *sum += weight * other);
            }
        }
    }
    (gradient, hessian)
}

#[cfg(test)]
mod tests {
    use super::super::rng;
    use super::*;
    use rand::RngExt;

    /// Choices among five options with two features, the first with coefficient 2, the second without effect; every
    /// `wrong`-th is recorded at random.
    fn choices(count: usize, wrong: usize) -> Vec<Choice> {
        let mut random = rng(5, 0);
        let choice = |at: usize| {
            let options: Vec<Vec<f64>> =
                (0..5).map(|_| (0..2).map(|_| random.random::<f64>() * 4.0).collect()).collect();
            let gumbel = |random: &mut rand_chacha::ChaCha8Rng| -(-random.random::<f64>().max(1e-12).ln()).ln();
            let utilities: Vec<f64> = options.iter().map(|row| 2.0 * row[0] + gumbel(&mut random)).collect();
            let order = |a: &usize, b: &usize| utilities[*a].total_cmp(&utilities[*b]);
            let chosen = match wrong > 0 && at.is_multiple_of(wrong) {
                true => random.random_range(0..5),
                false => (0..5).max_by(order).unwrap(),
            };
            Choice { values: options.concat(), chosen }
        };
        (0..count).map(choice).collect()
    }

    #[test]
    fn coefficients_are_found_and_one_without_effect_is_about_0() {
        let fit = ConditionalLogit::fit(&choices(4000, 0), &[0.0; 2], 1.0).unwrap();
        assert!((fit.coefficients[0] - 2.0).abs() < 0.15, "{fit:?}");
        assert!((0.0..0.1).contains(&fit.coefficients[1]) && fit.wrong < 0.02, "{fit:?}");
        let utilities = fit.utilities(&Choice { values: vec![1.0, 0.0, 0.5, 0.0], chosen: 0 });
        assert!((utilities[0] / utilities[1] - 2.0).abs() < 1e-9, "{utilities:?}");
    }

    #[test]
    fn wrong_choices_do_not_flatten_the_coefficients_and_are_improbable() {
        let all = choices(2000, 10);
        let likely = |choice: &Choice| {
            let first = |option: usize| choice.values[option * 2];
            (0..5).filter(|option| first(*option) > first(choice.chosen) + 2.0).count() == 0
        };
        let fit = ConditionalLogit::fit(&all, &[0.0; 2], 1.0).unwrap();
        assert!((fit.coefficients[0] - 2.0).abs() < 0.3 && (fit.wrong - 0.1).abs() < 0.04, "{fit:?}");
        let mean = |of: &dyn Fn(usize, &Choice) -> bool| {
            let of = all.iter().enumerate().filter(|(at, choice)| of(*at, choice));
            let right: Vec<f64> = of.map(|(_, choice)| fit.probability_right(choice)).collect();
            right.iter().sum::<f64>() / right.len() as f64
        };
        let (wrong, right) =
            (mean(&|at, choice| at.is_multiple_of(10) && !likely(choice)), mean(&|at, _| !at.is_multiple_of(10)));
        assert!(wrong < 0.25 && right > 0.9, "{wrong} {right}");
    }

    #[test]
    fn the_fit_does_not_depend_on_the_number_of_threads() {
        let all = choices(500, 10);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ConditionalLogit::fit(&all, &[0.0; 2], 1.0).unwrap())
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn separable_choices_and_those_without_an_alternative_have_a_finite_fit() {
        let separable = vec![Choice { values: vec![1.0, 0.0], chosen: 0 }; 5];
        let fit = ConditionalLogit::fit(&separable, &[0.0], 1.0).unwrap();
        assert!(fit.coefficients[0].is_finite() && fit.coefficients[0] > 0.5, "{fit:?}");
        let single = vec![Choice { values: vec![1.0], chosen: 0 }];
        assert_eq!(ConditionalLogit::fit(&single, &[0.5], 1.0).unwrap().coefficients, [0.5], "as expected");
    }

    #[test]
    fn without_choices_or_with_numbers_that_are_not_finite_there_is_no_fit() {
        let one = |values: Vec<f64>, chosen| vec![Choice { values, chosen }];
        assert!(ConditionalLogit::fit(&[], &[0.0], 1.0).is_none());
        assert!(ConditionalLogit::fit(&one(vec![f64::NAN, 0.0], 0), &[0.0], 1.0).is_none());
        assert!(ConditionalLogit::fit(&one(vec![1.0, 0.0, 1.0], 0), &[0.0; 2], 1.0).is_none());
        assert!(ConditionalLogit::fit(&one(vec![1.0], 1), &[0.0], 1.0).is_none());
        assert!(ConditionalLogit::fit(&one(vec![1.0], 0), &[], 1.0).is_none());
        assert!(ConditionalLogit::fit(&one(vec![1.0], 0), &[0.0], 0.0).is_none());
    }
}
