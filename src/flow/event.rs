//! What a flow reports while it works: one stream of events. Progress, the lines of `--verbose` and any further log are
//! listeners of it, and decide what to show.

use std::sync::Arc;
use std::time::Duration;

use crate::core::domain::{CallErrorKind, Outcome, OutcomeResult, RunId};

/// One thing that happened.
///
/// Work that is no run is told as `Began`, `Advanced` …, `Ended`. A suite is told as `SuiteStarted`, then for each of
/// its runs `RunStarted`, `RequestSent` and `TrialFinished` …, `RunFinished`, then `SuiteFinished`; events of runs in
/// progress at once are mixed, those of one run are in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// Work of `total` steps began; `done` of them were finished before.
    Began {
        /// What is being done.
        what: String,
        /// Steps in all.
        total: u64,
        /// Steps finished before.
        done: u64,
    },
    /// Steps were finished, and their results are stored.
    Advanced {
        /// How many.
        steps: u64,
        /// How many of them ended in an error.
        errors: u64,
    },
    /// The work that began last is over.
    Ended,
    /// Runs of a suite are about to start: those that have something left to do.
    SuiteStarted {
        /// Every run, in the order of the suite.
        runs: Vec<Arc<RunInfo>>,
        /// Their counts together.
        counts: RunCounts,
    },
    /// A run started or resumed.
    RunStarted {
        /// Which one.
        run: Arc<RunInfo>,
        /// What it has so far.
        counts: RunCounts,
    },
    /// A request is handed to the endpoint, whose limits may still hold it back. Not for cached answers.
    RequestSent {
        /// The run it belongs to.
        run: Arc<RunInfo>,
        /// The example.
        example_id: String,
        /// Which repeat, from 0.
        trial: u32,
    },
    /// A trial has its outcome, and the outcome is stored.
    TrialFinished {
        /// The run it belongs to.
        run: Arc<RunInfo>,
        /// What is told of the outcome.
        trial: FinishedTrial,
        /// What the run has now.
        counts: RunCounts,
    },
    /// A run ended.
    RunFinished {
        /// Which one.
        run: Arc<RunInfo>,
        /// What it has.
        counts: RunCounts,
        /// Why it ended early, if it did.
        stopped: Option<Stopped>,
    },
    /// The runs of the suite that started last are over.
    SuiteFinished,
    /// Something a reader should know.
    Note(String),
    /// Something a reader should worry about.
    Warning(String),
}

/// What identifies a run in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub run_id: RunId,
    /// Suite name.
    pub suite: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
}

impl RunInfo {
    /// `model with long`: what tells it apart within its suite.
    pub fn target(&self) -> String {
        let prompt = self.prompt.as_ref().map_or_else(String::new, |prompt| format!(" with {prompt}"));
        format!("{}{prompt}", self.endpoint)
    }
}

/// Running counts of a run, in this process and before.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunCounts {
    /// Trials in all.
    pub total: u64,
    /// Trials that have their outcome; of a run whose errors are retried, without these errors.
    pub done: u64,
    /// Those of them that ended in an error.
    pub errors: u64,
    /// Those of them answered without a call, of this process.
    pub cached: u64,
    /// What they cost; `None` if nothing is known of it.
    pub cost: Option<f64>,
}

impl RunCounts {
    /// The counts after one more trial.
    #[must_use]
    pub fn with(self, trial: &FinishedTrial) -> Self {
        Self {
            total: self.total,
            done: self.done + 1,
            errors: self.errors + u64::from(trial.error.is_some()),
            cached: self.cached + u64::from(trial.cached),
            cost: sum(self.cost, trial.cost),
        }
    }

    /// The counts of two runs together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            done: self.done + other.done,
            errors: self.errors + other.errors,
            cached: self.cached + other.cached,
            cost: sum(self.cost, other.cost),
        }
    }
}

fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// What is told of a trial that has its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTrial {
    /// The example.
    pub example_id: String,
    /// Which repeat, from 0.
    pub trial: u32,
    /// How it failed, if it did: kind and message, without secrets.
    pub error: Option<(CallErrorKind, String)>,
    /// Attempts made.
    pub attempts: u32,
    /// How long the answer took; `None` for errors and cached answers.
    pub latency: Option<Duration>,
    /// Whether the answer came from the cache or a cassette.
    pub cached: bool,
    /// What it cost, if the endpoint has a price.
    pub cost: Option<f64>,
}

impl FinishedTrial {
    /// What is told of this outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let (error, attempts, latency, cached) = match &outcome.result {
            OutcomeResult::Failed(error) => (Some((error.kind, error.message.clone())), error.attempts, None, false),
            OutcomeResult::Answered { response, .. } => {
                let latency = (!response.cached).then_some(response.latency);
                (None, response.attempts, latency, response.cached)
            }
        };
        let (example_id, trial) = (outcome.example_id.clone(), outcome.trial);
        Self { example_id, trial, error, attempts, latency, cached, cost: outcome.cost }
    }
}

/// Who listens. Called from any thread.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// The user stopped it.
    Interrupted,
    /// Another request might have cost more than allowed.
    Cost {
        /// What was spent.
        spent: f64,
        /// What was allowed.
        most: f64,
    },
    /// The time allowed was over.
    Time(Duration),
}

impl Stopped {
    /// A sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Interrupted => "interrupted".to_owned(),
            Self::Cost { spent, most } => {
                format!("stopped at the budget: {spent:.4} spent, and another request could pass {most}")
            }
            Self::Time(most) => format!("stopped after {} s, the most allowed", most.as_secs_f64()),
        }
    }
}
