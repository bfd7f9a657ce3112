//! Gates that are evaluated every night, with the history that a nightly run has: the level of the last result, one day
//! between runs, and the number of warnings in a row.

use std::collections::BTreeMap;

use karat::compare::{
    Baseline, Evidence, Gate, GateLimit, GateMeasure, GatePast, GateResult, History, RunScores, Slices, Verdict,
    evaluate_all,
};

use super::runs::SCORER;

/// The night on which something first happened to a gate.
#[derive(Clone, Copy, Default)]
pub struct First {
    /// Its suite was red: it failed, or a decision was required.
    pub red: Option<usize>,
    pub failed: Option<usize>,
}

impl First {
    pub fn note(&mut self, night: usize, red: bool, failed: bool) {
        self.red = self.red.or(red.then_some(night));
        self.failed = self.failed.or(failed.then_some(night));
    }
}

/// A run of one night.
pub struct Night<'a> {
    pub scores: &'a BTreeMap<&'a str, Vec<f64>>,
    pub detail: Option<&'a RunScores>,
    pub baselines: &'a BTreeMap<String, Baseline>,
}

/// Until when a gate is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Red,
    Failed,
}

/// Gates with their history.
pub struct Watched {
    gates: Vec<Gate>,
    /// The place of each of them in `firsts`.
    places: Vec<usize>,
    pub firsts: Vec<First>,
    history: History,
    /// Whether the nights before count; otherwise every night is like the first one.
    spending: bool,
    until: Until,
}

impl Watched {
    pub fn new(limits: &[GateLimit], until: Until, spending: bool) -> Self {
        let gate = |limit: &GateLimit| Gate {
            measure: GateMeasure::Score(SCORER.to_owned()),
            limit: limit.clone(),
            slice: None,
            confidence: 0.95,
            endpoints: Vec::new(),
            require_decision: false,
        };
        Self {
            gates: limits.iter().map(gate).collect(),
            places: (0..limits.len()).collect(),
            firsts: vec![First::default(); limits.len()],
            history: History::default(),
            spending,
            until,
        }
    }

    /// Evaluates the gates that are still watched.
    pub fn evaluate(&mut self, number: usize, night: &Night<'_>) {
        let evidence = Evidence {
            scores: night.scores,
            latencies: &[],
            costs: &[],
            detail: night.detail,
            slices: &Slices::default(),
            clusters: None,
            baselines: night.baselines,
            history: &self.history,
        };
        let results = evaluate_all(&self.gates, "model", &evidence);
        for (result, place) in results.iter().zip(&self.places) {
            if let Some(first) = self.firsts.get_mut(*place) {
                first.note(number, result.counted() != Verdict::Pass, result.verdict == Verdict::Fail);
            }
        }
        if self.spending {
            for result in &results {
                let past = self.history.0.entry(result.name.clone()).or_default();
                *past = next(*past, result);
            }
        }
        let open = |result: &GateResult| match self.until {
            Until::Red => result.counted() == Verdict::Pass,
            Until::Failed => result.verdict != Verdict::Fail,
        };
        let mut kept = results.iter().map(open);
        self.gates.retain(|_| kept.next().unwrap_or(true));
        let mut kept = results.iter().map(open);
        self.places.retain(|_| kept.next().unwrap_or(true));
    }
}

/// What the next night knows of a gate.
fn next(past: GatePast, result: &GateResult) -> GatePast {
    let older = past.last.map(|(verdict, level, days)| (verdict, level, days + 1.0));
    let warned = result.verdict == Verdict::Inconclusive;
    GatePast {
        last: result.level.map(|level| (result.verdict, level, 1.0)).or(older),
        warnings: if warned { past.warnings + 1 } else { 0 },
    }
}
