//! Levels of single looks, and what they add up to over years of nights.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::core::stats::{normal_upper_quantile, normal_upper_tail, rng};

const PROMISE: Promise = Promise { level: 0.05, period: 90 };

/// An instant, in days.
fn day(day: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_millis((day * 86_400_000.0).round() as i64)).unwrap()
}

/// A look at a window of this length that ends on this day.
fn look(end: f64, length: f64) -> Look {
    Look {
        window: Window { from: day(end - length), to: day(end) },
        reference: Window { from: day(-400.0), to: day(-370.0) },
        dataset_version: "v1".into(),
    }
}

fn taken(look: Look, level: f64) -> EarlierLook {
    EarlierLook { look, given: Some((Level { level, spent: 0.01 }, PROMISE)) }
}

/// The levels of looks at these windows, one after the other.
fn levels(looks: &[Look]) -> Vec<Level> {
    let mut earlier = Vec::new();
    let mut levels = Vec::new();
    for look in looks {
        let found = level(look, &earlier, PROMISE);
        earlier.push(taken(look.clone(), found.level));
        levels.push(found);
    }
    levels
}

#[test]
fn the_level_of_a_look_depends_on_the_look_before() {
    let share = |days: f64| 0.05 * days / 90.0;
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-4;
    let first = taken(look(100.0, 30.0), 0.05);
    let cases = [
        ("the first look", vec![], look(100.0, 30.0), 0.05, 0.05),
        ("the same window again", vec![first.clone()], look(100.0, 30.0), 0.01, 0.05),
        ("another length, but the same end", vec![first.clone()], look(100.0, 7.0), 0.01, 0.05),
        ("no overlap", vec![first.clone()], look(130.0, 30.0), share(30.0), share(30.0)),
        ("more than a period later", vec![first.clone()], look(300.0, 30.0), 0.05, 0.05),
        ("only later looks", vec![first.clone()], look(70.0, 30.0), 0.05, 0.05),
        (
            "no stored level",
            vec![EarlierLook { given: None, ..first.clone() }],
            look(101.0, 30.0),
            share(1.0),
            share(1.0),
        ),
        (
            "another version of the set",
            vec![taken(Look { dataset_version: "v0".into(), ..look(100.0, 30.0) }, 0.05)],
            look(101.0, 30.0),
            share(1.0),
            share(1.0),
        ),
        (
            "another reference window",
            vec![taken(Look { reference: Window { from: day(-300.0), to: day(-270.0) }, ..look(100.0, 30.0) }, 0.05)],
            look(101.0, 30.0),
            share(1.0),
            share(1.0),
        ),
    ];
    for (what, earlier, look, spent, expected) in cases {
        let found = level(&look, &earlier, PROMISE);
        assert!(near(found.level, expected), "{what}: {found:?}");
        assert!(near(found.spent, spent), "{what}: {found:?}");
    }
}

#[test]
fn overlapping_windows_leave_a_higher_level_than_bonferroni() {
    let nightly = levels(&(0..200).map(|night| look(f64::from(night), 30.0)).collect::<Vec<_>>());
    let last = nightly.last().unwrap();
    assert!(nightly.windows(2).all(|pair| pair[1].level <= pair[0].level), "it approaches its limit from above");
    assert!((0.0015..0.0025).contains(&last.level), "{last:?}");
    assert!((last.spent - 0.05 / 90.0).abs() < 1e-8);
    // The whole set unchanged and no time passed: the level stays.
    let again = level(&look(199.0, 30.0), &[taken(look(199.0, 30.0), last.level)], PROMISE);
    assert_eq!(again, Level { level: last.level, spent: 0.01 });
    // A minute later, nearly nothing is spent, and the level hardly changes.
    let soon = level(&look(199.0 + 1.0 / 1440.0, 30.0), &[taken(look(199.0, 30.0), last.level)], PROMISE);
    assert!((soon.level / last.level - 1.0).abs() < 0.1 && soon.spent < 1e-6, "{soon:?}");
}

