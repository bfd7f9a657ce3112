//! Chooses the number of clusters by stability under resampling.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::agreement::adjusted_rand_index;
use super::assign::assign;
use super::kmeans::{KMeans, KMeansOptions, spherical_kmeans};
use super::sample::{row_weights, sample};
use crate::core::vector::Vectors;

/// Maximum number of rows from which a pair of subsamples is drawn. Bounds the cost for any number of rows.
const MAX_POOL: usize = 4000;

/// Share of the weight that may lie in clusters below the minimum weight, since real traffic has a few rare subjects.
const SMALL_SHARE: f64 = 0.05;

/// Smallest k considered if no candidate is stable, unless all candidates are smaller. The coarsest splits are nearly
/// always the most stable, so stability alone would favour k = 2, which is not informative.
const FALLBACK_K: usize = 8;

/// Options of [`choose_k`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChooseK {
    /// Numbers of clusters to try, in any order; 0 and repeats are ignored.
    pub candidates: Vec<usize>,
    /// Smallest mean adjusted Rand index of a stable clustering, at most 1.
    pub min_ari: f64,
    /// Number of pairs of subsamples; 0 counts as 1.
    pub subsamples: usize,
    /// Share of the rows in each subsample, in [0.5, 1]. Other values are clamped; NaN counts as 0.8.
    pub fraction: f64,
    /// Minimum weight that a cluster should have.
    pub min_cluster_weight: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Default for ChooseK {
    /// 4 to 64 clusters, adjusted Rand index of 0.75 over 4 pairs of subsamples of 80 %, weight 20,
    /// seed 0.
    fn default() -> Self {
        let candidates = vec![4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 50, 64];
        Self { candidates, min_ari: 0.75, subsamples: 4, fraction: 0.8, min_cluster_weight: 20.0, seed: 0 }
    }
}

/// The measurements for one number of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KStability {
    /// Number of clusters.
    pub k: usize,
    /// Mean adjusted Rand index over the pairs of subsamples, on their common rows.
    pub mean_ari: f64,
    /// Weight of the smallest cluster when all rows are assigned to the clusters of a subsample.
    pub smallest_cluster_weight: f64,
    /// Share of the weight of all rows that lies in clusters below [`ChooseK::min_cluster_weight`],
    /// in [0, 1].
    pub small_cluster_share: f64,
}

/// The chosen number of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KChoice {
    /// Number of clusters; 0 if no row can be clustered.
    pub k: usize,
    /// The reason for the choice, in one sentence.
    pub reason: String,
    /// The candidates by ascending k, without those above the number of distinct rows in a subsample.
    pub trace: Vec<KStability>,
}

/// A random subset of the rows, with ascending row numbers.
struct Subsample {
    rows: Vec<usize>,
    vectors: Vectors,
    weights: Vec<f64>,
    seed: u64,
}

/// Chooses the largest candidate whose clustering is stable and whose clusters are not too small.
///
/// Stability (Ben-Hur, Elisseeff and Guyon 2002): pairs of overlapping subsamples are clustered separately and compared
/// on their common rows by the adjusted Rand index; the mean over the pairs must be at least `min_ari`. At most 5 % of
/// the weight may lie in clusters below `min_cluster_weight`, measured by assigning all rows to the clusters of one
/// subsample. The largest stable candidate is chosen, since a finer clustering that is reproducible is more
/// informative. If no candidate passes, the one with the highest mean index among those with k >= 8 is chosen if there
/// are any, the larger one if tied: coarse splits are nearly always stable, so stability alone would favour k = 2.
/// `reason` states which rule decided.
///
/// Each pair is drawn from at most 4,000 rows, each row with weight equally likely, so the cost does not grow with the
/// number of rows, apart from one assignment of all rows per candidate. Weights are as for [`spherical_kmeans`]. With k
/// = 1, every clustering is stable.
pub fn choose_k(v: &Vectors, weights: &[f64], options: &ChooseK) -> KChoice {
    let weights = row_weights(v, weights);
    let pairs = draw_pairs(v, &weights, options);
    let mut candidates: Vec<usize> = options.candidates.iter().copied().filter(|&k| k > 0).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let mut trace = Vec::with_capacity(candidates.len());
    for &k in &candidates {
        match stability(v, &weights, &pairs, k, options) {
            Ok(measured) => trace.push(measured),
            // Larger candidates are not possible either.
            Err(distinct) if trace.is_empty() => {
                let reason = format!("every candidate is above the number of distinct rows, {distinct}");
                return KChoice { k: distinct, reason, trace };
            }
            Err(_) => break,
        }
    }
    decide(trace, options)
}

