//! Groups of requests that no example represents.
//!
//! They are formed from unrepresented records only, not from a clustering of all traffic, whose clusters mix what the
//! set has with what it lacks. A single record's probability of being represented is uncertain; what the records around
//! it say as well is much less so; and what was as frequent in the reference window is at most as new as it was there. A
//! group is *concentrated*: its records are more similar to each other than to any example. New wording is not: it is
//! spread over all topics.

mod linkage;

use std::collections::{BTreeSet, HashMap};

use crate::core::coverage::{GoldenPoints, RecordCoverage};
use crate::core::domain::RecordIdx;
use crate::core::records::Records;
use crate::core::vector::{Neighbour, Vectors, dot, top_k};
use linkage::average_linkage;

/// Novelty from which a record may belong to a group. Records of new topics are seldom all beyond 0.5, because some of
/// their words occur in examples as well.
pub const NOVEL: f64 = 0.35;

/// The same where the reference window limits novelty, so that requests of known topics seldom exceed it.
const NOVEL_SINCE: f64 = 0.2;

/// A record less novel than this by itself has no neighbours looked up.
const LOOKED_UP: f64 = 0.2;

/// Number of neighbours whose novelty counts.
const NEIGHBOURS: usize = 8;

/// Weight of the neighbours' novelty.
const BY_NEIGHBOURS: f64 = 0.5;

/// Strength, in records, of the prior that requests are as frequent as in the reference window.
const AS_BEFORE: f64 = 2.0;

/// Similarity from which two records are near-duplicates, which say nothing about each other.
const NEAR_DUPLICATE: f32 = 0.95;

/// How similar the records of a group are on average, as a share of what the examples of a topic are: traffic varies
/// more than a set.
const AS_ALIKE: f64 = 0.9;

/// Fewest distinct texts in a group, and smallest share of the window's records.
const MIN_TEXTS: usize = 3;
const MIN_SHARE: f64 = 0.001;

/// Maximum numbers of records whose neighbours are looked up, of records among which these are, and of records that
/// are grouped. They bound time and memory; all others are added to the groups afterwards.
const MAX_QUERIES: usize = 4000;
const MAX_BASE: usize = 6000;
const MAX_GROUPED: usize = 1500;

/// What no example represents.
#[derive(Debug, Clone, Default)]
pub struct Unrepresented {
    /// How likely each record is not represented, judged by it and the records most similar to it, in [0, 1]. 0 for
    /// records with nothing to embed.
    pub novelty: Vec<f64>,
    /// The records of each group, in ascending order; the group with the most unrepresented traffic first.
    pub groups: Vec<Vec<RecordIdx>>,
}

/// The records of a window, and the coverage of each.
#[derive(Debug, Clone, Copy)]
pub struct Covered<'a> {
    /// The records.
    pub records: &'a Records<'a>,
    /// One entry per record.
    pub coverage: &'a [RecordCoverage],
}

/// Finds the groups in `now`; one needs at least `min_users` users or sessions.
pub fn unrepresented(
    now: Covered<'_>,
    reference: Option<Covered<'_>>,
    golden: GoldenPoints<'_>,
    min_users: usize,
) -> Unrepresented {
    let records = now.records;
    let window = Window::new(now);
    let novelty = window.novelty(reference.map(Window::new).as_ref());
    let cut = (AS_ALIKE * similarity_within_topics(golden)) as f32;
    let least = if reference.is_some() { NOVEL_SINCE } else { NOVEL };
    let mut groups = window.groups(&novelty, least, cut, min_users);
    let traffic = |group: &Vec<RecordIdx>| group.iter().map(|r| records.weights()[r.0] * novelty[r.0]).sum::<f64>();
    groups.sort_by(|a, b| traffic(b).total_cmp(&traffic(a)).then_with(|| a.cmp(b)));
    Unrepresented { novelty, groups }
}

