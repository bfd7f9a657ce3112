//! Compares two windows by how well a classifier distinguishes their requests.

use super::permutation::{Permutations, permutation_test};
use super::types::Finding;
use crate::core::vector::{Vectors, dot, top_k};

/// Directions are equal, within rounding, if their cosine is closer to 1 than this.
const SAME_DIRECTION: f32 = 5e-6;

/// Tests vectors by a classifier of the two windows (C2ST, Lopez-Paz & Oquab 2017). The score of a row is the share of
/// its √n nearest other rows that belong to the window under test, and the statistic is the area under the ROC curve of
/// the scores.
///
/// The neighbours are found only once, since they do not depend on the labels; each permutation scores all rows again.
/// Since a row is not its own neighbour, its neighbours belong to the other window slightly too often. The effect is
/// therefore the excess of the AUC over the mean AUC of the permutations, and 0 if the AUC is below it. All rows must
/// be embeddable. Returns `None` if all directions are equal.
pub(super) fn test_classifier(labels: &[bool], vectors: &Vectors, permutations: Permutations<'_>) -> Option<Finding> {
    if !varied(vectors) {
        return None;
    }
    let k = (labels.len() as f64).sqrt().round() as usize;
    let neighbours: Vec<Vec<u32>> = top_k(vectors, vectors, k, |query, base| query == base)
        .into_iter()
        .map(|list| list.into_iter().map(|neighbour| neighbour.index as u32).collect())
        .collect();
    let test = permutation_test(labels, permutations, |labels| auc(labels, &neighbours, k));
    let effect = test.statistic - test.null_mean.unwrap_or(0.5);
    Some(Finding {
        statistic: test.statistic,
        p_value: test.p_value,
        effect: effect.max(0.0),
        reference: None,
        now: None,
        detail: String::new(),
    })
}

/// Whether the rows have more than one direction, apart from rounding.
fn varied(vectors: &Vectors) -> bool {
    vectors.rows().any(|row| dot(row, vectors.row(0)) < 1.0 - SAME_DIRECTION)
}

/// Area under the ROC curve of the number of labelled neighbours, which is at most `k`.
fn auc(labels: &[bool], neighbours: &[Vec<u32>], k: usize) -> f64 {
    let mut histogram = vec![[0.0; 2]; k + 1];
    for (&label, list) in labels.iter().zip(neighbours) {
        let score = list.iter().filter(|&&i| labels[i as usize]).count();
        histogram[score][usize::from(label)] += 1.0;
    }
    let (mut below, mut wins, mut positives) = (0.0, 0.0, 0.0);
    for [negative, positive] in histogram {
        wins += positive * (below + negative / 2.0);
        below += negative;
        positives += positive;
    }
    if below > 0.0 && positives > 0.0 { wins / (below * positives) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::{mann_whitney_auc, rng};
    use rand::RngExt;

    const PERMUTATIONS: Permutations<'static> = Permutations { seed: 3, stream: 1, count: 99, strata: &[] };

    fn rows(n: usize, shift: impl Fn(usize) -> f32) -> Vectors {
        let mut rng = rng(5, 6);
        let mut v = Vectors::new(4);
        for i in 0..n {
            let row: Vec<f32> =
                (0..4).map(|d| rng.random::<f32>() - 0.5 + if d == 0 { shift(i) } else { 0.0 }).collect();
            v.push(&row);
        }
        v
    }

    #[test]
    fn the_area_matches_mann_whitney() {
        let neighbours = vec![vec![1, 2], vec![0, 2], vec![3, 4], vec![4, 2], vec![3, 0]];
        let labels = [true, true, false, false, true];
        let split = |wanted: bool| -> Vec<f64> {
            let score = |list: &Vec<u32>| list.iter().filter(|&&i| labels[i as usize]).count() as f64;
            labels.iter().zip(&neighbours).filter(|(l, _)| **l == wanted).map(|(_, list)| score(list)).collect()
        };
        let expected = mann_whitney_auc(&split(true), &split(false)).unwrap();
        assert!((auc(&labels, &neighbours, 2) - expected).abs() < 1e-12);
        assert_eq!(auc(&[true; 5], &neighbours, 2), 0.5);
    }

    #[test]
    fn shifted_vectors_are_distinguished_and_others_are_not() {
        let labels: Vec<bool> = (0..100).map(|i| i % 2 == 0).collect();
        let moved = test_classifier(&labels, &rows(100, |i| if i % 2 == 0 { 1.0 } else { 0.0 }), PERMUTATIONS).unwrap();
        assert!(moved.p_value == 0.01 && moved.effect > 0.3, "{moved:?}");
        let same = test_classifier(&labels, &rows(100, |_| 0.0), PERMUTATIONS).unwrap();
        assert!(same.p_value > 0.05 && same.effect < 0.12, "{same:?}");
    }

    #[test]
    fn equal_rows_are_not_tested() {
        let mut v = Vectors::new(2);
        (0..50).for_each(|_| v.push(&[1.0, 0.3]));
        let labels: Vec<bool> = (0..50).map(|i| i % 2 == 0).collect();
        assert!(test_classifier(&labels, &v, PERMUTATIONS).is_none());
        assert!(test_classifier(&[], &Vectors::new(2), PERMUTATIONS).is_none());
    }
}
