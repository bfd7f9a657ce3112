//! Combines several verdicts on the same answer: both orders of a pair, and repeats.

use super::outcome::{Outcome, Place, Preference, Verdict};
use super::verdict::{MAX_REASON, one_line};

/// How far a grade may be from the combined one to agree with it: half a step of a scale with five grades.
const TOLERANCE: f64 = 0.125;

/// How the grades of repeats are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Average {
    /// The middle grade, or the mean of the two in the middle. One repeat that went astray does not move it.
    #[default]
    Median,
    /// The mean, which is finer than the scale (the G-Eval paper averages 20 samples).
    Mean,
}

/// What several verdicts on the same answer amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The combined score, with the reason and outcome of a verdict that agrees with it: for choices, the first one of
    /// the majority; for grades, the closest one.
    pub verdict: Verdict,
    /// The share of the verdicts that agree, in (0, 1] for choices and [0, 1] for grades. For choices, those that are
    /// like the combined one; for grades, those at most 0.125 from it. 1 for a single verdict.
    pub agreement: f64,
    /// The difference between the highest and the lowest score, in [0, 1].
    pub spread: f64,
    /// Number of verdicts.
    pub counted: usize,
    /// Number of repeats without a verdict.
    pub failed: usize,
    /// Number of verdicts on pairs whose orders disagree.
    pub position_bias: usize,
}

/// Combines the verdicts on a pair in both orders. Only an answer that is better in both is better; orders that disagree
/// are a tie, and count as position bias (L. Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena",
/// 2023, section 3.4). A tie in one order and a preference in the other disagree, too.
///
/// # Errors
/// Returns the sentence of the first order without a verdict, or another if a verdict is not on a pair in one order.
pub fn combine_orders(
    output_first: Result<&Verdict, &str>,
    other_first: Result<&Verdict, &str>,
) -> Result<Verdict, String> {
    let (one, two) = (output_first?, other_first?);
    let (
        Outcome::Preference { preferred: first, orders: 1, .. },
        Outcome::Preference { preferred: second, orders: 1, .. },
    ) = (&one.outcome, &two.outcome)
    else {
        return Err("verdicts on a pair in one order each are needed".to_owned());
    };
    let (preferred, favoured, reason) = if first == second {
        (*first, None, one.reason.clone())
    } else {
        // Whichever order is kinder to the answer shows which place is favoured.
        let (favoured, place) = if first > second { (Place::First, "first") } else { (Place::Second, "second") };
        let reason = format!("the orders disagree, in favour of the {place} place: {} / {}", one.reason, two.reason);
        (Preference::Tie, Some(favoured), one_line(&reason, MAX_REASON))
    };
    let outcome = Outcome::Preference { preferred, orders: 2, favoured };
    Ok(Verdict { score: preferred.score(), reason, outcome })
}

/// Combines repeats of the same judgement.
///
/// - Choices (pass or fail, relations, preferences): the most frequent one. If several are, the one with the lowest
///   score, as for the reducer `majority`; for preferences a tie, since neither answer is the safe choice.
/// - Grades and shares: their average.
/// - Repeats without a verdict are left out. If they are more than half, there is no judgement.
///
/// # Errors
/// Returns a sentence if fewer than half of the repeats, or none, have a verdict, or if verdicts of different kinds are
/// mixed.
pub fn combine_repeats(repeats: &[Result<Verdict, String>], average: Average) -> Result<Judgement, String> {
    let verdicts: Vec<&Verdict> = repeats.iter().filter_map(|repeat| repeat.as_ref().ok()).collect();
    let failed = repeats.len() - verdicts.len();
    let Some(first) = verdicts.first().filter(|_| 2 * verdicts.len() >= repeats.len()) else {
        return Err(too_few(repeats, verdicts.len()));
    };
    let kind = std::mem::discriminant(&first.outcome);
    if verdicts.iter().any(|verdict| std::mem::discriminant(&verdict.outcome) != kind) {
        return Err("the repeats of a judgement are of different kinds".to_owned());
    }
    let (verdict, agreeing) = match choice(&first.outcome) {
        Some(_) => majority(&verdicts),
        None => averaged(&verdicts, average),
    }
    .ok_or("there are no verdicts to combine")?;
    let scores = || verdicts.iter().map(|verdict| verdict.score);
    let biased = |verdict: &&&Verdict| matches!(verdict.outcome, Outcome::Preference { favoured: Some(_), .. });
    Ok(Judgement {
        verdict,
        agreement: agreeing as f64 / verdicts.len() as f64,
        spread: scores().fold(0.0, f64::max) - scores().fold(1.0, f64::min),
        counted: verdicts.len(),
        failed,
        position_bias: verdicts.iter().filter(biased).count(),
    })
}

