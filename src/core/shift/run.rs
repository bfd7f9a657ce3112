//! Runs all tests of one window against another.

use std::collections::HashSet;

use rayon::prelude::*;

use super::categories::{test_categories, test_mix};
use super::classifier::test_classifier;
use super::clusters::test_clusters;
use super::discrepancy::test_mmd;
use super::looks::{casing, format, language};
use super::numbers::{test_distribution, test_mean};
use super::outputs::{OutputMix, categories, test_outputs};
use super::permutation::Permutations;
use super::pool::{Entry, first_of_each, labelled, large_enough, pooled};
use super::subsample::subsample;
use super::types::{Finding, ShiftKind, ShiftOptions, ShiftTest, TopicMix};
use super::words::new_word_share;
use crate::core::records::Records;
use crate::core::stats::{holm, rng};
use crate::core::vector::Vectors;

/// Maximum number of records per window in tests of clusters and texts.
const ROWS: usize = 2000;

/// Maximum number of records per window in the classifier test, which finds the neighbours of each record.
const NEIGHBOUR_ROWS: usize = 1000;

/// Maximum number of records per window in the discrepancy test, which sums over all pairs for each permutation.
const PAIR_ROWS: usize = 500;

/// Minimum number of texts per unit of parallel work.
const CHUNK: usize = 64;

/// A test: its name, the side it compares, and the smallest effect that raises an alert (see docs/measures.md for the
/// reasons).
#[derive(Debug, Clone, Copy)]
struct Plan {
    name: &'static str,
    kind: ShiftKind,
    threshold: f64,
}

const CLUSTERS: Plan = Plan { name: "clusters", kind: ShiftKind::Input, threshold: 0.1 };
const MMD: Plan = Plan { name: "mmd", kind: ShiftKind::Input, threshold: 0.03 };
const CLASSIFIER: Plan = Plan { name: "classifier", kind: ShiftKind::Input, threshold: 0.05 };
const LENGTH: Plan = Plan { name: "length", kind: ShiftKind::Input, threshold: 0.1 };
const LANGUAGE: Plan = Plan { name: "language", kind: ShiftKind::Input, threshold: 0.1 };
const FORMAT: Plan = Plan { name: "format", kind: ShiftKind::Input, threshold: 0.1 };
const CASING: Plan = Plan { name: "casing", kind: ShiftKind::Input, threshold: 0.1 };
const NEW_WORDS: Plan = Plan { name: "new words", kind: ShiftKind::Input, threshold: 0.05 };
const OUTPUT_LENGTH: Plan = Plan { name: "output length", kind: ShiftKind::Output, threshold: 0.1 };
const OUTPUT_FORMAT: Plan = Plan { name: "output format", kind: ShiftKind::Output, threshold: 0.1 };

/// Both windows, with the data shared by their tests.
struct Windows<'a> {
    reference: &'a Records<'a>,
    now: &'a Records<'a>,
    options: ShiftOptions,
    /// The topic of every record, of the reference window and of the window under test. If given, records without one
    /// are left out of the tests of texts, and only records of the same topic are compared with each other.
    topics: Option<[&'a [Option<usize>]; 2]>,
}

/// Tests one window of traffic against another: topics and vectors of the requests, their appearance, and the outputs
/// if they are known.
///
/// Every test uses a subsample with at most one record per group, drawn so that no weights are needed (at most 2,000
/// records per window, 1,000 for "classifier" and 500 for "mmd"). Every p-value comes from permuting the windows of the
/// subsample, and is valid if the groups of both windows are independent draws from the same traffic. `known_words` are
/// the words of the golden set, as returned by [`super::vocabulary`]. A test is omitted if either window has fewer than
/// 20 usable records for it, or if all values are equal. The order is fixed, with input tests before output tests.
pub fn shift_tests(
    reference: &Records<'_>,
    now: &Records<'_>,
    known_words: &HashSet<String>,
    options: ShiftOptions,
) -> Vec<ShiftTest> {
    let windows = Windows { reference, now, options, topics: None };
    let mut found = windows.vector_tests();
    found.extend(windows.text_tests(known_words, 5));
    let mut tests = adjusted(found, options.alpha);
    tests.extend(adjusted(windows.output_tests(), options.alpha));
    tests
}

/// A window of which only the records of known topics are compared.
#[derive(Debug, Clone, Copy)]
pub struct OfTopics<'a> {
    /// All records.
    pub records: &'a Records<'a>,
    /// The topic of each; `None` for a record that belongs to none, which is left out.
    pub topics: &'a [Option<usize>],
}

/// The tests of texts among [`shift_tests`], but comparing like with like: only records of a known topic, with windows
/// permuted within topics. Neither new topics nor a different mix of the known ones makes their p-values small, so that
/// these are about wording alone.
pub fn wording_tests(
    reference: OfTopics<'_>,
    now: OfTopics<'_>,
    known_words: &HashSet<String>,
    options: ShiftOptions,
) -> Vec<ShiftTest> {
    let topics = Some([reference.topics, now.topics]);
    let windows = Windows { reference: reference.records, now: now.records, options, topics };
    adjusted(windows.text_tests(known_words, 25), options.alpha)
}