fn draw_pairs(v: &Vectors, weights: &[f64], options: &ChooseK) -> Vec<(Subsample, Subsample)> {
    let fraction = if options.fraction.is_nan() { 0.8 } else { options.fraction.clamp(0.5, 1.0) };
    let all: Vec<usize> = (0..v.len()).filter(|&i| weights[i] > 0.0).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut pair = |_| {
        let pool = sample(&all, MAX_POOL, &mut rng);
        let size = (pool.len() as f64 * fraction).ceil() as usize;
        let mut draw = || {
            let rows = sample(&pool, size, &mut rng);
            Subsample {
                vectors: v.select(&rows),
                weights: rows.iter().map(|&i| weights[i]).collect(),
                seed: rng.random(),
                rows,
            }
        };
        (draw(), draw())
    };
    (0..options.subsamples.max(1)).map(&mut pair).collect()
}

/// Measures the stability of `k` clusters. Returns the possible number of clusters as an error if the first subsample
/// has fewer than `k` distinct rows.
fn stability(
    v: &Vectors,
    weights: &[f64],
    pairs: &[(Subsample, Subsample)],
    k: usize,
    options: &ChooseK,
) -> Result<KStability, usize> {
    let mut total_ari = 0.0;
    let mut small = (0.0, 0.0);
    for (number, (a, b)) in pairs.iter().enumerate() {
        let fit_a = a.cluster(k);
        if number == 0 {
            if fit_a.centroids.len() < k {
                return Err(fit_a.centroids.len());
            }
            small = small_clusters(v, weights, &fit_a.centroids, options.min_cluster_weight);
        }
        total_ari += agreement_on_common_rows(a, &fit_a, b, &b.cluster(k));
    }
    let mean_ari = total_ari / pairs.len().max(1) as f64;
    Ok(KStability { k, mean_ari, smallest_cluster_weight: small.0, small_cluster_share: small.1 })
}

impl Subsample {
    fn cluster(&self, k: usize) -> KMeans {
        // Fewer iterations than in a final fit, since later ones move few rows.
        let options = KMeansOptions { restarts: 3, max_iterations: 30, tolerance: 1e-4, seed: self.seed };
        spherical_kmeans(&self.vectors, &self.weights, k, &options)
    }
}

/// The weight of the smallest cluster, and the share of the weight in clusters below `minimum`, over all rows.
fn small_clusters(v: &Vectors, weights: &[f64], centroids: &Vectors, minimum: f64) -> (f64, f64) {
    let mut by_cluster = vec![0.0; centroids.len()];
    for (a, w) in assign(v, centroids).iter().zip(weights) {
        if let Some(a) = a {
            by_cluster[a.cluster] += w;
        }
    }
    let total: f64 = by_cluster.iter().sum();
    // An empty sum would be -0.
    let small = by_cluster.iter().filter(|&&w| w < minimum).fold(0.0, |sum, w| sum + w);
    (by_cluster.iter().copied().reduce(f64::min).unwrap_or(0.0), if total > 0.0 { small / total } else { 0.0 })
}

fn agreement_on_common_rows(a: &Subsample, fit_a: &KMeans, b: &Subsample, fit_b: &KMeans) -> f64 {
    let place_in_b = |row: usize| b.rows.binary_search(&row).ok();
    let common = a.rows.iter().enumerate().filter_map(|(i, &row)| Some((i, place_in_b(row)?)));
    let (labels_a, labels_b): (Vec<usize>, Vec<usize>) =
        common.filter_map(|(i, j)| fit_a.assignment[i].zip(fit_b.assignment[j])).unzip();
    adjusted_rand_index(&labels_a, &labels_b)
}

