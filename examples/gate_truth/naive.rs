//! What people do without these statistics.

use karat::compare::Change;
use karat::stats::{normal_upper_quantile, normal_upper_tail};

use super::section::mean;

/// Mean and variance of the mean, as if the scores were a sample of their own.
fn of_mean(scores: &[f64]) -> (f64, f64) {
    let (n, mean) = (scores.len() as f64, mean(scores));
    (mean, scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0) / n)
}

/// A fixed threshold: worse or better by more than `margin`, whatever the number of examples.
pub fn threshold(base: &[f64], candidate: &[f64], margin: f64) -> Change {
    let difference = mean(candidate) - mean(base);
    if difference < -margin {
        Change::Worse
    } else if difference > margin {
        Change::Better
    } else {
        Change::Inconclusive
    }
}

/// The two-sided p-value of a z-test as if both runs had examples of their own.
pub fn unpaired_p(base: &[f64], candidate: &[f64]) -> f64 {
    let ((before, of_before), (after, of_after)) = (of_mean(base), of_mean(candidate));
    let error = (of_before + of_after).sqrt();
    if error > 0.0 { 2.0 * normal_upper_tail((after - before).abs() / error) } else { 1.0 }
}

/// The verdict of [`unpaired_p`] at 5 %.
pub fn unpaired(base: &[f64], candidate: &[f64]) -> Change {
    match unpaired_p(base, candidate) < 0.05 {
        true if mean(candidate) < mean(base) => Change::Worse,
        true => Change::Better,
        false => Change::Inconclusive,
    }
}

/// Whether the normal interval contains the truth: the mean, give or take 1.96 standard errors.
pub fn normal_covers(scores: &[f64], truth: f64) -> bool {
    let (mean, variance) = of_mean(scores);
    let n = scores.len() as f64;
    let half = normal_upper_quantile(0.025) * (variance * (n - 1.0) / n).sqrt();
    (truth - mean).abs() <= half
}