/// How far the mix of topics differs: the total variation distance between the topic shares of both windows, half the sum
/// of the absolute differences, and its permutation p-value. The effect is the distance minus its mean over permutations
/// (at least 0), since two samples of the same mix differ as well. Records without a topic are left out; `None` with
/// fewer than 20 others in either window, or a single topic.
pub fn topic_mix(reference: OfTopics<'_>, now: OfTopics<'_>, options: ShiftOptions) -> Option<TopicMix> {
    let topics = Some([reference.topics, now.topics]);
    let windows = Windows { reference: reference.records, now: now.records, options, topics };
    let pool = windows.pool(24, |_, _| true);
    let (labels, topics) = labelled(&pool, read(&pool, |entry| windows.topic(entry)))?;
    let test = test_mix(&labels, &topics, windows.permutations(24, &[]))?;
    let expected = test.null_mean.unwrap_or(0.0);
    Some(TopicMix { effect: (test.statistic - expected).max(0.0), p_value: test.p_value })
}

/// How far the outputs of requests of the same topics differ between the windows; see [`OutputMix`]. Records without an output or a
/// topic are left out; `None` with fewer than 20 others in either window, or if all outputs are equal.
pub fn output_mix(reference: OfTopics<'_>, now: OfTopics<'_>, options: ShiftOptions) -> Option<OutputMix> {
    let topics = Some([reference.topics, now.topics]);
    let windows = Windows { reference: reference.records, now: now.records, options, topics };
    let pool = windows.pool(40, |records, row| records.outputs()[row].is_some());
    let of = |entry: Entry| windows.topic(entry).zip(windows.output(entry));
    let (labels, rows) = labelled(&pool, read(&pool, of))?;
    let (topics, outputs): (Vec<usize>, Vec<&str>) = rows.into_iter().unzip();
    let (categories, as_they_are) = categories(&outputs);
    let (test, changes) = test_outputs(&labels, &topics, categories, windows.permutations(41, &topics))?;
    let expected = test.null_mean.unwrap_or(0.0);
    Some(OutputMix {
        effect: (test.statistic - expected).max(0.0),
        p_value: test.p_value,
        detectable: test.detectable.unwrap_or(1.0),
        compared: labels.len(),
        as_they_are,
        changes,
    })
}

/// Adjusts the p-values and decides which findings raise an alert.
fn adjusted(found: Vec<(Plan, Finding)>, alpha: f64) -> Vec<ShiftTest> {
    let adjusted = holm(&found.iter().map(|(_, finding)| finding.p_value).collect::<Vec<_>>());
    let tests = found.into_iter().zip(adjusted);
    tests
        .map(|((plan, finding), adjusted)| ShiftTest {
            name: plan.name,
            kind: plan.kind,
            statistic: finding.statistic,
            p_value: finding.p_value,
            adjusted,
            effect: finding.effect,
            threshold: plan.threshold,
            alert: adjusted <= alpha && finding.effect >= plan.threshold,
            reference: finding.reference,
            now: finding.now,
            detail: finding.detail,
        })
        .collect()
}

