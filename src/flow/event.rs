//! The events a flow reports while it works, as one stream. Progress, the lines of `--verbose` and any other log listen
//! to it and decide what to show.

use std::sync::Arc;
use std::time::Duration;

use crate::core::domain::{CallErrorKind, Outcome, OutcomeResult, RecordedOutcome, RunId, Score};

/// Something that happened in a flow.
///
/// Work that is not a run is reported as `Began`, `Advanced` …, `Ended`. A suite is reported as `SuiteStarted`, then
/// for each of its runs `RunStarted`, `RequestSent` and `TrialFinished` …, `RunFinished`, then `SuiteFinished`. Events
/// of concurrent runs are interleaved; those of one run are in order.
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
    /// Steps finished, and their results are stored.
    Advanced {
        /// How many.
        steps: u64,
        /// How many of them ended in an error.
        errors: u64,
    },
    /// The work that began last ended.
    Ended,
    /// The runs of a suite that have something left to do are about to start.
    SuiteStarted {
        /// The runs, in the order of the suite.
        runs: Vec<Arc<RunInfo>>,
        /// The sum of their counts.
        counts: RunCounts,
    },
    /// A run started or resumed.
    RunStarted {
        /// Which one.
        run: Arc<RunInfo>,
        /// Its counts so far.
        counts: RunCounts,
    },
    /// A request was handed to the endpoint, whose limits may still delay it. Not sent for cached answers.
    RequestSent {
        /// The run it belongs to.
        run: Arc<RunInfo>,
        /// The example.
        example_id: String,
        /// The repeat, counted from 0.
        trial: u32,
    },
    /// A trial finished, and its outcome is stored.
    TrialFinished {
        /// The run it belongs to.
        run: Arc<RunInfo>,
        /// Summary of the outcome.
        trial: FinishedTrial,
        /// The counts of the run, including this trial.
        counts: RunCounts,
    },
    /// A run ended.
    RunFinished {
        /// Which one.
        run: Arc<RunInfo>,
        /// Its final counts.
        counts: RunCounts,
        /// Why it ended early, if it did.
        stopped: Option<Stopped>,
    },
    /// The suite that started last ended.
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
    /// Returns what distinguishes the run within its suite, such as `model with long`.
    pub fn target(&self) -> String {
        let prompt = self.prompt.as_ref().map_or_else(String::new, |prompt| format!(" with {prompt}"));
        format!("{}{prompt}", self.endpoint)
    }
}

/// Running counts of a run, including those of earlier processes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunCounts {
    /// Trials in all.
    pub total: u64,
    /// Trials with an outcome, without the errors that are being retried.
    pub done: u64,
    /// How many of these ended in an error, or have a scorer that failed.
    pub errors: u64,
    /// How many of these were answered without a call, in this process only.
    pub cached: u64,
    /// What they cost; `None` if unknown.
    pub cost: Option<f64>,
}

impl RunCounts {
    /// Returns the counts after one more trial.
    #[must_use]
    pub fn with(self, trial: &FinishedTrial) -> Self {
        Self {
            total: self.total,
            done: self.done + 1,
            errors: self.errors + u64::from(trial.error.is_some() || trial.unscored.is_some()),
            cached: self.cached + u64::from(trial.cached),
            cost: sum(self.cost, trial.cost),
        }
    }

    /// Returns the sum of the counts of two runs.
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

/// The first scorer that failed, and why.
fn failed(scores: &[(String, Score)]) -> Option<(String, String)> {
    scores.iter().find_map(|(name, score)| match score {
        Score::Failed(reason) => Some((name.clone(), reason.clone())),
        _ => None,
    })
}

/// Summary of a finished trial.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTrial {
    /// The example.
    pub example_id: String,
    /// The repeat, counted from 0.
    pub trial: u32,
    /// The error, if it failed: kind and message, without secrets.
    pub error: Option<(CallErrorKind, String)>,
    /// Number of attempts made.
    pub attempts: u32,
    /// How long the answer took; `None` for errors and cached answers.
    pub latency: Option<Duration>,
    /// Whether the answer came from the cache or a cassette.
    pub cached: bool,
    /// What it cost, if the endpoint has a price.
    pub cost: Option<f64>,
    /// A scorer that failed, and why.
    pub unscored: Option<(String, String)>,
}

impl FinishedTrial {
    /// Summarizes an answer that was stored before it was scored.
    pub fn of_stored(outcome: &RecordedOutcome) -> Self {
        Self {
            example_id: outcome.example_id.clone(),
            trial: outcome.trial,
            error: None,
            attempts: outcome.attempts,
            latency: None,
            cached: true,
            cost: None,
            unscored: None,
        }
    }

    /// Adds what its scores say.
    #[must_use]
    pub fn scored(self, scores: &[(String, Score)]) -> Self {
        Self { unscored: failed(scores), ..self }
    }

    /// Summarizes an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let (error, attempts, latency, cached, unscored) = match &outcome.result {
            OutcomeResult::Failed(error) => {
                (Some((error.kind, error.message.clone())), error.attempts, None, false, None)
            }
            OutcomeResult::Answered { response, scores } => {
                let latency = (!response.cached).then_some(response.latency);
                let unscored = scores.as_ref().and_then(|scores| failed(scores));
                (None, response.attempts, latency, response.cached, unscored)
            }
        };
        let (example_id, trial) = (outcome.example_id.clone(), outcome.trial);
        Self { example_id, trial, error, attempts, latency, cached, cost: outcome.cost, unscored }
    }
}

/// The listener. May be called from any thread.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// The user interrupted it.
    Interrupted,
    /// Another request might have cost more than allowed.
    Cost {
        /// What was spent.
        spent: f64,
        /// What was allowed.
        most: f64,
    },
    /// The time limit, as given here, was reached.
    Time(Duration),
}

impl Stopped {
    /// Returns the reason as a phrase.
    pub fn sentence(&self) -> String {
        match self {
            Self::Interrupted => "interrupted".to_owned(),
            Self::Cost { spent, most } => {
                format!("stopped at the budget: {spent:.4} spent, and another request could exceed {most}")
            }
            Self::Time(most) => format!("stopped after {} s, the time limit", most.as_secs_f64()),
        }
    }
}
