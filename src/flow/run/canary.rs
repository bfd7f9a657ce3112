//! A canary: examples are drawn with the weights of today's traffic and sent to two endpoints, until it is certain enough
//! whether the candidate may replace the baseline.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::budget::{Budget, RunBudget};
use super::endpoints::ReadyEndpoint;
use super::execute::{Limits, interrupted, passed};
use super::render::Renderer;
use super::trial::outcome_of;
use super::{PreparedSuite, RunOptions, Stopped};
use crate::core::canary::{Canary, Decision, Draws, Rule, fixed_sample_size, traffic_weights};
use crate::core::domain::{CallError, Example, Failure, OutcomeResult, Score, Suite};
use crate::core::scoring::Answer;
use crate::core::stats::quantile;
use crate::core::view::{CanaryAnswer, CanaryPair, CanarySide, CanaryView};
use crate::edge::store::{CanaryHeader, Store};
use crate::flow::scoring::{Evaluators, JudgeBudgets, ScoringPlace};
use crate::flow::slices::placed_examples;
use crate::flow::stored_dataset::Selection;
use crate::flow::{Event, Events, Workspace};

/// Power of the test with a fixed number of pairs that a canary is compared with.
const FIXED_POWER: f64 = 0.95;

/// Options of a canary.
#[derive(Debug, Clone)]
pub struct CanaryOptions {
    /// The endpoint in use.
    pub baseline: String,
    /// The endpoint that may replace it.
    pub candidate: String,
    /// The prompt, if the suite has several.
    pub prompt: Option<String>,
    /// The rule of the decision.
    pub rule: Rule,
    /// Seed of the draws.
    pub seed: u64,
    /// Pairs in flight.
    pub concurrency: usize,
    /// Only draw examples of this selection.
    pub selection: Selection,
    /// Whether to continue the latest unfinished canary that is the same.
    pub resume: bool,
    /// Maximum total cost, in the currency of the endpoints' prices.
    pub max_cost: Option<f64>,
}

