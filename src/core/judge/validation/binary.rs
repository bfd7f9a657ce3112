//! Agreement of verdicts: pass or fail, by people and by the judge.

use serde::{Deserialize, Serialize};

use super::{CONFIDENCE, Estimate};
use crate::core::labelling::{alpha, kappa};
use crate::core::stats::{Interval, clopper_pearson, normal_upper_quantile, wilson};

/// How often people and the judge give which verdicts; a pass is the positive one, and people are right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Both pass it.
    pub true_positive: u64,
    /// People pass it, and the judge does not.
    pub false_negative: u64,
    /// The judge passes it, and people do not.
    pub false_positive: u64,
    /// Both fail it.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts pairs of (person's verdict, judge's verdict), where `true` is a pass.
    pub fn of(pairs: &[(bool, bool)]) -> Self {
        let count = |person, judge| pairs.iter().filter(|pair| **pair == (person, judge)).count() as u64;
        Self {
            true_positive: count(true, true),
            false_negative: count(true, false),
            false_positive: count(false, true),
            true_negative: count(false, false),
        }
    }

    /// Number of answers that people pass.
    pub fn positive(&self) -> u64 {
        self.true_positive.saturating_add(self.false_negative)
    }

    /// Number of answers that people fail.
    pub fn negative(&self) -> u64 {
        self.false_positive.saturating_add(self.true_negative)
    }

    /// Number of answers.
    pub fn total(&self) -> u64 {
        self.positive().saturating_add(self.negative())
    }
}

/// A share of counted answers with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// The share, in [0, 1].
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// How many of them.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Rate {
    /// With Wilson's interval; `None` of nothing.
    pub(super) fn wilson(count: u64, of: u64) -> Option<Self> {
        let interval = wilson(count as f64, of as f64, CONFIDENCE);
        (of > 0).then(|| Self { value: count as f64 / of as f64, interval, count, of })
    }

    /// With the exact interval of Clopper and Pearson; `None` of nothing.
    pub(super) fn exact(count: u64, of: u64) -> Option<Self> {
        Some(Self { interval: clopper_pearson(count, of, CONFIDENCE), ..Self::wilson(count, of)? })
    }
}

/// How far verdicts agree. Every share has Wilson's interval, and is `None` if there is nothing that it could be a
/// share of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BinaryAgreement {
    /// The counts.
    pub confusion: Confusion,
    /// Share of equal verdicts.
    pub accuracy: Rate,
    /// Share of passes by the judge among the answers that people pass (recall).
    pub sensitivity: Option<Rate>,
    /// Share of fails by the judge among the answers that people fail.
    pub specificity: Option<Rate>,
    /// Share of passes by people among the answers that the judge passes (positive predictive value).
    pub precision: Option<Rate>,
    /// Share of fails by people among the answers that the judge fails.
    pub negative_predictive_value: Option<Rate>,
    /// Cohen's kappa (Cohen 1960), in [−1, 1]: 1 for equal verdicts, 0 for the agreement that the shares of passes
    /// alone give. `None` if all verdicts are one and the same.
    pub kappa: Option<Estimate>,
    /// Krippendorff's alpha for nominal data with a bootstrap interval (Krippendorff 2019); `None` as kappa. Without
    /// any disagreement the interval is the point 1, which says no more than that none was seen.
    pub alpha: Option<Estimate>,
}

/// How far the judge agrees with people, from pairs of (person's verdict, judge's verdict) on different answers. `None`
/// without pairs. `seed` is that of the bootstrap.
pub fn binary_agreement(pairs: &[(bool, bool)], seed: u64) -> Option<BinaryAgreement> {
    let confusion = Confusion::of(pairs);
    let Confusion { true_positive, false_negative, false_positive, true_negative } = confusion;
    let name = |verdict| if verdict { "pass" } else { "fail" };
    let named: Vec<(&str, &str)> = pairs.iter().map(|(person, judge)| (name(*person), name(*judge))).collect();
    let tasks: Vec<Vec<&str>> = named.iter().map(|(person, judge)| vec![*person, *judge]).collect();
    let of_alpha = alpha(&tasks, seed).and_then(|found| {
        let interval = found.interval?;
        Some(Estimate { value: found.value, interval })
    });
    Some(BinaryAgreement {
        confusion,
        accuracy: Rate::wilson(true_positive + true_negative, confusion.total())?,
        sensitivity: Rate::wilson(true_positive, confusion.positive()),
        specificity: Rate::wilson(true_negative, confusion.negative()),
        precision: Rate::wilson(true_positive, true_positive + false_positive),
        negative_predictive_value: Rate::wilson(true_negative, true_negative + false_negative),
        kappa: kappa(&named).map(|value| Estimate { value, interval: kappa_interval(value, &confusion) }),
        alpha: of_alpha,
    })
}

