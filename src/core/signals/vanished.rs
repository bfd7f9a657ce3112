//! `traffic-vanished`: the traffic that an example represented in the reference window is gone.

use super::Policy;
use crate::core::coverage::{GoldenPoints, RecordCoverage};
use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};
use crate::core::mix::{Mix, mix};
use crate::core::records::Records;
use crate::core::stats::{benjamini_hochberg, binomial_rate_less, effective_n, poisson_exact};
use crate::core::vector::{Neighbour, top_k};

/// The number of records near each example in one window.
#[derive(Debug, Clone)]
pub struct LocalShare {
    /// Effective number of records that have the example among their nearest ones. One entry per live example.
    pub counts: Vec<f64>,
    /// Effective number of records in the window.
    pub total: f64,
    /// Share of the window's traffic that each example represents, if those near a record share it equally. Their sum is at
    /// most coverage.
    pub shares: Vec<f64>,
    /// Effective number of records about the topic of each example.
    pub of_topic: Vec<f64>,
}

/// Counts, for every live example, the records that have it among their `neighbours` nearest examples and are nearer to
/// its topic than to any other topic among these.
///
/// A record counts for several examples, since the examples of a topic represent it together. Weights are scaled to the
/// effective sample size, so that unequal sampling is never mistaken for more evidence than there is. Each record is
/// weighted by its probability of being represented at all (`coverage`, one entry per record).
pub fn local_share(
    golden: GoldenPoints<'_>,
    records: &Records<'_>,
    coverage: &[RecordCoverage],
    neighbours: usize,
) -> LocalShare {
    let total_weight = records.total_weight();
    let total = effective_n(records.weights());
    let scale = if total_weight > 0.0 { total / total_weight } else { 0.0 };
    let mut counts = vec![0.0; golden.vectors.len()];
    let mut shares = counts.clone();
    let nearest = top_k(records.vectors(), golden.vectors, neighbours, |_, _| false);
    for ((nearest, weight), coverage) in nearest.iter().zip(records.weights()).zip(coverage) {
        let Some(topic) = nearest_topic(nearest, golden.topics) else { continue };
        let near = || nearest.iter().filter(|neighbour| golden.topics[neighbour.index] == topic);
        let share = weight / total_weight * coverage.p_represented / near().count() as f64;
        for neighbour in near() {
            counts[neighbour.index] += weight * scale * coverage.p_represented;
            shares[neighbour.index] += share;
        }
    }
    let of_topic = topic_counts(golden, records, coverage, scale);
    LocalShare { counts, total, shares, of_topic }
}

/// For every live example, the effective number of represented records about its topic.
fn topic_counts(golden: GoldenPoints<'_>, records: &Records<'_>, coverage: &[RecordCoverage], scale: f64) -> Vec<f64> {
    let Mix { shares, topics } = mix(golden, records, coverage);
    let mut counts = vec![0.0; shares.len()];
    for ((topics, weight), coverage) in topics.iter().zip(records.weights()).zip(coverage) {
        topics.iter().for_each(|(topic, p)| counts[*topic] += weight * scale * coverage.p_represented * p);
    }
    golden.topics.iter().map(|topic| counts[*topic]).collect()
}

/// The topic with the largest sum of squared similarities among the nearest examples; the first one if tied.
fn nearest_topic(nearest: &[Neighbour], topics: &[usize]) -> Option<usize> {
    let mut votes = std::collections::BTreeMap::new();
    for neighbour in nearest {
        *votes.entry(topics[neighbour.index]).or_insert(0.0) += f64::from(neighbour.similarity).max(0.0).powi(2);
    }
    votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(topic, _)| topic)
}

