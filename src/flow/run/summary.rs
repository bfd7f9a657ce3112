//! The summary of a stored run: its outcomes with gates, slices and what changed since earlier runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::core::domain::{Example, Failure, ParitySettings, RunId, Scorer, ScorerKind, Suite};
use crate::core::gate::{GatePast, History};
use crate::core::quality::{RunContext, RunIdentity, RunTally, classifier, is_answer, needs_scores_by_example};
use crate::core::slices::{Slices, example_clusters, no_clusters};
use crate::core::stats::clopper_pearson;
use crate::core::verdict::{Verdict, overall};
use crate::core::view::{ClaimIs, ClaimView, JudgeView, PositionView, RunView};
use crate::edge::config::{ClaimFile, suite_from_content};
use crate::edge::store::{JudgeTotals, PastRun, RunHeader, Store, StoredRun};
use crate::flow::compare::baseline::baselines;
use crate::flow::validate::run_validation;
use crate::flow::{Workspace, slices};

/// Largest number of earlier runs read for the history of gates.
const EARLIER: usize = 60;

/// Returns the summary of a run that has just ended, with its gates evaluated and saved if it is finished.
///
/// # Errors
/// A store failure.
pub(super) fn evaluate(workspace: &Workspace, suite: &Suite, run_id: &RunId) -> Result<RunView, Failure> {
    let view = summarize(workspace, suite, run_id)?;
    if view.finished {
        workspace.store.save_results(&view)?;
    }
    Ok(view)
}

/// Returns the summary of a stored run. `suite` must be the suite of the run. Gates have the results that were saved when
/// the run ended, since their baselines may have moved since then.
///
/// # Errors
/// A store failure.
pub fn stored_view(workspace: &Workspace, suite: &Suite, run_id: &RunId) -> Result<RunView, Failure> {
    let mut view = summarize(workspace, suite, run_id)?;
    let gates = workspace.store.gate_results(run_id)?;
    if !gates.is_empty() {
        if view.verdict != Verdict::Incomplete {
            view.verdict = overall(&gates);
        }
        view.gates = gates;
    }
    Ok(view)
}

/// The suite of a run, as it was then.
///
/// # Errors
/// A store failure.
pub fn suite_of_run(store: &Store, run: &RunHeader) -> Result<Suite, Failure> {
    let gone = || Failure::store(format!("the suite of run {} is missing from the database", run.run_id));
    let content = store.suite_content(&run.suite, &run.suite_version)?.ok_or_else(gone)?;
    suite_from_content(&run.suite, &run.suite_version, &content)
}

fn summarize(workspace: &Workspace, suite: &Suite, run_id: &RunId) -> Result<RunView, Failure> {
    let store = &workspace.store;
    let gone = |what: &str| Failure::store(format!("the {what} of run {run_id} is missing from the database"));
    let run = store.run(run_id.as_str())?.ok_or_else(|| gone("header"))?;
    let mut tally = RunTally::new(suite);
    store.each_outcome(&run.header.run_id, &mut |outcome| tally.push(outcome))?;
    let mut before = store.runs_before(&run, EARLIER)?;
    if let Some(last) = before.first_mut().filter(|last| last.models.is_empty()) {
        // Runs of older versions of karat did not store them with the run.
        last.models = store.reported_models(&last.run.header.run_id)?;
    }
    let mut context = RunContext { notes: model_notes(&before, &tally.models()), ..RunContext::default() };
    context.history = history(&run, &tally.models(), &before);
    let missed: HashSet<&str> = tally.missed().into_iter().collect();
    if needs_scores_by_example(suite) {
        let examples = store.stored_examples(&run.header.dataset, &run.header.dataset_version)?;
        let examples = examples.ok_or_else(|| gone("dataset"))?.collect::<Result<Vec<Example>, Failure>>()?;
        let traffic = slices::traffic_clusters(workspace, suite, &examples)?;
        let wanted: Vec<&str> = suite.gates.iter().filter_map(|gate| gate.slice.as_deref()).collect();
        context.slices = Slices::new(&examples, &suite.slices, &wanted, &traffic);
        context.notes.extend(context.slices.notes(&suite.slices));
        if let Some(by) = &suite.cluster_by {
            context.clusters = example_clusters(&examples, by, &traffic);
            context.notes.extend(context.clusters.is_none().then(|| no_clusters(by)));
        }
        context.baselines = baselines(store, suite, &run, &before)?;
        if let Some(parity) = &suite.parity {
            context.groups = groups(&examples, parity);
            context.first_parity = store.first_parity(&run)?;
        }
    }
    if classifier(suite).is_some() {
        context.accepted = accepted_answers(store, &run.header)?;
    }
    let evaluators = store.run_scorers(run_id)?;
    context.evaluators = evaluators.into_iter().map(|(name, known)| (name, (known.identity, known.shown))).collect();
    context.judge = judges(store, suite, run_id)?;
    if let Some(judge) = &mut context.judge {
        let (validation, note) = run_validation(store, suite, &run.header)?;
        judge.validation = validation;
        context.notes.extend(note);
    }
    context.examples = store.stored_examples_of(&run.header.dataset, &run.header.dataset_version, &missed)?;
    let header = run.header;
    let identity = RunIdentity {
        run_id: header.run_id,
        dataset_version: header.dataset_version,
        endpoint: header.endpoint,
        prompt: header.prompt,
        repeats: header.repeats,
        started_at: header.started_at,
        finished: run.finished_at.is_some(),
        total: header.total,
    };
    let mut view = tally.finish(identity, context);
    view.claims = claims(workspace, &view);
    Ok(view)
}

