//! The pass rate from answers that were labelled by the judge's verdict: some of those that it passed, and some of
//! those that it failed.

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::corrected::Uncorrectable;
use super::rogan_gladen::{Part, norm};
use crate::core::stats::Interval;

/// A number of passes among a number of answers; both may be fractional (effective sample sizes).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many pass.
    pub passes: f64,
    /// Of how many.
    pub n: f64,
}

/// The true pass rate q·u + (1 − q)·v, where q is the share of answers that the judge passes, and u and v are the
/// shares of labelled answers that people pass among those that the judge passed and among those that it failed
/// (post-stratification, Holt & Smith 1979).
///
/// The interval combines Wilson's intervals of the three shares (variance estimates recovery, Zou & Donner 2008), so
/// that people who never contradict the judge in the sample are not taken for certainty.
///
/// It assumes that within either verdict, the labelled answers are a random sample. How many of either verdict were
/// labelled does not matter.
///
/// # Errors
/// Undefined without judged answers, and if a verdict that the judge gave was not labelled at all.
pub fn post_stratified(
    judged: Share,
    among_passes: Share,
    among_failures: Share,
    confidence: f64,
) -> Result<Estimate, Uncorrectable> {
    let q = Part::of(judged, confidence).ok_or(Uncorrectable::NothingJudged)?;
    let (u, v) = (Part::of(among_passes, confidence), Part::of(among_failures, confidence));
    let (u, v) = match (u, v) {
        (Some(u), Some(v)) => (u, v),
        (Some(u), None) if q.value >= 1.0 => (u, Part { value: u.value, below: 0.0, above: 0.0 }),
        (None, Some(v)) if q.value <= 0.0 => (Part { value: v.value, below: 0.0, above: 0.0 }, v),
        (None, _) => return Err(Uncorrectable::UnlabelledPasses),
        (_, None) => return Err(Uncorrectable::UnlabelledFailures),
    };
    let value = q.value * u.value + (1.0 - q.value) * v.value;
    let rising = u.value >= v.value;
    let unknown = among_passes.n <= 0.0 || among_failures.n <= 0.0;
    // Nothing is known about answers with a verdict that the judge never gave.
    let (down, up) = match unknown {
        true => (value * q.below.max(q.above), (1.0 - value) * q.below.max(q.above)),
        false => {
            let slope = (u.value - v.value).abs();
            if rising { (slope * q.below, slope * q.above) } else { (slope * q.above, slope * q.below) }
        }
    };
    let lo = value - norm([q.value * u.below, (1.0 - q.value) * v.below, down]);
    let hi = value + norm([q.value * u.above, (1.0 - q.value) * v.above, up]);
    Ok(Estimate { value, interval: Interval { lo, hi }.clamp_unit() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::parity::{check_all, numbers};
    use crate::core::stats::wilson;
    use proptest::prelude::*;

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/scoring/judge.json");

    fn share(passes: f64, n: f64) -> Share {
        Share { passes, n }
    }

    #[test]
    fn estimate_and_interval_equal_the_formulas_written_out() {
        check_all(FIXTURE, "post_stratified", 1e-9, |case| {
            let [judged, passes, failures] = ["judged", "among_passes", "among_failures"].map(|key| numbers(case, key));
            let of = |v: &[f64]| share(v[0], v[1]);
            let found =
                post_stratified(of(&judged), of(&passes), of(&failures), numbers(case, "confidence")[0]).unwrap();
            vec![found.value, found.interval.lo, found.interval.hi]
        });
    }

    #[test]
    fn a_verdict_that_was_given_must_be_labelled() {
        let reason = |judged, passes, failures| post_stratified(judged, passes, failures, 0.95).unwrap_err();
        let (some, none) = (share(8.0, 10.0), share(0.0, 0.0));
        assert_eq!(reason(none, some, some), Uncorrectable::NothingJudged);
        assert_eq!(reason(share(5.0, 9.0), none, some), Uncorrectable::UnlabelledPasses);
        assert_eq!(reason(share(5.0, 9.0), some, none), Uncorrectable::UnlabelledFailures);
    }

    #[test]
    fn a_judge_that_passes_everything_leaves_what_people_say() {
        let found = post_stratified(share(500.0, 500.0), share(80.0, 100.0), share(0.0, 0.0), 0.95).unwrap();
        let people = wilson(80.0, 100.0, 0.95);
        assert_eq!(found.value, 0.8);
        assert!(found.interval.lo <= people.lo && (found.interval.lo - people.lo).abs() < 0.001, "{found:?}");
        let nothing = post_stratified(share(0.0, 500.0), share(0.0, 0.0), share(20.0, 100.0), 0.95).unwrap();
        assert!((nothing.value - 0.2).abs() < 1e-15 && (nothing.interval.hi + found.interval.lo - 1.0).abs() < 1e-12);
    }

    #[test]
    fn people_who_never_contradict_the_judge_leave_doubt() {
        let found = post_stratified(share(1600.0, 2000.0), share(30.0, 30.0), share(0.0, 30.0), 0.95).unwrap();
        assert!((found.value - 0.8).abs() < 1e-15 && found.interval.lo < 0.72, "{found:?}");
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate_and_mirrors(
            x in 0_u32..200, rest in 1_u32..200, a in 0_u32..50, b in 1_u32..50, c in 0_u32..50, d in 1_u32..50
        ) {
            let of = |passes: u32, fails: u32| share(f64::from(passes), f64::from(passes + fails));
            let found = post_stratified(of(x, rest), of(a, b), of(c, d), 0.95).unwrap();
            let mirrored = post_stratified(of(x, rest), of(b, a), of(d, c), 0.95).unwrap();
            prop_assert!(found.interval.contains(found.value));
            prop_assert!((found.value + mirrored.value - 1.0).abs() < 1e-9);
            prop_assert!((found.interval.lo + mirrored.interval.hi - 1.0).abs() < 1e-9);
        }

        #[test]
        fn any_numbers_have_a_defined_result(v in prop::array::uniform6(any::<f64>()), confidence in any::<f64>()) {
            if let Ok(found) = post_stratified(share(v[0], v[1]), share(v[2], v[3]), share(v[4], v[5]), confidence) {
                prop_assert!((0.0..=1.0).contains(&found.value) && found.interval.lo <= found.interval.hi);
            }
        }
    }
}
