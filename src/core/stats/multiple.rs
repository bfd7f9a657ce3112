//! Adjustment of p-values for multiple testing.

/// Indices in ascending order of p-value, with the p-values clamped to [0, 1]; NaN counts as 1.
fn ranked(p: &[f64]) -> Vec<(usize, f64)> {
    let clean = |v: &f64| if v.is_nan() { 1.0 } else { v.clamp(0.0, 1.0) };
    let mut ranked: Vec<(usize, f64)> = p.iter().map(clean).enumerate().collect();
    ranked.sort_by(|x, y| x.1.total_cmp(&y.1));
    ranked
}

fn in_input_order(adjusted: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut indexed: Vec<(usize, f64)> = adjusted.collect();
    indexed.sort_unstable_by_key(|(index, _)| *index);
    indexed.into_iter().map(|(_, p)| p).collect()
}

/// Adjusted p-values that control the false discovery rate (Benjamini and Hochberg 1995).
///
/// Results are in the order of the input, in [0, 1]. NaN is treated as 1 and still counts as a test; values outside of
/// [0, 1] are clamped. An empty input gives an empty output.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let m = p.len() as f64;
    let mut least = 1.0_f64;
    let adjusted = ranked(p).into_iter().enumerate().rev().map(|(rank, (index, p))| {
        least = least.min(p * m / (rank as f64 + 1.0));
        (index, least)
    });
    in_input_order(adjusted)
}

/// Adjusted p-values that control the family-wise error rate (Holm 1979).
///
/// Results are in the order of the input, in [0, 1]. NaN is treated as 1 and still counts as a test; values outside of
/// [0, 1] are clamped. An empty input gives an empty output.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let m = p.len();
    let mut largest = 0.0_f64;
    let adjusted = ranked(p).into_iter().enumerate().map(|(rank, (index, p))| {
        largest = largest.max(p * (m - rank) as f64).min(1.0);
        (index, largest)
    });
    in_input_order(adjusted)
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/multiple.json");

    #[test]
    fn adjusted_p_values_match_statsmodels() {
        check_all(FIXTURE, "benjamini_hochberg", 1e-12, |c| benjamini_hochberg(&numbers(c, "p")));
        check_all(FIXTURE, "holm", 1e-12, |c| holm(&numbers(c, "p")));
    }

    #[test]
    fn an_empty_input_and_a_single_p_value_are_unchanged() {
        assert!(benjamini_hochberg(&[]).is_empty() && holm(&[]).is_empty());
        assert_eq!(benjamini_hochberg(&[0.03]), [0.03]);
        assert_eq!(holm(&[0.03]), [0.03]);
    }

    #[test]
    fn nan_counts_as_a_test_with_p_value_one() {
        assert_eq!(benjamini_hochberg(&[0.01, f64::NAN]), [0.02, 1.0]);
        assert_eq!(holm(&[f64::NAN, 0.01]), [1.0, 0.02]);
        assert_eq!(holm(&[-1.0, 7.0]), [0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn adjustment_keeps_order_and_never_exceeds_holm(p in prop::collection::vec(0.0..=1.0_f64, 1..40)) {
            let (bh, holm) = (benjamini_hochberg(&p), holm(&p));
            for i in 0..p.len() {
                prop_assert!(p[i] <= bh[i] + 1e-15 && bh[i] <= holm[i] + 1e-15 && holm[i] <= 1.0);
                for j in 0..p.len() {
                    if p[i] <= p[j] {
                        prop_assert!(bh[i] <= bh[j] && holm[i] <= holm[j]);
                    }
                }
            }
        }

        #[test]
        fn adjustment_follows_a_permutation_of_the_input(p in prop::collection::vec(0.0..=1.0_f64, 1..40)) {
            let reversed: Vec<f64> = p.iter().rev().copied().collect();
            let mut back = benjamini_hochberg(&reversed);
            back.reverse();
            prop_assert_eq!(back, benjamini_hochberg(&p));
        }
    }
}
