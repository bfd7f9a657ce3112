//! Executes one run: examples are read from the database a part at a time, a bounded number of trials is in flight, and
//! an outcome is on disk before it counts as done.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::Stopped;
use super::budget::{Budget, RunBudget};
use super::endpoints::ReadyEndpoint;
use super::render::Renderer;
use super::trial::{Trial, TrialRunner};
use crate::core::domain::{Failure, FailureKind};
use crate::edge::store::{RunHeader, Store};
use crate::flow::Event;
use crate::flow::event::{FinishedTrial, RunCounts, RunInfo};
use crate::flow::scoring::{Evaluators, JudgeBudgets};
use crate::flow::stored_dataset::{Selection, selected};

/// Trials handed over at a time, so that reader and runner rarely wait for each other. One batch is read ahead.
const BATCH: usize = 128;

/// Trials in flight per concurrent request: besides the one being sent, some wait out a pause or are being stored.
const IN_FLIGHT: usize = 4;

/// The limits at which a run stops before everything is done.
#[derive(Clone)]
pub(super) struct Limits {
    /// Becomes true when the user interrupts the run.
    pub interrupted: watch::Receiver<bool>,
    /// When the time limit is reached, and how long it was.
    pub deadline: Option<(Instant, Duration)>,
    /// The budget shared by all runs.
    pub budget: Arc<Budget>,
}

impl Limits {
    /// Returns the limit that was reached, if any: no further run should start then.
    pub fn reached(&self) -> Option<Stopped> {
        if *self.interrupted.borrow() {
            return Some(Stopped::Interrupted);
        }
        let passed = self.deadline.filter(|(time, _)| *time <= Instant::now());
        passed.map(|(_, most)| Stopped::Time(most)).or_else(|| self.budget.stopped())
    }
}

/// Everything needed to execute a run.
pub(super) struct RunPlan {
    pub run: Arc<RunInfo>,
    pub header: RunHeader,
    pub renderer: Arc<Renderer>,
    pub endpoint: ReadyEndpoint,
    pub retry_errors: bool,
    pub concurrency: usize,
    /// How far back cached answers may be used; `None` if none may.
    pub cache_since: Option<Timestamp>,
    /// What the scorers need outside karat.
    pub evaluators: Arc<Evaluators>,
    /// How far back cached replies of judges may be used; `None` if none may.
    pub judge_cache_since: Option<Timestamp>,
    pub counts: RunCounts,
    pub limits: Limits,
    pub events: mpsc::Sender<Event>,
}

/// Runs every open trial. If some are left, returns why the run stopped.
///
/// # Errors
/// A store failure if outcomes can no longer be stored.
pub(super) async fn execute(store: &Arc<Store>, plan: RunPlan) -> Result<Option<Stopped>, Failure> {
    let RunPlan { run, header, renderer, endpoint, retry_errors, concurrency, counts, limits, events, .. } = plan;
    tell(&events, Event::RunStarted { run: Arc::clone(&run), counts }).await;
    let open = open_trials(store, &header, Selection::of_run(&header)?, retry_errors);
    let budget = RunBudget::new(Arc::clone(&limits.budget));
    let runner = TrialRunner {
        run,
        store: Arc::clone(store),
        renderer,
        endpoint,
        cache_since: plan.cache_since,
        budget,
        evaluators: plan.evaluators,
        judge_budgets: JudgeBudgets::new(Arc::clone(&limits.budget)),
        judge_cache_since: plan.judge_cache_since,
        events: events.clone(),
    };
    let mut in_flight = InFlight {
        tasks: JoinSet::new(),
        about: HashMap::new(),
        runner: Arc::new(runner),
        most: concurrency.max(1) * IN_FLIGHT,
        counts,
        refused: false,
    };
    let stopped = in_flight.work(open, limits).await;
    // Trials in flight have no outcome; --resume runs them again.
    in_flight.tasks.abort_all();
    while in_flight.tasks.join_next().await.is_some() {}
    let stopped = stopped?;
    if stopped.is_none() {
        store.finish_run(&header.run_id, Timestamp::now())?;
    }
    let (run, counts) = (Arc::clone(&in_flight.runner.run), in_flight.counts);
    tell(&events, Event::RunFinished { run, counts, stopped: stopped.clone() }).await;
    Ok(stopped)
}

/// Sends an event. If nobody receives it, the command has ended.
async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}