fn too_few(repeats: &[Result<Verdict, String>], counted: usize) -> String {
    match repeats.iter().find_map(|repeat| repeat.as_ref().err()) {
        None => "there are no verdicts to combine".to_owned(),
        Some(reason) if repeats.len() == 1 => reason.clone(),
        Some(reason) => format!("only {counted} of {} judgements have a verdict; {reason}", repeats.len()),
    }
}

/// A number for each choice; `None` for grades and shares.
fn choice(outcome: &Outcome) -> Option<u8> {
    match outcome {
        Outcome::Pass(pass) => Some(u8::from(*pass)),
        Outcome::Relation(relation) => Some(*relation as u8),
        Outcome::Preference { preferred, .. } => Some(*preferred as u8),
        Outcome::Grade(_) | Outcome::Claims(_) | Outcome::Sources(_) => None,
    }
}

/// The verdict of the majority, and the number of verdicts like it.
fn majority(verdicts: &[&Verdict]) -> Option<(Verdict, usize)> {
    let like = |verdict: &Verdict| verdicts.iter().filter(|v| choice(&v.outcome) == choice(&verdict.outcome)).count();
    let most = verdicts.iter().map(|verdict| like(verdict)).max()?;
    let mut leading = verdicts.iter().filter(|verdict| like(verdict) == most);
    let first = leading.next()?;
    let others: Vec<&&Verdict> = leading.filter(|verdict| choice(&verdict.outcome) != choice(&first.outcome)).collect();
    let Outcome::Preference { orders, .. } = first.outcome else {
        let lowest =
            others.into_iter().fold(first, |low, verdict| if verdict.score < low.score { verdict } else { low });
        return Some(((*lowest).clone(), most));
    };
    if others.is_empty() {
        return Some(((*first).clone(), most));
    }
    let preferred = Preference::Tie;
    let ties = verdicts.iter().filter(|verdict| choice(&verdict.outcome) == Some(preferred as u8)).count();
    let reason = one_line(&format!("the repeats disagree: {}", first.reason), MAX_REASON);
    let outcome = Outcome::Preference { preferred, orders, favoured: None };
    Some((Verdict { score: preferred.score(), reason, outcome }, ties))
}

