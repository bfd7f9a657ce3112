//! The scores of runs, corrected for the errors of their judge.

use std::collections::HashMap;

use serde_json::Value;

use super::{is_judge, judge_identity};
use crate::core::domain::{Failure, RunId, Scorer, Suite};
use crate::core::judge::validation::{Compared, Confusion, LabelledSample, Outcome, Pick, pass_rate};
use crate::core::view::{CorrectedScoreView, JudgeValidationView, LabelSample, RunJudgeValidationView};
use crate::edge::store::{RunHeader, ScorerIdentity, Store};

/// Confidence of intervals.
const CONFIDENCE: f64 = 0.95;

/// The outcomes of a run that a scorer scored, with what people say about them by example and trial. Examples count alike.
pub(super) fn judged_outcomes(
    store: &Store,
    run_id: &RunId,
    scorer: &Scorer,
    people: &HashMap<(&str, u32), f64>,
) -> Result<Vec<Outcome>, Failure> {
    let scores = store.run_scores(run_id, std::slice::from_ref(scorer))?;
    let mut outcomes = Vec::new();
    for (number, example) in scores.examples.iter().enumerate() {
        let scored = |trial: &&crate::core::compare::TrialScores| trial.scores.first().is_some_and(|s| s.is_finite());
        let trials = example.trials.iter().filter(scored);
        let weight = 1.0 / trials.clone().count().max(1) as f64;
        outcomes.extend(trials.filter_map(|trial| {
            let person = people.get(&(example.id.as_str(), trial.trial)).copied();
            Some(Outcome { judge: *trial.scores.first()?, person, example: number, weight })
        }));
    }
    Ok(outcomes)
}

/// The score of a run, corrected as far as the labels allow.
pub(super) fn corrected(
    run: &RunHeader,
    outcomes: &[Outcome],
    sample: LabelledSample<'_>,
    better_than_chance: Option<bool>,
) -> CorrectedScoreView {
    let weight: f64 = outcomes.iter().map(|outcome| outcome.weight).sum();
    let sum: f64 = outcomes.iter().map(|outcome| outcome.weight * outcome.judge).sum();
    let view = CorrectedScoreView {
        run_id: run.run_id.to_string(),
        endpoint: run.endpoint.clone(),
        prompt: run.prompt.clone(),
        outcomes: outcomes.len(),
        judged: (weight > 0.0).then(|| sum / weight),
        corrected: None,
        method: None,
        detail: String::new(),
    };
    if better_than_chance == Some(false) {
        let detail = "The judge is no better than chance on the labelled answers, so its scores cannot be corrected.";
        return CorrectedScoreView { detail: detail.to_owned(), ..view };
    }
    match pass_rate(outcomes, sample, CONFIDENCE) {
        Ok(found) => view.with(&found),
        Err(reason) => CorrectedScoreView { detail: format!("Not corrected: {reason}."), ..view },
    }
}

/// A score that is not corrected, with the reason as a sentence.
pub(super) fn uncorrected(run: &RunHeader, outcomes: &[Outcome], reason: &str) -> CorrectedScoreView {
    let none = Confusion::default();
    CorrectedScoreView {
        detail: reason.to_owned(),
        ..corrected(run, outcomes, LabelledSample::Elsewhere(&none), Some(false))
    }
}

/// The comparisons that a pairwise judge made in both orders, from verdicts in the order of the calls, each with the
/// answer that it is about. The graded answer comes first.
pub(super) fn compared<'a>(verdicts: impl Iterator<Item = (&'a str, u32, Value)>) -> Vec<Compared> {
    let known: Vec<(&str, u32, f64, bool)> = verdicts
        .filter_map(|(id, trial, verdict)| {
            Some((id, trial, verdict.get("preferred")?.as_f64()?, verdict.get("output_first")?.as_bool()?))
        })
        .collect();
    let pick = |preferred: f64, output_first: bool| {
        if preferred == 0.5 {
            Pick::Tie
        } else if (preferred == 1.0) == output_first {
            Pick::First
        } else {
            Pick::Second
        }
    };
    let pair = |pair: &[(&str, u32, f64, bool)]| match pair {
        [(id, trial, one, true), (same, number, other, false)] if id == same && trial == number => {
            Some(Compared { shown: pick(*one, true), swapped: Some(pick(*other, false)) })
        }
        _ => None,
    };
    known.windows(2).filter_map(pair).collect()
}

