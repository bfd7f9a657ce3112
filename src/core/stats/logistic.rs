//! Logistic regression with a ridge penalty.

/// Maximum number of Newton steps; a penalised fit takes about ten.
const MAX_STEPS: usize = 50;

/// A fitted logistic regression: P(target = 1 | row) = 1 / (1 + exp(−(bias + Σ coefficient × value))).
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// One coefficient per column.
    coefficients: Vec<f64>,
    bias: f64,
}

impl Logistic {
    /// Maximises the weighted log-likelihood − `penalty` / 2 × Σ coefficient² by Newton's method with step halving (Hastie,
    /// Tibshirani & Friedman 2009, section 4.4.1); the bias is not penalised. `targets` are 0 or 1, `weights` ≥ 0, `penalty` > 0.
    ///
    /// Returns `None` if there are not rows of both targets, if lengths differ, or if a number is not finite.
    pub fn fit<const N: usize>(rows: &[[f64; N]], targets: &[f64], weights: &[f64], penalty: f64) -> Option<Self> {
        if rows.len() != targets.len() || rows.len() != weights.len() || !(penalty > 0.0 && penalty.is_finite()) {
            return None;
        }
        let finite = rows.iter().flatten().chain(targets).chain(weights).all(|value| value.is_finite());
        let both = [0.0, 1.0].iter().all(|side| targets.iter().zip(weights).any(|(t, w)| t == side && *w > 0.0));
        if !finite || !both {
            return None;
        }
        let problem = Problem { rows, targets, weights, penalty };
        let mut at = vec![0.0; N + 1];
        let mut loss = problem.loss(&at);
        for _ in 0..MAX_STEPS {
            let (gradient, hessian) = problem.derivatives(&at);
            let step = solve(hessian, gradient)?;
            let mut scale = 1.0;
            let next = loop {
                let candidate: Vec<f64> = at.iter().zip(&step).map(|(x, d)| x - scale * d).collect();
                let candidate_loss = problem.loss(&candidate);
                if candidate_loss <= loss || scale < 1e-9 {
                    loss = candidate_loss;
                    break candidate;
                }
                scale /= 2.0;
            };
            let moved = at.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            at = next;
            if moved < 1e-10 {
                break;
            }
        }
        let bias = at.pop()?;
        at.iter().all(|value| value.is_finite()).then_some(Self { coefficients: at, bias })
    }

    /// P(target = 1 | row), in (0, 1). Columns beyond those fitted are ignored.
    pub fn probability(&self, row: &[f64]) -> f64 {
        sigmoid(self.bias + self.coefficients.iter().zip(row).map(|(c, x)| c * x).sum::<f64>())
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

struct Problem<'a, const N: usize> {
    rows: &'a [[f64; N]],
    targets: &'a [f64],
    weights: &'a [f64],
    penalty: f64,
}

impl<const N: usize> Problem<'_, N> {
    fn score(row: &[f64; N], at: &[f64]) -> f64 {
        at[N] + row.iter().zip(at).map(|(x, c)| x * c).sum::<f64>()
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let ridge = self.penalty / 2.0 * at[..N].iter().map(|c| c * c).sum::<f64>();
        let rows = self.rows.iter().zip(self.targets).zip(self.weights);
        let likelihood = rows.map(|((row, target), weight)| {
            let score = Self::score(row, at);
            // log(1 + exp(score)) without overflow.
            weight * (score.max(0.0) + (-score.abs()).exp().ln_1p() - target * score)
        });
        ridge + likelihood.sum::<f64>()
    }

    /// The gradient, and the rows of the Hessian.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut gradient: Vec<f64> = at[..N].iter().map(|c| c * self.penalty).chain([0.0]).collect();
        let mut hessian = vec![vec![0.0; N + 1]; N + 1];
        (0..N).for_each(|i| hessian[i][i] = self.penalty);
        // The bias, which is not penalised, still gets a finite step if every probability is 0 or 1 within rounding.
        hessian[N][N] = 1e-12;
        for ((row, target), weight) in self.rows.iter().zip(self.targets).zip(self.weights) {
            let probability = sigmoid(Self::score(row, at));
            let (error, curvature) = (weight * (probability - target), weight * probability * (1.0 - probability));
            let with_bias = || row.iter().copied().chain([1.0]);
            for ((slope, line), value) in gradient.iter_mut().zip(&mut hessian).zip(with_bias()) {
                *slope += error * value;
                line.iter_mut().zip(with_bias()).for_each(|(cell, other)| *cell += curvature * value * other);
            }
        }
        (gradient, hessian)
    }
}

/// Solves a symmetric positive definite system by Cholesky decomposition; `None` if it is not positive definite.
pub(super) fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = match i == j {
                true if sum > 0.0 => sum.sqrt(),
                true => return None,
                false => sum / a[j][j],
            };
        }
    }
    for i in 0..n {
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_scikit_learn() {
        check_all(include_str!("../../../tests/fixtures/stats/logistic.json"), "logistic", 1e-6, |case| {
            let flat = numbers(case, "rows");
            let rows: Vec<[f64; 3]> = flat.as_chunks().0.to_vec();
            let penalty = case["penalty"].as_f64().unwrap();
            let fit = Logistic::fit(&rows, &numbers(case, "targets"), &numbers(case, "weights"), penalty).unwrap();
            fit.coefficients.iter().copied().chain([fit.bias]).collect()
        });
    }

    #[test]
    fn without_both_targets_or_with_non_finite_numbers_there_is_no_fit() {
        let rows = [[1.0], [2.0]];
        assert!(Logistic::fit(&rows, &[1.0, 1.0], &[1.0, 1.0], 0.1).is_none());
        assert!(Logistic::fit(&rows, &[1.0, 0.0], &[1.0, 0.0], 0.1).is_none(), "a row with weight 0 does not count");
        assert!(Logistic::fit(&[[f64::NAN], [2.0]], &[1.0, 0.0], &[1.0, 1.0], 0.1).is_none());
        assert!(Logistic::fit(&rows, &[1.0], &[1.0, 1.0], 0.1).is_none());
        assert!(Logistic::fit(&rows, &[1.0, 0.0], &[1.0, 1.0], 0.0).is_none());
        assert!(Logistic::fit::<1>(&[], &[], &[], 0.1).is_none());
    }

    #[test]
    fn columns_that_are_constant_or_separate_the_targets_can_be_fitted() {
        let rows = [[1.0, -5.0], [1.0, -4.0], [1.0, 4.0], [1.0, 5.0]];
        let fit = Logistic::fit(&rows, &[0.0, 0.0, 1.0, 1.0], &[1.0; 4], 0.1).unwrap();
        assert!(fit.probability(&[1.0, -5.0]) < 0.1 && fit.probability(&[1.0, 5.0]) > 0.9, "{fit:?}");
    }

    proptest! {
        #[test]
        fn the_mean_fitted_probability_is_the_weighted_share_of_ones(
            rows in proptest::collection::vec((-3.0f64..3.0, 0u8..2, 0.1f64..5.0), 2..60)
        ) {
            let x: Vec<[f64; 1]> = rows.iter().map(|row| [row.0]).collect();
            let (y, w): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (f64::from(row.1), row.2)).unzip();
            if let Some(fit) = Logistic::fit(&x, &y, &w, 0.5) {
                let excess: f64 = x.iter().zip(&y).zip(&w).map(|((x, y), w)| w * (fit.probability(x) - y)).sum();
                prop_assert!(excess.abs() < 1e-6, "{excess}");
            } else {
                prop_assert!(y.iter().all(|value| *value == y[0]));
            }
        }
    }
}
