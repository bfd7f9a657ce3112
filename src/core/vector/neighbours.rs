//! Exact nearest neighbours by cosine similarity.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Vectors, tile};

/// Query rows per unit of parallel work.
const QUERY_BLOCK: usize = 16;

/// Number of base rows whose similarities are computed at a time.
const BASE_BLOCK: usize = 256;

/// A row of the base matrix and its cosine similarity to the query, in [-1, 1] up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Row number in the base matrix.
    pub index: usize,
    /// Cosine similarity.
    pub similarity: f32,
}

/// Orders by similarity; if tied, the lower index is greater.
#[derive(Clone, Copy)]
struct Fit(Neighbour);

impl Ord for Fit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.similarity.total_cmp(&other.0.similarity).then(other.0.index.cmp(&self.0.index))
    }
}

impl PartialOrd for Fit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Fit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fit {}

/// For each query row, finds exactly the `k` most similar base rows, in descending order of similarity, ties to the
/// lower index.
///
/// `exclude(query, base)` is called with row numbers, and a pair is dropped if it returns true. Rows that are not
/// embeddable never appear in results, and get an empty list as queries; so does every query if the dimensions differ
/// or `k` is 0. A list is shorter than `k` if too few rows are left. Takes queries x base x dimension time, and a few
/// tiles of memory per thread beyond the result.
pub fn top_k(
    queries: &Vectors,
    base: &Vectors,
    k: usize,
    exclude: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Vec<Neighbour>> {
    if k == 0 || queries.dim() != base.dim() {
        return vec![Vec::new(); queries.len()];
    }
    let usable: Vec<bool> = (0..base.len()).map(|j| base.is_embeddable(j)).collect();
    let starts: Vec<usize> = (0..queries.len()).step_by(QUERY_BLOCK).collect();
    let blocks: Vec<Vec<Vec<Neighbour>>> =
        starts.par_iter().map(|&start| block_top_k(queries, start, base, &usable, k, &exclude)).collect();
    blocks.into_iter().flatten().collect()
}

fn block_top_k(
    queries: &Vectors,
    start: usize,
    base: &Vectors,
    usable: &[bool],
    k: usize,
    exclude: &(impl Fn(usize, usize) -> bool + Sync),
) -> Vec<Vec<Neighbour>> {
    let block = start..(start + QUERY_BLOCK).min(queries.len());
    // The worst of the best neighbours so far is on top of each heap.
    let mut stored: Vec<BinaryHeap<Reverse<Fit>>> = vec![BinaryHeap::new(); block.len()];
    let mut similarities = Vec::new();
    for b0 in (0..base.len()).step_by(BASE_BLOCK) {
        let b1 = (b0 + BASE_BLOCK).min(base.len());
        tile(queries, block.clone(), base, b0..b1, &mut similarities);
        for ((query, heap), row) in block.clone().zip(&mut stored).zip(similarities.chunks_exact(b1 - b0)) {
            if !queries.is_embeddable(query) {
                continue;
            }
            for (index, &similarity) in (b0..b1).zip(row) {
                let fit = Fit(Neighbour { index, similarity });
                let better = heap.len() < k || heap.peek().is_some_and(|worst| fit > worst.0);
                if better && usable[index] && !exclude(query, index) {
                    if heap.len() == k {
                        heap.pop();
                    }
                    heap.push(Reverse(fit));
                }
            }
        }
    }
    // Ascending order of reversed neighbours is best first.
    stored.into_iter().map(|heap| heap.into_sorted_vec().into_iter().map(|fit| fit.0.0).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::dot;
    use super::*;
    use proptest::prelude::*;

    fn brute_force(
        queries: &Vectors,
        base: &Vectors,
        k: usize,
        exclude: impl Fn(usize, usize) -> bool,
    ) -> Vec<Vec<Neighbour>> {
        let list = |q: usize| {
            let mut all: Vec<Neighbour> = (0..base.len())
                .filter(|&b| queries.is_embeddable(q) && base.is_embeddable(b) && !exclude(q, b))
                .map(|index| Neighbour { index, similarity: dot(queries.row(q), base.row(index)) })
                .collect();
            all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
            all.truncate(k);
            all
        };
        (0..queries.len()).map(list).collect()
    }

    /// Few distinct directions, so that ties and zero rows are frequent.
    fn matrix(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vectors> {
        proptest::collection::vec(proptest::collection::vec(-1i8..=1, 3), rows).prop_map(|rows| {
            let mut v = Vectors::new(3);
            rows.iter().for_each(|r| v.push(&[f32::from(r[0]), f32::from(r[1]), f32::from(r[2])]));
            v
        })
    }

    #[test]
    fn degenerate_inputs_give_empty_lists() {
        let mut v = Vectors::new(2);
        v.push(&[1.0, 0.0]);
        v.push(&[0.0, 0.0]);
        assert_eq!(top_k(&v, &v, 0, |_, _| false), vec![vec![]; 2]);
        assert_eq!(top_k(&v, &Vectors::new(3), 2, |_, _| false), vec![vec![]; 2]);
        assert_eq!(top_k(&v, &Vectors::new(2), 2, |_, _| false), vec![vec![]; 2]);
        assert!(top_k(&Vectors::new(2), &v, 2, |_, _| false).is_empty());
        assert_eq!(top_k(&v, &v, 5, |q, b| q == b), vec![vec![]; 2]);
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let mut v = Vectors::new(19);
        for i in 0..700u32 {
            let row: Vec<f32> = (0..19).map(|d| ((i * 31 + d * 17) % 101) as f32 - 50.0).collect();
            v.push(&row);
        }
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| top_k(&v, &v, 7, |q, b| q == b))
        };
        let one = run(1);
        assert_eq!(one, run(4));
        assert_eq!(one, brute_force(&v, &v, 7, |q, b| q == b));
    }

    proptest! {
        #[test]
        fn the_result_matches_brute_force(queries in matrix(0..40), base in matrix(0..300), k in 1usize..12, modulus in 2usize..9) {
            let exclude = |q: usize, b: usize| (q + b).is_multiple_of(modulus);
            prop_assert_eq!(top_k(&queries, &base, k, exclude), brute_force(&queries, &base, k, exclude));
        }
    }
}