/// Runs a canary. Pairs are stored as they arrive.
///
/// # Errors
/// A usage or data failure before anything is sent; a store failure if pairs can no longer be stored.
pub async fn run_canary(
    workspace: &Workspace,
    suite: &Suite,
    options: &CanaryOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<(CanaryView, Option<Stopped>), Failure> {
    let prepared = PreparedCanary::new(workspace, suite, options, now, events)?;
    let store = &workspace.store;
    let limits = Limits { interrupted: stop, deadline: None, budget: Arc::new(Budget::new(options.max_cost)) };
    let known = if prepared.resumed { store.canary_pairs(&prepared.header.canary_id)? } else { Vec::new() };
    if !prepared.resumed {
        store.start_canary(&prepared.header)?;
    }
    events(Event::Began {
        what: format!("canary of {}: {} against {}", suite.name, options.candidate, options.baseline),
        total: options.rule.budget as u64,
        done: 0,
    });
    let mut decided = Deciding::new(prepared.scorer.clone(), options.rule, events);
    let stopped = decided.work(store, &prepared, known, limits).await;
    events(Event::Ended);
    let stopped = stopped?;
    let view = prepared.view(suite, options, &decided);
    if stopped.is_none() {
        store.finish_canary(&view, Timestamp::now())?;
    }
    Ok((view, stopped))
}

/// Everything that is checked before anything is sent.
struct PreparedCanary {
    header: CanaryHeader,
    resumed: bool,
    scorer: String,
    examples: Vec<Arc<Example>>,
    draws: Draws,
    traffic_weights: bool,
    dataset_version: String,
    prompt: Option<String>,
    sides: [Side; 2],
    evaluators: Arc<Evaluators>,
    /// Pairs in flight.
    concurrency: usize,
    notes: Vec<String>,
}

/// One of the two endpoints.
#[derive(Clone)]
struct Side {
    endpoint: ReadyEndpoint,
    renderer: Arc<Renderer>,
}

impl PreparedCanary {
    fn new(
        workspace: &Workspace,
        suite: &Suite,
        options: &CanaryOptions,
        now: Timestamp,
        events: Events<'_>,
    ) -> Result<Self, Failure> {
        if let Some(fault) = options.rule.fault() {
            return Err(Failure::usage(fault.to_owned()));
        }
        let run = RunOptions {
            endpoints: vec![options.baseline.clone(), options.candidate.clone()],
            prompts: options.prompt.iter().cloned().collect(),
            concurrency: options.concurrency,
            selection: options.selection.clone(),
            // Every draw is one trial, so scorers that reduce several cannot ask for more.
            repeats: Some(u32::MAX),
            ..RunOptions::default()
        };
        let prepared = PreparedSuite::new(workspace, suite, &run, now, events)?;
        let (Some(baseline), Some(candidate)) = (prepared.endpoints.first(), prepared.endpoints.get(1)) else {
            return Err(Failure::usage("baseline and candidate are the same endpoint").hint("name two endpoints"));
        };
        let [prompt] = prepared.prompts.as_slice() else {
            return Err(Failure::usage(format!("the suite {} has several prompts", suite.name))
                .hint("choose one with --prompt NAME"));
        };
        let renderer = Arc::new(Renderer::new(suite, prompt, &prepared.set, &workspace.secrets)?);
        let side = |endpoint: &ReadyEndpoint| Side { endpoint: endpoint.clone(), renderer: Arc::clone(&renderer) };
        let sides = [side(baseline), side(candidate)];
        let selected = prepared.set.selected(&workspace.store, &options.selection)?;
        let examples = selected.collect::<Result<Vec<Example>, Failure>>()?;
        if let Some(example) = examples.iter().find(|example| !example.turns.is_empty()) {
            return Err(Failure::data(format!(
                "the example {} is a conversation, which a canary does not hold",
                example.id
            ))
            .hint("leave conversations out with --filter"));
        }
        let (weights, notes) = weights(workspace, &suite.dataset, &examples)?;
        let draws = Draws::new(&weights.clone().unwrap_or_else(|| vec![1.0; examples.len()]), options.seed);
        let draws = draws.ok_or_else(|| {
            Failure::data(format!("no example of {} is left to draw", prepared.set.label()))
                .hint("loosen --filter or --limit; retired examples are never run")
        })?;
        let (header, resumed) = header(workspace, suite, options, &prepared, &sides, weights.is_some(), now, events)?;
        Ok(Self {
            header,
            resumed,
            scorer: suite.scorers.first().map(|scorer| scorer.name.clone()).unwrap_or_default(),
            examples: examples.into_iter().map(Arc::new).collect(),
            draws,
            traffic_weights: weights.is_some(),
            dataset_version: prepared.set.version.clone(),
            prompt: prompt.name.clone(),
            sides,
            evaluators: Arc::clone(&prepared.evaluators),
            concurrency: options.concurrency.max(1),
            notes,
        })
    }

    fn view(&self, suite: &Suite, options: &CanaryOptions, decided: &Deciding<'_>) -> CanaryView {
        let canary = &decided.canary;
        let (pairs, evidence) = (canary.pairs(), canary.evidence());
        let confidence = 1.0 - 2.0 * options.rule.level;
        let interval = canary.interval(confidence);
        let observed = pairs.observed();
        let discordance = (pairs.better + pairs.worse) as f64 / observed.max(1) as f64;
        let fixed = fixed_sample_size(discordance, options.rule.margin, options.rule.level, FIXED_POWER);
        let mut notes = self.notes.clone();
        notes.extend(decided.too_many_errors(suite.error_tolerance));
        CanaryView {
            schema: "karat.canary/1".into(),
            canary_id: self.header.canary_id.clone(),
            suite: suite.name.clone(),
            suite_version: suite.version.clone(),
            dataset: suite.dataset.clone(),
            dataset_version: self.dataset_version.clone(),
            prompt: self.prompt.clone(),
            baseline: decided.sides[0].view(&options.baseline),
            candidate: decided.sides[1].view(&options.candidate),
            scorer: self.scorer.clone(),
            decision: canary.decision(),
            rule: canary.rule(),
            seed: options.seed,
            traffic_weights: self.traffic_weights,
            pairs: pairs.sent(),
            better: pairs.better,
            worse: pairs.worse,
            equal: pairs.equal,
            missing: pairs.missing,
            difference: canary.mean(),
            lo: interval.lo,
            hi: interval.hi,
            confidence,
            evidence_to_promote: evidence.promote,
            evidence_to_roll_back: evidence.roll_back,
            fixed_pairs: (observed > 0 && discordance > 0.0 && fixed < usize::MAX).then_some(fixed),
            started_at: self.header.started_at.to_string(),
            notes,
        }
    }
}

/// The weights of examples by today's traffic; `None` and a note if it was not measured.
fn weights(
    workspace: &Workspace,
    dataset: &str,
    examples: &[Example],
) -> Result<(Option<Vec<f64>>, Vec<String>), Failure> {
    let equal = || {
        let note = "decay was not measured, so all examples are equally likely; `karat decay` gives them the weights of traffic";
        vec![note.to_owned()]
    };
    let Some(measured) = workspace.store.measurements(dataset, workspace.space(), 1)?.pop() else {
        return Ok((None, equal()));
    };
    let placed = placed_examples(workspace, dataset, examples)?;
    let of: HashMap<&str, &str> = placed.iter().map(|placed| (placed.id.as_str(), placed.cluster.as_str())).collect();
    let clusters: Vec<Option<&str>> = examples.iter().map(|example| of.get(example.id.as_str()).copied()).collect();
    let view = &measured.view;
    let shares: HashMap<&str, f64> =
        view.clusters.iter().map(|cluster| (cluster.id.as_str(), cluster.traffic_share)).collect();
    let Some(weights) = traffic_weights(&clusters, &shares) else { return Ok((None, equal())) };
    let with_examples: HashSet<&str> = clusters.iter().flatten().copied().collect();
    let covered: f64 = with_examples.iter().filter_map(|cluster| shares.get(cluster)).sum();
    let window = view.window.window().label();
    let note = format!("weights of traffic in {window}; {:.0} % of it is in clusters with examples", covered * 100.0);
    Ok((Some(weights), vec![note]))
}

/// The header of the canary to continue, or of a new one.
#[expect(clippy::too_many_arguments, reason = "all of them identify a canary")]
fn header(
    workspace: &Workspace,
    suite: &Suite,
    options: &CanaryOptions,
    prepared: &PreparedSuite<'_>,
    sides: &[Side; 2],
    weighted: bool,
    now: Timestamp,
    events: Events<'_>,
) -> Result<(CanaryHeader, bool), Failure> {
    let fingerprint = |side: &Side| side.endpoint.endpoint.fingerprint().to_owned();
    let identity = json!({
        "suite": suite.version,
        "dataset": prepared.set.version,
        "baseline": [options.baseline, fingerprint(&sides[0])],
        "candidate": [options.candidate, fingerprint(&sides[1])],
        "prompt": options.prompt,
        "rule": options.rule,
        "seed": options.seed,
        "selection": options.selection,
        "weighted": weighted,
    })
    .to_string();
    let of = |canary_id: String| CanaryHeader {
        canary_id,
        suite: suite.name.clone(),
        identity: identity.clone(),
        started_at: now,
    };
    if options.resume {
        if let Some(known) = workspace.store.unfinished_canary(&suite.name, &identity)? {
            return Ok((of(known), true));
        }
        events(Event::Note(format!("no unfinished canary of {} is the same; starting a new one", suite.name)));
    }
    Ok((of(uuid::Uuid::now_v7().to_string()), false))
}

/// What is known about one endpoint.
#[derive(Default)]
struct SideTally {
    scores: Vec<f64>,
    latencies: Vec<f64>,
    costs: Vec<f64>,
    errors: usize,
}

impl SideTally {
    fn add(&mut self, answer: &CanaryAnswer) {
        self.scores.extend(answer.score);
        self.latencies.extend(answer.latency_ms);
        self.costs.extend(answer.cost);
        self.errors += usize::from(answer.error.is_some());
    }

    fn view(&self, endpoint: &str) -> CanarySide {
        let mut latencies = self.latencies.clone();
        latencies.sort_by(f64::total_cmp);
        CanarySide {
            endpoint: endpoint.to_owned(),
            mean: (!self.scores.is_empty()).then(|| self.scores.iter().sum::<f64>() / self.scores.len() as f64),
            errors: self.errors,
            p50_ms: quantile(&latencies, 0.5),
            cost: (!self.costs.is_empty()).then(|| self.costs.iter().sum()),
        }
    }
}

/// The canary while it runs.
struct Deciding<'a> {
    scorer: String,
    canary: Canary,
    sides: [SideTally; 2],
    /// Pairs that arrived before those drawn earlier.
    early: BTreeMap<usize, CanaryPair>,
    /// The number of the next pair to be observed.
    next: usize,
    events: Events<'a>,
}

