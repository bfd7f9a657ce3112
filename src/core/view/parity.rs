//! Whether answers treat groups of people alike.

use serde::{Deserialize, Serialize};

/// A comparison of groups of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParityView {
    /// The metadata field that contains the group.
    pub group: String,
    /// The answer that is good for the person.
    pub positive: String,
    /// The largest difference allowed between groups.
    pub limit: f64,
    /// The groups, sorted by name.
    pub groups: Vec<GroupView>,
    /// Demographic parity, equal opportunity and equalised odds.
    pub measures: Vec<DisparityView>,
}

/// The rates of positive answers of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// The group.
    pub group: String,
    /// Among all answered examples.
    pub positive: RateView,
    /// Among the examples whose agreed answer is positive.
    pub true_positive: RateView,
    /// Among the examples whose agreed answer is another one.
    pub false_positive: RateView,
}

/// A rate with its 95 % interval (Clopper–Pearson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateView {
    /// Number of examples.
    pub n: u64,
    /// The rate; null without examples.
    pub value: Option<f64>,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// The largest difference between two groups by one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisparityView {
    /// `demographic_parity`, `equal_opportunity` or `equalised_odds`.
    pub measure: String,
    /// The difference; null if fewer than two groups have the examples that it needs.
    pub difference: Option<f64>,
    /// Lower end of its interval, which holds for all groups at once.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// The group with the largest rate.
    pub largest: Option<String>,
    /// The group with the smallest rate.
    pub smallest: Option<String>,
    /// The verdict.
    pub verdict: ParityVerdict,
    /// Why there is no verdict, and what would decide it.
    pub detail: String,
    /// The difference in the first stored run of the suite, if it was measured then.
    #[serde(default)]
    pub first: Option<f64>,
    /// Whether it has grown since then: its interval lies above the first one.
    #[serde(default)]
    pub grown: bool,
}

/// Whether the difference between groups is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParityVerdict {
    /// The whole interval is within the limit.
    Within,
    /// The whole interval is above the limit.
    Exceeds,
    /// The interval contains the limit.
    NotEnoughData,
    /// There is nothing to compare.
    NotMeasurable,
}

impl ParityVerdict {
    /// The verdict as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Within => "within the limit",
            Self::Exceeds => "exceeds the limit",
            Self::NotEnoughData => "not enough data to say",
            Self::NotMeasurable => "not measurable",
        }
    }
}
