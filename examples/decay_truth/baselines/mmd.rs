//! Maximum mean discrepancy.
//!
//! Gretton et al. (2012), "A Kernel Two-Sample Test": the unbiased estimate of MMD² with the
//! Gaussian kernel `exp(-d² / b)`, `b` a median of squared distances (the median heuristic).

use karat::stats::{permutation_p_value, quantile};
use karat::vector::dot;
use rand::seq::SliceRandom;

use super::classifier::{BOOTSTRAP_QUANTILE, BOOTSTRAP_ROWS};
use super::trial::Stream;
use super::{BaselineResult, Trial};

/// Rows of each side at most, since time and memory are quadratic.
const SIDE_ROWS: usize = 500;

/// Squared distance below which two rows are equal: the rounding of `f32` dot products.
const SAME_ROW: f32 = 8e-6;

/// Random splits that make a null distribution.
const SPLITS: usize = 100;

/// MMD² above which a large window has drifted for Evidently.
const MMD_CUT: f64 = 0.015;

/// Level of the permutation test.
const LEVEL: f64 = 0.05;

/// Evidently documentation, "Embeddings drift parameters", method "mmd": drift when MMD² exceeds
/// 0.015 or, for at most 1000 objects, the 95th percentile of MMD² between two random parts of the
/// earlier rows over 100 repetitions.
///
/// The page leaves the kernel, the estimator and the sizes of the parts open: here they are the
/// Gaussian kernel with the median distance between the sides, the unbiased estimate, and parts in
/// the proportion of the sides. Simplified: at most 500 rows a side.
pub fn evidently(trial: &Trial) -> BaselineResult {
    BaselineResult::of_alarm(trial.gram().and_then(|gram| {
        let kernel = gram.kernel(gram.median_between());
        let observed = kernel.mmd2(&gram.sides())?;
        Some(observed > if gram.all_before <= BOOTSTRAP_ROWS { evidently_cut(trial, gram, &kernel)? } else { MMD_CUT })
    }))
}

/// The 95th percentile of MMD² between random parts of the earlier rows.
fn evidently_cut(trial: &Trial, gram: &Gram, kernel: &Kernel) -> Option<f64> {
    let first = (gram.before * gram.before / gram.len).clamp(1, gram.before);
    let mut null = kernel.null(marks(gram.before, first), trial, Stream::EvidentlyNull)?;
    null.sort_unstable_by(f64::total_cmp);
    quantile(&null, BOOTSTRAP_QUANTILE)
}

/// Alibi Detect documentation, "Maximum Mean Discrepancy" (MMDDrift): drift when the permutation
/// p-value of MMD² is below 0.05, with 100 permutations and the kernel's bandwidth from the median
/// distance among the earlier rows, the defaults. Simplified: at most 500 rows a side, and no
/// reduction of the dimension before the test.
pub fn alibi_detect(trial: &Trial) -> BaselineResult {
    BaselineResult::of_alarm(trial.gram().and_then(|gram| {
        let kernel = gram.kernel(gram.median_before());
        let observed = kernel.mmd2(&gram.sides())?;
        let null = kernel.null(gram.sides(), trial, Stream::AlibiDetectNull)?;
        Some(permutation_p_value(observed, &null) < LEVEL)
    }))
}

/// Squared distances among a sample of both sides, the earlier rows first.
#[derive(Debug)]
pub(super) struct Gram {
    /// Earlier rows in the sample.
    before: usize,
    /// Earlier rows in the trial.
    all_before: usize,
    /// Rows in the sample.
    len: usize,
    /// `len` x `len` squared distances, those of unit rows.
    squared: Vec<f32>,
}

impl Gram {
    /// `None` when a side has fewer than two usable rows.
    pub(super) fn new(trial: &Trial) -> Option<Self> {
        let all_before = trial.sides()?[0].len();
        let [before, now] = trial.sampled_sides(SIDE_ROWS)?;
        let rows = before.iter().map(|&i| trial.before().row(i));
        let rows: Vec<&[f32]> = rows.chain(now.iter().map(|&i| trial.now.row(i))).collect();
        let len = rows.len();
        let mut squared = vec![0.0; len * len];
        for i in 0..len {
            for j in 0..i {
                let distance = 2.0 - 2.0 * dot(rows[i], rows[j]);
                let distance = if distance < SAME_ROW { 0.0 } else { distance };
                squared[i * len + j] = distance;
                squared[j * len + i] = distance;
            }
        }
        Some(Self { before: before.len(), all_before, len, squared })
    }

    /// Marks of the two sides.
    fn sides(&self) -> Vec<f32> {
        marks(self.len, self.before)
    }

    /// Median squared distance between an earlier row and one of `now`.
    fn median_between(&self) -> f32 {
        let rows = self.squared.chunks_exact(self.len).take(self.before);
        median(rows.flat_map(|row| &row[self.before..]).copied().collect())
    }

