//! Compares two stored runs.

pub mod baseline;
mod contract;
mod select;

use std::collections::{HashMap, HashSet};

pub use select::{Scope, check_tag, find_run};

use super::Workspace;
use super::run::suite_of_run;
use super::slices::cluster_names;
use crate::core::compare::{self, Change, Comparison, RunScores};
use crate::core::domain::{
    Example, Failure, ReasonCode, RecordedOutcome, RunId, Score, SliceBy, SliceFamily, Suite, short,
};
use crate::core::queue::QueueState;
use crate::core::slices::{Slices, example_clusters, no_clusters};
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::{CompareView, ComparedRun, FlipView, NotComparedView};
use crate::edge::store::{Store, StoredRun};
use baseline::edited;

/// Differences of scores up to this count as the same unless somebody says otherwise.
pub const MARGIN: f64 = 0.02;

/// Options of a comparison.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// What the runs named must have in common with the command line.
    pub scope: Scope,
    /// Differences up to this count as the same, in [0, 1].
    pub margin: f64,
    /// Families of slices besides those of the candidate's suite.
    pub slices: Vec<SliceBy>,
    /// What examples are clustered by; the candidate's suite decides if `None`.
    pub cluster_by: Option<SliceBy>,
    /// Whether "not worse by more than the margin" is evaluated as a gate.
    pub gate: bool,
    /// Largest number of flips listed in each direction.
    pub flips: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { scope: Scope::default(), margin: MARGIN, slices: Vec::new(), cluster_by: None, gate: false, flips: 20 }
    }
}

/// Compares the run that `candidate` means with the run that `base` means.
///
/// # Errors
/// A usage failure if there is no such run, or if both words mean the same run; a store failure.
pub fn compare_runs(
    workspace: &Workspace,
    base: &str,
    candidate: &str,
    options: &CompareOptions,
) -> Result<CompareView, Failure> {
    let store = &workspace.store;
    let first = find_run(store, base, &options.scope, None)?;
    let second = find_run(store, candidate, &options.scope, Some(&first.header))?;
    let first = if first.header.run_id == second.header.run_id {
        first
    } else {
        // The base may be any of several; the one most like the candidate is meant.
        find_run(store, base, &options.scope, Some(&second.header))?
    };
    if first.header.run_id == second.header.run_id {
        return Err(Failure::usage(format!("\"{base}\" and \"{candidate}\" mean the same run"))
            .hint("name two run ids, endpoints, prompts, tags or versions; `karat list` shows the runs"));
    }
    let named = |run: StoredRun, word: &str| NamedRun { run, named: word.to_owned() };
    compare_stored(workspace, &named(first, base), &named(second, candidate), options)
}

/// A run with the word that named it.
pub struct NamedRun {
    /// The run.
    pub run: StoredRun,
    /// The word.
    pub named: String,
}

/// Compares two finished runs.
///
/// # Errors
/// A store failure.
pub fn compare_stored(
    workspace: &Workspace,
    base: &NamedRun,
    candidate: &NamedRun,
    options: &CompareOptions,
) -> Result<CompareView, Failure> {
    let store = &workspace.store;
    let (first, second) = (&base.run.header, &candidate.run.header);
    let suites = (suite_of_run(store, first)?, suite_of_run(store, second)?);
    let scores =
        (store.run_scores(&first.run_id, &suites.0.scorers)?, store.run_scores(&second.run_id, &suites.1.scorers)?);
    let edited = edited(store, first, second)?;
    let groups = Groups::load(workspace, candidate, &suites.1, options)?;
    let flaky = flagged_as_flaky(store, &second.dataset)?;
    let found = compare::compare(
        &scores.0,
        &scores.1,
        &compare::Options {
            margin: options.margin,
            edited: &edited,
            clusters: groups.clusters.as_ref(),
            slices: &groups.slices,
            flaky: &flaky,
            flips: options.flips,
        },
    );
    let contract = contract::shape_changes(store, base, candidate, &suites.1, &scores, &edited)?;
    let gate = options.gate.then(|| gate(&found, options.margin));
    let Comparison { examples, scores: differences, not_compared, slices, mut new_failures, mut fixed, latency, cost } =
        found;
    let primary = differences.first();
    let texts = Texts::load(store, base, candidate, new_failures.iter().chain(&fixed))?;
    let scorer = primary.map(|score| score.scorer.clone()).unwrap_or_default();
    for flip in new_failures.iter_mut().chain(&mut fixed) {
        texts.fill(store, flip, &scorer)?;
    }
    Ok(CompareView {
        schema: "karat.compare/1".into(),
        base: compared(store, base, &scores.0)?,
        candidate: compared(store, candidate, &scores.1)?,
        verdict: primary.map_or(Change::Inconclusive, |score| score.verdict),
        notes: [notes(base, candidate, examples.common, contract.truncated), groups.notes].concat(),
        examples,
        margin: options.margin,
        not_compared: not_compared.into_iter().map(|(scorer, reason)| NotComparedView { scorer, reason }).collect(),
        scores: differences,
        slices,
        new_failures,
        fixed,
        latency,
        cost,
        contract_answers: contract.answers,
        contract: contract.changes,
        gate,
    })
}

