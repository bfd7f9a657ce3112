//! The effect of something on a judge's scores beyond what people's scores explain.

use serde::Serialize;

use super::CONFIDENCE;
use crate::core::stats::{Interval, MeanEstimate, t_interval_df, welch_p};

/// An effect on the judge's score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// How much the judge's score changes.
    pub value: f64,
    /// The 95 % interval of the change.
    pub interval: Interval,
    /// Two-sided p-value of no change, by the same t test.
    pub p_value: f64,
}

/// The coefficient of `x` in the least squares fit of `judge` on a constant, `person` and `x`: how the judge's score
/// depends on `x` among answers of the same score by people. A plain difference of judge − person would confuse that
/// with answers that people score lower where `x` is higher, which leave a judge that errs on both sides more room to
/// score too high.
///
/// Its variance is HC3, which holds whatever the spread of the scores (Long & Ervin 2000, MacKinnon & White 1985), with
/// n − 3 degrees of freedom; it is at least that of half a wrong verdict in n + 1, so that a judge that was never wrong
/// is not certainly unbiased. If people's scores do not vary, they are left out. `None` if `x` does not vary beyond
/// them, or for fewer than five answers. Numbers are finite, and all slices of one length.
pub(super) fn effect_given_person(judge: &[f64], person: &[f64], x: &[f64]) -> Option<Effect> {
    let columns: Vec<Vec<f64>> = [person, x].into_iter().map(centred).collect();
    let varies = |column: &&Vec<f64>| column.iter().any(|value| value.abs() > 1e-12);
    let columns: Vec<&Vec<f64>> = columns.first().filter(varies).into_iter().chain(columns.get(1)).collect();
    let y = centred(judge);
    let (n, k) = (y.len() as f64, columns.len());
    // The constant is taken out by centring, so it is orthogonal to the other columns.
    let df = n - 1.0 - k as f64;
    if df < 2.0 {
        return None;
    }
    let inverse = inverse(&columns)?;
    let row = |at: usize| -> Vec<f64> { columns.iter().filter_map(|column| column.get(at).copied()).collect() };
    let solved = |row: &[f64]| -> Vec<f64> { inverse.iter().map(|line| dot(line, row)).collect() };
    let moments: Vec<f64> = columns.iter().map(|column| dot(column, &y)).collect();
    let coefficients = solved(&moments);
    let (mut variance, mut last) = (0.0, 0.0);
    for (at, value) in y.iter().enumerate() {
        let row = row(at);
        let weights = solved(&row);
        let leverage = 1.0 / n + dot(&weights, &row);
        let residual = value - dot(&coefficients, &row);
        // An answer that the fit must meet tells nothing about the spread.
        let scaled = if leverage < 1.0 - 1e-9 { residual / (1.0 - leverage) } else { 0.0 };
        last = weights.last().copied()?;
        variance += (last * scaled).powi(2);
    }
    let half_wrong = 0.5 / (n + 1.0);
    let least = half_wrong * (1.0 - half_wrong) * inverse.last()?.last()?;
    let variance = if last.is_finite() { f64::max(variance, least) } else { return None };
    Some(effect(*coefficients.last()?, variance, df))
}

/// An effect with a variance and degrees of freedom.
pub(super) fn effect(value: f64, variance: f64, df: f64) -> Effect {
    let of = |mean, variance, df| MeanEstimate { mean, variance, df, n: 0, clusters: 0 };
    // Against a mean that is known to be 0, Welch's test is the t test.
    let p_value = welch_p(&of(value, variance, df), &of(0.0, 0.0, 1.0));
    Effect { value, interval: t_interval_df(value, variance, df, CONFIDENCE), p_value }
}

/// The values less their mean.
fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The inverse of the cross products of one or two centred columns; `None` if they are not independent.
fn inverse(columns: &[&Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    match columns {
        [x] => {
            let square = dot(x, x);
            (square > 1e-12).then(|| vec![vec![1.0 / square]])
        }
        [x, y] => {
            let (xx, xy, yy) = (dot(x, x), dot(x, y), dot(y, y));
            let determinant = xx * yy - xy * xy;
            let independent = yy > 1e-12 && determinant > 1e-10 * xx * yy;
            let divided = |value: f64| value / determinant;
            independent.then(|| vec![vec![divided(yy), divided(-xy)], vec![divided(-xy), divided(xx)]])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, numbers};
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    #[test]
    fn the_effect_equals_that_of_statsmodels() {
        check_all(FIXTURE, "regression", 1e-8, |case| {
            let [judge, person, x] = ["judge", "people", "x"].map(|key| numbers(case, key));
            let found = effect_given_person(&judge, &person, &x).unwrap();
            vec![found.value, found.interval.lo, found.interval.hi, found.p_value]
        });
    }

    #[test]
    fn what_does_not_vary_has_no_effect() {
        let (person, judge) = ([0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(effect_given_person(&judge, &person, &[3.0; 6]), None);
        assert_eq!(effect_given_person(&judge, &person, &person), None, "the same as people's scores");
        assert_eq!(effect_given_person(&judge[..4], &person[..4], &[1.0, 2.0, 3.0, 4.0]), None, "too few");
        assert_eq!(effect_given_person(&[], &[], &[]), None);
    }

    #[test]
    fn a_judge_that_was_never_wrong_is_not_certainly_unbiased() {
        let person: Vec<f64> = (0..30).map(|at| f64::from(at % 2)).collect();
        let x: Vec<f64> = (0..30).map(f64::from).collect();
        let found = effect_given_person(&person, &person, &x).unwrap();
        assert!(found.value.abs() < 1e-12 && found.interval.width() > 1e-3 && found.p_value > 0.9, "{found:?}");
    }

    proptest! {
        #[test]
        fn the_effect_turns_with_its_sign(rows in prop::collection::vec((0_u8..2, 0_u8..2, 0.0..9.0_f64), 0..40)) {
            let number = |yes: u8| f64::from(yes);
            let judge: Vec<f64> = rows.iter().map(|row| number(row.0)).collect();
            let person: Vec<f64> = rows.iter().map(|row| number(row.1)).collect();
            let x: Vec<f64> = rows.iter().map(|row| row.2).collect();
            let negative: Vec<f64> = x.iter().map(|value| -value).collect();
            let (found, turned) =
                (effect_given_person(&judge, &person, &x), effect_given_person(&judge, &person, &negative));
            prop_assert_eq!(found.is_some(), turned.is_some());
            if let (Some(found), Some(turned)) = (found, turned) {
                prop_assert!(found.interval.contains(found.value) && (0.0..=1.0).contains(&found.p_value));
                prop_assert!((found.value + turned.value).abs() < 1e-9 * (1.0 + found.value.abs()));
            }
        }
    }
}
