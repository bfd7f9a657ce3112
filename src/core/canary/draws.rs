//! Which example a canary sends next: independent draws with the weights of today's traffic.

use std::collections::HashMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::core::stats::rng;

/// Draws of examples, with replacement. The same weights and seed give the same draws.
#[derive(Debug, Clone)]
pub struct Draws {
    cumulative: Vec<f64>,
    rng: ChaCha8Rng,
}

impl Draws {
    /// Draws of the indices of `weights`, which are 0 or more. `None` if there is nothing to draw.
    pub fn new(weights: &[f64], seed: u64) -> Option<Self> {
        let mut total = 0.0;
        let cumulative: Vec<f64> = weights
            .iter()
            .map(|weight| {
                total += if weight.is_finite() { weight.max(0.0) } else { 0.0 };
                total
            })
            .collect();
        (total > 0.0).then(|| Self { cumulative, rng: rng(seed, 0) })
    }
}

impl Iterator for Draws {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let total = self.cumulative.last()?;
        // 53 random bits: a number in [0, 1).
        let uniform = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let place = self.cumulative.partition_point(|sum| *sum <= uniform * total);
        Some(place.min(self.cumulative.len() - 1))
    }
}

/// The weight of each example: the traffic share of its cluster, divided among the examples of the cluster. `clusters[i]` is
/// the cluster of example i, and `shares` are the traffic shares by cluster. `None` if no example is in a cluster with
/// traffic.
pub fn traffic_weights(clusters: &[Option<&str>], shares: &HashMap<&str, f64>) -> Option<Vec<f64>> {
    let mut sizes: HashMap<&str, f64> = HashMap::new();
    for cluster in clusters.iter().flatten() {
        *sizes.entry(cluster).or_default() += 1.0;
    }
    let weight = |cluster: &Option<&str>| {
        let cluster = cluster.as_ref()?;
        Some(shares.get(cluster)? / sizes.get(cluster)?)
    };
    let weights: Vec<f64> = clusters.iter().map(|cluster| weight(cluster).unwrap_or(0.0)).collect();
    weights.iter().any(|weight| *weight > 0.0).then_some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_drawn_in_proportion_to_their_weights() {
        let mut counts = [0_u32; 4];
        for place in Draws::new(&[1.0, 0.0, 3.0, f64::NAN], 5).unwrap().take(8000) {
            counts[place] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        assert!((f64::from(counts[2]) / 8000.0 - 0.75).abs() < 0.02, "{counts:?}");
        let again: Vec<usize> = Draws::new(&[1.0, 0.0, 3.0], 5).unwrap().take(20).collect();
        assert_eq!(again, Draws::new(&[1.0, 0.0, 3.0], 5).unwrap().take(20).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_drawn_without_weight() {
        assert!(Draws::new(&[], 1).is_none());
        assert!(Draws::new(&[0.0, -1.0], 1).is_none());
    }

    #[test]
    fn the_examples_of_a_cluster_share_its_traffic() {
        let shares = HashMap::from([("a", 0.6), ("b", 0.3), ("without examples", 0.1)]);
        let weights = traffic_weights(&[Some("a"), Some("a"), Some("b"), None, Some("c")], &shares).unwrap();
        assert_eq!(weights, [0.3, 0.3, 0.3, 0.0, 0.0]);
        assert_eq!(traffic_weights(&[None, Some("c")], &shares), None);
    }
}