/// Slices and clusters of the candidate's golden set.
struct Groups {
    slices: Slices,
    clusters: Option<HashMap<String, usize>>,
    /// What is worth knowing about them.
    notes: Vec<String>,
}

impl Groups {
    fn load(
        workspace: &Workspace,
        candidate: &NamedRun,
        suite: &Suite,
        options: &CompareOptions,
    ) -> Result<Self, Failure> {
        let mut families = suite.slices.clone();
        for by in &options.slices {
            if !families.iter().any(|family| family.by == *by) {
                families.push(SliceFamily { by: by.clone(), critical: Vec::new() });
            }
        }
        let cluster_by = options.cluster_by.as_ref().or(suite.cluster_by.as_ref());
        if families.is_empty() && cluster_by.is_none() {
            return Ok(Self { slices: Slices::default(), clusters: None, notes: Vec::new() });
        }
        let header = &candidate.run.header;
        let stored = workspace.store.stored_examples(&header.dataset, &header.dataset_version)?;
        let gone = || Failure::store(format!("the dataset of run {} is missing from the database", header.run_id));
        let examples = stored.ok_or_else(gone)?.collect::<Result<Vec<Example>, Failure>>()?;
        let by_traffic =
            families.iter().any(|family| family.by == SliceBy::Cluster) || cluster_by == Some(&SliceBy::Cluster);
        let traffic = if by_traffic { cluster_names(workspace, &header.dataset, &examples)? } else { HashMap::new() };
        let slices = Slices::new(&examples, &families, &[], &traffic);
        let clusters = cluster_by.and_then(|by| example_clusters(&examples, by, &traffic));
        let mut notes = slices.notes(&families);
        notes.extend(cluster_by.filter(|_| clusters.is_none()).map(no_clusters));
        Ok(Self { slices, clusters, notes })
    }
}

/// Ids of the examples whose flag `flaky` is raised or confirmed.
fn flagged_as_flaky(store: &Store, dataset: &str) -> Result<HashSet<String>, Failure> {
    let open = |state| matches!(state, QueueState::Queued | QueueState::Confirmed);
    let flags =
        store.flags(dataset)?.into_iter().filter(|flag| flag.flag.code == ReasonCode::Flaky && open(flag.state));
    Ok(flags.map(|flag| flag.flag.example_id).collect())
}

