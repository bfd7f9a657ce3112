//! What a decay measurement looks at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::core::domain::{Dataset, Example, ExampleIdx, LiveIdx, Reducer, Window, WindowSummary};
use crate::core::new_clusters::{ClusterBook, topics_of};
use crate::core::queue::FlagRow;
use crate::core::records::Records;
use crate::core::signals::{Passes, Policy};
use crate::core::vector::Vectors;

/// Everything a decay measurement looks at.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The golden set.
    pub dataset: &'a Dataset,
    /// The text of every example.
    pub texts: &'a [String],
    /// The vector of every example.
    pub golden: &'a Vectors,
    /// Fingerprint of the embedding space of all vectors.
    pub space: &'a str,
    /// The window measured.
    pub now: TrafficWindow<'a>,
    /// The window it is compared with.
    pub reference: Option<TrafficWindow<'a>>,
    /// The clusters known from earlier measurements in this embedding space.
    pub known_clusters: KnownClusters,
    /// Every flag of the dataset.
    pub flags: Vec<FlagRow>,
    /// How often trials of each example passed in the latest runs with repeats, by endpoint and example id.
    pub passes: BTreeMap<String, BTreeMap<String, Passes>>,
    /// The latest complete run of this version of the dataset.
    pub run: Option<ScoredRun>,
    /// How it is measured and gated.
    pub settings: Settings<'a>,
    /// Remarks made while loading.
    pub notes: Vec<String>,
    /// When it is measured.
    pub at: Timestamp,
    /// Seed of everything random.
    pub seed: u64,
}

/// A window of traffic.
#[derive(Debug, Clone)]
pub struct TrafficWindow<'a> {
    /// Its span.
    pub span: Window,
    /// Its records, by time.
    pub records: Records<'a>,
}

impl TrafficWindow<'_> {
    /// What the view says of it.
    pub fn summary(&self) -> WindowSummary {
        WindowSummary {
            from: self.span.from,
            to: self.span.to,
            records: self.records.len(),
            weight: self.records.total_weight(),
        }
    }
}

/// Clusters of earlier measurements.
#[derive(Debug, Clone)]
pub struct KnownClusters {
    /// Those formed on the window that new ones would be formed on, with their version.
    pub book: Option<(ClusterBook, String)>,
    /// The first number that no cluster of this dataset and space has: ids are never used again.
    pub next_number: usize,
}

impl Default for KnownClusters {
    fn default() -> Self {
        Self { book: None, next_number: 1 }
    }
}

/// A run, as far as the score on today's traffic is estimated from it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRun {
    /// Its id.
    pub run_id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Name of the suite's primary scorer.
    pub scorer: String,
    /// How that scorer makes one score out of trials.
    pub reduce: Reducer,
    /// Scores of every example's trials, by example id.
    pub scores: BTreeMap<String, Vec<f64>>,
}

/// How decay is measured and gated.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The gate.
    pub min_karats: Option<f64>,
    /// Whether an inconclusive gate stops the pipeline.
    pub require_decision: bool,
    /// Thresholds.
    pub policy: &'a Policy,
}

/// The live examples of a set: those that represent traffic.
#[derive(Debug)]
pub(super) struct Live<'a> {
    rows: Vec<ExampleIdx>,
    /// One row per live example.
    pub vectors: Cow<'a, Vectors>,
    /// The topic of each: its label, where labels are few against examples, else a cluster of examples.
    pub topics: Vec<usize>,
}

impl<'a> Live<'a> {
    pub fn of(inputs: &Inputs<'a>) -> Self {
        let examples = inputs.dataset.examples.iter().enumerate();
        let rows: Vec<usize> = examples.filter(|(_, e)| e.is_live(inputs.at)).map(|(row, _)| row).collect();
        let vectors = inputs.golden.part(&rows);
        let labelled = labels(rows.iter().map(|row| &inputs.dataset.examples[*row]));
        let topics = labelled.unwrap_or_else(|| topics_of(&vectors, inputs.seed));
        Self { rows: rows.into_iter().map(ExampleIdx).collect(), vectors, topics }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Their places in the dataset.
    pub fn rows(&self) -> &[ExampleIdx] {
        &self.rows
    }

    /// The place in the dataset of a live example.
    pub fn row(&self, live: LiveIdx) -> ExampleIdx {
        self.rows[live.0]
    }
}

/// The number of every example's label; `None` unless all have one, there are three labels or more, and three examples per
/// label on average.
fn labels<'a>(examples: impl Iterator<Item = &'a Example>) -> Option<Vec<usize>> {
    let labels: Vec<String> = examples.map(Example::label).collect::<Option<_>>()?;
    let mut distinct: Vec<&String> = labels.iter().collect();
    distinct.sort();
    distinct.dedup();
    let few = distinct.len() >= 3 && distinct.len() * 3 <= labels.len();
    few.then(|| labels.iter().map(|label| distinct.binary_search(&label).unwrap_or(0)).collect())
}
