//! Summary of a run: means with intervals, gates, and errors, which are counted separately from wrong answers. Outcomes
//! are consumed one at a time, so that each outcome of a large run takes only a few numbers of memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::core::classification::{ClassMetrics, Classification as Found, Classified, classification};
use crate::core::compare::{ExampleTrials, RunScores, TrialScores};
use crate::core::domain::scorer::classification::Classification;
use crate::core::domain::{
    CallErrorKind, Example, Normalization, ParitySettings, RecordedOutcome, RunId, Score, ScorerKind, Suite,
};
use crate::core::gate::{Baseline, Evidence, History, evaluate_all, needs_detail};
use crate::core::parity::{self, Answer, parity_view};
use crate::core::scoring::{LabelReader, normalize, reduce};
use crate::core::slices::Slices;
use crate::core::stats::quantile;
use crate::core::verdict::{GateResult, Verdict, overall};
use crate::core::view::{
    ClassificationView, ConfusionView, ErrorView, JudgeView, LabelView, LatencyView, MissView, OutcomeCounts,
    ParityView, RunView, ScorerErrorView,
};

/// Confidence level of the intervals of a comparison of groups.
const PARITY_CONFIDENCE: f64 = 0.95;

/// Maximum number of wrong answers listed.
const MISSES: usize = 50;

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

/// What a summary needs besides the outcomes of the run.
#[derive(Debug, Default)]
pub struct RunContext {
    /// The examples of wrong answers that are listed, at least those of [`RunTally::missed`].
    pub examples: HashMap<String, Example>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
    /// The slices of the golden set.
    pub slices: Slices,
    /// The cluster of each example, by example id; `None` if every example is on its own.
    pub clusters: Option<HashMap<String, usize>>,
    /// The runs that gates compare with, by the name in the gate.
    pub baselines: BTreeMap<String, Baseline>,
    /// What the gates said in earlier runs.
    pub history: History,
    /// The group of each example, and whether its agreed answer is the positive one, by example id; only for suites that
    /// compare groups.
    pub groups: BTreeMap<String, (String, Option<bool>)>,
    /// The comparison of groups in the first stored run of the suite.
    pub first_parity: Option<ParityView>,
    /// What evaluated the scorers outside karat, by the name of the scorer: a hash that identifies it, and a text.
    pub evaluators: BTreeMap<String, (String, String)>,
    /// The calls of the judges.
    pub judge: Option<JudgeView>,
    /// The accepted answers of every example, by its id; only for suites with a classifier.
    pub accepted: HashMap<String, Vec<String>>,
}

/// The first scorer of a suite that has a confusion matrix.
pub fn classifier(suite: &Suite) -> Option<(&str, &Classification)> {
    suite.scorers.iter().find_map(|scorer| match &scorer.kind {
        ScorerKind::Classification(settings) => Some((scorer.name.as_str(), settings)),
        _ => None,
    })
}

/// Whether the summary of a run of `suite` needs the scores by example, because of gates, slices or clusters.
pub fn needs_scores_by_example(suite: &Suite) -> bool {
    let several = !suite.slices.is_empty() || suite.cluster_by.is_some() || suite.parity.is_some();
    several || suite.gates.iter().any(|gate| needs_detail(gate, &suite.scorers))
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
    scorer_errors: BTreeMap<String, ScorerErrorView>,
    models: BTreeSet<String>,
    latencies: Vec<f64>,
    ttfts: Vec<f64>,
    rates: Vec<f64>,
    misses: Vec<Miss>,
    tokens: (u64, u64),
    costs: Vec<f64>,
    cached: usize,
    /// The scores by example, if the summary needs them.
    detail: Option<RunScores>,
    /// Positive answers and answers of each example, if groups are compared.
    positives: BTreeMap<String, (usize, usize)>,
    /// The answers with the ids of their examples, if the suite has a classifier.
    answers: Vec<(String, String)>,
}

