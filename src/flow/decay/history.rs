//! Reads the recent runs of a dataset in any version: how models have answered its examples over time, and pairs of runs in which an
//! endpoint may have answered differently.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::runs::{folded, is_model, primary_scorer};
use crate::core::decay::{RunPair, RunRef};
use crate::core::domain::{Dataset, Example, Failure, Score};
use crate::core::shift::PairedAnswers;
use crate::core::signals::{Answered, ModelAnswers};
use crate::edge::store::RunHeader;
use crate::flow::Workspace;

/// Number of runs read of each suite, endpoint and prompt.
const RUNS: usize = 10;

/// The answers of each model, the baseline apart, in its recent runs. An example counts only in runs where its request and its accepted
/// answers were the same as now, and an answer from the cache or a cassette does not count again.
pub(super) fn answered(workspace: &Workspace, dataset: &Dataset) -> Result<Vec<ModelAnswers>, Failure> {
    let mut same = SameExamples::new(workspace, dataset);
    let mut models: BTreeMap<String, ModelAnswers> = BTreeMap::new();
    for run in workspace.store.recent_runs_of_dataset(&dataset.name, RUNS)? {
        let header = run.header;
        if !is_model(workspace, &header.endpoint) {
            continue;
        }
        let Some(scorer) = primary_scorer(workspace, &header)? else { continue };
        let same = same.in_run(&header)?;
        let (mut model, mut found) = (None, BTreeMap::<String, Answered>::new());
        workspace.store.each_outcome(&header.run_id, &mut |outcome| {
            model = model.take().or(outcome.model);
            let score = outcome.scores.get(&scorer.name).and_then(Score::value);
            let Some(score) = score.filter(|_| !outcome.cached && same.contains(&outcome.example_id)) else { return };
            let entry = found.entry(outcome.example_id).or_insert(Answered { runs: 1, ..Answered::default() });
            entry.answers += 1;
            entry.passed += u32::from(score >= 1.0);
        })?;
        let model = models.entry(model.unwrap_or(header.endpoint_fingerprint)).or_default();
        if model.endpoint.is_empty() {
            model.endpoint = header.endpoint;
        }
        for (example, answered) in found {
            let sum = model.examples.entry(example).or_default();
            sum.passed += answered.passed;
            sum.answers += answered.answers;
            sum.runs += answered.runs;
        }
    }
    Ok(models.into_values().filter(|model| !model.examples.is_empty()).collect())
}

/// Maximum number of pairs of runs that are compared.
const PAIRS: usize = 8;

/// The first and the last of the recent runs of each suite, endpoint and prompt with the same settings, the latest first.
pub(super) fn run_pairs(workspace: &Workspace, dataset: &Dataset) -> Result<Vec<RunPair>, Failure> {
    let mut groups: Vec<Vec<RunHeader>> = Vec::new();
    for run in workspace.store.recent_runs_of_dataset(&dataset.name, RUNS)? {
        let header = run.header;
        let settings = |run: &RunHeader| {
            let RunHeader { suite, suite_version, endpoint, endpoint_fingerprint, prompt, .. } = run.clone();
            (suite, suite_version, endpoint, endpoint_fingerprint, prompt)
        };
        match groups.iter_mut().find(|group| group.iter().all(|other| settings(other) == settings(&header))) {
            Some(group) => group.push(header),
            None if is_model(workspace, &header.endpoint) => groups.push(vec![header]),
            None => {}
        }
    }
    let mut same = SameExamples::new(workspace, dataset);
    let mut pairs = Vec::new();
    for group in groups.iter().filter(|group| group.len() > 1).take(PAIRS) {
        // Newest first; a run whose answers all came from the cache says nothing.
        let mut fresh = Vec::new();
        for run in [group.iter().collect::<Vec<_>>(), group.iter().rev().collect()] {
            let found = first_fresh(workspace, &mut same, &run)?;
            fresh.extend(found);
        }
        if let [later, earlier] = fresh.as_slice()
            && later.run.run_id != earlier.run.run_id
        {
            pairs.push(pair(earlier, later));
        }
    }
    Ok(pairs)
}

/// A run with the answers that it did not take from the cache.
struct FreshRun {
    run: RunRef,
    endpoint: String,
    /// The answers to each example; `None` for a right one.
    answers: BTreeMap<String, Vec<Option<String>>>,
}

