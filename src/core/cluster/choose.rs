//! Chooses the number of clusters by how well they separate records that took no part in the fit.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::kmeans::{KMeansOptions, spherical_kmeans};
use super::sample::{row_weights, sample, shuffled};
use crate::core::vector::{Vectors, near_duplicate_groups, top_k};

/// Maximum number of rows on which candidates are compared. Bounds the cost for any number of rows.
const MAX_ROWS: usize = 2000;

/// Number of rows that a small sample is measured on altogether, by splitting it several times.
const MIN_MEASURED: usize = 1000;

/// Minimum number of distinct rows per cluster, on average.
const ROWS_PER_CLUSTER: usize = 4;

/// Similarity from which rows are near-duplicates, which count as one row with the sum of their weights. With a lower one,
/// chains of similar rows would join a whole narrow subject.
const NEAR_DUPLICATE: f32 = 0.98;

/// A finer clustering may separate this much worse than the best one, as a share of its separation: a cluster of one
/// subject says more than one of two, and where separation hardly depends on k, coarse clusters are mixtures.
const TOLERANCE: f64 = 0.1;

/// The search ends when two successive candidates separate this much worse than the best one.
const HOPELESS: f64 = 0.2;

/// Options of [`choose_k`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChooseK {
    /// Numbers of clusters to try, in any order; 0 and repeats are ignored.
    pub candidates: Vec<usize>,
    /// Seed of all random choices.
    pub seed: u64,
}

/// The measurement for one number of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// Number of clusters.
    pub k: usize,
    /// Mean simplified silhouette of held-out rows, at most 1.
    pub separation: f64,
}

/// The chosen number of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KChoice {
    /// Number of clusters; 0 if no row can be clustered.
    pub k: usize,
    /// The candidates that were compared, by ascending k.
    pub trace: Vec<Separation>,
}

/// Chooses the candidate whose clusters best separate held-out rows.
///
/// The rows are split in halves. Each half is clustered, and the rows of the other half are described by their simplified
/// silhouette (Rousseeuw 1987; Hruschka, Campello & de Castro 2006): (similarity to the nearest centroid − similarity to
/// the second nearest) / (1 − similarity to the second nearest). Too few clusters mix subjects, so that their centroids
/// are far from everything; with too many, one subject has several centroids, and a new row lies between them. Since the
/// rows took no part in the fit, more clusters are not better in themselves. The largest candidate is chosen whose mean
/// is at most a tenth below the best one.
///
/// Near-duplicates (similarity ≥ 0.98) count as one row with the sum of their weights. At most 2,000 rows are used,
/// drawn at random among those with weight, so the cost does not grow with the number of rows. A candidate needs four
/// distinct rows per cluster; if none has them, k is the smallest candidate, or the number of distinct rows if these are
/// at most twice as many. Weights are as for [`spherical_kmeans`].
pub fn choose_k(v: &Vectors, weights: &[f64], options: &ChooseK) -> KChoice {
    let (rows, weights) = distinct_rows(v, weights, options.seed);
    let mut candidates: Vec<usize> = options.candidates.iter().copied().filter(|&k| k > 0).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let smallest = candidates.first().copied().unwrap_or(0);
    candidates.retain(|k| k * ROWS_PER_CLUSTER <= rows.len());
    if candidates.is_empty() {
        let k = if rows.len() <= 2 * smallest { rows.len() } else { smallest };
        return KChoice { k, trace: Vec::new() };
    }
    let splits = splits(rows.len(), options.seed);
    let mut trace: Vec<Separation> = Vec::with_capacity(candidates.len());
    for k in candidates {
        trace.push(Separation { k, separation: separation(&rows, &weights, &splits, k, options.seed) });
        let hopeless = best(&trace) * (1.0 - HOPELESS);
        if trace.len() > 2 && trace.iter().rev().take(2).all(|candidate| candidate.separation < hopeless) {
            break;
        }
    }
    let enough = best(&trace) - TOLERANCE * best(&trace).abs();
    let chosen = trace.iter().rev().find(|candidate| candidate.separation >= enough);
    KChoice { k: chosen.map_or(0, |candidate| candidate.k), trace }
}

fn best(trace: &[Separation]) -> f64 {
    trace.iter().map(|candidate| candidate.separation).fold(f64::NEG_INFINITY, f64::max)
}

/// One row of each group of near-duplicates in a sample, with the weight of the group.
fn distinct_rows(v: &Vectors, weights: &[f64], seed: u64) -> (Vectors, Vec<f64>) {
    let weights = row_weights(v, weights);
    let usable: Vec<usize> = (0..v.len()).filter(|&i| weights[i] > 0.0).collect();
    let drawn = sample(&usable, MAX_ROWS, &mut ChaCha8Rng::seed_from_u64(seed));
    let rows = v.select(&drawn);
    let (mut firsts, mut sums) = (Vec::new(), Vec::new());
    for (at, group) in near_duplicate_groups(&rows, NEAR_DUPLICATE).into_iter().enumerate() {
        // Groups are numbered in the order of their first rows.
        if group == firsts.len() {
            firsts.push(at);
            sums.push(0.0);
        }
        sums[group] += weights[drawn[at]];
    }
    (rows.select(&firsts), sums)
}

