//! Weighted spherical k-means.
//!
//! Dhillon and Modha (2001), "Concept decompositions for large sparse text data using clustering":
//! Lloyd's iterations with the cosine as similarity and centroids scaled to unit length. They never
//! lower the objective, the weighted sum of the similarities of the rows to their centroid.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::assign::{Assignment, assign};
use super::sample::row_weights;
use super::seeding::{SAME_DIRECTION, seed_centroids};
use crate::core::vector::Vectors;

/// Options of [`spherical_kmeans`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KMeansOptions {
    /// Number of runs from different seeds, the best of which is used; 0 counts as 1.
    pub restarts: usize,
    /// Maximum number of centroid updates per run; 0 counts as 1.
    pub max_iterations: usize,
    /// A run ends when an update raises the objective by at most this share of its value.
    pub tolerance: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Default for KMeansOptions {
    /// 3 restarts of at most 50 iterations, tolerance 1e-4, seed 0.
    fn default() -> Self {
        Self { restarts: 3, max_iterations: 50, tolerance: 1e-4, seed: 0 }
    }
}

/// A clustering of the rows of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// One unit row per cluster. Every cluster has at least one member.
    pub centroids: Vectors,
    /// The most similar cluster of each row; `None` for rows that are not embeddable.
    pub assignment: Vec<Option<usize>>,
    /// Cosine similarity of each row to its centroid; 0 for rows without a cluster.
    pub similarity: Vec<f32>,
    /// Weighted sum of the similarities, at most the sum of the weights. Higher is better.
    pub objective: f64,
}

/// What to do with a cluster that has lost all its members.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Empty {
    /// Move the worst-fitting row into it.
    Refill,
    /// Leave it without a centroid.
    Vanish,
}

/// Clusters the rows of `v` into at most `k` clusters: the best of several runs of weighted spherical k-means.
///
/// `weights` has one number per row; missing weights count as 1; negative, NaN or infinite ones count as 0. Rows of
/// weight 0 are assigned but do not affect centroids. `k` is reduced to the number of distinct directions among the
/// rows with weight (1 - cosine >= 4e-6); without any, there are no clusters. A cluster that loses all its members
/// restarts at the row that fits its centroid worst. The initial centroids are drawn by k-means++. If runs tie, the
/// earliest one is used.
pub fn spherical_kmeans(v: &Vectors, weights: &[f64], k: usize, options: &KMeansOptions) -> KMeans {
    let weights = row_weights(v, weights);
    let run = |restart: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(restart as u64);
        let start = seed_centroids(v, &weights, k, &mut rng);
        refine(v, &weights, start, options, Empty::Refill)
    };
    let first = run(0);
    let best = (1..options.restarts).map(run).fold(
        first,
        |best, next| {
            if next.objective > best.objective { next } else { best }
        },
    );
    best.without_empty_clusters()
}

/// Lloyd's iterations from given centroids. `weights` is as for [`seed_centroids`]. Clusters keep their numbers; with
/// [`Empty::Vanish`], the centroid of an empty cluster is an all-zero row.
pub(super) fn refine(v: &Vectors, weights: &[f64], start: Vectors, options: &KMeansOptions, empty: Empty) -> KMeans {
    let mut centroids = start;
    let mut assigned = assign(v, &centroids);
    let mut objective = weighted_similarity(&assigned, weights);
    for _ in 0..options.max_iterations.max(1) {
        let refilled = empty == Empty::Refill && refill(&mut assigned, weights, centroids.len());
        centroids = update(v, weights, &assigned, &centroids, empty);
        assigned = assign(v, &centroids);
        let before = objective;
        objective = weighted_similarity(&assigned, weights);
        if !refilled && objective - before <= options.tolerance * before.abs() {
            break;
        }
    }
    KMeans {
        centroids,
        assignment: assigned.iter().map(|a| a.map(|a| a.cluster)).collect(),
        similarity: assigned.iter().map(|a| a.map_or(0.0, |a| a.similarity)).collect(),
        objective,
    }
}

fn weighted_similarity(assigned: &[Option<Assignment>], weights: &[f64]) -> f64 {
    let terms = assigned.iter().zip(weights).filter_map(|(a, w)| a.map(|a| w * f64::from(a.similarity)));
    // An empty sum would be -0.
    terms.fold(0.0, |sum, term| sum + term)
}

