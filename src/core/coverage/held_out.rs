//! Examples, and their copies in the wording of traffic, scored as if they did not belong to the set.
//!
//! Whatever an example is compared with must not have seen it: the projection for an example as a known request is
//! fitted without its fold, the one for an example as a novel request without its topic.

use std::collections::HashMap;

use rayon::prelude::*;

use super::calibration::{Copies, GoldenPoints, PARTS, Tightness};
use super::evidence::{DEPTH, Features, TrainingPair};
use super::projection::{Member, Projection, Scatter};
use crate::core::vector::{Vectors, top_k};

/// Smallest share of the examples whose nearest other example has their topic. Below it, the labels say little about the
/// texts (free text, ids, grades), and a projection would follow their noise.
const MIN_AGREEMENT: f64 = 0.3;

/// The golden set, its copies, and how they are divided.
pub(super) struct HeldOut<'a> {
    golden: GoldenPoints<'a>,
    /// The examples themselves, followed by the copies for each window.
    sets: Vec<Copies<'a>>,
    groups: &'a [usize],
    sizes: HashMap<usize, f64>,
    folds: &'a [usize],
    /// The part of each example's topic.
    parts: Vec<usize>,
    topics: usize,
    /// Share of the examples whose nearest other example has the same topic.
    agreement: f64,
}

/// A training pair, and where it is from.
pub(super) struct HeldOutPair {
    /// 0 for an example, otherwise the number of the window.
    pub set: usize,
    /// The example.
    pub row: usize,
    pub pair: TrainingPair,
}

/// The held-out rows of one group, with the projection that never saw them.
struct Part {
    projection: Projection,
    /// The rows of each set, as (position in the set, example).
    rows: Vec<Vec<(usize, usize)>>,
}

impl<'a> HeldOut<'a> {
    pub fn new(
        golden: GoldenPoints<'a>,
        all_rows: &'a [usize],
        copies: &[Copies<'a>],
        groups: &'a [usize],
        folds: &'a [usize],
        part_of_topic: &[usize],
        topics: usize,
    ) -> Self {
        let mut sizes = HashMap::new();
        groups.iter().for_each(|group| *sizes.entry(*group).or_insert(0.0) += 1.0);
        let mut sets = vec![Copies { rows: all_rows, vectors: golden.vectors }];
        sets.extend_from_slice(copies);
        let parts = golden.topics.iter().map(|topic| part_of_topic[*topic]).collect();
        let mut held_out = Self { golden, sets, groups, sizes, folds, parts, topics, agreement: 0.0 };
        held_out.agreement = held_out.agreement();
        held_out
    }

    /// Number of examples in the near-duplicate group of an example.
    pub fn group_size(&self, row: usize) -> f64 {
        self.sizes[&self.groups[row]]
    }

    fn agreement(&self) -> f64 {
        let vectors = self.golden.vectors;
        let nearest = top_k(vectors, vectors, 1, |row, other| self.groups[row] == self.groups[other]);
        let (mut same, mut total) = (0.0, 0.0);
        for (row, list) in nearest.iter().enumerate().filter(|(row, _)| vectors.is_embeddable(*row)) {
            let weight = 1.0 / self.group_size(row);
            let topic = |row: usize| self.golden.topics[row];
            same += if list.first().is_some_and(|other| topic(other.index) == topic(row)) { weight } else { 0.0 };
            total += weight;
        }
        if total > 0.0 { same / total } else { 0.0 }
    }

    /// The projection fitted on everything, and the features of every row that has some, as a known and as a novel
    /// request.
    pub fn training_pairs(&self, fold_count: usize) -> (Projection, Vec<HeldOutPair>) {
        let (all, folds) = self.divided(self.folds, fold_count);
        let projection = all.as_ref().map_or_else(Projection::default, Projection::fit);
        let (_, parts) = self.divided(&self.parts, PARTS);
        let known = self.features(&folds, |row, other| self.folds[row] == self.folds[other]);
        let novel = self.features(&parts, |row, other| {
            self.folds[row] == self.folds[other] || self.golden.topics[row] == self.golden.topics[other]
        });
        let mut pairs = Vec::new();
        for (set, (known, novel)) in known.into_iter().zip(novel).enumerate() {
            for ((known, novel), row) in known.into_iter().zip(novel).zip(self.sets[set].rows) {
                if let Some((known, novel)) = known.zip(novel) {
                    let weight = self.weight(set, *row);
                    pairs.push(HeldOutPair {
                        set,
                        row: *row,
                        pair: TrainingPair { part: self.parts[*row], known, novel, weight },
                    });
                }
            }
        }
        (projection, pairs)
    }

    /// The weight of a row of a set: all copies together weigh as much as the examples.
    fn weight(&self, set: usize, row: usize) -> f64 {
        let copies = (self.sets.len() - 1).max(1) as f64;
        (if set == 0 { 1.0 } else { 1.0 / copies }) / self.group_size(row)
    }

    /// Divides all rows by the number of their example, and fits a projection without each division. Also returns the
    /// sums over everything, if the space is projected at all.
    fn divided(&self, division: &[usize], count: usize) -> (Option<Scatter>, Vec<Part>) {
        let rows_of = |number: usize| -> Vec<Vec<(usize, usize)>> {
            let of_set = |set: &Copies<'_>| {
                let rows = set.rows.iter().copied().enumerate();
                rows.filter(|(at, row)| division[*row] == number && set.vectors.is_embeddable(*at)).collect()
            };
            self.sets.iter().map(of_set).collect()
        };
        let rows: Vec<Vec<Vec<(usize, usize)>>> = (0..count).map(rows_of).collect();
        let dim = self.golden.vectors.dim();
        if !Projection::possible(dim) || self.agreement < MIN_AGREEMENT {
            let identity = |rows| Part { projection: Projection::default(), rows };
            return (None, rows.into_iter().map(identity).collect());
        }
        let scatters: Vec<Scatter> = rows.iter().map(|rows| self.scatter(rows)).collect();
        let mut all = Scatter::new(dim, self.topics, &[]);
        scatters.iter().for_each(|scatter| all.add(scatter));
        let fitted: Vec<Projection> =
            scatters.into_par_iter().map(|scatter| Projection::fit(&all.without(&scatter))).collect();
        let parts = fitted.into_iter().zip(rows).map(|(projection, rows)| Part { projection, rows });
        (Some(all), parts.collect())
    }

