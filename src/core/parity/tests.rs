use super::gap::{Bounds, adjusted_confidence, gap, largest};
use super::needed::More;
use super::rates::exact_interval;
use super::*;
use crate::core::stats::parity::{check_all, numbers};
use crate::core::stats::wilson;
use proptest::prelude::*;
use serde_json::Value;

const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/parity.json");

/// The array of strings under `key`.
fn strings<'a>(case: &'a Value, key: &str) -> Vec<&'a str> {
    case[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

fn answers<'a>(case: &'a Value) -> Vec<Answer<'a>> {
    let agreed = case["agreed"].as_array();
    let label = |at: usize| agreed.map(|labels| labels[at].as_u64() == Some(1));
    let rows = strings(case, "groups").into_iter().zip(numbers(case, "answers"));
    rows.enumerate().map(|(at, (group, positive))| Answer { group, positive, agreed: label(at) }).collect()
}

/// `n` answers of one group with one label, of which the first `positives` are positive.
fn block(group: &str, positives: usize, n: usize, agreed: Option<bool>) -> Vec<Answer<'_>> {
    (0..n).map(|at| Answer { group, positive: f64::from(u8::from(at < positives)), agreed }).collect()
}

fn value(parity: &Parity, measure: usize) -> f64 {
    parity.measures[measure].gap.as_ref().unwrap().value
}

fn about(verdict: &Verdict) -> &[More] {
    match verdict {
        Verdict::NotEnoughData(Needed::About(more)) => more,
        other => panic!("{other:?}"),
    }
}

fn more(group: &str, rate: RateKind, examples: u64) -> More {
    More { group: group.into(), rate, examples }
}

#[test]
fn values_match_fairlearn() {
    check_all(FIXTURE, "differences", 1e-9, |case| {
        let parity = measure(&answers(case), 0.1, 0.95);
        (0..3).map(|at| value(&parity, at)).collect()
    });
}

#[test]
fn shares_of_repeats_match_the_mean_prediction_of_fairlearn() {
    check_all(FIXTURE, "shares", 1e-9, |case| vec![value(&measure(&answers(case), 0.1, 0.95), 0)]);
}

#[test]
fn with_intervals_of_wilson_the_ends_match_newcombe_of_statsmodels() {
    check_all(FIXTURE, "newcombe", 1e-9, |case| {
        let (x, n) = (numbers(case, "positives"), numbers(case, "sizes"));
        let confidence = numbers(case, "confidence")[0];
        let adjusted = adjusted_confidence(confidence, x.len() * (x.len() - 1) / 2);
        let bounds = x.iter().zip(&n).map(|(x, n)| Bounds {
            group: "",
            rate: RateKind::Positive,
            value: x / n,
            adjusted: wilson(*x, *n, adjusted),
            single: wilson(*x, *n, confidence),
        });
        let interval = largest(&bounds.collect::<Vec<_>>()).unwrap().interval;
        vec![interval.lo, interval.hi]
    });
}

#[test]
fn the_simultaneous_interval_matches_exact_intervals_of_statsmodels() {
    check_all(FIXTURE, "exact", 1e-9, |case| {
        let cells = numbers(case, "positives").into_iter().zip(numbers(case, "sizes"));
        let cells = cells.map(|(positives, n)| Cell { group: "", rate: RateKind::Positive, n: n as u64, positives });
        let interval = gap(&cells.collect::<Vec<_>>(), numbers(case, "confidence")[0]).unwrap().interval;
        vec![interval.lo, interval.hi]
    });
}

#[test]
fn the_interval_of_a_rate_matches_interpolated_ends_of_statsmodels() {
    check_all(FIXTURE, "interval", 1e-9, |case| {
        let v = numbers(case, "args");
        let interval = exact_interval(v[0], v[1] as u64, v[2]);
        vec![interval.lo, interval.hi]
    });
}

