//! Whether a judge still gives the verdicts that it gave on its frozen calibration set.

use serde::{Deserialize, Serialize};

use super::binary::Rate;
use super::{CONFIDENCE, LEVEL};
use crate::core::stats::{Interval, clustered_mean, holm, mcnemar_mid_p, paired_difference};

/// The largest change of a mean that usually does not matter.
pub const MARGIN: f64 = 0.05;

/// One item of the calibration set, judged then and now. Scores are in [0, 1]; 0 or 1 for verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rejudged {
    /// The judge's score then.
    pub old: f64,
    /// The judge's score now.
    pub new: f64,
    /// A person's score, if there is one.
    pub person: Option<f64>,
}

impl Rejudged {
    fn is_valid(&self) -> bool {
        let unit = 0.0..=1.0;
        unit.contains(&self.old) && unit.contains(&self.new) && self.person.is_none_or(|person| unit.contains(&person))
    }
}

/// How a mean over the same items changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Number of items.
    pub n: usize,
    /// The mean then.
    pub before: f64,
    /// The mean now.
    pub after: f64,
    /// Now less then, in [−1, 1].
    pub difference: f64,
    /// The 95 % score interval of the difference for paired scores (Tango 1998).
    pub interval: Interval,
    /// Two-sided p-value of no change: the mid-p-value of McNemar's test for verdicts, and otherwise that of the test
    /// that belongs to the interval.
    pub p_value: f64,
}

/// What is known about a judge that judged the same items again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// No mean changed by more than the margin, by all intervals.
    Unchanged,
    /// A mean changed, at a level of 5 % for all of them together (Holm 1979).
    Changed,
    /// Neither is shown.
    TooLittleData,
}

/// Drift of a judge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// Share of the items whose score is another one now, with the exact interval of Clopper and Pearson. A judge that
    /// answers at random changes some verdicts each time, in both directions; that alone is no drift.
    pub differing: Rate,
    /// The mean score by the judge.
    pub score: Change,
    /// The mean of 1 − |judge − person|, which is the share of equal verdicts; `None` with fewer than two people's
    /// scores.
    pub agreement: Option<Change>,
    /// What follows.
    pub verdict: DriftVerdict,
}

/// Compares the scores that a judge gave then and now. A change of a mean by up to `margin`, such as [`MARGIN`], does
/// not matter. `None` for fewer than two items, or if a score is outside of [0, 1].
pub fn drift(items: &[Rejudged], margin: f64) -> Option<Drift> {
    if !items.iter().all(Rejudged::is_valid) {
        return None;
    }
    let scores: Vec<(f64, f64)> = items.iter().map(|item| (item.old, item.new)).collect();
    let agreements: Vec<(f64, f64)> = items
        .iter()
        .filter_map(|item| {
            let person = item.person?;
            Some((1.0 - (item.old - person).abs(), 1.0 - (item.new - person).abs()))
        })
        .collect();
    let (score, agreement) = (change(&scores)?, change(&agreements));
    let changes: Vec<Change> = [score].into_iter().chain(agreement).collect();
    let p_values: Vec<f64> = changes.iter().map(|change| change.p_value).collect();
    let within = |change: &Change| change.interval.lo >= -margin && change.interval.hi <= margin;
    let verdict = if holm(&p_values).iter().any(|p| *p <= LEVEL) {
        DriftVerdict::Changed
    } else if changes.iter().all(within) {
        DriftVerdict::Unchanged
    } else {
        DriftVerdict::TooLittleData
    };
    let differing = scores.iter().filter(|(old, new)| old != new).count() as u64;
    Some(Drift { differing: Rate::exact(differing, scores.len() as u64)?, score, agreement, verdict })
}

