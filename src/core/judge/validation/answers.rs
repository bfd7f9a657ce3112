//! Whether a judge favours long answers, or answers of its own model family.

use serde::{Deserialize, Serialize};

use super::regression::{Effect, effect_given_person};
use super::{Bias, CONFIDENCE, Estimate};
use crate::core::stats::{Interval, PairedDifference, clustered_mean, paired_difference};

/// Smallest number of answers about which something is said.
const LEAST: usize = 20;

/// Smallest number of answers of either family.
const LEAST_OF_FAMILY: usize = 10;

/// An answer with its length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The score by a person, in [0, 1].
    pub person: f64,
    /// The score by the judge, in [0, 1].
    pub judge: f64,
    /// Length in any unit, at least 0; below 1 it counts as 1.
    pub length: f64,
}

/// The answers of about a third of all lengths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Third {
    /// Length of the shortest.
    pub shortest: f64,
    /// Length of the longest.
    pub longest: f64,
    /// Their number.
    pub n: usize,
    /// Mean of judge − person, in [−1, 1], with the score interval for paired scores (Tango 1998).
    pub difference: Estimate,
}

/// Whether a judge favours long answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LengthBias {
    /// Number of answers.
    pub n: usize,
    /// How much higher the judge scores an answer of twice the length that people score alike; `None` if the lengths do
    /// not vary.
    pub per_doubling: Option<Effect>,
    /// The short, the middle and the long answers, as far as lengths differ. What they show also depends on how people
    /// score long and short answers.
    pub thirds: Vec<Third>,
    /// Whether it favours them, by `per_doubling`.
    pub bias: Bias,
}

/// Whether the judge favours long answers: the effect of the binary logarithm of the length on its score, given that of
/// people (least squares with HC3 errors). Answers with numbers out of range are ignored.
pub fn length_bias(answers: &[Answer]) -> LengthBias {
    let usable =
        |answer: &&Answer| answer.length >= 0.0 && answer.length.is_finite() && in_range(answer.person, answer.judge);
    let mut answers: Vec<Answer> = answers.iter().filter(usable).copied().collect();
    answers.sort_by(|a, b| a.length.total_cmp(&b.length));
    let column = |of: fn(&Answer) -> f64| -> Vec<f64> { answers.iter().map(of).collect() };
    let doublings = column(|answer| answer.length.max(1.0).log2());
    let per_doubling = effect_given_person(&column(|answer| answer.judge), &column(|answer| answer.person), &doublings);
    let length = |at: usize| answers.get(at).map_or(0.0, |answer| answer.length);
    let (first, second) = (length(answers.len() / 3), length(answers.len() * 2 / 3));
    // Answers of one length stay together.
    let bounds = [
        0,
        answers.partition_point(|answer| answer.length < first),
        answers.partition_point(|answer| answer.length < second),
        answers.len(),
    ];
    let thirds = bounds.windows(2).filter_map(|ends| third(answers.get(*ends.first()?..*ends.last()?)?)).collect();
    LengthBias { n: answers.len(), bias: bias(per_doubling, answers.len() >= LEAST), per_doubling, thirds }
}

fn third(answers: &[Answer]) -> Option<Third> {
    let difference = difference(answers.iter().map(|answer| (answer.person, answer.judge)))?;
    Some(Third {
        shortest: answers.first()?.length,
        longest: answers.last()?.length,
        n: answers.len(),
        difference: Estimate { value: difference.difference, interval: difference.interval },
    })
}

/// An answer of the judge's own model family or of another one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OwnAnswer {
    /// The score by a person, in [0, 1].
    pub person: f64,
    /// The score by the judge, in [0, 1].
    pub judge: f64,
    /// Whether a model of the judge's family wrote it.
    pub own: bool,
}

