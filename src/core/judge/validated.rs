//! A judge held against people on the same answers: everything that can be said from pairs of scores.

use super::labels::PASS_MARK;
use super::validation::{
    Answer, BinaryAgreement, FamilyBias, GradedAgreement, LengthBias, OwnAnswer, binary_agreement, family_bias,
    graded_agreement, length_bias,
};

/// Seed of the bootstrap.
const SEED: u64 = 0;

/// An answer that people and the judge scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedAnswer {
    /// The score by people, in [0, 1].
    pub person: f64,
    /// The score by the judge, in [0, 1].
    pub judge: f64,
    /// Number of characters.
    pub length: usize,
    /// Whether a model of the judge's family wrote it; `None` if that is not known.
    pub own: Option<bool>,
}

/// How far a judge agrees with people.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// Whether there are scores other than 0 and 1, which count as a pass from [`PASS_MARK`] on.
    pub is_graded: bool,
    /// The agreement of verdicts; `None` without answers.
    pub binary: Option<BinaryAgreement>,
    /// The agreement of scores; `None` unless there are scores other than 0 and 1, on at least two answers.
    pub graded: Option<GradedAgreement>,
    /// Whether the judge favours long answers.
    pub length: LengthBias,
    /// Whether the judge favours its own family; `None` unless the family of some answers is known.
    pub family: Option<FamilyBias>,
    /// Whether the judge is better than chance on these answers: for verdicts, sensitivity and specificity add up to more
    /// than 1; for scores, the rank correlation is positive. `None` if that is undefined.
    pub better_than_chance: Option<bool>,
}

/// Holds a judge against people on different answers.
pub fn validated(answers: &[JudgedAnswer]) -> Validated {
    let passes = |score: f64| score >= PASS_MARK;
    let verdicts: Vec<(bool, bool)> =
        answers.iter().map(|answer| (passes(answer.person), passes(answer.judge))).collect();
    let is_graded = answers.iter().any(|answer| [answer.person, answer.judge].iter().any(|s| *s != 0.0 && *s != 1.0));
    let scores: Vec<(f64, f64)> = answers.iter().map(|answer| (answer.person, answer.judge)).collect();
    let graded = if is_graded { graded_agreement(&scores, SEED) } else { None };
    let binary = binary_agreement(&verdicts, SEED);
    let lengths: Vec<Answer> = answers
        .iter()
        .map(|answer| Answer { person: answer.person, judge: answer.judge, length: answer.length as f64 })
        .collect();
    let owned: Vec<OwnAnswer> = answers
        .iter()
        .filter_map(|answer| Some(OwnAnswer { person: answer.person, judge: answer.judge, own: answer.own? }))
        .collect();
    Validated {
        is_graded,
        better_than_chance: better_than_chance(binary.as_ref(), graded.as_ref()),
        binary,
        graded,
        length: length_bias(&lengths),
        family: (!owned.is_empty()).then(|| family_bias(&owned)),
    }
}

fn better_than_chance(binary: Option<&BinaryAgreement>, graded: Option<&GradedAgreement>) -> Option<bool> {
    if let Some(spearman) = graded.and_then(|graded| graded.spearman) {
        return Some(spearman.value > 0.0);
    }
    let binary = binary?;
    Some(binary.sensitivity?.value + binary.specificity?.value - 1.0 > 1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(kinds: &[(f64, f64, usize)]) -> Vec<JudgedAnswer> {
        let kind = |(person, judge, n): &(f64, f64, usize)| {
            vec![JudgedAnswer { person: *person, judge: *judge, length: 9, own: None }; *n]
        };
        kinds.iter().flat_map(kind).collect()
    }

    #[test]
    fn verdicts_have_no_agreement_of_scores() {
        let found = validated(&answers(&[(1.0, 1.0, 40), (0.0, 0.0, 30), (1.0, 0.0, 10)]));
        assert!(!found.is_graded && found.graded.is_none() && found.family.is_none());
        assert_eq!((found.binary.unwrap().accuracy.count, found.better_than_chance), (70, Some(true)));
    }

    #[test]
    fn scores_count_as_a_pass_from_the_middle_on() {
        let found = validated(&answers(&[(1.0, 0.5, 4), (0.0, 0.49, 4), (1.0, 0.2, 2)]));
        assert_eq!(found.binary.unwrap().accuracy.count, 8);
        assert!(found.is_graded && found.graded.unwrap().n == 10);
    }

    #[test]
    fn a_judge_that_passes_everything_is_no_better_than_chance() {
        assert_eq!(validated(&answers(&[(1.0, 1.0, 9), (0.0, 1.0, 9)])).better_than_chance, Some(false));
        assert_eq!(validated(&answers(&[(1.0, 0.1, 9), (0.0, 0.8, 9)])).better_than_chance, Some(false));
        assert_eq!(validated(&answers(&[(1.0, 1.0, 9)])).better_than_chance, None, "no answer fails");
        assert_eq!(validated(&[]).better_than_chance, None);
    }
}