#[test]
fn a_large_difference_exceeds_the_limit_and_a_small_one_in_large_groups_is_within_it() {
    let far = [block("f", 40, 200, None), block("m", 150, 200, None)].concat();
    let parity = measure(&far, 0.1, 0.95);
    let gap = parity.measures[0].gap.as_ref().unwrap();
    assert_eq!(parity.measures[0].verdict, Verdict::Exceeds);
    assert_eq!((gap.largest.as_str(), gap.smallest.as_str(), gap.rate), ("m", "f", RateKind::Positive));
    let near = [block("f", 1000, 2000, None), block("m", 1010, 2000, None)].concat();
    assert_eq!(measure(&near, 0.1, 0.95).measures[0].verdict, Verdict::Within);
}

#[test]
fn a_small_group_is_told_how_many_more_examples_decide() {
    let small = [block("f", 6, 10, None), block("m", 300, 500, None)].concat();
    let parity = measure(&small, 0.1, 0.95);
    let plan = about(&parity.measures[0].verdict);
    assert!(plan.len() == 1 && plan[0].group == "f", "{plan:?}");
    let size = 10 + plan[0].examples as usize;
    // The plan is the smallest at these rates: six tenths of a multiple of five are whole.
    let larger = size.next_multiple_of(5);
    let grown = |n: usize| [block("f", n * 6 / 10, n, None), block("m", 300, 500, None)].concat();
    assert_eq!(measure(&grown(larger), 0.1, 0.95).measures[0].verdict, Verdict::Within);
    assert!(matches!(measure(&grown(larger - 10), 0.1, 0.95).measures[0].verdict, Verdict::NotEnoughData(_)));
    let sentence = Needed::About(plan.to_vec()).sentence();
    assert!(sentence.contains("answered examples of f"), "{sentence}");
}

#[test]
fn an_excess_is_decided_by_more_examples_of_the_two_groups_furthest_apart() {
    let rows = [block("a", 8, 20, None), block("b", 11, 20, None), block("c", 14, 20, None)].concat();
    let parity = measure(&rows, 0.1, 0.95);
    let plan = about(&parity.measures[0].verdict);
    let groups: Vec<&str> = plan.iter().map(|more| more.group.as_str()).collect();
    assert_eq!(groups, ["a", "c"]);
    assert_eq!(plan[0].examples, plan[1].examples);
}

#[test]
fn a_difference_at_the_limit_or_next_to_it_is_never_decided() {
    let verdict = |x: usize, limit: f64| {
        let rows = [block("a", 10, 20, None), block("b", x, 20, None)].concat();
        measure(&rows, limit, 0.95).measures[0].verdict.clone()
    };
    assert_eq!(verdict(15, 0.25), Verdict::NotEnoughData(Needed::Never));
    assert_eq!(verdict(15, 0.2501), Verdict::NotEnoughData(Needed::TooMany));
    assert_eq!(verdict(10, 0.0), Verdict::NotEnoughData(Needed::Never));
    assert_eq!(verdict(15, f64::NAN), Verdict::NotEnoughData(Needed::Never));
    assert_eq!(verdict(20, 1.0), Verdict::Within);
}

#[test]
fn nothing_is_measured_without_two_groups() {
    let parity = measure(&[], 0.1, 0.95);
    assert!(parity.groups.is_empty());
    for disparity in &parity.measures {
        assert_eq!(disparity.verdict, Verdict::NotMeasurable(Reason::NoAnswers));
    }
    let one = measure(&block("f", 3, 9, Some(true)), 0.1, 0.95);
    for disparity in &one.measures {
        assert_eq!(disparity.verdict, Verdict::NotMeasurable(Reason::OneGroup));
        assert_eq!((disparity.gap.as_ref(), disparity.interval()), (None, Interval::UNIT));
    }
}

