//! The thresholds of the decay measures, each with the reason for its default.

use serde::{Deserialize, Serialize};

use crate::core::alarm::Promise;

/// Thresholds of the decay measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Smallest share of its reference traffic that an example must have lost to be flagged. Default 0.5: an example
    /// that lost less still represents most of what it represented.
    pub vanished_score: f64,
    /// False discovery rate of the vanished flags. Default 0.05: one flag in twenty may be in error.
    pub vanished_fdr: f64,
    /// Number of neighbouring examples that share a record's traffic. Default 10: enough records per example for an
    /// exact test if a few thousand were sampled, and few enough to stay within a topic.
    pub neighbours: usize,
    /// Similarity from which two examples count as near-duplicates. Default 0.95: changing one word in a request of
    /// ordinary length already falls below it.
    pub duplicate_similarity: f64,
    /// Probability from which the label of an example counts as disputed. Default 0.5: from there on, it is more probably
    /// wrong than right.
    pub disputed_score: f64,
    /// Probability with which the pass rate of an example must lie between 0.1 and 0.9 for the example to be flagged as
    /// flaky. Default 0.9: of steady examples (97 passes in 100), fewer than one in a hundred is flagged after five
    /// trials.
    pub flaky_score: f64,
    /// Probability with which an example must be answered right at least 19 times in 20 for the example to be flagged as
    /// saturated. Default 0.9: the same as for flaky, so that one is not flagged where the other might be.
    pub saturated_score: f64,
    /// Smallest number of answers, counted over all models, of a saturated example; each of two models must have given
    /// half of them. Default 6: three runs of two models, or one with three repeats, since a single run of each says little.
    pub saturated_answers: u32,
    /// Number of examples of each topic that are never flagged as saturated. Default 5: if one answer in five of a topic
    /// becomes wrong, one of five examples shows it with a probability of two thirds.
    pub saturated_rest: usize,
    /// Largest share of the live examples that is flagged as saturated at a time. Default 0.02: the queue is for what is wrong
    /// with examples, and these are only superfluous.
    pub saturated_share: f64,
    /// Smallest share of outputs, answers or reviewed labels that must have changed for drift to be reported. Default 0.05: about
    /// as many labels of a good set are wrong, so that correcting them is no change of meaning.
    pub drift_effect: f64,
    /// A drift gap up to this size never raises the alarm. Default 0.01: nobody would act on a smaller one.
    pub tolerated_gap: f64,
    /// Expected number of false alarms per `alarm_period`, at most, however often somebody looks. Default 0.05: with a
    /// period of 90 days, a set that is looked at every night gives one false alarm in about five years.
    pub alarm_level: f64,
    /// Days over which `alarm_level` is spent. Default 90: a quarter is about how long a set stays as it is, and short
    /// enough to leave each night a level at which a real gap is found within days.
    pub alarm_period: u32,
    /// Share of a cluster's held-out members that are less similar than a record for the record to belong to it.
    /// Default 0.05.
    pub membership: f64,
    /// False discovery rate of new clusters. Default 0.05.
    #[serde(alias = "birth_fdr")]
    pub new_cluster_fdr: f64,
    /// Smallest number of records of a new cluster. Default 20, as for every cluster.
    pub min_cluster: f64,
    /// Smallest number of users or sessions of a new cluster, if they are known. Default 3: one client is not a topic.
    pub min_groups: usize,
    /// Days without a review after which an example counts as expired, unless the card sets a cadence. Default: none.
    pub review_every_days: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            vanished_score: 0.5,
            vanished_fdr: 0.05,
            neighbours: 10,
            duplicate_similarity: 0.95,
            disputed_score: 0.5,
            flaky_score: 0.9,
            saturated_score: 0.9,
            saturated_answers: 6,
            saturated_rest: 5,
            saturated_share: 0.02,
            drift_effect: 0.05,
            tolerated_gap: 0.01,
            alarm_level: 0.05,
            alarm_period: 90,
            membership: 0.05,
            new_cluster_fdr: 0.05,
            min_cluster: 20.0,
            min_groups: 3,
            review_every_days: None,
        }
    }
}

impl Policy {
    /// Describes the first setting that is out of range; `None` if all are valid.
    pub fn problem(&self) -> Option<String> {
        let unit = [
            ("vanished_score", self.vanished_score),
            ("vanished_fdr", self.vanished_fdr),
            ("duplicate_similarity", self.duplicate_similarity),
            ("disputed_score", self.disputed_score),
            ("flaky_score", self.flaky_score),
            ("saturated_score", self.saturated_score),
            ("saturated_share", self.saturated_share),
            ("drift_effect", self.drift_effect),
            ("tolerated_gap", self.tolerated_gap),
            ("alarm_level", self.alarm_level),
            ("membership", self.membership),
            ("new_cluster_fdr", self.new_cluster_fdr),
        ];
        let outside = unit.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value));
        if let Some((key, value)) = outside {
            return Some(format!("{key} is {value}, but must be between 0 and 1"));
        }
        if !(self.min_cluster >= 1.0 && self.min_cluster.is_finite()) {
            return Some(format!("min_cluster is {}, but must be at least 1", self.min_cluster));
        }
        let counts = [("neighbours", self.neighbours as u64), ("alarm_period", u64::from(self.alarm_period))];
        let zero = counts.into_iter().find(|(_, count)| *count == 0);
        zero.map(|(key, _)| format!("{key} must be at least 1"))
    }

    /// What it promises about false alarms.
    pub fn promise(&self) -> Promise {
        Promise { level: self.alarm_level, period: self.alarm_period }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        assert_eq!(Policy::default().problem(), None);
        let policy = Policy { alarm_level: 5.0, ..Policy::default() };
        assert_eq!(policy.problem().as_deref(), Some("alarm_level is 5, but must be between 0 and 1"));
        let policy = Policy { membership: f64::NAN, ..Policy::default() };
        assert!(policy.problem().is_some());
        let policy = Policy { alarm_period: 0, ..Policy::default() };
        assert_eq!(policy.problem().as_deref(), Some("alarm_period must be at least 1"));
    }
}
