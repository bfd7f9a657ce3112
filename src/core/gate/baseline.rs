//! Non-inferiority: not worse than an earlier run by more than a margin.

use std::collections::BTreeSet;

use super::Evidence;
use super::requests::would_decide;
use crate::core::compare::{RunScores, ScorePairs, common, cost_difference, latency_difference, score_pairs};
use crate::core::domain::{Gate, GateMeasure, Reducer};
use crate::core::stats::Interval;
use crate::core::verdict::{Verdict, evaluate_maximum, evaluate_minimum};
use crate::core::view::{CostDifferenceView, LatencyDifferenceView};

/// An earlier run to compare with, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// It was found.
    Found(Box<BaselineRun>),
    /// It was not, for this reason.
    Missing(String),
}

/// An earlier run to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineRun {
    /// How it is named in details, such as `0199a2 of 2026-09-14`.
    pub label: String,
    /// Its scores.
    pub scores: RunScores,
    /// Examples that are not the same in both runs.
    pub edited: BTreeSet<String>,
}

/// Evaluates a gate against its baseline.
pub(super) fn not_worse(
    gate: &Gate,
    evidence: &Evidence<'_>,
    slice: Option<usize>,
    name: &str,
    margin: f64,
    level: f64,
) -> (Verdict, String) {
    let base = match evidence.baselines.get(name) {
        Some(Baseline::Found(base)) => base,
        Some(Baseline::Missing(reason)) => return (Verdict::Inconclusive, reason.clone()),
        None => return (Verdict::Inconclusive, format!("there is no run {name}")),
    };
    let Some(run) = evidence.detail else { return (Verdict::Inconclusive, "nothing was scored".to_owned()) };
    if let Some(reason) = other_scorer(&gate.measure, &base.scores, run) {
        return (Verdict::Inconclusive, format!("{reason} {name} ({})", base.label));
    }
    let mut pairs = common(&base.scores, run, &base.edited);
    if let Some(slice) = slice {
        let within = |place: usize| run.examples.get(place).is_some_and(|e| evidence.slices.of(&e.id).contains(&slice));
        pairs.retain(|(_, place)| within(*place));
    }
    let (verdict, detail) = match &gate.measure {
        GateMeasure::Score(scorer) => {
            scores(&score_pairs(&base.scores, run, &pairs, scorer, None), evidence, margin, gate.confidence, level)
        }
        GateMeasure::Contract(scorer) => {
            let pairs = score_pairs(&base.scores, run, &pairs, scorer, Some(Reducer::Mean));
            scores(&pairs, evidence, margin, gate.confidence, level)
        }
        GateMeasure::Latency(percentile) => {
            latency(latency_difference(&base.scores, run, &pairs, *percentile, gate.confidence), margin)
        }
        GateMeasure::Cost => cost(cost_difference(&base.scores, run, &pairs, gate.confidence), margin),
    };
    (verdict, format!("{detail}, against {name} ({})", base.label))
}

/// Why the scores of a gate on a scorer cannot be compared with those of the base, to be followed by its name.
fn other_scorer(measure: &GateMeasure, base: &RunScores, run: &RunScores) -> Option<String> {
    let (GateMeasure::Score(name) | GateMeasure::Contract(name)) = measure else { return None };
    let of = |scores: &RunScores| scores.scorers.iter().find(|scorer| scorer.name == *name).cloned();
    let now = of(run)?;
    match of(base) {
        None => Some(format!("there is no scorer {name} in")),
        // A contract counts every answer, however the scorer combines repeats.
        Some(then) if matches!(measure, GateMeasure::Contract(_)) && then.kind == now.kind => None,
        Some(then) if then != now => Some(format!("{name} is defined differently in")),
        Some(_) => base.not_comparable(run, name).map(|reason| format!("{name}: {reason}; see")),
    }
}

/// Passes if the whole interval of the difference is at most the margin, in milliseconds.
fn latency(found: Option<LatencyDifferenceView>, margin: f64) -> (Verdict, String) {
    let Some(found) = found else { return (Verdict::Inconclusive, "no request is in both runs".to_owned()) };
    let interval = Interval { lo: found.lo_ms.unwrap_or(f64::NEG_INFINITY), hi: found.hi_ms.unwrap_or(f64::INFINITY) };
    let end = |end: Option<f64>| end.map_or_else(|| "unknown".to_owned(), |ms| format!("{ms:+.0}"));
    let (lo, hi) = (end(found.lo_ms), end(found.hi_ms));
    let mut detail = format!("{:+.0} ms, interval {lo} to {hi}, {} requests", found.difference_ms, found.requests);
    let verdict = evaluate_maximum(interval, margin);
    if verdict == Verdict::Inconclusive {
        detail.push_str(&would_decide(found.requests, found.difference_ms, interval, margin, "requests"));
    }
    (verdict, detail)
}

/// Passes if the whole interval of the difference of the mean cost is at most the margin.
fn cost(found: Option<CostDifferenceView>, margin: f64) -> (Verdict, String) {
    let Some(found) = found else { return (Verdict::Inconclusive, "no costs are known in both runs".to_owned()) };
    let CostDifferenceView { difference, lo, hi, requests, .. } = found;
    let mut detail = format!("{difference:+.6}, interval {lo:+.6} to {hi:+.6}, {requests} requests");
    let verdict = evaluate_maximum(Interval { lo, hi }, margin);
    if verdict == Verdict::Inconclusive {
        detail.push_str(&would_decide(requests, difference, Interval { lo, hi }, margin, "requests"));
    }
    (verdict, detail)
}

/// Passes if the whole interval of the difference is above −margin, and fails if it lies below at the level.
fn scores(pairs: &ScorePairs, evidence: &Evidence<'_>, margin: f64, confidence: f64, level: f64) -> (Verdict, String) {
    let Some(found) = pairs.difference(evidence.clusters, confidence) else {
        return (Verdict::Inconclusive, format!("only {} examples were scored in both runs", pairs.ids.len()));
    };
    let (n, interval) = (pairs.ids.len(), found.interval);
    let detail = format!(
        "difference {:+.3}, {:.0} % interval {:+.3} to {:+.3}, n = {n}",
        found.difference,
        confidence * 100.0,
        interval.lo,
        interval.hi
    );
    match evaluate_minimum(interval, -margin) {
        Verdict::Fail => {
            let strict = pairs.difference(evidence.clusters, 1.0 - 2.0 * level);
            if strict.is_none_or(|strict| strict.interval.hi >= -margin) {
                let chance = "below the margin, but not by enough to tell it from chance";
                return (Verdict::Inconclusive, format!("{detail}; {chance} (level {level:.2e})"));
            }
            (Verdict::Fail, detail)
        }
        Verdict::Inconclusive => {
            let decided = |interval: Interval| interval.lo >= -margin || interval.hi < -margin;
            let needed = match found.examples_needed(n, decided) {
                Some(needed) => format!("about {needed} examples like these would decide it"),
                None => "not even a million examples like these would decide it".to_owned(),
            };
            (Verdict::Inconclusive, format!("{detail}; {needed}"))
        }
        other => (other, detail),
    }
}
