//! Compares two windows by the counts of categories.

use super::permutation::{Observed, Permutations, permutation_test};
use super::types::Finding;

/// Tests categories in `0..names.len()`, one per row, by the G statistic 2 Σ O ln(O / E) of the 2 x k table (Woolf 1957).
///
/// Categories without rows have no influence, and categories with few rows are not a problem, since the null
/// distribution is that of permutations rather than chi-squared. The effect is bias-corrected Cramér's V (Bergsma
/// 2013). The plain figures are the shares of the category whose share changed most. Returns `None` if fewer than two
/// categories occur or a window is empty.
pub(super) fn test_categories(
    labels: &[bool],
    categories: &[usize],
    names: &[&str],
    permutations: Permutations<'_>,
) -> Option<Finding> {
    let table = |labels: &[bool]| counts(labels, categories, names.len());
    let observed = table(labels);
    let used = observed.iter().filter(|c| c[0] + c[1] > 0.0).count();
    let sizes = sizes(&observed);
    if used < 2 || sizes[0] == 0.0 || sizes[1] == 0.0 {
        return None;
    }
    let test = permutation_test(labels, permutations, |labels| g_statistic(&table(labels)));
    let moved = most_moved(&observed);
    let (then, now, name) = moved.map(|(i, then, now)| (then, now, names.get(i).copied().unwrap_or_default()))?;
    Some(Finding {
        statistic: test.statistic,
        p_value: test.p_value,
        effect: cramers_v(&observed),
        reference: Some(then),
        now: Some(now),
        detail: format!("{name} {then:.2} → {now:.2}"),
    })
}

/// Tests categories by the total variation distance between the shares of the windows. Returns `None` if fewer than two
/// categories occur or a window is empty.
pub(super) fn test_mix(labels: &[bool], categories: &[usize], permutations: Permutations<'_>) -> Option<Observed> {
    let k = categories.iter().max()? + 1;
    let table = |labels: &[bool]| counts(labels, categories, k);
    let observed = table(labels);
    let sizes = sizes(&observed);
    if observed.iter().filter(|c| c[0] + c[1] > 0.0).count() < 2 || sizes[0] == 0.0 || sizes[1] == 0.0 {
        return None;
    }
    let distance =
        |table: &[[f64; 2]]| -> f64 { table.iter().map(|c| 0.5 * (c[0] / sizes[0] - c[1] / sizes[1]).abs()).sum() };
    Some(permutation_test(labels, permutations, |labels| distance(&table(labels))))
}

/// The number of rows of each window, [reference, now], in each category.
fn counts(labels: &[bool], categories: &[usize], k: usize) -> Vec<[f64; 2]> {
    let mut table = vec![[0.0; 2]; k];
    for (&now, &category) in labels.iter().zip(categories) {
        if let Some(cell) = table.get_mut(category) {
            cell[usize::from(now)] += 1.0;
        }
    }
    table
}

fn sizes(table: &[[f64; 2]]) -> [f64; 2] {
    table.iter().fold([0.0; 2], |sum, c| [sum[0] + c[0], sum[1] + c[1]])
}

fn g_statistic(table: &[[f64; 2]]) -> f64 {
    let sizes = sizes(table);
    let total = sizes[0] + sizes[1];
    let mut g = 0.0;
    for column in table {
        for (observed, size) in column.iter().zip(sizes) {
            if *observed > 0.0 {
                g += 2.0 * observed * (observed * total / (size * (column[0] + column[1]))).ln();
            }
        }
    }
    g.max(0.0)
}

/// Bias-corrected Cramér's V of a 2 x k table (Bergsma 2013, "A bias-correction for Cramér's V and Tschuprow's T"), in
/// [0, 1].
fn cramers_v(table: &[[f64; 2]]) -> f64 {
    let sizes = sizes(table);
    let total = sizes[0] + sizes[1];
    let used: Vec<&[f64; 2]> = table.iter().filter(|c| c[0] + c[1] > 0.0).collect();
    let mut phi2 = 0.0;
    for column in &used {
        for (observed, size) in column.iter().zip(sizes) {
            let expected = size * (column[0] + column[1]) / total;
            phi2 += (observed - expected).powi(2) / expected / total;
        }
    }
    let excess = phi2 - (used.len() as f64 - 1.0) / (total - 1.0);
    // The corrected number of windows, 2 - 1 / (n - 1), minus one.
    let width = 1.0 - 1.0 / (total - 1.0);
    (excess.max(0.0) / width).sqrt().min(1.0)
}

