//! The difference of the scores of two runs, on the whole set and on slices.

use std::collections::HashMap;

use super::run::{RunScores, example_score};
use super::{Change, Options};
use crate::core::domain::Reducer;
use crate::core::slices::Slices;
use crate::core::stats::{
    Interval, MeanEstimate, PairedDifference, benjamini_hochberg, clustered_mean, mcnemar_mid_p, normal_upper_quantile,
    paired_difference, score_interval,
};
use crate::core::view::{ScoreDifferenceView, ScoreView, SliceDifferenceView};

/// Confidence level of every interval of a comparison.
pub(super) const CONFIDENCE: f64 = 0.95;

/// Power at which the smallest detectable difference is stated.
const POWER: f64 = 0.8;

/// The scores of one scorer on the examples that both runs scored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScorePairs {
    /// Ids of the examples.
    pub ids: Vec<String>,
    /// The scores of the base.
    pub base: Vec<f64>,
    /// The scores of the candidate.
    pub candidate: Vec<f64>,
}

impl ScorePairs {
    fn differences(&self) -> Vec<f64> {
        self.base.iter().zip(&self.candidate).map(|(base, candidate)| candidate - base).collect()
    }

    /// The mean difference; `None` for fewer than two examples or clusters.
    fn estimate(&self, differences: &[f64], clusters: Option<&HashMap<String, usize>>) -> Option<MeanEstimate> {
        let numbers: Option<Vec<usize>> = clusters.map(|clusters| {
            // Examples that the clusters do not know are on their own; there are fewer clusters than examples.
            let alone = clusters.len();
            let number = |(place, id): (usize, &String)| clusters.get(id).copied().unwrap_or(alone + place);
            self.ids.iter().enumerate().map(number).collect()
        });
        clustered_mean(differences, numbers.as_deref())
    }

    /// The difference of the means, candidate − base; `None` for fewer than two examples or clusters.
    pub fn difference(&self, clusters: Option<&HashMap<String, usize>>, confidence: f64) -> Option<PairedDifference> {
        let differences = self.differences();
        let estimate = self.estimate(&differences, clusters)?;
        Some(paired_difference(&differences, &estimate, confidence))
    }

    /// The pairs at these places.
    fn at(&self, places: &[usize]) -> Self {
        let pick = |values: &[f64]| places.iter().filter_map(|place| values.get(*place).copied()).collect();
        Self {
            ids: places.iter().filter_map(|place| self.ids.get(*place).cloned()).collect(),
            base: pick(&self.base),
            candidate: pick(&self.candidate),
        }
    }
}

/// Collects the scores of the examples that both runs scored, with the scorers' own reducers unless one is given.
pub fn score_pairs(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    scorer: &str,
    reducer: Option<Reducer>,
) -> ScorePairs {
    let mut pairs = ScorePairs::default();
    let (Some((before, reduce_before)), Some((after, reduce_after))) = (base.scorer(scorer), candidate.scorer(scorer))
    else {
        return pairs;
    };
    let (reduce_before, reduce_after) = (reducer.unwrap_or(reduce_before), reducer.unwrap_or(reduce_after));
    for (first, second) in common {
        let (Some(first), Some(second)) = (base.examples.get(*first), candidate.examples.get(*second)) else {
            continue;
        };
        let scores =
            (example_score(reduce_before, &first.values(before)), example_score(reduce_after, &second.values(after)));
        if let (Some(base), Some(candidate)) = scores {
            pairs.ids.push(first.id.clone());
            pairs.base.push(base);
            pairs.candidate.push(candidate);
        }
    }
    pairs
}

/// A difference with its test.
struct Measured {
    difference: PairedDifference,
    p_value: f64,
    clusters: usize,
    binary: bool,
}

/// `None` for fewer than two examples or clusters.
fn measure(pairs: &ScorePairs, clusters: Option<&HashMap<String, usize>>) -> Option<Measured> {
    let differences = pairs.differences();
    let estimate = pairs.estimate(&differences, clusters)?;
    let difference = paired_difference(&differences, &estimate, CONFIDENCE);
    let single = |values: &[f64]| values.iter().all(|value| *value == 0.0 || *value == 1.0);
    let binary = estimate.clusters == estimate.n && single(&pairs.base) && single(&pairs.candidate);
    let count = |sign: f64| differences.iter().filter(|d| **d * sign > 0.0).count() as u64;
    let p_value = if binary { mcnemar_mid_p(count(-1.0), count(1.0)) } else { difference.p_value };
    Some(Measured { difference, p_value, clusters: estimate.clusters, binary })
}

/// The verdict on a difference. Interval and test must agree, so that neither is contradicted by the other.
pub(super) fn change(interval: Interval, p_value: f64, margin: f64) -> Change {
    if interval.lo > -margin && interval.hi < margin {
        Change::Same
    } else if interval.lo > 0.0 && p_value < 1.0 - CONFIDENCE {
        Change::Better
    } else if interval.hi < 0.0 && p_value < 1.0 - CONFIDENCE {
        Change::Worse
    } else {
        Change::Inconclusive
    }
}

