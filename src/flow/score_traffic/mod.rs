//! Scores production's answers: the scorers of a suite that need no accepted answer, on a sample of a window of stored
//! traffic, beside the scores of the golden set. It is a measurement, and writes nothing but scores of traffic: no label,
//! no flag and no example.

mod golden;
mod sample;
mod work;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use self::golden::Golden;
use self::sample::TrafficSample;
use self::work::{Limits, Plan, Scores, score_all};
use super::event::Stopped;
use super::run::budget::Budget;
use super::run::no_price;
use super::scoring::Evaluators;
use super::{Events, Workspace};
use crate::core::domain::{Failure, Score, Scorer, Suite, did_you_mean};
use crate::core::scoring::not_for_traffic;
use crate::core::traffic_scores::{CONFIDENCE, ScorerScores, scorer_view, summary};
use crate::core::view::{NotApplicableView, TrafficScoresView};
use crate::edge::net::Limiters;

/// Options for scoring traffic.
#[derive(Debug, Clone)]
pub struct ScoreTrafficOptions {
    /// The traffic source; `None` for the card's, or else `default`.
    pub source: Option<String>,
    /// The window; `None` for the workspace's default.
    pub window: Option<String>,
    /// Number of records to sample.
    pub sample: usize,
    /// Seed of the sample.
    pub seed: u64,
    /// Names of the scorers to use; all that can be used if empty.
    pub scorers: Vec<String>,
    /// Maximum concurrent requests.
    pub concurrency: usize,
    /// Maximum total cost, in the currency of the endpoints' prices.
    pub max_cost: Option<f64>,
}

/// What became of scoring traffic.
pub struct ScoredTraffic {
    /// The result.
    pub view: TrafficScoresView,
    /// Why it ended early, if it did.
    pub stopped: Option<Stopped>,
    /// Whether scorers failed on more records than the suite tolerates.
    pub too_many_errors: bool,
}

/// Scores a sample of production's answers. Scores are stored as they are made, and those that are stored are not asked
/// for again.
///
/// # Errors
/// A data failure if no scorer of the suite can score traffic, if the window has no record with an output, or if what a
/// scorer needs cannot be used; a store failure.
pub async fn score_traffic(
    workspace: &Workspace,
    suite: &Suite,
    options: &ScoreTrafficOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<ScoredTraffic, Failure> {
    let (chosen, not_applicable) = chosen_scorers(suite, &options.scorers)?;
    let limiters = Limiters::default();
    let evaluators = Arc::new(Evaluators::prepare(workspace, suite, chosen.iter(), &limiters, options.concurrency)?);
    if let Some(name) = evaluators.unpriced().filter(|_| options.max_cost.is_some()) {
        return Err(no_price(name));
    }
    let sample = TrafficSample::load(workspace, &suite.dataset, options, now, events)?;
    let plans = Plan::all(suite, &chosen, &evaluators)?;
    let limits =
        Limits { stop, budget: Arc::new(Budget::new(options.max_cost)), concurrency: options.concurrency.max(1) };
    let scores = score_all(workspace, &sample, &plans, &evaluators, limits, events).await?;
    let golden = Golden::load(workspace, suite, &chosen, &evaluators)?;
    Ok(result(suite, options, sample, &plans, scores, golden, not_applicable))
}

/// The scorers to use, and those that cannot be.
fn chosen_scorers(suite: &Suite, names: &[String]) -> Result<(Vec<Scorer>, Vec<NotApplicableView>), Failure> {
    let known: Vec<&str> = suite.scorers.iter().map(|scorer| scorer.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::data(format!("the suite {} has no scorer \"{unknown}\"", suite.name)).hint(did_you_mean(
            unknown,
            &known,
            "there are",
        )));
    }
    let (mut chosen, mut not_applicable) = (Vec::new(), Vec::new());
    for scorer in suite.scorers.iter().filter(|scorer| names.is_empty() || names.contains(&scorer.name)) {
        match not_for_traffic(scorer) {
            None => chosen.push(scorer.clone()),
            Some(reason) => not_applicable.push(NotApplicableView { scorer: scorer.name.clone(), reason }),
        }
    }
    if chosen.is_empty() {
        let reasons = not_applicable.iter().map(|of| format!("{}: {}", of.scorer, of.reason)).collect();
        return Err(Failure::data(format!("no scorer of the suite {} can score production's answers", suite.name))
            .details(reasons)
            .hint("add one that needs no accepted answer, such as no_pii, refusal, json_schema, length or a rubric"));
    }
    Ok((chosen, not_applicable))
}

fn result(
    suite: &Suite,
    options: &ScoreTrafficOptions,
    sample: TrafficSample,
    plans: &[Arc<Plan>],
    scores: Scores,
    mut golden: Golden,
    not_applicable: Vec<NotApplicableView>,
) -> ScoredTraffic {
    let views: Vec<_> = plans
        .iter()
        .zip(&scores.by_plan)
        .map(|(plan, of_plan)| {
            let golden = golden.take(&plan.scorer.name);
            let evaluator = plan.evaluator.clone();
            let of = ScorerScores { scorer: &plan.scorer.name, evaluator, scores: of_plan, golden };
            scorer_view(&sample.records, sample.cluster_names.as_ref(), of)
        })
        .collect();
    let has_failed = |place: &usize| {
        scores.by_plan.iter().any(|of_plan| matches!(of_plan.get(*place), Some(Some(Score::Failed(_)))))
    };
    let errors = (0..sample.records.len()).filter(has_failed).count();
    let too_many_errors = errors as f64 > suite.error_tolerance * sample.records.len() as f64;
    let window = sample.window.window().label();
    let summary = views.first().map(|first| summary(first, sample.records.len(), sample.with_output, &window));
    let mut notes = sample.notes;
    notes.extend(golden.notes);
    notes.extend(reducer_note(plans));
    if too_many_errors {
        let records = sample.records.len();
        notes.push(format!("scorers failed on {errors} of {records} records, more than the suite tolerates"));
    }
    let view = TrafficScoresView {
        schema: "karat.traffic_scores/1".into(),
        suite: suite.name.clone(),
        suite_version: suite.version.clone(),
        dataset: suite.dataset.clone(),
        summary: summary.unwrap_or_default(),
        source: sample.source,
        with_output: sample.with_output,
        sampled: sample.records.len(),
        groups: sample.groups,
        seed: options.seed,
        golden_run: golden.run,
        clustering_version: sample.clustering_version,
        scorers: views,
        not_applicable,
        errors,
        finished: scores.stopped.is_none(),
        stopped: scores.stopped.as_ref().map(Stopped::sentence),
        reused: scores.reused,
        cost: (scores.spent > 0.0).then_some(scores.spent),
        confidence: CONFIDENCE,
        window: sample.window,
        notes,
    };
    ScoredTraffic { view, stopped: scores.stopped, too_many_errors }
}

/// Tells that a reducer of repeats does not apply.
fn reducer_note(plans: &[Arc<Plan>]) -> Option<String> {
    let reduced: Vec<&str> =
        plans.iter().filter(|plan| !plan.scorer.reduce.is_mean()).map(|plan| plan.scorer.name.as_str()).collect();
    let note = || {
        format!("production answers once, so repeats of the golden set count as their mean for {}", reduced.join(", "))
    };
    (!reduced.is_empty()).then(note)
}
