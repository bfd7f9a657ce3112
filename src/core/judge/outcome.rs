//! Verdicts, and what was decided in them.

use serde::Deserialize;

use super::kind::Relation;

/// The verdict of a judge on one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// In [0, 1].
    pub score: f64,
    /// Why, on one line of at most 300 characters. It comes from a model and is not to be trusted.
    pub reason: String,
    /// What the judge decided.
    pub outcome: Outcome,
}

/// What a judge decided, before it became a score.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A number on the scale of the kind.
    Grade(f64),
    /// Whether the criterion is met.
    Pass(bool),
    /// How the answer relates to the accepted one.
    Relation(Relation),
    /// Claims, and which of them are supported.
    Claims(Vec<Claim>),
    /// For each text of the context, whether it is useful.
    Sources(Vec<bool>),
    /// Which answer is better.
    Preference {
        /// The better answer; in both orders if `orders` is 2.
        preferred: Preference,
        /// Number of orders in which it was asked: 1 or 2.
        orders: u32,
        /// The place that was favoured, if the orders disagree.
        favoured: Option<Place>,
    },
}

/// Which of two answers is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preference {
    /// The other one.
    Other,
    /// Neither.
    Tie,
    /// The one that is graded.
    Output,
}

impl Preference {
    /// 1 if the answer is better, 0.5 for a tie, and 0 if it is worse.
    pub fn score(self) -> f64 {
        match self {
            Self::Other => 0.0,
            Self::Tie => 0.5,
            Self::Output => 1.0,
        }
    }
}

/// The place of an answer among the two that a pairwise judge sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Answer A.
    First,
    /// Answer B.
    Second,
}

/// A statement of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The statement, in the judge's words.
    pub claim: String,
    /// What the context says about it.
    pub evidence: String,
    /// Whether the context supports it.
    pub supported: bool,
}
