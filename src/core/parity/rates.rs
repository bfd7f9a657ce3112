//! The rates of each group, with exact intervals.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Answer;
use crate::core::stats::{Interval, clopper_pearson};

/// A rate of positive answers, named by the examples it is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKind {
    /// All answered examples.
    Positive,
    /// Answered examples whose agreed answer is positive.
    TruePositive,
    /// Answered examples whose agreed answer is negative.
    FalsePositive,
}

impl RateKind {
    /// The examples that the rate is taken over, as a phrase.
    pub fn examples(self) -> &'static str {
        match self {
            Self::Positive => "answered examples",
            Self::TruePositive => "examples labelled positive",
            Self::FalsePositive => "examples labelled negative",
        }
    }
}

/// A share of positive answers among the examples of a group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Number of examples; repeats of an example are not counted.
    pub n: u64,
    /// Number of positive answers, in [0, `n`]; with repeats, the sum of the shares of positive trials.
    pub positives: f64,
    /// `positives / n`; `None` without examples.
    pub value: Option<f64>,
    /// Clopper–Pearson interval of this rate alone; [0, 1] without examples. See [`exact_interval`].
    pub interval: Interval,
}

/// The rates of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupRates {
    /// The group's name.
    pub group: String,
    /// Rate of positive answers among all answered examples.
    pub positive: Rate,
    /// Rate of positive answers among the examples whose agreed answer is positive.
    pub true_positive: Rate,
    /// Rate of positive answers among the examples whose agreed answer is negative.
    pub false_positive: Rate,
}

impl GroupRates {
    /// One of the group's rates.
    pub fn rate(&self, kind: RateKind) -> &Rate {
        match kind {
            RateKind::Positive => &self.positive,
            RateKind::TruePositive => &self.true_positive,
            RateKind::FalsePositive => &self.false_positive,
        }
    }
}

/// Exact interval of a rate (Clopper and Pearson 1934).
///
/// Wilson's interval covers on average, but near 0 and 1 and in small groups its ends can miss several times as often
/// as they should, and a verdict is taken on one end; those of Clopper and Pearson never do. Between two whole counts,
/// which repeats produce, the ends are interpolated. A mean over trials varies no more than a single trial with the
/// same rate, and rates that differ between examples only narrow the distribution of their sum (Hoeffding 1956).
pub(super) fn exact_interval(positives: f64, n: u64, confidence: f64) -> Interval {
    let positives = positives.clamp(0.0, n as f64);
    let below = clopper_pearson(positives.floor() as u64, n, confidence);
    let fraction = positives.fract();
    if fraction == 0.0 {
        return below;
    }
    let above = clopper_pearson(positives.ceil() as u64, n, confidence);
    let mix = |a: f64, b: f64| a + fraction * (b - a);
    Interval { lo: mix(below.lo, above.lo), hi: mix(below.hi, above.hi) }
}

/// The shares of a group's examples: of all, of those labelled positive, and of those labelled negative.
#[derive(Default)]
struct Shares {
    all: Vec<f64>,
    labelled_positive: Vec<f64>,
    labelled_negative: Vec<f64>,
}

/// The rates of all groups, sorted by name. Shares that are NaN or infinite are ignored, others are clamped to [0, 1].
pub(super) fn group_rates(answers: &[Answer<'_>], confidence: f64) -> Vec<GroupRates> {
    let mut groups: BTreeMap<&str, Shares> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.positive.is_finite()) {
        let share = answer.positive.clamp(0.0, 1.0);
        let shares = groups.entry(answer.group).or_default();
        shares.all.push(share);
        match answer.agreed {
            Some(true) => shares.labelled_positive.push(share),
            Some(false) => shares.labelled_negative.push(share),
            None => {}
        }
    }
    let group = |(name, shares): (&str, Shares)| GroupRates {
        group: name.to_owned(),
        positive: rate(shares.all, confidence),
        true_positive: rate(shares.labelled_positive, confidence),
        false_positive: rate(shares.labelled_negative, confidence),
    };
    groups.into_iter().map(group).collect()
}

fn rate(mut shares: Vec<f64>, confidence: f64) -> Rate {
    // A sum in sorted order does not depend on the order of examples.
    shares.sort_unstable_by(f64::total_cmp);
    let n = shares.len() as u64;
    // Not `sum`, whose empty sum is -0.
    let positives = shares.iter().fold(0.0, |sum, share| sum + share).min(n as f64);
    Rate {
        n,
        positives,
        value: (n > 0).then(|| positives / n as f64),
        interval: exact_interval(positives, n, confidence),
    }
}
