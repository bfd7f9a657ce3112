//! Runs whose scores are written over by every repetition, and comparisons of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use karat::compare::{
    Comparison, Exact, ExampleTrials, Options, RunScores, Scorer, ScorerKind, Slices, TrialScores, compare,
};
use rand::{Rng, RngExt};

/// The scorer of every run.
pub const SCORER: &str = "exact";

/// The margin of a comparison unless another one is chosen.
pub const MARGIN: f64 = 0.02;

/// The id of an example; ids sort like their numbers.
pub fn id(example: usize) -> String {
    format!("{example:05}")
}

/// A run of `n` examples with scores of 0.
pub fn empty(n: usize, trials: u32) -> RunScores {
    let trial = |trial| TrialScores { trial, scores: [0.0].into(), answered: true, latency_ms: None, cost: None };
    let example = |number| ExampleTrials { id: id(number), trials: (0..trials).map(trial).collect() };
    let kind = ScorerKind::Exact(Exact { normalize: Vec::new(), value: None });
    RunScores {
        scorers: vec![Scorer::new(SCORER, kind)],
        examples: (0..n).map(example).collect(),
        evaluators: BTreeMap::new(),
    }
}

/// Writes the scores of the trials of an example.
pub fn write(example: &mut ExampleTrials, mut score: impl FnMut() -> f64) {
    for value in example.trials.iter_mut().flat_map(|trial| trial.scores.iter_mut()) {
        *value = score();
    }
}

/// The mean score of every example.
pub fn means(run: &RunScores) -> Vec<f64> {
    let total = |example: &ExampleTrials| example.trials.iter().flat_map(|trial| trial.scores.iter()).sum::<f64>();
    run.examples.iter().map(|example| total(example) / example.trials.len() as f64).collect()
}

/// 1 with this probability, otherwise 0.
pub fn pass(probability: f64, rng: &mut impl Rng) -> f64 {
    f64::from(u8::from(rng.random::<f64>() < probability))
}

/// The mean of `trials` that pass with this probability.
pub fn passes(probability: f64, trials: u32, rng: &mut impl Rng) -> f64 {
    match probability {
        0.0 | 1.0 => probability,
        _ => (0..trials).map(|_| pass(probability, rng)).sum::<f64>() / f64::from(trials),
    }
}

/// What comparisons are made with besides the two runs.
#[derive(Default)]
pub struct Setting {
    pub clusters: Option<HashMap<String, usize>>,
    pub slices: Slices,
    pub edited: BTreeSet<String>,
    pub flaky: HashSet<String>,
}

impl Setting {
    pub fn compare(&self, base: &RunScores, candidate: &RunScores, margin: f64) -> Comparison {
        let options = Options {
            margin,
            edited: &self.edited,
            clusters: self.clusters.as_ref(),
            slices: &self.slices,
            flaky: &self.flaky,
            flips: 20,
        };
        compare(base, candidate, &options)
    }
}
