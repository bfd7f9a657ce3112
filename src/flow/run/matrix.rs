//! Runs every prompt of a suite on every endpoint.
//!
//! Endpoints run concurrently, each under the limits of its host. The prompts of an endpoint run one after the other,
//! and so do endpoints that are the same model under two names, so that whether an answer comes from the cache never
//! depends on which run was faster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::endpoints::ReadyEndpoint;
use super::execute::{Limits, RunPlan, execute};
use super::identity::{PlannedRun, RunState, RunTarget, plan, resumed_since};
use super::render::Renderer;
use super::{PreparedSuite, Resume, RunOptions, Stopped, cache_since, cache_ttl};
use crate::core::domain::{Failure, FailureKind, Suite};
use crate::edge::store::{RunTotals, ScorerIdentity, Store};
use crate::flow::event::{RunCounts, RunInfo};
use crate::flow::scoring::Evaluators;
use crate::flow::{Event, Events, Workspace};

/// How often events are handed to the listener.
const EVERY: Duration = Duration::from_millis(20);

/// Maximum number of events waiting for that; runs wait while there are more.
const EVENTS: usize = 8192;

/// One prompt on one endpoint, planned.
pub(super) struct MatrixRun {
    pub planned: PlannedRun,
    pub renderer: Arc<Renderer>,
    endpoint: ReadyEndpoint,
    evaluators: Arc<Evaluators>,
    scorers: BTreeMap<String, ScorerIdentity>,
    info: Arc<RunInfo>,
    counts: RunCounts,
}

/// The result of running a matrix.
pub(super) struct MatrixResult {
    /// The runs that were started or had nothing left to do, in the order of the suite.
    pub runs: Vec<MatrixRun>,
    /// Why the runs stopped early, if they did.
    pub stopped: Option<Stopped>,
}

/// Plans every run before anything is sent: finds those to resume, and refuses them if something has changed since.
///
/// # Errors
/// A data failure if a run cannot be resumed or has no examples; a store failure.
pub(super) fn plan_matrix(
    workspace: &Workspace,
    suite: &Suite,
    prepared: &PreparedSuite<'_>,
    options: &RunOptions,
    now: jiff::Timestamp,
    events: Events<'_>,
) -> Result<Vec<MatrixRun>, Failure> {
    let store = &workspace.store;
    let resumes = options.retry_errors || options.resume == Some(Resume::Latest);
    let names = prepared.targets().map(|(endpoint, prompt)| (endpoint.endpoint.name().to_owned(), prompt.name.clone()));
    let resumed = if resumes { resumed_since(store, &suite.name, names)? } else { None };
    let scorers = prepared.evaluators.identities(&suite.scorers);
    let runs = prepared.targets().map(|(endpoint, prompt)| {
        let (set, repeats) = (&prepared.set, prepared.repeats);
        let target = RunTarget { suite, set, prompt, endpoint, options, repeats, scorers: &scorers, now, resumed };
        let planned = plan(store, &target, events)?;
        let renderer = Arc::new(Renderer::new(suite, prompt, set, &workspace.secrets)?);
        let header = &planned.header;
        let info = Arc::new(RunInfo {
            run_id: header.run_id.clone(),
            suite: header.suite.clone(),
            endpoint: header.endpoint.clone(),
            prompt: header.prompt.clone(),
        });
        let counts = counts_before(store, &planned, options.retry_errors)?;
        let evaluators = Arc::clone(&prepared.evaluators);
        let (endpoint, scorers) = (endpoint.clone(), scorers.clone());
        Ok(MatrixRun { planned, renderer, endpoint, evaluators, scorers, info, counts })
    });
    runs.collect()
}

/// The counts of a run before it starts or resumes.
fn counts_before(store: &Store, planned: &PlannedRun, retry_errors: bool) -> Result<RunCounts, Failure> {
    let total = planned.header.total as u64;
    if planned.state == RunState::New {
        return Ok(RunCounts { total, ..RunCounts::default() });
    }
    let RunTotals { recorded, errors, unscored, cost } = store.run_totals(&planned.header.run_id)?;
    let failed = errors + unscored;
    let (done, errors) = if retry_errors { (recorded.saturating_sub(failed), 0) } else { (recorded, failed) };
    Ok(RunCounts { total, done, errors, cached: 0, cost: Some(cost).filter(|cost| *cost > 0.0) })
}

