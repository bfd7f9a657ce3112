//! The common result of a hypothesis test.

use serde::Serialize;

/// Outcome of a hypothesis test.
///
/// The meaning of `statistic` and `effect` is documented at the function that returns the result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TestResult {
    /// Test statistic, in its own units.
    pub statistic: f64,
    /// Probability, in [0, 1], of a statistic at least this extreme under the null hypothesis.
    pub p_value: f64,
    /// Size of the effect, independent of the sample size.
    pub effect: f64,
    /// Degrees of freedom of the reference distribution, if it has any.
    pub df: Option<f64>,
}
