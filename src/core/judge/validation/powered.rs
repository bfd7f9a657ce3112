//! The score that people would have given to all outcomes, from their scores of a random sample and the judge's of all.

use super::corrected::Uncorrectable;
use super::outcomes::{Outcome, Point, example_sums, mean, total};
use crate::core::estimate::{SlicePoint, slice_estimate};
use crate::core::stats::{Interval, normal_upper_quantile, t_interval_df, wilson};

/// What prediction-powered inference finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Powered {
    /// The estimated mean of people's scores, in [0, 1].
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
    /// How much the judge counts, in [0, 1]: 0 if its scores say nothing about those of people.
    pub lambda: f64,
}

/// Prediction-powered mean with power tuning (PPI++; Angelopoulos, Duchi & Zrnic 2023, for a mean): λ × the judge's
/// mean on the outcomes that people did not score + the mean of (person − λ × judge) on those that they did, with the λ
/// of the least variance; clipped to [0, 1]. The judge may err in any way; a judge that errs more only makes the
/// interval wider.
///
/// The interval is not the normal one of the paper, which is too short near 0 and 1 and certain where judge and people
/// never differ. It is Wilson's for the number of verdicts that would have the same variance, with Student's critical
/// value (Korn & Graubard 1998), where one more outcome counts into the variance, half of which only people and half of
/// which only the judge would pass. Outcomes of one example count as one in the variance.
///
/// It assumes that the outcomes with a person's score are a random sample of all.
///
/// # Errors
/// Undefined with fewer than 20 outcomes that people scored or fewer than 20 examples among them, and for numbers out
/// of range.
pub fn prediction_powered(outcomes: &[Outcome], confidence: f64) -> Result<Powered, Uncorrectable> {
    if !outcomes.iter().all(Outcome::is_valid) {
        return Err(Uncorrectable::Invalid);
    }
    let mut slice: Vec<(SlicePoint, usize)> = Vec::new();
    let mut others: Vec<Point> = Vec::new();
    for Outcome { judge, person, example, weight } in outcomes.iter().copied() {
        match person {
            Some(score) => slice.push((SlicePoint { score, predicted: judge, weight }, example)),
            None => others.push(Point { value: judge, weight, example }),
        }
    }
    let labelled: Vec<SlicePoint> = slice.iter().map(|(point, _)| *point).collect();
    let predicted: Vec<(f64, f64)> = others.iter().map(|point| (point.value, point.weight)).collect();
    let tuned = slice_estimate(&labelled, &predicted).ok_or(Uncorrectable::TooFewLabels)?;
    let rest = |(point, example): &(SlicePoint, usize)| Point {
        value: point.score - tuned.lambda * point.predicted,
        weight: point.weight,
        example: *example,
    };
    let rest: Vec<Point> = slice.iter().map(rest).collect();
    let (variance, examples) = rectifier_variance(&rest, tuned.lambda);
    if examples < LEAST_EXAMPLES {
        return Err(Uncorrectable::TooFewLabels);
    }
    let variance = variance + tuned.lambda * tuned.lambda * variance_of_mean(&others);
    let value = tuned.powered;
    let interval = interval(value, variance, examples, confidence);
    Ok(Powered { value, interval, lambda: tuned.lambda })
}

/// Smallest number of labelled examples, as for the score on today's traffic.
const LEAST_EXAMPLES: f64 = 20.0;

/// The variance of the mean of (person − λ × judge), and the number of examples. One more example of mean weight
/// counts, in halves: a person who passes what the judge fails, and the reverse.
fn rectifier_variance(rest: &[Point], lambda: f64) -> (f64, f64) {
    let examples = example_sums(rest, 0.0).len() as f64;
    let weight = total(rest) / examples;
    let halves = [1.0, -lambda];
    let centre = (mean(rest) * examples + 0.5 * (halves[0] + halves[1])) / (examples + 1.0);
    let squares: f64 = example_sums(rest, centre).iter().map(|sum| (sum / weight).powi(2)).sum();
    let added: f64 = halves.iter().map(|half| 0.5 * (half - centre).powi(2)).sum();
    ((squares + added) / ((examples + 1.0) * examples), examples)
}

/// The variance of a weighted mean over examples; 0 for fewer than two.
fn variance_of_mean(points: &[Point]) -> f64 {
    let sums = example_sums(points, mean(points));
    let examples = sums.len() as f64;
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    if examples > 1.0 { squares / total(points).powi(2) * examples / (examples - 1.0) } else { 0.0 }
}

