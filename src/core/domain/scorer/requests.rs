//! Scorers of what an answer took: time, money, tokens, and why it ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 1 if the answer took at most this long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The most milliseconds allowed, such as 2000.
    pub max_ms: f64,
}

/// 1 if the answer cost at most this much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// The most allowed, in the currency of the endpoint's price, such as 0.002.
    pub max: f64,
}

/// Which tokens are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokensOf {
    /// Those of the answer.
    #[default]
    Answer,
    /// Those of the prompt.
    Prompt,
    /// Both.
    Total,
}

impl TokensOf {
    fn is_answer(&self) -> bool {
        *self == Self::Answer
    }
}

/// 1 if the number of tokens is within the limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// answer, prompt or total. Default: answer.
    #[serde(default, skip_serializing_if = "TokensOf::is_answer")]
    pub of: TokensOf,
    /// The smallest number allowed, such as 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest number allowed, such as 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// 1 if the answer ended for one of these reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FinishReason {
    /// The reasons, such as [stop]; stop, length, tool_calls and content_filter are the same for every API. Default: stop.
    #[serde(default = "stop")]
    pub values: Vec<String>,
}

fn stop() -> Vec<String> {
    vec!["stop".to_owned()]
}
