//! The contents of a workspace, and its response cache.

use serde::Serialize;

use crate::core::verdict::Verdict;

/// The JSON form of `karat list --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListView {
    /// `karat.list/1`.
    pub schema: &'static str,
    /// Names of the datasets.
    pub datasets: Vec<String>,
    /// Names of the suites.
    pub suites: Vec<String>,
    /// The endpoints defined in `karat.yaml`.
    pub endpoints: Vec<EndpointRow>,
    /// Runs, the newest first.
    pub runs: Vec<RunRow>,
}

impl ListView {
    /// Creates the view.
    pub fn new(datasets: Vec<String>, suites: Vec<String>, endpoints: Vec<EndpointRow>, runs: Vec<RunRow>) -> Self {
        Self { schema: "karat.list/1", datasets, suites, endpoints, runs }
    }
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointRow {
    /// Its name.
    pub name: String,
    /// Its type, such as `openai`.
    pub r#type: &'static str,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Globally unique id.
    pub run_id: String,
    /// Suite name.
    pub suite: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Trials per example.
    pub repeats: u32,
    /// Dataset name.
    pub dataset: String,
    /// Hash of the dataset.
    pub dataset_version: String,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// Whether every example has an outcome.
    pub finished: bool,
    /// Number of outcomes recorded.
    pub done: usize,
    /// Number of outcomes expected.
    pub total: usize,
    /// Mean of the suite's first scorer; null for an unfinished run, and for one of an older version of karat.
    pub score: Option<f64>,
    /// The verdict; null as for the score.
    pub verdict: Option<Verdict>,
    /// Names of the run.
    pub tags: Vec<String>,
}

/// The JSON form of `karat cache stats --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheView {
    /// `karat.cache/1`.
    pub schema: &'static str,
    /// Number of answers that can be found by their request.
    pub answers: u64,
    /// Number of those that are recent enough to be reused.
    pub serving: u64,
    /// How long an answer may be reused; 0 for never.
    pub ttl_seconds: u64,
    /// When the oldest answer was given (RFC 3339).
    pub oldest: Option<String>,
    /// When the newest answer was given (RFC 3339).
    pub newest: Option<String>,
}

impl CacheView {
    /// Creates the view. `young` of the `answers` are younger than `ttl_seconds`.
    pub fn new(answers: u64, young: u64, ttl_seconds: u64, oldest: Option<String>, newest: Option<String>) -> Self {
        let serving = if ttl_seconds == 0 { 0 } else { young };
        Self { schema: "karat.cache/1", answers, serving, ttl_seconds, oldest, newest }
    }
}
