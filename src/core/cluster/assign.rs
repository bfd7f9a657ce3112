//! Assignment of rows to their most similar centroid.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::core::vector::{Vectors, tile};

/// Rows per unit of parallel work.
const BLOCK: usize = 64;

/// The cluster of a row and the cosine similarity to its centroid, in [-1, 1] up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Row number of the centroid.
    pub cluster: usize,
    /// Cosine similarity to the centroid.
    pub similarity: f32,
}

/// Assigns each row to its most similar centroid; ties go to the lower cluster. `None` for rows that are not
/// embeddable, and for every row if no centroid is embeddable or the dimensions differ.
pub fn assign(v: &Vectors, centroids: &Vectors) -> Vec<Option<Assignment>> {
    if v.dim() != centroids.dim() {
        return vec![None; v.len()];
    }
    let usable: Vec<bool> = (0..centroids.len()).map(|j| centroids.is_embeddable(j)).collect();
    let starts: Vec<usize> = (0..v.len()).step_by(BLOCK).collect();
    let blocks: Vec<Vec<Option<Assignment>>> = starts
        .par_iter()
        .map(|&start| assign_block(v, start..(start + BLOCK).min(v.len()), centroids, &usable))
        .collect();
    blocks.concat()
}

fn assign_block(
    v: &Vectors,
    block: std::ops::Range<usize>,
    centroids: &Vectors,
    usable: &[bool],
) -> Vec<Option<Assignment>> {
    if centroids.is_empty() {
        return vec![None; block.len()];
    }
    let mut similarities = Vec::new();
    tile(v, block.clone(), centroids, 0..centroids.len(), &mut similarities);
    let rows = block.zip(similarities.chunks_exact(centroids.len()));
    rows.map(|(i, row)| if v.is_embeddable(i) { best(row, usable) } else { None }).collect()
}

fn best(similarities: &[f32], usable: &[bool]) -> Option<Assignment> {
    let mut best: Option<Assignment> = None;
    for (cluster, (&similarity, _)) in similarities.iter().zip(usable).enumerate().filter(|(_, (_, usable))| **usable) {
        if best.is_none_or(|b| similarity > b.similarity) {
            best = Some(Assignment { cluster, similarity });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(rows: &[[f32; 2]]) -> Vectors {
        let mut v = Vectors::new(2);
        rows.iter().for_each(|row| v.push(row));
        v
    }

    #[test]
    fn a_row_goes_to_the_most_similar_embeddable_centroid() {
        let v = vectors(&[[1.0, 0.1], [0.0, 2.0], [0.0, 0.0], [-1.0, -1.0]]);
        let centroids = vectors(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]);
        let clusters: Vec<Option<usize>> = assign(&v, &centroids).iter().map(|a| a.map(|a| a.cluster)).collect();
        assert_eq!(clusters, [Some(2), Some(1), None, Some(1)]);
    }

    #[test]
    fn without_a_usable_centroid_no_row_is_assigned() {
        let v = vectors(&[[1.0, 0.0]]);
        for centroids in [Vectors::new(2), Vectors::new(3), vectors(&[[0.0, 0.0]])] {
            assert_eq!(assign(&v, &centroids), [None]);
        }
        assert!(assign(&Vectors::new(2), &v).is_empty());
    }
}