#[test]
fn a_changed_promise_is_given_a_level_of_its_own() {
    let strict = Promise { level: 0.01, period: 90 };
    let found = level(&look(100.0, 30.0), &[taken(look(100.0, 30.0), 0.05)], strict);
    assert_eq!(found, Level { level: 0.01, spent: 0.01 });
}

#[test]
fn going_back_over_past_windows_gives_the_levels_of_having_looked_in_order() {
    let months: Vec<Look> = (1..=5).map(|month| look(30.0 * f64::from(month), 45.0)).collect();
    let in_order = levels(&months);
    let mut earlier: Vec<EarlierLook> =
        months.iter().zip(&in_order).map(|(look, level)| taken(look.clone(), level.level)).collect();
    earlier.reverse();
    for (look, first) in months.iter().zip(&in_order) {
        assert_eq!(level(look, &earlier, PROMISE).level, first.level);
        let without: Vec<EarlierLook> = earlier.iter().filter(|other| other.look != *look).cloned().collect();
        assert_eq!(level(look, &without, PROMISE), *first);
    }
}

proptest! {
    #[test]
    fn levels_are_monotone_and_never_silent(
        days in 0.001_f64..200.0, more in 0.0_f64..50.0, length in 0.5_f64..90.0, before in 1e-6_f64..0.05, higher in 1.0_f64..3.0
    ) {
        let earlier = |level: f64| [taken(look(0.0, length), level)];
        let of = |end: f64, level_before: f64| level(&look(end, length), &earlier(level_before), PROMISE);
        let found = of(days, before);
        prop_assert!(found.level > 0.0 && found.level >= found.spent * (1.0 - 1e-5) && found.level <= PROMISE.level);
        prop_assert!(of(days, (before * higher).min(0.05)).level >= found.level * (1.0 - 2e-5), "a higher level before");
        prop_assert!(of(days + more, before).spent >= found.spent * (1.0 - 1e-5));
        let other = Look { dataset_version: "v2".into(), ..look(days, length) };
        prop_assert!(level(&other, &earlier(before), PROMISE).level <= found.level * (1.0 + 2e-5), "no overlap");
    }

    #[test]
    fn rounding_never_raises_a_level_and_survives_json(level in 1e-9_f64..1.0) {
        let rounded = rounded_down(level);
        prop_assert!(rounded <= level && rounded >= level * (1.0 - 1.1e-5));
        let text = serde_json::to_string(&rounded).unwrap();
        prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), rounded);
    }
}

/// A normal draw (Box & Muller 1958).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (random.random_range(1e-12..1.0), random.random_range(0.0..1.0));
    (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
}

/// The nightly gap of a moving window of `length` days against a reference window of the same length, in standard
/// deviations, with the traffic of the last days different by `shift` standard deviations of a day.
fn nights(count: usize, length: usize, shifted: usize, shift: f64, seed: u64) -> Vec<f64> {
    let mut random = rng(seed, 0);
    let reference: f64 = (0..length).map(|_| normal(&mut random)).sum();
    let days = count + length - 1;
    let days: Vec<f64> =
        (0..days).map(|day| normal(&mut random) + if day + shifted >= days { shift } else { 0.0 }).collect();
    let scale = (2.0 * length as f64).sqrt();
    days.windows(length).map(|days| (days.iter().sum::<f64>() - reference) / scale).collect()
}

/// Onsets of alarms: nights with an alarm after a night without one.
fn onsets(statistics: &[f64], levels: &[Level]) -> Vec<usize> {
    let crosses = |night: usize| normal_upper_tail(statistics[night]) < levels[night].level;
    (0..statistics.len()).filter(|night| crosses(*night) && (*night == 0 || !crosses(night - 1))).collect()
}