/// The change of the mean of pairs of (then, now); `None` for fewer than two.
fn change(pairs: &[(f64, f64)]) -> Option<Change> {
    let n = pairs.len();
    let differences: Vec<f64> = pairs.iter().map(|(old, new)| new - old).collect();
    let found = paired_difference(&differences, &clustered_mean(&differences, None)?, CONFIDENCE);
    let count = |difference: f64| differences.iter().filter(|found| **found == difference).count();
    let (fallen, risen) = (count(-1.0), count(1.0));
    let verdicts = fallen + risen + count(0.0) == n;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n as f64;
    Some(Change {
        n,
        before: mean(|pair| pair.0),
        after: mean(|pair| pair.1),
        difference: found.difference,
        interval: found.interval,
        p_value: if verdicts { mcnemar_mid_p(fallen as u64, risen as u64) } else { found.p_value },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, counts};
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn items(kinds: &[(f64, f64, Option<f64>, usize)]) -> Vec<Rejudged> {
        let kind = |(old, new, person, count): &(f64, f64, Option<f64>, usize)| {
            vec![Rejudged { old: *old, new: *new, person: *person }; *count]
        };
        kinds.iter().flat_map(kind).collect()
    }

    #[test]
    fn the_change_of_verdicts_equals_the_reference() {
        check_all(FIXTURE, "drift", 1e-9, |case| {
            let c: Vec<usize> = counts(case, "counts").into_iter().map(|count| count as usize).collect();
            let all = [(1.0, 1.0, None, c[0]), (1.0, 0.0, None, c[1]), (0.0, 1.0, None, c[2]), (0.0, 0.0, None, c[3])];
            let found = drift(&items(&all), MARGIN).unwrap();
            vec![found.differing.value, found.differing.interval.lo, found.differing.interval.hi, found.score.p_value]
        });
    }

    #[test]
    fn the_same_verdicts_on_many_items_are_unchanged_and_on_few_too_little_data() {
        let same = |n| items(&[(1.0, 1.0, Some(1.0), n), (0.0, 0.0, Some(0.0), n), (1.0, 1.0, Some(0.0), n / 4)]);
        let many = drift(&same(100), MARGIN).unwrap();
        assert_eq!((many.verdict, many.differing.value, many.score.p_value), (DriftVerdict::Unchanged, 0.0, 1.0));
        assert!((many.agreement.unwrap().before - 8.0 / 9.0).abs() < 1e-12);
        assert_eq!(drift(&same(8), MARGIN).unwrap().verdict, DriftVerdict::TooLittleData);
    }

    #[test]
    fn a_judge_that_became_stricter_has_changed() {
        let found = drift(&items(&[(1.0, 1.0, None, 80), (1.0, 0.0, None, 15), (0.0, 0.0, None, 40)]), MARGIN).unwrap();
        assert_eq!((found.verdict, found.agreement), (DriftVerdict::Changed, None));
        assert!((found.score.difference + 15.0 / 135.0).abs() < 1e-12 && found.score.interval.hi < 0.0, "{found:?}");
    }

    #[test]
    fn worse_agreement_at_the_same_pass_rate_has_changed() {
        let kinds = [
            (1.0, 0.0, Some(1.0), 15),
            (0.0, 1.0, Some(0.0), 15),
            (1.0, 1.0, Some(1.0), 50),
            (0.0, 0.0, Some(0.0), 50),
        ];
        let found = drift(&items(&kinds), MARGIN).unwrap();
        assert_eq!(
            (found.score.difference, found.score.p_value > 0.9, found.verdict),
            (0.0, true, DriftVerdict::Changed)
        );
        assert!((found.agreement.unwrap().difference + 30.0 / 130.0).abs() < 1e-12);
    }

    #[test]
    fn graded_scores_are_compared_by_their_mean() {
        let found =
            drift(&items(&[(0.5, 0.75, Some(0.5), 30), (0.25, 0.5, Some(0.25), 30), (0.5, 0.5, None, 5)]), MARGIN)
                .unwrap();
        assert_eq!((found.verdict, found.agreement.unwrap().n), (DriftVerdict::Changed, 60));
        assert!((found.agreement.unwrap().after - 0.75).abs() < 1e-12);
    }

    #[test]
    fn too_few_items_and_impossible_scores_have_no_result() {
        assert_eq!(drift(&[], MARGIN), None);
        assert_eq!(drift(&items(&[(1.0, 1.0, None, 1)]), MARGIN), None);
        for odd in [f64::NAN, -0.1, 1.1] {
            assert_eq!(drift(&items(&[(1.0, odd, None, 9)]), MARGIN), None);
            assert_eq!(drift(&items(&[(1.0, 1.0, Some(odd), 9)]), MARGIN), None);
        }
        let one = drift(&items(&[(1.0, 1.0, Some(1.0), 1), (1.0, 1.0, None, 9)]), MARGIN).unwrap();
        assert_eq!(one.agreement, None, "one person's score");
    }

    proptest! {
        #[test]
        fn reversing_time_reverses_the_change(
            rows in prop::collection::vec((any::<bool>(), any::<bool>(), prop::option::of(any::<bool>())), 2..80)
        ) {
            let number = |yes: bool| f64::from(u8::from(yes));
            let of = |turn: bool| {
                let item = |(old, new, person): &(bool, bool, Option<bool>)| {
                    let (old, new) = if turn { (new, old) } else { (old, new) };
                    Rejudged { old: number(*old), new: number(*new), person: person.map(number) }
                };
                drift(&rows.iter().map(item).collect::<Vec<_>>(), MARGIN).unwrap()
            };
            let (found, turned) = (of(false), of(true));
            prop_assert_eq!(found.verdict, turned.verdict);
            prop_assert!((found.score.difference + turned.score.difference).abs() < 1e-12);
            prop_assert!((found.score.interval.lo + turned.score.interval.hi).abs() < 1e-9);
            prop_assert!(found.score.interval.contains(found.score.difference));
            prop_assert!((0.0..=1.0).contains(&found.score.p_value));
        }
    }
}
