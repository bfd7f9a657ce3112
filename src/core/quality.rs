//! What a run came to: means with intervals, gates, errors apart from wrong answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::core::domain::{Example, Gate, RecordedOutcome, Score, Suite};
use crate::core::stats::{Interval, mean_t, quantile, wilson};
use crate::core::verdict::{GateResult, Verdict, judge_minimum, overall};
use crate::core::view::{ErrorView, LatencyView, MissView, OutcomeCounts, RunView, ScoreView};

/// Misses listed at most.
const MISSES: usize = 50;

/// What identifies a run, for its view.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// Globally unique id.
    pub run_id: String,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// Endpoint name.
    pub endpoint: String,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// Whether every example has an outcome.
    pub finished: bool,
    /// Examples of the run.
    pub total: usize,
}

/// The view of a run.
pub fn run_view(identity: RunIdentity, suite: &Suite, examples: &[Example], outcomes: &[RecordedOutcome]) -> RunView {
    let primary = suite.scorers.first().map(|scorer| scorer.name.clone()).unwrap_or_default();
    let scores: BTreeMap<String, ScoreView> = suite
        .scorers
        .iter()
        .map(|scorer| (scorer.name.clone(), score_view(&values(outcomes, &scorer.name), 0.95)))
        .collect();
    let errors = errors(outcomes);
    let errored = errors.iter().map(|error| error.count).sum();
    let scored = scores.get(&primary).map_or(0, |score| score.n);
    let counts = OutcomeCounts { total: identity.total, scored, errored, skipped: outcomes.len() - errored - scored };
    let gates: Vec<GateResult> = suite
        .gates
        .iter()
        .filter(|gate| gate.endpoints.is_empty() || gate.endpoints.contains(&identity.endpoint))
        .map(|gate| judge(gate, &values(outcomes, &gate.scorer)))
        .collect();
    let verdict = verdict(&identity, suite, counts, &gates);
    RunView {
        run_id: identity.run_id,
        suite: suite.name.clone(),
        suite_version: suite.version.clone(),
        dataset: suite.dataset.clone(),
        dataset_version: identity.dataset_version,
        endpoint: identity.endpoint,
        models: outcomes
            .iter()
            .filter_map(|outcome| outcome.model.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        started_at: identity.started_at,
        finished: identity.finished,
        outcomes: counts,
        errors,
        scores,
        misses: misses(outcomes, &primary, examples),
        primary,
        gates,
        latency: latency(outcomes),
        prompt_tokens: outcomes.iter().map(|outcome| outcome.tokens.0).sum(),
        completion_tokens: outcomes.iter().map(|outcome| outcome.tokens.1).sum(),
        verdict,
    }
}

/// Errors above the tolerance or a missing rest leave the run incomplete; nothing scored is inconclusive, never green.
fn verdict(identity: &RunIdentity, suite: &Suite, counts: OutcomeCounts, gates: &[GateResult]) -> Verdict {
    let tolerated = suite.error_tolerance * identity.total as f64;
    if !identity.finished || counts.errored as f64 > tolerated {
        return Verdict::Incomplete.and(overall(gates));
    }
    if counts.scored == 0 { Verdict::Inconclusive } else { overall(gates) }
}

fn values(outcomes: &[RecordedOutcome], scorer: &str) -> Vec<f64> {
    outcomes.iter().filter_map(|outcome| outcome.scores.get(scorer).and_then(Score::value)).collect()
}

fn score_view(values: &[f64], confidence: f64) -> ScoreView {
    let n = values.len();
    if n == 0 {
        return ScoreView { mean: None, lo: None, hi: None, n };
    }
    let interval = interval(values, confidence);
    ScoreView { mean: Some(values.iter().sum::<f64>() / n as f64), lo: Some(interval.lo), hi: Some(interval.hi), n }
}

/// Wilson's interval where every score is right or wrong, Student's t where there are values between.
fn interval(values: &[f64], confidence: f64) -> Interval {
    if values.iter().all(|value| *value == 0.0 || *value == 1.0) {
        return wilson(values.iter().sum(), values.len() as f64, confidence);
    }
    mean_t(values, confidence).map_or(Interval { lo: 0.0, hi: 1.0 }, Interval::clamp_unit)
}

fn judge(gate: &Gate, values: &[f64]) -> GateResult {
    let name = format!("{} >= {}", gate.scorer, gate.min);
    let result =
        |verdict, detail| GateResult { name: name.clone(), verdict, detail, require_decision: gate.require_decision };
    if values.is_empty() {
        return result(Verdict::Inconclusive, "nothing was scored".into());
    }
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let interval = interval(values, gate.confidence);
    let verdict = judge_minimum(interval, gate.min);
    let percent = gate.confidence * 100.0;
    let mut detail = format!("mean {mean:.3}, {percent:.0} % interval {:.3}–{:.3}, n = {n}", interval.lo, interval.hi);
    if verdict == Verdict::Inconclusive {
        detail.push_str(&match examples_needed(mean, gate.min, gate.confidence) {
            Some(needed) => {
                format!("; the interval holds the minimum: at this mean about {needed} examples would decide")
            }
            None => "; the mean lies on the minimum: no number of examples would decide".to_owned(),
        });
    }
    result(verdict, detail)
}

/// Examples at which an interval around `mean` no longer holds `minimum`.
fn examples_needed(mean: f64, minimum: f64, confidence: f64) -> Option<u64> {
    let decides = |n: u64| {
        let interval = wilson(mean * n as f64, n as f64, confidence);
        judge_minimum(interval, minimum) != Verdict::Inconclusive
    };
    let mut high = 1_u64;
    while !decides(high) {
        high *= 2;
        if high > 100_000 {
            return None;
        }
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if decides(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

fn errors(outcomes: &[RecordedOutcome]) -> Vec<ErrorView> {
    let mut kinds: BTreeMap<&str, ErrorView> = BTreeMap::new();
    for (kind, message) in outcomes.iter().filter_map(|outcome| outcome.error.as_ref()) {
        let entry =
            kinds.entry(kind).or_insert_with(|| ErrorView { kind: kind.clone(), count: 0, message: message.clone() });
        entry.count += 1;
    }
    let mut errors: Vec<ErrorView> = kinds.into_values().collect();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
    errors
}

fn latency(outcomes: &[RecordedOutcome]) -> Option<LatencyView> {
    let mut latencies: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.latency_ms).collect();
    latencies.sort_by(f64::total_cmp);
    Some(LatencyView { p50_ms: quantile(&latencies, 0.5)?, p95_ms: quantile(&latencies, 0.95)? })
}

fn misses(outcomes: &[RecordedOutcome], primary: &str, examples: &[Example]) -> Vec<MissView> {
    let by_id: HashMap<&str, &Example> = examples.iter().map(|example| (example.id.as_str(), example)).collect();
    let missed = outcomes.iter().filter_map(|outcome| match outcome.scores.get(primary) {
        Some(Score::Value(value, reason)) if *value < 1.0 => Some((outcome, *value, reason.clone())),
        _ => None,
    });
    missed
        .take(MISSES)
        .map(|(outcome, score, reason)| {
            let example = by_id.get(outcome.example_id.as_str());
            MissView {
                example_id: outcome.example_id.clone(),
                input: example.map(|example| example.text()).unwrap_or_default(),
                expected: example.map(|example| example.expected_texts()).unwrap_or_default(),
                output: outcome.output.clone().unwrap_or_default(),
                score,
                reason,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::{Normalization, Prompt, Scorer, ScorerKind};

    fn suite(min: f64) -> Suite {
        Suite {
            name: "s".into(),
            version: "v".into(),
            dataset: "d".into(),
            prompt: Prompt::Input,
            endpoints: vec![],
            scorers: vec![Scorer {
                name: "exact".into(),
                kind: ScorerKind::Exact { normalize: vec![Normalization::Trim] },
            }],
            gates: vec![Gate {
                scorer: "exact".into(),
                min,
                confidence: 0.95,
                endpoints: vec![],
                require_decision: true,
            }],
            error_tolerance: 0.02,
        }
    }

    fn outcome(id: usize, score: Option<f64>) -> RecordedOutcome {
        RecordedOutcome {
            example_id: format!("{id:04}"),
            trial: 0,
            output: score.map(|_| "x".into()),
            error: score.is_none().then(|| ("timeout".into(), "slow".into())),
            latency_ms: score.map(|_| 10.0),
            tokens: (0, 0),
            model: None,
            scores: score.map(|value| ("exact".to_owned(), Score::Value(value, None))).into_iter().collect(),
        }
    }

    fn view(right: usize, wrong: usize, errored: usize, finished: bool, min: f64) -> RunView {
        let scores = [vec![Some(1.0); right], vec![Some(0.0); wrong], vec![None; errored]].concat();
        let outcomes: Vec<_> = scores.into_iter().enumerate().map(|(id, score)| outcome(id, score)).collect();
        let identity = RunIdentity {
            run_id: "r".into(),
            dataset_version: "v".into(),
            endpoint: "e".into(),
            started_at: String::new(),
            finished,
            total: right + wrong + errored,
        };
        run_view(identity, &suite(min), &[], &outcomes)
    }

    #[test]
    fn a_gate_has_three_answers() {
        assert_eq!(view(950, 50, 0, true, 0.9).verdict, Verdict::Pass);
        assert_eq!(view(800, 200, 0, true, 0.9).verdict, Verdict::Fail);
        let between = view(88, 12, 0, true, 0.9);
        assert_eq!(between.verdict, Verdict::Inconclusive);
        assert!(between.gates[0].detail.contains("examples would decide"), "{}", between.gates[0].detail);
    }

    #[test]
    fn errors_are_never_wrong_answers_and_too_many_leave_the_run_incomplete() {
        let few = view(990, 0, 10, true, 0.9);
        assert_eq!((few.outcomes.errored, few.scores["exact"].mean), (10, Some(1.0)));
        assert_eq!(few.verdict, Verdict::Pass);
        assert_eq!(view(900, 0, 100, true, 0.9).verdict, Verdict::Incomplete);
        assert_eq!(view(990, 0, 0, false, 0.9).verdict, Verdict::Incomplete);
    }

    #[test]
    fn nothing_measured_is_never_green() {
        assert_eq!(view(0, 0, 0, true, 0.0).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn the_examples_that_would_decide_are_counted() {
        assert_eq!(examples_needed(0.5, 0.5, 0.95), None);
        let needed = examples_needed(0.88, 0.9, 0.95).unwrap();
        let interval = wilson(0.88 * needed as f64, needed as f64, 0.95);
        assert!(interval.hi < 0.9 && needed > 500, "{needed}");
    }
}
