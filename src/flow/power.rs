//! How many examples or repeats the gates and comparisons of a suite need, from the variance of its stored runs.

use std::collections::BTreeSet;

use super::Workspace;
use super::compare::baseline::edited;
use super::run::suite_of_run;
use crate::core::compare::{RunScores, common};
use crate::core::domain::{Failure, Gate, GateLimit, GateMeasure, Suite};
use crate::core::power::{Aim, Components, Sides, components};
use crate::core::stats::sample_variance;
use crate::core::view::{NeededExamples, PowerRow, PowerView};
use crate::edge::store::StoredRun;

/// Numbers of repeats for which examples are counted.
const REPEATS: [usize; 4] = [1, 3, 5, 10];

/// Number of finished runs searched for those to learn from.
const SEARCHED: usize = 200;

/// Level of a two-sided comparison.
const COMPARE_LEVEL: f64 = 0.05;

/// Plans the gates and comparisons of a suite so that a difference of `effect` is found with this power.
///
/// # Errors
/// A data failure if the suite was never run; a store failure.
pub fn plan_power(workspace: &Workspace, suite: &Suite, effect: f64, power: f64) -> Result<PowerView, Failure> {
    let store = &workspace.store;
    let runs = store.finished_runs(&suite.name, None, SEARCHED)?;
    let Some(last) = runs.first() else {
        return Err(Failure::data(format!("the suite {} has no finished run to learn the variance from", suite.name))
            .hint(format!(
                "run it once: karat run {}; a pilot of 30 examples with --repeat 3 tells most",
                suite.name
            )));
    };
    let scores = read(workspace, last)?;
    let mut rows = Vec::new();
    let mut asked: Vec<Question> = suite.gates.iter().filter_map(|gate| question(gate, power)).collect();
    if let (true, Some(scorer)) = (asked.is_empty(), suite.scorers.first()) {
        let aim = Aim { level: 0.5 * COMPARE_LEVEL, power, sides: Sides::One };
        asked.push((format!("mean of {}", scorer.name), scorer.name.clone(), aim, None));
    }
    for (question, scorer, aim, at_minimum) in asked {
        let values = trials(&scores, &scorer);
        let (endpoint, repeats) = (last.header.endpoint.clone(), last.header.repeats);
        let about = About { question, scorer, endpoint, repeats, at_minimum };
        rows.extend(row(about, &values, effect, aim));
    }
    if let (Some(other), Some(scorer)) = (comparable(&runs, last), suite.scorers.first()) {
        let base = read(workspace, other)?;
        let changed = edited(store, &other.header, &last.header)?;
        let values = differences(&base, &scores, &changed, &scorer.name);
        let of = |run: &StoredRun| {
            let prompt = run.header.prompt.as_ref().map(|prompt| format!(" · {prompt}")).unwrap_or_default();
            format!("{}{prompt}", run.header.endpoint)
        };
        let about = About {
            question: format!("{} against {}", of(last), of(other)),
            scorer: scorer.name.clone(),
            endpoint: last.header.endpoint.clone(),
            repeats: last.header.repeats.min(other.header.repeats),
            at_minimum: None,
        };
        rows.extend(row(about, &values, effect, Aim { level: COMPARE_LEVEL, power, sides: Sides::Two }));
    }
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.within.is_none()) {
        notes.push("without repeats, karat cannot tell variance between examples from variance between trials: run once with --repeat 3 to see what repeats would save".to_owned());
    }
    Ok(PowerView { schema: "karat.power/1".into(), suite: suite.name.clone(), effect, power, rows, notes })
}

/// A question, its scorer, the aim of its test, and the variance of a single 0/1 score at the minimum of a gate.
type Question = (String, String, Aim, Option<f64>);

/// The question that a gate on scores asks.
fn question(gate: &Gate, power: f64) -> Option<Question> {
    let (GateMeasure::Score(scorer) | GateMeasure::Contract(scorer)) = &gate.measure else { return None };
    let GateLimit::Min(min) = gate.limit else { return None };
    let aim = Aim { level: 0.5 * (1.0 - gate.confidence), power, sides: Sides::One };
    Some((gate.name(), scorer.clone(), aim, Some(min * (1.0 - min))))
}

fn read(workspace: &Workspace, run: &StoredRun) -> Result<RunScores, Failure> {
    let suite = suite_of_run(&workspace.store, &run.header)?;
    workspace.store.run_scores(&run.header.run_id, &suite.scorers)
}

/// The latest run that may be compared with `last`: on another endpoint or prompt, or else an earlier one of the same.
fn comparable<'a>(runs: &'a [StoredRun], last: &StoredRun) -> Option<&'a StoredRun> {
    let of = |run: &StoredRun| (run.header.endpoint.clone(), run.header.prompt.clone());
    let others = || runs.iter().filter(|run| run.header.run_id != last.header.run_id);
    others().find(|run| of(run) != of(last)).or_else(|| others().next())
}

/// The scores of the trials of every example.
fn trials(run: &RunScores, scorer: &str) -> Vec<Vec<f64>> {
    let Some((place, _)) = run.scorer(scorer) else { return Vec::new() };
    run.examples.iter().map(|example| example.values(place)).filter(|values| !values.is_empty()).collect()
}

/// The differences of the trials of every example that both runs have.
fn differences(base: &RunScores, run: &RunScores, changed: &BTreeSet<String>, scorer: &str) -> Vec<Vec<f64>> {
    let (Some((before, _)), Some((after, _))) = (base.scorer(scorer), run.scorer(scorer)) else { return Vec::new() };
    let of = |(first, second): (usize, usize)| {
        let (first, second) = (base.examples.get(first)?.values(before), run.examples.get(second)?.values(after));
        Some(second.iter().zip(&first).map(|(after, before)| after - before).collect::<Vec<f64>>())
    };
    common(base, run, changed).into_iter().filter_map(of).filter(|values| !values.is_empty()).collect()
}

/// What a row is about.
struct About {
    question: String,
    scorer: String,
    endpoint: String,
    repeats: u32,
    /// The variance of a single 0/1 score at the minimum of a gate.
    at_minimum: Option<f64>,
}

/// The plan of one question; `None` for fewer than two examples.
fn row(about: About, values: &[Vec<f64>], effect: f64, aim: Aim) -> Option<PowerRow> {
    let known = components(values);
    let means: Vec<f64> = values.iter().map(|trials| trials.iter().sum::<f64>() / trials.len() as f64).collect();
    let mut variance = known.or_else(|| Some(Components { between: sample_variance(&means)?, within: 0.0 }))?;
    if variance.between + variance.within == 0.0 {
        // Scores that never varied say nothing about those of a worse model, whose variance is at least this large.
        variance.between = about.at_minimum?;
    }
    // More repeats save nothing that is known if no example has several trials.
    let repeats = REPEATS.iter().filter(|repeats| **repeats == 1 || known.is_some());
    let needed = repeats
        .map(|repeats| NeededExamples { repeats: *repeats, examples: variance.examples_needed(effect, *repeats, aim) });
    Some(PowerRow {
        examples: values.len(),
        repeats: about.repeats,
        between: variance.between,
        within: known.map(|known| known.within),
        level: aim.level,
        two_sided: aim.sides == Sides::Two,
        detectable: variance.detectable_effect(values.len(), about.repeats as usize, aim),
        needed: needed.collect(),
        question: about.question,
        scorer: about.scorer,
        endpoint: about.endpoint,
    })
}
