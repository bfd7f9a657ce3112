//! The pass rate corrected for the errors of a judge that are known from answers labelled elsewhere.

use super::Estimate;
use super::binary::Confusion;
use super::corrected::Uncorrectable;
use super::post_stratified::Share;
use crate::core::stats::{Interval, wilson};

/// Halvings of the bracket of a limit, which leave less than a rounding error.
const HALVINGS: u32 = 60;

/// What rounding may leave of a difference that is 0.
const ROUNDING: f64 = 1e-12;

/// The true pass rate, from the share of answers that the judge passes and from its sensitivity and specificity on
/// labelled answers: (q + Sp − 1) / (Se + Sp − 1), clipped to [0, 1] (Rogan & Gladen 1978).
///
/// The interval holds every rate p for which q − p·Se − (1 − p)·(1 − Sp), which is 0 for the true one, may be 0: its
/// own interval combines those of Wilson for q, Se and Sp (the variance estimates recovery of Zou & Donner 2008, as
/// Fieller would use it). It is closer to its level than that of Lang & Reiczigel (2014) for judges that make few
/// errors, for judges near chance and where few labelled answers fail; see the example `judge_truth`. It is wide, up to
/// [0, 1], where the labels leave open whether the judge is better than chance.
///
/// It assumes that the judge errs as often here as on the labelled answers, among answers that pass and among answers
/// that fail; the shares of either may differ.
///
/// # Errors
/// Undefined without judged answers, without labelled answers that pass or that fail, for a judge that is no better
/// than chance on them (Se + Sp ≤ 1), and if the judge passes a share that it could not pass at any true rate.
pub fn rogan_gladen(judged: Share, labels: &Confusion, confidence: f64) -> Result<Estimate, Uncorrectable> {
    let share = |passes: u64, of: u64| Share { passes: passes as f64, n: of as f64 };
    let fit = Fit {
        judged: Part::of(judged, confidence).ok_or(Uncorrectable::NothingJudged)?,
        sensitivity: Part::of(share(labels.true_positive, labels.positive()), confidence)
            .ok_or(Uncorrectable::NoLabelledPasses)?,
        specificity: Part::of(share(labels.true_negative, labels.negative()), confidence)
            .ok_or(Uncorrectable::NoLabelledFailures)?,
    };
    let youden = fit.sensitivity.value + fit.specificity.value - 1.0;
    if youden <= ROUNDING {
        return Err(Uncorrectable::NoBetterThanChance);
    }
    let value = ((fit.judged.value + fit.specificity.value - 1.0) / youden).clamp(0.0, 1.0);
    if !fit.may_be_at_least(value) || !fit.may_be_at_most(value) {
        return Err(Uncorrectable::Contradiction);
    }
    let lo = if fit.may_be_at_least(0.0) { 0.0 } else { limit(0.0, value, |p| fit.may_be_at_least(p)) };
    let hi = if fit.may_be_at_most(1.0) { 1.0 } else { limit(1.0, value, |p| fit.may_be_at_most(p)) };
    Ok(Estimate { value, interval: Interval { lo, hi } })
}

/// The end of the accepted rates between one that is not accepted and one that is.
fn limit(mut outside: f64, mut inside: f64, accepted: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(outside, inside);
        if accepted(middle) { inside = middle } else { outside = middle }
    }
    inside
}

/// A share and how far its interval reaches to either side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) value: f64,
    pub(super) below: f64,
    pub(super) above: f64,
}

impl Part {
    /// `None` for an empty sample.
    pub(super) fn of(share: Share, confidence: f64) -> Option<Self> {
        let Share { passes, n } = share;
        if !(n > 0.0 && n.is_finite() && passes >= 0.0) {
            return None;
        }
        let (value, interval) = (passes.min(n) / n, wilson(passes, n, confidence));
        Some(Self { value, below: value - interval.lo, above: interval.hi - value })
    }
}

/// The three shares that the estimate is made of.
struct Fit {
    judged: Part,
    sensitivity: Part,
    specificity: Part,
}

impl Fit {
    /// What the judge passes beyond what it would pass at a true rate of `p`; it falls as `p` grows.
    fn excess(&self, p: f64) -> f64 {
        self.judged.value - p * self.sensitivity.value - (1.0 - p) * (1.0 - self.specificity.value)
    }

    /// Whether a true rate of `p` is not too low. The rates that are too low form an interval: the reach is convex.
    fn may_be_at_least(&self, p: f64) -> bool {
        let reach = [self.judged.below, p * self.sensitivity.above, (1.0 - p) * self.specificity.below];
        self.excess(p) <= norm(reach) + ROUNDING
    }

    /// Whether a true rate of `p` is not too high.
    fn may_be_at_most(&self, p: f64) -> bool {
        let reach = [self.judged.above, p * self.sensitivity.below, (1.0 - p) * self.specificity.above];
        -self.excess(p) <= norm(reach) + ROUNDING
    }
}