fn decide(trace: Vec<KStability>, options: &ChooseK) -> KChoice {
    let ChooseK { min_ari, min_cluster_weight, .. } = options;
    let passes = |s: &&KStability| s.mean_ari >= *min_ari && s.small_cluster_share <= SMALL_SHARE;
    let rule = format!(
        "mean adjusted Rand index of at least {min_ari} and at most 5 % of the weight in clusters below {min_cluster_weight}"
    );
    let (k, reason) = if let Some(s) = trace.iter().rev().find(passes) {
        (s.k, format!("k = {} is the largest candidate with a {rule}: its index is {:.3}", s.k, s.mean_ari))
    } else {
        let fine = trace.iter().filter(|s| s.k >= FALLBACK_K);
        let most_stable = |s: &&KStability, t: &&KStability| s.mean_ari.total_cmp(&t.mean_ari).then(s.k.cmp(&t.k));
        let fine = fine.max_by(most_stable).map(|s| (s, " among those with k >= 8"));
        match fine.or_else(|| trace.iter().max_by(most_stable).map(|s| (s, ""))) {
            Some((s, among)) => {
                (s.k, format!("no candidate has a {rule}; k = {} has the highest index{among}, {:.3}", s.k, s.mean_ari))
            }
            None => (0, "there are no candidates".to_owned()),
        }
    };
    KChoice { k, reason, trace }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ChooseK { candidates: candidates.to_vec(), ..Default::default() }
    }

    #[test]
    fn the_planted_number_of_clusters_is_chosen() {
        let v = planted(7, 50, 0.25);
        let choice = choose_k(&v, &[], &options(&[12, 2, 4, 7, 7, 0, 10]));
        assert_eq!(choice.k, 7, "{choice:?}");
        assert_eq!(choice.trace.iter().map(|s| s.k).collect::<Vec<_>>(), [2, 4, 7, 10, 12]);
        let seven = &choice.trace[2];
        assert!(seven.mean_ari > 0.99 && seven.smallest_cluster_weight == 50.0 && seven.small_cluster_share == 0.0);
        assert!(choice.reason.contains("largest candidate"), "{}", choice.reason);
    }

    #[test]
    fn clusters_below_the_minimum_weight_exclude_a_candidate() {
        let v = planted(7, 10, 0.2);
        let choice = choose_k(&v, &[], &options(&[1, 7]));
        let seven = &choice.trace[1];
        assert!(seven.mean_ari > 0.95 && seven.small_cluster_share == 1.0);
        assert_eq!(choice.k, 1);
        assert_eq!(choose_k(&v, &[2.0; 70], &options(&[1, 7])).k, 7, "weights count, not rows");
    }

    #[test]
    fn without_a_stable_candidate_the_most_stable_one_from_eight_on_is_chosen() {
        let v = planted(1, 400, 3.0);
        let choice = choose_k(&v, &[], &options(&[2, 9, 13, 17]));
        let fine = choice.trace.iter().filter(|s| s.k >= 8);
        let best = fine.max_by(|a, b| a.mean_ari.total_cmp(&b.mean_ari)).unwrap();
        assert_eq!(choice.k, best.k);
        assert!(choice.reason.starts_with("no candidate has") && choice.reason.contains("k >= 8"), "{}", choice.reason);
    }

    #[test]
    fn degenerate_inputs_have_a_result() {
        let one_direction = {
            let mut v = Vectors::new(2);
            (0..5).for_each(|_| v.push(&[1.0, 1.0]));
            v
        };
        let cases = [
            (Vectors::new(3), vec![2, 3], 0, "distinct rows, 0"),
            (one_direction.clone(), vec![2, 3], 1, "distinct rows, 1"),
            (one_direction.clone(), vec![], 0, "no candidates"),
            (planted(2, 40, 0.1), vec![2], 2, "largest candidate"),
        ];
        for (v, candidates, k, reason) in cases {
            let odd = ChooseK { subsamples: 0, fraction: f64::NAN, ..options(&candidates) };
            let choice = choose_k(&v, &[], &odd);
            assert!(choice.k == k && choice.reason.contains(reason), "{choice:?}");
        }
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