struct Trials {
    example_id: String,
    scores: BTreeMap<String, Vec<f64>>,
    missed: bool,
    /// Only collected if the summary needs the scores by example.
    trials: Vec<TrialScores>,
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
            scorer_errors: BTreeMap::new(),
            models: BTreeSet::new(),
            latencies: Vec::new(),
            ttfts: Vec::new(),
            rates: Vec::new(),
            misses: Vec::new(),
            tokens: (0, 0),
            costs: Vec::new(),
            cached: 0,
            detail: needs_scores_by_example(suite)
                .then(|| RunScores { scorers: suite.scorers.clone(), ..RunScores::default() }),
            positives: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// Adds an outcome. The trials of an example must be added consecutively.
    pub fn push(&mut self, outcome: RecordedOutcome) {
        if self.current.as_ref().is_none_or(|trials| trials.example_id != outcome.example_id) {
            self.close_example();
            let example_id = outcome.example_id.clone();
            self.current = Some(Trials { example_id, scores: BTreeMap::new(), missed: false, trials: Vec::new() });
        }
        if let (Some(detail), Some(trials)) = (&self.detail, &mut self.current) {
            trials.trials.push(TrialScores::of(&outcome, &detail.scorers));
        }
        self.tokens.0 += outcome.usage.prompt_tokens.unwrap_or(0);
        self.tokens.1 += outcome.usage.completion_tokens.unwrap_or(0);
        self.costs.extend(outcome.cost);
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
        if let Some(parity) = &self.suite.parity {
            let counts = self.positives.entry(outcome.example_id.clone()).or_default();
            counts.0 += usize::from(is_answer(outcome.output.as_deref().unwrap_or_default(), &parity.positive));
            counts.1 += 1;
        }
        if classifier(self.suite).is_some() {
            let output = outcome.output.as_deref().unwrap_or_default();
            self.answers.push((outcome.example_id.clone(), output.to_owned()));
        }
        self.models.extend(outcome.model);
        let Some(trials) = &mut self.current else { return };
        let mut has_failed = false;
        for (scorer, score) in &outcome.scores {
            match score {
                Score::Value(value, _) => trials.scores.entry(scorer.clone()).or_default().push(*value),
                Score::Skipped(_) => {}
                Score::Failed(message) => {
                    has_failed = true;
                    let new = || ScorerErrorView { scorer: scorer.clone(), count: 0, message: message.clone() };
                    self.scorer_errors.entry(scorer.clone()).or_insert_with(new).count += 1;
                }
            }
        }
        self.counts.unscored += usize::from(has_failed);
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
            let value = reduce(scorer.reduce, values);
            if let (Some(value), Some(all)) = (value, self.values.get_mut(scorer.name.as_str())) {
                all.push(value);
            }
        }
        if let Some(detail) = &mut self.detail {
            detail.examples.push(ExampleTrials { id: trials.example_id, trials: trials.trials });
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

    /// Builds the view of the run.
    pub fn finish(mut self, identity: RunIdentity, context: RunContext) -> RunView {
        self.close_example();
        self.counts.total = identity.total;
        if let Some(detail) = &mut self.detail {
            detail.evaluators = context.evaluators.clone();
        }
        [&mut self.latencies, &mut self.ttfts, &mut self.rates].into_iter().for_each(|all| all.sort_by(f64::total_cmp));
        let evidence = Evidence {
            scores: &self.values,
            latencies: &self.latencies,
            costs: &self.costs,
            detail: self.detail.as_ref(),
            slices: &context.slices,
            clusters: context.clusters.as_ref(),
            baselines: &context.baselines,
            history: &context.history,
        };
        let gates = evaluate_all(&self.suite.gates, &identity.endpoint, &evidence);
        let verdict = verdict(&identity, self.suite, self.counts, &gates);
        let of = |name: &str| evidence.reported(name);
        let scores = self.values.keys().map(|name| ((*name).to_owned(), of(name))).collect();
        let slices = evidence.slice_scores(&self.primary);
        let latency = latency(&self.latencies, &self.ttfts, &self.rates);
        let parity = self.suite.parity.as_ref().map(|settings| parity(settings, &self.positives, &context));
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
            slices,
            parity,
            claims: Vec::new(),
            misses: self.misses.into_iter().map(|miss| miss_view(miss, &context.examples)).collect(),
            primary: self.primary,
            gates,
            latency,
            prompt_tokens: self.tokens.0,
            completion_tokens: self.tokens.1,
            cost: (!self.costs.is_empty()).then(|| self.costs.iter().sum()),
            cached: self.cached,
            judge: context.judge,
            classification: classified(self.suite, &self.answers, &context.accepted),
            scorer_errors: by_count(self.scorer_errors),
            notes: context.notes,
            verdict,
        }
    }
}

