//! Compares two windows by the topics of their requests.

use super::categories::test_categories;
use super::permutation::Permutations;
use super::types::Finding;
use crate::core::cluster::{KMeansOptions, class_terms, cluster_names, spherical_kmeans};
use crate::core::vector::Vectors;

/// Number of rows of both windows per cluster, and limits of the number of clusters.
const ROWS_PER_CLUSTER: usize = 50;
const FEWEST_CLUSTERS: usize = 4;
const MOST_CLUSTERS: usize = 32;

/// Number of terms from which a cluster is named.
const TERMS: usize = 10;

/// Clusters the rows of both windows together, regardless of their window, and tests the counts.
///
/// Clusters of one window alone would fit that window better than the other, which would look like a shift; clusters of
/// both treat them equally. Rows are in random order. Returns `None` if there are fewer than two clusters.
pub(super) fn test_clusters(
    labels: &[bool],
    vectors: &Vectors,
    texts: &[&str],
    permutations: Permutations<'_>,
) -> Option<Finding> {
    let k = (labels.len() / ROWS_PER_CLUSTER).clamp(FEWEST_CLUSTERS, MOST_CLUSTERS);
    let options = KMeansOptions { seed: permutations.seed, ..Default::default() };
    let fit = spherical_kmeans(vectors, &[], k, &options);
    let k = fit.centroids.len();
    let names = cluster_names(&class_terms(texts, &[], &fit.assignment, k, TERMS));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // A row without a cluster gets the number k, which is not counted in the table.
    let clusters: Vec<usize> = fit.assignment.iter().map(|cluster| cluster.unwrap_or(k)).collect();
    test_categories(labels, &clusters, &names, permutations)
}
