//! Gates: requirements of a run, evaluated on intervals. Each has three results, and an inconclusive one says how many
//! examples would decide it.

mod baseline;
mod history;
mod minimum;
mod requests;
mod slices;

use std::collections::{BTreeMap, HashMap};

use crate::core::compare::{RunScores, disagree, example_score};
use crate::core::domain::{Gate, GateLimit, GateMeasure, Reducer, Scorer};
use crate::core::slices::Slices;
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::ScoreView;

pub use baseline::{Baseline, BaselineRun};
pub use history::{GatePast, History};

/// Largest number of examples reported as needed to decide a gate.
const MOST_NEEDED: u64 = 100_000;

/// What gates are evaluated on.
pub struct Evidence<'a> {
    /// One score per example and scorer.
    pub scores: &'a BTreeMap<&'a str, Vec<f64>>,
    /// Latency of every answer in milliseconds, ascending.
    pub latencies: &'a [f64],
    /// Cost of every answer that has one.
    pub costs: &'a [f64],
    /// The scores by example, where a gate of the suite needs them; see `needs_detail`.
    pub detail: Option<&'a RunScores>,
    /// The slices of the golden set.
    pub slices: &'a Slices,
    /// The cluster of each example, by example id; `None` if every example is on its own.
    pub clusters: Option<&'a HashMap<String, usize>>,
    /// The runs that gates compare with, by the name in the gate.
    pub baselines: &'a BTreeMap<String, Baseline>,
    /// What the gates said in earlier runs.
    pub history: &'a History,
}

/// The values that a gate evaluates, one per example, with the cluster of each.
pub struct Values {
    values: Vec<f64>,
    clusters: Option<Vec<usize>>,
    /// Number of examples that count with their pass rate.
    flaky: usize,
}

impl Values {
    /// Their mean with its 95 % interval.
    pub fn score(&self) -> ScoreView {
        let n = self.values.len();
        let mean = (n > 0).then(|| self.values.iter().sum::<f64>() / n as f64);
        let interval = mean.map(|mean| minimum::interval(self, mean, 0.95));
        ScoreView { mean, lo: interval.map(|found| found.lo), hi: interval.map(|found| found.hi), n }
    }
}

impl Evidence<'_> {
    /// The cluster of the example at a place of the run; one of its own if the clusters do not know it.
    fn cluster(&self, example_id: &str, place: usize) -> usize {
        let known = self.clusters.and_then(|clusters| clusters.get(example_id)).copied();
        known.unwrap_or(self.clusters.map_or(0, HashMap::len) + place)
    }

    /// The mean of a scorer as it is reported, with its 95 % interval: as its reducer says, also for flaky examples.
    pub fn reported(&self, scorer: &str) -> ScoreView {
        let values = self.scores.get(scorer).cloned().unwrap_or_default();
        let clustered = self.values(&GateMeasure::Score(scorer.to_owned()), None);
        // Clusters are those of the same examples in the same order.
        let clusters = clustered.clusters.filter(|clusters| clusters.len() == values.len());
        Values { values, clusters, flaky: 0 }.score()
    }

    /// The index of the slice with this name, if an example is in it.
    fn filled_slice(&self, name: &str) -> Option<usize> {
        let slices = self.slices;
        slices.find(name).filter(|place| slices.slices.get(*place).is_some_and(|slice| slice.size > 0))
    }

    /// The values of a measure on the whole set, or on one of its slices.
    pub fn values(&self, measure: &GateMeasure, slice: Option<usize>) -> Values {
        let (scorer, every_trial) = match measure {
            GateMeasure::Contract(scorer) => (scorer, true),
            GateMeasure::Score(scorer) => (scorer, false),
            _ => return Values { values: Vec::new(), clusters: None, flaky: 0 },
        };
        let Some(run) = self.detail else {
            let values = self.scores.get(scorer.as_str()).cloned().unwrap_or_default();
            return Values { values, clusters: None, flaky: 0 };
        };
        let mut result = Values { values: Vec::new(), clusters: self.clusters.map(|_| Vec::new()), flaky: 0 };
        let Some((place, reducer)) = run.scorer(scorer) else { return result };
        for (number, example) in run.examples.iter().enumerate() {
            if slice.is_some_and(|slice| !self.slices.of(&example.id).contains(&slice)) {
                continue;
            }
            let (reducer, values) = (if every_trial { Reducer::Mean } else { reducer }, example.values(place));
            if let Some(value) = example_score(reducer, &values) {
                result.flaky += usize::from(reducer == Reducer::Majority && disagree(&values));
                result.values.push(value);
                if let Some(clusters) = result.clusters.as_mut() {
                    clusters.push(self.cluster(&example.id, number));
                }
            }
        }
        result
    }
}

/// Whether a gate of a suite with these scorers needs the scores by example.
pub fn needs_detail(gate: &Gate, scorers: &[Scorer]) -> bool {
    let by_majority = |name: &str| scorers.iter().any(|s| s.name == name && s.reduce == Reducer::Majority);
    let by_trial = match &gate.measure {
        GateMeasure::Contract(_) => true,
        GateMeasure::Score(scorer) => by_majority(scorer),
        GateMeasure::Latency(_) | GateMeasure::Cost => false,
    };
    by_trial || gate.slice.is_some() || gate.baseline().is_some()
}

/// Evaluates the gates of a suite that apply to an endpoint. A gate on the whole set is also evaluated on every critical
/// slice, if it is about scores.
pub fn evaluate_all(gates: &[Gate], endpoint: &str, evidence: &Evidence<'_>) -> Vec<GateResult> {
    let applies = |gate: &&Gate| gate.endpoints.is_empty() || gate.endpoints.iter().any(|name| name == endpoint);
    let mut results = Vec::new();
    for gate in gates.iter().filter(applies) {
        results.push(evaluate(gate, evidence));
        let scored = matches!(gate.measure, GateMeasure::Score(_) | GateMeasure::Contract(_));
        if gate.slice.is_none() && scored {
            for slice in evidence.slices.slices.iter().filter(|slice| slice.critical) {
                results.push(evaluate(&Gate { slice: Some(slice.name.clone()), ..gate.clone() }, evidence));
            }
        }
    }
    results
}

/// Evaluates one gate.
fn evaluate(gate: &Gate, evidence: &Evidence<'_>) -> GateResult {
    let name = gate.name();
    let past = evidence.history.of(&name);
    let slice = gate.slice.as_ref().map(|slice| evidence.filled_slice(slice).ok_or(slice));
    let slice = match slice {
        None => None,
        Some(Ok(slice)) => Some(slice),
        Some(Err(missing)) => {
            let detail = format!("no example is in the slice {missing}");
            return past.after(GateResult::new(name, Verdict::Inconclusive, detail, gate.require_decision), None);
        }
    };
    let level = past.level(gate.confidence);
    let (verdict, detail) = match (&gate.limit, &gate.measure) {
        (GateLimit::NotWorse { baseline, margin }, _) => {
            baseline::not_worse(gate, evidence, slice, baseline, *margin, level)
        }
        (GateLimit::Min(min), measure) => {
            minimum::at_least(&evidence.values(measure, slice), *min, gate.confidence, level)
        }
        (GateLimit::Max(max), GateMeasure::Latency(percentile)) => {
            requests::latency_at_most(evidence.latencies, *percentile, *max, gate.confidence)
        }
        (GateLimit::Max(max), _) => requests::cost_at_most(evidence.costs, *max, gate.confidence),
    };
    past.after(GateResult::new(name, verdict, detail, gate.require_decision), Some(level))
}

#[cfg(test)]
mod tests;
