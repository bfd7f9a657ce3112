//! Summary of a run: means with intervals, gates, and errors, which are counted separately from wrong answers. Outcomes
//! are consumed one at a time, so that each outcome of a large run takes only a few numbers of memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::core::domain::{CallErrorKind, Example, Gate, RecordedOutcome, RunId, Score, Suite};
use crate::core::scoring::reduce;
use crate::core::stats::{Interval, mean_t, quantile, sample_variance, t_interval, wilson};
use crate::core::verdict::{GateResult, Verdict, evaluate_minimum, overall};
use crate::core::view::{ErrorView, LatencyView, MissView, OutcomeCounts, RunView, ScoreView};

/// Maximum number of wrong answers listed.
const MISSES: usize = 50;

/// Largest number of examples reported as needed to decide a gate.
const MOST_NEEDED: u64 = 100_000;

/// Properties of a run that do not come from its outcomes.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// Globally unique id.
    pub run_id: RunId,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Trials per example.
    pub repeats: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Whether every example has an outcome.
    pub finished: bool,
    /// Number of outcomes expected: examples × repeats.
    pub total: usize,
}

/// Accumulates the outcomes of a run into a summary.
pub struct RunTally<'a> {
    suite: &'a Suite,
    primary: String,
    /// The example whose trials are being collected.
    current: Option<Trials>,
    /// One score per example and scorer.
    values: BTreeMap<&'a str, Vec<f64>>,
    counts: OutcomeCounts,
    errors: BTreeMap<CallErrorKind, ErrorView>,
    models: BTreeSet<String>,
    latencies: Vec<f64>,
    ttfts: Vec<f64>,
    rates: Vec<f64>,
    misses: Vec<Miss>,
    tokens: (u64, u64),
    cost: Option<f64>,
    cached: usize,
}

struct Trials {
    example_id: String,
    scores: BTreeMap<String, Vec<f64>>,
    missed: bool,
}

struct Miss {
    example_id: String,
    output: String,
    score: f64,
    reason: Option<String>,
}

impl<'a> RunTally<'a> {
    /// Creates an empty tally for a run of `suite`.
    pub fn new(suite: &'a Suite) -> Self {
        Self {
            suite,
            primary: suite.scorers.first().map(|scorer| scorer.name.clone()).unwrap_or_default(),
            current: None,
            values: suite.scorers.iter().map(|scorer| (scorer.name.as_str(), Vec::new())).collect(),
            counts: OutcomeCounts::default(),
            errors: BTreeMap::new(),
            models: BTreeSet::new(),
            latencies: Vec::new(),
            ttfts: Vec::new(),
            rates: Vec::new(),
            misses: Vec::new(),
            tokens: (0, 0),
            cost: None,
            cached: 0,
        }
    }

    /// Adds an outcome. The trials of an example must be added consecutively.
    pub fn push(&mut self, outcome: RecordedOutcome) {
        if self.current.as_ref().is_none_or(|trials| trials.example_id != outcome.example_id) {
            self.close_example();
            let example_id = outcome.example_id.clone();
            self.current = Some(Trials { example_id, scores: BTreeMap::new(), missed: false });
        }
        self.tokens.0 += outcome.usage.prompt_tokens.unwrap_or(0);
        self.tokens.1 += outcome.usage.completion_tokens.unwrap_or(0);
        self.cost = outcome.cost.map(|cost| self.cost.unwrap_or(0.0) + cost).or(self.cost);
        self.cached += usize::from(outcome.cached);
        self.time(&outcome);
        match outcome.error {
            Some((kind, message)) => {
                self.counts.errored += 1;
                self.errors.entry(kind).or_insert_with(|| ErrorView { kind, count: 0, message }).count += 1;
            }
            None => self.score(outcome),
        }
    }

    fn time(&mut self, outcome: &RecordedOutcome) {
        self.latencies.extend(outcome.latency_ms);
        self.ttfts.extend(outcome.ttft_ms);
        let tokens = outcome.usage.completion_tokens.map(|tokens| tokens as f64);
        // The first token arrives at `ttft`; the remaining tokens share the rest of the latency.
        if let (Some(tokens), Some(latency), Some(ttft)) = (tokens, outcome.latency_ms, outcome.ttft_ms) {
            self.rates.extend((latency > ttft && tokens > 1.0).then(|| (tokens - 1.0) * 1e3 / (latency - ttft)));
        }
    }