/// Mean cosine similarity of two examples of the same topic; 1 if no topic has two examples.
fn similarity_within_topics(golden: GoldenPoints<'_>) -> f64 {
    let mut topics: HashMap<usize, (Vec<f64>, f64)> = HashMap::new();
    for (row, topic) in golden.topics.iter().enumerate().filter(|(row, _)| golden.vectors.is_embeddable(*row)) {
        let (sum, count) = topics.entry(*topic).or_insert_with(|| (vec![0.0; golden.vectors.dim()], 0.0));
        sum.iter_mut().zip(golden.vectors.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
        *count += 1.0;
    }
    let mut topics: Vec<(usize, f64, f64)> = topics
        .into_iter()
        .map(|(topic, (sum, count))| (topic, sum.iter().map(|x| x * x).sum::<f64>() - count, count * (count - 1.0)))
        .collect();
    // The order of a sum affects its last bits.
    topics.sort_unstable_by_key(|(topic, ..)| *topic);
    let (similarity, pairs) = topics.iter().fold((0.0, 0.0), |sum, (_, s, n)| (sum.0 + s, sum.1 + n));
    if pairs > 0.0 { similarity / pairs } else { 1.0 }
}

/// For each record, the first one with the same text and vector.
fn twins(records: &Records<'_>) -> Vec<usize> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let texts = records.texts().iter().enumerate();
    let same = |a: usize, b: usize| records.vectors().row(a) == records.vectors().row(b);
    texts
        .map(|(row, text)| Some(*first.entry(text).or_insert(row)).filter(|twin| same(*twin, row)).unwrap_or(row))
        .collect()
}

/// At most `count` of the rows, evenly spaced.
fn thinned(rows: Vec<usize>, count: usize) -> Vec<usize> {
    let step = rows.len().div_ceil(count).max(1);
    rows.into_iter().step_by(step).collect()
}

struct Window<'a> {
    records: &'a Records<'a>,
    covered: &'a [RecordCoverage],
    /// For each record, the first one with the same text.
    twins: Vec<usize>,
}

impl<'a> Window<'a> {
    fn new(window: Covered<'a>) -> Self {
        Self { records: window.records, covered: window.coverage, twins: twins(window.records) }
    }

    fn vectors(&self) -> &Vectors {
        self.records.vectors()
    }

    /// The first record of every text, if `counts` is true for it.
    fn distinct(&self, counts: impl Fn(usize) -> bool) -> Vec<usize> {
        let first = |row: &usize| self.twins[*row] == *row && self.vectors().is_embeddable(*row) && counts(*row);
        (0..self.records.len()).filter(first).collect()
    }

    fn novelty(&self, reference: Option<&Self>) -> Vec<f64> {
        let embeddable = |row: usize| self.vectors().is_embeddable(row);
        let own: Vec<f64> = self.covered.iter().map(|record| 1.0 - record.p_represented).collect();
        let own: Vec<f64> = own.iter().enumerate().map(|(row, own)| if embeddable(row) { *own } else { 0.0 }).collect();
        let queries = thinned(self.distinct(|row| own[row] > LOOKED_UP), MAX_QUERIES);
        let base = thinned(self.distinct(|_| true), MAX_BASE);
        // Twice as many, since near-duplicates are left out.
        let found =
            top_k(&self.vectors().part(&queries), &self.vectors().part(&base), 2 * NEIGHBOURS, |query, other| {
                queries[query] == base[other]
            });
        let found: Vec<Vec<Neighbour>> = found.into_iter().map(without_near_duplicates).collect();
        let mut novelty = own.clone();
        for (row, neighbours) in queries.iter().zip(&found) {
            let (sum, total) = neighbours.iter().fold((0.0, 0.0), |(sum, total), other| {
                let weight = f64::from(other.similarity.max(0.0)).powi(4);
                (sum + weight * own[base[other.index]], total + weight)
            });
            if total > 0.0 {
                novelty[*row] = (1.0 - BY_NEIGHBOURS) * own[*row] + BY_NEIGHBOURS * sum / total;
            }
        }
        if let Some(reference) = reference {
            let known = reference.represented_around(&self.vectors().part(&queries), &found, base.len());
            let known: HashMap<usize, f64> = queries.iter().copied().zip(known).collect();
            // A mean over the neighbours, since eight records say little about a frequency.
            let known_at = |row: usize| known.get(&row).copied().unwrap_or(1.0 - own[row]);
            for (row, neighbours) in queries.iter().zip(&found) {
                let around: f64 = neighbours.iter().map(|other| known_at(base[other.index])).sum();
                let mean = (known_at(*row) + around) / (neighbours.len() + 1) as f64;
                novelty[*row] = novelty[*row].min(1.0 - mean);
            }
        }
        self.twins.iter().enumerate().map(|(row, twin)| if embeddable(row) { novelty[*twin] } else { 0.0 }).collect()
    }

    /// What share of the requests around each query the reference window had, and represented. `found` are the
    /// neighbours of each query among `count` records of its own window.
    fn represented_around(&self, queries: &Vectors, found: &[Vec<Neighbour>], count: usize) -> Vec<f64> {
        let base = thinned(self.distinct(|_| true), MAX_BASE);
        let before = top_k(queries, &self.vectors().part(&base), 2 * NEIGHBOURS, |_, _| false);
        let represented = |(before, now): (&Vec<Neighbour>, &Vec<Neighbour>)| {
            let Some(farthest) = now.last() else { return 0.0 };
            let near = before.iter().filter(|other| other.similarity >= farthest.similarity);
            let (sum, near) = near.fold((0.0, 0.0), |(sum, near), other| {
                (sum + self.covered[base[other.index]].p_represented, near + 1.0)
            });
            let expected = now.len() as f64 * base.len() as f64 / count as f64;
            let as_frequent = ((near + AS_BEFORE) / (expected + AS_BEFORE)).min(1.0);
            if near > 0.0 { sum / near * as_frequent } else { 0.0 }
        };
        before.iter().zip(found).map(represented).collect()
    }