/// The first of these runs with answers that were not taken from the cache.
fn first_fresh(
    workspace: &Workspace,
    same: &mut SameExamples<'_>,
    runs: &[&RunHeader],
) -> Result<Option<FreshRun>, Failure> {
    for header in runs {
        let Some(scorer) = primary_scorer(workspace, header)? else { return Ok(None) };
        let same = same.in_run(header)?;
        let (mut models, mut answers) = (BTreeSet::new(), BTreeMap::<String, Vec<Option<String>>>::new());
        workspace.store.each_outcome(&header.run_id, &mut |outcome| {
            models.extend(outcome.model);
            let Some(output) = outcome.output.filter(|_| !outcome.cached && same.contains(&outcome.example_id)) else {
                return;
            };
            let right = outcome.scores.get(&scorer.name).and_then(Score::value).is_some_and(|score| score >= 1.0);
            answers.entry(outcome.example_id).or_default().push((!right).then(|| folded(&output)));
        })?;
        if !answers.is_empty() {
            let RunHeader { endpoint, prompt, .. } = header;
            let endpoint = prompt.as_ref().map_or_else(|| endpoint.clone(), |prompt| format!("{endpoint} · {prompt}"));
            let day = header.started_at.to_zoned(TimeZone::UTC).date().to_string();
            let run = RunRef { run_id: header.run_id.to_string(), day, models: models.into_iter().collect() };
            return Ok(Some(FreshRun { run, endpoint, answers }));
        }
    }
    Ok(None)
}

fn pair<'r>(earlier: &'r FreshRun, later: &'r FreshRun) -> RunPair {
    let paired = |(example, before): (&String, &'r Vec<Option<String>>)| {
        let after = later.answers.get(example)?;
        let mut texts: Vec<&str> = Vec::new();
        let mut numbers = |answers: &'r [Option<String>]| -> Vec<u32> {
            answers.iter().map(|answer| number(answer.as_deref(), &mut texts)).collect()
        };
        Some(PairedAnswers { earlier: numbers(before), later: numbers(after) })
    };
    RunPair {
        endpoint: later.endpoint.clone(),
        earlier: earlier.run.clone(),
        later: later.run.clone(),
        answers: earlier.answers.iter().filter_map(paired).collect(),
    }
}

/// The number of an answer: 0 for a right one, the place in `texts` from 1 on for others.
fn number<'t>(answer: Option<&'t str>, texts: &mut Vec<&'t str>) -> u32 {
    let Some(text) = answer else { return 0 };
    let place = texts.iter().position(|known| *known == text).unwrap_or_else(|| {
        texts.push(text);
        texts.len() - 1
    });
    place as u32 + 1
}

/// The examples of earlier versions that ask the same and accept the same as now.
struct SameExamples<'a> {
    workspace: &'a Workspace,
    dataset: &'a Dataset,
    now: HashMap<&'a str, &'a Example>,
    /// Their ids by version.
    versions: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> SameExamples<'a> {
    fn new(workspace: &'a Workspace, dataset: &'a Dataset) -> Self {
        let now = dataset.examples.iter().map(|example| (example.id.as_str(), example)).collect();
        Self { workspace, dataset, now, versions: BTreeMap::new() }
    }

    fn in_run(&mut self, run: &RunHeader) -> Result<&BTreeSet<String>, Failure> {
        if !self.versions.contains_key(&run.dataset_version) {
            let ids = self.of_version(&run.dataset_version)?;
            self.versions.insert(run.dataset_version.clone(), ids);
        }
        Ok(self.versions.entry(run.dataset_version.clone()).or_default())
    }

    fn of_version(&self, version: &str) -> Result<BTreeSet<String>, Failure> {
        if version == self.dataset.version {
            return Ok(self.now.keys().map(|id| (*id).to_owned()).collect());
        }
        let mut same = BTreeSet::new();
        let Some(examples) = self.workspace.store.stored_examples(&self.dataset.name, version)? else {
            return Ok(same);
        };
        for example in examples {
            let then = example?;
            let now = self.now.get(then.id.as_str());
            if now.is_some_and(|now| {
                now.input == then.input && now.expected == then.expected && now.context == then.context
            }) {
                same.insert(then.id);
            }
        }
        Ok(same)
    }
}
