//! The view of a comparison of groups.

use super::{Disparity, Measure, Parity, Rate, Verdict};
use crate::core::domain::ParitySettings;
use crate::core::view::{DisparityView, GroupView, ParityVerdict, ParityView, RateView};

/// The view of a measurement with these settings. `first` is that of the first stored run, to see whether differences have
/// grown.
pub fn parity_view(parity: &Parity, settings: &ParitySettings, first: Option<&ParityView>) -> ParityView {
    let rate = |rate: &Rate| RateView { n: rate.n, value: rate.value, lo: rate.interval.lo, hi: rate.interval.hi };
    let groups = parity.groups.iter().map(|group| GroupView {
        group: group.group.clone(),
        positive: rate(&group.positive),
        true_positive: rate(&group.true_positive),
        false_positive: rate(&group.false_positive),
    });
    ParityView {
        group: settings.group.clone(),
        positive: settings.positive.clone(),
        limit: settings.limit,
        groups: groups.collect(),
        measures: parity.measures.iter().map(|disparity| disparity_view(disparity, first)).collect(),
    }
}

fn disparity_view(disparity: &Disparity, first: Option<&ParityView>) -> DisparityView {
    let name = match disparity.measure {
        Measure::DemographicParity => "demographic_parity",
        Measure::EqualOpportunity => "equal_opportunity",
        Measure::EqualisedOdds => "equalised_odds",
    };
    let (verdict, mut detail) = match &disparity.verdict {
        Verdict::Within => (ParityVerdict::Within, String::new()),
        Verdict::Exceeds => (ParityVerdict::Exceeds, String::new()),
        Verdict::NotEnoughData(needed) => (ParityVerdict::NotEnoughData, needed.sentence()),
        Verdict::NotMeasurable(reason) => (ParityVerdict::NotMeasurable, reason.sentence().to_owned()),
    };
    for missing in &disparity.missing {
        let between = if detail.is_empty() { "" } else { "; " };
        detail.push_str(&format!("{between}{} has no {}", missing.group, missing.rate.examples()));
    }
    let interval = disparity.interval();
    let then = first.and_then(|view| view.measures.iter().find(|then| then.measure == name));
    DisparityView {
        measure: name.to_owned(),
        difference: disparity.gap.as_ref().map(|gap| gap.value),
        lo: interval.lo,
        hi: interval.hi,
        largest: disparity.gap.as_ref().map(|gap| gap.largest.clone()),
        smallest: disparity.gap.as_ref().map(|gap| gap.smallest.clone()),
        verdict,
        detail,
        first: then.and_then(|then| then.difference),
        // Where two intervals of 95 % do not overlap, the difference is significant well below 0.05.
        grown: then.is_some_and(|then| then.difference.is_some() && interval.lo > then.hi),
    }
}
