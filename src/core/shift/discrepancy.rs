//! Compares two windows by the maximum mean discrepancy of their vectors.

use rayon::prelude::*;

use super::permutation::{Permutations, permutation_test};
use super::types::Finding;
use crate::core::vector::{Vectors, tile};

/// Rows of the kernel matrix per unit of parallel work.
const BLOCK: usize = 32;

/// Directions are equal, within rounding, if their squared distance is below this.
const SAME_DIRECTION: f32 = 1e-5;

/// Tests unit vectors by the unbiased squared maximum mean discrepancy (Gretton et al. 2012) with the kernel
/// exp(-d² / 2σ²), where σ² is the median squared distance of the pooled rows.
///
/// MMD² itself depends on the embedding space. The effect is √(MMD² / 2c), in [0, 1], where the contrast c is the mean
/// kernel of a row and its √n nearest rows minus that of any two rows. If the traffic consisted of topics, with one
/// kernel value within a topic and a lower one between topics, then MMD² = c Σ(Δ share)², and the effect would be the
/// share of traffic that moved from one topic to another. A negative MMD² counts as 0.
///
/// All rows must be embeddable. Returns `None` if all directions are equal.
pub(super) fn test_mmd(labels: &[bool], vectors: &Vectors, permutations: Permutations<'_>) -> Option<Finding> {
    let kernel = Kernel::new(vectors)?;
    let test = permutation_test(labels, permutations, |labels| kernel.mmd2(labels));
    let effect = (test.statistic.max(0.0) / (2.0 * kernel.contrast())).sqrt();
    Some(Finding {
        statistic: test.statistic,
        p_value: test.p_value,
        effect: if effect.is_nan() { 0.0 } else { effect.min(1.0) },
        reference: None,
        now: None,
        detail: String::new(),
    })
}

/// The kernel of all pairs of rows, with zeros on the diagonal.
struct Kernel {
    n: usize,
    cells: Vec<f32>,
    row_sums: Vec<f64>,
    total: f64,
}

impl Kernel {
    fn new(vectors: &Vectors) -> Option<Self> {
        let n = vectors.len();
        let mut cells = squared_distances(vectors);
        let scale = bandwidth(&cells, n)?;
        for (i, row) in cells.chunks_exact_mut(n).enumerate() {
            row.iter_mut().for_each(|cell| *cell = (-*cell / (2.0 * scale)).exp());
            if let Some(cell) = row.get_mut(i) {
                *cell = 0.0;
            }
        }
        let row_sums: Vec<f64> = cells.chunks_exact(n).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect();
        let total = row_sums.iter().sum();
        Some(Self { n, cells, row_sums, total })
    }

    /// Mean kernel of a row and its √n nearest other rows, minus that of any two rows. At least 0, apart from rounding.
    fn contrast(&self) -> f64 {
        let n = self.n as f64;
        let near = (n.sqrt().round() as usize).clamp(1, self.n);
        let nearest = self.cells.chunks_exact(self.n).map(|row| {
            let mut row = row.to_vec();
            row.select_nth_unstable_by(near - 1, |a, b| b.total_cmp(a));
            row.iter().take(near).map(|&x| f64::from(x)).sum::<f64>()
        });
        nearest.sum::<f64>() / (n * near as f64) - self.total / (n * (n - 1.0))
    }

    /// Unbiased MMD² of the rows with and without a label; 0 if there are fewer than two of either.
    fn mmd2(&self, labels: &[bool]) -> f64 {
        let count = labels.iter().filter(|label| **label).count();
        // The sums over the smaller side determine those over the other.
        let side = 2 * count <= self.n;
        let inside: Vec<usize> = labels.iter().enumerate().filter(|(_, l)| **l == side).map(|(i, _)| i).collect();
        let (a, b) = (inside.len() as f64, (self.n - inside.len()) as f64);
        if a < 2.0 || b < 2.0 {
            return 0.0;
        }
        let (mut within, mut rows) = (0.0, 0.0);
        for (place, &i) in inside.iter().enumerate() {
            let row = &self.cells[i * self.n..(i + 1) * self.n];
            rows += self.row_sums[i];
            within += 2.0 * inside[place + 1..].iter().map(|&j| f64::from(row[j])).sum::<f64>();
        }
        let between = rows - within;
        let other = self.total - within - 2.0 * between;
        within / (a * (a - 1.0)) + other / (b * (b - 1.0)) - 2.0 * between / (a * b)
    }
}

