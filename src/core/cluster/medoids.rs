//! Exemplar rows of clusters.

use super::kmeans::weighted_sum;
use super::sample::row_weights;
use crate::core::vector::{Vectors, dot};

/// Similarity from which rows are near-duplicates, only one of which becomes an exemplar.
const NEAR_DUPLICATE: f32 = 0.95;

/// Up to `exemplars` row numbers for each of `k` clusters, central and diverse: first the row nearest to the cluster's
/// centroid, then those with the highest similarity to the centroid minus half of that to the nearest row already taken
/// (maximal marginal relevance, Carbonell & Goldstein 1998), among the more central half of the rows. Ties go to the
/// more central, then to the lower row. Rows with a similarity of at least 0.95 to one already taken are skipped, so a
/// list may be shorter.
///
/// The centroid is the direction of the weighted sum of the cluster's rows. A weight that is missing counts as 1; rows
/// with a weight that is 0, negative, NaN or infinite, rows that are not embeddable and rows without a cluster below
/// `k` are ignored. If the rows of a cluster cancel out, it has no direction and its rows are taken in order.
pub fn medoids(
    v: &Vectors,
    weights: &[f64],
    assignment: &[Option<usize>],
    k: usize,
    exemplars: usize,
) -> Vec<Vec<usize>> {
    let weights = row_weights(v, weights);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); k];
    for (i, (cluster, weight)) in assignment.iter().zip(&weights).enumerate() {
        if let Some(rows) = cluster.filter(|_| *weight > 0.0).and_then(|c| members.get_mut(c)) {
            rows.push(i);
        }
    }
    let mut centroids = Vectors::with_capacity(v.dim(), k);
    members.iter().for_each(|rows| centroids.push_sum(&weighted_sum(v, &weights, rows)));
    members.iter().zip(centroids.rows()).map(|(rows, centroid)| spread(v, rows, centroid, exemplars)).collect()
}

fn spread(v: &Vectors, rows: &[usize], centroid: &[f32], exemplars: usize) -> Vec<usize> {
    let mut order: Vec<(f32, usize)> = rows.iter().map(|&i| (dot(v.row(i), centroid), i)).collect();
    order.sort_unstable_by(|(x, i), (y, j)| y.total_cmp(x).then(i.cmp(j)));
    let mut taken: Vec<usize> = Vec::new();
    while taken.len() < exemplars {
        let nearest = |i: usize| taken.iter().map(|&t| dot(v.row(t), v.row(i))).fold(f32::NEG_INFINITY, f32::max);
        let free = order.iter().enumerate().map(|(rank, &(central, i))| (rank, central, i, nearest(i)));
        let different: Vec<_> = free.filter(|(.., nearest)| *nearest < NEAR_DUPLICATE).collect();
        let half = order.len().div_ceil(2);
        // The outer half only if the inner one has no more to offer.
        let inner = different.iter().take_while(|(rank, ..)| *rank < half).count().max(1);
        let value = |central: f32, nearest: f32| if nearest.is_finite() { central - nearest / 2.0 } else { central };
        let best = different
            .iter()
            .take(inner)
            .max_by(|(i, x, _, m), (j, y, _, n)| value(*x, *m).total_cmp(&value(*y, *n)).then(j.cmp(i)));
        let Some(&(_, _, row, _)) = best else { break };
        taken.push(row);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_degrees(degrees: &[f32]) -> Vectors {
        let mut v = Vectors::new(2);
        degrees.iter().for_each(|d| v.push(&[d.to_radians().cos(), d.to_radians().sin()]));
        v
    }

    #[test]
    fn exemplars_are_central_and_mutually_dissimilar() {
        // The mean direction of the first seven rows is about 30 degrees; 18 degrees are a
        // similarity of 0.951.
        let v = at_degrees(&[0.0, 10.0, 29.0, 31.0, 45.0, 60.0, 35.0, 200.0]);
        let assignment = [Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(1)];
        let chosen = medoids(&v, &[], &assignment, 3, 3);
        assert_eq!(chosen, [vec![3, 1, 5], vec![7], vec![]]);
        assert_eq!(medoids(&v, &[], &assignment, 1, 2), [vec![3, 1]]);
    }

    #[test]
    fn weights_move_the_centre_and_rows_without_weight_are_ignored() {
        let v = at_degrees(&[0.0, 30.0, 60.0]);
        let all = [Some(0); 3];
        assert_eq!(medoids(&v, &[1.0, 1.0, 50.0], &all, 1, 1), [vec![2]]);
        assert_eq!(medoids(&v, &[1.0, 0.0, f64::NAN], &all, 1, 5), [vec![0]]);
        assert_eq!(medoids(&Vectors::new(2), &[], &all, 1, 5), [Vec::<usize>::new()]);
    }

    #[test]
    fn rows_that_cancel_out_are_taken_in_order() {
        let v = at_degrees(&[0.0, 180.0]);
        assert_eq!(medoids(&v, &[], &[Some(0), Some(0)], 1, 2)[0].len(), 2);
    }
}