/// The confusion matrix of a suite's classifier; `None` if it has none, or nothing was answered.
fn classified(
    suite: &Suite,
    answers: &[(String, String)],
    accepted: &HashMap<String, Vec<String>>,
) -> Option<ClassificationView> {
    let (scorer, settings) = classifier(suite)?;
    let mut labels: Vec<&str> = accepted.values().flatten().map(String::as_str).collect();
    labels.sort_unstable();
    labels.dedup();
    let reader = LabelReader::new(settings, labels.into_iter());
    let mut trials: HashMap<&str, f64> = HashMap::new();
    answers.iter().for_each(|(id, _)| *trials.entry(id).or_default() += 1.0);
    let pair = |(id, output): &'_ (String, String)| -> Option<(String, Option<String>, f64)> {
        let own = accepted.get(id)?;
        let predicted = reader.label(output).map(str::to_owned);
        let is_accepted = |label: &String| own.iter().any(|text| is_answer(text, label));
        // Of several accepted labels, the one that was given counts.
        let expected = predicted.clone().filter(is_accepted).or_else(|| {
            let first = own.first()?;
            Some(reader.label(first).map_or_else(|| first.clone(), str::to_owned))
        })?;
        Some((expected, predicted, 1.0 / trials.get(id.as_str())?))
    };
    let pairs: Vec<_> = answers.iter().filter_map(pair).collect();
    let pairs: Vec<Classified<'_>> = pairs
        .iter()
        .map(|(expected, predicted, weight)| Classified { expected, predicted: predicted.as_deref(), weight: *weight })
        .collect();
    Some(classification_view(scorer, classification(&pairs)?))
}

fn classification_view(scorer: &str, found: Found) -> ClassificationView {
    let name = |index: usize| found.labels.get(index).cloned();
    let wrong = found.cells.iter().filter(|cell| cell.predicted != Some(cell.expected));
    let mut confusions: Vec<ConfusionView> = wrong
        .filter_map(|cell| {
            let predicted = cell.predicted.and_then(name);
            Some(ConfusionView { expected: name(cell.expected)?, predicted, count: cell.weight })
        })
        .collect();
    confusions.sort_by(|a, b| b.count.total_cmp(&a.count));
    let label = |class: &ClassMetrics| LabelView {
        label: class.label.clone(),
        support: class.support,
        predicted: class.predicted,
        precision: class.precision,
        recall: class.recall,
        recall_interval: class.recall_interval.map(|interval| [interval.lo, interval.hi]),
        f1: class.f1,
    };
    ClassificationView {
        scorer: scorer.to_owned(),
        labels: found.classes.iter().map(label).collect(),
        confusions,
        accuracy: found.accuracy,
        macro_f1: found.macro_f1,
        weighted_f1: found.weighted_f1,
        balanced_accuracy: found.balanced_accuracy,
        matthews_correlation: found.matthews_correlation,
        no_label: found.other,
        total: found.total,
    }
}

/// Whether an answer is this one, apart from case, white space and punctuation around it.
pub fn is_answer(output: &str, answer: &str) -> bool {
    use Normalization::{Lowercase, Punctuation, Trim, Whitespace};
    let same = |text: &str| normalize(text, &[Trim, Lowercase, Whitespace, Punctuation]);
    same(output) == same(answer)
}