/// The category whose share differs most, with both shares; the first one if tied.
fn most_moved(table: &[[f64; 2]]) -> Option<(usize, f64, f64)> {
    let sizes = sizes(table);
    let shares = table.iter().enumerate().map(|(i, c)| (i, c[0] / sizes[0], c[1] / sizes[1]));
    let moved = |&(_, then, now): &(usize, f64, f64)| (now - then).abs();
    shares.reduce(|best, next| if moved(&next) > moved(&best) { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERMUTATIONS: Permutations<'static> = Permutations { seed: 3, stream: 1, count: 199, strata: &[] };

    fn rows(table: &[[usize; 2]]) -> (Vec<bool>, Vec<usize>) {
        let cells = table.iter().enumerate().flat_map(|(i, c)| [(false, i, c[0]), (true, i, c[1])]);
        cells.flat_map(|(now, category, count)| vec![(now, category); count]).unzip()
    }

    #[test]
    fn the_statistic_and_effect_match_the_textbook() {
        let (labels, categories) = rows(&[[60, 30], [40, 70]]);
        let found = test_categories(&labels, &categories, &["a", "b"], PERMUTATIONS).unwrap();
        let g = 2.0 * (60.0 * (60.0_f64 / 45.0).ln() + 30.0 * (30.0_f64 / 45.0).ln())
            + 2.0 * (40.0 * (40.0_f64 / 55.0).ln() + 70.0 * (70.0_f64 / 55.0).ln());
        assert!((found.statistic - g).abs() < 1e-9);
        let phi2: f64 = 2.0 * (225.0 / 45.0 + 225.0 / 55.0) / 200.0;
        let expected = ((phi2 - 1.0 / 199.0) / (1.0 - 1.0 / 199.0)).sqrt();
        assert!((found.effect - expected).abs() < 1e-12);
        assert_eq!((found.p_value, found.detail.as_str()), (0.005, "a 0.60 → 0.30"));
    }

    #[test]
    fn chance_alone_has_no_effect() {
        let (labels, categories) = rows(&[[26, 24], [23, 27], [25, 25]]);
        let found = test_categories(&labels, &categories, &["a", "b", "c"], PERMUTATIONS).unwrap();
        assert_eq!(found.effect, 0.0);
        assert!(found.p_value > 0.3);
    }

    #[test]
    fn the_distance_between_two_mixes_is_the_share_that_moved() {
        let (labels, categories) = rows(&[[50, 30], [30, 50], [20, 20]]);
        let found = test_mix(&labels, &categories, PERMUTATIONS).unwrap();
        assert!((found.statistic - 0.2).abs() < 1e-12 && found.p_value < 0.05, "{found:?}");
        let (labels, categories) = rows(&[[50, 48], [30, 33], [20, 19]]);
        let found = test_mix(&labels, &categories, PERMUTATIONS).unwrap();
        assert!(found.p_value > 0.3 && found.null_mean.unwrap() > found.statistic, "{found:?}");
        assert_eq!(test_mix(&[true, false], &[0, 0], PERMUTATIONS), None);
        assert_eq!(test_mix(&[], &[], PERMUTATIONS), None);
    }

    #[test]
    fn one_category_or_one_window_is_not_tested() {
        for table in [&[[30, 30], [0, 0]][..], &[[30, 0], [20, 0]], &[], &[[0, 0]]] {
            let (labels, categories) = rows(table);
            assert!(test_categories(&labels, &categories, &["a", "b"], PERMUTATIONS).is_none(), "{table:?}");
        }
    }

    proptest! {
        #[test]
        fn every_figure_is_within_its_range(table in prop::collection::vec((0usize..9, 0usize..9), 2..6)) {
            let table: Vec<[usize; 2]> = table.into_iter().map(|(a, b)| [a, b]).collect();
            let (labels, categories) = rows(&table);
            let few = Permutations { count: 9, ..PERMUTATIONS };
            if let Some(found) = test_categories(&labels, &categories, &["x"; 6], few) {
                prop_assert!(found.statistic >= 0.0 && found.statistic.is_finite());
                prop_assert!((0.1..=1.0).contains(&found.p_value) && (0.0..=1.0).contains(&found.effect));
            }
        }
    }
}