impl<'a> Deciding<'a> {
    fn new(scorer: String, rule: Rule, events: Events<'a>) -> Self {
        let sides = [SideTally::default(), SideTally::default()];
        Self { scorer, canary: Canary::new(rule), sides, early: BTreeMap::new(), next: 0, events }
    }

    /// Adds a pair. Pairs are observed in the order of the draws, whenever they arrive: quick answers may differ from slow
    /// ones.
    fn arrived(&mut self, pair: CanaryPair) {
        self.early.insert(pair.number, pair);
        while let Some(pair) = self.early.remove(&self.next) {
            if self.canary.decision() == Decision::Continue {
                let difference = pair.candidate.score.zip(pair.baseline.score).map_or(f64::NAN, |(c, b)| c - b);
                self.canary.observe(difference);
                self.sides[0].add(&pair.baseline);
                self.sides[1].add(&pair.candidate);
                let errors = [&pair.baseline, &pair.candidate].iter().filter(|answer| answer.error.is_some()).count();
                (self.events)(Event::Advanced { steps: 1, errors: errors as u64 });
            }
            self.next += 1;
        }
    }

    /// Draws, sends and observes until there is a decision, or a limit is reached.
    async fn work(
        &mut self,
        store: &Arc<Store>,
        prepared: &PreparedCanary,
        known: Vec<CanaryPair>,
        mut limits: Limits,
    ) -> Result<Option<Stopped>, Failure> {
        let mut known: BTreeMap<usize, CanaryPair> = known.into_iter().map(|pair| (pair.number, pair)).collect();
        let budgets = [0, 1].map(|_| Arc::new(RunBudget::new(Arc::clone(&limits.budget))));
        let judges = Arc::new(JudgeBudgets::new(Arc::clone(&limits.budget)));
        let mut draws = prepared.draws.clone().enumerate().take(self.canary.rule().budget);
        let mut trials: HashMap<usize, u32> = HashMap::new();
        let mut tasks: JoinSet<Result<Option<CanaryPair>, Failure>> = JoinSet::new();
        loop {
            while self.canary.decision() == Decision::Continue && tasks.len() < prepared.concurrency {
                let Some((number, place)) = draws.next() else { break };
                let trial = trials.entry(place).or_default();
                let Some(example) = prepared.examples.get(place).map(Arc::clone) else { continue };
                let (sides, evaluators) = (prepared.sides.clone(), Arc::clone(&prepared.evaluators));
                let judges = Arc::clone(&judges);
                let request = PairRequest { number, example, trial: *trial, sides, evaluators, judges };
                *trial += 1;
                match known.remove(&number) {
                    Some(pair) => self.arrived(pair),
                    None => {
                        let (store, budgets) = (Arc::clone(store), budgets.clone());
                        let (canary_id, scorer) = (prepared.header.canary_id.clone(), self.scorer.clone());
                        tasks.spawn(async move { request.run(&store, &canary_id, &scorer, &budgets).await });
                    }
                }
            }
            if self.canary.decision() != Decision::Continue {
                // Requests in flight are dropped: what they say could not change the decision.
                tasks.abort_all();
                return Ok(None);
            }
            if limits.budget.is_exhausted() && tasks.is_empty() {
                return Ok(limits.budget.stopped());
            }
            tokio::select! {
                biased;
                () = interrupted(&mut limits.interrupted) => return Ok(Some(Stopped::Interrupted)),
                () = passed(limits.deadline) => return Ok(limits.deadline.map(|(_, most)| Stopped::Time(most))),
                Some(finished) = tasks.join_next(), if !tasks.is_empty() => {
                    let bug = |error| Failure::other("a call failed because of a bug in karat").caused_by(error);
                    if let Some(pair) = finished.map_err(bug)?? {
                        self.arrived(pair);
                    }
                }
            }
        }
    }

