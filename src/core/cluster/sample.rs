//! Normalised weights and seeded samples of rows.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::core::vector::Vectors;

/// One valid weight per row: missing weights count as 1, negative, NaN or infinite ones as 0, and rows that are not
/// embeddable have weight 0.
pub(super) fn row_weights(v: &Vectors, weights: &[f64]) -> Vec<f64> {
    let usable = |w: f64| if w > 0.0 && w.is_finite() { w } else { 0.0 };
    (0..v.len()).map(|i| if v.is_embeddable(i) { weights.get(i).map_or(1.0, |&w| usable(w)) } else { 0.0 }).collect()
}

/// Draws `size` members of `pool` without replacement, in ascending order; the whole pool if it is smaller. Every
/// subset is equally likely.
pub(super) fn sample(pool: &[usize], size: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut drawn = shuffled(pool, size, rng);
    drawn.truncate(size);
    drawn.sort_unstable();
    drawn
}

/// The pool with its first `size` positions filled at random (Fisher–Yates).
pub(super) fn shuffled(pool: &[usize], size: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order = pool.to_vec();
    for i in 0..size.min(order.len()) {
        let j = rng.random_range(i..order.len());
        order.swap(i, j);
    }
    order
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn invalid_weights_count_as_zero_and_missing_ones_as_one() {
        let mut v = Vectors::new(1);
        [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0].iter().for_each(|&x| v.push(&[x]));
        let weights = [2.5, f64::NAN, -1.0, f64::INFINITY, 3.0, 0.0];
        assert_eq!(row_weights(&v, &weights), [2.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_sample_is_ascending_distinct_and_uniform() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let pool: Vec<usize> = (10..20).collect();
        let mut counts = [0; 10];
        for _ in 0..5000 {
            let drawn = sample(&pool, 3, &mut rng);
            assert!(drawn.len() == 3 && drawn.is_sorted_by(|a, b| a < b));
            drawn.iter().for_each(|&i| counts[i - 10] += 1);
        }
        // 1,500 expected, standard deviation 32.
        assert!(counts.iter().all(|&c| (1370..1630).contains(&c)), "{counts:?}");
        assert_eq!(sample(&pool, 99, &mut rng), pool);
        assert!(sample(&[], 3, &mut rng).is_empty());
    }
}
