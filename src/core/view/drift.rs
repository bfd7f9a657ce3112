//! The kinds of drift told apart: what is asked, what is answered, and what the right answer is.

use serde::{Deserialize, Serialize};

/// What may have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// What people ask about.
    Inputs,
    /// What production answers to requests about the same topics.
    Outputs,
    /// What one endpoint answers to the same examples.
    Answers,
    /// What the right answer to the same example is.
    Labels,
}

impl DriftKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Answers => "answers",
            Self::Labels => "labels",
        }
    }
}

/// Whether something moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftStatus {
    /// It did: significantly, and by at least the threshold.
    Changed,
    /// No change was found.
    NoChange,
    /// Something needed is missing.
    NotMeasured,
}

impl DriftStatus {
    /// The name shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "yes",
            Self::NoChange => "no change found",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One finding about drift. None but that of the inputs raises the alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftFinding {
    /// What may have moved.
    pub what: DriftKind,
    /// The endpoint, for answers.
    pub of: Option<String>,
    /// Whether it did.
    pub status: DriftStatus,
    /// The share that moved; null if it was not measured.
    pub effect: Option<f64>,
    /// Lower end of its 95 % interval, if there is one.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Smallest effect that counts.
    pub threshold: f64,
    /// The effect that would have been found in four of five cases; null if it was not measured.
    pub detectable: Option<f64>,
    /// p-value, adjusted over all findings but that of the inputs, which has its own level.
    pub p_value: Option<f64>,
    /// Number of requests, examples or labels compared.
    pub compared: usize,
    /// The finding in one sentence, or what is missing.
    pub sentence: String,
    /// What it is based on, and what moved most.
    pub evidence: Vec<String>,
}
