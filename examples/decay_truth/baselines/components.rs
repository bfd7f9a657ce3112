//! The share of drifted components.

use karat::vector::Vectors;

use super::{BaselineResult, Trial};

/// Distance in standard deviations from which a component counts as drifted.
const COMPONENT_CUT: f64 = 0.1;

/// Share of drifted components above which the window counts as drifted.
const SHARE_CUT: f64 = 0.2;

/// Smallest standard deviation that a distance is divided by.
const LEAST_DEVIATION: f64 = 1e-3;

/// Share of embedding components whose values drifted, alarm above 0.2.
///
/// Evidently documentation, "Embeddings drift parameters", method "ratio": each component is
/// compared by the Wasserstein distance, drifted at 0.1. The distance is "normed", in standard
/// deviations of the earlier values (Evidently, "Which test is the best? We compared 5 methods to
/// detect data drift on large datasets"). Nothing is simplified; at a few hundred rows the sampling
/// error alone is about 0.1.
pub fn ratio(trial: &Trial) -> BaselineResult {
    let share = trial.sides().map(|[before, now]| {
        let dim = trial.now.dim();
        let drifted = |&j: &usize| {
            let before = component(trial.before(), &before, j);
            let now = component(trial.now, &now, j);
            wasserstein(&before, &now) / deviation(&before).max(LEAST_DEVIATION) >= COMPONENT_CUT
        };
        (0..dim).filter(drifted).count() as f64 / dim as f64
    });
    BaselineResult::of_alarm(share.map(|share| share > SHARE_CUT))
}

/// Ascending values of the j-th component over some rows.
fn component(v: &Vectors, rows: &[usize], j: usize) -> Vec<f64> {
    let mut values: Vec<f32> = rows.iter().filter_map(|&i| v.row(i).get(j).copied()).collect();
    values.sort_unstable_by(f32::total_cmp);
    values.into_iter().map(f64::from).collect()
}

/// Wasserstein distance of order 1 between two ascending samples: the area between their
/// distribution functions. 0 when one is empty.
fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut area) = (0, 0, 0.0);
    let mut left = f64::NAN;
    while let Some(next) = [a.get(i), b.get(j)].into_iter().flatten().copied().reduce(f64::min) {
        if !left.is_nan() {
            area += (next - left) * (i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs();
        }
        i += a[i..].iter().take_while(|v| **v <= next).count();
        j += b[j..].iter().take_while(|v| **v <= next).count();
        left = next;
    }
    if area.is_finite() { area } else { 0.0 }
}

/// Standard deviation with divisor n; 0 for no values.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_known_samples_is_the_area_between_their_steps() {
        let cases: [(&[f64], &[f64], f64); 6] = [
            (&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0], 5.0),
            (&[0.0, 1.0], &[0.0, 0.0, 1.0, 1.0], 0.0),
            (&[0.0], &[0.0, 1.0], 0.5),
            (&[1.0, 2.0, 2.0], &[2.0], 1.0 / 3.0),
            (&[-1.0, 4.0], &[1.0, 1.5, 2.0], 13.0 / 6.0),
            (&[], &[1.0], 0.0),
        ];
        for (a, b, expected) in cases {
            assert!((wasserstein(a, b) - expected).abs() < 1e-12, "{a:?} {b:?} {}", wasserstein(a, b));
            assert!((wasserstein(b, a) - expected).abs() < 1e-12);
        }
        assert!((deviation(&[1.0, 3.0]) - 1.0).abs() < 1e-12);
    }
}
