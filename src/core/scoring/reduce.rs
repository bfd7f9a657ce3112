//! Combines the scores of an example's trials into one score.

use std::collections::BTreeMap;

use crate::core::domain::Reducer;

/// The score of an example whose trials scored `values`, each in [0, 1]. Returns `None` if there are fewer values than
/// the reducer needs; trials that ended in an error count neither as passes nor as misses.
pub fn reduce(reducer: Reducer, values: &[f64]) -> Option<f64> {
    if values.is_empty() || values.len() < reducer.trials() as usize {
        return None;
    }
    let n = values.len() as u64;
    let passed = values.iter().filter(|value| **value >= 1.0).count() as u64;
    Some(match reducer {
        Reducer::Mean => values.iter().sum::<f64>() / values.len() as f64,
        Reducer::Majority => majority(values),
        Reducer::Any => values.iter().copied().fold(0.0, f64::max),
        Reducer::All => values.iter().copied().fold(1.0, f64::min),
        Reducer::PassAt(k) => 1.0 - share_of_subsets(n - passed, n, u64::from(k)),
        Reducer::PassAll(k) => share_of_subsets(passed, n, u64::from(k)),
    })
}

fn majority(values: &[f64]) -> f64 {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    // Scores are not negative, so that their bits sort like their values.
    values.iter().for_each(|value| *counts.entry(value.to_bits()).or_default() += 1);
    let most = counts.values().copied().max().unwrap_or_default();
    counts.into_iter().find(|(_, count)| *count == most).map_or(0.0, |(bits, _)| f64::from_bits(bits))
}

/// The share of the `k`-subsets of `n` items that lie within a subset of `some` items: C(some, k) / C(n, k), computed
/// as a product to avoid overflow.
fn share_of_subsets(some: u64, n: u64, k: u64) -> f64 {
    (0..k).map(|i| some.saturating_sub(i) as f64 / (n - i) as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF: [f64; 4] = [1.0, 0.0, 1.0, 0.0];

    #[test]
    fn every_reducer_follows_its_definition() {
        let cases = [
            (Reducer::Mean, &HALF[..], Some(0.5)),
            (Reducer::Majority, &[1.0, 1.0, 0.0], Some(1.0)),
            (Reducer::Majority, &HALF, Some(0.0)),
            (Reducer::Majority, &[0.3, 0.7, 0.7], Some(0.7)),
            (Reducer::Any, &HALF, Some(1.0)),
            (Reducer::All, &HALF, Some(0.0)),
            (Reducer::All, &[0.4, 0.9], Some(0.4)),
            (Reducer::PassAt(1), &HALF, Some(0.5)),
            // 1 − C(2,2)/C(4,2) = 5/6, and C(2,2)/C(4,2) = 1/6.
            (Reducer::PassAt(2), &HALF, Some(5.0 / 6.0)),
            (Reducer::PassAll(2), &HALF, Some(1.0 / 6.0)),
            (Reducer::PassAt(4), &HALF, Some(1.0)),
            (Reducer::PassAll(4), &HALF, Some(0.0)),
            (Reducer::PassAll(3), &[1.0, 1.0], None),
            (Reducer::Mean, &[], None),
        ];
        for (reducer, values, expected) in cases {
            match (reduce(reducer, values), expected) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{reducer:?} of {values:?}"),
                (found, expected) => assert_eq!(found, expected, "{reducer:?} of {values:?}"),
            }
        }
    }

    #[test]
    fn names_read_back_and_unknown_ones_are_rejected() {
        for name in ["mean", "majority", "any", "all", "pass@3", "pass^10"] {
            assert_eq!(String::from(Reducer::try_from(name.to_owned()).unwrap()), name);
        }
        for name in ["pass@0", "pass@", "pass^x", "best", ""] {
            assert!(Reducer::try_from(name.to_owned()).unwrap_err().contains("pass@k"), "{name}");
        }
    }

    proptest! {
        #[test]
        fn all_reducers_agree_on_one_trial_and_scores_are_within_the_unit_interval(
            values in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64], 1..9), k in 1_u32..9,
        ) {
            for reducer in [Reducer::Mean, Reducer::Majority, Reducer::Any, Reducer::All, Reducer::PassAt(k), Reducer::PassAll(k)] {
                if let Some(found) = reduce(reducer, &values) {
                    prop_assert!((0.0..=1.0).contains(&found));
                }
                let passes = f64::from(u8::from(values[0] >= 1.0));
                if reducer.trials() == 1 && values[0] == passes {
                    prop_assert_eq!(reduce(reducer, &values[..1]), Some(passes));
                }
            }
        }
    }
}