/// Whether a judge favours answers of its own model family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FamilyBias {
    /// Number of answers of its family.
    pub own: usize,
    /// Number of other answers.
    pub others: usize,
    /// How much higher judge − person is on average for answers of its family, in [−2, 2], with an interval that
    /// combines the score intervals of both means (Tango 1998, Zou & Donner 2008). It differs from 0 also without any
    /// bias if one family is better than the other and the judge errs. `None` if either has fewer than two answers.
    pub difference: Option<Estimate>,
    /// How much higher the judge scores answers of its family that people score alike; `None` if there is nothing to
    /// compare.
    pub given_person: Option<Effect>,
    /// Whether it favours them, by `given_person`.
    pub bias: Bias,
}

/// Whether the judge favours answers of its own model family. Answers with numbers out of range are ignored.
pub fn family_bias(answers: &[OwnAnswer]) -> FamilyBias {
    let usable = |answer: &&OwnAnswer| in_range(answer.person, answer.judge);
    let answers: Vec<OwnAnswer> = answers.iter().filter(usable).copied().collect();
    let of = |own: bool| answers.iter().filter(move |answer| answer.own == own);
    let column = |of: fn(&OwnAnswer) -> f64| -> Vec<f64> { answers.iter().map(of).collect() };
    let given_person = effect_given_person(
        &column(|answer| answer.judge),
        &column(|answer| answer.person),
        &column(|answer| f64::from(u8::from(answer.own))),
    );
    let mean = |own: bool| difference(of(own).map(|answer| (answer.person, answer.judge)));
    let (own, others) = (of(true).count(), of(false).count());
    let enough = own.min(others) >= LEAST_OF_FAMILY;
    let difference = mean(true).zip(mean(false)).map(|(own, others)| between(&own, &others));
    FamilyBias { own, others, difference, given_person, bias: bias(given_person, enough) }
}

/// The difference of two independent means by the recovery of their variances.
fn between(one: &PairedDifference, other: &PairedDifference) -> Estimate {
    let value = one.difference - other.difference;
    let below = (one.difference - one.interval.lo).hypot(other.interval.hi - other.difference);
    let above = (one.interval.hi - one.difference).hypot(other.difference - other.interval.lo);
    Estimate { value, interval: Interval { lo: value - below, hi: value + above } }
}

fn bias(effect: Option<Effect>, enough: bool) -> Bias {
    match effect {
        Some(effect) if enough => Bias::of(effect.value, effect.p_value),
        _ => Bias::TooLittleData,
    }
}

fn in_range(person: f64, judge: f64) -> bool {
    (0.0..=1.0).contains(&person) && (0.0..=1.0).contains(&judge)
}

