//! Calibration: how represented and unknown requests look, learnt from the golden set by cross-fitting.

use rand::seq::SliceRandom;

use super::evidence::{Features, Posterior, TrainingPair};
use super::held_out::{HeldOut, HeldOutPair};
use super::projection::Projection;
use crate::core::stats::rng;
use crate::core::vector::{Neighbour, Vectors, dot, near_duplicate_groups};

/// Smallest number of examples for a calibration. Fewer do not yield a meaningful distribution.
const MIN_EXAMPLES: usize = 20;

/// Maximum number of folds. With ten, nine tenths of a topic's examples remain to be near to.
const MAX_FOLDS: usize = 10;

/// Number of parts into which topics are divided. A posterior looks better on the points it was fitted to than on
/// traffic, which would make the represented share too small. Therefore every point is scored by a fit that never saw
/// its topic.
pub(super) const PARTS: usize = 5;

/// The live examples: the unit vector of each, and the topic (label or cluster) it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct GoldenPoints<'a> {
    /// One vector per example.
    pub vectors: &'a Vectors,
    /// The topic of each example, counting from 0.
    pub topics: &'a [usize],
}

/// Examples in the wording of a window.
#[derive(Debug, Clone, Copy)]
pub struct Copies<'a> {
    /// The example of each copy; every example at most once.
    pub rows: &'a [usize],
    /// One vector per copy.
    pub vectors: &'a Vectors,
}

/// One example, or a copy of it, as a calibration point, scored by the posterior that was fitted only on the topics of
/// the other parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// The example.
    pub row: usize,
    /// Its topic.
    pub topic: usize,
    /// Posterior given the examples outside of its fold: how a represented request looks.
    pub known: f64,
    /// Topic of the nearest of these examples.
    pub known_as: usize,
    /// Posterior given the examples outside of its fold and its topic: how a request of an unknown topic looks.
    pub novel: f64,
    /// Topic of the nearest of these examples.
    pub novel_as: usize,
    /// 1 / size of its near-duplicate group.
    pub weight: f64,
}

/// The calibration learnt from a golden set.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    /// The fold of each example.
    pub folds: Vec<usize>,
    /// Number of folds.
    pub fold_count: usize,
    /// Number of topics.
    pub topics: usize,
    /// One point per embeddable example.
    pub points: Vec<Point>,
    /// For each window, one point per embeddable copy.
    pub reworded: Vec<Vec<Point>>,
    /// The projection in which traffic is compared with the examples.
    pub projection: Projection,
    /// The projected examples.
    pub projected: Vectors,
    tightness: Tightness,
    /// P(represented | features).
    pub posterior: Posterior,
}

impl Calibration {
    /// Learns a calibration from the live examples, and from their copies in the wording of each window. Returns `None`
    /// for fewer than 20 examples, or for a single topic, in which case nothing shows how an unknown topic would look.
    pub fn fit(golden: GoldenPoints<'_>, copies: &[Copies<'_>], duplicate_similarity: f64, seed: u64) -> Option<Self> {
        let groups = near_duplicate_groups(golden.vectors, duplicate_similarity as f32);
        let topics = golden.topics.iter().max().map_or(0, |last| last + 1);
        let fold_count = fold_count(golden.topics, &groups, topics);
        let folds = deal_folds(golden.topics, &groups, fold_count, seed);
        let parts = deal_parts(topics, seed);
        let all_rows: Vec<usize> = (0..golden.vectors.len()).collect();
        let held_out = HeldOut::new(golden, &all_rows, copies, &groups, &folds, &parts, topics);
        let (projection, pairs) = held_out.training_pairs(fold_count);
        let examples = || pairs.iter().filter(|pair| pair.set == 0);
        let first = golden.topics.get(examples().next()?.row)?;
        let several_topics = examples().any(|pair| golden.topics[pair.row] != *first);
        if examples().count() < MIN_EXAMPLES || !several_topics {
            return None;
        }
        let training: Vec<&TrainingPair> = pairs.iter().map(|pair| &pair.pair).collect();
        let posterior = Posterior::fit(&training, PARTS)?;
        let point = |held: &HeldOutPair| Point {
            row: held.row,
            topic: golden.topics[held.row],
            known: posterior.without(held.pair.part, &held.pair.known),
            known_as: held.pair.known.topic,
            novel: posterior.without(held.pair.part, &held.pair.novel),
            novel_as: held.pair.novel.topic,
            weight: 1.0 / held_out.group_size(held.row),
        };
        let set = |set: usize| pairs.iter().filter(|pair| pair.set == set).map(point).collect();
        let (points, reworded) = (set(0), (1..=copies.len()).map(set).collect());
        let projected = projection.apply(golden.vectors);
        let tightness = Tightness::new(&projected, golden.topics, &groups, topics);
        Some(Self { folds, fold_count, topics, points, reworded, projection, projected, tightness, posterior })
    }

    /// The features of a request, from its neighbours among all projected examples except those of one fold.
    pub fn features(&self, golden: GoldenPoints<'_>, neighbours: &[Neighbour], fold: usize) -> Option<Features> {
        let outside = neighbours.iter().filter(|neighbour| self.folds[neighbour.index] != fold);
        let tightness = |topic| self.tightness.of(topic);
        Features::new(outside, golden.topics, tightness)
            .or_else(|| Features::new(neighbours.iter(), golden.topics, tightness))
    }
}