/// The latest validation of the first judge of a run that was validated, with the score of the run corrected by it, and a
/// note about judges that were not validated. `suite` is that of the run.
///
/// # Errors
/// A store failure.
pub(in crate::flow) fn run_validation(
    store: &Store,
    suite: &Suite,
    run: &RunHeader,
) -> Result<(Option<RunJudgeValidationView>, Option<String>), Failure> {
    let identities = store.run_scorers(&run.run_id)?;
    let (mut found, mut missing): (Option<RunJudgeValidationView>, Vec<(&Scorer, &ScorerIdentity)>) =
        (None, Vec::new());
    for scorer in suite.scorers.iter().filter(|scorer| is_judge(scorer)) {
        let Some(known) = identities.get(&scorer.name) else { continue };
        let identity = judge_identity(suite, scorer, &known.identity);
        match store.latest_validation(&suite.name, &scorer.name, &identity)? {
            None => missing.push((scorer, known)),
            Some(validation) if found.is_none() => found = Some(of_run(store, scorer, run, &validation)?),
            Some(_) => {}
        }
    }
    let several = suite.scorers.iter().filter(|scorer| is_judge(scorer)).count() > 1;
    let note = missing.first().map(|(scorer, known)| {
        let names: Vec<&str> = missing.iter().map(|(scorer, _)| scorer.name.as_str()).collect();
        let which = if several { format!(" --scorer {}", scorer.name) } else { String::new() };
        let name = suite.name.as_str();
        format!(
            "{} ({}) was not validated against people: karat judge validate {name} --labels FILE{which}",
            known.shown,
            names.join(", ")
        )
    });
    Ok((found, note))
}

fn of_run(
    store: &Store,
    scorer: &Scorer,
    run: &RunHeader,
    validation: &JudgeValidationView,
) -> Result<RunJudgeValidationView, Failure> {
    let score = match validation.scores.iter().find(|score| score.run_id == run.run_id.as_str()) {
        // A calibration set may have been judged before a run was.
        Some(score) => score.clone(),
        None => {
            let outcomes = judged_outcomes(store, &run.run_id, scorer, &HashMap::new())?;
            match &validation.agreement {
                Some(found) if validation.sample != LabelSample::ByVerdict => {
                    let sample = LabelledSample::Elsewhere(&found.confusion);
                    corrected(run, &outcomes, sample, validation.better_than_chance)
                }
                Some(_) => uncorrected(run, &outcomes, BY_VERDICT_ELSEWHERE),
                None => uncorrected(run, &outcomes, "Not corrected: no labelled answer was scored."),
            }
        }
    };
    Ok(RunJudgeValidationView {
        validation_id: validation.validation_id.clone(),
        scorer: scorer.name.clone(),
        at: validation.started_at.clone(),
        n: validation.n,
        agreement: validation.agreement.map(|found| found.accuracy),
        kappa: validation.agreement.and_then(|found| found.kappa),
        score,
    })
}

const BY_VERDICT_ELSEWHERE: &str =
    "Not corrected: labels drawn by verdict say how often the judge errs in the run they were drawn from only.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_orders_of_a_pair_belong_together() {
        let verdict =
            |preferred: f64, first: bool| json!({"score": 0.5, "preferred": preferred, "output_first": first});
        let verdicts = [
            ("a", 0, verdict(1.0, true)),
            ("a", 0, verdict(0.0, false)),
            ("b", 0, verdict(0.5, true)),
            ("c", 0, verdict(0.0, false)),
            ("d", 0, verdict(0.0, true)),
            ("d", 0, verdict(0.0, false)),
        ];
        let found = compared(verdicts.into_iter());
        let both = |shown, swapped| Compared { shown, swapped: Some(swapped) };
        assert_eq!(found, [both(Pick::First, Pick::First), both(Pick::Second, Pick::First)]);
    }
}
