//! Group fairness: whether a classifier's answers on a golden set differ between groups.
//!
//! Three measures, each the largest difference between any two groups: of the rate of positive answers (demographic
//! parity), of the true-positive rate (equal opportunity), and of the true- or false-positive rate, whichever is larger
//! (equalised odds; Hardt, Price and Srebro 2016). Values equal those of Fairlearn's `demographic_parity_difference`,
//! `equal_opportunity_difference` and `equalized_odds_difference` between groups, worst case. Verdicts are taken on
//! intervals that hold for all groups at once, in groups of any size.

mod gap;
mod needed;
mod rates;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod view;

pub use gap::Gap;
pub use needed::Needed;
pub use rates::{GroupRates, Rate, RateKind};
pub use view::parity_view;

use serde::Serialize;

use crate::core::stats::Interval;
use gap::Cell;

/// One answered example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The group it belongs to.
    pub group: &'a str,
    /// Whether the answer is the positive one, as 0 or 1; with repeats, the share of positive trials, in [0, 1].
    pub positive: f64,
    /// Whether the agreed answer is the positive one; `None` if it is not labelled.
    pub agreed: Option<bool>,
}

/// A measure of group fairness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Difference of the rates of positive answers.
    DemographicParity,
    /// Difference of the true-positive rates.
    EqualOpportunity,
    /// The larger one of the differences of the true- and of the false-positive rates.
    EqualisedOdds,
}

impl Measure {
    /// All measures, in the order of [`Parity::measures`].
    pub const ALL: [Self; 3] = [Self::DemographicParity, Self::EqualOpportunity, Self::EqualisedOdds];

    /// The rates that the measure compares.
    pub fn rates(self) -> &'static [RateKind] {
        match self {
            Self::DemographicParity => &[RateKind::Positive],
            Self::EqualOpportunity => &[RateKind::TruePositive],
            Self::EqualisedOdds => &[RateKind::TruePositive, RateKind::FalsePositive],
        }
    }
}

/// Why a measure does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No example was answered.
    NoAnswers,
    /// All answered examples are in one group.
    OneGroup,
    /// No example of any group is labelled as the measure needs it.
    NoLabels,
}

impl Reason {
    /// The phrase that a report shows.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoAnswers => "no example was answered",
            Self::OneGroup => "all answered examples are in one group: nothing to compare with",
            Self::NoLabels => "no example is labelled as the measure needs it",
        }
    }
}

/// Whether the allowed difference is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is at most the limit.
    Within,
    /// The whole interval is above the limit.
    Exceeds,
    /// The interval contains the limit, or fewer than two groups have an example of the needed kind.
    NotEnoughData(Needed),
    /// Nothing to compare.
    NotMeasurable(Reason),
}

/// A group without any example that a rate needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The group.
    pub group: String,
    /// The rate.
    pub rate: RateKind,
}

/// One measure and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disparity {
    /// The measure.
    pub measure: Measure,
    /// The largest difference among groups that have the needed examples; `None` if fewer than two have.
    pub gap: Option<Gap>,
    /// Groups without the needed examples. With any, the limit may be exceeded by those measured, but is never kept.
    pub missing: Vec<Missing>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The rates of all groups and the differences between them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parity {
    /// The groups, sorted by name.
    pub groups: Vec<GroupRates>,
    /// The measures, in the order of [`Measure::ALL`].
    pub measures: [Disparity; 3],
}

/// Measures how answers differ between groups.
///
/// `limit` is the allowed difference, in [0, 1]; without a number (NaN), nothing is decided. `confidence` is the
/// two-sided coverage of every interval, in (0, 1). Each end misses with half of the rest, so a limit above 0 is
/// wrongly found exceeded, or wrongly found kept, in about (1 - `confidence`) / 2 of all cases at most. Answers whose
/// share is NaN or infinite are ignored.
pub fn measure(answers: &[Answer<'_>], limit: f64, confidence: f64) -> Parity {
    let groups = rates::group_rates(answers, confidence);
    let measures = Measure::ALL.map(|measure| disparity(&groups, measure, limit, confidence));
    Parity { groups, measures }
}

fn disparity(groups: &[GroupRates], measure: Measure, limit: f64, confidence: f64) -> Disparity {
    let cells = gap::cells(groups, measure.rates());
    let absent = cells.iter().filter(|cell| cell.n == 0);
    let missing = absent.map(|cell| Missing { group: cell.group.to_owned(), rate: cell.rate }).collect();
    let gap = gap::gap(&cells, confidence);
    let verdict = match (not_measurable(groups, &cells), &gap) {
        (Some(reason), _) => Verdict::NotMeasurable(reason),
        (None, None) => Verdict::NotEnoughData(Needed::Unknown),
        (None, Some(gap)) => decide(&cells, gap, limit, confidence),
    };
    Disparity { measure, gap, missing, verdict }
}

fn not_measurable(groups: &[GroupRates], cells: &[Cell<'_>]) -> Option<Reason> {
    match groups.len() {
        0 => Some(Reason::NoAnswers),
        1 => Some(Reason::OneGroup),
        _ => cells.iter().all(|cell| cell.n == 0).then_some(Reason::NoLabels),
    }
}

fn decide(cells: &[Cell<'_>], gap: &Gap, limit: f64, confidence: f64) -> Verdict {
    match needed::exceeds(gap, limit) {
        Some(true) => Verdict::Exceeds,
        Some(false) => Verdict::Within,
        None => Verdict::NotEnoughData(needed::needed(cells, gap, limit, confidence)),
    }
}

impl Disparity {
    /// The interval of the true difference; [0, 1] where nothing is known.
    pub fn interval(&self) -> Interval {
        self.gap.as_ref().map_or(Interval::UNIT, |gap| gap.interval)
    }
}
