//! The decay half of the view model.

use serde::{Deserialize, Serialize};

use super::drift::DriftFinding;
use super::moved::MovedView;
use super::slice::SliceView;
use crate::core::domain::{ReasonCode, WindowSummary};
use crate::core::estimate::Origin;
use crate::core::queue::QueueState;
use crate::core::shift::ShiftKind;
use crate::core::verdict::{GateResult, Verdict};

/// The JSON form of `karat decay --format json`. Values that could not be measured are null, never made up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecayView {
    /// `karat.decay/1`.
    pub schema: String,
    /// Dataset name.
    pub dataset: String,
    /// Decay in one sentence; empty in results stored by older versions.
    #[serde(default)]
    pub summary: String,
    /// Hash of the dataset, 64 hex digits.
    pub dataset_version: String,
    /// Version of the clustering; null if there were too few records to form clusters.
    #[serde(alias = "taxonomy")]
    pub clustering_version: Option<String>,
    /// Fingerprint of the embedding space.
    pub space: String,
    /// The window measured.
    pub window: WindowSummary,
    /// The window it is compared with.
    pub reference: Option<WindowSummary>,
    /// 24 × coverage.
    pub karats: Option<f64>,
    /// Share of traffic the live examples represent.
    pub coverage: Option<CoverageView>,
    /// Coverage in the reference window.
    pub reference_coverage: Option<CoverageView>,
    /// Reference coverage − coverage, signed.
    pub drift_gap: Option<DriftView>,
    /// Whether "the gap is at most 0.01" was rejected at the level of this look; null without a reference window.
    pub alarm: Option<bool>,
    /// The level of this look; null without a reference window, and in results stored by older versions.
    #[serde(default)]
    pub look: Option<LookView>,
    /// What moved since the reference window; null without one, and in results stored by older versions.
    #[serde(default)]
    pub moved: Option<MovedView>,
    /// The kinds of drift told apart; empty in results stored by older versions.
    #[serde(default)]
    pub drift: Vec<DriftFinding>,
    /// Tests of the window against the reference.
    pub shift: Vec<ShiftView>,
    /// Every cluster with traffic in either window, the largest unrepresented share first.
    pub clusters: Vec<ClusterView>,
    /// Groups of similar records that no example represents, the one with the most such traffic first.
    #[serde(default)]
    pub unrepresented: Vec<ClusterView>,
    /// Share of traffic in no cluster.
    #[serde(alias = "unassigned_mass")]
    pub unassigned_share: f64,
    /// Share of traffic with nothing to embed.
    #[serde(alias = "not_embeddable_mass")]
    pub not_embeddable_share: f64,
    /// Number of examples in the set.
    pub golden: usize,
    /// Number of live examples in the set.
    pub live: usize,
    /// Flagged examples, the strongest reason first.
    pub examples: Vec<ExampleView>,
    /// Number of flagged examples by first reason.
    pub signals: Vec<SignalCount>,
    /// Records to label next, the largest gain first; those drawn at random last.
    pub candidates: Vec<CandidateView>,
    /// Estimated score on today's traffic; null without a run of this dataset version.
    pub estimate: Option<EstimateView>,
    /// The score on a random labelled slice of traffic; null if there is none, or no run of this dataset version.
    #[serde(default)]
    pub slice: Option<SliceView>,
    /// The result of every gate.
    pub gates: Vec<GateResult>,
    /// The verdict on the whole measurement.
    pub verdict: Verdict,
    /// Remarks for the reader, such as "latest record is 40 days old".
    pub notes: Vec<String>,
}

impl DecayView {
    /// The reason why coverage was not measured; meaningful only if it was not.
    pub fn why_not_measured(&self) -> &str {
        self.notes.first().map_or("no traffic in the window", String::as_str)
    }
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CoverageView {
    /// The share, in [0, 1].
    pub value: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// A signed difference with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DriftView {
    /// Reference coverage − coverage now.
    pub value: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// One-sided p-value of "the gap is at most 0.01".
    pub p_value: f64,
}

/// The level at which one look may raise the alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookView {
    /// The source of the traffic: looks at one source share their level.
    pub source: String,
    /// The alarm is raised if the p-value of the drift gap is below it.
    pub level: f64,
    /// The probability of a false alarm in this look that was not one in the look before.
    pub spent: f64,
    /// The expected number of false alarms per period that all looks together keep to.
    pub alarm_level: f64,
    /// The period in days.
    pub alarm_period: u32,
}

