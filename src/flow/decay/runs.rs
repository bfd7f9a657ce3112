//! Reads the stored runs of a dataset version: how steady its examples are, and their latest scores.

use std::collections::{BTreeMap, HashMap};

use crate::core::decay::ScoredRun;
use crate::core::domain::{Dataset, Example, ExampleStatus, Failure, RunId, Score, Scorer};
use crate::core::scoring::{CompiledScorers, has_template};
use crate::core::signals::{Answer, Passes, Voice};
use crate::edge::config::{EndpointSettings, definition_of_id, suite_from_content};
use crate::edge::store::RunHeader;
use crate::flow::Workspace;

/// How often the trials of each example passed the primary scorer, by endpoint: in the endpoint's latest finished run
/// with repeats of this dataset version.
pub(super) fn passes(
    workspace: &Workspace,
    dataset: &Dataset,
) -> Result<BTreeMap<String, BTreeMap<String, Passes>>, Failure> {
    let mut passes = BTreeMap::new();
    for header in newest_first(workspace, dataset)?.into_iter().filter(|run| run.repeats > 1) {
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

/// The latest run over every example that is not retired, with its primary scorer. Of endpoints run together, the one the suite lists first.
pub(super) fn latest_complete(
    workspace: &Workspace,
    dataset: &Dataset,
) -> Result<Option<(ScoredRun, Scorer)>, Failure> {
    let runs = workspace.store.latest_runs_of_dataset(&dataset.name, &dataset.version)?;
    let runnable = dataset.examples.iter().filter(|example| example.status != ExampleStatus::Retired).count();
    let complete = runs.into_iter().map(|run| run.header).filter(|run| run.total == runnable * run.repeats as usize);
    let latest = complete.max_by(|a, b| a.started_at.cmp(&b.started_at).then(b.run_id.cmp(&a.run_id)));
    let Some(run) = latest else { return Ok(None) };
    let Some(scorer) = primary_scorer(workspace, &run)? else { return Ok(None) };
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    each_score(workspace, &run.run_id, &scorer, |example, value| scores.entry(example).or_default().push(value))?;
    let RunHeader { run_id, endpoint, .. } = run;
    let name = scorer.name.clone();
    Ok(Some((ScoredRun { run_id: run_id.into(), endpoint, scorer: name, reduce: scorer.reduce, scores }, scorer)))
}

/// The answers of endpoints in their latest finished run of this dataset version, one voice per model. Runs whose primary scorer does
/// not compare answers with accepted ones are left out, and so is the baseline, whose answers follow from the examples.
pub(super) fn voices(workspace: &Workspace, dataset: &Dataset) -> Result<Vec<Voice>, Failure> {
    let examples: HashMap<&str, &Example> = dataset.examples.iter().map(|e| (e.id.as_str(), e)).collect();
    let labels: BTreeMap<String, String> =
        dataset.examples.iter().filter_map(Example::label).map(|label| (folded(&label), label)).collect();
    let mut heard: BTreeMap<String, Voice> = BTreeMap::new();
    // Answers given to an example before, so that equal answers become equal texts.
    let mut given: HashMap<String, Vec<String>> = HashMap::new();
    for header in newest_first(workspace, dataset)?.into_iter().filter(|run| is_model(workspace, &run.endpoint)) {
        // A scorer with templates differs from example to example, so that answers cannot be compared by it.
        let scorer = primary_scorer(workspace, &header)?.filter(|scorer| !has_template(scorer));
        let Some(scorer) = scorer else { continue };
        let compiled = CompiledScorers::compile(std::slice::from_ref(&scorer)).map_err(|error| {
            Failure::store(format!("the stored suite {} cannot be used", header.suite)).caused_by(error)
        })?;
        if !compiled.compares() {
            continue;
        }
        let (mut model, mut answers) = (None, BTreeMap::new());
        workspace.store.each_outcome(&header.run_id, &mut |outcome| {
            model = model.take().or(outcome.model);
            let score = outcome.scores.get(&scorer.name).and_then(Score::value);
            let example = examples.get(outcome.example_id.as_str());
            let (Some(score), Some(output), Some(example)) = (score, outcome.output, example) else { return };
            let answer = || {
                if score >= 1.0 {
                    return Answer::AsLabelled;
                }
                let before = given.entry(outcome.example_id.clone()).or_default();
                let known = labels
                    .get(&folded(&output))
                    .or_else(|| before.iter().find(|text| compiled.agree(&output, text, example)));
                let text = known.cloned().unwrap_or(output);
                before.push(text.clone());
                Answer::Other(text)
            };
            // Of several trials, the first one counts.
            answers.entry(outcome.example_id.clone()).or_insert_with(answer);
        })?;
        let name =
            header.prompt.map_or_else(|| header.endpoint.clone(), |prompt| format!("{} · {prompt}", header.endpoint));
        heard.entry(model.unwrap_or(header.endpoint_fingerprint)).or_insert(Voice { name, answers });
    }
    Ok(heard.into_values().collect())
}

/// A text by which answers are compared with labels.
pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether an endpoint is defined and not the baseline. One that was removed from karat.yaml could have been either.
pub(super) fn is_model(workspace: &Workspace, endpoint: &str) -> bool {
    let definition = workspace.config.endpoints.get(endpoint).cloned().or_else(|| definition_of_id(endpoint));
    definition.is_some_and(|definition| !matches!(definition.settings, EndpointSettings::Baseline(_)))
}

/// The latest finished run of each suite, endpoint and prompt on this dataset version, the newest first.
fn newest_first(workspace: &Workspace, dataset: &Dataset) -> Result<Vec<RunHeader>, Failure> {
    let runs = workspace.store.latest_runs_of_dataset(&dataset.name, &dataset.version)?;
    let mut runs: Vec<RunHeader> = runs.into_iter().map(|run| run.header).collect();
    runs.sort_by(|a, b| (&b.started_at, &b.run_id).cmp(&(&a.started_at, &a.run_id)));
    Ok(runs)
}

/// The first scorer of the suite in the version that was run; `None` if that is not stored.
pub(in crate::flow) fn primary_scorer(workspace: &Workspace, run: &RunHeader) -> Result<Option<Scorer>, Failure> {
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
