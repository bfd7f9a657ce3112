//! What moved since the reference window: what people ask about, and how they word it.
//!
//! Both lower the similarity of traffic to the examples, but only the first is decay. The drift gap is already corrected for
//! wording; what remains of the wording is reported here, from represented requests of the same topics alone.

mod topics;
mod wording;

use super::findings::Findings;
use super::inputs::TrafficWindow;
use crate::core::coverage::{CoverageMeasurement, DriftGap, RecordCoverage};
use crate::core::records::Records;
use crate::core::shift::OfTopics;
use crate::core::stats::effective_n;
use crate::core::view::{MovedShare, MovedView};

/// Largest p-value of a movement that is reported as one.
const ALPHA: f64 = 0.05;

/// Smallest change of a share that is listed, and smallest number of standard errors.
const MIN_CHANGE: f64 = 0.01;
const MIN_Z: f64 = 2.0;

/// Maximum number of groups or topics listed.
const LISTED: usize = 5;

/// What moved; `None` without a drift gap.
pub(super) fn moved_view(findings: &Findings<'_>, alarm: Option<bool>) -> Option<MovedView> {
    let (coverage, then) = findings.coverage.as_ref().zip(findings.inputs.reference.as_ref())?;
    let windows = Windows::new(findings, coverage, then)?;
    let names = findings.live.topic_names(&findings.inputs);
    Some(MovedView {
        topics: topics::topics_moved(&windows, &names, alarm?),
        wording: wording::wording_moved(&windows, &names),
    })
}

/// One window with the topics of its represented records.
pub(in crate::core::decay) struct Known<'f, 'a> {
    window: &'f TrafficWindow<'a>,
    covered: &'f [RecordCoverage],
    /// The topic of every record; `None` if it is not represented.
    topics: Vec<Option<usize>>,
}

impl<'f, 'a> Known<'f, 'a> {
    pub(in crate::core::decay) fn new(window: &'f TrafficWindow<'a>, covered: &'f [RecordCoverage]) -> Self {
        let topic = |record: &RecordCoverage| record.topic.filter(|_| record.p_represented >= 0.5);
        Self { window, covered, topics: covered.iter().map(topic).collect() }
    }

    fn records(&self) -> &'f Records<'a> {
        &self.window.records
    }

    pub(in crate::core::decay) fn of_topics(&self) -> OfTopics<'_> {
        OfTopics { records: self.records(), topics: &self.topics }
    }

    /// Weight of the represented records of each topic for which `counts` is true.
    fn weights(&self, topics: usize, counts: impl Fn(usize) -> bool) -> Vec<f64> {
        let mut sums = vec![0.0; topics];
        for (row, (topic, weight)) in self.topics.iter().zip(self.records().weights()).enumerate() {
            if let Some(topic) = topic.filter(|_| counts(row)) {
                sums[topic] += weight;
            }
        }
        sums
    }

    /// Effective number of records.
    fn sampled(&self) -> f64 {
        effective_n(self.records().weights())
    }
}

/// Both windows.
struct Windows<'f, 'a> {
    findings: &'f Findings<'a>,
    coverage: &'f CoverageMeasurement,
    gap: DriftGap,
    now: Known<'f, 'a>,
    then: Known<'f, 'a>,
}

impl<'f, 'a> Windows<'f, 'a> {
    fn new(findings: &'f Findings<'a>, coverage: &'f CoverageMeasurement, then: &'f TrafficWindow<'a>) -> Option<Self> {
        let (gap, before) = coverage.gap.zip(coverage.reference.as_ref())?;
        let now = Known::new(&findings.inputs.now, &coverage.now.records);
        Some(Self { findings, coverage, gap, now, then: Known::new(then, &before.records) })
    }

    /// When the reference window was.
    fn since(&self) -> String {
        self.then.window.span.label()
    }

    /// The shares that changed by more than sampling explains, the largest change first.
    fn changed(&self, shares: impl Iterator<Item = MovedShare>) -> Vec<MovedShare> {
        let (n, m) = (self.now.sampled(), self.then.sampled());
        let change = |share: &MovedShare| (share.now - share.reference).abs();
        let clear = |share: &MovedShare| {
            let pooled = (n * share.now + m * share.reference) / (n + m);
            let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).max(0.0).sqrt();
            change(share) >= MIN_CHANGE && change(share) >= MIN_Z * error
        };
        let mut shares: Vec<MovedShare> = shares.filter(clear).collect();
        shares.sort_by(|a, b| change(b).total_cmp(&change(a)).then_with(|| a.name.cmp(&b.name)));
        shares.truncate(LISTED);
        shares
    }
}

/// Each sum as a share of all of them.
fn shares(sums: &[f64]) -> Vec<f64> {
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| if total > 0.0 { sum / total } else { 0.0 }).collect()
}