#[test]
fn without_labels_only_the_rates_of_positive_answers_are_compared() {
    let parity = measure(&[block("f", 3, 9, None), block("m", 3, 9, None)].concat(), 0.9, 0.95);
    assert_eq!(parity.measures[0].verdict, Verdict::Within);
    for disparity in &parity.measures[1..] {
        assert_eq!(disparity.verdict, Verdict::NotMeasurable(Reason::NoLabels));
    }
    assert_eq!(parity.groups[0].true_positive.value, None);
    assert_eq!(parity.groups[0].true_positive.interval, Interval::UNIT);
}

#[test]
fn a_group_without_the_needed_examples_is_named_and_never_within() {
    let rows = [block("a", 500, 1000, Some(true)), block("b", 500, 1000, Some(true)), block("c", 5, 9, Some(false))];
    let opportunity = &measure(&rows.concat(), 0.1, 0.95).measures[1];
    assert_eq!(opportunity.missing, [Missing { group: "c".into(), rate: RateKind::TruePositive }]);
    assert_eq!(opportunity.verdict, Verdict::NotEnoughData(Needed::Unknown));
    assert_eq!(opportunity.interval().hi, 1.0);
    let only = [block("a", 5, 9, Some(true)), block("c", 5, 9, Some(false))].concat();
    let opportunity = &measure(&only, 0.1, 0.95).measures[1];
    assert_eq!((opportunity.gap.as_ref(), &opportunity.verdict), (None, &Verdict::NotEnoughData(Needed::Unknown)));
    assert_eq!(measure(&only, 0.1, 0.95).measures[2].missing.len(), 2);
}

#[test]
fn an_excess_among_the_measured_groups_needs_no_missing_one() {
    let rows = [block("a", 100, 1000, Some(true)), block("b", 500, 1000, Some(true)), block("c", 5, 9, Some(false))];
    let opportunity = &measure(&rows.concat(), 0.1, 0.95).measures[1];
    assert_eq!((&opportunity.verdict, opportunity.missing.len()), (&Verdict::Exceeds, 1));
}

#[test]
fn equalised_odds_is_the_larger_one_of_both_differences_and_its_interval_is_no_narrower() {
    let rows = [
        block("a", 90, 100, Some(true)),
        block("a", 10, 100, Some(false)),
        block("b", 85, 100, Some(true)),
        block("b", 30, 100, Some(false)),
    ];
    let parity = measure(&rows.concat(), 0.1, 0.95);
    let odds = parity.measures[2].gap.as_ref().unwrap();
    assert_eq!((odds.rate, odds.largest.as_str()), (RateKind::FalsePositive, "b"));
    assert!((odds.value - 0.2).abs() < 1e-15);
    let opportunity = parity.measures[1].gap.as_ref().unwrap();
    assert!(odds.interval.hi >= opportunity.interval.hi && odds.value > opportunity.value);
    assert!(about(&parity.measures[2].verdict).iter().all(|more| more.rate == RateKind::FalsePositive));
}

#[test]
fn a_plan_for_equalised_odds_names_the_kind_of_examples() {
    let rows = [
        block("a", 500, 1000, Some(true)),
        block("a", 200, 1000, Some(false)),
        block("b", 500, 1000, Some(true)),
        block("b", 8, 40, Some(false)),
    ];
    let parity = measure(&rows.concat(), 0.1, 0.95);
    assert_eq!(parity.measures[1].verdict, Verdict::Within);
    let plan = about(&parity.measures[2].verdict);
    assert_eq!(plan, [more("b", RateKind::FalsePositive, plan[0].examples)]);
    assert!(Needed::About(plan.to_vec()).sentence().contains("examples labelled negative of b"));
}

#[test]
fn shares_without_a_value_are_ignored_and_others_are_clamped() {
    let row = |group, positive| Answer { group, positive, agreed: None };
    let rows = [row("a", 1.5), row("a", f64::NAN), row("b", -1.0), row("b", f64::INFINITY), row("c", f64::NAN)];
    let parity = measure(&rows, 0.1, 0.95);
    let found: Vec<_> = parity.groups.iter().map(|g| (g.group.as_str(), g.positive.n, g.positive.positives)).collect();
    assert_eq!(found, [("a", 1, 1.0), ("b", 1, 0.0)]);
}