/// Resolves when the user interrupts.
pub(in crate::flow) async fn interrupted(stop: &mut watch::Receiver<bool>) {
    // If the sender is gone, nobody can interrupt the run any more.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves at the deadline.
pub(super) async fn passed(deadline: Option<(Instant, Duration)>) {
    match deadline {
        Some((time, _)) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

type Batches = mpsc::Receiver<Result<Vec<Trial>, Failure>>;

/// Reads the examples of a run on a separate thread, and hands over the trials that have no outcome yet.
fn open_trials(store: &Arc<Store>, header: &RunHeader, selection: Selection, retry_errors: bool) -> Batches {
    let (send, open) = mpsc::channel(1);
    let (store, header) = (Arc::clone(store), header.clone());
    tokio::task::spawn_blocking(move || {
        // If nobody receives this, the run has ended.
        if let Err(failure) = hand_over(&store, &header, &selection, retry_errors, &send) {
            let _ = send.blocking_send(Err(failure));
        }
    });
    open
}

fn hand_over(
    store: &Store,
    header: &RunHeader,
    selection: &Selection,
    retry_errors: bool,
    send: &mpsc::Sender<Result<Vec<Trial>, Failure>>,
) -> Result<(), Failure> {
    let has_outcomes = store.has_outcomes(&header.run_id)?;
    let mut batch = Vec::with_capacity(BATCH);
    for example in selected(store, &header.dataset, &header.dataset_version, selection)? {
        let example = Arc::new(example?);
        let recorded = if has_outcomes { store.recorded_trials(&header.run_id, &example.id)? } else { Vec::new() };
        let open = |number: u32| {
            let known = recorded.iter().find(|known| known.trial == number);
            let is_answered = known.is_some_and(|known| !known.is_error);
            let is_open = known
                .is_none_or(|known| known.is_unscored || (retry_errors && (known.is_error || known.has_failed_score)));
            is_open.then(|| Trial { example: Arc::clone(&example), number, is_answered })
        };
        for trial in (0..header.repeats).filter_map(open) {
            batch.push(trial);
            if batch.len() >= BATCH && send.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
    }
    let _ = send.blocking_send(Ok(batch));
    Ok(())
}

/// The result of a task: `None` if the budget refused the trial.
type TaskResult = Result<Option<FinishedTrial>, Failure>;

/// The trials of a run that are in flight.
struct InFlight {
    tasks: JoinSet<TaskResult>,
    /// The trial of each task, in case it panics.
    about: HashMap<Id, Trial>,
    runner: Arc<TrialRunner>,
    most: usize,
    counts: RunCounts,
    /// Whether the budget refused a trial.
    refused: bool,
}

impl InFlight {
    /// Starts open trials and settles finished ones, until none are left or a limit is reached.
    async fn work(&mut self, mut open: Batches, mut limits: Limits) -> Result<Option<Stopped>, Failure> {
        let (mut ready, mut all_read) = (VecDeque::new(), false);
        loop {
            while self.tasks.len() < self.most && !limits.budget.is_exhausted() {
                let Some(trial) = ready.pop_front() else { break };
                self.start(trial);
            }
            if self.tasks.is_empty() {
                // Another run may have exhausted the budget after this one's last trial.
                if all_read && ready.is_empty() && !self.refused {
                    return Ok(None);
                }
                if limits.budget.is_exhausted() && (self.refused || !ready.is_empty()) {
                    return Ok(limits.budget.stopped());
                }
            }
            tokio::select! {
                biased;
                () = interrupted(&mut limits.interrupted) => return Ok(Some(Stopped::Interrupted)),
                () = passed(limits.deadline) => return Ok(limits.deadline.map(|(_, most)| Stopped::Time(most))),
                Some(finished) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.settle(finished).await?;
                }
                batch = open.recv(), if !all_read && ready.is_empty() => match batch {
                    Some(batch) => ready.extend(batch?),
                    None => all_read = true,
                },
            }
        }
    }

    fn start(&mut self, trial: Trial) {
        let (runner, about) = (Arc::clone(&self.runner), trial.clone());
        let handle = self.tasks.spawn(async move { runner.run(&trial).await });
        self.about.insert(handle.id(), about);
    }

    /// Reports a task that ended. A panic becomes an outcome with an error.
    async fn settle(&mut self, finished: Result<(Id, TaskResult), JoinError>) -> Result<(), Failure> {
        let trial = match finished {
            Ok((id, result)) => {
                self.about.remove(&id);
                result?
            }
            Err(broken) => {
                let Some(trial) = self.about.remove(&broken.id()) else {
                    return Err(
                        Failure::new(FailureKind::Other, "a call failed because of a bug in karat").caused_by(broken)
                    );
                };
                Some(self.runner.fail_by_bug(&trial.example, trial.number).await?)
            }
        };
        let Some(trial) = trial else {
            self.refused = true;
            return Ok(());
        };
        self.counts = self.counts.with(&trial);
        let (run, counts) = (Arc::clone(&self.runner.run), self.counts);
        tell(&self.runner.events, Event::TrialFinished { run, trial, counts }).await;
        Ok(())
    }
}