/// The accepted answers of every example of a run.
fn accepted_answers(store: &Store, run: &RunHeader) -> Result<HashMap<String, Vec<String>>, Failure> {
    let Some(examples) = store.stored_examples(&run.dataset, &run.dataset_version)? else { return Ok(HashMap::new()) };
    examples.map(|example| example.map(|example| (example.id.clone(), example.expected_texts()))).collect()
}

/// The calls of the judges of a run.
fn judges(store: &Store, suite: &Suite, run_id: &RunId) -> Result<Option<JudgeView>, Failure> {
    let Some(totals) = store.judge_totals(run_id)? else { return Ok(None) };
    let external: Vec<&Scorer> = suite.scorers.iter().flat_map(Scorer::external_parts).collect();
    let mut position = Vec::new();
    for (index, scorer) in external.iter().enumerate() {
        if matches!(scorer.kind, ScorerKind::Pairwise(_)) {
            position.extend(position_view(&scorer.name, &store.judge_verdicts(run_id, index)?));
        }
    }
    let JudgeTotals { judges, models, calls, cached, errors, unreadable, prompt_tokens, completion_tokens, cost } =
        totals;
    Ok(Some(JudgeView {
        judges,
        models,
        calls,
        cached,
        errors,
        unreadable,
        prompt_tokens,
        completion_tokens,
        cost,
        position,
        validation: None,
    }))
}

/// How the verdicts of a pairwise judge depend on the order; `None` if there are none. The verdicts of a pair follow each
/// other, the graded answer first.
fn position_view(scorer: &str, verdicts: &[(String, u32, String)]) -> Option<PositionView> {
    let read = |verdict: &str| {
        let verdict: serde_json::Value = serde_json::from_str(verdict).ok()?;
        Some((verdict.get("preferred")?.as_f64()?, verdict.get("output_first")?.as_bool()?))
    };
    let known: Vec<(&str, u32, f64, bool)> = verdicts
        .iter()
        .filter_map(|(id, trial, verdict)| {
            read(verdict).map(|(preferred, first)| (id.as_str(), *trial, preferred, first))
        })
        .collect();
    // 1 prefers the graded answer, 0 the other one.
    let decided: Vec<bool> = known
        .iter()
        .filter(|(_, _, preferred, _)| *preferred != 0.5)
        .map(|(_, _, preferred, first)| (*preferred == 1.0) == *first)
        .collect();
    let pairs: Vec<(f64, f64)> = known
        .windows(2)
        .filter_map(|pair| match pair {
            [(id, trial, one, true), (same, number, other, false)] if id == same && trial == number => {
                Some((*one, *other))
            }
            _ => None,
        })
        .collect();
    let first = decided.iter().filter(|first| **first).count();
    let interval = clopper_pearson(first as u64, decided.len() as u64, 0.95);
    (!known.is_empty()).then(|| PositionView {
        scorer: scorer.to_owned(),
        pairs: pairs.len(),
        flipped: pairs.iter().filter(|(one, other)| one != other).count(),
        decided: decided.len(),
        first,
        lo: interval.lo,
        hi: interval.hi,
    })
}