    /// Median squared distance between two earlier rows.
    fn median_before(&self) -> f32 {
        let rows = self.squared.chunks_exact(self.len).take(self.before).enumerate();
        median(rows.flat_map(|(i, row)| &row[..i]).copied().collect())
    }

    /// The Gaussian kernel with a bandwidth in squared distances; one of 0, where more than half of
    /// the rows are equal, counts as 1.
    fn kernel(&self, bandwidth: f32) -> Kernel {
        let bandwidth = if bandwidth > 0.0 { bandwidth } else { 1.0 };
        let mut values: Vec<f32> = self.squared.iter().map(|d| (-d / bandwidth).exp()).collect();
        // MMD² does not change when a constant is taken from all pairs of distinct rows; near 0 the sums keep their
        // precision. A zero diagonal leaves out the pairs of a row with itself.
        let pairs = values.len().saturating_sub(self.len).max(1);
        let level = (values.iter().map(|&v| f64::from(v)).sum::<f64>() - self.len as f64) / pairs as f64;
        values.iter_mut().for_each(|v| *v -= level as f32);
        values.iter_mut().step_by(self.len + 1).for_each(|v| *v = 0.0);
        Kernel { len: self.len, values }
    }
}

/// A symmetric matrix of kernel values, up to a constant, with a zero diagonal.
struct Kernel {
    len: usize,
    values: Vec<f32>,
}

impl Kernel {
    /// Unbiased MMD² between the rows marked 1 and those marked 0, among as many first rows as
    /// there are marks. `None` when a mark has fewer than two rows.
    fn mmd2(&self, marks: &[f32]) -> Option<f64> {
        self.mmd2_of_total(marks, self.total(marks.len()))
    }

    /// MMD² for random orders of the marks.
    fn null(&self, mut marks: Vec<f32>, trial: &Trial, stream: Stream) -> Option<Vec<f64>> {
        let total = self.total(marks.len());
        let mut rng = trial.rng(stream);
        let mut draw = || {
            marks.shuffle(&mut rng);
            self.mmd2_of_total(&marks, total)
        };
        (0..SPLITS).map(|_| draw()).collect()
    }

    fn mmd2_of_total(&self, marks: &[f32], total: f64) -> Option<f64> {
        let (mut within, mut across, mut ones) = (0.0, 0.0, 0.0);
        for (&mark, row) in marks.iter().zip(self.values.chunks_exact(self.len)) {
            let to_ones = f64::from(dot(marks, row));
            if mark > 0.5 {
                within += to_ones;
                ones += 1.0;
            } else {
                across += to_ones;
            }
        }
        let zeros = marks.len() as f64 - ones;
        let within_zeros = total - within - 2.0 * across;
        (ones >= 2.0 && zeros >= 2.0).then(|| {
            within / (ones * (ones - 1.0)) + within_zeros / (zeros * (zeros - 1.0)) - 2.0 * across / (ones * zeros)
        })
    }

    /// Sum over all pairs of the first `n` rows.
    fn total(&self, n: usize) -> f64 {
        let ones = vec![1.0; n];
        self.values.chunks_exact(self.len.max(1)).take(n).map(|row| f64::from(dot(&ones, row))).sum()
    }
}

/// `len` marks of which the first `ones` are 1 and the others 0.
fn marks(len: usize, ones: usize) -> Vec<f32> {
    (0..len).map(|i| if i < ones { 1.0 } else { 0.0 }).collect()
}

/// The upper median; 0 for no values.
fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_published_sum_over_pairs() {
        let squared = |i: usize, j: usize| if i == j { 0.0 } else { 0.2 + ((i * j) % 5) as f32 * 0.3 };
        let len = 7;
        let gram = Gram {
            before: 3,
            all_before: 3,
            len,
            squared: (0..len * len).map(|at| squared(at / len, at % len)).collect(),
        };
        let mean = |a: std::ops::Range<usize>, b: std::ops::Range<usize>| {
            let pairs: Vec<f64> = a
                .flat_map(|i| b.clone().map(move |j| (i, j)))
                .filter(|(i, j)| i != j)
                .map(|(i, j)| f64::from((-squared(i, j) / 0.5).exp()))
                .collect();
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        let by_hand = mean(0..3, 0..3) + mean(3..7, 3..7) - 2.0 * mean(0..3, 3..7);
        let kernel = gram.kernel(0.5);
        assert!((kernel.mmd2(&gram.sides()).unwrap() - by_hand).abs() < 1e-6);
        let first_rows = mean(0..2, 0..2) + mean(2..5, 2..5) - 2.0 * mean(0..2, 2..5);
        assert!((kernel.mmd2(&marks(5, 2)).unwrap() - first_rows).abs() < 1e-6);
        assert_eq!(kernel.mmd2(&marks(5, 1)), None);
    }
}
