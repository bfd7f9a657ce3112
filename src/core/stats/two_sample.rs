//! A two-sided test of one proportion against another.

/// Relative difference of probabilities up to which two tables count as equally likely: rounding must not decide on
/// which side of the observed table a mirrored one falls.
const EQUALLY_LIKELY: f64 = 1e-7;

/// Fisher's exact test that two proportions are equal, two-sided, with the mid-p value.
///
/// `x1` of `n1` and `x2` of `n2` are successes; counts above their size count as the size. Given both sums of the 2 x 2
/// table, the first count is hypergeometric (Fisher 1935). The result is the probability of the tables that are less
/// likely than the observed one, plus half that of those equally likely (Lancaster 1961; Hirji, Tan and Elashoff 1991),
/// in [0, 1]. It is closer to its nominal level than the exact test, which it can exceed slightly. If only one table is
/// possible (an empty sample, no successes, or no failures), the result is 1. Below about 1e-290, it is 0.
pub fn fisher_mid_p(x1: u64, n1: u64, x2: u64, n2: u64) -> f64 {
    fisher(x1, n1, x2, n2, 0.5)
}

/// Fisher's exact test that two proportions are equal, two-sided: as [`fisher_mid_p`], with the whole probability of the
/// tables that are as likely as the observed one. It never exceeds its nominal level.
pub fn fisher_exact(x1: u64, n1: u64, x2: u64, n2: u64) -> f64 {
    fisher(x1, n1, x2, n2, 1.0)
}

/// `weight` is that of the tables as likely as the observed one.
fn fisher(x1: u64, n1: u64, x2: u64, n2: u64, weight: f64) -> f64 {
    let (x1, x2) = (x1.min(n1), x2.min(n2));
    let Some(tables) = Hypergeometric::new(n1, n2, x1 + x2) else { return 1.0 };
    let observed = tables.weight(x1);
    let (mut less, mut equal, mut total) = (0.0, 0.0, 0.0);
    for (_, weight) in tables.rising().chain(tables.falling().skip(1)) {
        total += weight;
        if weight < observed * (1.0 - EQUALLY_LIKELY) {
            less += weight;
        } else if weight <= observed * (1.0 + EQUALLY_LIKELY) {
            equal += weight;
        }
    }
    ((less + weight * equal) / total).clamp(0.0, 1.0)
}

/// The probabilities of all 2 x 2 tables with the same sums, relative to that of the most likely table.
///
/// Both directions start at the mode, so no term overflows, and end where terms underflow.
struct Hypergeometric {
    n1: u64,
    n2: u64,
    successes: u64,
    mode: u64,
}

impl Hypergeometric {
    /// `None` if only one table is possible.
    fn new(n1: u64, n2: u64, successes: u64) -> Option<Self> {
        let (least, most) = (successes.saturating_sub(n2), successes.min(n1));
        let mode = (u128::from(n1) + 1) * (u128::from(successes) + 1) / (u128::from(n1) + u128::from(n2) + 2);
        let mode = u64::try_from(mode).unwrap_or(most).clamp(least, most);
        (least < most).then_some(Self { n1, n2, successes, mode })
    }

    /// P(`x` + 1) / P(`x`) for the number of successes in the first sample, if both are possible.
    fn ratio(&self, x: u64) -> f64 {
        let up = (self.n1 - x) as f64 * (self.successes - x) as f64;
        up / ((x + 1) as f64 * (self.n2 + x + 1 - self.successes) as f64)
    }

    /// The mode and what follows it, with weights.
    fn rising(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        let most = self.successes.min(self.n1);
        let next = move |&(x, weight): &(u64, f64)| (x < most).then(|| (x + 1, weight * self.ratio(x)));
        std::iter::successors(Some((self.mode, 1.0)), next).take_while(|(_, weight)| *weight >= f64::MIN_POSITIVE)
    }

    /// The mode and what precedes it, in descending order, with weights.
    fn falling(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        let least = self.successes.saturating_sub(self.n2);
        let next = move |&(x, weight): &(u64, f64)| (x > least).then(|| (x - 1, weight / self.ratio(x - 1)));
        std::iter::successors(Some((self.mode, 1.0)), next).take_while(|(_, weight)| *weight >= f64::MIN_POSITIVE)
    }