/// The published scores of the endpoint's model, beside the measured ones.
fn claims(workspace: &Workspace, view: &RunView) -> Vec<ClaimView> {
    let claims = workspace.config.endpoints.get(&view.endpoint).map(|endpoint| endpoint.claims.as_slice());
    let beside = |claim: &ClaimFile| {
        let scorer = claim.scorer.clone().unwrap_or_else(|| view.primary.clone());
        let measured = view.scores.get(&scorer).copied();
        ClaimView {
            scorer,
            claimed: claim.score,
            source: claim.source.clone(),
            prompt: claim.prompt.clone(),
            scaffold: claim.scaffold.clone(),
            context_length: claim.context_length,
            measured,
            claim_is: ClaimIs::of(claim.score, measured),
        }
    };
    claims.unwrap_or_default().iter().map(beside).collect()
}

/// The group of each example that has one, and whether its agreed answer is the positive one.
fn groups(examples: &[Example], settings: &ParitySettings) -> BTreeMap<String, (String, Option<bool>)> {
    let group = |example: &Example| match example.metadata.get(&settings.group)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let agreed = |example: &Example| {
        let expected = example.expected_texts();
        (!expected.is_empty()).then(|| expected.iter().any(|answer| is_answer(answer, &settings.positive)))
    };
    examples.iter().filter_map(|example| Some((example.id.clone(), (group(example)?, agreed(example))))).collect()
}

/// What the gates said in the runs before, back to the last change of the suite, the dataset, the endpoint or the model.
fn history(run: &StoredRun, models: &[String], before: &[PastRun]) -> History {
    let of = &run.header;
    let unchanged = |past: &&PastRun| {
        let header = &past.run.header;
        header.suite_version == of.suite_version
            && header.dataset_version == of.dataset_version
            && header.endpoint_fingerprint == of.endpoint_fingerprint
            && header.repeats == of.repeats
            && (past.models == models || past.models.is_empty() || models.is_empty())
    };
    let mut gates: BTreeMap<String, GatePast> = BTreeMap::new();
    let mut interrupted: HashSet<&str> = HashSet::new();
    let evaluated = |past: &&PastRun| past.verdict.is_some_and(|verdict| verdict != Verdict::Incomplete);
    for past in before.iter().take_while(unchanged).filter(evaluated) {
        let days = of.started_at.duration_since(past.run.header.started_at).as_secs_f64() / 86_400.0;
        let mut seen: HashSet<&str> = HashSet::new();
        // Gates of the same name count once per run.
        for gate in past.gates.iter().filter(|gate| seen.insert(&gate.name)) {
            let known = gates.entry(gate.name.clone()).or_default();
            if let Some(level) = gate.level.filter(|_| known.last.is_none()) {
                known.last = Some((gate.verdict, level, days));
            }
            if gate.verdict != Verdict::Inconclusive {
                interrupted.insert(&gate.name);
            } else if !interrupted.contains(gate.name.as_str()) {
                known.warnings += 1;
            }
        }
    }
    History(gates)
}

/// Notes about changes of the model behind an endpoint, within the run and since the last one.
fn model_notes(before: &[PastRun], models: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if models.len() > 1 {
        notes.push(format!("the server changed the model during the run: it reported {}", models.join(", ")));
    }
    if let Some(last) = before.first()
        && !models.is_empty()
        && !last.models.is_empty()
        && models != last.models
    {
        let day = last.run.header.started_at.strftime("%Y-%m-%d");
        let (now, then) = (models.join(", "), last.models.join(", "));
        notes.push(format!("the server reported the model {now}; in the last run ({day}) it reported {then}"));
    }
    notes
}