/// The averaged verdict, and the number of verdicts close to it.
fn averaged(verdicts: &[&Verdict], average: Average) -> Option<(Verdict, usize)> {
    let mut scores: Vec<f64> = verdicts.iter().map(|verdict| verdict.score).collect();
    scores.sort_by(f64::total_cmp);
    let score = match average {
        Average::Mean => scores.iter().sum::<f64>() / scores.len() as f64,
        Average::Median => {
            let middle = |index: usize| scores.get(index).copied();
            f64::midpoint(middle((scores.len() - 1) / 2)?, middle(scores.len() / 2)?)
        }
    };
    let distance = |verdict: &Verdict| (verdict.score - score).abs();
    let closest = verdicts.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    // Rounding must not decide whether half a step agrees.
    let agreeing = verdicts.iter().filter(|verdict| distance(verdict) <= TOLERANCE + 1e-9).count();
    Some((Verdict { score: score.clamp(0.0, 1.0), ..(*closest).clone() }, agreeing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kind::Relation;
    use super::*;

    fn grade(score: f64) -> Result<Verdict, String> {
        Ok(Verdict { score, reason: format!("graded {score}"), outcome: Outcome::Grade(score) })
    }

    fn pass(pass: bool) -> Result<Verdict, String> {
        Ok(Verdict { score: f64::from(u8::from(pass)), reason: "r".into(), outcome: Outcome::Pass(pass) })
    }

    fn relation(relation: Relation, score: f64) -> Result<Verdict, String> {
        Ok(Verdict { score, reason: "r".into(), outcome: Outcome::Relation(relation) })
    }

    fn preference(preferred: Preference, favoured: Option<Place>, orders: u32) -> Result<Verdict, String> {
        let outcome = Outcome::Preference { preferred, orders, favoured };
        Ok(Verdict { score: preferred.score(), reason: format!("{preferred:?}"), outcome })
    }

    fn failed() -> Result<Verdict, String> {
        Err("the judge's reply is empty".to_owned())
    }

    #[test]
    fn choices_go_with_the_majority_and_to_the_lower_score_if_tied() {
        let cases = [
            (vec![pass(true), pass(false), pass(true)], 1.0, 2.0 / 3.0),
            (vec![pass(true), pass(false)], 0.0, 0.5),
            (vec![pass(true)], 1.0, 1.0),
            (vec![pass(true), failed(), pass(false), pass(true), failed()], 1.0, 2.0 / 3.0),
            (vec![relation(Relation::Same, 1.0), relation(Relation::Subset, 0.4)], 0.4, 0.5),
            (vec![relation(Relation::Same, 1.0), relation(Relation::Immaterial, 1.0)], 1.0, 0.5),
            (vec![preference(Preference::Output, None, 2), preference(Preference::Other, None, 2)], 0.5, 0.0),
            (vec![preference(Preference::Tie, None, 2), preference(Preference::Other, None, 2)], 0.5, 0.5),
            (vec![preference(Preference::Other, None, 2); 2], 0.0, 1.0),
        ];
        for (repeats, score, agreement) in cases {
            let judgement = combine_repeats(&repeats, Average::Median).unwrap();
            assert_eq!((judgement.verdict.score, judgement.agreement), (score, agreement), "{repeats:?}");
        }
    }

    #[test]
    fn grades_are_averaged() {
        let repeats = [grade(0.0), grade(0.75), grade(1.0), grade(0.75)];
        let median = combine_repeats(&repeats, Average::Median).unwrap();
        assert_eq!((median.verdict.score, median.agreement, median.spread), (0.75, 0.5, 1.0));
        let mean = combine_repeats(&repeats, Average::Mean).unwrap();
        assert_eq!((mean.verdict.score, mean.agreement), (0.625, 0.5));
        assert_eq!(mean.verdict.reason, "graded 0.75");
        let two = combine_repeats(&[grade(0.5), grade(0.75)], Average::Median).unwrap();
        assert_eq!((two.verdict.score, two.agreement), (0.625, 1.0));
    }

    #[test]
    fn failed_repeats_are_left_out_and_too_few_are_no_judgement() {
        let half = combine_repeats(&[grade(1.0), failed()], Average::Mean).unwrap();
        assert_eq!((half.verdict.score, half.counted, half.failed), (1.0, 1, 1));
        let error = |repeats: &[Result<Verdict, String>]| combine_repeats(repeats, Average::Mean).unwrap_err();
        assert_eq!(
            error(&[grade(1.0), failed(), failed()]),
            "only 1 of 3 judgements have a verdict; the judge's reply is empty"
        );
        assert_eq!(error(&[failed()]), "the judge's reply is empty");
        assert_eq!(error(&[]), "there are no verdicts to combine");
        assert_eq!(error(&[grade(1.0), pass(true)]), "the repeats of a judgement are of different kinds");
    }

    #[test]
    fn orders_that_disagree_are_a_tie_and_show_the_favoured_place() {
        use Preference::{Other, Output, Tie};
        let (first, second) = (Some(Place::First), Some(Place::Second));
        let cases = [
            (Output, Output, Output, None),
            (Other, Other, Other, None),
            (Tie, Tie, Tie, None),
            (Output, Other, Tie, first),
            (Other, Output, Tie, second),
            (Output, Tie, Tie, first),
            (Tie, Output, Tie, second),
            (Other, Tie, Tie, second),
            (Tie, Other, Tie, first),
        ];
        for (one, two, expected, place) in cases {
            let verdict = |preferred| preference(preferred, None, 1).unwrap();
            let combined = combine_orders(Ok(&verdict(one)), Ok(&verdict(two))).unwrap();
            assert_eq!(
                combined.outcome,
                Outcome::Preference { preferred: expected, orders: 2, favoured: place },
                "{one:?} {two:?}"
            );
            assert_eq!(combined.score, expected.score());
            let judgement = combine_repeats(&[Ok(combined)], Average::Median).unwrap();
            assert_eq!(judgement.position_bias, usize::from(place.is_some()));
        }
    }

    #[test]
    fn both_orders_need_a_verdict_on_a_pair() {
        let one = preference(Preference::Output, None, 1).unwrap();
        let both = preference(Preference::Output, None, 2).unwrap();
        assert_eq!(combine_orders(Ok(&one), Err("no reply")).unwrap_err(), "no reply");
        assert_eq!(combine_orders(Err("no reply"), Ok(&one)).unwrap_err(), "no reply");
        for wrong in [both, grade(1.0).unwrap()] {
            let error = combine_orders(Ok(&one), Ok(&wrong)).unwrap_err();
            assert_eq!(error, "verdicts on a pair in one order each are needed");
        }
    }

    proptest! {
        #[test]
        fn combined_values_are_in_range_and_do_not_depend_on_the_order_of_repeats(
            scores in proptest::collection::vec(0.0..=1.0f64, 1..9), passes in proptest::collection::vec(any::<bool>(), 1..9),
        ) {
            let lists: [Vec<_>; 2] = [scores.iter().map(|s| grade(*s)).collect(), passes.iter().map(|p| pass(*p)).collect()];
            for repeats in lists {
                for average in [Average::Median, Average::Mean] {
                    let judgement = combine_repeats(&repeats, average).unwrap();
                    for value in [judgement.verdict.score, judgement.agreement, judgement.spread] {
                        prop_assert!((0.0..=1.0).contains(&value));
                    }
                    let reversed: Vec<_> = repeats.iter().rev().cloned().collect();
                    let other = combine_repeats(&reversed, average).unwrap();
                    prop_assert!((other.verdict.score - judgement.verdict.score).abs() < 1e-9);
                    prop_assert_eq!(other.agreement, judgement.agreement);
                }
            }
        }
    }
}
