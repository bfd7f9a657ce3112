//! Decisions on given pairs, exact properties of the capital, and error rates by simulation.

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::core::stats::rng;

fn rule(margin: f64, budget: usize) -> Rule {
    Rule { level: Rule::LEVEL, margin, budget }
}

fn after(rule: Rule, differences: impl IntoIterator<Item = f64>) -> Canary {
    let mut canary = Canary::new(rule);
    differences.into_iter().for_each(|d| canary.observe(d));
    canary
}

#[test]
fn without_any_pair_nothing_is_known() {
    let canary = Canary::new(rule(0.05, 100));
    assert_eq!(canary.decision(), Decision::Continue);
    assert_eq!(canary.pairs(), Pairs::default());
    assert_eq!(canary.mean(), None);
    let Evidence { promote, roll_back } = canary.evidence();
    assert!(promote.abs() < 1e-12 && roll_back.abs() < 1e-12);
    assert_eq!(canary.interval(0.95), Interval { lo: -1.0, hi: 1.0 });
    assert_eq!(canary.rule(), rule(0.05, 100));
}

#[test]
fn a_candidate_that_always_scores_the_same_is_promoted() {
    let canary = after(rule(0.05, 1000), [0.0; 1000]);
    assert_eq!(canary.decision(), Decision::Promote);
    let Pairs { equal, .. } = canary.pairs();
    assert_eq!(canary.pairs().observed(), equal);
    // No valid test can do with fewer than ln 20 / 0.05 = 60.
    assert!((60..=90).contains(&equal), "{equal}");
    assert_eq!(canary.mean(), Some(0.0));
}

#[test]
fn a_candidate_that_always_scores_lower_is_rolled_back_at_once() {
    let canary = after(rule(0.05, 1000), [-1.0; 1000]);
    assert_eq!(canary.decision(), Decision::RollBack);
    assert!(canary.pairs().worse <= 12, "{:?}", canary.pairs());
}

#[test]
fn a_candidate_that_always_scores_higher_is_promoted_at_once() {
    let canary = after(rule(0.05, 1000), [1.0; 1000]);
    assert_eq!(canary.decision(), Decision::Promote);
    assert!(canary.pairs().better <= 12, "{:?}", canary.pairs());
}

#[test]
fn a_difference_between_the_bounds_decides_either_way() {
    let canary = after(rule(0.1, 10_000), [-0.05; 10_000]);
    assert!(matches!(canary.decision(), Decision::Promote | Decision::RollBack));
}

#[test]
fn missing_differences_spend_the_budget_without_being_evidence() {
    let canary = after(rule(0.05, 5), [f64::NAN; 9]);
    assert_eq!(canary.decision(), Decision::BudgetSpent);
    assert_eq!((canary.pairs().missing, canary.pairs().observed(), canary.pairs().sent()), (5, 0, 5));
    let with = after(rule(0.05, 100), [1.0, f64::NAN, -1.0, 0.0, f64::NAN]);
    let without = after(rule(0.05, 100), [1.0, -1.0, 0.0]);
    assert_eq!(with.evidence(), without.evidence());
    assert_eq!(with.interval(0.9), without.interval(0.9));
    assert_eq!(with.pairs(), Pairs { better: 1, worse: 1, equal: 1, missing: 2 });
}

#[test]
fn a_budget_of_one_is_spent_after_one_pair() {
    for d in [-1.0, 0.0, 1.0, f64::NAN] {
        assert_eq!(after(rule(0.05, 1), [d]).decision(), Decision::BudgetSpent);
    }
    assert_eq!(Canary::new(rule(0.05, 0)).decision(), Decision::BudgetSpent);
}

#[test]
fn values_out_of_range_count_as_the_nearest_end() {
    let canary = after(rule(0.05, 100), [f64::INFINITY, -7.0, 1.5]);
    let clamped = after(rule(0.05, 100), [1.0, -1.0, 1.0]);
    assert_eq!(canary.evidence(), clamped.evidence());
    assert_eq!(canary.mean(), clamped.mean());
}

#[test]
fn an_unusable_rule_never_decides() {
    let usable = rule(0.05, 50);
    assert_eq!(usable.fault(), None);
    for broken in [
        Rule { level: 0.0, ..usable },
        Rule { level: 1.0, ..usable },
        Rule { level: f64::NAN, ..usable },
        Rule { margin: 0.0, ..usable },
        Rule { margin: -0.1, ..usable },
        Rule { margin: 1.5, ..usable },
        Rule { margin: f64::NAN, ..usable },
    ] {
        assert!(broken.fault().is_some(), "{broken:?}");
        for d in [-1.0, 1.0] {
            let canary = after(broken, [d; 50]);
            assert_eq!(canary.decision(), Decision::BudgetSpent, "{broken:?}");
            assert!(canary.interval(0.95).contains(d));
        }
    }
    assert!(rule(0.05, 0).fault().is_some());
}