impl<'a> Windows<'a> {
    /// Random numbers for one purpose.
    fn permutations<'s>(&self, stream: u64, strata: &'s [usize]) -> Permutations<'s> {
        Permutations { seed: self.options.seed, stream, count: self.options.permutations, strata }
    }

    /// The topic of a record, if topics are given.
    fn topic(&self, entry: Entry) -> Option<usize> {
        let topics = self.topics?[usize::from(entry.now)];
        topics.get(entry.row).copied().flatten()
    }

    /// The topics of the rows with a value; empty if topics are not given.
    fn strata<T>(&self, pool: &[Entry], values: &[Option<T>]) -> Vec<usize> {
        let with_value = pool.iter().zip(values).filter(|(_, value)| value.is_some());
        with_value.filter_map(|(entry, _)| self.topic(*entry)).collect()
    }

    fn side(&self, entry: Entry) -> &'a Records<'a> {
        if entry.now { self.now } else { self.reference }
    }

    fn text(&self, entry: Entry) -> &'a str {
        self.side(entry).texts()[entry.row]
    }

    fn output(&self, entry: Entry) -> Option<&'a str> {
        self.side(entry).outputs()[entry.row]
    }

    /// A pooled subsample of the usable records.
    fn pool(&self, stream: u64, usable: impl Fn(&Records<'a>, usize) -> bool) -> Vec<Entry> {
        let mut rng = rng(self.options.seed, stream << 32);
        let mut draw = |records: &Records<'a>, now: bool| {
            let of_topic = |row: &usize| self.topics.is_none() || self.topic(Entry { now, row: *row }).is_some();
            let rows = (0..records.len()).filter(|&row| usable(records, row)).filter(of_topic);
            subsample(records, rows, ROWS, &mut rng)
        };
        let (reference, now) = (draw(self.reference, false), draw(self.now, true));
        pooled(&reference, &now, &mut rng)
    }

    fn vector_tests(&self) -> Vec<(Plan, Finding)> {
        let dim = self.now.vectors().dim();
        if self.reference.vectors().dim() != dim {
            return Vec::new();
        }
        let pool = self.pool(1, |records, row| records.vectors().is_embeddable(row));
        let (labels, vectors) = self.vectors(&pool);
        if !large_enough(&labels) {
            return Vec::new();
        }
        let texts: Vec<&str> = pool.iter().map(|&entry| self.text(entry)).collect();
        let (near_labels, near) = self.vectors(&first_of_each(&pool, NEIGHBOUR_ROWS));
        let (few_labels, few) = self.vectors(&first_of_each(&pool, PAIR_ROWS));
        let found = [
            (CLUSTERS, test_clusters(&labels, &vectors, &texts, self.permutations(2, &[]))),
            (MMD, test_mmd(&few_labels, &few, self.permutations(3, &[]))),
            (CLASSIFIER, test_classifier(&near_labels, &near, self.permutations(4, &[]))),
        ];
        present(found)
    }

    fn vectors(&self, pool: &[Entry]) -> (Vec<bool>, Vectors) {
        let mut vectors = Vectors::with_capacity(self.now.vectors().dim(), pool.len());
        pool.iter().for_each(|&entry| vectors.push_row(self.side(entry).vectors().row(entry.row)));
        (pool.iter().map(|entry| entry.now).collect(), vectors)
    }

    /// The tests of texts, with random numbers of their own from the stream `first` on.
    fn text_tests(&self, known_words: &HashSet<String>, first: u64) -> Vec<(Plan, Finding)> {
        let pool = self.pool(first, |_, _| true);
        let new_words = read(&pool, |entry| new_word_share(self.text(entry), known_words));
        let lengths = read(&pool, |entry| Some(characters(self.text(entry))));
        let languages = read(&pool, |entry| Some(language(self.text(entry))));
        let formats = read(&pool, |entry| Some(format(self.text(entry))));
        let casings = read(&pool, |entry| Some(casing(self.text(entry))));
        let found = [
            (LENGTH, self.distribution(&pool, lengths, first + 1)),
            (LANGUAGE, self.categories(&pool, languages, first + 2)),
            (FORMAT, self.categories(&pool, formats, first + 3)),
            (CASING, self.categories(&pool, casings, first + 4)),
            (NEW_WORDS, self.mean(&pool, new_words, "words of 4 letters or more", first + 5)),
        ];
        present(found)
    }

    fn output_tests(&self) -> Vec<(Plan, Finding)> {
        let pool = self.pool(11, |records, row| records.outputs()[row].is_some());
        let formats = read(&pool, |entry| self.output(entry).map(format));
        let lengths = read(&pool, |entry| self.output(entry).map(characters));
        let found = [
            (OUTPUT_LENGTH, self.distribution(&pool, lengths, 12)),
            (OUTPUT_FORMAT, self.categories(&pool, formats, 13)),
        ];
        present(found)
    }

    fn distribution(&self, pool: &[Entry], values: Vec<Option<f64>>, stream: u64) -> Option<Finding> {
        let strata = self.strata(pool, &values);
        let (labels, values) = labelled(pool, values)?;
        test_distribution(&labels, &values, "characters", self.permutations(stream, &strata))
    }

    fn mean(&self, pool: &[Entry], values: Vec<Option<f64>>, of: &str, stream: u64) -> Option<Finding> {
        let strata = self.strata(pool, &values);
        let (labels, values) = labelled(pool, values)?;
        test_mean(&labels, &values, of, self.permutations(stream, &strata))
    }

    fn categories<T: AsRef<str>>(&self, pool: &[Entry], values: Vec<Option<T>>, stream: u64) -> Option<Finding> {
        let strata = self.strata(pool, &values);
        let (labels, values) = labelled(pool, values)?;
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let mut names = values.clone();
        names.sort_unstable();
        names.dedup();
        let numbers: Vec<usize> = values.iter().map(|name| names.partition_point(|other| other < name)).collect();
        test_categories(&labels, &numbers, &names, self.permutations(stream, &strata))
    }
}

/// The value of every row, in order.
fn read<T: Send>(pool: &[Entry], value: impl Fn(Entry) -> Option<T> + Sync) -> Vec<Option<T>> {
    pool.par_iter().with_min_len(CHUNK).map(|&entry| value(entry)).collect()
}

fn characters(text: &str) -> f64 {
    text.chars().count() as f64
}

fn present<const N: usize>(found: [(Plan, Option<Finding>); N]) -> Vec<(Plan, Finding)> {
    found.into_iter().filter_map(|(plan, finding)| finding.map(|finding| (plan, finding))).collect()
}