    fn groups(&self, novelty: &[f64], least: f64, cut: f32, min_users: usize) -> Vec<Vec<RecordIdx>> {
        let all = self.distinct(|row| novelty[row] > least);
        let pool = thinned(all.clone(), MAX_GROUPED);
        let clusters = average_linkage(&self.vectors().part(&pool), cut).into_iter();
        let clusters = clusters.map(|rows| rows.into_iter().map(|row| pool[row]).collect::<Vec<usize>>());
        let mut groups: Vec<Vec<usize>> = clusters.filter(|rows| self.is_concentrated(rows)).collect();
        if pool.len() < all.len() {
            self.add(&all, &pool, cut, &mut groups);
        }
        let with_twins = self.with_twins(&groups);
        with_twins.into_iter().filter(|group| self.is_large(group, min_users)).collect()
    }

    /// Whether there are several distinct texts, which are on average more similar to the two nearest of each other than
    /// to the nearest example.
    fn is_concentrated(&self, rows: &[usize]) -> bool {
        let vectors = self.vectors();
        let mut distinct: Vec<usize> = Vec::new();
        let mut ahead = 0.0;
        for row in rows {
            let near_duplicate = |other: &usize| dot(vectors.row(*row), vectors.row(*other)) >= NEAR_DUPLICATE;
            if distinct.len() < MIN_TEXTS && !distinct.iter().any(near_duplicate) {
                distinct.push(*row);
            }
            let others = rows.iter().filter(|other| *other != row);
            let mut similar: Vec<f32> = others.map(|other| dot(vectors.row(*row), vectors.row(*other))).collect();
            similar.sort_unstable_by(|a, b| b.total_cmp(a));
            let nearest = &similar[..similar.len().min(2)];
            let mean = nearest.iter().map(|s| f64::from(*s)).sum::<f64>() / nearest.len().max(1) as f64;
            ahead += mean - self.covered[*row].similarity;
        }
        distinct.len() >= MIN_TEXTS && ahead > 0.0
    }

    /// Adds the rows that are not in the pool to the group that they are most similar to on average, if that is at least
    /// `cut`, and higher than their similarity to the nearest example.
    fn add(&self, all: &[usize], pool: &[usize], cut: f32, groups: &mut [Vec<usize>]) {
        let pooled: BTreeSet<usize> = pool.iter().copied().collect();
        let means: Vec<Vec<f32>> = groups.iter().map(|rows| mean(self.vectors(), rows)).collect();
        for row in all.iter().filter(|row| !pooled.contains(row)) {
            let similarity =
                |mean: &Vec<f32>| -> f32 { self.vectors().row(*row).iter().zip(mean).map(|(x, y)| x * y).sum() };
            let best = means.iter().map(similarity).enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            let near = |found: &(usize, f32)| found.1 >= cut && f64::from(found.1) > self.covered[*row].similarity;
            if let Some((group, _)) = best.filter(near) {
                groups[group].push(*row);
            }
        }
    }

    /// Adds the records with the same texts, and sorts.
    fn with_twins(&self, groups: &[Vec<usize>]) -> Vec<Vec<RecordIdx>> {
        let members = groups.iter().enumerate().flat_map(|(group, rows)| rows.iter().map(move |row| (*row, group)));
        let group_of: HashMap<usize, usize> = members.collect();
        let mut found = vec![Vec::new(); groups.len()];
        for (row, twin) in self.twins.iter().enumerate() {
            if let Some(group) = group_of.get(twin) {
                found[*group].push(RecordIdx(row));
            }
        }
        found
    }

    fn is_large(&self, group: &[RecordIdx], min_users: usize) -> bool {
        let users: BTreeSet<usize> = group.iter().map(|record| self.records.groups()[record.0]).collect();
        users.len() >= min_users && group.len() as f64 >= MIN_SHARE * self.records.len() as f64
    }
}

/// The nearest eight that are not near-duplicates.
fn without_near_duplicates(neighbours: Vec<Neighbour>) -> Vec<Neighbour> {
    neighbours.into_iter().filter(|other| other.similarity < NEAR_DUPLICATE).take(NEIGHBOURS).collect()
}

fn mean(vectors: &Vectors, rows: &[usize]) -> Vec<f32> {
    let mut mean = vec![0.0; vectors.dim()];
    for row in rows {
        mean.iter_mut().zip(vectors.row(*row)).for_each(|(mean, x)| *mean += x / rows.len() as f32);
    }
    mean
}

#[cfg(test)]
mod tests;
