//! The inputs of a decay measurement.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::drift::{EarlierVersion, RunPair};
use super::flags::confirmed_wrong;
use super::slice::SliceScore;
use crate::core::alarm::EarlierLook;
use crate::core::cluster::{class_terms, cluster_names};
use crate::core::domain::{Dataset, Example, ExampleIdx, Flag, LiveIdx, Reducer, Window, WindowSummary};
use crate::core::gate::GatePast;
use crate::core::new_clusters::{ClusterBook, topics_of};
use crate::core::queue::FlagRow;
use crate::core::records::Records;
use crate::core::signals::{ModelAnswers, Passes, Policy, PresentHashes, Voice};
use crate::core::vector::{Vectors, top_k};
use crate::core::wording::{OtherLanguages, Request, Reworded, other_languages, reword};

/// Number of terms from which a topic without a label is named.
const NAME_TERMS: usize = 6;

/// Everything that a decay measurement depends on.
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
    /// The window to measure.
    pub now: TrafficWindow<'a>,
    /// The window to compare it with.
    pub reference: Option<TrafficWindow<'a>>,
    /// The clusters known from earlier measurements in this embedding space.
    pub known_clusters: KnownClusters,
    /// All stored flags of the dataset.
    pub flags: Vec<FlagRow>,
    /// Passed trials of each example in the latest runs with repeats, by endpoint and example id.
    pub passes: BTreeMap<String, BTreeMap<String, Passes>>,
    /// How each model answered the examples in recent runs.
    pub answered: Vec<ModelAnswers>,
    /// The flags of examples that a model has seen.
    pub exposed: Vec<Flag>,
    /// The present hashes of the documents that answers depend on.
    pub hashes: PresentHashes,
    /// The answers of endpoints of different models in their latest runs of this version of the dataset.
    pub voices: Vec<Voice>,
    /// The latest complete run of this version of the dataset.
    pub run: Option<ScoredRun>,
    /// Scores of production's answers to labelled records of the random slice.
    pub slice: Vec<SliceScore>,
    /// Pairs of runs of one endpoint at different times, whose answers are compared.
    pub run_pairs: Vec<RunPair>,
    /// The version of the dataset at the reference window, or the earliest stored one, if it is another than this one.
    pub earlier: Option<EarlierVersion>,
    /// Settings of the measurement and its gate.
    pub settings: Settings<'a>,
    /// The source of the traffic.
    pub source: &'a str,
    /// The earlier looks at this dataset, embedding space and source, the latest first.
    pub looks: Vec<EarlierLook>,
    /// Remarks collected while loading.
    pub notes: Vec<String>,
    /// Time of the measurement.
    pub at: Timestamp,
    /// Seed of all randomness.
    pub seed: u64,
}

/// A window of traffic.
#[derive(Debug, Clone)]
pub struct TrafficWindow<'a> {
    /// Its span.
    pub span: Window,
    /// Its records, ordered by time. The vector of each is that of the part that asks; see
    /// [`asking_parts`](crate::wording::asking_parts).
    pub records: Records<'a>,
    /// Live examples in the wording of its records, as returned by [`super::rewordings`].
    pub wording: Option<Wording>,
}

/// Live examples in the wording of a window.
#[derive(Debug, Clone)]
pub struct Wording {
    /// The copies.
    pub reworded: Reworded,
    /// One vector per copy.
    pub vectors: Vectors,
}

impl TrafficWindow<'_> {
    /// The summary shown in the view.
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
    /// The clusters that were fitted on the same window as new ones would be, with their version.
    pub book: Option<(ClusterBook, String)>,
    /// The first number not used by any cluster of this dataset and space; ids are never reused.
    pub next_number: usize,
}

impl Default for KnownClusters {
    fn default() -> Self {
        Self { book: None, next_number: 1 }
    }
}

/// The parts of a run from which the score on today's traffic is estimated.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRun {
    /// Its id.
    pub run_id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Name of the suite's primary scorer.
    pub scorer: String,
    /// How that scorer combines the scores of trials.
    pub reduce: Reducer,
    /// Scores of the trials of every example, by example id.
    pub scores: BTreeMap<String, Vec<f64>>,
}

/// Settings of a decay measurement and its gate.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Minimum number of karats, if there is a gate.
    pub min_karats: Option<f64>,
    /// Whether an inconclusive gate fails the pipeline.
    pub require_decision: bool,
    /// What the gate said in earlier measurements.
    pub past: GatePast,
    /// Thresholds.
    pub policy: &'a Policy,
}

