//! Methods on k-means clusters.

use karat::cluster::{KMeans, KMeansOptions, assign, spherical_kmeans};
use karat::stats::g_test;
use karat::vector::Vectors;

use super::coverage::{novelty, share};
use super::{BaselineResult, Trial};

/// The target number of records per cluster, and bounds on the number of clusters.
const RECORDS_PER_CLUSTER: usize = 20;
const FEWEST: usize = 8;
const MOST: usize = 64;

/// Iterations of k-means; one run without restarts.
const ITERATIONS: usize = 10;

/// Rows of each side that the pooled clusters are fitted on, at most.
const FIT_ROWS: usize = 500;

/// Level of the G test.
const LEVEL: f64 = 0.05;

/// The index above which practitioners speak of a large shift.
const PSI_CUT: f64 = 0.25;

/// The share that replaces that of an empty cluster in the index.
const EMPTY_SHARE: f64 = 1e-4;

/// Counts over the pooled clusters of the earlier side and of `now`.
pub(super) type Counts = [Vec<f64>; 2];

/// Traffic share of the clusters that contain a golden example: spherical k-means on `now` with one cluster per 20
/// records, between 8 and 64; a golden example belongs to the cluster of its nearest centroid, however far, so examples
/// of topics that have left the traffic cover other clusters. Novelty is 1 in a cluster without an example and 0
/// otherwise.
pub fn counting(trial: &Trial) -> BaselineResult {
    let fit = kmeans(trial.now, trial.now.len(), trial.seed);
    let mut held = vec![false; fit.centroids.len()];
    let examples = assign(trial.golden, &fit.centroids);
    if examples.iter().all(Option::is_none) {
        return BaselineResult::default();
    }
    for example in examples.iter().flatten() {
        held[example.cluster] = true;
    }
    let empty = |cluster: usize| if held[cluster] { 0.0 } else { 1.0 };
    let scores: Vec<Option<f64>> = fit.assignment.iter().map(|cluster| cluster.map(empty)).collect();
    let coverage = share(&scores, |empty| empty == 0.0);
    BaselineResult { coverage, novelty: coverage.map(|_| novelty(&scores, |empty| empty)), alarm: None }
}

/// G test of homogeneity of the cluster counts of both sides, alarm at p < 0.05.
pub fn g_test_alarm(trial: &Trial) -> BaselineResult {
    let test = trial.counts().and_then(|[before, now]| g_test(before, now));
    BaselineResult::of_alarm(test.map(|test| test.p_value < LEVEL))
}

/// Population stability index over the cluster shares of both sides, alarm above 0.25 (Siddiqi
/// 2006, "Credit Risk Scorecards").
pub fn psi_alarm(trial: &Trial) -> BaselineResult {
    let index = trial.counts().and_then(|[before, now]| psi(before, now));
    BaselineResult::of_alarm(index.map(|index| index > PSI_CUT))
}

/// Counts of both sides over clusters of the pooled rows. k follows the smaller side. The clusters
/// are fitted on at most 500 rows of each side, and all rows are assigned to them.
pub(super) fn pooled_counts(trial: &Trial) -> Option<Counts> {
    let [before, now] = trial.sides()?;
    let smaller = before.len().min(now.len());
    let [fit_before, fit_now] = trial.sampled_sides(FIT_ROWS)?;
    let mut pool = Vectors::with_capacity(trial.now.dim(), fit_before.len() + fit_now.len());
    fit_before.iter().for_each(|&i| pool.push(trial.before().row(i)));
    fit_now.iter().for_each(|&i| pool.push(trial.now.row(i)));
    let centroids = kmeans(&pool, smaller, trial.seed).centroids;
    Some([trial.before(), trial.now].map(|side| {
        let mut counts = vec![0.0; centroids.len()];
        assign(side, &centroids).iter().flatten().for_each(|row| counts[row.cluster] += 1.0);
        counts
    }))
}

/// `sum (p - q) ln(p / q)` over the shares of two count vectors; `None` when one has no counts.
fn psi(before: &[f64], now: &[f64]) -> Option<f64> {
    let totals = [before, now].map(|side| side.iter().sum::<f64>());
    let part = |count: f64, total: f64| (count / total).max(EMPTY_SHARE);
    let terms = before.iter().zip(now).map(|(&b, &n)| {
        let (p, q) = (part(b, totals[0]), part(n, totals[1]));
        (q - p) * (q / p).ln()
    });
    totals.iter().all(|&total| total > 0.0).then(|| terms.sum())
}

fn kmeans(v: &Vectors, records: usize, seed: u64) -> KMeans {
    let k = (records / RECORDS_PER_CLUSTER).clamp(FEWEST, MOST);
    spherical_kmeans(v, &[], k, &KMeansOptions { restarts: 1, max_iterations: ITERATIONS, seed, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_known_shares_is_the_published_sum() {
        let index = psi(&[50.0, 50.0], &[80.0, 20.0]).unwrap();
        let by_hand = 0.3 * (0.8_f64 / 0.5).ln() - 0.3 * (0.2_f64 / 0.5).ln();
        assert!((index - by_hand).abs() < 1e-12);
        assert_eq!(psi(&[3.0, 5.0], &[6.0, 10.0]), Some(0.0));
        assert_eq!(psi(&[0.0, 0.0], &[6.0, 10.0]), None);
        assert!(psi(&[10.0, 0.0], &[0.0, 10.0]).unwrap().is_finite());
    }
}