/// The mean of judge − person, from (person, judge).
fn difference(pairs: impl Iterator<Item = (f64, f64)>) -> Option<PairedDifference> {
    let differences: Vec<f64> = pairs.map(|(person, judge)| judge - person).collect();
    Some(paired_difference(&differences, &clustered_mean(&differences, None)?, CONFIDENCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use proptest::prelude::*;
    use rand::RngExt;

    /// Answers of which long ones are worse; the judge passes right answers of length 100 with probability 0.85, and
    /// wrong ones with 0.2; each doubling adds `favour`.
    fn answers(n: usize, favour: f64, seed: u64) -> Vec<Answer> {
        let mut random = rng(seed, 0);
        let number = |yes: bool| f64::from(u8::from(yes));
        let mut one = |_| {
            let doublings: f64 = random.random_range(-2.0..2.0);
            let passes = random.random_bool(0.6 - 0.15 * doublings);
            let chance = if passes { 0.85 } else { 0.2 } + favour * doublings;
            Answer {
                person: number(passes),
                judge: number(random.random_bool(chance)),
                length: 100.0 * doublings.exp2(),
            }
        };
        (0..n).map(&mut one).collect()
    }

    #[test]
    fn a_judge_that_favours_long_answers_is_found() {
        let found = length_bias(&answers(600, 0.05, 1));
        assert_eq!(found.bias, Bias::Favours);
        assert!(found.per_doubling.unwrap().interval.lo > 0.0 && found.thirds.len() == 3, "{found:?}");
        let turned = length_bias(&answers(600, -0.05, 1));
        assert_eq!(turned.bias, Bias::Disfavours, "{turned:?}");
    }

    #[test]
    fn long_answers_that_are_worse_are_no_bias() {
        let (mut given, mut plain) = (0, 0);
        for seed in 0..200 {
            let found = length_bias(&answers(300, 0.0, seed));
            given += u32::from(found.bias != Bias::NotShown);
            let [short, .., long] = found.thirds.as_slice() else { panic!("{found:?}") };
            plain += u32::from(long.difference.interval.lo > short.difference.interval.hi);
        }
        assert!(given <= 20, "{given} of 200 at a level of 5 %");
        assert!(plain > 2 * given, "thirds differ in {plain} of 200");
    }

    #[test]
    fn thirds_keep_answers_of_one_length_together() {
        let of = |lengths: &[f64]| {
            let answers: Vec<Answer> =
                lengths.iter().map(|length| Answer { person: 1.0, judge: 1.0, length: *length }).collect();
            length_bias(&answers).thirds.iter().map(|third| third.n).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [2, 2, 2]);
        assert_eq!(of(&[7.0; 9]), [9]);
        assert_eq!(of(&[]), [0_usize; 0]);
    }

    #[test]
    fn few_or_impossible_answers_are_too_little_data() {
        assert_eq!(length_bias(&answers(19, 0.0, 1)).bias, Bias::TooLittleData);
        let odd = [f64::NAN, f64::INFINITY, -1.0].map(|length| Answer { person: 1.0, judge: 1.0, length });
        assert_eq!(length_bias(&odd).n, 0);
        let wrong = Answer { person: 2.0, judge: 1.0, length: 1.0 };
        assert_eq!(length_bias(&[wrong]).n, 0);
        assert_eq!(family_bias(&[]).bias, Bias::TooLittleData);
        let zero = Answer { person: 1.0, judge: 1.0, length: 0.0 };
        assert_eq!(length_bias(&[zero; 30]).per_doubling, None);
    }

    fn family(n: usize, favour: f64, seed: u64) -> Vec<OwnAnswer> {
        let mut random = rng(seed, 1);
        let number = |yes: bool| f64::from(u8::from(yes));
        let mut one = |at: usize| {
            let own = at.is_multiple_of(2);
            let passes = random.random_bool(if own { 0.5 } else { 0.8 });
            let chance = if passes { 0.85 } else { 0.2 } + if own { favour } else { 0.0 };
            OwnAnswer { person: number(passes), judge: number(random.random_bool(chance)), own }
        };
        (0..n).map(&mut one).collect()
    }

    #[test]
    fn a_judge_that_favours_its_family_is_found() {
        let found = family_bias(&family(400, 0.15, 1));
        assert_eq!((found.own, found.others, found.bias), (200, 200, Bias::Favours));
        assert!(found.difference.unwrap().value > 0.1, "{found:?}");
    }

    #[test]
    fn a_family_that_is_worse_is_not_favoured() {
        let (mut given, mut plain) = (0, 0);
        for seed in 0..200 {
            let found = family_bias(&family(400, 0.0, seed));
            given += u32::from(found.bias != Bias::NotShown);
            plain += u32::from(found.difference.unwrap().interval.lo > 0.0);
        }
        assert!(given <= 20, "{given} of 200 at a level of 5 %");
        assert!(plain > 100, "the plain difference finds one in {plain} of 200");
    }

    proptest! {
        #[test]
        fn every_answer_is_in_one_third(
            rows in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64, 0_u32..12), 0..60)
        ) {
            let answer = |(person, judge, length): &(f64, f64, u32)| {
                Answer { person: *person, judge: *judge, length: f64::from(*length) }
            };
            let answers: Vec<Answer> = rows.iter().map(answer).collect();
            let found = length_bias(&answers);
            prop_assert_eq!(found.n, rows.len());
            prop_assert!(found.thirds.iter().map(|third| third.n).sum::<usize>() <= rows.len());
            prop_assert!(found.thirds.windows(2).all(|pair| pair[0].longest < pair[1].shortest));
            prop_assert!(found.thirds.iter().all(|third| third.difference.interval.contains(third.difference.value)));
        }
    }
}