/// Squared Euclidean distances of all pairs of unit rows, row-major.
fn squared_distances(vectors: &Vectors) -> Vec<f32> {
    let n = vectors.len();
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let block = |&start: &usize| {
        let mut cells = Vec::new();
        tile(vectors, start..(start + BLOCK).min(n), vectors, 0..n, &mut cells);
        for cell in &mut cells {
            let squared = 2.0 - 2.0 * *cell;
            *cell = if squared < SAME_DIRECTION { 0.0 } else { squared };
        }
        cells
    };
    let blocks: Vec<Vec<f32>> = starts.par_iter().map(block).collect();
    blocks.concat()
}

/// Median squared distance between pairs of rows. If that is 0 because most rows are equal, the median of the distances
/// above 0. `None` if all rows are equal.
fn bandwidth(squared: &[f32], n: usize) -> Option<f32> {
    let mut upper: Vec<f32> =
        squared.chunks(n.max(1)).enumerate().flat_map(|(i, row)| row.iter().skip(i + 1).copied()).collect();
    let median = median(&mut upper)?;
    if median > 0.0 {
        return Some(median);
    }
    upper.retain(|d| *d > 0.0);
    self::median(&mut upper)
}

/// The upper median; `None` for an empty slice.
fn median(values: &mut [f32]) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use rand::RngExt;

    const PERMUTATIONS: Permutations<'static> = Permutations { seed: 3, stream: 1, count: 99, strata: &[] };

    fn rows(n: usize, moved: impl Fn(usize) -> bool) -> Vectors {
        let mut rng = rng(5, 5);
        let mut v = Vectors::new(6);
        for i in 0..n {
            let shift = if moved(i) { 1.0 } else { 0.0 };
            let row: Vec<f32> = (0..6).map(|d| rng.random::<f32>() - 0.5 + if d == 0 { shift } else { 0.0 }).collect();
            v.push(&row);
        }
        v
    }

    #[test]
    fn the_statistic_matches_the_definition() {
        let v = rows(23, |i| i < 9);
        let labels: Vec<bool> = (0..23).map(|i| i % 3 == 0).collect();
        let kernel = Kernel::new(&v).unwrap();
        let mut sums = [[0.0; 2]; 2];
        let mut pairs = [[0.0; 2]; 2];
        for i in 0..23 {
            for j in (0..23).filter(|&j| j != i) {
                let (a, b) = (usize::from(labels[i]), usize::from(labels[j]));
                sums[a][b] += f64::from(kernel.cells[i * 23 + j]);
                pairs[a][b] += 1.0;
            }
        }
        let mean = |a: usize, b: usize| sums[a][b] / pairs[a][b];
        let expected = mean(0, 0) + mean(1, 1) - 2.0 * mean(0, 1);
        assert!((kernel.mmd2(&labels) - expected).abs() < 1e-9);
        let swapped: Vec<bool> = labels.iter().map(|l| !l).collect();
        assert!((kernel.mmd2(&swapped) - expected).abs() < 1e-9);
        assert_eq!(kernel.mmd2(&[true; 23]), 0.0);
    }

    #[test]
    fn shifted_vectors_are_detected_and_equal_ones_are_not_tested() {
        let labels: Vec<bool> = (0..60).map(|i| i % 2 == 0).collect();
        let found = test_mmd(&labels, &rows(60, |i| i % 2 == 0), PERMUTATIONS).unwrap();
        assert!(found.p_value == 0.01 && found.effect > 0.3, "{found:?}");
        let mut same = Vectors::new(2);
        (0..60).for_each(|_| same.push(&[0.3, 0.7]));
        assert!(test_mmd(&labels, &same, PERMUTATIONS).is_none());
        assert!(test_mmd(&[], &Vectors::new(2), PERMUTATIONS).is_none());
    }

    #[test]
    fn the_effect_is_the_share_that_moved_from_one_topic_to_another() {
        // Ten unrelated topics with a tenth of the traffic each; all traffic of the first moves to the second.
        let labels: Vec<bool> = (0..1000).map(|i| i % 2 == 0).collect();
        let mut v = Vectors::new(10);
        for i in 0..1000 {
            let topic = if i % 20 == 0 { 1 } else { (i / 2) % 10 };
            v.push(&std::array::from_fn::<f32, 10, _>(|d| if d == topic { 1.0 } else { 0.0 }));
        }
        let found = test_mmd(&labels, &v, Permutations { count: 9, ..PERMUTATIONS }).unwrap();
        assert!((found.effect - 0.1).abs() < 0.015, "{found:?}");
    }

    #[test]
    fn if_most_rows_are_equal_the_others_determine_the_bandwidth() {
        let mut v = Vectors::new(2);
        (0..40).for_each(|i| v.push(if i < 4 { &[0.0, 1.0] } else { &[1.0, 0.0] }));
        let labels: Vec<bool> = (0..40).map(|i| i < 20).collect();
        let found = test_mmd(&labels, &v, PERMUTATIONS).unwrap();
        assert!(found.statistic.is_finite() && found.effect.is_finite());
    }
}
