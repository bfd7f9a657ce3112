//! The score on a random labelled slice of traffic.

use serde::{Deserialize, Serialize};

/// The score of production's answers on records that were drawn at random and labelled, beside that of the golden set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceView {
    /// Number of records in the window that were drawn at random and have a label and an answer of production.
    pub labelled: usize,
    /// Weighted mean score of these.
    pub score: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end of its 95 % interval.
    pub hi: f64,
    /// The score on all traffic, estimated from the slice and from scores that the examples predict for all records.
    pub powered: f64,
    /// Lower end of its 95 % interval.
    pub powered_lo: f64,
    /// Upper end of its 95 % interval.
    pub powered_hi: f64,
    /// How much the predictions count, in [0, 1].
    pub lambda: f64,
    /// Plain mean score of the golden set.
    pub golden: f64,
    /// Lower end of the 95 % interval of the golden set's score − the slice's.
    pub difference_lo: f64,
    /// Upper end of that interval.
    pub difference_hi: f64,
    /// Whether that interval excludes 0: the golden set's score is not the score on today's traffic.
    pub disagrees: bool,
    /// The assumption under which it is valid.
    pub assumption: String,
}
