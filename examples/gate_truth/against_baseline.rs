//! A gate that compares every night with one earlier run, while nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use karat::compare::{Baseline, BaselineRun, GateLimit, RunScores};
use rand::Rng;

use super::gates::{First, Night, Until, Watched};
use super::nights::{LEVEL, NIGHTS, SIZES, World};
use super::runs::{empty, means, pass, write};
use super::section::{Plan, Section, mean, percent, share};

/// Comparisons take longer than minima.
const FEWER: u64 = 2;
const BASELINE: &str = "main";
const MARGINS: [f64; 3] = [0.0, 0.02, 0.05];

/// What happened in one series of nights, by margin.
struct Series {
    karat: Vec<First>,
    /// With a margin of 0, without spending the level.
    unspent: First,
    threshold: Vec<First>,
}

pub fn measure(plan: &Plan, section: &mut Section) {
    let plan = &plan.fewer(FEWER);
    let (mut rows, mut at_limit) = (Vec::new(), Vec::new());
    for n in SIZES {
        for (trials, flaky) in [(1, 0.3), (1, 1.0), (3, 1.0)] {
            let world = World { n, trials, flaky };
            let series = nights(plan, 2000 + rows.len(), world);
            let red = |of: &dyn Fn(&Series) -> &Vec<First>| {
                let is_red = |series: &Series, place: usize| of(series).get(place).is_some_and(|f| f.red.is_some());
                let ever = |place| percent(share(&series, |series| is_red(series, place)));
                (0..MARGINS.len()).map(ever).collect::<Vec<_>>().join(" / ")
            };
            let failed = share(&series, |series| series.karat.first().is_some_and(|first| first.failed.is_some()));
            let unspent = share(&series, |series| series.unspent.failed.is_some());
            let shares = [percent(failed), percent(unspent), red(&|s| &s.karat), red(&|s| &s.threshold)];
            rows.push(std::iter::once(world.name()).chain(shares).collect());
            at_limit.push((failed, world.name()));
        }
    }
    section.paragraph(&format!(
        "A gate that requires each of {NIGHTS} nights not to be worse than one earlier run by a margin ({} repetitions); \
         nothing changes. Ever failed with a margin of 0, where the truth is exactly at the limit, with the level spent over \
         the nights and without; ever red with margins of 0 / 0.02 / 0.05.",
        plan.repetitions
    ));
    let header =
        ["golden set", "karat: ever failed", "not spent: ever failed", "karat: ever red", "threshold: ever red"];
    section.table(&header, &rows);
    section.at_most("ever failed against a baseline, margin 0", LEVEL, at_limit);
}

fn nights(plan: &Plan, cell: usize, world: World) -> Vec<Series> {
    let limits = MARGINS.map(|margin| GateLimit::NotWorse { baseline: BASELINE.to_owned(), margin });
    let (exact, apart) = limits.split_at(1);
    let start = || (empty(world.n, world.trials), baseline(&world));
    plan.each(cell, start, |(run, baselines), rng| {
        let examples = world.examples(rng);
        let mut value = 0.0;
        if let Some(Baseline::Found(base)) = baselines.get_mut(BASELINE) {
            draw(&mut base.scores, &examples, rng);
            value = mean(&means(&base.scores));
        }
        let mut watched = [Watched::new(exact, Until::Failed, true), Watched::new(apart, Until::Red, true)];
        let mut unspent = Watched::new(exact, Until::Failed, false);
        let mut threshold = vec![First::default(); MARGINS.len()];
        let scores = BTreeMap::new();
        for number in 0..NIGHTS {
            draw(run, &examples, rng);
            let tonight = mean(&means(run));
            for (first, margin) in threshold.iter_mut().zip(MARGINS) {
                let red = tonight < value - margin;
                first.note(number, red, red);
            }
            let night = Night { scores: &scores, detail: Some(run), baselines };
            watched.iter_mut().for_each(|gates| gates.evaluate(number, &night));
            // Otherwise it cannot fail.
            if tonight < value {
                unspent.evaluate(number, &night);
            }
        }
        let karat = watched.into_iter().flat_map(|gates| gates.firsts).collect();
        Series { karat, unspent: unspent.firsts.first().copied().unwrap_or_default(), threshold }
    })
}

fn baseline(world: &World) -> BTreeMap<String, Baseline> {
    let scores = empty(world.n, world.trials);
    let run = BaselineRun { label: BASELINE.to_owned(), scores, edited: BTreeSet::new() };
    BTreeMap::from([(BASELINE.to_owned(), Baseline::Found(Box::new(run)))])
}

fn draw(run: &mut RunScores, examples: &[f64], rng: &mut impl Rng) {
    for (example, rate) in run.examples.iter_mut().zip(examples) {
        write(example, || pass(*rate, rng));
    }
}