/// Executes the planned runs.
///
/// # Errors
/// A store failure if outcomes can no longer be stored; every run stops then.
pub(super) async fn run_matrix(
    workspace: &Workspace,
    runs: Vec<MatrixRun>,
    options: &RunOptions,
    limits: &Limits,
    events: Events<'_>,
) -> Result<MatrixResult, Failure> {
    let open: Vec<&MatrixRun> = runs.iter().filter(|run| run.planned.state != RunState::Complete).collect();
    let tells = !open.is_empty();
    if tells {
        let counts = open.iter().fold(RunCounts::default(), |all, run| all.and(run.counts));
        events(Event::SuiteStarted { runs: open.iter().map(|run| Arc::clone(&run.info)).collect(), counts });
        for run in open {
            limits.budget.add_spent(run.counts.cost.unwrap_or(0.0));
        }
    }
    let results = run_lanes(workspace, runs, options, limits, events).await;
    if tells {
        events(Event::SuiteFinished);
    }
    let mut results = results?;
    results.sort_by_key(|lane| lane.runs.first().map(|(index, _)| *index));
    let stopped = results.iter_mut().find_map(|lane| lane.stopped.take());
    // The total amount spent is only known now.
    let stopped = stopped.map(|stopped| match stopped {
        Stopped::Cost { .. } => limits.budget.stopped().unwrap_or(stopped),
        other => other,
    });
    let mut runs: Vec<(usize, MatrixRun)> = results.into_iter().flat_map(|lane| lane.runs).collect();
    runs.sort_by_key(|(index, _)| *index);
    Ok(MatrixResult { runs: runs.into_iter().map(|(_, run)| run).collect(), stopped })
}

/// Runs all lanes concurrently and forwards their events. If one fails, the others are dropped, which stops them.
async fn run_lanes(
    workspace: &Workspace,
    runs: Vec<MatrixRun>,
    options: &RunOptions,
    limits: &Limits,
    events: Events<'_>,
) -> Result<Vec<LaneResult>, Failure> {
    let (send, mut received) = mpsc::channel(EVENTS);
    let mut lanes = JoinSet::new();
    for runs in lanes_of(runs) {
        let (store, limits, events) = (Arc::clone(&workspace.store), limits.clone(), send.clone());
        let lane = Lane { store, cache: cache_ttl(workspace, options), options: options.clone(), limits, events };
        lanes.spawn(lane.run(runs));
    }
    drop(send);
    let mut hand_on = || {
        while let Ok(event) = received.try_recv() {
            events(event);
        }
    };
    let mut results = Vec::new();
    // Events are collected, not awaited: waking this thread for each of them would cost more than sending a request.
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            ended = lanes.join_next() => {
                hand_on();
                let Some(ended) = ended else { return Ok(results) };
                let bug = |error| Failure::new(FailureKind::Other, "a run failed because of a bug in karat").caused_by(error);
                results.push(ended.map_err(bug)??);
            }
            _ = tick.tick() => hand_on(),
        }
    }
}

/// Groups runs into lanes, with their positions in the suite: the runs of one endpoint are one lane.
fn lanes_of(runs: Vec<MatrixRun>) -> Vec<Vec<(usize, MatrixRun)>> {
    let mut lanes: Vec<Vec<(usize, MatrixRun)>> = Vec::new();
    for (index, run) in runs.into_iter().enumerate() {
        let same = |(_, other): &(usize, MatrixRun)| {
            other.planned.header.endpoint_fingerprint == run.planned.header.endpoint_fingerprint
        };
        match lanes.iter_mut().find(|lane| lane.iter().any(same)) {
            Some(lane) => lane.push((index, run)),
            None => lanes.push(vec![(index, run)]),
        }
    }
    lanes
}

/// Executes the runs of one lane, one after the other.
struct Lane {
    store: Arc<Store>,
    cache: Option<Duration>,
    options: RunOptions,
    limits: Limits,
    events: mpsc::Sender<Event>,
}

/// The runs of a lane that were started, and why they stopped early, if they did.
struct LaneResult {
    runs: Vec<(usize, MatrixRun)>,
    stopped: Option<Stopped>,
}

impl Lane {
    async fn run(self, runs: Vec<(usize, MatrixRun)>) -> Result<LaneResult, Failure> {
        let mut result = LaneResult { runs: Vec::new(), stopped: None };
        for (index, run) in runs {
            // The first one is always started, so that there is something to resume.
            result.stopped = self.limits.reached().filter(|_| !result.runs.is_empty());
            if result.stopped.is_some() {
                break;
            }
            if run.planned.state != RunState::Complete {
                result.stopped = self.execute(&run).await?;
            }
            result.runs.push((index, run));
            if result.stopped.is_some() {
                break;
            }
        }
        Ok(result)
    }

    async fn execute(&self, run: &MatrixRun) -> Result<Option<Stopped>, Failure> {
        let header = &run.planned.header;
        if run.planned.state == RunState::New {
            self.store.start_run(header.clone())?;
            self.store.save_run_scorers(&header.run_id, &run.scorers)?;
        }
        let plan = RunPlan {
            run: Arc::clone(&run.info),
            header: header.clone(),
            renderer: Arc::clone(&run.renderer),
            endpoint: run.endpoint.clone(),
            retry_errors: self.options.retry_errors,
            concurrency: self.options.concurrency,
            cache_since: cache_since(&self.store, self.cache, &run.endpoint, Some(&header.run_id))?,
            evaluators: Arc::clone(&run.evaluators),
            judge_cache_since: self.cache.map(|ttl| Timestamp::now().checked_sub(ttl).unwrap_or(Timestamp::MIN)),
            counts: run.counts,
            limits: self.limits.clone(),
            events: self.events.clone(),
        };
        execute(&self.store, plan).await
    }
}
