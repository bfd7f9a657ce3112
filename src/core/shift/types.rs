//! Inputs and results of the shift tests.

use serde::{Deserialize, Serialize};

/// Options of the shift tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftOptions {
    /// Seed of the subsamples, the clustering and the permutations.
    pub seed: u64,
    /// Number of permutations per test. The smallest p-value is 1 / (permutations + 1), and Holm's adjustment
    /// multiplies it by up to the number of tests: with fewer than 199 permutations, an alert may be impossible.
    pub permutations: usize,
    /// Largest adjusted p-value that raises an alert.
    pub alpha: f64,
}

impl Default for ShiftOptions {
    /// Seed 0, 999 permutations, alpha 0.05.
    fn default() -> Self {
        Self { seed: 0, permutations: 999, alpha: 0.05 }
    }
}

/// The side of the application that a test compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShiftKind {
    /// The requests.
    #[default]
    Input,
    /// The outputs.
    Output,
}

impl ShiftKind {}

/// The result of one test of one window against another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShiftTest {
    /// What is compared: "clusters", "mmd", "classifier", "length", "language", "format", "casing", "new words",
    /// "output length" or "output format".
    pub name: &'static str,
    /// Side of the application.
    pub kind: ShiftKind,
    /// Test statistic: G for categories, unbiased MMD² for "mmd", AUC for "classifier", D (Kolmogorov–Smirnov) for lengths,
    /// the absolute difference of means for "new words".
    pub statistic: f64,
    /// Unadjusted permutation p-value, in (0, 1].
    pub p_value: f64,
    /// p-value adjusted over all tests of the same side (Holm 1979), in (0, 1].
    pub adjusted: f64,
    /// Size of the shift in [0, 1], independent of the number of records.
    pub effect: f64,
    /// Smallest effect that raises an alert.
    pub threshold: f64,
    /// Whether `adjusted` is at most alpha and `effect` at least `threshold`.
    pub alert: bool,
    /// Plain figure of the reference window: median length in characters, mean share of new words, or the share of the
    /// category that changed most. `None` if there is none.
    pub reference: Option<f64>,
    /// The same figure for the window under test.
    pub now: Option<f64>,
    /// The plain figures in words, such as "question 0.41 → 0.22"; empty if there are none.
    pub detail: String,
}

/// How far the mix of topics differs between the windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopicMix {
    /// Share of the records that would have to belong to another topic, beyond what sampling explains, in [0, 1].
    pub effect: f64,
    /// Permutation p-value, in (0, 1].
    pub p_value: f64,
}

/// The finding of a test, before deciding whether it raises an alert.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Test statistic.
    pub statistic: f64,
    /// Permutation p-value.
    pub p_value: f64,
    /// Effect in [0, 1].
    pub effect: f64,
    /// Plain figure of the reference window.
    pub reference: Option<f64>,
    /// Plain figure of the window under test.
    pub now: Option<f64>,
    /// Both figures in words.
    pub detail: String,
}
