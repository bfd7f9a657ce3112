//! Tests on contingency tables.

use super::result::TestResult;
use super::special::{Tails, beta_tails, binomial_density, chi_squared_upper, deviance};

/// Smallest expected count of a cell that [`g_test`] leaves unpooled (Cochran 1954).
pub const MIN_EXPECTED: f64 = 5.0;

/// G test of homogeneity of two count vectors over the same categories.
///
/// The table is 2 x k; counts may be fractional. `statistic` is G with Williams' correction
/// (Williams 1976), `df` is k - 1 after pooling, `effect` is Cramer's V of the pooled table.
///
/// Categories empty in both vectors are dropped. Those with an expected count below `MIN_EXPECTED` in either vector are
/// then summed into one category; if that one is still below the bound, it absorbs the remaining category with the
/// smallest total (the first one if tied). The rule depends only on row and column totals, so under the null hypothesis
/// it does not favour any split of a column. The order of categories matters only among equal smallest totals.
///
/// The chi-squared reference is slightly liberal when many categories sit right at the bound: at
/// nominal 0.05 and 0.01, 50 equal categories of expected count 5.5 reject true nulls at rates
/// 0.055 and 0.011 by simulation; for 20 of expected count 10 the excess is below 0.001.
///
/// Returns `None` if nothing can be tested: vectors of unequal length, a count that is negative, NaN or infinite, a
/// vector without counts, or fewer than two categories after pooling.
pub fn g_test(a: &[f64], b: &[f64]) -> Option<TestResult> {
    let valid = |v: &f64| v.is_finite() && *v >= 0.0;
    if a.len() != b.len() || !a.iter().all(valid) || !b.iter().all(valid) {
        return None;
    }
    let columns: Vec<[f64; 2]> = a.iter().zip(b).map(|(x, y)| [*x, *y]).filter(|c| c[0] + c[1] > 0.0).collect();
    let rows = [0, 1].map(|i| columns.iter().map(|c| c[i]).sum::<f64>());
    let smaller_row = rows[0].min(rows[1]);
    let total = rows[0] + rows[1];
    if smaller_row <= 0.0 || !total.is_finite() {
        return None;
    }
    let pooled = pool_sparse(columns, smaller_row / total);
    if pooled.len() < 2 {
        return None;
    }
    Some(homogeneity(&pooled, rows, total))
}

/// Sums the columns whose smaller expected count is below the bound; see [`g_test`].
fn pool_sparse(columns: Vec<[f64; 2]>, smaller_share: f64) -> Vec<[f64; 2]> {
    let enough = |c: &[f64; 2]| (c[0] + c[1]) * smaller_share >= MIN_EXPECTED;
    let (mut stored, sparse): (Vec<_>, Vec<_>) = columns.into_iter().partition(enough);
    if sparse.is_empty() {
        return stored;
    }
    let mut pool = sparse.iter().fold([0.0, 0.0], |p, c| [p[0] + c[0], p[1] + c[1]]);
    if !enough(&pool) {
        let least =
            (0..stored.len()).min_by(|&i, &j| (stored[i][0] + stored[i][1]).total_cmp(&(stored[j][0] + stored[j][1])));
        if let Some(i) = least {
            let column = stored.remove(i);
            pool = [pool[0] + column[0], pool[1] + column[1]];
        }
    }
    stored.push(pool);
    stored
}

fn homogeneity(columns: &[[f64; 2]], rows: [f64; 2], total: f64) -> TestResult {
    let (mut g, mut pearson, mut inverse_columns) = (0.0, 0.0, 0.0);
    for column in columns {
        let column_total = column[0] + column[1];
        inverse_columns += total / column_total;
        for (observed, row) in column.iter().zip(rows) {
            let expected = row * (column_total / total);
            // Observed and expected have one sum, so the terms `expected - observed` of the
            // deviance cancel in G but not its rounding.
            g += 2.0 * if *observed > 0.0 { deviance(*observed, expected) } else { expected };
            pearson += (observed - expected).powi(2) / expected;
        }
    }
    let df = (columns.len() - 1) as f64;
    let inverse_rows = total / rows[0] + total / rows[1];
    let williams = 1.0 + (inverse_rows - 1.0) * (inverse_columns - 1.0) / (6.0 * total * df);
    let statistic = (g / williams).max(0.0);
    TestResult {
        statistic,
        p_value: chi_squared_upper(statistic, df),
        effect: (pearson / total).sqrt().min(1.0),
        df: Some(df),
    }
}