/// Compares the groups of people of a suite.
fn parity(settings: &ParitySettings, positives: &BTreeMap<String, (usize, usize)>, context: &RunContext) -> ParityView {
    let answers: Vec<Answer<'_>> = positives
        .iter()
        .filter_map(|(id, (positive, all))| {
            let (group, agreed) = context.groups.get(id)?;
            Some(Answer { group, positive: *positive as f64 / *all as f64, agreed: *agreed })
        })
        .collect();
    let measured = parity::measure(&answers, settings.limit, PARITY_CONFIDENCE);
    parity_view(&measured, settings, context.first_parity.as_ref())
}

/// Errors above the tolerance or missing outcomes make the run incomplete. A run in which nothing was scored is
/// inconclusive and never passes.
fn verdict(identity: &RunIdentity, suite: &Suite, counts: OutcomeCounts, gates: &[GateResult]) -> Verdict {
    let tolerated = suite.error_tolerance * identity.total as f64;
    // A scorer that fails leaves its answer out, as an endpoint does that fails.
    if !identity.finished || (counts.errored + counts.unscored) as f64 > tolerated {
        return Verdict::Incomplete;
    }
    if counts.scored == 0 { Verdict::Inconclusive } else { overall(gates) }
}

fn by_count(scorers: BTreeMap<String, ScorerErrorView>) -> Vec<ScorerErrorView> {
    let mut errors: Vec<ScorerErrorView> = scorers.into_values().collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

fn by_frequency(kinds: BTreeMap<CallErrorKind, ErrorView>) -> Vec<ErrorView> {
    let mut errors: Vec<ErrorView> = kinds.into_values().collect();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.name().cmp(b.kind.name())));
    errors
}

fn latency(latencies: &[f64], ttfts: &[f64], rates: &[f64]) -> Option<LatencyView> {
    Some(LatencyView {
        p50_ms: quantile(latencies, 0.5)?,
        p95_ms: quantile(latencies, 0.95)?,
        ttft_p50_ms: quantile(ttfts, 0.5),
        ttft_p95_ms: quantile(ttfts, 0.95),
        tokens_per_second: quantile(rates, 0.5),
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

    use crate::core::domain::scorer::text::Exact;
    use crate::core::domain::{
        Gate, GateLimit, GateMeasure, NamedPrompt, Normalization, Prompt, Reducer, Scorer, ScorerKind, Usage,
    };

    fn suite(min: f64) -> Suite {
        Suite {
            name: "s".into(),
            version: "v".into(),
            dataset: "d".into(),
            prompts: vec![NamedPrompt { name: None, prompt: Prompt::Input, vars: serde_json::Map::new() }],
            vars: serde_json::Map::new(),
            turns: Default::default(),
            repeats: 1,
            endpoints: vec![],
            scorers: vec![Scorer::new(
                "exact",
                ScorerKind::Exact(Exact { normalize: vec![Normalization::Trim], value: None }),
            )],
            gates: vec![Gate {
                measure: GateMeasure::Score("exact".into()),
                limit: GateLimit::Min(min),
                slice: None,
                confidence: 0.95,
                endpoints: vec![],
                require_decision: true,
            }],
            error_tolerance: 0.02,
            slices: vec![],
            karats: None,
            cluster_by: None,
            parity: None,
        }
    }

    fn outcome(id: usize, score: Option<f64>) -> RecordedOutcome {
        RecordedOutcome {
            example_id: format!("{id:04}"),
            trial: 0,
            output: score.map(|_| "x".into()),
            tool_calls: None,
            finish_reason: None,
            error: score.is_none().then(|| (CallErrorKind::Timeout, "slow".into())),
            attempts: 1,
            latency_ms: score.map(|_| 10.0),
            ttft_ms: None,
            cached: false,
            cost: None,
            usage: Usage::default(),
            model: None,
            scores: score.map(|value| ("exact".to_owned(), Score::Value(value, None))).into_iter().collect(),
            answered_at: None,
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
        tally.finish(identity, RunContext::default())
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
        assert_eq!(mean.outcomes, OutcomeCounts { total: 6, scored: 3, errored: 3, skipped: 0, unscored: 0 });
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
}