    fn score(&mut self, outcome: RecordedOutcome) {
        self.models.extend(outcome.model);
        let Some(trials) = &mut self.current else { return };
        for (scorer, score) in &outcome.scores {
            if let Some(value) = score.value() {
                trials.scores.entry(scorer.clone()).or_default().push(value);
            }
        }
        match outcome.scores.get(&self.primary) {
            Some(Score::Value(value, reason)) => {
                self.counts.scored += 1;
                if *value < 1.0 && !trials.missed && self.misses.len() < MISSES {
                    trials.missed = true;
                    let (example_id, output) = (outcome.example_id, outcome.output.unwrap_or_default());
                    self.misses.push(Miss { example_id, output, score: *value, reason: reason.clone() });
                }
            }
            _ => self.counts.skipped += 1,
        }
    }

    fn close_example(&mut self) {
        let Some(trials) = self.current.take() else { return };
        for scorer in &self.suite.scorers {
            let values = trials.scores.get(&scorer.name).map(Vec::as_slice).unwrap_or_default();
            if let (Some(value), Some(all)) = (reduce(scorer.reduce, values), self.values.get_mut(scorer.name.as_str()))
            {
                all.push(value);
            }
        }
    }

    /// Models reported by the server so far.
    pub fn models(&self) -> Vec<String> {
        self.models.iter().cloned().collect()
    }

    /// Ids of the examples whose wrong answers are listed, which [`RunTally::finish`] needs to look up.
    pub fn missed(&self) -> Vec<&str> {
        self.misses.iter().map(|miss| miss.example_id.as_str()).collect()
    }

    /// Builds the view of the run. `examples` must contain at least those of [`RunTally::missed`]; `notes` are remarks
    /// for the reader.
    pub fn finish(mut self, identity: RunIdentity, examples: &HashMap<String, Example>, notes: Vec<String>) -> RunView {
        self.close_example();
        self.counts.total = identity.total;
        let none = Vec::new();
        let values = |scorer: &str| self.values.get(scorer).unwrap_or(&none);
        let gates: Vec<GateResult> = self
            .suite
            .gates
            .iter()
            .filter(|gate| gate.endpoints.is_empty() || gate.endpoints.contains(&identity.endpoint))
            .map(|gate| evaluate(gate, values(&gate.scorer)))
            .collect();
        let verdict = verdict(&identity, self.suite, self.counts, &gates);
        let scores = self.values.iter().map(|(name, values)| ((*name).to_owned(), score_view(values, 0.95))).collect();
        RunView {
            run_id: identity.run_id.into(),
            suite: self.suite.name.clone(),
            suite_version: self.suite.version.clone(),
            dataset: self.suite.dataset.clone(),
            dataset_version: identity.dataset_version,
            endpoint: identity.endpoint,
            prompt: identity.prompt,
            repeats: identity.repeats,
            models: self.models.into_iter().collect(),
            started_at: identity.started_at.to_string(),
            finished: identity.finished,
            outcomes: self.counts,
            errors: by_frequency(self.errors),
            scores,
            misses: self.misses.into_iter().map(|miss| miss_view(miss, examples)).collect(),
            primary: self.primary,
            gates,
            latency: latency(self.latencies, self.ttfts, self.rates),
            prompt_tokens: self.tokens.0,
            completion_tokens: self.tokens.1,
            cost: self.cost,
            cached: self.cached,
            notes,
            verdict,
        }
    }
}

/// Errors above the tolerance or missing outcomes make the run incomplete. A run in which nothing was scored is
/// inconclusive and never passes.
fn verdict(identity: &RunIdentity, suite: &Suite, counts: OutcomeCounts, gates: &[GateResult]) -> Verdict {
    let tolerated = suite.error_tolerance * identity.total as f64;
    if !identity.finished || counts.errored as f64 > tolerated {
        return Verdict::Incomplete;
    }
    if counts.scored == 0 { Verdict::Inconclusive } else { overall(gates) }
}