    /// A warning if one endpoint fails too often for the decision to be about it.
    fn too_many_errors(&self, tolerance: f64) -> Vec<String> {
        let sent = self.canary.pairs().sent();
        let worst = self.sides.iter().map(|side| side.errors).max().unwrap_or(0);
        let too_many = worst as f64 > tolerance * sent as f64;
        let warning = || {
            format!(
                "{worst} of {sent} requests of one endpoint ended in an error: the decision is about the pairs that both answered"
            )
        };
        if too_many { vec![warning()] } else { Vec::new() }
    }
}

/// One draw, about to be sent to both endpoints.
struct PairRequest {
    number: usize,
    example: Arc<Example>,
    trial: u32,
    sides: [Side; 2],
    evaluators: Arc<Evaluators>,
    judges: Arc<JudgeBudgets>,
}

impl PairRequest {
    /// Sends the request to both endpoints at once and stores the pair. `None` if the budget refused it.
    async fn run(
        self,
        store: &Store,
        canary_id: &str,
        scorer: &str,
        budgets: &[Arc<RunBudget>; 2],
    ) -> Result<Option<CanaryPair>, Failure> {
        let [baseline, candidate] = &self.sides;
        let (baseline, candidate) = tokio::join!(
            self.answer(store, baseline, scorer, &budgets[0]),
            self.answer(store, candidate, scorer, &budgets[1])
        );
        let (Some(baseline), Some(candidate)) = (baseline?, candidate?) else { return Ok(None) };
        let pair = CanaryPair { number: self.number, example_id: self.example.id.clone(), baseline, candidate };
        store.record_canary_pair(canary_id, &pair)?.wait().await?;
        Ok(Some(pair))
    }

