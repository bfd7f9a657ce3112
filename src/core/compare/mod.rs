//! Compares two runs on their common examples: differences with intervals, and verdicts that neither cry wolf nor look
//! away.
//!
//! Scores are compared within examples, which removes the difficulty of the examples from the difference (Miller 2024,
//! "Adding Error Bars to Evals"). The trials of an example are reduced to one score first, so that repeats make an example
//! more precise and do not count as more examples.

mod flips;
mod requests;
mod run;
mod scores;

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::core::slices::Slices;
use crate::core::view::{
    ComparedExamples, CostDifferenceView, FlipView, LatencyDifferenceView, ScoreDifferenceView, SliceDifferenceView,
};

pub use requests::{cost_difference, latency_difference};
pub use run::{ExampleTrials, RunScores, TrialScores, common, disagree, example_score};
pub use scores::{ScorePairs, score_pairs};

/// Whether a candidate is better than the run it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The whole interval of the difference is above 0, and the test agrees.
    Better,
    /// The whole interval is below 0, and the test agrees.
    Worse,
    /// The whole interval is within the margin.
    Same,
    /// None of these.
    Inconclusive,
}

impl Change {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "the same",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a comparison needs besides the two runs.
pub struct Options<'a> {
    /// Differences up to this count as the same, in [0, 1].
    pub margin: f64,
    /// Examples that are not the same in both runs.
    pub edited: &'a BTreeSet<String>,
    /// The cluster of each example, by example id; `None` if every example is on its own.
    pub clusters: Option<&'a HashMap<String, usize>>,
    /// The slices of the candidate's golden set.
    pub slices: &'a Slices,
    /// Examples known to be flaky.
    pub flaky: &'a HashSet<String>,
    /// Largest number of flips listed in each direction.
    pub flips: usize,
}

/// Everything that differs between two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Which examples were compared.
    pub examples: ComparedExamples,
    /// The difference of each scorer that both runs have, in the order of the candidate's suite.
    pub scores: Vec<ScoreDifferenceView>,
    /// Scorers that were not compared, with the reason.
    pub not_compared: Vec<(String, String)>,
    /// The slices, by p-value.
    pub slices: Vec<SliceDifferenceView>,
    /// Examples whose primary score fell, the largest fall first; without texts.
    pub new_failures: Vec<FlipView>,
    /// Examples whose primary score rose, the largest rise first; without texts.
    pub fixed: Vec<FlipView>,
    /// Latency of the requests that both runs have.
    pub latency: Vec<LatencyDifferenceView>,
    /// Cost of the requests that both runs have.
    pub cost: Option<CostDifferenceView>,
}

/// Compares a candidate with a base.
pub fn compare(base: &RunScores, candidate: &RunScores, options: &Options<'_>) -> Comparison {
    let common = run::common(base, candidate, options.edited);
    let mut not_compared = Vec::new();
    let mut found = Vec::new();
    for scorer in &candidate.scorers {
        let is_in_base = base.scorers.iter().any(|other| other.name == scorer.name);
        match base.not_comparable(candidate, &scorer.name) {
            _ if !is_in_base => not_compared.push((scorer.name.clone(), "only the candidate has it".to_owned())),
            Some(reason) => not_compared.push((scorer.name.clone(), reason)),
            None => found.push(scores::compare_scores(base, candidate, &common, &scorer.name, options)),
        }
    }
    for scorer in &base.scorers {
        if !candidate.scorers.iter().any(|other| other.name == scorer.name) {
            not_compared.push((scorer.name.clone(), "only the base has it".to_owned()));
        }
    }
    let primary = found.first().map(|score| score.scorer.clone()).unwrap_or_default();
    let (new_failures, fixed) = flips::flips(base, candidate, &common, &primary, options);
    Comparison {
        examples: run::counts(base, candidate, &common, options.edited),
        slices: scores::compare_slices(base, candidate, &common, &primary, options),
        latency: requests::latency(base, candidate, &common),
        cost: requests::cost(base, candidate, &common),
        scores: found,
        not_compared,
        new_failures,
        fixed,
    }
}

#[cfg(test)]
mod tests;
