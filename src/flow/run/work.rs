//! The asking itself: examples come from the database a part at a time, a bounded number of them is under way, and what
//! comes back is on disk before it counts as done.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::debug;

use super::Stopped;
use super::endpoints::ReadyEndpoint;
use super::render::Renderer;
use crate::core::domain::{
    CallError, CallErrorKind, Example, Failure, FailureKind, Outcome, OutcomeResult, Request, Response,
};
use crate::core::pricing::estimated_tokens;
use crate::edge::store::{RunHeader, Store};
use crate::flow::event::Answered;
use crate::flow::stored_dataset::{Selection, selected};
use crate::flow::{Event, Events};

/// Trials handed over at a time, so that reader and runner rarely wait for each other; one such batch is read ahead.
const BATCH: usize = 128;

/// Examples in hand for each request under way: besides it one that waits out a pause, and ones that are being written.
const IN_HAND: usize = 4;

/// When to stop before everything is asked.
#[derive(Clone)]
pub(super) struct Limits {
    /// Turns true when somebody wants it to end.
    pub interrupted: watch::Receiver<bool>,
    /// When the time allowed is over, and how much it was.
    pub deadline: Option<(Instant, Duration)>,
    /// What may be spent.
    pub budget: Arc<Budget>,
}

/// What is to be asked, and how.
pub(super) struct RunPlan<'a> {
    pub renderer: Arc<Renderer>,
    pub asked: ReadyEndpoint,
    pub header: &'a RunHeader,
    pub selection: Selection,
    pub retry_errors: bool,
    pub concurrency: usize,
    /// Since when an answer may serve again, in seconds since 1970.
    pub cache_since: Option<i64>,
    pub limits: Limits,
}

/// Asks for everything that is open, and says why it stopped where something still is.
///
/// # Errors
/// A store failure, where outcomes can no longer be kept.
pub(super) async fn ask_all(
    store: &Arc<Store>,
    plan: RunPlan<'_>,
    events: Events<'_>,
) -> Result<Option<Stopped>, Failure> {
    let RunPlan { renderer, asked, header, selection, retry_errors, concurrency, cache_since, limits } = plan;
    let (recorded, errors, spent) = store.run_totals(&header.run_id)?;
    let done = if retry_errors { recorded - errors } else { recorded };
    let prompt = header.prompt.as_ref().map_or_else(String::new, |prompt| format!(" with {prompt}"));
    let what = format!("{} on {}{prompt}", header.suite, header.endpoint);
    events(Event::Began { what, total: header.total as u64, done });
    let budget = Arc::clone(&limits.budget);
    budget.open(spent);
    let (store, run_id) = (Arc::clone(store), header.run_id.clone());
    let open = open_work(&store, header, selection, retry_errors);
    let runner = Arc::new(TrialRunner { store: Arc::clone(&store), renderer, asked, run_id, cache_since, budget });
    let most = concurrency.max(1) * IN_HAND;
    let mut in_flight = InFlight { tasks: JoinSet::new(), about: HashMap::new(), runner, most };
    let stopped = in_flight.work(open, limits, events).await;
    // What is under way was not answered yet: it is asked again on --resume.
    in_flight.tasks.abort_all();
    while in_flight.tasks.join_next().await.is_some() {}
    events(Event::Ended);
    let stopped = stopped?;
    if stopped.is_none() {
        store.finish_run(&header.run_id, &Timestamp::now().to_string())?;
    }
    Ok(stopped)
}

