//! Reads the stored runs of a dataset version: how steady its examples are, and their latest scores.

use std::collections::BTreeMap;

use crate::core::decay::ScoredRun;
use crate::core::domain::{Dataset, ExampleStatus, Failure, RunId, Score, Scorer};
use crate::core::signals::Passes;
use crate::edge::config::suite_from_content;
use crate::edge::store::RunHeader;
use crate::flow::Workspace;

/// How often the trials of each example passed the primary scorer, by endpoint: in the endpoint's latest finished run
/// with repeats of this dataset version.
pub(super) fn passes(
    workspace: &Workspace,
    dataset: &Dataset,
) -> Result<BTreeMap<String, BTreeMap<String, Passes>>, Failure> {
    let mut runs = workspace.store.latest_runs_of_dataset(&dataset.name, &dataset.version)?;
    runs.retain(|run| run.header.repeats > 1);
    runs.sort_by(|a, b| (&b.header.started_at, &b.header.run_id).cmp(&(&a.header.started_at, &a.header.run_id)));
    let mut passes = BTreeMap::new();
    for header in runs.into_iter().map(|run| run.header) {
        if passes.contains_key(&header.endpoint) {
            continue;
        }
        let Some(scorer) = primary_scorer(workspace, &header)? else { continue };
        let mut of: BTreeMap<String, Passes> = BTreeMap::new();
        each_score(workspace, &header.run_id, &scorer, |example, value| {
            let entry = of.entry(example).or_insert(Passes { passed: 0, trials: 0 });
            entry.trials += 1;
            entry.passed += u32::from(value >= 1.0);
        })?;
        passes.insert(header.endpoint, of);
    }
    Ok(passes)
}

/// The latest run over every example that is not retired. Of endpoints run together, the one the suite lists first.
pub(super) fn latest_complete(workspace: &Workspace, dataset: &Dataset) -> Result<Option<ScoredRun>, Failure> {
    let runs = workspace.store.latest_runs_of_dataset(&dataset.name, &dataset.version)?;
    let runnable = dataset.examples.iter().filter(|example| example.status != ExampleStatus::Retired).count();
    let complete = runs.into_iter().map(|run| run.header).filter(|run| run.total == runnable * run.repeats as usize);
    let latest = complete.max_by(|a, b| a.started_at.cmp(&b.started_at).then(b.run_id.cmp(&a.run_id)));
    let Some(run) = latest else { return Ok(None) };
    let Some(scorer) = primary_scorer(workspace, &run)? else { return Ok(None) };
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    each_score(workspace, &run.run_id, &scorer, |example, value| scores.entry(example).or_default().push(value))?;
    let RunHeader { run_id, endpoint, .. } = run;
    Ok(Some(ScoredRun { run_id: run_id.into(), endpoint, scorer: scorer.name, reduce: scorer.reduce, scores }))
}

fn primary_scorer(workspace: &Workspace, run: &RunHeader) -> Result<Option<Scorer>, Failure> {
    let Some(content) = workspace.store.suite_content(&run.suite, &run.suite_version)? else { return Ok(None) };
    Ok(suite_from_content(&run.suite, &run.suite_version, &content)?.scorers.into_iter().next())
}

/// Calls `take` with each score of a run and its example id.
fn each_score(
    workspace: &Workspace,
    run_id: &RunId,
    scorer: &Scorer,
    mut take: impl FnMut(String, f64),
) -> Result<(), Failure> {
    workspace.store.each_outcome(run_id, &mut |outcome| {
        if let Some(value) = outcome.scores.get(&scorer.name).and_then(Score::value) {
            take(outcome.example_id, value);
        }
    })
}
