//! The scores of a run, and the examples that two runs have in common.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::domain::{RecordedOutcome, Reducer, Score, Scorer};
use crate::core::scoring::reduce;
use crate::core::view::ComparedExamples;

/// Largest number of ids listed of examples that are only in one run.
const LISTED: usize = 50;

/// What a comparison needs of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunScores {
    /// The scorers of its suite, the primary one first.
    pub scorers: Vec<Scorer>,
    /// Its examples, sorted by id, each once.
    pub examples: Vec<ExampleTrials>,
    /// What evaluated its scorers outside karat, such as a judge, by the name of the scorer: a hash that identifies it, and
    /// a text.
    pub evaluators: BTreeMap<String, (String, String)>,
}

/// The trials of an example.
#[derive(Debug, Clone, PartialEq)]
pub struct ExampleTrials {
    /// The example.
    pub id: String,
    /// Its trials, sorted by number.
    pub trials: Vec<TrialScores>,
}

/// What a comparison needs of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialScores {
    /// The number of the repeat, from 0.
    pub trial: u32,
    /// The score of each scorer of the run; NaN if it was not scored.
    pub scores: Box<[f64]>,
    /// Whether the endpoint answered.
    pub answered: bool,
    /// Latency in milliseconds.
    pub latency_ms: Option<f64>,
    /// Cost.
    pub cost: Option<f64>,
}

impl RunScores {
    /// The position of a scorer and how it reduces trials.
    pub fn scorer(&self, name: &str) -> Option<(usize, Reducer)> {
        let place = self.scorers.iter().position(|scorer| scorer.name == name)?;
        Some((place, self.scorers.get(place)?.reduce))
    }

    /// Why the scores of a scorer cannot be compared with those of another run; `None` if they can. Two judges (models or
    /// prompts) are two scorers, however alike they are called.
    pub fn not_comparable(&self, other: &Self, scorer: &str) -> Option<String> {
        let of = |run: &Self| run.scorers.iter().find(|known| known.name == scorer).cloned();
        let (own, theirs) = (of(self)?, of(other)?);
        if own != theirs {
            return Some("it is defined differently in the two suites".to_owned());
        }
        let (own, theirs) = (self.evaluators.get(scorer), other.evaluators.get(scorer));
        if own.map(|(identity, _)| identity) == theirs.map(|(identity, _)| identity) {
            return None;
        }
        let shown = |known: Option<&(String, String)>| {
            known.map_or_else(|| "something else".to_owned(), |(_, shown)| shown.clone())
        };
        let (own, theirs) = (shown(own), shown(theirs));
        Some(match own == theirs {
            true => format!("{own} changed between the two runs, so that their scores are not comparable"),
            false => format!("{own} scored one run and {theirs} the other, so that their scores are not comparable"),
        })
    }
}

impl TrialScores {
    /// What a comparison needs of an outcome of a run with these scorers.
    pub fn of(outcome: &RecordedOutcome, scorers: &[Scorer]) -> Self {
        let score = |scorer: &Scorer| outcome.scores.get(&scorer.name).and_then(Score::value).unwrap_or(f64::NAN);
        Self {
            trial: outcome.trial,
            scores: scorers.iter().map(score).collect(),
            answered: outcome.error.is_none(),
            latency_ms: outcome.latency_ms,
            cost: outcome.cost,
        }
    }
}

impl ExampleTrials {
    /// The scores of all trials of a scorer at this position.
    pub fn values(&self, scorer: usize) -> Vec<f64> {
        self.trials.iter().filter_map(|trial| trial.scores.get(scorer).copied()).filter(|v| !v.is_nan()).collect()
    }

    /// Whether trials of this scorer disagree.
    pub fn is_flaky(&self, scorer: usize) -> bool {
        disagree(&self.values(scorer))
    }
}

/// The score of an example in gates and comparisons. Where trials disagree, `majority` would make a pass or a failure of
/// them, depending on how tonight's fell, so it is their mean: an example that passes two times in three is two thirds of a
/// pass. The other reducers are what they say: `all` asks for reliability, and `any` for one success.
pub fn example_score(reducer: Reducer, values: &[f64]) -> Option<f64> {
    match reducer {
        Reducer::Majority if disagree(values) => reduce(Reducer::Mean, values),
        other => reduce(other, values),
    }
}

/// Whether trials of an example disagree.
pub fn disagree(values: &[f64]) -> bool {
    values.iter().any(|value| Some(value) != values.first())
}

/// Pairs of the same example in both runs, by position; edited ones are left out.
pub fn common(base: &RunScores, candidate: &RunScores, edited: &BTreeSet<String>) -> Vec<(usize, usize)> {
    let mut pairs = Vec::with_capacity(base.examples.len().min(candidate.examples.len()));
    let mut other = candidate.examples.iter().enumerate().peekable();
    for (place, example) in base.examples.iter().enumerate() {
        while other.next_if(|(_, found)| found.id < example.id).is_some() {}
        if let Some((matching, _)) = other.next_if(|(_, found)| found.id == example.id)
            && !edited.contains(&example.id)
        {
            pairs.push((place, matching));
        }
    }
    pairs
}

/// How many examples were compared, and which were not.
pub(super) fn counts(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    edited: &BTreeSet<String>,
) -> ComparedExamples {
    let ids = |run: &RunScores| -> BTreeSet<String> { run.examples.iter().map(|example| example.id.clone()).collect() };
    let (before, after) = (ids(base), ids(candidate));
    let listed = |ids: Vec<&String>| ids.into_iter().take(LISTED).cloned().collect::<Vec<String>>();
    let removed: Vec<&String> = before.difference(&after).collect();
    let added: Vec<&String> = after.difference(&before).collect();
    let both: Vec<&String> = edited.iter().filter(|id| before.contains(*id) && after.contains(*id)).collect();
    ComparedExamples {
        common: common.len(),
        added: added.len(),
        removed: removed.len(),
        edited: both.len(),
        added_ids: listed(added),
        removed_ids: listed(removed),
        edited_ids: listed(both),
    }
}