/// A test of the window against the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftView {
    /// Name of the test.
    pub test: String,
    /// What it compares. Missing from results stored before there were tests of outputs.
    #[serde(default)]
    pub side: ShiftKind,
    /// Its statistic.
    pub statistic: f64,
    /// Its p-value, adjusted by Holm's method over the tests of the same side.
    pub p_value: f64,
    /// Effect size in [0, 1]; does not grow with the number of records.
    pub effect: f64,
    /// Smallest effect that is reported as a change.
    #[serde(default)]
    pub threshold: f64,
    /// Whether the p-value is at most 0.05 and the effect is at least the threshold.
    #[serde(default)]
    pub changed: bool,
    /// The plain figure for the reference window, if there is one.
    #[serde(default)]
    pub reference: Option<f64>,
    /// The plain figure for the current window, if there is one.
    #[serde(default)]
    pub now: Option<f64>,
    /// Both figures in words; empty if there are none.
    #[serde(default)]
    pub detail: String,
}

/// A cluster of traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Id, whose meaning never changes.
    pub id: String,
    /// Short name.
    pub name: String,
    /// Terms that distinguish it from other clusters.
    pub terms: Vec<String>,
    /// Share of the window's traffic.
    #[serde(alias = "mass")]
    pub traffic_share: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end of its 95 % interval.
    pub hi: f64,
    /// Share of the reference window's traffic.
    #[serde(alias = "reference_mass")]
    pub reference_share: Option<f64>,
    /// Number of examples in it.
    pub golden: usize,
    /// Number of live examples in it.
    pub live: usize,
    /// Mean `p_represented` of its records; null if it has none in the window.
    pub p_represented: Option<f64>,
    /// Typical requests in the window.
    pub exemplars: Vec<String>,
    /// Id of the live example that most of its unrepresented traffic is nearest to.
    #[serde(default)]
    pub nearest_example: Option<String>,
    /// Input of that example.
    #[serde(default)]
    pub nearest_input: Option<String>,
    /// Whether it is new since the reference window.
    pub emerging: bool,
}

impl ClusterView {
    /// Share of the window's traffic that is in this cluster and is not represented.
    pub fn unrepresented_share(&self) -> f64 {
        self.traffic_share * (1.0 - self.p_represented.unwrap_or(1.0))
    }
}

/// A flagged example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleView {
    /// Its id.
    pub id: String,
    /// Its state in the review queue.
    pub status: QueueState,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Its input, shortened.
    pub input: String,
    /// Why it was flagged, the strongest reason first.
    pub reasons: Vec<ReasonView>,
}

/// A reason to review an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonView {
    /// The reason.
    pub code: ReasonCode,
    /// Strength, in [0, 1].
    pub score: f64,
    /// Score from which an example is flagged.
    pub threshold: f64,
    /// What was observed, and what would clear the flag.
    pub evidence: String,
}

/// The number of flagged examples with a given first reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCount {
    /// The reason.
    pub code: ReasonCode,
    /// Number of examples with it as their first reason.
    pub count: usize,
}

/// A traffic record worth labelling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateView {
    /// The record.
    pub record_id: String,
    /// Its redacted text.
    pub input: String,
    /// Its cluster.
    pub cluster: Option<String>,
    /// The group of unrepresented records that it is in.
    #[serde(default)]
    pub group: Option<String>,
    /// Additional share of traffic that an example like it would represent; if disputed, of the traffic with disputed
    /// answers.
    pub gain: f64,
    /// Why it is worth labelling; null in results stored by older versions.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The probability with which it was drawn; null unless it was drawn at random.
    #[serde(default)]
    pub probability: Option<f64>,
}

/// The estimated score on today's traffic, by post-stratification over topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimateView {
    /// The run it is computed from.
    pub run_id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its scorer.
    pub scorer: String,
    /// Plain mean over the scored live examples.
    pub raw: f64,
    /// Mean over the represented part of today's traffic.
    pub represented: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end of its 95 % interval.
    pub hi: f64,
    /// Lower end of the interval that counts the rest as all wrong.
    pub bound_lo: f64,
    /// Upper end of the interval that counts the rest as all right.
    pub bound_hi: f64,
    /// Effective number of examples it is based on.
    pub n_eff: f64,
    /// The assumption under which it is valid.
    pub assumption: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stored_under_older_names_can_be_read() {
        let cluster = serde_json::json!({
            "id": "c-1", "name": "refunds", "terms": [], "mass": 0.25, "lo": 0.2, "hi": 0.3, "reference_mass": 0.5,
            "golden": 1, "live": 1, "p_represented": null, "exemplars": [], "emerging": false,
        });
        let older: ClusterView = serde_json::from_value(cluster).unwrap();
        assert_eq!((older.traffic_share, older.reference_share), (0.25, Some(0.5)));
        let newer = serde_json::to_value(&older).unwrap();
        assert_eq!(newer["traffic_share"], 0.25);
        assert!(newer.get("mass").is_none(), "older names are added only to output");
        assert_eq!(serde_json::from_value::<ClusterView>(newer).unwrap(), older);
        let test = serde_json::json!({ "test": "mmd", "statistic": 1.0, "p_value": 0.5, "effect": 0.0 });
        assert_eq!(serde_json::from_value::<ShiftView>(test).unwrap().side, ShiftKind::Input);
    }
}
