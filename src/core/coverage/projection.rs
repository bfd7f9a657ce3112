//! A projection of the embedding space that the topics of the examples teach: directions in which examples of the same
//! topic differ count less, and directions in which topics differ count more.
//!
//! This is linear discriminant analysis (Fisher 1936; Rao 1948) with a covariance shrunk towards a multiple of the
//! identity (Friedman 1989). Examples in the wording of traffic take part, so that directions of wording count less.

use std::ops::Range;

use rayon::prelude::*;

use crate::core::vector::{Vectors, add_scaled, add_scaled_f32, dot_f64, tile};

/// Share of the identity in the covariance within topics. With few examples per topic, the estimated covariance is mostly
/// noise.
const SHRINKAGE: f64 = 0.8;

/// Length to which directions in which no topics differ are scaled. With 0, a set of few topics would have few
/// directions left in which a new topic could differ.
const REST: f64 = 0.4;

/// Largest dimension of an embedding space that is projected. Time and memory grow with its cube and square.
const MAX_DIMENSION: usize = 768;

/// Rows that are projected together.
const BLOCK: usize = 64;

/// Sums over a group of examples, from which the covariance within topics follows. The groups can be added and
/// subtracted.
#[derive(Debug, Clone)]
pub(super) struct Scatter {
    dim: usize,
    /// Σ weight × row × rowᵀ, row-major, of shape (dim, dim).
    products: Vec<f64>,
    /// Σ weight × row for each topic, of shape (topics, dim).
    sums: Vec<f64>,
    /// Σ weight for each topic.
    weights: Vec<f64>,
}

/// A weighted row of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub row: &'a [f32],
    pub topic: usize,
    pub weight: f64,
}

impl Scatter {
    /// Sums over `members`, whose rows have `dim` components.
    pub fn new(dim: usize, topics: usize, members: &[Member<'_>]) -> Self {
        let mut products = vec![0.0; dim * dim];
        products.par_chunks_mut(dim.max(1)).enumerate().for_each(|(at, line)| {
            for member in members {
                let factor = member.weight * f64::from(member.row[at]);
                // The matrix is symmetric; the other half is filled below.
                add_scaled_f32(&mut line[at..], factor, &member.row[at..]);
            }
        });
        for line in 1..dim {
            for column in 0..line {
                products[line * dim + column] = products[column * dim + line];
            }
        }
        let (mut sums, mut weights) = (vec![0.0; topics * dim], vec![0.0; topics]);
        for member in members {
            weights[member.topic] += member.weight;
            let sum = &mut sums[member.topic * dim..(member.topic + 1) * dim];
            add_scaled_f32(sum, member.weight, member.row);
        }
        Self { dim, products, sums, weights }
    }

    /// The sums of both groups.
    pub fn add(&mut self, other: &Self) {
        let add = |to: &mut [f64], of: &[f64]| to.iter_mut().zip(of).for_each(|(to, of)| *to += of);
        add(&mut self.products, &other.products);
        add(&mut self.sums, &other.sums);
        add(&mut self.weights, &other.weights);
    }

    /// The sums without those of a part of the group.
    pub fn without(&self, part: &Self) -> Self {
        let less = |of: &[f64], part: &[f64]| of.iter().zip(part).map(|(of, part)| of - part).collect();
        Self {
            dim: self.dim,
            products: less(&self.products, &part.products),
            sums: less(&self.sums, &part.sums),
            weights: less(&self.weights, &part.weights),
        }
    }
}

/// A projection, by default the identity. It keeps the dimension of the space.
#[derive(Debug, Clone, Default)]
pub(super) struct Projection {
    /// One row per component of the result; `None` for the identity.
    matrix: Option<Matrix>,
}

#[derive(Debug, Clone)]
struct Matrix {
    /// Of shape (dim, dim); its rows are not of unit length.
    rows: Vectors,
    /// The projection of the mean of all topics, which is subtracted.
    centre: Vec<f32>,
}

impl Projection {
    /// Learns a projection. It is the identity if there are not at least two topics, if no two examples of a topic
    /// differ, or if the space has more than 768 dimensions.
    pub fn fit(scatter: &Scatter) -> Self {
        Self { matrix: Matrix::fit(scatter) }
    }

    /// Projects rows, to unit length; rows that are not embeddable remain so.
    pub fn apply(&self, vectors: &Vectors) -> Vectors {
        let Some(matrix) = &self.matrix else { return vectors.clone() };
        let starts: Vec<usize> = (0..vectors.len()).step_by(BLOCK).collect();
        let block = |start: &usize| matrix.project(vectors, *start..(start + BLOCK).min(vectors.len()));
        let blocks: Vec<Vec<f32>> = starts.par_iter().map(block).collect();
        let dim = matrix.rows.dim();
        let mut projected = Vectors::with_capacity(dim, vectors.len());
        blocks.iter().flat_map(|block| block.chunks_exact(dim)).for_each(|row| projected.push(row));
        projected
    }

