//! Scorers that users write: a program, a server, or an expression.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The score that an expression computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expression {
    /// The expression (minijinja), such as "output | length < 100 and 'sorry' not in output": true, false, or a number from
    /// 0 to 1.
    pub expression: String,
}

/// The score that a program gives: one JSON line in, one out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exec {
    /// The program and its arguments, such as [python3, score.py].
    pub command: Vec<String>,
    /// How many processes score at the same time. Default: 2.
    #[serde(default = "two")]
    pub workers: u32,
    /// Time limit of one answer in seconds. Default: 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u32,
    /// Settings that the program gets with every request, such as {strict: true}.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

/// The score that a server gives: a JSON request, a JSON response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Http {
    /// The URL to send requests to, such as `https://scores.example.org/tone`.
    pub url: String,
    /// Headers, such as {authorization: "Bearer ${TOKEN}"}; credentials must be references.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Time limit of one attempt in seconds. Default: 30.
    #[serde(default = "thirty")]
    pub timeout_seconds: u32,
    /// How often a transient failure is retried. Default: 4.
    #[serde(default = "four")]
    pub max_retries: u32,
}

fn two() -> u32 {
    2
}

fn thirty() -> u32 {
    30
}

fn four() -> u32 {
    4
}