fn score_view(values: &[f64], confidence: f64) -> ScoreView {
    let n = values.len();
    if n == 0 {
        return ScoreView { mean: None, lo: None, hi: None, n };
    }
    let interval = interval(values, confidence);
    ScoreView { mean: Some(values.iter().sum::<f64>() / n as f64), lo: Some(interval.lo), hi: Some(interval.hi), n }
}

/// Wilson's interval if every score is 0 or 1, and Student's t interval otherwise.
fn interval(values: &[f64], confidence: f64) -> Interval {
    if is_binary(values) {
        return wilson(values.iter().sum(), values.len() as f64, confidence);
    }
    mean_t(values, confidence).map_or(Interval { lo: 0.0, hi: 1.0 }, Interval::clamp_unit)
}

fn is_binary(values: &[f64]) -> bool {
    values.iter().all(|value| *value == 0.0 || *value == 1.0)
}

fn evaluate(gate: &Gate, values: &[f64]) -> GateResult {
    let name = format!("{} >= {}", gate.scorer, gate.min);
    let result =
        |verdict, detail| GateResult { name: name.clone(), verdict, detail, require_decision: gate.require_decision };
    if values.is_empty() {
        return result(Verdict::Inconclusive, "nothing was scored".into());
    }
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let interval = interval(values, gate.confidence);
    let verdict = evaluate_minimum(interval, gate.min);
    let percent = gate.confidence * 100.0;
    let mut detail = format!("mean {mean:.3}, {percent:.0} % interval {:.3}–{:.3}, n = {n}", interval.lo, interval.hi);
    if verdict == Verdict::Inconclusive {
        let needed = examples_needed(values, gate.min, gate.confidence);
        detail.push_str(&format!("; {}", needed.sentence()));
    }
    result(verdict, detail)
}

/// The number of examples that would decide an inconclusive gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// About this many, if mean and spread do not change.
    About(u64),
    /// More than [`MOST_NEEDED`].
    TooMany,
    /// No number of examples decides it, because the mean equals the minimum.
    Never,
    /// Unknown: a single score strictly between 0 and 1 says nothing about the spread.
    Unknown,
}

impl Needed {
    fn sentence(self) -> String {
        match self {
            Self::About(count) => {
                format!("the interval contains the minimum: with this mean, about {count} examples would decide it")
            }
            Self::TooMany => {
                format!("the mean is too close to the minimum: not even {MOST_NEEDED} examples would decide it")
            }
            Self::Never => "the mean equals the minimum: no number of examples would decide it".to_owned(),
            Self::Unknown => "a single score does not show how much scores vary: add examples".to_owned(),
        }
    }
}

/// The smallest number of examples at which the evaluated interval ([`interval`]) would no longer contain `minimum`.
fn examples_needed(values: &[f64], minimum: f64, confidence: f64) -> Needed {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if mean == minimum {
        return Needed::Never;
    }
    let Some(interval_at) = interval_by_size(values, mean, confidence) else { return Needed::Unknown };
    let decides = |n: u64| evaluate_minimum(interval_at(n as f64), minimum) != Verdict::Inconclusive;
    let (mut low, mut high) = (0, MOST_NEEDED);
    if !decides(high) {
        return Needed::TooMany;
    }
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if decides(middle) { high = middle } else { low = middle }
    }
    Needed::About(high)
}

/// The interval that [`interval`] would return for a different number of scores with the same mean and spread, as a
/// function of that number.
fn interval_by_size(values: &[f64], mean: f64, confidence: f64) -> Option<Box<dyn Fn(f64) -> Interval>> {
    if is_binary(values) {
        return Some(Box::new(move |n| wilson(mean * n, n, confidence)));
    }
    let variance = sample_variance(values)?;
    Some(Box::new(move |n| t_interval(mean, variance, n, confidence).clamp_unit()))
}

fn by_frequency(kinds: BTreeMap<CallErrorKind, ErrorView>) -> Vec<ErrorView> {
    let mut errors: Vec<ErrorView> = kinds.into_values().collect();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.name().cmp(b.kind.name())));
    errors
}