/// The live examples reworded like the requests of the window and of the reference window. The caller embeds the texts
/// and puts both into [`TrafficWindow::wording`].
pub fn rewordings(inputs: &Inputs<'_>) -> (Reworded, Option<Reworded>) {
    let live = Live::of(inputs);
    let examples = live.texts(inputs);
    let of = |window: &TrafficWindow<'_>| {
        let records = &window.records;
        let nearest = top_k(records.vectors(), &live.vectors, 1, |_, _| false);
        let request = |row: usize| Request {
            text: records.texts()[row],
            topic: nearest[row].first().map(|neighbour| live.topics[neighbour.index]),
            weight: records.weights()[row],
            vector: records.vectors().row(row),
        };
        let requests: Vec<Request<'_>> = (0..records.len()).map(request).collect();
        reword(&examples, &requests, inputs.seed)
    };
    (of(&inputs.now), inputs.reference.as_ref().map(of))
}

/// The live examples of a set, which are those that represent traffic.
#[derive(Debug)]
pub(super) struct Live<'a> {
    rows: Vec<ExampleIdx>,
    /// One vector per live example.
    pub vectors: Cow<'a, Vectors>,
    /// The topic of each: its label if there are few labels compared with examples, else a cluster of examples.
    pub topics: Vec<usize>,
    /// The label of each topic; empty if topics are clusters.
    labels: Vec<String>,
}

impl<'a> Live<'a> {
    pub fn of(inputs: &Inputs<'a>) -> Self {
        let examples = inputs.dataset.examples.iter().enumerate();
        let wrong = confirmed_wrong(inputs);
        let live = |(_, example): &(usize, &Example)| example.is_live(inputs.at) && !wrong.contains(&example.id);
        let rows: Vec<usize> = examples.filter(live).map(|(row, _)| row).collect();
        let vectors = inputs.golden.part(&rows);
        let labelled = labels(rows.iter().map(|row| &inputs.dataset.examples[*row]));
        let (topics, labels) = labelled.unwrap_or_else(|| (topics_of(&vectors, inputs.seed), Vec::new()));
        Self { rows: rows.into_iter().map(ExampleIdx).collect(), vectors, topics, labels }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The examples.
    pub fn examples<'i>(&self, inputs: &Inputs<'i>) -> Vec<&'i Example> {
        self.rows.iter().map(|row| &inputs.dataset.examples[row.0]).collect()
    }

    /// Their texts.
    pub fn texts<'i>(&self, inputs: &'i Inputs<'_>) -> Vec<&'i str> {
        self.rows.iter().map(|row| inputs.texts[row.0].as_str()).collect()
    }

    /// The records of a window in languages that they do not have.
    pub fn other_languages(&self, inputs: &Inputs<'_>, window: &TrafficWindow<'_>) -> OtherLanguages {
        other_languages(&self.texts(inputs), window.records.texts())
    }

    /// The name of each topic: its label, or the terms of its examples.
    pub fn topic_names(&self, inputs: &Inputs<'_>) -> Vec<String> {
        if !self.labels.is_empty() {
            return self.labels.clone();
        }
        let topics: Vec<Option<usize>> = self.topics.iter().copied().map(Some).collect();
        let count = self.topics.iter().max().map_or(0, |last| last + 1);
        cluster_names(&class_terms(&self.texts(inputs), &[], &topics, count, NAME_TERMS))
    }

    /// The label of each topic; empty if topics are clusters.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Their indexes in the dataset.
    pub fn rows(&self) -> &[ExampleIdx] {
        &self.rows
    }

    /// The index of a live example in the dataset.
    pub fn row(&self, live: LiveIdx) -> ExampleIdx {
        self.rows[live.0]
    }
}

/// The label of every example, as a number, and all labels. `None` unless every example has one, there are at least three labels, and
/// at least three examples per label on average.
pub(super) fn labels<'a>(examples: impl Iterator<Item = &'a Example>) -> Option<(Vec<usize>, Vec<String>)> {
    let labels: Vec<String> = examples.map(Example::label).collect::<Option<_>>()?;
    let mut distinct: Vec<String> = labels.clone();
    distinct.sort();
    distinct.dedup();
    let few = distinct.len() >= 3 && distinct.len() * 3 <= labels.len();
    let numbers = labels.iter().map(|label| distinct.binary_search(label).unwrap_or(0)).collect();
    few.then_some((numbers, distinct))
}