/// The number of folds: the median number of examples per topic, limited to 2 to 10. A fold then removes one example,
/// or a tenth, from every topic, and traffic, which is scored against the rest, finds topics as thinned out as a
/// held-out example does.
fn fold_count(topics: &[usize], groups: &[usize], count: usize) -> usize {
    let mut members = vec![std::collections::BTreeSet::new(); count];
    topics.iter().zip(groups).for_each(|(topic, group)| {
        members[*topic].insert(group);
    });
    let mut sizes: Vec<usize> = members.iter().map(std::collections::BTreeSet::len).filter(|size| *size > 0).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(0).clamp(2, MAX_FOLDS)
}

/// The part of each topic. With fewer topics than parts, some parts are empty, and their fits see every topic.
fn deal_parts(topics: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..topics).collect();
    order.shuffle(&mut rng(seed, 2));
    let mut parts = vec![0; topics];
    order.into_iter().enumerate().for_each(|(rank, topic)| parts[topic] = rank % PARTS);
    parts
}

/// Deals whole near-duplicate groups into folds, topic by topic, so that every topic loses as few examples as possible.
fn deal_folds(topics: &[usize], groups: &[usize], fold_count: usize, seed: u64) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let mut firsts: Vec<usize> = (0..groups.len()).filter(|row| seen.insert(groups[*row])).collect();
    firsts.shuffle(&mut rng(seed, 1));
    firsts.sort_by_key(|row| topics[*row]);
    let mut fold_of_group = vec![0; groups.iter().max().map_or(0, |last| last + 1)];
    for (rank, row) in firsts.into_iter().enumerate() {
        fold_of_group[groups[row]] = rank % fold_count;
    }
    groups.iter().map(|group| fold_of_group[*group]).collect()
}

/// How close the examples of each topic are to each other.
#[derive(Debug, Clone)]
pub(super) struct Tightness {
    /// Similarity of each example to the nearest other one of its topic, if there is one.
    nearest: Vec<Option<f64>>,
    /// Sum and number of these similarities, by topic.
    topics: Vec<(f64, f64)>,
    /// Mean over all topics, for topics without any.
    middle: f64,
}

impl Tightness {
    pub fn new(vectors: &Vectors, topic_of: &[usize], groups: &[usize], topics: usize) -> Self {
        let mut members = vec![Vec::new(); topics];
        let embeddable = (0..vectors.len()).filter(|row| vectors.is_embeddable(*row));
        embeddable.for_each(|row| members[topic_of[row]].push(row));
        let mut nearest = vec![None; vectors.len()];
        for rows in &members {
            for row in rows {
                let others = rows.iter().filter(|other| groups[**other] != groups[*row]);
                let similarities = others.map(|other| dot(vectors.row(*row), vectors.row(*other)));
                nearest[*row] = similarities.max_by(f32::total_cmp).map(f64::from);
            }
        }
        let sum = |rows: &Vec<usize>| {
            let found = rows.iter().filter_map(|row| nearest[*row]);
            found.fold((0.0, 0.0), |(sum, count), similarity| (sum + similarity, count + 1.0))
        };
        let topics: Vec<(f64, f64)> = members.iter().map(sum).collect();
        let means: Vec<f64> = topics.iter().filter(|(_, count)| *count > 0.0).map(|(sum, n)| sum / n).collect();
        let middle = if means.is_empty() { 0.0 } else { means.iter().sum::<f64>() / means.len() as f64 };
        Self { nearest, topics, middle }
    }

    fn of(&self, topic: usize) -> f64 {
        let (sum, count) = self.topics[topic];
        if count > 0.0 { sum / count } else { self.middle }
    }

    /// The tightness of `topic` without the contribution of the example `row` to its own topic, since traffic does not
    /// contribute either.
    pub fn without(&self, row: usize, own: usize, topic: usize) -> f64 {
        let (sum, count) = self.topics[topic];
        match self.nearest[row].filter(|_| topic == own) {
            Some(_) if count <= 1.0 => self.middle,
            Some(similarity) => (sum - similarity) / (count - 1.0),
            None => self.of(topic),
        }
    }
}