async fn interrupted(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone will never ask for a stop.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn passed(deadline: Option<(Instant, Duration)>) {
    match deadline {
        Some((time, _)) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Reads the examples of a run, in a thread of its own, and hands over those trials that have no outcome yet.
fn open_work(
    store: &Arc<Store>,
    header: &RunHeader,
    selection: Selection,
    retry_errors: bool,
) -> mpsc::Receiver<Result<Vec<Trial>, Failure>> {
    let (send, open) = mpsc::channel(1);
    let (store, header) = (Arc::clone(store), header.clone());
    tokio::task::spawn_blocking(move || {
        // Where nobody listens the run is over.
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
    let has_outcomes = store.run_totals(&header.run_id)?.0 > 0;
    let mut batch = Vec::with_capacity(BATCH);
    for example in selected(store, &header.dataset, &header.dataset_version, selection)? {
        let example = Arc::new(example?);
        let recorded = if has_outcomes { store.recorded_trials(&header.run_id, &example.id)? } else { Vec::new() };
        let is_open = |trial: &u32| {
            recorded.iter().find(|(known, _)| known == trial).is_none_or(|(_, error)| retry_errors && *error)
        };
        for trial in (0..header.repeats).filter(is_open) {
            batch.push((Arc::clone(&example), trial));
            if batch.len() >= BATCH && send.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
    }
    let _ = send.blocking_send(Ok(batch));
    Ok(())
}

/// One example, to be asked for the n-th time.
type Trial = (Arc<Example>, u32);

/// The requests in hand.
struct InFlight {
    tasks: JoinSet<Result<Option<Answered>, Failure>>,
    /// What each task is about, for one that panics.
    about: HashMap<Id, (Arc<Example>, u32)>,
    runner: Arc<TrialRunner>,
    most: usize,
}

impl InFlight {
    /// Begins what is open and settles what is finished, until nothing is left or something stops it.
    async fn work(
        &mut self,
        mut open: mpsc::Receiver<Result<Vec<Trial>, Failure>>,
        mut limits: Limits,
        events: Events<'_>,
    ) -> Result<Option<Stopped>, Failure> {
        let budget = Arc::clone(&self.runner.budget);
        let (mut ready, mut all_read) = (VecDeque::new(), false);
        loop {
            while self.tasks.len() < self.most && !budget.is_empty() {
                let Some((example, trial)) = ready.pop_front() else { break };
                self.begin(example, trial);
            }
            if self.tasks.is_empty() && ((all_read && ready.is_empty()) || budget.is_empty()) {
                return Ok(budget.exhausted());
            }
            tokio::select! {
                biased;
                () = interrupted(&mut limits.interrupted) => return Ok(Some(Stopped::Interrupted)),
                () = passed(limits.deadline) => return Ok(limits.deadline.map(|(_, most)| Stopped::Time(most))),
                Some(finished) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.settle(finished, events).await?;
                }
                batch = open.recv(), if !all_read && ready.is_empty() => match batch {
                    Some(batch) => ready.extend(batch?),
                    None => all_read = true,
                },
            }
        }
    }

    fn begin(&mut self, example: Arc<Example>, trial: u32) {
        let (runner, about) = (Arc::clone(&self.runner), Arc::clone(&example));
        let handle = self.tasks.spawn(async move { runner.ask(&example, trial).await });
        self.about.insert(handle.id(), (about, trial));
    }

    /// Tells of a task that came to its end. One that panicked is an outcome with an error.
    async fn settle(
        &mut self,
        finished: Result<(Id, Result<Option<Answered>, Failure>), JoinError>,
        events: Events<'_>,
    ) -> Result<(), Failure> {
        match finished {
            Ok((id, result)) => {
                self.about.remove(&id);
                if let Some(answered) = result? {
                    events(Event::Answered(answered));
                }
            }
            Err(broken) => {
                let Some((example, trial)) = self.about.remove(&broken.id()) else {
                    return Err(Failure::new(FailureKind::Other, "a call ended in a bug of karat").caused_by(broken));
                };
                let error =
                    CallError::new(CallErrorKind::Internal, "this example met a bug of karat; please report it");
                let result = OutcomeResult::Failed(error);
                let outcome = Outcome { example_id: example.id.clone(), trial, key: None, cost: None, result };
                events(Event::Answered(self.runner.keep(outcome).await?));
            }
        }
        Ok(())
    }
}

/// Asks for one example at a time.
struct TrialRunner {
    store: Arc<Store>,
    renderer: Arc<Renderer>,
    asked: ReadyEndpoint,
    run_id: String,
    cache_since: Option<i64>,
    budget: Arc<Budget>,
}

impl TrialRunner {
    /// Asks, scores and keeps; `None` where the budget does not reach for it.
    async fn ask(&self, example: &Example, trial: u32) -> Result<Option<Answered>, Failure> {
        let request = match self.renderer.request(example, trial) {
            Ok(request) => request,
            Err(error) => {
                let result = OutcomeResult::Failed(error);
                let outcome = Outcome { example_id: example.id.clone(), trial, key: None, cost: None, result };
                return self.keep(outcome).await.map(Some);
            }
        };
        let key = request.key.at(self.asked.endpoint.fingerprint());
        if let Some(since) = self.cache_since
            && let Some(response) = self.store.cached_answer(key, since, &self.run_id)?
        {
            debug!(example = %example.id, trial, "answered from the cache");
            return self.keep(self.outcome(example, &request, Ok(response))).await.map(Some);
        }
        let estimate = self.asked.estimate(&request);
        let is_bounded = self.asked.answer_limit.is_some();
        let Some(reserved) = self.budget.reserve(estimate, is_bounded).await else { return Ok(None) };
        debug!(example = %example.id, trial, endpoint = self.asked.endpoint.name(), "asking");
        let answer = self.asked.endpoint.call(&request).await;
        let outcome = self.outcome(example, &request, answer);
        reserved.settle(outcome.cost);
        self.keep(outcome).await.map(Some)
    }

    fn outcome(&self, example: &Example, request: &Request, answer: Result<Response, CallError>) -> Outcome {
        let mask = &self.renderer.mask;
        let (cost, result) = match answer {
            Err(error) => {
                let message = mask.text(&error.message).into_owned();
                debug!(example = %example.id, trial = request.trial, kind = error.kind.name(), attempts = error.attempts, %message, "failed");
                (None, OutcomeResult::Failed(CallError { message, ..error }))
            }
            Ok(response) => {
                let cost = self.asked.cost(request, &response);
                let output = mask.text(&response.output).into_owned();
                let model = response.model.as_deref().map(|model| mask.text(model).into_owned());
                let scores = self.renderer.scorers.score(&output, example);
                (cost, OutcomeResult::Answered { response: Response { output, model, ..response }, scores })
            }
        };
        let key = Some(request.key.at(self.asked.endpoint.fingerprint()));
        let key = key.filter(|_| self.asked.endpoint.is_cacheable());
        Outcome { example_id: example.id.clone(), trial: request.trial, key, cost, result }
    }

    /// Keeps an outcome; only what is on disk counts as done.
    async fn keep(&self, outcome: Outcome) -> Result<Answered, Failure> {
        let answered = Answered::of(&outcome);
        self.store.record_outcome(&self.run_id, outcome, Timestamp::now().as_second()).wait().await?;
        Ok(answered)
    }
}

impl ReadyEndpoint {
    /// About what a request will cost; nothing without a price.
    fn estimate(&self, request: &Request) -> f64 {
        let Some(price) = self.price else { return 0.0 };
        let bytes: usize = request.messages.iter().map(|message| message.to_json().to_string().len()).sum();
        price.of_calls(1, estimated_tokens(bytes), self.answer_limit.unwrap_or(0))
    }

    /// What an answer cost; one that was given before costs nothing.
    fn cost(&self, request: &Request, response: &Response) -> Option<f64> {
        let price = self.price?;
        if response.cached {
            return Some(0.0);
        }
        let prompt: usize = request.messages.iter().map(|message| message.content_text().len()).sum();
        Some(price.of(response.usage, prompt, response.output.len()))
    }
}

/// What was spent, what requests under way may cost, and the most allowed.
pub(super) struct Budget {
    most: Option<f64>,
    money: Mutex<Money>,
    settled: Notify,
    empty: AtomicBool,
}

#[derive(Debug, Default)]
struct Money {
    spent: f64,
    reserved: f64,
    under_way: usize,
    /// What the dearest request so far cost, of the run under way.
    dearest: f64,
}

impl Budget {
    /// With nothing spent yet; `most: None` for no bound.
    pub fn new(most: Option<f64>) -> Self {
        Self { most, money: Mutex::default(), settled: Notify::new(), empty: AtomicBool::new(false) }
    }

    /// A run begins, or goes on after having spent something before.
    fn open(&self, spent: f64) {
        let mut money = self.money();
        money.spent += spent;
        money.dearest = 0.0;
    }

    /// Sets money aside for a request, waiting for those under way where there is not enough: most cost less than their
    /// estimate. Where nothing bounds the answer, it is taken to cost as much as the dearest so far, and the first one
    /// has all the money. `None` where there will not be enough: the budget then counts as empty.
    async fn reserve(&self, estimate: f64, is_bounded: bool) -> Option<Reserved<'_>> {
        let Some(most) = self.most else {
            self.money().under_way += 1;
            return Some(Reserved { budget: self, estimate: 0.0, cost: None });
        };
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Enabled before the look, or a request that settles between the two would be missed.
            settled.as_mut().enable();
            {
                let mut money = self.money();
                if self.is_empty() {
                    return None;
                }
                let left = most - money.spent - money.reserved;
                let estimate = match is_bounded {
                    true => estimate,
                    false if money.dearest > 0.0 => estimate.max(money.dearest),
                    false => estimate.max(left),
                };
                let is_alone = money.under_way == 0;
                if estimate <= left && (is_bounded || money.dearest > 0.0 || is_alone) {
                    money.reserved += estimate;
                    money.under_way += 1;
                    return Some(Reserved { budget: self, estimate, cost: None });
                }
                if is_alone {
                    self.empty.store(true, Ordering::Relaxed);
                    self.settled.notify_waiters();
                    return None;
                }
            }
            settled.await;
        }
    }

    fn money(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.empty.load(Ordering::Relaxed)
    }

    fn exhausted(&self) -> Option<Stopped> {
        let spent = self.money().spent;
        self.most.filter(|_| self.is_empty()).map(|most| Stopped::Cost { spent, most })
    }
}

/// Money set aside for a request. Dropped, it is given back: no other request waits for one that was given up.
struct Reserved<'a> {
    budget: &'a Budget,
    estimate: f64,
    cost: Option<f64>,
}

impl Reserved<'_> {
    /// Pays what the request cost.
    fn settle(mut self, cost: Option<f64>) {
        self.cost = cost;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut money = self.budget.money();
        let cost = self.cost.unwrap_or(0.0);
        money.spent += cost;
        money.dearest = money.dearest.max(cost);
        money.reserved -= self.estimate;
        money.under_way -= 1;
        drop(money);
        self.budget.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_budget_waits_for_what_is_under_way_before_it_counts_as_empty() {
        let budget = Arc::new(Budget::new(Some(1.0)));
        budget.open(0.4);
        let first = budget.reserve(0.25, true).await.unwrap();
        let second = budget.reserve(0.25, true).await.unwrap();
        let third = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(0.25, true).await.map(|third| third.settle(Some(0.3))).is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!budget.is_empty() && !third.is_finished());
        first.settle(Some(0.1));
        assert!(third.await.unwrap(), "the first cost less than was set aside");
        drop(second);
        assert!(budget.reserve(0.25, true).await.is_none());
        assert!(matches!(budget.exhausted(), Some(Stopped::Cost { spent, .. }) if (spent - 0.8).abs() < 1e-9));
        assert!(Budget::new(None).reserve(1e9, false).await.is_some());
    }

    #[tokio::test]
    async fn the_first_answer_of_unknown_length_goes_alone_and_the_others_are_taken_to_cost_as_much() {
        let budget = Budget::new(Some(1.0));
        let first = budget.reserve(0.01, false).await.unwrap();
        assert!((first.estimate - 1.0).abs() < 1e-9);
        first.settle(Some(0.3));
        let (second, third) = (budget.reserve(0.01, false).await.unwrap(), budget.reserve(0.01, false).await.unwrap());
        assert!((second.estimate - 0.3).abs() < 1e-9 && (third.estimate - 0.3).abs() < 1e-9);
        second.settle(Some(0.3));
        third.settle(Some(0.3));
        assert!(budget.reserve(0.01, false).await.is_none(), "0.1 is left, and an answer cost 0.3");
    }
}