#[test]
fn ninety_nights_without_drift_raise_at_most_the_promised_false_alarms() {
    let looks: Vec<Look> = (0..271).map(|night| look(f64::from(night), 30.0)).collect();
    let levels = levels(&looks);
    let trials = 20_000;
    let (mut first, mut periods, mut any, mut uncorrected) = (0, 0, 0, 0);
    for seed in 0..trials {
        let statistics = nights(looks.len(), 30, 0, 0.0, seed);
        let raised = onsets(&statistics, &levels);
        first += raised.iter().filter(|night| **night == 0).count();
        // The last of three periods, long after the first look.
        let last: Vec<&usize> = raised.iter().filter(|night| **night > 180).collect();
        periods += last.len();
        any += usize::from(!last.is_empty());
        let naive = |z: &f64| normal_upper_tail(*z) < 0.05;
        uncorrected += usize::from(statistics[181..].iter().any(naive));
    }
    let rate = |count: usize| count as f64 / trials as f64;
    println!(
        "first look {}, onsets per period {}, any {}, uncorrected {}",
        rate(first),
        rate(periods),
        rate(any),
        rate(uncorrected)
    );
    let noise = 3.0 * (0.05_f64 * 0.95 / trials as f64).sqrt();
    assert!(rate(first) <= 0.05 + noise && rate(periods) <= 0.05 + noise, "{} {}", rate(first), rate(periods));
    assert!(rate(any) <= rate(periods) && rate(uncorrected) > 0.12, "{} {}", rate(any), rate(uncorrected));
}

#[test]
fn without_a_shared_reference_the_promise_is_kept_exactly() {
    // The statistic whose correlation is exactly the overlap: the window alone.
    let levels = levels(&(0..181).map(|night| look(f64::from(night), 30.0)).collect::<Vec<_>>());
    let trials = 40_000;
    let count: usize = (0..trials)
        .map(|seed| {
            let mut random = rng(seed, 1);
            let days: Vec<f64> = (0..210).map(|_| normal(&mut random)).collect();
            let statistics: Vec<f64> =
                days.windows(30).map(|days| days.iter().sum::<f64>() / 30.0_f64.sqrt()).collect();
            onsets(&statistics, &levels).iter().filter(|night| **night > 90).count()
        })
        .sum();
    let rate = count as f64 / trials as f64;
    println!("onsets per period {rate}");
    assert!((0.044..0.056).contains(&rate), "{rate}");
}

#[test]
fn looking_more_often_does_not_break_the_promise() {
    // Every quarter of an hour would be 8,640 looks per period; six looks a day are 540.
    let looks: Vec<Look> = (0..1_081).map(|number| look(f64::from(number) / 6.0, 30.0)).collect();
    let levels = levels(&looks);
    assert!(levels.iter().all(|level| level.level > 4e-4), "{:?}", levels.last());
    let trials = 1_000;
    let count: usize = (0..trials)
        .map(|seed| onsets(&nights(looks.len(), 180, 0, 0.0, seed), &levels).iter().filter(|at| **at > 540).count())
        .sum();
    let rate = count as f64 / trials as f64;
    println!("six looks a day: onsets per period {rate}, level {}", levels.last().unwrap().level);
    assert!(rate <= 0.05 + 0.02, "{rate}");
}

#[test]
fn a_real_gap_is_found_within_nights_after_a_year_of_looking() {
    let looks: Vec<Look> = (0..425).map(|night| look(f64::from(night), 30.0)).collect();
    let levels = levels(&looks);
    // After a year, traffic changes by so much that a window of 30 days is 5 standard deviations from the reference.
    let shift = 5.0 * 2.0_f64.sqrt() / 30.0_f64.sqrt();
    let begins = 365;
    let mut waits: Vec<usize> = (0..500)
        .map(|seed| {
            let statistics = nights(looks.len(), 30, looks.len() - begins, shift, seed);
            let raised =
                (begins..looks.len()).find(|night| normal_upper_tail(statistics[*night]) < levels[*night].level);
            raised.map_or(usize::MAX, |night| night + 1 - begins)
        })
        .collect();
    waits.sort_unstable();
    let (median, late) = (waits[waits.len() / 2], waits[waits.len() * 95 / 100]);
    let single = normal_upper_quantile(0.05) / 5.0 * 30.0;
    println!("found after {median} nights (median), {late} (95 % of the trials); expected at 5 % after {single:.0}");
    assert!(median <= 20 && late <= 30, "{median} {late}");
}