/// Halves of the rows. A small sample is split several times, since a single split would decide by chance.
fn splits(rows: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(1);
    let all: Vec<usize> = (0..rows).collect();
    let mut split = |_| {
        let mut order = shuffled(&all, rows, &mut random);
        let second = order.split_off(rows / 2);
        (order, second)
    };
    (0..(MIN_MEASURED / rows.max(1)).clamp(1, 4)).map(&mut split).collect()
}

/// Mean simplified silhouette of every row under the clusters of the other half.
fn separation(rows: &Vectors, weights: &[f64], splits: &[(Vec<usize>, Vec<usize>)], k: usize, seed: u64) -> f64 {
    let options = KMeansOptions { restarts: 1, max_iterations: 15, tolerance: 1e-3, seed };
    let (mut sum, mut total) = (0.0, 0.0);
    for (a, b) in splits {
        for (fitted, held_out) in [(a, b), (b, a)] {
            let of_fit: Vec<f64> = fitted.iter().map(|&i| weights[i]).collect();
            let fit = spherical_kmeans(&rows.select(fitted), &of_fit, k, &options);
            let nearest = top_k(&rows.select(held_out), &fit.centroids, 2, |_, _| false);
            for (&row, nearest) in held_out.iter().zip(&nearest) {
                total += weights[row];
                if let [first, second] = nearest[..] {
                    let room = (1.0 - f64::from(second.similarity)).max(f64::EPSILON);
                    sum += weights[row] * f64::from(first.similarity - second.similarity) / room;
                }
            }
        }
    }
    if total > 0.0 { sum / total } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn planted(groups: usize, per_group: usize, noise: f32) -> Vectors {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut gauss = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let centres: Vec<Vec<f32>> = (0..groups).map(|_| (0..12).map(|_| gauss()).collect()).collect();
        let mut v = Vectors::new(12);
        for i in 0..groups * per_group {
            let row: Vec<f32> = centres[i % groups].iter().map(|c| c + noise * gauss()).collect();
            v.push(&row);
        }
        v
    }

    fn options(candidates: &[usize]) -> ChooseK {
        ChooseK { candidates: candidates.to_vec(), seed: 0 }
    }

    #[test]
    fn the_planted_number_of_clusters_is_chosen_whether_few_or_many() {
        for (groups, candidates) in
            [(3, [2, 3, 5, 8]), (7, [3, 5, 7, 12]), (16, [4, 8, 16, 32]), (40, [10, 20, 40, 64])]
        {
            let choice = choose_k(&planted(groups, 40, 0.25), &[], &options(&candidates));
            assert_eq!(choice.k, groups, "{choice:?}");
        }
    }

    #[test]
    fn without_any_structure_a_coarse_candidate_is_chosen() {
        let choice = choose_k(&planted(1, 400, 3.0), &[], &options(&[4, 8, 12, 16, 24, 32, 48]));
        assert!(choice.k <= 12, "{choice:?}");
    }

    #[test]
    fn the_search_ends_when_candidates_only_get_worse() {
        let choice = choose_k(&planted(3, 100, 0.25), &[], &options(&[2, 3, 6, 12, 16, 24, 32]));
        assert!(choice.k == 3 && choice.trace.len() < 7, "{choice:?}");
    }

    #[test]
    fn repeated_texts_neither_form_clusters_of_their_own_nor_lose_their_weight() {
        let (mut v, mut weights) = (planted(5, 60, 0.25), vec![1.0; 300]);
        let once = choose_k(&v, &weights, &options(&[3, 5, 8, 12]));
        for row in 0..20 {
            let copy = v.row(row).to_vec();
            (0..30).for_each(|_| v.push(&copy));
            weights.extend([1.0; 30]);
        }
        let repeated = choose_k(&v, &weights, &options(&[3, 5, 8, 12]));
        assert_eq!((once.k, repeated.k), (5, 5), "{once:?} {repeated:?}");
    }

    #[test]
    fn degenerate_inputs_have_a_result() {
        let same = |count: usize| {
            let mut v = Vectors::new(2);
            (0..count).for_each(|_| v.push(&[1.0, 1.0]));
            v
        };
        let nothing = {
            let mut v = Vectors::new(2);
            (0..50).for_each(|_| v.push(&[0.0, 0.0]));
            v
        };
        let cases = [
            (Vectors::new(3), vec![2, 3], 0),
            (nothing, vec![2, 3], 0),
            (same(1), vec![4], 1),
            (same(100), vec![4, 8], 1),
            (same(5), vec![], 0),
            (planted(6, 1, 1.0), vec![4, 8], 6),
            (planted(12, 1, 1.0), vec![4, 8], 4),
            (planted(2, 40, 0.1), vec![2], 2),
        ];
        for (v, candidates, k) in cases {
            assert_eq!(choose_k(&v, &[], &options(&candidates)).k, k, "{} rows, {candidates:?}", v.len());
        }
        assert_eq!(choose_k(&planted(2, 40, 0.1), &[0.0; 80], &options(&[2])).k, 0, "without weight");
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let v = planted(5, 60, 1.0);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| choose_k(&v, &[], &options(&[3, 5, 8])))
        };
        assert_eq!(serde_json::to_string(&run(1)).unwrap(), serde_json::to_string(&run(4)).unwrap());
    }
}
