//! The review page's loopback server: HTTP, the checks of every request, and the files of the page. What it shows and what a
//! decision does is up to a [`ReviewDesk`].

mod guard;
mod server;

use serde::Deserialize;

use crate::core::domain::Failure;
use crate::core::view::{ReviewDoneView, ReviewExampleView, ReviewView};

pub use server::ReviewServer;

/// What the server serves.
pub trait ReviewDesk: Send + Sync + 'static {
    /// The queue, and what was decided.
    ///
    /// # Errors
    /// A store failure, or a data failure.
    fn queue(&self) -> Result<ReviewView, Failure>;

    /// One flagged example.
    ///
    /// # Errors
    /// A data failure if it is not flagged; a store failure.
    fn example(&self, dataset: &str, example_id: &str) -> Result<ReviewExampleView, Failure>;

    /// Carries out a decision.
    ///
    /// # Errors
    /// A refusal, in which case nothing has changed.
    fn decide(&self, request: DecideRequest) -> Result<ReviewDoneView, Refusal>;

    /// Undoes the latest decision that this server carried out for somebody.
    ///
    /// # Errors
    /// A refusal, in which case nothing has changed.
    fn undo(&self, request: UndoRequest) -> Result<ReviewDoneView, Refusal>;
}

/// Why nothing was done.
#[derive(Debug)]
pub struct Refusal {
    /// Whether somebody else has changed what the page shows.
    pub is_conflict: bool,
    /// The reason.
    pub failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { is_conflict: false, failure }
    }
}

/// A decision, as the page sends it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// The hash of what the page showed.
    pub seen: String,
    /// The decision.
    pub decision: DecisionName,
    /// The accepted answers, if they change.
    #[serde(default)]
    pub answers: Vec<String>,
    /// For how many days the example is set aside; 30 if missing.
    #[serde(default)]
    pub days: Option<u16>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who decides.
    pub by: String,
}

/// The name of a decision, as in `karat queue resolve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionName {
    /// Replace the accepted answers.
    Relabel,
    /// The problem is real.
    Confirm,
    /// Nothing is wrong.
    Dismiss,
    /// The example is no longer used.
    Retire,
    /// The example is only run.
    RegressionOnly,
    /// Review later.
    Snooze,
}

/// The wish to undo, as the page sends it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoRequest {
    /// Whose latest decision, and who undoes it.
    pub by: String,
}
