//! The results of `karat doctor`.

use serde::{Deserialize, Serialize};

/// The JSON form of `karat doctor --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorView {
    /// `karat.doctor/1`.
    pub schema: String,
    /// Every check, in the order in which they ran.
    pub checks: Vec<Check>,
    /// The worst state of all checks.
    pub state: CheckState,
}

impl DoctorView {
    /// Combines checks under their worst state.
    pub fn new(checks: Vec<Check>) -> Self {
        let state = checks.iter().map(|check| check.state).max().unwrap_or(CheckState::Ok);
        Self { schema: "karat.doctor/1".into(), checks, state }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The area of the workspace.
    pub area: CheckArea,
    /// Name of the item checked; empty if there is only one in the area.
    pub name: String,
    /// The result.
    pub state: CheckState,
    /// What was found, in one sentence; never contains secrets.
    pub detail: String,
    /// How to fix it.
    pub hint: Option<String>,
}

/// The subject of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckArea {
    /// `karat.yaml`.
    Workspace,
    /// A suite.
    Suite,
    /// A golden set, or `karat.lock`.
    Dataset,
    /// A secret referenced by a setting.
    Secret,
    /// An endpoint.
    Endpoint,
    /// This machine's clock.
    Clock,
    /// The disk that stores the database.
    Disk,
    /// The database.
    Database,
}

impl CheckArea {
    /// The name as printed.
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

/// The result of a check; a worse state compares greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// No problem.
    Ok,
    /// It works, but needs attention.
    Warning,
    /// It will not work.
    Failure,
}

impl CheckState {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}
