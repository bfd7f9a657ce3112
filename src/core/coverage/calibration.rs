//! What a similarity is worth, learnt on the golden set by folds.

use rand::seq::SliceRandom;

use super::isotonic::Isotonic;
use crate::core::stats::rng;
use crate::core::vector::{Vectors, near_duplicate_groups, top_k};

/// Folds of the golden set. Ten leave nine tenths of a topic's examples to be near to.
pub(super) const FOLDS: usize = 10;

/// Neighbours looked at for the nearest one outside of a fold or topic.
pub(super) const DEPTH: usize = 32;

/// Examples needed for a calibration: fewer give no distribution to speak of.
pub(super) const MIN_EXAMPLES: usize = 20;

/// The live examples: one unit vector each, and the topic (label or cluster) each belongs to.
#[derive(Debug, Clone, Copy)]
pub struct GoldenPoints<'a> {
    /// One row an example.
    pub vectors: &'a Vectors,
    /// Topic of every example, from 0.
    pub topics: &'a [usize],
}

/// One example as a calibration point: what the posterior says of it, fitted on the topics of the other parts alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// Its topic.
    pub topic: usize,
    /// Posterior at the nearest example outside of its fold: how a represented request looks.
    pub known: f64,
    /// Posterior at the nearest example outside of its topic: how a request of an unknown topic looks.
    pub novel: f64,
    /// 1 / size of its near-duplicate group.
    pub weight: f64,
}

/// Parts of the topics. A posterior looks better on the points it was fitted to than on traffic, which would make the
/// represented share too small; so every point is judged by a fit that never saw its topic.
const PARTS: usize = 5;

/// What a similarity is worth.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// Fold of every example.
    pub(super) folds: Vec<usize>,
    /// One point an embeddable example.
    pub(super) points: Vec<Point>,
    /// P(represented | similarity) where both kinds are equally frequent, one fit a part left out.
    posteriors: Vec<Isotonic>,
}

impl Calibration {
    /// Learns from the live examples; `None` for fewer than 20, or for a single topic, where nothing shows how an
    /// unknown topic would look.
    pub fn fit(golden: GoldenPoints<'_>, duplicate_similarity: f64, seed: u64) -> Option<Self> {
        let groups = near_duplicate_groups(golden.vectors, duplicate_similarity as f32);
        let folds = deal_folds(golden.topics, &groups, seed);
        let raw = similarities(golden, &groups, &folds);
        let several_topics = raw.iter().any(|point| point.topic != raw[0].topic);
        if raw.len() < MIN_EXAMPLES || !several_topics {
            return None;
        }
        let parts = deal_parts(golden.topics, seed);
        let posteriors: Option<Vec<Isotonic>> = (0..PARTS)
            .map(|part| {
                let others = raw.iter().filter(|point| parts[point.topic] != part);
                let both = others.flat_map(|p| [(p.known, 1.0, p.weight), (p.novel, 0.0, p.weight)]);
                Isotonic::fit(&both.collect::<Vec<_>>())
            })
            .collect();
        let posteriors = posteriors?;
        let judge = |point: &Point| {
            let own = &posteriors[parts[point.topic]];
            Point { known: clamp(own.at(point.known)), novel: clamp(own.at(point.novel)), ..*point }
        };
        let points = raw.iter().map(judge).collect();
        Some(Self { folds, points, posteriors })
    }

    /// P(represented | similarity) where both kinds are equally frequent, kept off 0 and 1.
    pub fn posterior(&self, similarity: f64) -> f64 {
        let sum: f64 = self.posteriors.iter().map(|fit| clamp(fit.at(similarity))).sum();
        sum / self.posteriors.len() as f64
    }
}

fn clamp(posterior: f64) -> f64 {
    posterior.clamp(0.01, 0.99)
}

/// Part of every topic. With fewer topics than parts some parts are empty, and their fit sees every topic.
fn deal_parts(topics: &[usize], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..topics.iter().max().map_or(0, |last| last + 1)).collect();
    order.shuffle(&mut rng(seed, 2));
    let mut parts = vec![0; order.len()];
    order.into_iter().enumerate().for_each(|(rank, topic)| parts[topic] = rank % PARTS);
    parts
}

/// Deals whole near-duplicate groups into folds, topic by topic, so that every topic loses as little as it can.
fn deal_folds(topics: &[usize], groups: &[usize], seed: u64) -> Vec<usize> {
    let mut firsts: Vec<usize> = (0..groups.len()).filter(|row| !groups[..*row].contains(&groups[*row])).collect();
    firsts.shuffle(&mut rng(seed, 1));
    firsts.sort_by_key(|row| topics[*row]);
    let groups_seen = groups.iter().max().map_or(0, |last| last + 1);
    let mut fold_of_group = vec![0; groups_seen];
    for (rank, row) in firsts.into_iter().enumerate() {
        fold_of_group[groups[row]] = rank % FOLDS;
    }
    groups.iter().map(|group| fold_of_group[*group]).collect()
}

/// Points with similarities in the place of posteriors.
fn similarities(golden: GoldenPoints<'_>, groups: &[usize], folds: &[usize]) -> Vec<Point> {
    let other_fold = top_k(golden.vectors, golden.vectors, 1, |a, b| folds[a] == folds[b] || groups[a] == groups[b]);
    let other_topic =
        top_k(golden.vectors, golden.vectors, 1, |a, b| folds[a] == folds[b] || golden.topics[a] == golden.topics[b]);
    let mut sizes = std::collections::HashMap::new();
    for group in groups {
        *sizes.entry(group).or_insert(0.0) += 1.0;
    }
    let nearest = |lists: &[Vec<crate::core::vector::Neighbour>], row: usize| {
        lists[row].first().map_or(0.0, |neighbour| f64::from(neighbour.similarity))
    };
    (0..golden.vectors.len())
        .filter(|row| golden.vectors.is_embeddable(*row))
        .map(|row| Point {
            topic: golden.topics[row],
            known: nearest(&other_fold, row),
            novel: nearest(&other_topic, row),
            weight: 1.0 / sizes[&groups[row]],
        })
        .collect()
}