/// Wilson's interval with the effective number of verdicts and Student's critical value.
fn interval(value: f64, variance: f64, examples: f64, confidence: f64) -> Interval {
    let tail = 0.5 * (1.0 - confidence);
    let student = t_interval_df(0.0, 1.0, examples - 1.0, confidence).hi;
    // Wilson's interval has a rule for every confidence.
    let usual = tail > 0.0 && tail < 0.5;
    let shrunk = if usual { (normal_upper_quantile(tail) / student).powi(2) } else { 1.0 };
    let spread = value * (1.0 - value);
    let size = if spread > 0.0 { spread / variance } else { examples };
    let Interval { lo, hi } = wilson(value * size * shrunk, size * shrunk, confidence);
    Interval { lo: lo.min(value), hi: hi.max(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, numbers};
    use crate::core::stats::rng;
    use proptest::prelude::*;
    use rand::RngExt;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn outcome(judge: f64, person: Option<f64>, example: usize) -> Outcome {
        Outcome { judge, person, example, weight: 1.0 }
    }

    /// Outcomes with a true rate of `p`, the first `n` of them labelled.
    fn draw(n: usize, others: usize, p: f64, seed: u64) -> Vec<Outcome> {
        let mut random = rng(seed, 0);
        let mut one = |at: usize| {
            let passes = random.random_bool(p);
            let judge = random.random_bool(if passes { 0.85 } else { 0.2 });
            let number = |yes: bool| f64::from(u8::from(yes));
            outcome(number(judge), (at < n).then(|| number(passes)), at)
        };
        (0..n + others).map(&mut one).collect()
    }

    #[test]
    fn the_estimate_equals_ppi_python_and_the_interval_the_formulas_written_out() {
        check_all(FIXTURE, "powered", 1e-9, |case| {
            let (people, judge, others) = (numbers(case, "people"), numbers(case, "judge"), numbers(case, "others"));
            let labelled = people.iter().zip(&judge).map(|(person, judge)| (*judge, Some(*person)));
            let all = labelled.chain(others.iter().map(|judge| (*judge, None)));
            let all: Vec<Outcome> = all.enumerate().map(|(at, (judge, person))| outcome(judge, person, at)).collect();
            let found = prediction_powered(&all, numbers(case, "confidence")[0]).unwrap();
            vec![found.value, found.interval.lo, found.interval.hi]
        });
    }

    #[test]
    fn more_judged_outcomes_narrow_the_interval() {
        let width = |others| {
            (0..20)
                .map(|seed| prediction_powered(&draw(100, others, 0.7, seed), 0.95).unwrap().interval.width())
                .sum::<f64>()
        };
        let (none, some, many) = (width(0), width(100), width(2000));
        assert!(many < 0.95 * some && some < none, "{none} {some} {many}");
    }

    #[test]
    fn trials_of_an_example_add_no_certainty() {
        let alone = draw(60, 200, 0.7, 3);
        let copies: Vec<Outcome> = alone.iter().flat_map(|one| [*one; 4]).collect();
        let shared: Vec<Outcome> = copies.iter().map(|one| Outcome { weight: 0.25, ..*one }).collect();
        let [alone, copies, shared] = [alone, copies, shared].map(|all| prediction_powered(&all, 0.95).unwrap());
        assert!((alone.interval.width() / copies.interval.width() - 1.0).abs() < 0.01, "{alone:?} {copies:?}");
        assert!((copies.interval.width() / shared.interval.width() - 1.0).abs() < 1e-9, "{copies:?} {shared:?}");
    }

    #[test]
    fn a_judge_that_never_erred_on_the_sample_may_still_err() {
        let perfect: Vec<Outcome> = (0..1030)
            .map(|at| f64::from(u8::from(at % 5 > 0)))
            .enumerate()
            .map(|(at, verdict)| outcome(verdict, (at < 30).then_some(verdict), at))
            .collect();
        let found = prediction_powered(&perfect, 0.95).unwrap();
        assert!((found.value - 0.8).abs() < 1e-9 && found.interval.width() > 0.1, "{found:?}");
        let all_pass: Vec<Outcome> = (0..1030).map(|at| outcome(1.0, (at < 30).then_some(1.0), at)).collect();
        let found = prediction_powered(&all_pass, 0.95).unwrap();
        assert!(found.value == 1.0 && found.interval.lo < 0.9 && found.interval.hi == 1.0, "{found:?}");
    }

    #[test]
    fn too_few_labels_and_impossible_numbers_have_no_estimate() {
        assert_eq!(prediction_powered(&draw(19, 500, 0.7, 1), 0.95), Err(Uncorrectable::TooFewLabels));
        assert_eq!(prediction_powered(&[], 0.95), Err(Uncorrectable::TooFewLabels));
        let trials: Vec<Outcome> =
            draw(30, 500, 0.7, 1).into_iter().map(|one| Outcome { example: one.example / 3, ..one }).collect();
        assert_eq!(prediction_powered(&trials, 0.95), Err(Uncorrectable::TooFewLabels), "ten examples");
        let mut odd = draw(30, 500, 0.7, 1);
        odd.push(outcome(f64::NAN, None, 1));
        assert_eq!(prediction_powered(&odd, 0.95), Err(Uncorrectable::Invalid));
        let sure = prediction_powered(&draw(30, 500, 0.7, 1), 1.0).unwrap();
        assert_eq!(sure.interval, Interval::UNIT);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate(
            rows in prop::collection::vec(
                (0.0..=1.0_f64, prop::option::of(0.0..=1.0_f64), 0_usize..40, 0.1..2.0_f64), 30..120
            ),
            confidence in any::<f64>()
        ) {
            let outcome = |(judge, person, example, weight): &(f64, Option<f64>, usize, f64)| {
                Outcome { judge: *judge, person: *person, example: *example, weight: *weight }
            };
            let outcomes: Vec<Outcome> = rows.iter().map(outcome).collect();
            if let Ok(found) = prediction_powered(&outcomes, confidence) {
                prop_assert!(found.interval.contains(found.value), "{:?}", found);
                prop_assert!((0.0..=1.0).contains(&found.lambda));
                prop_assert!(found.interval.lo >= 0.0 && found.interval.hi <= 1.0);
            }
        }
    }
}