/// Moves the worst-fitting row of a cluster with several members into each empty cluster. Returns whether any row was
/// moved.
fn refill(assigned: &mut [Option<Assignment>], weights: &[f64], k: usize) -> bool {
    let mut members = vec![0usize; k];
    for (a, _) in assigned.iter().flatten().zip(weights).filter(|(_, w)| **w > 0.0) {
        members[a.cluster] += 1;
    }
    let mut moved = false;
    for cluster in 0..k {
        if members[cluster] > 0 {
            continue;
        }
        let candidates = assigned.iter().zip(weights).enumerate();
        let movable =
            candidates.filter_map(|(i, (a, w))| a.filter(|a| *w > 0.0 && members[a.cluster] > 1).map(|a| (i, a)));
        let worst = movable.min_by(|(_, a), (_, b)| a.similarity.total_cmp(&b.similarity));
        // Moving a row that fits perfectly would only split a cluster of equal rows.
        let Some((i, from)) = worst.filter(|(_, a)| 1.0 - f64::from(a.similarity) >= SAME_DIRECTION) else {
            break;
        };
        members[from.cluster] -= 1;
        members[cluster] = 1;
        assigned[i] = Some(Assignment { cluster, similarity: 1.0 });
        moved = true;
    }
    moved
}

/// The direction of the weighted sum of each cluster's rows. A cluster without a direction (no members, or members that
/// cancel out) retains its previous centroid, or vanishes, depending on `empty`.
fn update(v: &Vectors, weights: &[f64], assigned: &[Option<Assignment>], previous: &Vectors, empty: Empty) -> Vectors {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); previous.len()];
    for (i, (a, _)) in assigned.iter().zip(weights).enumerate().filter(|(_, (_, w))| **w > 0.0) {
        if let Some(a) = a {
            members[a.cluster].push(i);
        }
    }
    // Each cluster is one unit of work, summed in row order.
    let sums: Vec<Vec<f64>> = members.par_iter().map(|rows| weighted_sum(v, weights, rows)).collect();
    let mut centroids = Vectors::with_capacity(v.dim(), previous.len());
    for (cluster, sum) in sums.iter().enumerate() {
        if empty == Empty::Refill && sum.iter().all(|&x| x == 0.0) {
            centroids.push_row(previous.row(cluster));
        } else {
            centroids.push_sum(sum);
        }
    }
    centroids
}

/// Weighted sum of rows, with `dim` components.
pub(super) fn weighted_sum(v: &Vectors, weights: &[f64], rows: &[usize]) -> Vec<f64> {
    let mut sum = vec![0.0f64; v.dim()];
    for &i in rows {
        let weight = weights[i];
        for (s, &x) in sum.iter_mut().zip(v.row(i)) {
            *s += weight * f64::from(x);
        }
    }
    sum
}

impl KMeans {
    /// Removes clusters without rows and renumbers the others in order.
    fn without_empty_clusters(mut self) -> Self {
        let mut number = vec![None; self.centroids.len()];
        for &cluster in self.assignment.iter().flatten() {
            number[cluster] = Some(0);
        }
        let stored: Vec<usize> = (0..number.len()).filter(|&c| number[c].is_some()).collect();
        for (new, &old) in stored.iter().enumerate() {
            number[old] = Some(new);
        }
        for cluster in &mut self.assignment {
            *cluster = cluster.and_then(|c| number[c]);
        }
        self.centroids = self.centroids.select(&stored);
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::super::adjusted_rand_index;
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        dim: usize,
        rows: Vec<f32>,
        weights: Vec<f64>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        k: usize,
        weighted: bool,
        objective: f64,
    }

    fn from_flat(dim: usize, rows: &[f32]) -> Vectors {
        let mut v = Vectors::new(dim);
        rows.chunks(dim).for_each(|row| v.push(row));
        v
    }

    /// `sizes[c]` rows around each of several random directions, in order.
    fn planted(sizes: &[usize], dim: usize, noise: f32, seed: u64) -> (Vectors, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut gauss = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let mut v = Vectors::new(dim);
        let mut labels = vec![];
        for (label, &size) in sizes.iter().enumerate() {
            let centre: Vec<f32> = (0..dim).map(|_| gauss()).collect();
            for _ in 0..size {
                let row: Vec<f32> = centre.iter().map(|c| c + noise * gauss()).collect();
                v.push(&row);
                labels.push(label);
            }
        }
        (v, labels)
    }

