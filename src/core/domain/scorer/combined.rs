//! Scorers made of other scorers.

use serde::{Deserialize, Serialize};

use super::Scorer;

/// The lowest score of its scorers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct All {
    /// The scorers.
    pub of: Vec<Scorer>,
}

/// The highest score of its scorers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Any {
    /// The scorers.
    pub of: Vec<Scorer>,
}

/// The mean score of its scorers, each with its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The scorers.
    pub of: Vec<Scorer>,
}

/// The lowest score of the scorers that the example itself lists under `assert`; not scored if it lists none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Assert {}
