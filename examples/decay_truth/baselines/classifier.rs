//! The domain classifier.

use karat::stats::{mann_whitney_auc, quantile};
use karat::vector::dot;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::trial::Stream;
use super::{BaselineResult, Trial};

/// Area under the curve above which a large window counts as drifted.
const AUC_CUT: f64 = 0.55;

/// Number of earlier rows up to which a random classifier sets the threshold instead.
pub(super) const BOOTSTRAP_ROWS: usize = 1000;

/// Number of random classifiers, and the quantile of their areas that is the threshold.
const RANDOM_CLASSIFIERS: usize = 1000;
pub(super) const BOOTSTRAP_QUANTILE: f64 = 0.95;

/// Weight of the squared norm in the loss.
const PENALTY: f64 = 1e-4;

/// The first step is `1 / (PENALTY * STEP_OFFSET)` = 10; later ones fall as 1 / t.
const STEP_OFFSET: f64 = 1000.0;

/// Passes over the rows at most; training ends early after `PATIENCE` passes that did not lower the
/// mean loss by `TOLERANCE`.
const PASSES: usize = 100;
const PATIENCE: usize = 5;
const TOLERANCE: f64 = 1e-3;

/// Evidently documentation, "Embeddings drift parameters", method "model" (the default): a binary
/// classifier tells the two sides apart; the score is its area under the ROC curve. Drift when it
/// exceeds 0.55 or, for at most 1000 objects, the 95th percentile of 1000 random classifiers.
///
/// The classifier is logistic regression by stochastic gradient descent on a random half of the
/// rows, scored on the other half. Simplified: at most 100 passes; a random classifier's area is
/// drawn as the rank sum of a random subset, which has the same distribution.
pub fn domain_classifier(trial: &Trial) -> BaselineResult {
    BaselineResult::of_alarm(trial.sides().and_then(|[before, now]| drifted(trial, &before, &now)))
}

fn drifted(trial: &Trial, before: &[usize], now: &[usize]) -> Option<bool> {
    let rows = before.iter().map(|&i| (trial.before().row(i), -1.0));
    let mut rows: Vec<(&[f32], f64)> = rows.chain(now.iter().map(|&i| (trial.now.row(i), 1.0))).collect();
    rows.shuffle(&mut trial.rng(Stream::ClassifierSplit));
    let (train, test) = rows.split_at(rows.len() / 2);
    let model = Logistic::fit(train, trial.now.dim(), &mut trial.rng(Stream::ClassifierOrder));
    let scores = |side: f64| -> Vec<f64> {
        test.iter().filter(|(_, label)| *label == side).map(|(row, _)| model.score(row)).collect()
    };
    let (positives, negatives) = (scores(1.0), scores(-1.0));
    let auc = mann_whitney_auc(&positives, &negatives)?;
    let cut = if before.len() <= BOOTSTRAP_ROWS {
        random_cut(positives.len(), negatives.len(), &mut trial.rng(Stream::RandomClassifier))?
    } else {
        AUC_CUT
    };
    Some(auc > cut)
}

/// Logistic regression.
struct Logistic {
    weights: Vec<f32>,
    bias: f64,
}

impl Logistic {
    /// Fits rows with labels 1 and -1 by stochastic gradient descent with step
    /// `1 / (PENALTY * (STEP_OFFSET + t))` (Bottou 2012, "Stochastic Gradient Descent Tricks").
    fn fit(rows: &[(&[f32], f64)], dim: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut model = Self { weights: vec![0.0; dim], bias: 0.0 };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let (mut time, mut best, mut stalled) = (0.0, f64::INFINITY, 0);
        for _ in 0..PASSES {
            order.shuffle(rng);
            let mut loss = 0.0;
            for &i in &order {
                time += 1.0;
                loss += model.step(rows[i].0, rows[i].1, 1.0 / (PENALTY * (STEP_OFFSET + time)));
            }
            loss /= rows.len().max(1) as f64;
            stalled = if loss > best - TOLERANCE { stalled + 1 } else { 0 };
            best = best.min(loss);
            if stalled >= PATIENCE {
                break;
            }
        }
        model
    }

    /// Makes one step on one row; returns the loss before the step.
    fn step(&mut self, row: &[f32], label: f64, step: f64) -> f64 {
        let margin = label * self.score(row);
        let pull = step * label / (1.0 + margin.exp());
        let (keep, add) = ((1.0 - step * PENALTY) as f32, pull as f32);
        self.weights.iter_mut().zip(row).for_each(|(w, x)| *w = keep * *w + add * x);
        self.bias += pull;
        (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
    }

    fn score(&self, row: &[f32]) -> f64 {
        f64::from(dot(&self.weights, row)) + self.bias
    }
}

/// The 95th percentile of the area under the curve of classifiers that score at random.
fn random_cut(positives: usize, negatives: usize, rng: &mut ChaCha8Rng) -> Option<f64> {
    let pairs = (positives * negatives) as f64;
    let total = positives + negatives;
    let mut ranks: Vec<usize> = (1..=total).collect();
    let mut area = || {
        let mut sum = 0.0;
        for i in 0..positives {
            ranks.swap(i, rng.random_range(i..total));
            sum += ranks[i] as f64;
        }
        (sum - (positives * (positives + 1)) as f64 / 2.0) / pairs
    };
    let mut areas: Vec<f64> = (0..RANDOM_CLASSIFIERS).map(|_| area()).collect();
    areas.sort_unstable_by(f64::total_cmp);
    quantile(&areas, BOOTSTRAP_QUANTILE)
}

#[cfg(test)]
mod tests {
    use karat::stats::rng;

    use super::*;

    #[test]
    fn the_threshold_of_random_classifiers_follows_from_the_rank_sum() {
        // Mean 0.5, variance (m + n + 1) / (12 m n).
        let cut = random_cut(300, 200, &mut rng(1, 0)).unwrap();
        let expected = 0.5 + 1.645 * (501.0_f64 / (12.0 * 300.0 * 200.0)).sqrt();
        assert!((cut - expected).abs() < 0.006, "{cut} {expected}");
    }

    #[test]
    fn separable_rows_are_separated() {
        let rows = [([0.96_f32, 0.28], 1.0), ([0.28, 0.96], -1.0), ([1.0, 0.0], 1.0), ([0.0, 1.0], -1.0)];
        let rows: Vec<(&[f32], f64)> = rows.iter().map(|(row, label)| (row.as_slice(), *label)).collect();
        let model = Logistic::fit(&rows, 2, &mut rng(1, 0));
        assert!(rows.iter().all(|(row, label)| model.score(row) * label > 0.0));
    }
}