/// The gate "not worse by more than the margin" on the primary scorer and on every critical slice.
fn gate(found: &Comparison, margin: f64) -> GateResult {
    let evaluate = |lo: Option<f64>, hi: Option<f64>| match (lo, hi) {
        (Some(lo), _) if lo >= -margin => Verdict::Pass,
        (_, Some(hi)) if hi < -margin => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    let Some(primary) = found.scores.first() else {
        return GateResult::new("not worse".into(), Verdict::Inconclusive, "no scorer is in both runs".into(), true);
    };
    let critical = found.slices.iter().filter(|slice| slice.critical);
    let all = std::iter::once((primary.scorer.clone(), evaluate(primary.lo, primary.hi)))
        .chain(critical.map(|slice| (slice.slice.clone(), evaluate(slice.lo, slice.hi))));
    let decisive = all.reduce(|worst, next| if worst.1.and(next.1) == worst.1 { worst } else { next });
    let (decisive, verdict) = decisive.unwrap_or_else(|| (primary.scorer.clone(), Verdict::Inconclusive));
    let name = format!("{} not worse than the base by {margin}", primary.scorer);
    GateResult::new(name, verdict, format!("decided by {decisive}"), true)
}

fn compared(store: &Store, run: &NamedRun, scores: &RunScores) -> Result<ComparedRun, Failure> {
    let header = &run.run.header;
    let trials = || scores.examples.iter().flat_map(|example| &example.trials);
    Ok(ComparedRun {
        run_id: header.run_id.as_str().to_owned(),
        named: run.named.clone(),
        suite: header.suite.clone(),
        suite_version: header.suite_version.clone(),
        dataset: header.dataset.clone(),
        dataset_version: header.dataset_version.clone(),
        endpoint: header.endpoint.clone(),
        prompt: header.prompt.clone(),
        repeats: header.repeats,
        models: store.reported_models(&header.run_id)?,
        started_at: header.started_at.to_string(),
        outcomes: trials().count(),
        errors: trials().filter(|trial| !trial.answered).count(),
    })
}

/// What the reader should know about the two runs.
fn notes(base: &NamedRun, candidate: &NamedRun, common: usize, truncated: bool) -> Vec<String> {
    let (first, second) = (&base.run.header, &candidate.run.header);
    let mut notes = Vec::new();
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            notes.push(format!("{what} differ: {a} and {b}"));
        }
    };
    differ("suites", &first.suite, &second.suite);
    differ("datasets", &first.dataset, &second.dataset);
    if first.suite == second.suite {
        differ("versions of the suite", short(&first.suite_version, 12), short(&second.suite_version, 12));
    }
    if first.dataset == second.dataset {
        differ("versions of the dataset", short(&first.dataset_version, 12), short(&second.dataset_version, 12));
    }
    if first.selection != second.selection {
        notes.push("the runs selected examples differently (--limit or --filter)".to_owned());
    }
    for run in [base, candidate].into_iter().filter(|run| run.run.finished_at.is_none()) {
        notes.push(format!("the run {} is not finished", short(run.run.header.run_id.as_str(), 18)));
    }
    if common == 0 {
        notes.push("the runs have no example in common".to_owned());
    }
    if truncated {
        notes.push("answers have more than 2,000 paths, so the shape of some parts was not compared".to_owned());
    }
    notes
}

/// The examples of flips, and the runs that answered them.
struct Texts<'a> {
    examples: HashMap<String, Example>,
    base: &'a RunId,
    candidate: &'a RunId,
}

impl<'a> Texts<'a> {
    fn load<'f>(
        store: &Store,
        base: &'a NamedRun,
        candidate: &'a NamedRun,
        flips: impl Iterator<Item = &'f FlipView>,
    ) -> Result<Self, Failure> {
        let ids: HashSet<&str> = flips.map(|flip| flip.example_id.as_str()).collect();
        let header = &candidate.run.header;
        let examples = store.stored_examples_of(&header.dataset, &header.dataset_version, &ids)?;
        Ok(Self { examples, base: &base.run.header.run_id, candidate: &candidate.run.header.run_id })
    }

    /// Adds the input, the accepted answers, and an answer of each run with its lowest score.
    fn fill(&self, store: &Store, flip: &mut FlipView, scorer: &str) -> Result<(), Failure> {
        if let Some(example) = self.examples.get(&flip.example_id) {
            flip.input = example.text();
            flip.expected = example.expected_texts();
        }
        let lowest = |run: &RunId| -> Result<Option<RecordedOutcome>, Failure> {
            let value =
                |outcome: &RecordedOutcome| outcome.scores.get(scorer).and_then(Score::value).unwrap_or(f64::INFINITY);
            let outcomes = store.outcomes_of(run, &flip.example_id)?;
            Ok(outcomes.into_iter().filter(|o| o.output.is_some()).min_by(|a, b| value(a).total_cmp(&value(b))))
        };
        flip.base_output = lowest(self.base)?.and_then(|outcome| outcome.output).unwrap_or_default();
        if let Some(outcome) = lowest(self.candidate)? {
            flip.reason = match outcome.scores.get(scorer) {
                Some(Score::Value(_, reason)) => reason.clone(),
                _ => None,
            };
            flip.candidate_output = outcome.output.unwrap_or_default();
        }
        Ok(())
    }
}