    async fn answer(
        &self,
        store: &Store,
        side: &Side,
        scorer: &str,
        budget: &RunBudget,
    ) -> Result<Option<CanaryAnswer>, Failure> {
        let failed = |error: CallError| CanaryAnswer { error: Some((error.kind, error.message)), ..Default::default() };
        let request = match side.renderer.request(&self.example, self.trial) {
            Ok(request) => request,
            Err(error) => return Ok(Some(failed(error))),
        };
        let Some(reserved) = budget.reserve(side.endpoint.estimate(&request), side.endpoint.is_bounded()).await else {
            return Ok(None);
        };
        let answer = side.endpoint.endpoint.call(&request).await;
        let outcome = outcome_of(&side.endpoint, &side.renderer, &self.example, &request, answer);
        reserved.settle(outcome.cost);
        let response = match outcome.result {
            OutcomeResult::Failed(error) => return Ok(Some(failed(error))),
            OutcomeResult::Answered { response, .. } => response,
        };
        let Some(score) = self.score(store, side, scorer, &Answer::of(&response, outcome.cost)).await? else {
            return Ok(None);
        };
        Ok(Some(CanaryAnswer {
            score: score.value(),
            latency_ms: Some(response.latency.as_secs_f64() * 1e3),
            cost: outcome.cost,
            output: Some(response.output),
            error: None,
        }))
    }

    /// The score of an answer; `None` if the budget refused a call of a judge.
    async fn score(
        &self,
        store: &Store,
        side: &Side,
        scorer: &str,
        answer: &Answer<'_>,
    ) -> Result<Option<Score>, Failure> {
        let compiled = side.renderer.scorers.of(&self.example);
        let (trial, budgets) = (self.trial, self.judges.as_ref());
        let place = ScoringPlace { store, run_id: None, trial, turn: 0, cache_since: None, budgets, calls: None };
        let external = self.evaluators.scores(&compiled, answer, &self.example, &place).await?;
        let Some(external) = external else { return Ok(None) };
        let scores = compiled.score(answer, &self.example, &external);
        let found = scores.into_iter().find(|(name, _)| name == scorer).map(|(_, score)| score);
        Ok(Some(found.unwrap_or_else(|| Score::Failed("the suite has no such scorer".to_owned()))))
    }
}