#[test]
fn extreme_margins_stay_finite() {
    for margin in [f64::MIN_POSITIVE, 1e-9, 0.999, 1.0] {
        for d in [-1.0, -0.5, 0.0, 0.5, 1.0] {
            let canary = after(rule(margin, 2000), [d; 2000]);
            let Evidence { promote, roll_back } = canary.evidence();
            assert!(promote.is_finite() && roll_back.is_finite(), "{margin} {d}");
            assert!(canary.interval(0.95).contains(d));
        }
    }
    assert_eq!(after(rule(1e-9, 50), [0.0; 50]).decision(), Decision::BudgetSpent);
    assert_eq!(after(rule(1.0, 50), [0.0; 50]).decision(), Decision::Promote);
}

#[test]
fn nothing_is_added_after_the_decision() {
    let mut canary = after(rule(0.05, 1000), [-1.0; 50]);
    let (decision, pairs, evidence) = (canary.decision(), canary.pairs(), canary.evidence());
    (0..5000).for_each(|_| canary.observe(1.0));
    assert_eq!((canary.decision(), canary.pairs(), canary.evidence()), (decision, pairs, evidence));
}

#[test]
fn an_impossible_confidence_has_a_defined_result() {
    let canary = after(rule(0.05, 1000), [-1.0, 0.0, 1.0, 0.0]);
    for confidence in [1.0, 2.0, f64::NAN] {
        assert_eq!(canary.interval(confidence), Interval { lo: -1.0, hi: 1.0 });
    }
    assert!(canary.interval(0.0).contains(0.0) && canary.interval(-3.0).contains(0.0));
}

#[test]
fn the_interval_narrows_with_the_pairs() {
    let alternating = |n| (0..n).map(|i| if i % 10 == 0 { -1.0 } else { f64::from(i % 10 == 5) });
    let cautious = |n| after(Rule { level: 1e-300, margin: 0.05, budget: 10_000 }, alternating(n)).interval(0.95);
    let (few, many) = (cautious(200), cautious(2000));
    assert!(many.width() < 0.5 * few.width(), "{few:?} {many:?}");
    assert!(many.width() < 0.12, "{many:?}");
}