/// Flags live examples that are not critical and whose local traffic, or all traffic of whose topic, fell from the reference
/// window to the current window.
///
/// The score is 1 − min(1, upper bound of the current rate / lower bound of the reference rate), with exact Poisson
/// bounds, for the records near the example or for those about its topic, whichever is higher: the examples of a topic
/// represent it together, and few records are near each of them. An example is flagged if its score is at least
/// [`Policy::vanished_score`] and the fall is significant (exact conditional test, twice the lower p-value,
/// Benjamini–Hochberg over all examples), unless the traffic near it did not fall at all.
pub fn vanished_flags(examples: &[&Example], reference: &LocalShare, now: &LocalShare, policy: &Policy) -> Vec<Flag> {
    if reference.total <= 0.0 || now.total <= 0.0 {
        return Vec::new();
    }
    let fall = |before: &f64, after: &f64| Fall::new(*before, reference.total, *after, now.total);
    let near: Vec<Fall> = reference.counts.iter().zip(&now.counts).map(|(b, a)| fall(b, a)).collect();
    let of_topic: Vec<Fall> = reference.of_topic.iter().zip(&now.of_topic).map(|(b, a)| fall(b, a)).collect();
    let p_values: Vec<f64> =
        near.iter().zip(&of_topic).map(|(near, topic)| (2.0 * near.p_value.min(topic.p_value)).min(1.0)).collect();
    let adjusted = benjamini_hochberg(&p_values);
    let eligible = |example: &Example| example.status == ExampleStatus::Active && !example.critical;
    let rows = examples.iter().enumerate().filter(|(_, example)| eligible(example));
    rows.filter_map(|(index, example)| {
        let (near, topic) = (&near[index], &of_topic[index]);
        let (fall, what) = if topic.score > near.score { (topic, "about its topic") } else { (near, "near it") };
        let significant = adjusted[index] <= policy.vanished_fdr && near.after * near.total_before <= near.before * near.total_after;
        (fall.score >= policy.vanished_score && significant).then(|| Flag {
            example_id: example.id.clone(),
            code: ReasonCode::TrafficVanished,
            score: fall.score,
            threshold: policy.vanished_score,
            evidence: format!(
                "{:.0} of {:.0} reference records were {what}, {:.0} of {:.0} are now (adjusted p {:.1e}); this clears when such requests return",
                fall.before, fall.total_before, fall.after, fall.total_after, adjusted[index]
            ),
            basis: example.text(),
        })
    })
    .collect()
}

/// How far a rate fell.
struct Fall {
    before: f64,
    total_before: f64,
    after: f64,
    total_after: f64,
    score: f64,
    p_value: f64,
}

impl Fall {
    fn new(before: f64, total_before: f64, after: f64, total_after: f64) -> Self {
        // Effective counts are fractional. Rounding the two counts towards each other errs on the side of not flagging.
        let p_value = binomial_rate_less(before.floor() as u64, total_before, after.ceil() as u64, total_after);
        // Each bound holds with 80 %, both together with about 88 %; whether there was a fall at all is tested apart.
        let lower = if before > 0.0 { poisson_exact(before, 0.6).lo / total_before } else { 0.0 };
        let upper = poisson_exact(after, 0.6).hi / total_after;
        let score = if lower > 0.0 { (1.0 - upper / lower).clamp(0.0, 1.0) } else { 0.0 };
        Self { before, total_before, after, total_after, score, p_value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn examples(critical: bool) -> Vec<Example> {
        let row = |id: &str| json!({"id": id, "input": id, "critical": critical});
        ["gone", "halved", "steady"]
            .map(|id| example_from_row(1, row(id).as_object().unwrap().clone()).unwrap())
            .to_vec()
    }

    fn local(counts: [f64; 3]) -> LocalShare {
        LocalShare { counts: counts.to_vec(), total: 1000.0, shares: vec![0.0; 3], of_topic: counts.to_vec() }
    }

    fn flags(examples: &[Example], reference: &LocalShare, now: &LocalShare) -> Vec<Flag> {
        vanished_flags(&examples.iter().collect::<Vec<_>>(), reference, now, &Policy::default())
    }

    #[test]
    fn only_examples_whose_traffic_vanished_are_flagged() {
        let flags = flags(&examples(false), &local([60.0, 60.0, 60.0]), &local([1.0, 35.0, 55.0]));
        let ids: Vec<_> = flags.iter().map(|flag| flag.example_id.as_str()).collect();
        assert_eq!(ids, ["gone"]);
        assert!(flags[0].score > 0.8, "{}", flags[0].score);
    }

    #[test]
    fn few_records_are_not_enough_evidence_and_critical_examples_are_never_flagged() {
        assert!(flags(&examples(false), &local([3.0, 2.0, 1.0]), &local([0.0; 3])).is_empty());
        assert!(flags(&examples(true), &local([60.0; 3]), &local([0.0; 3])).is_empty());
    }

    #[test]
    fn the_examples_of_a_vanished_topic_are_flagged_together_unless_traffic_near_one_did_not_fall() {
        let before = LocalShare { of_topic: vec![20.0, 20.0, 60.0], ..local([5.0, 2.0, 50.0]) };
        let after = LocalShare { of_topic: vec![0.5, 0.5, 60.0], ..local([0.0, 3.0, 50.0]) };
        let found = flags(&examples(false), &before, &after);
        assert_eq!(found.iter().map(|flag| flag.example_id.as_str()).collect::<Vec<_>>(), ["gone"]);
        assert!(
            found[0].evidence.contains("20 of 1000 reference records were about its topic"),
            "{}",
            found[0].evidence
        );
    }

    #[test]
    fn an_empty_window_flags_nothing() {
        let nothing = LocalShare { total: 0.0, ..local([0.0; 3]) };
        assert!(flags(&examples(false), &local([60.0; 3]), &nothing).is_empty());
    }
}
