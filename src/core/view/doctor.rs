//! What `karat doctor` found.

use serde::{Deserialize, Serialize};

/// The JSON form of `karat doctor --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorView {
    /// `karat.doctor/1`.
    pub schema: String,
    /// Every check, in the order in which they were made.
    pub checks: Vec<Check>,
    /// The worst of them.
    pub state: CheckState,
}

impl DoctorView {
    /// Gathers checks under the worst of them.
    pub fn new(checks: Vec<Check>) -> Self {
        let state = checks.iter().map(|check| check.state).max().unwrap_or(CheckState::Ok);
        Self { schema: "karat.doctor/1".into(), checks, state }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it belongs to.
    pub area: CheckArea,
    /// Which one of its area; empty where there is one alone.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was seen, in a sentence; never a secret.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a check belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckArea {
    /// `karat.yaml`.
    Workspace,
    /// A suite.
    Suite,
    /// A golden set, or `karat.lock`.
    Dataset,
    /// A secret that a setting refers to.
    Secret,
    /// An endpoint.
    Endpoint,
    /// This machine's clock.
    Clock,
    /// The disk of the database.
    Disk,
    /// The database.
    Database,
}

impl CheckArea {
    /// The name printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Suite => "suite",
            Self::Dataset => "dataset",
            Self::Secret => "secret",
            Self::Endpoint => "endpoint",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Database => "database",
        }
    }
}

/// How a thing is; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Warning,
    /// It will not work.
    Failure,
}

impl CheckState {
    /// The name printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}