#[test]
fn certainty_is_the_widest_interval() {
    let rows = [block("a", 900, 1000, None), block("b", 100, 1000, None)].concat();
    for confidence in [1.0, 1.5, f64::NAN] {
        let gap = measure(&rows, 0.1, confidence).measures[0].gap.clone().unwrap();
        assert_eq!(gap.interval, Interval::UNIT);
    }
}

fn any_answers() -> impl Strategy<Value = Vec<(usize, f64, Option<bool>)>> {
    let share = (0_u8..=3).prop_map(|x| f64::from(x) / 3.0);
    prop::collection::vec((0_usize..4, share, prop::option::of(any::<bool>())), 0..80)
}

fn named<'a>(rows: &[(usize, f64, Option<bool>)], names: &[&'a str; 4]) -> Vec<Answer<'a>> {
    rows.iter().map(|&(group, positive, agreed)| Answer { group: names[group], positive, agreed }).collect()
}

/// A limit that is always kept, so that no plan is searched for.
const KEPT: f64 = 1.0;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_order_of_examples_does_not_matter(rows in any_answers(), turn in 0_usize..80) {
        let names = ["a", "b", "c", "d"];
        let straight = measure(&named(&rows, &names), 0.2, 0.95);
        let mut other = rows.clone();
        other.reverse();
        other.rotate_left(turn.min(rows.len()));
        prop_assert_eq!(straight, measure(&named(&other, &names), 0.2, 0.95));
    }
}

proptest! {
    #[test]
    fn the_names_of_groups_do_not_matter(rows in any_answers()) {
        let straight = measure(&named(&rows, &["a", "b", "c", "d"]), KEPT, 0.95);
        let renamed = measure(&named(&rows, &["z", "b", "y", "a"]), KEPT, 0.95);
        for (x, y) in straight.measures.iter().zip(&renamed.measures) {
            prop_assert_eq!(x.interval(), y.interval());
            prop_assert_eq!(x.gap.as_ref().map(|gap| gap.value), y.gap.as_ref().map(|gap| gap.value));
        }
    }

    #[test]
    fn the_interval_contains_the_value_within_the_unit_interval(rows in any_answers(), confidence in 0.5..0.999_f64) {
        for disparity in &measure(&named(&rows, &["a", "b", "c", "d"]), KEPT, confidence).measures {
            let interval = disparity.interval();
            prop_assert!(0.0 <= interval.lo && interval.lo <= interval.hi && interval.hi <= 1.0);
            prop_assert!(disparity.gap.as_ref().is_none_or(|gap| interval.contains(gap.value)));
        }
    }

    #[test]
    fn exchanging_positive_and_negative_answers_keeps_the_differences(rows in any_answers()) {
        let names = ["a", "b", "c", "d"];
        let opposite: Vec<_> = rows.iter().map(|&(group, share, agreed)| (group, 1.0 - share, agreed)).collect();
        let (x, y) = (measure(&named(&rows, &names), KEPT, 0.95), measure(&named(&opposite, &names), KEPT, 0.95));
        for (x, y) in x.measures.iter().zip(&y.measures) {
            let (i, j) = (x.interval(), y.interval());
            prop_assert!((i.lo - j.lo).abs() < 1e-9 && (i.hi - j.hi).abs() < 1e-9);
        }
    }

    #[test]
    fn more_confidence_gives_a_wider_interval(rows in any_answers(), confidence in 0.5..0.98_f64) {
        let at = |c| measure(&named(&rows, &["a", "b", "c", "d"]), KEPT, c).measures.map(|d| d.interval());
        for (narrow, wide) in at(confidence).iter().zip(at(confidence + 0.015)) {
            prop_assert!(wide.lo <= narrow.lo && narrow.hi <= wide.hi);
        }
    }
}
