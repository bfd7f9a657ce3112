//! The score on today's traffic from a random labelled slice, made more precise by predictions for all other records: power-tuned
//! prediction-powered inference (Angelopoulos, Duchi & Zrnic 2023, "PPI++: Efficient prediction-powered inference", for a mean).

use crate::core::stats::{Interval, t_interval};

/// A labelled record of the slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePoint {
    /// The score of production's answer by the label, in [0, 1].
    pub score: f64,
    /// The score predicted without the label, in [0, 1].
    pub predicted: f64,
    /// Number of requests that the record represents.
    pub weight: f64,
}

/// The estimates from a slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceEstimate {
    /// Weighted mean score of the slice.
    pub score: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Mean score estimated from the slice and the predictions.
    pub powered: f64,
    /// Its 95 % interval.
    pub powered_interval: Interval,
    /// How much the predictions count, in [0, 1]: 0 if they say nothing about the scores.
    pub lambda: f64,
    /// Number of labelled records.
    pub labelled: usize,
}

/// Smallest slice from which a score is estimated: with fewer records, the interval of a proportion is wider than 0.4.
pub const MIN_SLICE: usize = 20;

/// Estimates the mean score over all records from a random slice of them. `others` are (predicted score, weight) of the records
/// outside the slice. `None` if the slice has fewer than [`MIN_SLICE`] records or no weight.
pub fn slice_estimate(slice: &[SlicePoint], others: &[(f64, f64)]) -> Option<SliceEstimate> {
    let total: f64 = slice.iter().map(|point| point.weight).sum();
    if slice.len() < MIN_SLICE || total <= 0.0 {
        return None;
    }
    let weights: Vec<f64> = slice.iter().map(|point| point.weight).collect();
    let scores: Vec<f64> = slice.iter().map(|point| point.score).collect();
    let predicted: Vec<f64> = slice.iter().map(|point| point.predicted).collect();
    let (all_predicted, all_weights): (Vec<f64>, Vec<f64>) = others.iter().copied().unzip();
    let lambda = lambda(&scores, &predicted, &weights, others);
    let (score, score_error) = mean_and_error(&scores, &weights);
    let rest: Vec<f64> = scores.iter().zip(&predicted).map(|(score, predicted)| score - lambda * predicted).collect();
    let (rectifier, rest_error) = mean_and_error(&rest, &weights);
    let (elsewhere, elsewhere_error) = match others.is_empty() {
        true => mean_and_error(&predicted, &weights),
        false => mean_and_error(&all_predicted, &all_weights),
    };
    let powered = lambda * elsewhere + rectifier;
    let variance = rest_error.powi(2) + (lambda * elsewhere_error).powi(2);
    let n = slice.len() as f64;
    // A slice with only right or only wrong answers has no spread; half a wrong answer prevents certainty.
    let half_wrong = 0.5 / (n + 1.0);
    let least = half_wrong * (1.0 - half_wrong) / n;
    let interval = |value: f64, variance: f64| t_interval(value, variance.max(least) * n, n, 0.95).clamp_unit();
    Some(SliceEstimate {
        score,
        interval: interval(score, score_error.powi(2)),
        powered: powered.clamp(0.0, 1.0),
        powered_interval: interval(powered, variance),
        lambda,
        labelled: slice.len(),
    })
}

