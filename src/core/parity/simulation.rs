//! Simulated groups with known rates: coverage of the interval, errors of the verdict, and what rules without an
//! interval say of the same draws.

use std::collections::HashMap;

use rand::{Rng, RngExt};

use super::gap::{Bounds, adjusted_confidence, largest, square_and_add};
use super::rates::{RateKind, exact_interval};
use crate::core::stats::{Interval, rng, wilson};

const REPETITIONS: usize = 4000;
const CONFIDENCE: f64 = 0.95;
const LIMIT: f64 = 0.1;

/// Three standard errors of a rate of 0.05 over all repetitions.
const ALLOWANCE: f64 = 0.0103;

/// One group's size and true rates: one rate, or the true- and the false-positive rate.
type Group = (u64, Vec<f64>);

/// Exact intervals by (positives, size), adjusted and single, computed once.
struct Ends {
    adjusted: f64,
    known: HashMap<(u64, u64), [Interval; 2]>,
}

impl Ends {
    fn of(&mut self, positives: u64, n: u64) -> [Interval; 2] {
        let exact = |confidence| exact_interval(positives as f64, n, confidence);
        *self.known.entry((positives, n)).or_insert_with(|| [exact(self.adjusted), exact(CONFIDENCE)])
    }
}

#[derive(Default)]
struct Tally {
    covered: usize,
    exceeds: usize,
    within: usize,
    naive: usize,
    four_fifths: usize,
    width: f64,
}

