//! Groups of near-duplicate rows.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Vectors, tile};

/// Rows per unit of parallel work.
const BLOCK: usize = 64;

/// Number of rows compared with a block at a time.
const OTHERS: usize = 256;

/// Number of blocks whose edges are collected before they are merged.
const BATCH: usize = 32;

/// The group number of each row. Rows connected by a chain of pairs with similarity >= `threshold` share a group
/// (connected components, that is, single linkage). Groups are numbered from 0 in the order of their first members.
/// Rows with equal bits have similarity 1.
///
/// A row that is not embeddable is a group of its own, and so is every row if `threshold` is NaN or above 1. Every pair
/// of distinct rows is compared, which takes rows^2 x dimension / 2 time; memory is linear in the number of rows,
/// regardless of the number of matching pairs.
pub fn near_duplicate_groups(v: &Vectors, threshold: f32) -> Vec<usize> {
    let mut forest = Forest::new(v.len());
    if threshold <= 1.0 {
        let distinct = join_equal_rows(v, &mut forest);
        join_similar_rows(&v.select(&distinct), &distinct, threshold, &mut forest);
    }
    let mut numbers = BTreeMap::new();
    (0..v.len())
        .map(|i| {
            let next = numbers.len();
            *numbers.entry(forest.root(i)).or_insert(next)
        })
        .collect()
}

/// Joins embeddable rows with equal bits and returns the first row of each set, in ascending order. Repeated texts are
/// frequent and need no search.
fn join_equal_rows(v: &Vectors, forest: &mut Forest) -> Vec<usize> {
    let mut order: Vec<usize> = (0..v.len()).filter(|&i| v.is_embeddable(i)).collect();
    order.par_sort_unstable_by(|&a, &b| compare(v.row(a), v.row(b)).then(a.cmp(&b)));
    let mut distinct = Vec::new();
    for run in order.chunk_by(|&a, &b| compare(v.row(a), v.row(b)).is_eq()) {
        let mut rows = run.iter();
        if let Some(&first) = rows.next() {
            distinct.push(first);
            rows.for_each(|&other| forest.join(first, other));
        }
    }
    distinct.sort_unstable();
    distinct
}

fn compare(a: &[f32], b: &[f32]) -> std::cmp::Ordering {
    let different = a.iter().zip(b).map(|(x, y)| x.total_cmp(y)).find(|order| order.is_ne());
    different.unwrap_or(std::cmp::Ordering::Equal)
}

/// Joins the similar rows of `rows`, whose numbers in `forest` are `names`.
fn join_similar_rows(rows: &Vectors, names: &[usize], threshold: f32, forest: &mut Forest) {
    let starts: Vec<usize> = (0..rows.len()).step_by(BLOCK).collect();
    for batch in starts.chunks(BATCH) {
        let edges: Vec<Vec<(usize, usize)>> =
            batch.par_iter().map(|&start| block_edges(rows, start, threshold)).collect();
        for (a, b) in edges.into_iter().flatten() {
            forest.join(names[a], names[b]);
        }
    }
}

/// Edges that connect the same rows as all similar pairs of the block's rows with each other and with later rows. At
/// most one per row of the matrix, since two rows of the block that share a neighbour are joined within the block.
fn block_edges(rows: &Vectors, start: usize, threshold: f32) -> Vec<(usize, usize)> {
    let block = start..(start + BLOCK).min(rows.len());
    let mut within = Forest::new(block.len());
    let mut edges = Vec::new();
    let mut similarities = Vec::new();
    for o0 in (start..rows.len()).step_by(OTHERS) {
        let o1 = (o0 + OTHERS).min(rows.len());
        tile(rows, o0..o1, rows, block.clone(), &mut similarities);
        for (other, row) in (o0..o1).zip(similarities.chunks_exact(block.len())) {
            let mut matches =
                (0..block.len()).zip(row).filter(|&(i, &s)| s >= threshold && start + i < other).map(|(i, _)| i);
            if let Some(first) = matches.next() {
                edges.push((start + first, other));
                matches.for_each(|i| within.join(first, i));
            }
        }
    }
    edges.extend((0..block.len()).map(|i| (start + within.root(i), start + i)).filter(|(a, b)| a != b));
    edges
}

/// Disjoint sets; the root of a set is its lowest member.
struct Forest {
    parent: Vec<usize>,
}

impl Forest {
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect() }
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            // Path halving shortens later walks.
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dot;
    use super::*;
    use proptest::prelude::*;

    fn brute_force(v: &Vectors, threshold: f32) -> Vec<usize> {
        let mut group: Vec<usize> = (0..v.len()).collect();
        for i in 0..v.len() {
            for j in 0..i {
                let equal = threshold <= 1.0 && v.row(i) == v.row(j);
                if v.is_embeddable(i) && v.is_embeddable(j) && (equal || dot(v.row(i), v.row(j)) >= threshold) {
                    let (from, to) = (group[i].max(group[j]), group[i].min(group[j]));
                    group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
                }
            }
        }
        let mut seen = vec![];
        group
            .iter()
            .map(|g| {
                if !seen.contains(g) {
                    seen.push(*g);
                }
                seen.iter().position(|s| s == g).unwrap()
            })
            .collect()
    }

    fn matrix() -> impl Strategy<Value = Vectors> {
        proptest::collection::vec(proptest::collection::vec(-3i8..=3, 2), 0..200).prop_map(|rows| {
            let mut v = Vectors::new(2);
            rows.iter().for_each(|r| v.push(&[f32::from(r[0]), f32::from(r[1])]));
            v
        })
    }

    #[test]
    fn a_chain_of_similar_rows_is_one_group() {
        let mut v = Vectors::new(2);
        for degrees in [0.0f32, 90.0, 10.0, 20.0, 99.0, 180.0] {
            let angle = degrees.to_radians();
            v.push(&[angle.cos(), angle.sin()]);
        }
        v.push(&[0.0, 0.0]);
        v.push(&[0.0, 0.0]);
        assert_eq!(near_duplicate_groups(&v, 11f32.to_radians().cos()), [0, 1, 0, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn equal_rows_share_a_group_at_threshold_one_and_no_rows_do_above_it() {
        let mut v = Vectors::new(3);
        for _ in 0..2 {
            v.push(&[0.1, 0.7, 0.3]);
            v.push(&[0.3, 0.3, 0.1]);
        }
        assert_eq!(near_duplicate_groups(&v, 1.0), [0, 1, 0, 1]);
        assert_eq!(near_duplicate_groups(&v, 1.5), [0, 1, 2, 3]);
        assert_eq!(near_duplicate_groups(&v, f32::NAN), [0, 1, 2, 3]);
        assert!(near_duplicate_groups(&Vectors::new(3), 0.9).is_empty());
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let mut v = Vectors::new(8);
        for i in 0..3000u32 {
            let row: Vec<f32> = (0..8).map(|d| ((i * 7919 + d * 104_729) % 997) as f32 - 498.0).collect();
            v.push(&row);
        }
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| near_duplicate_groups(&v, 0.95))
        };
        let one = run(1);
        assert_eq!(one, run(4));
        let groups = one.iter().max().unwrap() + 1;
        assert!((2..3000).contains(&groups), "{groups} groups");
    }

    proptest! {
        #[test]
        fn the_groups_match_brute_force(v in matrix(), threshold in 0.8f32..1.01) {
            prop_assert_eq!(near_duplicate_groups(&v, threshold), brute_force(&v, threshold));
        }
    }
}
