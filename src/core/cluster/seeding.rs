//! Initial centroids by greedy k-means++.
//!
//! Arthur and Vassilvitskii (2007) draw each seed with a probability proportional to its squared distance from the
//! previous seeds. For unit vectors that is 2 (1 - cosine), so 1 - cosine is used (Endo and Miyamoto 2015, "Spherical
//! k-means++ clustering"). Several candidates are drawn, and the one that lowers the total most is used, which the
//! authors found to be better; with it, few restarts suffice.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::core::vector::{Vectors, tile};

/// Rows whose 1 - cosine is below this have the same direction. The value is above the rounding errors of `f32` dot
/// products and below any real difference.
pub(super) const SAME_DIRECTION: f64 = 4e-6;

/// Rows per unit of parallel work.
const BLOCK: usize = 256;

/// Draws up to `k` centroids, each of which is a row with positive weight; fewer if the rows have fewer distinct
/// directions. `weights` has one finite, non-negative number per row, which is 0 for rows that are not embeddable.
pub(super) fn seed_centroids(v: &Vectors, weights: &[f64], k: usize, rng: &mut ChaCha8Rng) -> Vectors {
    let mut centroids = Vectors::new(v.dim());
    let trials = 2 + (k.max(1) as f64).ln() as usize;
    let mut potential = weights.to_vec();
    let mut distance = vec![f64::INFINITY; v.len()];
    while centroids.len() < k {
        // Without previous seeds, one candidate is as good as another.
        let draws = if centroids.is_empty() { 1 } else { trials };
        let candidates = draw(&potential, draws, rng);
        let Some((row, nearer)) = best_candidate(v, weights, &distance, &candidates) else {
            break;
        };
        centroids.push_row(v.row(row));
        distance = nearer;
        for ((p, w), d) in potential.iter_mut().zip(weights).zip(&distance) {
            *p = w * d;
        }
    }
    centroids
}

/// Draws row numbers with replacement, with probability proportional to the potential; none if the potential is 0
/// everywhere.
fn draw(potential: &[f64], draws: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut total = 0.0;
    let cumulative: Vec<f64> = potential
        .iter()
        .map(|p| {
            total += p;
            total
        })
        .collect();
    if total <= 0.0 {
        return Vec::new();
    }
    let pick = |point: f64| cumulative.partition_point(|&c| c <= point);
    let mut picks: Vec<usize> = (0..draws).map(|_| pick(rng.random::<f64>() * total)).collect();
    // A point that rounds up to the total would lie beyond the last row.
    let last = cumulative.partition_point(|&c| c < total);
    picks.iter_mut().for_each(|i| *i = (*i).min(last));
    picks
}

/// The candidate row that results in the lowest total of weight x distance, ties to the first, and the resulting
/// distances.
fn best_candidate(v: &Vectors, weights: &[f64], distance: &[f64], candidates: &[usize]) -> Option<(usize, Vec<f64>)> {
    let rows = v.select(candidates);
    let starts: Vec<usize> = (0..v.len()).step_by(BLOCK).collect();
    let blocks: Vec<(Vec<f64>, Vec<f32>)> = starts
        .par_iter()
        .map(|&start| {
            let block = start..(start + BLOCK).min(v.len());
            let mut similarities = Vec::new();
            tile(v, block.clone(), &rows, 0..rows.len(), &mut similarities);
            let mut totals = vec![0.0; rows.len()];
            for (i, row) in block.zip(similarities.chunks_exact(rows.len().max(1))) {
                for (total, &similarity) in totals.iter_mut().zip(row) {
                    *total += weights[i] * distance[i].min(cosine_distance(similarity));
                }
            }
            (totals, similarities)
        })
        .collect();
    let total = |c: usize| blocks.iter().map(|(totals, _)| totals[c]).sum::<f64>();
    let totals: Vec<f64> = (0..rows.len()).map(total).collect();
    let best = (0..rows.len()).reduce(|best, c| if totals[c] < totals[best] { c } else { best })?;
    let to_best = blocks.iter().flat_map(|(_, similarities)| similarities.iter().skip(best).step_by(rows.len()));
    let nearer = distance.iter().zip(to_best).map(|(d, &s)| d.min(cosine_distance(s))).collect();
    Some((*candidates.get(best)?, nearer))
}

/// 1 - cosine, 0 for the same direction.
fn cosine_distance(similarity: f32) -> f64 {
    let distance = 1.0 - f64::from(similarity);
    if distance < SAME_DIRECTION { 0.0 } else { distance }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn vectors(rows: &[[f32; 2]]) -> Vectors {
        let mut v = Vectors::new(2);
        rows.iter().for_each(|row| v.push(row));
        v
    }

    #[test]
    fn seeds_are_distinct_directions_of_positive_weight() {
        let v = vectors(&[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0], [0.3, 0.3], [0.6, 0.6]]);
        let weights = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let seeds = seed_centroids(&v, &weights, 7, &mut rng);
            let mut rows: Vec<Vec<f32>> = seeds.rows().map(<[f32]>::to_vec).collect();
            rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(rows.len(), 3, "seed {seed}: {rows:?}");
            assert_eq!((rows[0].as_slice(), rows[2].as_slice()), ([0.0, 1.0].as_slice(), [1.0, 0.0].as_slice()));
        }
    }

    #[test]
    fn without_weight_there_is_no_seed() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!(seed_centroids(&vectors(&[[1.0, 0.0]]), &[0.0], 3, &mut rng).is_empty());
        assert!(seed_centroids(&Vectors::new(2), &[], 3, &mut rng).is_empty());
        assert!(seed_centroids(&vectors(&[[1.0, 0.0]]), &[1.0], 0, &mut rng).is_empty());
    }

    #[test]
    fn rows_are_drawn_in_proportion_to_their_potential() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let picks = draw(&[0.0, 1.0, 0.0, 3.0, 0.0], 4000, &mut rng);
        let count = |row| picks.iter().filter(|&&p| p == row).count();
        assert_eq!(count(1) + count(3), 4000);
        assert!((2890..3110).contains(&count(3)), "{}", count(3));
    }
}