    /// Whether a space with this many dimensions is projected.
    pub fn possible(dim: usize) -> bool {
        (1..=MAX_DIMENSION).contains(&dim)
    }
}

impl Matrix {
    fn fit(scatter: &Scatter) -> Option<Self> {
        let dim = scatter.dim;
        let present: Vec<usize> = (0..scatter.weights.len()).filter(|topic| scatter.weights[*topic] > 1e-9).collect();
        if !Projection::possible(dim) || present.len() < 2 {
            return None;
        }
        let total: f64 = scatter.weights.iter().sum();
        let means: Vec<Vec<f64>> = present
            .iter()
            .map(|topic| {
                let sum = &scatter.sums[topic * dim..(topic + 1) * dim];
                sum.iter().map(|x| x / scatter.weights[*topic]).collect()
            })
            .collect();
        let weights: Vec<f64> = present.iter().map(|topic| scatter.weights[*topic]).collect();
        let lower = inverse_of_cholesky(within(scatter, &means, &weights, total)?, dim)?;
        let mean: Vec<f64> =
            (0..dim).map(|at| means.iter().zip(&weights).map(|(m, w)| m[at] * w).sum::<f64>() / total).collect();
        let whitened = means.iter().map(|topic| {
            let centred: Vec<f64> = topic.iter().zip(&mean).map(|(x, m)| x - m).collect();
            lower_times(&lower, &centred, dim)
        });
        let basis = orthonormal(whitened.collect());
        let rows = emphasize(&lower, &basis, dim);
        let centre = (0..dim).map(|at| dot_f64(line(&rows, at, dim), &mean) as f32);
        let centre = centre.collect();
        let mut matrix = Vectors::with_capacity(dim, dim);
        let single = |line: &[f64]| line.iter().map(|x| *x as f32).collect::<Vec<_>>();
        rows.chunks_exact(dim).for_each(|line| matrix.push_row(&single(line)));
        Some(Self { rows: matrix, centre })
    }