/// McNemar's test of paired proportions with the mid-p value, two-sided.
///
/// `b` and `c` count the discordant pairs of either kind. Fagerland, Lydersen and Laake (2013), "The McNemar test for
/// binary matched-pairs data: mid-p and asymptotic are better than exact conditional". Without discordant pairs, the
/// result is 1.
pub fn mcnemar_mid_p(b: u64, c: u64) -> f64 {
    if b == 0 && c == 0 {
        return 1.0;
    }
    let (less, more) = (b.min(c) as f64, b.max(c) as f64);
    let point = binomial_density(less, more, 0.5, 0.5);
    if b == c {
        return 1.0 - 0.5 * point;
    }
    let Tails { lower, .. } = beta_tails(more, less + 1.0, 0.5, 0.5);
    (2.0 * lower - point).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::rng;
    use super::super::parity::{check_all, counts, numbers};
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/contingency.json");

    #[test]
    fn g_test_matches_scipy() {
        check_all(FIXTURE, "g_test", 1e-9, |case| {
            let r = g_test(&numbers(case, "a"), &numbers(case, "b")).unwrap();
            vec![r.statistic, r.p_value, r.effect, r.df.unwrap()]
        });
    }

    #[test]
    fn mcnemar_mid_p_matches_the_binomial_of_scipy() {
        check_all(FIXTURE, "mcnemar_mid_p", 1e-9, |case| {
            let v = counts(case, "counts");
            vec![mcnemar_mid_p(v[0], v[1])]
        });
    }

    #[test]
    fn mcnemar_mid_p_reproduces_the_published_example() {
        // Fagerland et al. 2013, airway hyper-responsiveness: b = 1, c = 7.
        assert!((mcnemar_mid_p(1, 7) - 10.0 / 256.0).abs() < 1e-15);
    }

    #[test]
    fn degenerate_inputs_give_none() {
        let cases: [(&[f64], &[f64]); 8] = [
            (&[], &[]),
            (&[10.0, 20.0], &[10.0]),
            (&[0.0, 0.0], &[10.0, 20.0]),
            (&[30.0, 0.0], &[30.0, 0.0]),
            (&[1.0, 1.0], &[1.0, 1.0]),
            (&[f64::NAN, 20.0], &[10.0, 20.0]),
            (&[-1.0, 20.0], &[10.0, 20.0]),
            (&[f64::INFINITY, 20.0], &[10.0, 20.0]),
        ];
        for (a, b) in cases {
            assert_eq!(g_test(a, b), None, "{a:?} {b:?}");
        }
    }

    #[test]
    fn identical_vectors_give_no_evidence() {
        let r = g_test(&[30.0, 40.0, 50.0], &[30.0, 40.0, 50.0]).unwrap();
        assert!(r.statistic.abs() < 1e-12 && r.p_value > 1.0 - 1e-9 && r.effect < 1e-12);
        assert_eq!(r.df, Some(2.0));
    }

    #[test]
    fn a_sparse_pool_absorbs_the_smallest_remaining_category() {
        let sparse = g_test(&[50.0, 1.0, 20.0, 20.0], &[40.0, 2.0, 30.0, 25.0]);
        let by_hand = g_test(&[50.0, 21.0, 20.0], &[40.0, 27.0, 30.0]);
        assert_eq!(sparse.unwrap().df, Some(2.0));
        assert!((sparse.unwrap().statistic - by_hand.unwrap().statistic).abs() < 1e-12);
    }

    #[test]
    fn degenerate_tables_give_certainty() {
        assert_eq!(mcnemar_mid_p(0, 0), 1.0);
    }

    fn uniform(rng: &mut impl Rng) -> f64 {
        (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn categorical(rng: &mut impl Rng, shares: &[f64]) -> usize {
        let mut u = uniform(rng);
        for (i, p) in shares.iter().enumerate() {
            if u < *p {
                return i;
            }
            u -= p;
        }
        shares.len() - 1
    }

    /// Checks the rejection rates at levels 0.05 and 0.01 against `allowance` times the level plus
    /// three standard errors.
    fn assert_level(name: &str, p_values: &[f64], allowance: f64) {
        for level in [0.05, 0.01] {
            let n = p_values.len() as f64;
            let rate = p_values.iter().filter(|p| **p <= level).count() as f64 / n;
            println!("{name}: rejection rate {rate} at level {level} over {n} samples");
            let error = (level * (1.0 - level) / n).sqrt();
            assert!(rate <= allowance * level + 3.0 * error, "{name} {rate}");
        }
    }

    fn null_p_values(shares: &[f64], sizes: [usize; 2], stream: u64) -> Vec<f64> {
        let mut rng = rng(20, stream);
        let mut draw = |n: usize| {
            let mut counts = vec![0.0; shares.len()];
            (0..n).for_each(|_| counts[categorical(&mut rng, shares)] += 1.0);
            counts
        };
        let mut one = || g_test(&draw(sizes[0]), &draw(sizes[1])).map_or(1.0, |r| r.p_value);
        (0..4000).map(|_| one()).collect()
    }

    #[test]
    fn g_test_p_values_are_not_anti_conservative_under_the_null() {
        let tail = [0.4, 0.3, 0.1, 0.06, 0.04, 0.03, 0.03, 0.02, 0.01, 0.01];
        let balanced = null_p_values(&[0.3, 0.25, 0.2, 0.15, 0.1], [200, 200], 0);
        assert_level("balanced", &balanced, 1.0);
        assert_level("unequal sizes", &null_p_values(&[0.5, 0.3, 0.2], [300, 60], 1), 1.0);
        assert_level("long tail", &null_p_values(&tail, [150, 100], 2), 1.0);
    }

    #[test]
    fn g_test_stays_near_its_level_with_every_category_at_the_bound() {
        // Liberal by up to a tenth at 0.05 and a fifth at 0.01; see the documentation.
        assert_level("20 sparse categories", &null_p_values(&[0.05; 20], [400, 110], 3), 1.2);
    }

    #[test]
    fn mcnemar_mid_p_is_not_anti_conservative_under_the_null() {
        for (stream, (pairs, discordant)) in [(30, 0.4), (100, 0.3), (300, 0.1)].into_iter().enumerate() {
            let mut rng = rng(21, stream as u64);
            let shares = [discordant / 2.0, discordant / 2.0, 1.0 - discordant];
            let p: Vec<f64> = (0..4000)
                .map(|_| {
                    let mut counts = [0_u64; 3];
                    (0..pairs).for_each(|_| counts[categorical(&mut rng, &shares)] += 1);
                    mcnemar_mid_p(counts[0], counts[1])
                })
                .collect();
            assert_level(&format!("{pairs} pairs"), &p, 1.0);
        }
    }

    proptest! {
        #[test]
        fn g_test_ignores_the_order_of_categories_and_of_vectors(
            table in prop::collection::vec((0_u32..60, 0_u32..60), 2..12)
        ) {
            let a: Vec<f64> = table.iter().map(|c| f64::from(c.0)).collect();
            let b: Vec<f64> = table.iter().map(|c| f64::from(c.1)).collect();
            let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
            let straight = g_test(&a, &b);
            if let Some(r) = straight {
                prop_assert!((0.0..=1.0).contains(&r.p_value) && (0.0..=1.0).contains(&r.effect));
                let swapped = g_test(&b, &a).unwrap();
                prop_assert!((r.statistic - swapped.statistic).abs() < 1e-9);
            }
            let totals: Vec<f64> = a.iter().zip(&b).map(|(x, y)| x + y).collect();
            let distinct = totals.iter().enumerate().all(|(i, t)| !totals[..i].contains(t));
            if distinct {
                let backward = g_test(&reversed(&a), &reversed(&b));
                prop_assert_eq!(straight.is_some(), backward.is_some());
                if let (Some(r), Some(s)) = (straight, backward) {
                    prop_assert!((r.statistic - s.statistic).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn mcnemar_is_symmetric_and_falls_with_imbalance(b in 0_u64..500, c in 0_u64..500) {
            let p = mcnemar_mid_p(b, c);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!(p, mcnemar_mid_p(c, b));
            if b > c && c > 0 {
                prop_assert!(mcnemar_mid_p(b + 1, c - 1) <= p);
            }
        }
    }
}