fn latency(mut latencies: Vec<f64>, mut ttfts: Vec<f64>, mut rates: Vec<f64>) -> Option<LatencyView> {
    [&mut latencies, &mut ttfts, &mut rates].into_iter().for_each(|values| values.sort_by(f64::total_cmp));
    Some(LatencyView {
        p50_ms: quantile(&latencies, 0.5)?,
        p95_ms: quantile(&latencies, 0.95)?,
        ttft_p50_ms: quantile(&ttfts, 0.5),
        ttft_p95_ms: quantile(&ttfts, 0.95),
        tokens_per_second: quantile(&rates, 0.5),
    })
}

fn miss_view(miss: Miss, examples: &HashMap<String, Example>) -> MissView {
    let example = examples.get(&miss.example_id);
    MissView {
        input: example.map(Example::text).unwrap_or_default(),
        expected: example.map(Example::expected_texts).unwrap_or_default(),
        example_id: miss.example_id,
        output: miss.output,
        score: miss.score,
        reason: miss.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::core::domain::{NamedPrompt, Normalization, Prompt, Reducer, Scorer, ScorerKind, Usage};

    fn suite(min: f64) -> Suite {
        Suite {
            name: "s".into(),
            version: "v".into(),
            dataset: "d".into(),
            prompts: vec![NamedPrompt { name: None, prompt: Prompt::Input }],
            vars: serde_json::Map::new(),
            repeats: 1,
            endpoints: vec![],
            scorers: vec![Scorer {
                name: "exact".into(),
                kind: ScorerKind::Exact { normalize: vec![Normalization::Trim] },
                reduce: Reducer::Mean,
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
            error: score.is_none().then(|| (CallErrorKind::Timeout, "slow".into())),
            attempts: 1,
            latency_ms: score.map(|_| 10.0),
            ttft_ms: None,
            cached: false,
            cost: None,
            usage: Usage::default(),
            model: None,
            scores: score.map(|value| ("exact".to_owned(), Score::Value(value, None))).into_iter().collect(),
        }
    }

    fn view(right: usize, wrong: usize, errored: usize, finished: bool, min: f64) -> RunView {
        let scores = [vec![Some(1.0); right], vec![Some(0.0); wrong], vec![None; errored]].concat();
        let outcomes = scores.into_iter().enumerate().map(|(id, score)| outcome(id, score)).collect();
        view_of(&suite(min), outcomes, finished)
    }

    fn view_of(suite: &Suite, outcomes: Vec<RecordedOutcome>, finished: bool) -> RunView {
        let identity = RunIdentity {
            run_id: RunId::new("r"),
            dataset_version: "v".into(),
            endpoint: "e".into(),
            prompt: None,
            repeats: 1,
            started_at: Timestamp::UNIX_EPOCH,
            finished,
            total: outcomes.len(),
        };
        let mut tally = RunTally::new(suite);
        outcomes.into_iter().for_each(|outcome| tally.push(outcome));
        tally.finish(identity, &HashMap::new(), Vec::new())
    }

    #[test]
    fn repeats_of_an_example_count_as_one_score_and_their_errors_are_excluded() {
        let trial = |id: usize, trial: u32, score| RecordedOutcome { trial, ..outcome(id, score) };
        let outcomes = || {
            vec![
                trial(1, 0, Some(1.0)),
                trial(1, 1, Some(0.0)),
                trial(2, 0, Some(1.0)),
                trial(2, 1, None),
                trial(3, 0, None),
                trial(3, 1, None),
            ]
        };
        let mean = view_of(&suite(0.5), outcomes(), true);
        assert_eq!((mean.scores["exact"].mean, mean.scores["exact"].n), (Some(0.75), 2));
        assert_eq!(mean.outcomes, OutcomeCounts { total: 6, scored: 3, errored: 3, skipped: 0 });
        let mut strict = suite(0.5);
        strict.scorers[0].reduce = Reducer::PassAll(2);
        let pass = view_of(&strict, outcomes(), true);
        assert_eq!(
            (pass.scores["exact"].mean, pass.scores["exact"].n),
            (Some(0.0), 1),
            "example 2 has only one scored trial"
        );
    }

    #[test]
    fn tokens_per_second_exclude_the_first_token() {
        let streamed = RecordedOutcome {
            latency_ms: Some(600.0),
            ttft_ms: Some(100.0),
            usage: Usage { prompt_tokens: Some(5), completion_tokens: Some(11) },
            ..outcome(1, Some(1.0))
        };
        let latency = view_of(&suite(0.5), vec![streamed], true).latency.unwrap();
        assert_eq!((latency.ttft_p50_ms, latency.tokens_per_second), (Some(100.0), Some(20.0)));
    }

    #[test]
    fn a_gate_passes_fails_or_is_inconclusive() {
        assert_eq!(view(950, 50, 0, true, 0.9).verdict, Verdict::Pass);
        assert_eq!(view(800, 200, 0, true, 0.9).verdict, Verdict::Fail);
        let between = view(88, 12, 0, true, 0.9);
        assert_eq!(between.verdict, Verdict::Inconclusive);
        assert!(between.gates[0].detail.contains("examples would decide"), "{}", between.gates[0].detail);
    }

    #[test]
    fn errors_never_count_as_wrong_answers_and_too_many_make_the_run_incomplete() {
        let few = view(990, 0, 10, true, 0.9);
        assert_eq!((few.outcomes.errored, few.scores["exact"].mean), (10, Some(1.0)));
        assert_eq!(few.verdict, Verdict::Pass);
        assert_eq!(view(900, 0, 100, true, 0.9).verdict, Verdict::Incomplete);
        assert_eq!(view(990, 0, 0, false, 0.9).verdict, Verdict::Incomplete);
    }

    #[test]
    fn a_run_without_scores_never_passes() {
        assert_eq!(view(0, 0, 0, true, 0.0).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn the_examples_needed_are_those_that_decide_the_evaluated_interval() {
        type Counts<'a> = &'a [(f64, usize)];
        let scores = |counts: Counts<'_>| -> Vec<f64> {
            counts.iter().flat_map(|(value, count)| vec![*value; *count]).collect()
        };
        let repeated = [(0.5, 11), (0.75, 1)];
        let cases: [(&str, Counts<'_>, f64, Needed); 9] = [
            ("four repeats: mean 0.521, 0.475–0.567 by Student's t", &repeated, 0.5, Needed::About(49)),
            ("the same from below", &[(0.5, 11), (0.25, 1)], 0.5, Needed::About(49)),
            ("right and wrong: Wilson", &[(1.0, 88), (0.0, 12)], 0.9, Needed::About(865)),
            ("the mean equals the minimum", &[(0.5, 2), (0.25, 1), (0.75, 1)], 0.5, Needed::Never),
            ("the mean equals the minimum, right and wrong", &[(1.0, 5), (0.0, 5)], 0.5, Needed::Never),
            ("all right, all required", &[(1.0, 20)], 1.0, Needed::Never),
            ("a single score strictly between 0 and 1", &[(0.6, 1)], 0.5, Needed::Unknown),
            ("no spread at all", &[(0.6, 5)], 0.5, Needed::About(2)),
            ("a mean next to the minimum", &repeated, 0.521, Needed::TooMany),
        ];
        for (name, counts, minimum, expected) in cases {
            let values = scores(counts);
            assert_eq!(examples_needed(&values, minimum, 0.95), expected, "{name}");
        }
        let seen = interval(&scores(&repeated), 0.95);
        assert_eq!((format!("{:.3}", seen.lo), format!("{:.3}", seen.hi)), ("0.475".into(), "0.567".into()));
    }

    proptest! {
        #[test]
        fn the_number_of_examples_needed_decides_and_one_fewer_does_not(
            values in prop::collection::vec((0u8..=4).prop_map(|quarters| f64::from(quarters) / 4.0), 2..40),
            minimum in 0.0..=1.0_f64,
        ) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            if let Needed::About(needed) = examples_needed(&values, minimum, 0.95) {
                let at = interval_by_size(&values, mean, 0.95).unwrap();
                let verdict = |n: u64| evaluate_minimum(at(n as f64), minimum);
                prop_assert_ne!(verdict(needed), Verdict::Inconclusive);
                prop_assert!(needed == 1 || verdict(needed - 1) == Verdict::Inconclusive);
                let decided = evaluate_minimum(interval(&values, 0.95), minimum) != Verdict::Inconclusive;
                prop_assert_eq!(decided, values.len() as u64 >= needed);
            }
        }
    }
}
