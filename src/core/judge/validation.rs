//! How far a judge can be trusted. A judge is a model that grades answers, or any other scorer; what it says is held
//! against the verdicts of people on the same answers.
//!
//! - [`binary_agreement`] and [`graded_agreement`]: how often judge and people agree.
//! - [`pass_rate`]: the score that people would have given, from all verdicts of the judge and a sample of people's.
//! - [`length_bias`], [`family_bias`] and [`position_bias`]: whether the judge favours long answers, answers of its own
//!   model family, or a position in comparisons.
//! - [`drift()`]: whether the judge still gives the verdicts that it once gave.
//!
//! All intervals have a confidence of 95 % unless a function takes another one.

mod answers;
mod binary;
mod corrected;
mod drift;
mod graded;
mod outcomes;
mod position;
mod post_stratified;
mod powered;
mod regression;
mod rogan_gladen;

use serde::Serialize;

use crate::core::stats::Interval;

pub use answers::{Answer, FamilyBias, LengthBias, OwnAnswer, Third, family_bias, length_bias};
pub use binary::{BinaryAgreement, Confusion, Rate, binary_agreement};
pub use corrected::{Corrected, LabelledSample, Method, Uncorrectable, pass_rate};
pub use drift::{Change, Drift, DriftVerdict, MARGIN, Rejudged, drift};
pub use graded::{GradedAgreement, graded_agreement};
pub use outcomes::Outcome;
pub use position::{Compared, Pick, PositionBias, position_bias};
pub use post_stratified::{Share, post_stratified};
pub use powered::{Powered, prediction_powered};
pub use regression::Effect;
pub use rogan_gladen::rogan_gladen;

/// The confidence of intervals unless a function takes another one.
const CONFIDENCE: f64 = 0.95;

/// The level at which something counts as found.
const LEVEL: f64 = 0.05;

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// Whether a judge favours something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// It does, at a level of 5 %.
    Favours,
    /// It disfavours it, at a level of 5 %.
    Disfavours,
    /// Neither is shown. How large a bias may still be hidden is what the interval says.
    NotShown,
    /// There are too few answers to tell.
    TooLittleData,
}

impl Bias {
    /// The finding for an effect in this direction, with a two-sided p-value.
    fn of(effect: f64, p_value: f64) -> Self {
        match p_value <= LEVEL {
            true if effect > 0.0 => Self::Favours,
            true if effect < 0.0 => Self::Disfavours,
            _ => Self::NotShown,
        }
    }
}
