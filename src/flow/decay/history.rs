//! Reads the recent runs of a dataset in any version: how models have answered its examples over time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::runs::{is_model, primary_scorer};
use crate::core::domain::{Dataset, Example, Failure, Score};
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