/// Every sequence of six differences, with its probability.
fn sequences(points: [(f64, f64); 3]) -> Vec<(Vec<f64>, f64)> {
    let mut all = vec![(Vec::new(), 1.0)];
    for _ in 0..6 {
        let longer = |(past, p): &(Vec<f64>, f64)| points.map(|(d, q)| ([past.as_slice(), &[d]].concat(), p * q));
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[test]
fn over_all_sequences_at_the_bound_the_mean_capital_is_one() {
    // A threshold out of reach, so that no sequence stops early.
    let rule = Rule { level: 1e-300, margin: 0.1, budget: 100 };
    let mean_of = |points, evidence: &dyn Fn(Evidence) -> f64| -> f64 {
        let capital = |d: &[f64]| 10.0_f64.powf(evidence(after(rule, d.iter().copied()).evidence()));
        sequences(points).iter().map(|(d, p)| p * capital(d)).sum()
    };
    let promote = mean_of([(-1.0, 0.3), (0.0, 0.5), (1.0, 0.2)], &|e| e.promote);
    let roll_back = mean_of([(-1.0, 0.2), (0.0, 0.6), (1.0, 0.2)], &|e| e.roll_back);
    assert!((promote - 1.0).abs() < 1e-12 && (roll_back - 1.0).abs() < 1e-12, "{promote} {roll_back}");
    // Further inside of the hypothesis it is less.
    let worse = mean_of([(-1.0, 0.4), (0.0, 0.5), (1.0, 0.1)], &|e| e.promote);
    let better = mean_of([(-1.0, 0.1), (0.0, 0.6), (1.0, 0.3)], &|e| e.roll_back);
    assert!(worse < 1.0 && better < 1.0, "{worse} {better}");
}

/// Shares of canaries that promote and that roll back, and whose intervals at the end contain the truth.
fn simulated(truth: f64, discordance: f64, stream: u64) -> [f64; 3] {
    let repetitions = 600;
    let mut shares = [0.0; 3];
    for repetition in 0..repetitions {
        let mut rng = rng(31, (stream << 32) | repetition);
        let mut canary = Canary::new(rule(0.1, 1500));
        while canary.decision() == Decision::Continue {
            let u: f64 = rng.random();
            let better = 0.5 * (discordance + truth);
            canary.observe(if u < better { 1.0 } else { -f64::from(u < discordance) });
        }
        let happened = [
            canary.decision() == Decision::Promote,
            canary.decision() == Decision::RollBack,
            canary.interval(0.95).contains(truth),
        ];
        shares.iter_mut().zip(happened).for_each(|(share, h)| *share += f64::from(h) / repetitions as f64);
    }
    println!("truth {truth}, {discordance} differ: promote, roll back, covered {shares:?}");
    shares
}

#[test]
fn the_error_rates_hold_with_a_look_after_every_pair() {
    let allowed = 0.05 + 3.0 * (0.05 * 0.95 / 600.0_f64).sqrt();
    for (stream, discordance) in [0.2, 0.4].into_iter().enumerate() {
        let [promote, roll_back, covered] = simulated(-0.1, discordance, 2 * stream as u64);
        assert!(promote <= allowed && roll_back > 0.9 && covered >= 1.0 - allowed);
        let [promote, roll_back, covered] = simulated(0.0, discordance, 2 * stream as u64 + 1);
        assert!(roll_back <= allowed && promote > 0.9 && covered >= 1.0 - allowed);
    }
}

fn differences() -> impl Strategy<Value = Vec<f64>> {
    let one = prop_oneof![3 => Just(0.0), 2 => Just(1.0), 2 => Just(-1.0), 2 => -1.0..=1.0_f64, 1 => Just(f64::NAN)];
    prop::collection::vec(one, 0..120)
}

proptest! {
    #[test]
    fn no_factor_is_above_one_on_average_under_the_hypothesis(
        past in differences(), margin in 0.001..1.0_f64,
        low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, inside in 0.0..0.5_f64
    ) {
        let canary = after(Rule { level: 1e-300, margin, budget: 1000 }, past);
        let capital = |canary: &Canary| {
            let Evidence { promote, roll_back } = canary.evidence();
            [promote, roll_back].map(|e| 10.0_f64.powf(e))
        };
        let before = capital(&canary);
        for (side, mean) in [(0, (-margin - inside).max(-1.0)), (1, inside)] {
            // Two points around the mean, with the probabilities that make it theirs.
            let (a, b) = (mean - low * (1.0 + mean), mean + high * (1.0 - mean));
            let p = if b > a { (mean - a) / (b - a) } else { 0.5 };
            let next = |d: f64| {
                let mut canary = canary.clone();
                canary.observe(d);
                capital(&canary)[side]
            };
            let expected = p * next(b) + (1.0 - p) * next(a);
            prop_assert!(expected <= before[side] * (1.0 + 1e-9), "{expected} {}", before[side]);
        }
    }

    #[test]
    fn one_pair_never_costs_more_than_the_limit(past in differences(), margin in 0.001..=1.0_f64, d in -1.0..=1.0_f64) {
        let mut canary = after(Rule { level: 1e-300, margin, budget: 1000 }, past);
        let before = canary.evidence();
        canary.observe(d);
        let now = canary.evidence();
        let least = 0.25_f64.log10() - 1e-9;
        prop_assert!(now.promote.is_finite() && now.promote - before.promote >= least);
        prop_assert!(now.roll_back.is_finite() && now.roll_back - before.roll_back >= least);
    }

    #[test]
    fn a_decision_is_final_and_repeatable(pairs in differences(), more in differences(), margin in 0.01..0.5_f64) {
        let rule = Rule { level: 0.2, margin, budget: 100 };
        let canary = after(rule, pairs.clone());
        prop_assert_eq!(canary.evidence(), after(rule, pairs.clone()).evidence());
        let longer = after(rule, pairs.iter().chain(&more).copied());
        if canary.decision() != Decision::Continue {
            prop_assert_eq!(longer.decision(), canary.decision());
            prop_assert_eq!(longer.pairs(), canary.pairs());
        }
        prop_assert!(longer.pairs().sent() <= rule.budget);
        prop_assert_eq!(longer.pairs().sent() == 0, longer.pairs() == Pairs::default());
    }

    #[test]
    fn the_interval_contains_the_mean_and_widens_with_confidence(pairs in differences(), margin in 0.01..0.5_f64) {
        let canary = after(rule(margin, 1000), pairs);
        let (narrow, wide) = (canary.interval(0.8), canary.interval(0.99));
        prop_assert!(wide.lo <= narrow.lo + 1e-4 && narrow.hi <= wide.hi + 1e-4);
        for interval in [narrow, wide] {
            prop_assert!(interval.lo >= -1.0 && interval.hi <= 1.0);
            prop_assert!(canary.mean().is_none_or(|mean| interval.contains(mean)));
        }
    }

    #[test]
    fn the_interval_agrees_with_the_decision(shift in -0.4..0.4_f64, margin in 0.02..0.3_f64, seed in 0_u64..1000) {
        let rule = Rule { level: 0.05, margin, budget: 400 };
        let mut rng = rng(seed, 5);
        let canary = after(rule, (0..400).map(|_| (shift + 1.4 * (rng.random::<f64>() - 0.5)).clamp(-1.0, 1.0)));
        let interval = canary.interval(1.0 - 2.0 * rule.level);
        match canary.decision() {
            Decision::Promote => prop_assert!(interval.lo >= -margin, "{interval:?}"),
            Decision::RollBack => prop_assert!(interval.hi <= 0.0, "{interval:?}"),
            _ => prop_assert!(interval.lo < -margin && interval.hi > 0.0, "{interval:?}"),
        }
    }
}
