//! Agreement of two partitions of the same items.

use std::collections::BTreeMap;

/// Adjusted Rand index of two labellings of the same items (Hubert and Arabie 1985): 1 for equal partitions, 0 in
/// expectation for random ones, and at least -0.5. Only the partitions matter, not the labels. The index is 1 if no
/// pair of items is treated differently, as with fewer than two items. Items beyond the end of the shorter labelling
/// are ignored.
pub fn adjusted_rand_index(a: &[usize], b: &[usize]) -> f64 {
    let table = Contingency::new(a, b);
    let pairs =
        |counts: &mut dyn Iterator<Item = &u64>| counts.map(|&n| i128::from(n) * (i128::from(n) - 1) / 2).sum::<i128>();
    let both = pairs(&mut table.cells.values());
    let only_a = pairs(&mut table.a.values()) - both;
    let only_b = pairs(&mut table.b.values()) - both;
    if only_a == 0 && only_b == 0 {
        return 1.0;
    }
    let n = i128::from(table.n);
    let neither = n * (n - 1) / 2 - both - only_a - only_b;
    let numerator = 2 * (both * neither - only_a * only_b);
    let denominator = (both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither);
    numerator as f64 / denominator as f64
}

/// Counts of items by label and by pair of labels.
struct Contingency {
    n: u64,
    a: BTreeMap<usize, u64>,
    b: BTreeMap<usize, u64>,
    cells: BTreeMap<(usize, usize), u64>,
}

impl Contingency {
    fn new(a: &[usize], b: &[usize]) -> Self {
        let mut table = Self { n: 0, a: BTreeMap::new(), b: BTreeMap::new(), cells: BTreeMap::new() };
        for (&x, &y) in a.iter().zip(b) {
            table.n += 1;
            *table.a.entry(x).or_default() += 1;
            *table.b.entry(y).or_default() += 1;
            *table.cells.entry((x, y)).or_default() += 1;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        a: Vec<usize>,
        b: Vec<usize>,
        ari: f64,
    }

    #[test]
    fn the_index_matches_scikit_learn() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/fixtures/cluster/agreement.json")).unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let ari = adjusted_rand_index(&case.a, &case.b);
            assert!((ari - case.ari).abs() < 1e-12, "ARI {ari} against {} for {:?} {:?}", case.ari, case.a, case.b);
        }
    }

    #[test]
    fn items_beyond_the_shorter_labelling_are_ignored() {
        assert_eq!(adjusted_rand_index(&[0, 0, 1, 1, 5], &[7, 7, 3, 3]), 1.0);
    }

    proptest! {
        #[test]
        fn the_index_ignores_label_names_and_item_order_and_is_symmetric(
            mut items in proptest::collection::vec((0usize..5, 0usize..4), 0..60).prop_shuffle(), shift in 1usize..9
        ) {
            let both = |items: &[(usize, usize)]| {
                let (a, b): (Vec<usize>, Vec<usize>) = items.iter().copied().unzip();
                (adjusted_rand_index(&a, &b), adjusted_rand_index(&b, &a))
            };
            let (ari, swapped) = both(&items);
            prop_assert_eq!(ari, swapped);
            prop_assert!((-0.5 - 1e-12..=1.0).contains(&ari));
            items.reverse();
            items.iter_mut().for_each(|(a, b)| (*a, *b) = ((*a + shift) % 5 + 10, 3 - *b));
            prop_assert_eq!(both(&items).0, ari);
        }
    }
}
