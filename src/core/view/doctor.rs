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
    /// `workspace`, `suite`, `dataset`, `secret`, `endpoint`, `clock`, `disk` or `database`.
    pub area: String,
    /// Which one of its area; empty where there is one alone.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was seen, in a sentence; never a secret.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
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