    /// The weight of one table; 0 where it underflows.
    fn weight(&self, x: u64) -> f64 {
        let at = |(candidate, weight)| (candidate == x).then_some(weight);
        let found = if x < self.mode { self.falling().find_map(at) } else { self.rising().find_map(at) };
        found.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, counts};
    use super::super::special::binomial_density;
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/two_sample.json");

    #[test]
    fn fisher_mid_p_matches_the_hypergeometric_of_scipy() {
        check_all(FIXTURE, "fisher_mid_p", 1e-9, |case| {
            let v = counts(case, "counts");
            vec![fisher_mid_p(v[0], v[1], v[2], v[3])]
        });
    }

    #[test]
    fn exact_p_values_are_those_of_the_tea_tasting() {
        assert!((fisher_exact(3, 4, 1, 4) - 34.0 / 70.0).abs() < 1e-12);
        assert!((fisher_exact(4, 4, 0, 4) - 2.0 / 70.0).abs() < 1e-12);
        assert!((fisher_exact(10, 10, 0, 10) - 2.0 / 184_756.0).abs() < 1e-12);
    }

    #[test]
    fn a_single_possible_table_is_no_evidence() {
        for (x1, n1, x2, n2) in [(0, 0, 0, 0), (0, 0, 3, 9), (0, 5, 0, 9), (5, 5, 9, 9), (7, 5, 12, 9)] {
            assert_eq!(fisher_mid_p(x1, n1, x2, n2), 1.0);
        }
    }

    #[test]
    fn the_smallest_tables_are_counted_by_hand() {
        // One success in two samples of one: both tables have probability 1/2.
        assert!((fisher_mid_p(1, 1, 0, 1) - 0.5).abs() < 1e-15);
        // 3 of 3 against 0 of 3: each of the two extreme tables has probability 1/20.
        assert!((fisher_mid_p(3, 3, 0, 3) - 0.05).abs() < 1e-15);
    }

    #[test]
    fn impossible_counts_and_huge_samples_have_a_defined_result() {
        assert_eq!(fisher_mid_p(9, 3, 0, 3), fisher_mid_p(3, 3, 0, 3));
        assert_eq!(fisher_mid_p(100_000, 100_000, 0, 100_000), 0.0);
        let near = fisher_mid_p(50_100, 100_000, 49_900, 100_000);
        assert!((0.3..0.4).contains(&near), "{near}");
    }

    #[test]
    fn fisher_mid_p_stays_near_its_level_for_every_rate() {
        for (n1, n2) in [(10, 10), (10, 30), (30, 100)] {
            let p_values: Vec<Vec<f64>> =
                (0..=n1).map(|a| (0..=n2).map(|b| fisher_mid_p(a, n1, b, n2)).collect()).collect();
            let density = |x: u64, n: u64, p: f64| binomial_density(x as f64, (n - x) as f64, p, 1.0 - p);
            let rejected = |p: f64| {
                let row = |a: u64| -> f64 {
                    let tables = (0..=n2).filter(|b| p_values[a as usize][*b as usize] <= 0.05);
                    density(a, n1, p) * tables.map(|b| density(b, n2, p)).sum::<f64>()
                };
                (0..=n1).map(row).sum::<f64>()
            };
            let worst = (1..100).map(|p| rejected(f64::from(p) / 100.0)).fold(0.0, f64::max);
            println!("{n1} and {n2}: largest rejection rate {worst} at level 0.05");
            assert!(worst <= 0.06, "{n1} {n2} {worst}");
        }
    }

    proptest! {
        #[test]
        fn fisher_mid_p_ignores_the_order_of_samples_and_of_outcomes(
            n1 in 0_u64..300, n2 in 0_u64..300, f1 in 0.0..=1.0_f64, f2 in 0.0..=1.0_f64
        ) {
            let (x1, x2) = ((n1 as f64 * f1) as u64, (n2 as f64 * f2) as u64);
            let p = fisher_mid_p(x1, n1, x2, n2);
            prop_assert!((0.0..=1.0).contains(&p));
            let near = |other: f64| (p - other).abs() <= 1e-10 * p;
            prop_assert!(near(fisher_mid_p(x2, n2, x1, n1)));
            prop_assert!(near(fisher_mid_p(n1 - x1, n1, n2 - x2, n2)));
        }

    }
}
