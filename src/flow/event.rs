//! What a flow tells while it works. Who listens decides what to show.

use std::time::Duration;

use crate::core::domain::{CallErrorKind, Outcome, OutcomeResult};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
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
    /// Steps were finished, and what they brought is kept.
    Advanced {
        /// How many.
        steps: u64,
        /// How many of them ended in an error.
        errors: u64,
    },
    /// One step of a run was finished: an outcome is kept.
    Answered(Answered),
    /// The work begun last is over.
    Ended,
    /// Something a reader should know.
    Note(String),
    /// Something a reader should worry about.
    Warning(String),
}

/// What is told of an outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered {
    /// How it failed, where it did.
    pub error: Option<CallErrorKind>,
    /// How long the answer took; `None` for errors and for answers that were given before.
    pub latency: Option<Duration>,
    /// Whether the answer was given before.
    pub cached: bool,
    /// What it cost, where the endpoint has a price.
    pub cost: Option<f64>,
}

impl Answered {
    /// What is told of this outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match &outcome.result {
            OutcomeResult::Failed(error) => {
                Self { error: Some(error.kind), latency: None, cached: false, cost: outcome.cost }
            }
            OutcomeResult::Answered { response, .. } => {
                let latency = (!response.cached).then_some(response.latency);
                Self { error: None, latency, cached: response.cached, cost: outcome.cost }
            }
        }
    }
}

/// Who listens. Called from any thread.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);
