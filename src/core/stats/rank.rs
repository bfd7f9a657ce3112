//! Comparison of two samples by rank.

/// A sorted copy; `None` if the sample is empty or contains a NaN.
fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// Area under the ROC curve: P(positive > negative) + P(positive = negative) / 2 over all pairs.
///
/// Equals the Mann-Whitney U statistic divided by `mn`. In [0, 1], with 0.5 for no separation. Returns `None` if a
/// sample is empty or contains a NaN.
pub fn mann_whitney_auc(positives: &[f64], negatives: &[f64]) -> Option<f64> {
    let (positives, negatives) = (sorted(positives)?, sorted(negatives)?);
    let wins: f64 = positives
        .iter()
        .map(|p| {
            let below = negatives.partition_point(|v| v < p);
            let not_above = negatives.partition_point(|v| v <= p);
            0.5 * (below + not_above) as f64
        })
        .sum();
    Some(wins / positives.len() as f64 / negatives.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/rank.json");

    #[test]
    fn auc_matches_scipy() {
        check_all(FIXTURE, "mann_whitney_auc", 1e-12, |case| {
            vec![mann_whitney_auc(&numbers(case, "a"), &numbers(case, "b")).unwrap()]
        });
    }

    #[test]
    fn empty_or_nan_samples_give_none() {
        for (a, b) in [(vec![], vec![1.0]), (vec![1.0], vec![]), (vec![1.0, f64::NAN], vec![1.0])] {
            assert_eq!(mann_whitney_auc(&a, &b), None);
        }
    }

    #[test]
    fn disjoint_samples_are_separated_completely() {
        let (low, high) = ([1.0, 2.0, f64::NEG_INFINITY], [3.0, 4.0]);
        assert_eq!(mann_whitney_auc(&high, &low), Some(1.0));
        assert_eq!(mann_whitney_auc(&low, &high), Some(0.0));
    }

    #[test]
    fn ties_count_half_and_zeros_of_either_sign_tie() {
        assert_eq!(mann_whitney_auc(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(mann_whitney_auc(&[-0.0], &[0.0]), Some(0.5));
    }

    proptest! {
        #[test]
        fn auc_matches_counting_every_pair(
            a in prop::collection::vec(-5_i32..5, 1..30), b in prop::collection::vec(-5_i32..5, 1..30)
        ) {
            let wins: f64 = a.iter().flat_map(|x| b.iter().map(move |y| match x.cmp(y) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })).sum();
            let f = |v: &[i32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            let auc = mann_whitney_auc(&f(&a), &f(&b)).unwrap();
            prop_assert!((auc - wins / (a.len() * b.len()) as f64).abs() < 1e-12);
            let reverse = mann_whitney_auc(&f(&b), &f(&a)).unwrap();
            prop_assert!((auc + reverse - 1.0).abs() < 1e-12);
        }
    }
}
