//! The requests that a run would send, and their cost.

use serde::{Deserialize, Serialize};

/// The JSON form of `karat run --dry-run --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// `karat.plan/1`.
    pub schema: String,
    /// One entry per prompt and endpoint.
    pub cells: Vec<PlanCell>,
    /// Estimated total cost, as far as prices are known; null without any prices.
    pub cost: Option<f64>,
}

impl PlanView {
    /// Combines cells under their total cost.
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
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Endpoint name.
    pub endpoint: String,
    /// Number of requests that would be sent.
    pub requests: u64,
    /// Number of requests that would be answered from the cache.
    pub cached: u64,
    /// Most calls of judges that would be made for all answers, without those that answers or the cache make unnecessary.
    /// Their cost is not part of `cost`.
    #[serde(default)]
    pub judge_calls: u64,
    /// Tokens of the prompts to send, estimated from their length.
    pub prompt_tokens: u64,
    /// Tokens of the answers, estimated from the mean of the last run, or else the maximum allowed; null if neither is
    /// known.
    pub answer_tokens: Option<u64>,
    /// Estimated cost of the requests; a lower bound if the tokens of the answers are unknown. Null without a price.
    pub cost: Option<f64>,
    /// Number of examples whose prompt cannot be rendered.
    pub errors: u64,
    /// The first error, with the id of its example.
    pub first_error: Option<String>,
}