/// Compares the scores of one scorer.
pub(super) fn compare_scores(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    scorer: &str,
    options: &Options<'_>,
) -> ScoreDifferenceView {
    let pairs = score_pairs(base, candidate, common, scorer, None);
    let measured = measure(&pairs, options.clusters);
    let differences = pairs.differences();
    let count = |sign: f64| differences.iter().filter(|d| **d * sign > 0.0).count();
    let difference = measured.as_ref().map(|measured| measured.difference);
    let verdict = measured.as_ref().map_or(Change::Inconclusive, |measured| {
        change(measured.difference.interval, measured.p_value, options.margin)
    });
    ScoreDifferenceView {
        scorer: scorer.to_owned(),
        n: pairs.ids.len(),
        clusters: measured.as_ref().map(|measured| measured.clusters).filter(|clusters| *clusters < pairs.ids.len()),
        base: score_of(&pairs.base),
        candidate: score_of(&pairs.candidate),
        difference: difference.map(|found| found.difference),
        lo: difference.map(|found| found.interval.lo),
        hi: difference.map(|found| found.interval.hi),
        p_value: measured.as_ref().map(|measured| measured.p_value),
        method: measured.as_ref().map(|measured| method(measured, &pairs)).unwrap_or_default(),
        detectable: difference.map(|found| detectable(found.interval)),
        better: count(1.0),
        worse: count(-1.0),
        needed: measured
            .filter(|_| verdict == Change::Inconclusive)
            .and_then(|measured| needed(&measured, pairs.ids.len(), options.margin)),
        verdict,
    }
}

fn method(measured: &Measured, pairs: &ScorePairs) -> String {
    if measured.binary {
        "McNemar's mid-p, Tango's interval".to_owned()
    } else if measured.clusters < pairs.ids.len() {
        "score interval, robust to clusters".to_owned()
    } else {
        "score interval of paired means".to_owned()
    }
}

/// The mean of some scores with its interval.
pub(super) fn score_of(values: &[f64]) -> ScoreView {
    let n = values.len();
    let mean = (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
    let interval = clustered_mean(values, None).map(|estimate| score_interval(values, &estimate, CONFIDENCE));
    ScoreView { mean, lo: interval.map(|found| found.lo), hi: interval.map(|found| found.hi), n }
}

/// The smallest true difference that a comparison with an interval this wide finds with a power of 80 %.
fn detectable(interval: Interval) -> f64 {
    let critical = normal_upper_quantile(0.5 * (1.0 - CONFIDENCE));
    0.5 * interval.width() * (1.0 + normal_upper_quantile(1.0 - POWER) / critical)
}

/// About how many examples would give a verdict, if they were like these.
fn needed(measured: &Measured, n: usize, margin: f64) -> Option<u64> {
    let within = |interval: Interval| interval.lo > -margin && interval.hi < margin;
    measured.difference.examples_needed(n, |found| found.lo > 0.0 || found.hi < 0.0 || within(found))
}

/// Compares the primary score on every slice. The p-values of slices that are not critical are adjusted for their number
/// (Benjamini and Hochberg); a critical slice is decided on its own.
pub(super) fn compare_slices(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    scorer: &str,
    options: &Options<'_>,
) -> Vec<SliceDifferenceView> {
    let slices = options.slices;
    if slices.slices.is_empty() {
        return Vec::new();
    }
    let pairs = score_pairs(base, candidate, common, scorer, None);
    let members = members(slices, &pairs.ids);
    let measured: Vec<Option<Measured>> =
        members.iter().map(|places| measure(&pairs.at(places), options.clusters)).collect();
    let ordinary: Vec<usize> =
        (0..measured.len()).filter(|place| measured[*place].is_some() && !slices.slices[*place].critical).collect();
    let raw: Vec<f64> = ordinary.iter().filter_map(|place| Some(measured[*place].as_ref()?.p_value)).collect();
    let adjusted: HashMap<usize, f64> = ordinary.into_iter().zip(benjamini_hochberg(&raw)).collect();
    let views =
        slices.slices.iter().zip(&members).zip(&measured).enumerate().map(|(place, ((slice, places), found))| {
            let p_adjusted = adjusted.get(&place).copied().or(found.as_ref().map(|found| found.p_value));
            let of = pairs.at(places);
            let verdict = found
                .as_ref()
                .zip(p_adjusted)
                .map_or(Change::Inconclusive, |(found, p)| change(found.difference.interval, p, options.margin));
            SliceDifferenceView {
                slice: slice.name.clone(),
                critical: slice.critical,
                n: places.len(),
                base: score_of(&of.base).mean,
                candidate: score_of(&of.candidate).mean,
                difference: found.as_ref().map(|found| found.difference.difference),
                lo: found.as_ref().map(|found| found.difference.interval.lo),
                hi: found.as_ref().map(|found| found.difference.interval.hi),
                p_value: found.as_ref().map(|found| found.p_value),
                p_adjusted,
                verdict,
            }
        });
    let mut views: Vec<SliceDifferenceView> = views.collect();
    let rank = |view: &SliceDifferenceView| view.p_adjusted.unwrap_or(2.0);
    views.sort_by(|a, b| b.critical.cmp(&a.critical).then_with(|| rank(a).total_cmp(&rank(b))));
    views
}

/// The places of the examples in each slice.
fn members(slices: &Slices, ids: &[String]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); slices.slices.len()];
    for (place, id) in ids.iter().enumerate() {
        for slice in slices.of(id) {
            if let Some(places) = members.get_mut(*slice) {
                places.push(place);
            }
        }
    }
    members
}
