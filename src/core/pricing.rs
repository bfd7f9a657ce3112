//! The cost of requests: unit prices, usage, and estimates if usage is unknown.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::domain::Usage;

/// Approximate number of bytes per token. Tokenizers of current models use 3 to 5 bytes of English prose per token.
const BYTES_PER_TOKEN: usize = 4;

/// Prices of tokens and requests, in any currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price of a million prompt tokens.
    #[serde(default)]
    pub input: f64,
    /// Price of a million answer tokens.
    #[serde(default)]
    pub output: f64,
    /// Price per request, regardless of its size. Default: 0.
    #[serde(default)]
    pub request: f64,
}

impl Price {
    /// Describes the first invalid price; `None` if all are valid.
    pub fn problem(&self) -> Option<String> {
        let prices = [("input", self.input), ("output", self.output), ("request", self.request)];
        let wrong = prices.into_iter().find(|(_, price)| !(price.is_finite() && *price >= 0.0));
        wrong.map(|(key, price)| format!("{key} is {price}, but must be 0 or more"))
    }

    /// The cost of one answered call. Token counts that the server did not report are estimated from the length of the
    /// texts in bytes.
    pub fn of(&self, usage: Usage, prompt_bytes: usize, answer_bytes: usize) -> f64 {
        let prompt = usage.prompt_tokens.unwrap_or_else(|| estimated_tokens(prompt_bytes));
        let answer = usage.completion_tokens.unwrap_or_else(|| estimated_tokens(answer_bytes));
        self.of_calls(1, prompt, answer)
    }

    /// The total cost of `calls` calls with `prompt` and `answer` tokens in total.
    pub fn of_calls(&self, calls: u64, prompt: u64, answer: u64) -> f64 {
        calls as f64 * self.request + (prompt as f64 * self.input + answer as f64 * self.output) / 1e6
    }
}

/// Estimates the number of tokens in a text of `bytes` bytes; at least one unless the text is empty.
pub fn estimated_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// The maximum number of tokens in an answer, if the parameters of a request limit it, under any of the names that APIs
/// use for it.
pub fn answer_limit(params: &Map<String, Value>) -> Option<u64> {
    let names = ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"];
    let nested = params.get("generationConfig").and_then(Value::as_object);
    let found = |params: &Map<String, Value>| names.iter().find_map(|name| params.get(*name)?.as_u64());
    found(params).or_else(|| nested.and_then(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_costs_its_tokens_plus_the_request_and_missing_counts_are_estimated() {
        let price = Price { input: 2.0, output: 8.0, request: 0.001 };
        let counted = Usage { prompt_tokens: Some(1_000_000), completion_tokens: Some(500_000) };
        assert!((price.of(counted, 1, 1) - 6.001).abs() < 1e-12);
        assert!((price.of(Usage::default(), 4_000_000, 2) - (0.001 + 2.0 + 8e-6)).abs() < 1e-12);
        assert_eq!((estimated_tokens(0), estimated_tokens(1), estimated_tokens(9)), (0, 1, 3));
    }

    #[test]
    fn invalid_prices_are_named() {
        assert_eq!(Price::default().problem(), None);
        let problem = Price { output: -1.0, ..Price::default() }.problem();
        assert_eq!(problem.as_deref(), Some("output is -1, but must be 0 or more"));
        assert!(Price { input: f64::NAN, ..Price::default() }.problem().is_some());
    }

    #[test]
    fn the_answer_limit_is_found_under_every_name() {
        for params in [
            json!({"max_tokens": 7}),
            json!({"max_completion_tokens": 7}),
            json!({"generationConfig": {"maxOutputTokens": 7}}),
        ] {
            assert_eq!(answer_limit(params.as_object().unwrap()), Some(7));
        }
        assert_eq!(answer_limit(&Map::new()), None);
    }
}
