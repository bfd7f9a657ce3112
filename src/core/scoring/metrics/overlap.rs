//! How much two collections have in common: precision, recall and their harmonic mean.

use std::cmp::Ordering;

/// Precision, recall and F1 of an answer against a reference, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Overlap {
    /// The share of the answer's items that are in the reference; 0 if the answer has none.
    pub(crate) precision: f64,
    /// The share of the reference's items that are in the answer; 0 if the reference has none.
    pub(crate) recall: f64,
    /// The harmonic mean of precision and recall; 0 if both are 0.
    pub(crate) f1: f64,
}

impl Overlap {
    /// The overlap of an answer and a reference of so many items, of which `matched` are in both.
    pub(crate) fn from_counts(matched: usize, candidate: usize, reference: usize) -> Self {
        let precision = matched as f64 / candidate.max(1) as f64;
        let recall = matched as f64 / reference.max(1) as f64;
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

/// The number of items that two sorted slices have in common, where an item that is repeated counts as often as it is
/// in both.
pub(super) fn common<T: Ord>(mut a: &[T], mut b: &[T]) -> usize {
    let mut both = 0;
    while let ([first, a_rest @ ..], [second, b_rest @ ..]) = (a, b) {
        let order = first.cmp(second);
        both += usize::from(order == Ordering::Equal);
        if order != Ordering::Greater {
            a = a_rest;
        }
        if order != Ordering::Less {
            b = b_rest;
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_recall_are_shares_and_f1_is_their_harmonic_mean() {
        let overlap = Overlap::from_counts(2, 4, 8);
        assert_eq!((overlap.precision, overlap.recall), (0.5, 0.25));
        assert!((overlap.f1 - 1.0 / 3.0).abs() < 1e-15);
        let nothing = Overlap { precision: 0.0, recall: 0.0, f1: 0.0 };
        for (candidate, reference) in [(0, 0), (3, 0), (0, 3), (3, 3)] {
            assert_eq!(Overlap::from_counts(0, candidate, reference), nothing);
        }
    }

    #[test]
    fn repeated_items_count_as_often_as_they_are_in_both() {
        assert_eq!(common(&[1, 2, 2, 2, 5], &[0, 2, 2, 3, 5, 5]), 3);
        assert_eq!(common::<u8>(&[], &[1]), 0);
    }
}
