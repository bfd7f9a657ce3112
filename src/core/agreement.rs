//! Agreement of two embedding spaces on the same items.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::core::vector::{Vectors, top_k};

/// The mean share of an item's `k` nearest neighbours that are the same in both embedding spaces (the overlap of
/// neighbours of Wendlandt, Kummerfeld & Mihalcea 2018), over the items that both can embed. `None` if there are fewer
/// than `k` + 1 such items, or if `k` is 0.
///
/// # Panics
/// Never panics. Rows beyond the end of the shorter matrix are ignored.
pub fn neighbour_overlap(a: &Vectors, b: &Vectors, k: usize) -> Option<f64> {
    let both: Vec<usize> =
        (0..a.len().min(b.len())).filter(|row| a.is_embeddable(*row) && b.is_embeddable(*row)).collect();
    if k == 0 || both.len() <= k {
        return None;
    }
    let neighbours = |vectors: &Vectors| {
        let rows = vectors.part(&both);
        top_k(&rows, &rows, k, |query, base| query == base)
    };
    let shared = neighbours(a).into_iter().zip(neighbours(b)).map(|(a, b)| {
        let first: HashSet<usize> = a.iter().map(|neighbour| neighbour.index).collect();
        b.iter().filter(|neighbour| first.contains(&neighbour.index)).count()
    });
    Some(shared.sum::<usize>() as f64 / (k * both.len()) as f64)
}

/// The comparison of two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Number of items only in the first set.
    pub before_only: usize,
    /// Number of items in both sets.
    pub shared: usize,
    /// Number of items only in the second set.
    pub after_only: usize,
}

impl Overlap {
    /// Compares two sets.
    pub fn of<T: Eq + std::hash::Hash>(before: &HashSet<T>, after: &HashSet<T>) -> Self {
        let shared = before.intersection(after).count();
        Self { before_only: before.len() - shared, shared, after_only: after.len() - shared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(angles: &[f32]) -> Vectors {
        let mut vectors = Vectors::new(2);
        angles.iter().for_each(|angle| vectors.push(&[angle.cos(), angle.sin()]));
        vectors
    }

    #[test]
    fn equal_neighbours_overlap_fully_and_shuffled_ones_partly() {
        let line = rows(&[0.0, 0.1, 0.3, 0.6, 1.0]);
        assert_eq!(neighbour_overlap(&line, &line, 2), Some(1.0));
        let moved = rows(&[0.0, 0.1, 0.3, 0.6, 0.15]);
        let found = neighbour_overlap(&line, &moved, 2).unwrap();
        assert!(found > 0.3 && found < 1.0, "{found}");
    }

    #[test]
    fn items_that_one_space_cannot_embed_are_left_out_and_too_few_items_give_none() {
        let line = rows(&[0.0, 0.1, 0.3, 0.6]);
        let mut holed = rows(&[0.0, 0.1, 0.3]);
        holed.push(&[0.0, 0.0]);
        assert_eq!(neighbour_overlap(&line, &holed, 2), Some(1.0));
        assert_eq!(neighbour_overlap(&line, &holed, 3), None);
        assert_eq!(neighbour_overlap(&Vectors::new(2), &Vectors::new(3), 1), None);
        assert_eq!(neighbour_overlap(&line, &line, 0), None);
    }

    #[test]
    fn overlap_counts_both_sides() {
        let of = |items: &[u8]| items.iter().copied().collect::<HashSet<_>>();
        let found = Overlap::of(&of(&[1, 2, 3]), &of(&[3, 4]));
        assert_eq!(found, Overlap { before_only: 2, shared: 1, after_only: 1 });
    }
}
