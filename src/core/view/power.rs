//! How many examples or repeats a suite needs.

use serde::Serialize;

/// The JSON form of `karat power --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PowerView {
    /// `karat.power/1`.
    pub schema: String,
    /// Suite name.
    pub suite: String,
    /// The difference to be found, in [0, 1].
    pub effect: f64,
    /// The probability with which it should be found.
    pub power: f64,
    /// What is measured, one row per question.
    pub rows: Vec<PowerRow>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// One question that a suite should answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PowerRow {
    /// The question, such as `exact >= 0.85` or `gpt-large against gpt-small`.
    pub question: String,
    /// The scorer.
    pub scorer: String,
    /// The endpoint whose runs the variance is from.
    pub endpoint: String,
    /// Number of examples scored in these runs.
    pub examples: usize,
    /// Trials per example in these runs.
    pub repeats: u32,
    /// Variance between examples.
    pub between: f64,
    /// Variance between trials of an example; null if no example has several trials.
    pub within: Option<f64>,
    /// One-sided or two-sided level of the test.
    pub level: f64,
    /// Whether the test is two-sided.
    pub two_sided: bool,
    /// The smallest difference that is found with the wanted power by as many examples and repeats.
    pub detectable: Option<f64>,
    /// Examples needed to find `effect`, by number of repeats.
    pub needed: Vec<NeededExamples>,
}

/// The number of examples needed at a number of repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NeededExamples {
    /// Trials per example.
    pub repeats: usize,
    /// Examples; null if no number is enough.
    pub examples: Option<usize>,
}
