//! The golden set's scores from the latest run of the suite.

use std::collections::{BTreeMap, HashMap};

use crate::core::compare::RunScores;
use crate::core::domain::{Example, Failure, Reducer, Scorer, Suite};
use crate::core::scoring::reduce;
use crate::core::slices::example_clusters;
use crate::core::traffic_scores::GoldenScores;
use crate::core::view::GoldenRunView;
use crate::edge::store::{ScorerIdentity, StoredRun};
use crate::flow::Workspace;
use crate::flow::run::suite_of_run;
use crate::flow::scoring::Evaluators;
use crate::flow::slices::{cluster_names, placed_examples};
use crate::flow::stored_dataset::{Selection, selected};

/// Number of the latest runs in which one of the whole golden set is looked for.
const LATEST: usize = 100;

/// The golden set's scores.
#[derive(Default)]
pub(super) struct Golden {
    /// The run that they are from.
    pub run: Option<GoldenRunView>,
    by_scorer: BTreeMap<String, Result<GoldenScores, String>>,
    pub notes: Vec<String>,
}

impl Golden {
    /// Loads the scores of these scorers from the latest finished run of the suite, if possible one of the whole golden set.
    pub(super) fn load(
        workspace: &Workspace,
        suite: &Suite,
        scorers: &[Scorer],
        evaluators: &Evaluators,
    ) -> Result<Self, Failure> {
        let store = &workspace.store;
        let mut runs = store.finished_runs(&suite.name, None, LATEST)?;
        let place = runs.iter().position(|run| run.header.selection.is_empty()).unwrap_or(0);
        if place >= runs.len() {
            let note = format!("the suite has no finished run to show beside; `karat run {}` makes one", suite.name);
            return Ok(Self { notes: vec![note], ..Self::default() });
        }
        let run = runs.swap_remove(place);
        let header = &run.header;
        let then = suite_of_run(store, header)?;
        let scores = store.run_scores(&header.run_id, &then.scorers)?;
        let now = RunScores {
            scorers: suite.scorers.clone(),
            examples: Vec::new(),
            evaluators: shown(evaluators.identities(scorers)),
        };
        let name = &header.dataset;
        let everything = Selection::default();
        let examples = selected(store, name, &header.dataset_version, &everything)?;
        let examples: Vec<Example> = examples.collect::<Result<_, Failure>>()?;
        let of = Examples::new(workspace, suite, &examples)?;
        let mut golden = Self { run: Some(view(&run)), ..Self::default() };
        if !header.selection.is_empty() {
            golden.notes.push("the run of the golden set is one of a part of it".to_owned());
        }
        for scorer in scorers {
            let found = match (
                then.scorers.iter().any(|known| known.name == scorer.name),
                now.not_comparable(&scores, &scorer.name),
            ) {
                (false, _) => Err("the latest run did not have this scorer".to_owned()),
                (_, Some(reason)) => Err(reason),
                _ => Ok(of.scores(&scores, &scorer.name)),
            };
            golden.by_scorer.insert(scorer.name.clone(), found);
        }
        Ok(golden)
    }

    /// The scores of a scorer, or why there are none.
    pub(super) fn take(&mut self, scorer: &str) -> Result<GoldenScores, String> {
        let none = || Err("the suite has no finished run".to_owned());
        self.by_scorer.remove(scorer).unwrap_or_else(none)
    }
}

fn shown(identities: BTreeMap<String, ScorerIdentity>) -> BTreeMap<String, (String, String)> {
    identities.into_iter().map(|(name, known)| (name, (known.identity, known.shown))).collect()
}

fn view(run: &StoredRun) -> GoldenRunView {
    let header = &run.header;
    GoldenRunView {
        run_id: header.run_id.as_str().to_owned(),
        endpoint: header.endpoint.clone(),
        prompt: header.prompt.clone(),
        dataset_version: header.dataset_version.clone(),
        started_at: header.started_at.to_string(),
    }
}

/// What examples have in common.
struct Examples {
    /// The cluster of traffic of each example, by example id.
    clusters: HashMap<String, String>,
    /// The number of what makes its score like that of others, by example id.
    groups: Option<HashMap<String, usize>>,
}

impl Examples {
    fn new(workspace: &Workspace, suite: &Suite, examples: &[Example]) -> Result<Self, Failure> {
        let placed = placed_examples(workspace, &suite.dataset, examples)?;
        let clusters = placed.into_iter().map(|placed| (placed.id, placed.cluster)).collect();
        let groups = match &suite.cluster_by {
            Some(by) => example_clusters(examples, by, &cluster_names(workspace, &suite.dataset, examples)?),
            None => None,
        };
        Ok(Self { clusters, groups })
    }

    /// The mean score of the trials of each example: one answer is one answer, whatever the reducer of the scorer.
    fn scores(&self, scores: &RunScores, scorer: &str) -> GoldenScores {
        let Some((place, _)) = scores.scorer(scorer) else { return GoldenScores::default() };
        let mut golden = GoldenScores { groups: self.groups.as_ref().map(|_| Vec::new()), ..GoldenScores::default() };
        for example in &scores.examples {
            let Some(value) = reduce(Reducer::Mean, &example.values(place)) else { continue };
            golden.values.push(value);
            golden.clusters.push(self.clusters.get(&example.id).cloned());
            if let (Some(numbers), Some(groups)) = (&self.groups, &mut golden.groups) {
                // Examples that are in no group are on their own.
                groups.push(numbers.get(&example.id).copied().unwrap_or(numbers.len() + golden.values.len()));
            }
        }
        golden
    }
}