    fn scatter(&self, rows: &[Vec<(usize, usize)>]) -> Scatter {
        let mut members = Vec::new();
        for (number, (set, rows)) in self.sets.iter().zip(rows).enumerate() {
            members.extend(rows.iter().map(|(at, row)| Member {
                row: set.vectors.row(*at),
                topic: self.golden.topics[*row],
                weight: self.weight(number, *row),
            }));
        }
        Scatter::new(self.golden.vectors.dim(), self.topics, &members)
    }

    /// The features of every row of every set, among the examples that are not `apart` from its own.
    fn features(&self, parts: &[Part], apart: impl Fn(usize, usize) -> bool + Sync) -> Vec<Vec<Option<Features>>> {
        let mut features: Vec<Vec<Option<Features>>> = self.sets.iter().map(|set| vec![None; set.rows.len()]).collect();
        for part in parts {
            let base = part.projection.apply(self.golden.vectors);
            let tightness = Tightness::new(&base, self.golden.topics, self.groups, self.topics);
            for ((set, rows), features) in self.sets.iter().zip(&part.rows).zip(&mut features) {
                let places: Vec<usize> = rows.iter().map(|(at, _)| *at).collect();
                let queries: Vectors = part.projection.apply(&set.vectors.select(&places));
                let excluded = |query: usize, other: usize| {
                    let row = rows[query].1;
                    self.groups[row] == self.groups[other] || apart(row, other)
                };
                let lists = top_k(&queries, &base, DEPTH, excluded);
                for (list, (at, row)) in lists.iter().zip(rows) {
                    let own = self.golden.topics[*row];
                    features[*at] =
                        Features::new(list.iter(), self.golden.topics, |topic| tightness.without(*row, own, topic));
                }
            }
        }
        features
    }
}
