//! Comparisons of two samples by order alone.

use super::result::TestResult;
use super::special::kolmogorov_upper;

/// Sorted copy, or None when the sample is empty or holds a NaN.
fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// Two-sample Kolmogorov-Smirnov test, two-sided.
///
/// `statistic` and `effect` are D, the largest distance in [0, 1] between the two empirical
/// distribution functions; `p_value` is the tail of the limiting Kolmogorov distribution at
/// `D sqrt(mn / (m + n))`, conservative for small samples and for ties; `df` is None.
///
/// None when a sample is empty or holds a NaN. Infinite values are ordered as usual.
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> Option<TestResult> {
    let (a, b) = (sorted(a)?, sorted(b)?);
    let (m, n) = (a.len() as f64, b.len() as f64);
    let (mut rest_a, mut rest_b) = (a.as_slice(), b.as_slice());
    let mut distance = 0.0_f64;
    // Past the end of one sample the distance can only shrink.
    while let (Some(x), Some(y)) = (rest_a.first(), rest_b.first()) {
        let value = x.min(*y);
        rest_a = after(rest_a, value);
        rest_b = after(rest_b, value);
        let below_a = (a.len() - rest_a.len()) as f64 / m;
        let below_b = (b.len() - rest_b.len()) as f64 / n;
        distance = distance.max((below_a - below_b).abs());
    }
    let p_value = kolmogorov_upper(distance * (m * (n / (m + n))).sqrt());
    Some(TestResult { statistic: distance, p_value, effect: distance, df: None })
}

/// What is left of a sorted slice after its values up to and including `value`.
fn after(values: &[f64], value: f64) -> &[f64] {
    let equal = values.iter().take_while(|v| **v <= value).count();
    values.get(equal..).unwrap_or_default()
}

/// Area under the ROC curve: P(positive > negative) + P(positive = negative) / 2 over all pairs.
///
/// Equals the Mann-Whitney U statistic over `mn`; in [0, 1], 0.5 without separation. None when a
/// sample is empty or holds a NaN.
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
    use super::super::bootstrap::rng;
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/rank.json");

    #[test]
    fn ks_matches_scipy() {
        check_all(FIXTURE, "ks_two_sample", 1e-11, |case| {
            let r = ks_two_sample(&numbers(case, "a"), &numbers(case, "b")).unwrap();
            vec![r.statistic, r.p_value]
        });
    }

    #[test]
    fn auc_matches_scipy() {
        check_all(FIXTURE, "mann_whitney_auc", 1e-12, |case| {
            vec![mann_whitney_auc(&numbers(case, "a"), &numbers(case, "b")).unwrap()]
        });
    }

    #[test]
    fn empty_or_nan_samples_give_none() {
        for (a, b) in [(vec![], vec![1.0]), (vec![1.0], vec![]), (vec![1.0, f64::NAN], vec![1.0])] {
            assert_eq!(ks_two_sample(&a, &b), None);
            assert_eq!(mann_whitney_auc(&a, &b), None);
        }
    }

    #[test]
    fn disjoint_samples_are_separated_completely() {
        let (low, high) = ([1.0, 2.0, f64::NEG_INFINITY], [3.0, 4.0]);
        assert_eq!(mann_whitney_auc(&high, &low), Some(1.0));
        assert_eq!(mann_whitney_auc(&low, &high), Some(0.0));
        assert_eq!(ks_two_sample(&low, &high).unwrap().statistic, 1.0);
    }

    #[test]
    fn ties_count_half_and_zeros_of_either_sign_tie() {
        assert_eq!(mann_whitney_auc(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(mann_whitney_auc(&[-0.0], &[0.0]), Some(0.5));
        assert_eq!(ks_two_sample(&[-0.0, 1.0], &[0.0, 1.0]).unwrap().statistic, 0.0);
    }

    #[test]
    fn ks_is_not_anti_conservative_under_the_null() {
        let mut rng = rng(22, 0);
        let mut draw = |n| (0..n).map(|_| rng.next_u32() as f64).collect::<Vec<_>>();
        let rejected = (0..2000).filter(|_| ks_two_sample(&draw(60), &draw(40)).unwrap().p_value <= 0.05).count();
        println!("ks: rejection rate {} at level 0.05", rejected as f64 / 2000.0);
        assert!(rejected as f64 <= 2000.0 * 0.05 + 3.0 * (2000.0_f64 * 0.05 * 0.95).sqrt());
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

        #[test]
        fn ks_depends_on_order_alone(
            a in prop::collection::vec(-5.0..5.0_f64, 1..40), b in prop::collection::vec(-5.0..5.0_f64, 1..40)
        ) {
            let exp = |v: &[f64]| v.iter().map(|x| 3.0 * x + 1.0).collect::<Vec<_>>();
            let r = ks_two_sample(&a, &b).unwrap();
            prop_assert_eq!(r, ks_two_sample(&exp(&a), &exp(&b)).unwrap());
            prop_assert!((0.0..=1.0).contains(&r.p_value) && (0.0..=1.0).contains(&r.statistic));
            prop_assert_eq!(ks_two_sample(&a, &a).unwrap().p_value, 1.0);
        }
    }
}