    /// The projections of some rows, one after the other.
    fn project(&self, vectors: &Vectors, rows: Range<usize>) -> Vec<f32> {
        let dim = self.rows.dim();
        let mut projected = Vec::new();
        tile(vectors, rows.clone(), &self.rows, 0..dim, &mut projected);
        for (row, projected) in rows.zip(projected.chunks_exact_mut(dim)) {
            match vectors.is_embeddable(row) {
                true => projected.iter_mut().zip(&self.centre).for_each(|(x, centre)| *x -= centre),
                false => projected.fill(0.0),
            }
        }
        projected
    }
}

/// The shrunk covariance within topics; `None` if examples of a topic never differ.
fn within(scatter: &Scatter, means: &[Vec<f64>], weights: &[f64], total: f64) -> Option<Vec<f64>> {
    let dim = scatter.dim;
    let mut covariance = scatter.products.clone();
    covariance.par_chunks_mut(dim).enumerate().for_each(|(at, line)| {
        for (mean, weight) in means.iter().zip(weights) {
            add_scaled(line, -weight * mean[at], mean);
        }
        line.iter_mut().for_each(|x| *x /= total);
    });
    let average = (0..dim).map(|at| covariance[at * dim + at]).sum::<f64>() / dim as f64;
    if average.is_nan() || average <= 1e-12 {
        return None;
    }
    covariance.iter_mut().for_each(|x| *x *= 1.0 - SHRINKAGE);
    (0..dim).for_each(|at| covariance[at * dim + at] += SHRINKAGE * average);
    Some(covariance)
}

fn line(matrix: &[f64], at: usize, dim: usize) -> &[f64] {
    &matrix[at * dim..(at + 1) * dim]
}

/// The inverse of the lower Cholesky factor of a positive definite matrix (Golub & Van Loan 2013, algorithms 4.2.1 and
/// 3.1.1); `None` if it is not positive definite.
fn inverse_of_cholesky(mut a: Vec<f64>, dim: usize) -> Option<Vec<f64>> {
    for column in 0..dim {
        for row in column..dim {
            let (left, right) = (&a[row * dim..row * dim + column], &a[column * dim..column * dim + column]);
            let sum = a[row * dim + column] - dot_f64(left, right);
            a[row * dim + column] = match row == column {
                true if sum <= 0.0 || !sum.is_finite() => return None,
                true => sum.sqrt(),
                false => sum / a[column * dim + column],
            };
        }
    }
    let mut inverse = vec![0.0; dim * dim];
    for row in 0..dim {
        let (above, rest) = inverse.split_at_mut(row * dim);
        let own = &mut rest[..dim];
        for (before, line) in above.chunks_exact(dim).enumerate() {
            let factor = a[row * dim + before];
            add_scaled(&mut own[..=before], -factor, line);
        }
        own[row] = 1.0;
        let pivot = a[row * dim + row];
        own[..=row].iter_mut().for_each(|x| *x /= pivot);
    }
    Some(inverse)
}

fn lower_times(lower: &[f64], vector: &[f64], dim: usize) -> Vec<f64> {
    (0..dim).map(|at| dot_f64(&line(lower, at, dim)[..=at], vector)).collect()
}

/// An orthonormal basis of the span of vectors (modified Gram–Schmidt, each vector twice).
fn orthonormal(vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for mut vector in vectors {
        let norm = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        let before = norm(&vector);
        for _ in 0..2 {
            for direction in &basis {
                let along = dot_f64(direction, &vector);
                add_scaled(&mut vector, -along, direction);
            }
        }
        let length = norm(&vector);
        if length > 1e-6 * before && length > 1e-12 {
            vector.iter_mut().for_each(|x| *x /= length);
            basis.push(vector);
        }
    }
    basis
}

/// The whitening matrix `lower`, followed by a scaling of all directions outside the basis by [`REST`].
fn emphasize(lower: &[f64], basis: &[Vec<f64>], dim: usize) -> Vec<f64> {
    // Σ over directions d of d (dᵀ lower), added to REST × lower.
    let along: Vec<Vec<f64>> = basis
        .par_iter()
        .map(|direction| {
            let mut sum = vec![0.0; dim];
            for (at, weight) in direction.iter().enumerate() {
                add_scaled(&mut sum[..=at], *weight, line(lower, at, dim));
            }
            sum
        })
        .collect();
    let mut matrix: Vec<f64> = lower.iter().map(|x| REST * x).collect();
    matrix.par_chunks_mut(dim).enumerate().for_each(|(at, line)| {
        for (direction, along) in basis.iter().zip(&along) {
            add_scaled(line, (1.0 - REST) * direction[at], along);
        }
    });
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use crate::core::vector::dot;
    use rand::RngExt;

    fn members<'a>(vectors: &'a Vectors, topics: &'a [usize]) -> Vec<Member<'a>> {
        topics
            .iter()
            .enumerate()
            .map(|(row, topic)| Member { row: vectors.row(row), topic: *topic, weight: 1.0 })
            .collect()
    }

    fn fit(vectors: &Vectors, topics: &[usize]) -> Projection {
        let count = topics.iter().max().map_or(0, |last| last + 1);
        Projection::fit(&Scatter::new(vectors.dim(), count, &members(vectors, topics)))
    }

    /// Topics differ in the first two components; the third is noise that is common to all topics.
    fn noisy() -> (Vectors, Vec<usize>) {
        let mut random = rng(1, 0);
        let mut vectors = Vectors::new(6);
        let topics: Vec<usize> = (0..60).map(|row| row % 3).collect();
        for topic in &topics {
            let angle = *topic as f32;
            let mut small = || random.random_range(-0.05..0.05_f32);
            let mut row = [angle.cos() + small(), angle.sin() + small(), 0.0, small(), small(), small()];
            row[2] = random.random_range(-1.5..1.5);
            vectors.push(&row);
        }
        (vectors, topics)
    }

    #[test]
    fn noise_within_topics_counts_less_after_projection() {
        let (vectors, topics) = noisy();
        let projected = fit(&vectors, &topics).apply(&vectors);
        let mean = |vectors: &Vectors, same: bool| {
            let pairs = (0..60).flat_map(|a| (0..a).map(move |b| (a, b)));
            let found: Vec<f32> = pairs
                .filter(|(a, b)| (topics[*a] == topics[*b]) == same)
                .map(|(a, b)| dot(vectors.row(a), vectors.row(b)))
                .collect();
            found.iter().sum::<f32>() / found.len() as f32
        };
        let contrast = |vectors: &Vectors| mean(vectors, true) - mean(vectors, false);
        assert!(contrast(&projected) > contrast(&vectors) + 0.2, "{} {}", contrast(&projected), contrast(&vectors));
    }

    #[test]
    fn a_fit_without_a_part_equals_one_that_never_saw_it() {
        let (vectors, topics) = noisy();
        let all = members(&vectors, &topics);
        let (part, rest) = all.split_at(20);
        let mut sum = Scatter::new(6, 3, part);
        sum.add(&Scatter::new(6, 3, rest));
        let left = Projection::fit(&sum.without(&Scatter::new(6, 3, part))).apply(&vectors);
        let direct = Projection::fit(&Scatter::new(6, 3, rest)).apply(&vectors);
        for row in 0..60 {
            assert!(dot(left.row(row), direct.row(row)) > 0.9999);
        }
    }

    #[test]
    fn nothing_is_projected_if_the_topics_teach_nothing() {
        let (vectors, topics) = noisy();
        let mut same = Vectors::new(2);
        (0..6).for_each(|row| same.push(if row % 2 == 0 { &[1.0, 0.0] } else { &[0.0, 1.0] }));
        let cases = [
            (vectors.clone(), vec![0; 60]),
            (same, vec![0, 1, 0, 1, 0, 1]),
            (Vectors::new(4), vec![]),
            (Vectors::new(0), vec![]),
        ];
        for (vectors, topics) in cases {
            assert_eq!(fit(&vectors, &topics).apply(&vectors), vectors);
        }
        assert_ne!(fit(&vectors, &topics).apply(&vectors), vectors);
    }

    #[test]
    fn rows_without_a_vector_stay_without_one() {
        let (mut vectors, topics) = noisy();
        let projection = fit(&vectors, &topics);
        vectors.push(&[0.0; 6]);
        assert!(!projection.apply(&vectors).is_embeddable(60));
    }
}
