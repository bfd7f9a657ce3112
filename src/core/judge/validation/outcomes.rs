//! Judged outcomes, some with a person's verdict, and weighted means over them that allow for repeated trials.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// One judged outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The score that the judge gave, in [0, 1]; 0 or 1 for a verdict.
    pub judge: f64,
    /// The score that a person gave, in [0, 1]; `None` if nobody looked at it.
    pub person: Option<f64>,
    /// Number of the example. Outcomes of one example, such as its trials, are not independent.
    pub example: usize,
    /// How much it counts, from 1e-9 to 1e9: 1 / trials if examples should count alike.
    pub weight: f64,
}

impl Outcome {
    /// Whether all numbers are in their range.
    pub(super) fn is_valid(&self) -> bool {
        let unit = 0.0..=1.0;
        let person = self.person.is_none_or(|person| unit.contains(&person));
        person && unit.contains(&self.judge) && (1e-9..=1e9).contains(&self.weight)
    }
}

/// A value of a weighted mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) weight: f64,
    pub(super) example: usize,
}

/// Sum of the weights.
pub(super) fn total(points: &[Point]) -> f64 {
    points.iter().map(|point| point.weight).sum()
}

/// Weighted mean; NaN without weight.
pub(super) fn mean(points: &[Point]) -> f64 {
    points.iter().map(|point| point.weight * point.value).sum::<f64>() / total(points)
}

/// For each example, the sum of weight × (value − `centre`), whose squares add up to the variance of the weighted sum.
pub(super) fn example_sums(points: &[Point], centre: f64) -> Vec<f64> {
    let mut places: HashMap<usize, usize> = HashMap::with_capacity(points.len());
    let mut sums: Vec<f64> = Vec::with_capacity(points.len());
    for point in points {
        let place = *places.entry(point.example).or_insert(sums.len());
        if place == sums.len() {
            sums.push(0.0);
        }
        if let Some(sum) = sums.get_mut(place) {
            *sum += point.weight * (point.value - centre);
        }
    }
    sums
}

/// The number of independent verdicts that would give the mean of these, each 0 or 1, the same precision: their number
/// if every one is of its own example and all weigh alike, and otherwise what the variance over examples says (Korn &
/// Graubard 1998). At most the number of points; 0 without points.
pub(super) fn effective_size(points: &[Point]) -> f64 {
    let (n, mean) = (points.len() as f64, mean(points));
    let sums = example_sums(points, mean);
    let examples = sums.len() as f64;
    let alike = points.iter().all(|point| Some(point.weight) == points.first().map(|first| first.weight));
    if points.is_empty() || (alike && sums.len() == points.len()) {
        return n;
    }
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let variance = squares / total(points).powi(2) * examples / (examples - 1.0);
    let size = mean * (1.0 - mean) / variance;
    // Equal verdicts everywhere have no variance, and a single example none that could be estimated.
    if sums.len() > 1 && size.is_finite() && variance > 1e-18 { size.min(n) } else { examples }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(value: f64, example: usize) -> Point {
        Point { value, weight: 1.0, example }
    }

    #[test]
    fn copies_of_an_outcome_add_no_precision() {
        let alone: Vec<Point> = (0..40).map(|at| point(f64::from(u8::from(at % 3 == 0)), at)).collect();
        assert_eq!(effective_size(&alone), 40.0);
        let copies: Vec<Point> = alone.iter().flat_map(|one| [*one; 3]).collect();
        assert!((38.0..=40.0).contains(&effective_size(&copies)), "{}", effective_size(&copies));
        let third: Vec<Point> = copies.iter().map(|one| Point { weight: 1.0 / 3.0, ..*one }).collect();
        assert!((effective_size(&third) - effective_size(&copies)).abs() < 1e-9);
    }

    #[test]
    fn samples_without_variance_are_as_large_as_their_examples() {
        assert_eq!(effective_size(&[]), 0.0);
        assert_eq!(effective_size(&[point(1.0, 7); 5]), 1.0);
        assert_eq!(effective_size(&[point(1.0, 7), point(0.0, 7), point(1.0, 7)]), 1.0);
        assert_eq!(effective_size(&[point(1.0, 1), point(1.0, 1), point(1.0, 2)]), 2.0);
    }

    #[test]
    fn numbers_out_of_range_are_invalid() {
        let right = Outcome { judge: 1.0, person: None, example: 0, weight: 1.0 };
        assert!(right.is_valid());
        for wrong in [
            Outcome { judge: 1.1, ..right },
            Outcome { judge: f64::NAN, ..right },
            Outcome { person: Some(-0.1), ..right },
            Outcome { person: Some(f64::NAN), ..right },
            Outcome { weight: 0.0, ..right },
            Outcome { weight: f64::INFINITY, ..right },
            Outcome { weight: f64::NAN, ..right },
        ] {
            assert!(!wrong.is_valid(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn the_effective_size_is_between_zero_and_the_number_of_outcomes(
            rows in prop::collection::vec((any::<bool>(), 0_usize..10, 0.1..3.0_f64), 1..60)
        ) {
            let point = |(x, e, w): &(bool, usize, f64)| {
                Point { value: f64::from(u8::from(*x)), weight: *w, example: *e }
            };
            let points: Vec<Point> = rows.iter().map(point).collect();
            let size = effective_size(&points);
            prop_assert!(size > 0.0 && size <= points.len() as f64, "{}", size);
        }
    }
}