    #[test]
    fn the_objective_is_not_worse_than_scikit_learn() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../tests/fixtures/cluster/kmeans.json")).unwrap();
        let v = from_flat(fixture.dim, &fixture.rows);
        for case in fixture.cases {
            let weights = if case.weighted { fixture.weights.as_slice() } else { &[] };
            let fit = spherical_kmeans(&v, weights, case.k, &KMeansOptions::default());
            let ratio = fit.objective / case.objective;
            assert!(ratio > 0.99, "k {}: {} against {}", case.k, fit.objective, case.objective);
            assert!(fit.centroids.len() == case.k);
        }
    }

    #[test]
    fn planted_clusters_are_recovered() {
        for (seed, sizes) in [(1, vec![60, 60, 60, 60]), (2, vec![120, 40, 20, 30, 90]), (3, vec![30; 12])] {
            let (v, labels) = planted(&sizes, 24, 0.4, seed);
            let options = KMeansOptions { restarts: 10, seed, ..Default::default() };
            let fit = spherical_kmeans(&v, &[], sizes.len(), &options);
            let found: Vec<usize> = fit.assignment.into_iter().map(|c| c.unwrap()).collect();
            assert_eq!(adjusted_rand_index(&labels, &found), 1.0, "{sizes:?}");
        }
    }

    #[test]
    fn an_integer_weight_counts_as_that_many_equal_rows() {
        let (v, _) = planted(&[10, 10], 6, 0.3, 4);
        let weights: Vec<f64> = (0..20).map(|i| f64::from(i % 3)).collect();
        let repeated: Vec<usize> = (0..20).flat_map(|i| vec![i; i % 3]).collect();
        let options = KMeansOptions { tolerance: 0.0, ..Default::default() };
        let a = spherical_kmeans(&v, &weights, 2, &options);
        let b = spherical_kmeans(&v.select(&repeated), &[], 2, &options);
        assert!((a.objective - b.objective).abs() < 1e-5);
        assert!(a.assignment.iter().all(Option::is_some), "rows of weight 0 are assigned too");
    }

    #[test]
    fn k_is_reduced_to_the_number_of_distinct_directions() {
        let v = from_flat(2, &[1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 3.0]);
        let fit = spherical_kmeans(&v, &[], 4, &KMeansOptions::default());
        assert_eq!(fit.centroids.len(), 2);
        assert_eq!((fit.assignment[0], fit.assignment[2]), (fit.assignment[1], fit.assignment[4]));
        assert_eq!((fit.assignment[3], fit.similarity[3]), (None, 0.0));
        assert_eq!(fit.objective, 4.0);
    }

    #[test]
    fn without_rows_weight_or_k_there_are_no_clusters() {
        let v = from_flat(2, &[1.0, 0.0, 0.0, 1.0]);
        let options = KMeansOptions { restarts: 0, max_iterations: 0, tolerance: f64::NAN, seed: 9 };
        for (v, weights, k) in [
            (&v, vec![], 0),
            (&v, vec![0.0, f64::NAN], 2),
            (&Vectors::new(2), vec![], 2),
            (&Vectors::new(0), vec![], 2),
        ] {
            let fit = spherical_kmeans(v, &weights, k, &options);
            assert!(fit.centroids.is_empty() && fit.assignment.iter().all(Option::is_none) && fit.objective == 0.0);
            assert_eq!(fit.similarity.len(), v.len());
        }
        let opposite = from_flat(2, &[1.0, 0.0, -1.0, 0.0]);
        let fit = spherical_kmeans(&opposite, &[], 1, &options);
        assert_eq!(fit.centroids.len(), 1, "rows that cancel out retain the seed as centroid");
    }

    #[test]
    fn an_empty_cluster_restarts_at_the_worst_fitting_row() {
        let at = |cluster, similarity| Some(Assignment { cluster, similarity });
        let mut assigned = vec![at(0, 0.9), None, at(0, 0.2), at(0, 0.1), at(2, 0.0)];
        assert!(refill(&mut assigned, &[1.0, 0.0, 1.0, 0.0, 1.0], 3));
        assert_eq!(assigned, [at(0, 0.9), None, at(1, 1.0), at(0, 0.1), at(2, 0.0)]);
        let mut perfect = vec![at(0, 1.0), at(0, 1.0)];
        assert!(!refill(&mut perfect, &[1.0, 1.0], 2));
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
        let (v, _) = planted(&[150, 80, 300, 40, 10], 33, 1.5, 8);
        let weights: Vec<f64> = (0..v.len()).map(|i| 0.1 + (i % 7) as f64).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| spherical_kmeans(&v, &weights, 9, &KMeansOptions::default()))
        };
        let (one, four) = (run(1), run(4));
        let bits = |fit: &KMeans| fit.centroids.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&one), bits(&four));
        assert_eq!(one.objective.to_bits(), four.objective.to_bits());
        assert_eq!(one, four);
    }

    proptest! {
        #[test]
        fn a_fit_is_consistent_with_its_centroids(
            rows in proptest::collection::vec(proptest::collection::vec(-2i8..=2, 3), 0..60), k in 0usize..8, seed in any::<u64>()
        ) {
            let flat: Vec<f32> = rows.iter().flatten().map(|&x| f32::from(x)).collect();
            let v = from_flat(3, &flat);
            let fit = spherical_kmeans(&v, &[], k, &KMeansOptions { seed, ..Default::default() });
            let again = assign(&v, &fit.centroids);
            prop_assert!(fit.centroids.len() <= k);
            for (i, (found, nearest)) in fit.assignment.iter().zip(&again).enumerate() {
                prop_assert_eq!(*found, nearest.map(|a| a.cluster));
                prop_assert_eq!(found.is_some(), k > 0 && v.is_embeddable(i));
            }
            for cluster in 0..fit.centroids.len() {
                prop_assert!(fit.centroids.is_embeddable(cluster) && fit.assignment.contains(&Some(cluster)));
            }
        }
    }
}