impl Tally {
    fn add(&mut self, bounds: &[Bounds<'_>], truth: f64) {
        let Some(gap) = largest(bounds) else { return };
        let unfair = |kind| {
            let values = || bounds.iter().filter(move |b| b.rate == kind).map(|b| b.value);
            values().fold(1.0, f64::min) < 0.8 * values().fold(0.0, f64::max)
        };
        self.covered += usize::from(gap.interval.lo <= truth + 1e-12 && truth <= gap.interval.hi + 1e-12);
        self.exceeds += usize::from(gap.interval.lo > LIMIT + 1e-12);
        self.within += usize::from(gap.interval.hi <= LIMIT);
        self.naive += usize::from(gap.value > LIMIT + 1e-12);
        self.four_fifths += usize::from([RateKind::TruePositive, RateKind::FalsePositive].into_iter().any(unfair));
        self.width += gap.interval.width() / REPETITIONS as f64;
    }

    fn rate(count: usize) -> f64 {
        count as f64 / REPETITIONS as f64
    }
}

/// A binomial count with these probabilities, by inversion.
fn draw(masses: &[f64], rng: &mut impl Rng) -> u64 {
    let mut left = rng.random::<f64>();
    let above = |mass: &f64| {
        left -= mass;
        left < 0.0
    };
    masses.iter().position(above).unwrap_or(masses.len() - 1) as u64
}

fn true_difference(groups: &[Group]) -> f64 {
    let spread = |at: usize| {
        let rates = || groups.iter().map(move |(_, rates)| rates[at]);
        rates().fold(0.0, f64::max) - rates().fold(1.0, f64::min)
    };
    (0..groups[0].1.len()).map(spread).fold(0.0, f64::max)
}

fn simulate(groups: &[Group], stream: u64) -> Tally {
    let kinds = [RateKind::TruePositive, RateKind::FalsePositive];
    let pairs = groups[0].1.len() * groups.len() * (groups.len() - 1) / 2;
    let mut ends = Ends { adjusted: adjusted_confidence(CONFIDENCE, pairs), known: HashMap::new() };
    let truth = true_difference(groups);
    let mut random = rng(77, stream);
    let cells: Vec<(u64, RateKind, Vec<f64>)> = groups
        .iter()
        .flat_map(|(n, rates)| kinds.into_iter().zip(rates).map(|(kind, p)| (*n, kind, masses(*n, *p))))
        .collect();
    let mut tally = Tally::default();
    for _ in 0..REPETITIONS {
        let bounds = cells.iter().map(|(n, rate, masses)| {
            let positives = draw(masses, &mut random);
            let [adjusted, single] = ends.of(positives, *n);
            Bounds { group: "", rate: *rate, value: positives as f64 / *n as f64, adjusted, single }
        });
        tally.add(&bounds.collect::<Vec<_>>(), truth);
    }
    tally
}

/// Rates of `count` groups: all equal, the first one higher by the limit, the first half higher by the limit (of four
/// groups and more), and the first one higher by 0.3.
fn patterns(count: usize, base: f64) -> Vec<(&'static str, Vec<f64>)> {
    let raised = |first: usize, by: f64| (0..count).map(|at| if at < first { base + by } else { base }).collect();
    let mut patterns = vec![
        ("equal", raised(0, 0.0)),
        ("one at the limit", raised(1, LIMIT)),
        ("half at the limit", raised(count / 2, LIMIT)),
        ("one by 0.3", raised(1, 0.3)),
    ];
    patterns.retain(|(name, _)| count >= 4 || *name != "half at the limit");
    patterns
}

fn print_row(name: &str, truth: f64, tally: &Tally) {
    let percent = |count| format!("{:.1} %", 100.0 * Tally::rate(count));
    println!(
        "| {name} | {truth:.1} | {} | {:.2} | {} | {} | {} | {} |",
        percent(tally.covered),
        tally.width,
        percent(tally.exceeds),
        percent(tally.within),
        percent(tally.naive),
        percent(tally.four_fifths)
    );
}

fn check(name: &str, groups: &[Group], stream: u64) {
    let (truth, tally) = (true_difference(groups), simulate(groups, stream));
    print_row(name, truth, &tally);
    assert!(Tally::rate(tally.covered) >= CONFIDENCE - ALLOWANCE, "{name}");
    // An end misses with half of the rest.
    if truth <= LIMIT + 1e-12 {
        assert!(Tally::rate(tally.exceeds) <= 0.025 + ALLOWANCE, "{name}");
    } else {
        assert!(Tally::rate(tally.within) <= 0.025 + ALLOWANCE, "{name}");
    }
}

fn print_head(what: &str) {
    println!("\n| {what} | true | coverage | width | Exceeds | Within | difference > 0.1 | 80 % rule |");
    println!("|---|---|---|---|---|---|---|---|");
}

#[test]
fn the_interval_covers_the_true_difference_of_groups_of_any_size() {
    print_head("groups");
    let mut stream = 0;
    for count in [2, 3, 6] {
        for size in [Some(10), Some(30), Some(200), None] {
            for base in [0.5, 0.1] {
                for (pattern, rates) in patterns(count, base) {
                    let n = |at: usize| size.unwrap_or([10, 30, 200][at % 3]);
                    let groups: Vec<Group> = rates.iter().enumerate().map(|(at, p)| (n(at), vec![*p])).collect();
                    let sizes = size.map_or("10, 30, 200".into(), |n: u64| n.to_string());
                    check(&format!("{count} × {sizes}, from {base}, {pattern}"), &groups, stream);
                    stream += 1;
                }
            }
        }
    }
}

#[test]
fn the_interval_of_equalised_odds_covers_the_larger_one_of_both_differences() {
    print_head("groups, both rates");
    let mut stream = 1000;
    for count in [2, 3, 6] {
        for n in [10, 30, 200] {
            for (pattern, rates) in patterns(count, 0.5) {
                // The false-positive rates differ the other way round, by the same or by less.
                let other = |p: f64| 0.3 - (p - 0.5).min(LIMIT);
                let groups: Vec<Group> = rates.iter().map(|p| (n, vec![*p, other(*p)])).collect();
                check(&format!("{count} × {n}, {pattern}"), &groups, stream);
                stream += 1;
            }
        }
    }
}

#[test]
fn the_mean_of_repeats_is_covered_as_single_answers_are() {
    println!("\n| trials | spread of examples | missed |\n|---|---|---|");
    for (stream, (trials, extreme)) in [(3, 0.0), (3, 0.5), (3, 1.0), (10, 0.5)].into_iter().enumerate() {
        let mut random = rng(78, stream as u64);
        let mut missed = 0;
        for _ in 0..REPETITIONS {
            // A share of the examples is always or never positive; the rest is random in every trial.
            let mut example = |p: f64| {
                let fixed = random.random::<f64>() < extreme;
                let rate = if fixed { f64::from(u8::from(random.random::<f64>() < p)) } else { p };
                draw(&masses(trials, rate), &mut random) as f64 / trials as f64
            };
            let x: f64 = (0..12).map(|_| example(0.25)).sum();
            missed += usize::from(!exact_interval(x, 12, CONFIDENCE).contains(0.25));
        }
        println!("| {trials} | {extreme} | {:.1} % |", 100.0 * Tally::rate(missed));
        assert!(Tally::rate(missed) <= 0.05 + ALLOWANCE);
    }
}

/// Largest probabilities, over a grid of true rates with a difference of at most 0.5, that the interval of two groups
/// of these sizes misses: at its lower end for equal rates, at its lower and at its upper end for others. Enumerated,
/// not simulated.
fn worst_misses(n1: u64, n2: u64, interval: impl Fn(u64, u64) -> Interval) -> [f64; 3] {
    let ends = |n: u64| -> Vec<(f64, Interval)> { (0..=n).map(|x| (x as f64 / n as f64, interval(x, n))).collect() };
    let (first, second) = (ends(n1), ends(n2));
    let range = |(p1, i1): (f64, Interval), (p2, i2): (f64, Interval)| {
        let (there, back) = (square_and_add(p1, i1, p2, i2), square_and_add(p2, i2, p1, i1));
        (there.lo.max(back.lo).max(0.0), there.hi.max(back.hi))
    };
    let ranges: Vec<Vec<(f64, f64)>> = first.iter().map(|a| second.iter().map(|b| range(*a, *b)).collect()).collect();
    let grid = |n: u64| -> Vec<Vec<f64>> { (0..=20).map(|at| masses(n, f64::from(at) / 20.0)).collect() };
    let (grid1, grid2) = (grid(n1), grid(n2));
    let mut worst = [0.0_f64; 3];
    for (a, first) in grid1.iter().enumerate() {
        for (b, second) in grid2.iter().enumerate().filter(|(b, _)| a.abs_diff(*b) <= 10) {
            let [low, high] = misses(&ranges, first, second, a.abs_diff(b) as f64 / 20.0);
            let at = usize::from(a != b);
            worst[at] = worst[at].max(low);
            worst[2] = worst[2].max(high);
        }
    }
    worst
}

/// Probabilities that the lower end is above and the upper end below `truth`.
fn misses(ranges: &[Vec<(f64, f64)>], first: &[f64], second: &[f64], truth: f64) -> [f64; 2] {
    let mut missed = [0.0, 0.0];
    for (row, p) in ranges.iter().zip(first) {
        for ((lo, hi), q) in row.iter().zip(second) {
            missed[0] += if *lo > truth + 1e-12 { p * q } else { 0.0 };
            missed[1] += if *hi < truth - 1e-12 { p * q } else { 0.0 };
        }
    }
    missed
}

/// The binomial probabilities of 0 to `n` successes, by adding one trial at a time.
fn masses(n: u64, p: f64) -> Vec<f64> {
    (0..n).fold(vec![1.0], |before, _| {
        let stay = before.iter().map(|m| m * (1.0 - p)).chain([0.0]);
        let rise = [0.0].into_iter().chain(before.iter().map(|m| m * p));
        stay.zip(rise).map(|(a, b)| a + b).collect()
    })
}

#[test]
fn neither_end_misses_more_often_than_stated_where_wilson_does() {
    println!("\n| sizes | exact: equal, lower, upper | Wilson: equal, lower, upper |\n|---|---|---|");
    let mut worst_of_wilson = 0.0_f64;
    for (n1, n2) in [(1, 5), (3, 3), (5, 200), (10, 10), (10, 200), (30, 30), (30, 200), (200, 200)] {
        let exact = worst_misses(n1, n2, |x, n| exact_interval(x as f64, n, CONFIDENCE));
        let wilson = worst_misses(n1, n2, |x, n| wilson(x as f64, n as f64, CONFIDENCE));
        let show = |m: [f64; 3]| m.map(|share| format!("{:.1} %", 100.0 * share)).join(", ");
        println!("| {n1}, {n2} | {} | {} |", show(exact), show(wilson));
        assert!(exact[0] <= 0.05 && exact[1] <= 0.026 && exact[2] <= 0.031, "{n1} {n2} {exact:?}");
        worst_of_wilson = worst_of_wilson.max(wilson[1]).max(wilson[2]);
    }
    assert!(worst_of_wilson > 0.08);
}
