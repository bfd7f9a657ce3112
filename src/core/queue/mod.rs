//! The relabel queue: flags, their states, and what measurements and people do to them.

mod state;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::domain::{Flag, content_hash, short};
use crate::core::labelling::Labels;

pub use state::{Decision, QueueEvent, QueueState, next};

/// A stored flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagRow {
    /// The flag.
    pub flag: Flag,
    /// Its state.
    pub state: QueueState,
    /// Hash of the evidence that the state applies to; see [`evidence_hash`].
    pub evidence_hash: String,
    /// When a snoozed flag returns.
    pub snoozed_until: Option<Timestamp>,
    /// Share of the traffic that its example represented when it was last measured, if that was known.
    pub traffic_share: Option<f64>,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
}

/// The effect of a measurement on one flag, identified by its example and reason.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagChange {
    /// The flag as measured now, or as last measured if it no longer holds.
    pub flag: Flag,
    /// Its previous state; `None` for a new flag.
    pub from: Option<QueueState>,
    /// Its new state.
    pub to: QueueState,
    /// Hash of the evidence that the state applies to.
    pub evidence_hash: String,
    /// When a snoozed flag returns.
    pub snoozed_until: Option<Timestamp>,
    /// Share of the window's traffic that its example represents, if it is live and coverage was measured.
    pub traffic_share: Option<f64>,
}

/// Hash of what a flag is based on. A decision applies as long as it is the same.
pub fn evidence_hash(flag: &Flag) -> String {
    let text = format!("{}\n{}", flag.code.name(), flag.basis);
    short(&content_hash("karat-evidence", text.as_bytes()), 16).to_owned()
}

/// One step in the life of a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueStep {
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// Stable name of the reason.
    pub code: crate::core::domain::ReasonCode,
    /// When it happened (RFC 3339).
    pub at: String,
    /// The previous state; null for a new flag.
    pub from: Option<QueueState>,
    /// The new state.
    pub to: QueueState,
    /// Who decided; null for a measurement.
    pub by: Option<String>,
    /// Why, as the reviewer put it; for a measurement, what was observed.
    pub reason: Option<String>,
    /// What was decided in detail, such as the new answers.
    pub detail: Option<String>,
}

impl FlagChange {
    /// The step that a measurement made.
    pub fn step(&self, dataset: &str, at: &str) -> QueueStep {
        let flag = &self.flag;
        QueueStep {
            dataset: dataset.to_owned(),
            example_id: flag.example_id.clone(),
            code: flag.code,
            at: at.to_owned(),
            from: self.from,
            to: self.to,
            by: None,
            // If the signal no longer holds, the flag is as it was last measured.
            reason: (self.to != QueueState::Cleared).then(|| flag.evidence.clone()),
            detail: None,
        }
    }
}

/// A step that somebody decided, and when the flag returns if it was snoozed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The step.
    pub step: QueueStep,
    /// When a snoozed flag returns.
    pub snoozed_until: Option<Timestamp>,
    /// The example's row in the golden set's file, if the decision changes it.
    #[serde(default)]
    pub row: Option<ChangedRow>,
    /// The number of the decision that this one undoes.
    #[serde(default)]
    pub undoes: Option<i64>,
}

/// A row of a golden set's file before and after a decision, without its line end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// Its text before.
    pub before: String,
    /// Its text after.
    pub after: String,
}

/// A stored step, with what it takes to undo it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedStep {
    /// Its number; later steps have higher ones.
    pub id: i64,
    /// The step.
    pub step: QueueStep,
    /// The number of the decision that it belongs to, with which it can be undone; `None` for a measurement, for a decision that
    /// undid another, and for a decision of a version that could not undo any.
    pub decision: Option<i64>,
    /// Whether the decision was undone.
    pub undone: bool,
    /// When the flag would have returned before the decision, if it was snoozed.
    pub snoozed_before: Option<Timestamp>,
    /// The example's row, if the decision changed it.
    pub row: Option<ChangedRow>,
}

/// What is decided at once: together with the change of a golden set's file, if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Steps of the queue.
    pub decided: Vec<Decided>,
    /// Labels that they follow from, if they do.
    pub labels: Labels,
}

impl From<Vec<Decided>> for Decisions {
    fn from(decided: Vec<Decided>) -> Self {
        Self { decided, labels: Labels::default() }
    }
}

/// Orders flags for review: examples by traffic share × their strongest reason, and the flags of each by strength. An example
/// whose share is not known comes after those with traffic.
pub fn ranked(mut rows: Vec<FlagRow>) -> Vec<FlagRow> {
    let mut strongest: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in &rows {
        let entry = strongest.entry(row.flag.example_id.clone()).or_insert((0.0, 0.0));
        *entry = (entry.0.max(row.flag.score), entry.1.max(row.traffic_share.unwrap_or(0.0)));
    }
    let weight = |row: &FlagRow| {
        let (score, share) = strongest.get(&row.flag.example_id).copied().unwrap_or_default();
        (score * share, score)
    };
    rows.sort_by(|a, b| {
        let ((ranked_a, score_a), (ranked_b, score_b)) = (weight(a), weight(b));
        let order = ranked_b.total_cmp(&ranked_a).then(score_b.total_cmp(&score_a));
        let order = order.then_with(|| a.flag.example_id.cmp(&b.flag.example_id));
        order.then(b.flag.score.total_cmp(&a.flag.score)).then(a.flag.code.cmp(&b.flag.code))
    });
    rows
}
