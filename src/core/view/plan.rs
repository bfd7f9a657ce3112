//! What a run would send and cost.

use serde::{Deserialize, Serialize};

/// The JSON form of `karat run --dry-run --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// `karat.plan/1`.
    pub schema: String,
    /// One entry per prompt and endpoint.
    pub cells: Vec<PlanCell>,
    /// What all of it would cost, as far as prices are known; null without any.
    pub cost: Option<f64>,
}

impl PlanView {
    /// Gathers cells under their common cost.
    pub fn new(cells: Vec<PlanCell>) -> Self {
        let cost = cells.iter().filter_map(|cell| cell.cost).reduce(|all, cost| all + cost);
        Self { schema: "karat.plan/1".into(), cells, cost }
    }
}

/// One prompt on one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanCell {
    /// Suite name.
    pub suite: String,
    /// Name of the prompt, where the suite has several.
    pub prompt: Option<String>,
    /// Endpoint name.
    pub endpoint: String,
    /// Requests that would be sent.
    pub requests: u64,
    /// Requests that the cache would answer.
    pub cached: u64,
    /// Tokens of the prompts to be sent, estimated from their length.
    pub prompt_tokens: u64,
    /// Tokens of the answers, from the mean of the last run or else the most allowed; null where neither is known.
    pub answer_tokens: Option<u64>,
    /// What the requests would cost; without tokens of answers that is too little. Null without a price.
    pub cost: Option<f64>,
    /// Examples whose prompt cannot be rendered.
    pub errors: u64,
    /// The first of their reasons, with the example's id.
    pub first_error: Option<String>,
}