/// Root of the sum of squares.
pub(super) fn norm(parts: [f64; 3]) -> f64 {
    parts.iter().map(|part| part * part).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, counts, numbers};
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn labels(true_positive: u64, false_negative: u64, false_positive: u64, true_negative: u64) -> Confusion {
        Confusion { true_positive, false_negative, false_positive, true_negative }
    }

    fn judged(passes: f64, n: f64) -> Share {
        Share { passes, n }
    }

    #[test]
    fn estimate_and_interval_equal_an_inversion_by_root_finding() {
        check_all(FIXTURE, "rogan_gladen", 1e-9, |case| {
            let (v, c) = (numbers(case, "judged"), counts(case, "labels"));
            let confidence = numbers(case, "confidence")[0];
            let found = rogan_gladen(judged(v[0], v[1]), &labels(c[0], c[1], c[2], c[3]), confidence).unwrap();
            vec![found.value, found.interval.lo, found.interval.hi]
        });
    }

    #[test]
    fn a_judge_without_errors_is_believed_up_to_its_labels() {
        let found = rogan_gladen(judged(300.0, 500.0), &labels(1_000_000, 0, 0, 1_000_000), 0.95).unwrap();
        let plain = wilson(300.0, 500.0, 0.95);
        assert!((found.value - 0.6).abs() < 1e-12);
        assert!((found.interval.lo - plain.lo).abs() < 1e-4 && (found.interval.hi - plain.hi).abs() < 1e-4);
        let few = rogan_gladen(judged(300.0, 500.0), &labels(10, 0, 0, 10), 0.95).unwrap();
        assert!(few.interval.width() > 2.0 * plain.width(), "ten of ten may still be nine of ten: {few:?}");
    }

    #[test]
    fn what_cannot_be_corrected_says_why() {
        let good = labels(80, 20, 20, 80);
        let reason = |judged, labels: &Confusion| rogan_gladen(judged, labels, 0.95).unwrap_err();
        assert_eq!(reason(judged(0.0, 0.0), &good), Uncorrectable::NothingJudged);
        assert_eq!(reason(judged(f64::NAN, 5.0), &good), Uncorrectable::NothingJudged);
        assert_eq!(reason(judged(5.0, 9.0), &labels(0, 0, 3, 9)), Uncorrectable::NoLabelledPasses);
        assert_eq!(reason(judged(5.0, 9.0), &labels(3, 9, 0, 0)), Uncorrectable::NoLabelledFailures);
        assert_eq!(reason(judged(5.0, 9.0), &labels(50, 50, 50, 50)), Uncorrectable::NoBetterThanChance);
        assert_eq!(reason(judged(5.0, 9.0), &labels(40, 60, 60, 40)), Uncorrectable::NoBetterThanChance);
        assert_eq!(reason(judged(1000.0, 1000.0), &good), Uncorrectable::Contradiction, "it passes 80 % at most");
    }

    #[test]
    fn a_judge_that_may_be_no_better_than_chance_says_nothing() {
        let found = rogan_gladen(judged(260.0, 500.0), &labels(6, 5, 4, 6), 0.95).unwrap();
        assert_eq!(found.interval, Interval::UNIT);
    }

    #[test]
    fn the_estimate_is_clipped_and_its_interval_still_contains_it() {
        let found = rogan_gladen(judged(41.0, 50.0), &labels(80, 20, 20, 80), 0.95).unwrap();
        assert_eq!((found.value, found.interval.hi), (1.0, 1.0));
        assert!((0.7..1.0).contains(&found.interval.lo), "{found:?}");
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate_and_mirrors(
            x in 0_u32..300, rest in 0_u32..300, a in 0_u64..60, b in 0_u64..60, c in 0_u64..60, d in 0_u64..60
        ) {
            let n = f64::from(x + rest);
            let found = rogan_gladen(judged(f64::from(x), n), &labels(a, b, c, d), 0.95);
            let mirrored = rogan_gladen(judged(f64::from(rest), n), &labels(d, c, b, a), 0.95);
            prop_assert_eq!(found.is_ok(), mirrored.is_ok());
            if let (Ok(found), Ok(mirrored)) = (found, mirrored) {
                prop_assert!(found.interval.contains(found.value));
                prop_assert!(found.interval.lo >= 0.0 && found.interval.hi <= 1.0);
                prop_assert!((found.value + mirrored.value - 1.0).abs() < 1e-9);
                prop_assert!((found.interval.lo + mirrored.interval.hi - 1.0).abs() < 1e-9);
            }
        }

        #[test]
        fn any_numbers_have_a_defined_result(
            passes in any::<f64>(), n in any::<f64>(), a in any::<u64>(), confidence in any::<f64>()
        ) {
            let counts = labels(a / 4, a / 8, a / 16, a / 4);
            if let Ok(found) = rogan_gladen(judged(passes, n), &counts, confidence) {
                prop_assert!((0.0..=1.0).contains(&found.value) && found.interval.lo <= found.interval.hi);
            }
        }
    }
}