/// The weight of the predictions with the smallest variance, within [0, 1] (PPI++, example 6.1): the covariance of scores and
/// predictions over (1 + n/N) times the variance of the predictions.
fn lambda(scores: &[f64], predicted: &[f64], weights: &[f64], others: &[(f64, f64)]) -> f64 {
    if others.is_empty() {
        return 0.0;
    }
    let total: f64 = weights.iter().sum();
    let mean = |values: &[f64]| values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total;
    let (score, prediction) = (mean(scores), mean(predicted));
    let moments = scores.iter().zip(predicted).zip(weights);
    let covariance: f64 = moments.map(|((s, p), weight)| weight * (s - score) * (p - prediction)).sum::<f64>() / total;
    // Predictions do not depend on labels, so their variance is that over all records.
    let everyone = predicted.iter().copied().zip(weights.iter().copied()).chain(others.iter().copied());
    let (mut sum, mut squares, mut of, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (value, weight) in everyone {
        (sum, squares, of, count) = (sum + weight * value, squares + weight * value * value, of + weight, count + 1.0);
    }
    let variance = (squares / of - (sum / of).powi(2)) * count / (count - 1.0);
    let ratio = scores.len() as f64 / others.len() as f64;
    if variance > 1e-12 { (covariance / ((1.0 + ratio) * variance)).clamp(0.0, 1.0) } else { 0.0 }
}

/// Weighted mean, and its standard error by linearisation (Särndal, Swensson & Wretman 1992, §5.7), without a correction for the
/// size of the population.
fn mean_and_error(values: &[f64], weights: &[f64]) -> (f64, f64) {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return (0.0, 0.0);
    }
    let mean = values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total;
    let n = values.len() as f64;
    let squares: f64 = values.iter().zip(weights).map(|(value, weight)| (weight * (value - mean)).powi(2)).sum();
    let correction = if n > 1.0 { n / (n - 1.0) } else { 1.0 };
    (mean, (correction * squares).sqrt() / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use rand::RngExt;

    /// A slice of `n` of `all` records whose scores follow predictions with an error.
    fn draw(n: usize, all: usize, noise: f64, seed: u64) -> (Vec<SlicePoint>, Vec<(f64, f64)>, f64) {
        let mut random = rng(seed, 0);
        let mut records: Vec<SlicePoint> = Vec::new();
        for _ in 0..all {
            let chance: f64 = if random.random_bool(0.6) { 0.95 } else { 0.3 };
            let score = f64::from(u8::from(random.random_bool(chance)));
            let predicted = (chance + noise * (random.random::<f64>() - 0.5)).clamp(0.0, 1.0);
            records.push(SlicePoint { score, predicted, weight: 1.0 });
        }
        let truth = records.iter().map(|record| record.score).sum::<f64>() / all as f64;
        let others = records.split_off(n).into_iter().map(|record| (record.predicted, 1.0)).collect();
        (records, others, truth)
    }

    #[test]
    fn predictions_narrow_the_interval_and_it_still_contains_the_truth() {
        let (mut held, mut plain, mut powered) = (0, 0.0, 0.0);
        for seed in 0..200 {
            let (slice, others, truth) = draw(60, 2_000, 0.1, seed);
            let found = slice_estimate(&slice, &others).unwrap();
            held += u32::from(found.powered_interval.contains(truth));
            plain += found.interval.width();
            powered += found.powered_interval.width();
        }
        assert!((180..=199).contains(&held), "{held} of 200");
        assert!(powered < 0.85 * plain, "{powered} against {plain}");
    }

    #[test]
    fn the_estimate_equals_the_reference_implementation() {
        let fixture = include_str!("../../../tests/fixtures/stats/powered.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for case in fixture["mean"].as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
            };
            let slice: Vec<SlicePoint> = numbers("scores")
                .into_iter()
                .zip(numbers("predicted"))
                .map(|(score, predicted)| SlicePoint { score, predicted, weight: 1.0 })
                .collect();
            let others: Vec<(f64, f64)> = numbers("others").into_iter().map(|predicted| (predicted, 1.0)).collect();
            let (found, expected) = (slice_estimate(&slice, &others).unwrap(), case["expected"].as_f64().unwrap());
            assert!((found.powered - expected).abs() < 1e-9, "{found:?} against {expected}");
        }
    }

    #[test]
    fn predictions_that_say_nothing_hardly_count() {
        let (mut slice, others, _) = draw(60, 2_000, 0.1, 1);
        let shuffled: Vec<f64> = slice.iter().map(|point| point.predicted).rev().collect();
        slice.iter_mut().zip(shuffled).for_each(|(point, predicted)| point.predicted = predicted);
        let found = slice_estimate(&slice, &others).unwrap();
        assert!(found.lambda < 0.35 && (found.powered - found.score).abs() < 0.05, "{found:?}");
        let constant: Vec<SlicePoint> = slice.iter().map(|point| SlicePoint { predicted: 0.5, ..*point }).collect();
        let found = slice_estimate(&constant, &[(0.5, 1.0); 10]).unwrap();
        assert_eq!((found.lambda, found.powered), (0.0, found.score));
    }

    #[test]
    fn weights_count_and_small_or_uniform_slices_are_never_certain() {
        let point = |score: f64, weight: f64| SlicePoint { score, predicted: 0.5, weight };
        let half = |weight: f64| [vec![point(1.0, weight); 15], vec![point(0.0, 1.0); 15]].concat();
        assert!((slice_estimate(&half(3.0), &[]).unwrap().score - 0.75).abs() < 1e-12);
        assert_eq!(slice_estimate(&half(1.0)[..MIN_SLICE - 1], &[]), None);
        assert_eq!(slice_estimate(&vec![point(1.0, 0.0); 30], &[]), None);
        let perfect = slice_estimate(&vec![point(1.0, 1.0); 30], &[]).unwrap();
        assert!(perfect.interval.lo < 0.97 && perfect.interval.hi == 1.0, "{perfect:?}");
    }
}