/// The asymptotic interval of kappa (Fleiss, Cohen & Everitt 1969) for the counts with half an answer added to each,
/// without which it would be a point where no verdicts differ; extended to contain kappa itself.
fn kappa_interval(value: f64, confusion: &Confusion) -> Interval {
    let Confusion { true_positive, false_negative, false_positive, true_negative } = *confusion;
    let counts = [true_positive, false_negative, false_positive, true_negative].map(|count| count as f64 + 0.5);
    let n: f64 = counts.iter().sum();
    let [both, person, judge, neither] = counts.map(|count| count / n);
    let (rows, columns) = ([both + person, judge + neither], [both + judge, person + neither]);
    let (observed, by_chance) = (both + neither, rows[0] * columns[0] + rows[1] * columns[1]);
    let kappa = (observed - by_chance) / (1.0 - by_chance);
    let same = |share: f64, margins: f64| share * (1.0 - margins * (1.0 - kappa)).powi(2);
    let different = |share: f64, margins: f64| share * (margins * (1.0 - kappa)).powi(2);
    let sum = same(both, rows[0] + columns[0])
        + same(neither, rows[1] + columns[1])
        + different(person, columns[0] + rows[1])
        + different(judge, columns[1] + rows[0]);
    let variance = (sum - (kappa - by_chance * (1.0 - kappa)).powi(2)).max(0.0) / n / (1.0 - by_chance).powi(2);
    let half = normal_upper_quantile(0.5 * (1.0 - CONFIDENCE)) * variance.sqrt();
    Interval { lo: (kappa - half).min(value).max(-1.0), hi: (kappa + half).max(value).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, counts};
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn pairs(counts: [u64; 4]) -> Vec<(bool, bool)> {
        let kinds = [(true, true), (true, false), (false, true), (false, false)];
        kinds.into_iter().zip(counts).flat_map(|(kind, count)| vec![kind; count as usize]).collect()
    }

    fn found(case: &serde_json::Value) -> BinaryAgreement {
        let c = counts(case, "labels");
        binary_agreement(&pairs([c[0], c[1], c[2], c[3]]), 1).unwrap()
    }

    #[test]
    fn shares_equal_those_of_scikit_learn_and_their_intervals_those_of_statsmodels() {
        check_all(FIXTURE, "binary", 1e-9, |case| {
            let found = found(case);
            let rates = [Some(found.accuracy), found.sensitivity, found.specificity, found.precision];
            rates.into_iter().flatten().flat_map(|rate| [rate.value, rate.interval.lo, rate.interval.hi]).collect()
        });
    }

    #[test]
    fn kappa_equals_scikit_learn_and_its_interval_statsmodels() {
        check_all(FIXTURE, "binary_kappa", 1e-9, |case| {
            let kappa = found(case).kappa.unwrap();
            vec![kappa.value, kappa.interval.lo, kappa.interval.hi]
        });
    }

    #[test]
    fn alpha_equals_the_package_krippendorff() {
        check_all(FIXTURE, "binary_alpha", 1e-9, |case| vec![found(case).alpha.unwrap().value]);
    }

    #[test]
    fn equal_verdicts_are_perfect_but_not_certain() {
        let found = binary_agreement(&pairs([20, 0, 0, 20]), 1).unwrap();
        let kappa = found.kappa.unwrap();
        assert_eq!((found.accuracy.value, kappa.value, kappa.interval.hi), (1.0, 1.0, 1.0));
        assert!((0.6..0.95).contains(&kappa.interval.lo), "{kappa:?}");
        assert_eq!(found.alpha.unwrap().interval, Interval { lo: 1.0, hi: 1.0 });
    }

    #[test]
    fn shares_of_nothing_are_undefined() {
        assert_eq!(binary_agreement(&[], 1), None);
        let passes = binary_agreement(&[(true, true); 5], 1).unwrap();
        assert_eq!((passes.specificity, passes.negative_predictive_value), (None, None));
        assert_eq!((passes.kappa, passes.alpha), (None, None));
        assert_eq!(Rate::exact(0, 0), None);
        let exact = Rate::exact(3, 10).unwrap();
        assert_eq!(exact.interval, clopper_pearson(3, 10, 0.95));
        let huge = Confusion { true_positive: u64::MAX, false_negative: 1, false_positive: 1, true_negative: u64::MAX };
        assert_eq!(huge.total(), u64::MAX);
    }

    proptest! {
        #[test]
        fn figures_are_in_range_and_kappa_is_symmetric(c in prop::array::uniform4(0_u64..25)) {
            let Some(found) = binary_agreement(&pairs(c), 1) else { return Ok(()) };
            let swapped = binary_agreement(&pairs([c[0], c[2], c[1], c[3]]), 1).unwrap();
            prop_assert_eq!(found.kappa.is_some(), swapped.kappa.is_some());
            if let (Some(one), Some(other)) = (found.kappa, swapped.kappa) {
                prop_assert!((one.value - other.value).abs() < 1e-12 && one.interval.contains(one.value));
                prop_assert!((one.interval.lo - other.interval.lo).abs() < 1e-12);
                prop_assert!(one.interval.lo >= -1.0 && one.interval.hi <= 1.0);
            }
            let rates = [found.sensitivity, found.specificity, found.precision, found.negative_predictive_value];
            prop_assert!(rates.into_iter().flatten().all(|rate| rate.interval.contains(rate.value)));
        }
    }
}
