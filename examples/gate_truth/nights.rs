//! A gate on a minimum that is evaluated on 30 nights, on the same examples with new trials.

use std::collections::BTreeMap;

use karat::compare::GateLimit;
use karat::stats::normal_upper_quantile;
use rand::{Rng, RngExt};

use super::gates::{First, Night, Until, Watched};
use super::runs::{SCORER, pass, passes};
use super::section::{Plan, Section, mean, percent, share};
use super::{against_baseline, detection};

pub const NIGHTS: usize = 30;
pub const SIZES: [usize; 3] = [50, 200, 1000];
/// The true pass rate.
pub const TRUTH: f64 = 0.9;
/// Largest share of suites that are ever red, and of gates that ever fail, in 30 nights.
pub const LEVEL: f64 = 0.05;
/// The quantiles tried for the margin: with one standard error, and with that of the minimum for its first part.
const TRIED: [f64; 4] = [0.95, 0.99, 0.995, 0.999];
const TRIED_AT_MINIMUM: [f64; 1] = [0.95];
/// The quantile that is chosen, with the standard error at the minimum: the smallest one tried at which few enough suites
/// are ever red at every size.
const CHOSEN: f64 = 0.975;
/// The margins that are reported, in the chosen margin.
const FRACTIONS: [f64; 4] = [0.0, 0.5, 1.0, 1.5];

/// A golden set and how it is run.
#[derive(Clone, Copy)]
pub struct World {
    pub n: usize,
    pub trials: u32,
    /// The share of examples that pass each trial with the true pass rate; the others always pass or always fail.
    pub flaky: f64,
}

impl World {
    pub fn name(&self) -> String {
        format!("n = {}, {} per example, {:.0} % flaky", self.n, self.trials, 100.0 * self.flaky)
    }

    /// The probability of each example to pass.
    pub fn examples(&self, rng: &mut impl Rng) -> Vec<f64> {
        (0..self.n).map(|_| if rng.random::<f64>() < self.flaky { TRUTH } else { pass(TRUTH, rng) }).collect()
    }

    /// The standard error of the mean of single trials.
    fn error(&self, rate: f64) -> f64 {
        (rate * (1.0 - rate) / self.n as f64).sqrt()
    }

    /// A margin between the minimum and the true value: (z₀.₉₇₅ + z_x) standard errors.
    fn simple_margin(&self, x: f64) -> f64 {
        (normal_upper_quantile(0.025) + normal_upper_quantile(1.0 - x)) * self.error(TRUTH)
    }

    /// The margin whose first part has the standard error at the minimum, where Wilson's interval has its lower end.
    fn margin_at_minimum(&self, x: f64) -> f64 {
        let mut margin = 0.0;
        for _ in 0..50 {
            let error = self.error((TRUTH - margin).max(0.0));
            margin = normal_upper_quantile(0.025) * error + normal_upper_quantile(1.0 - x) * self.error(TRUTH);
        }
        margin
    }

    /// The chosen margin.
    pub fn margin(&self) -> f64 {
        self.margin_at_minimum(CHOSEN)
    }
}

/// All sizes with some repeats and shares of flaky examples.
fn worlds() -> Vec<World> {
    let kinds = [(1, 0.1), (1, 0.3), (1, 1.0), (3, 0.3), (3, 1.0)];
    SIZES.iter().flat_map(|n| kinds.map(|(trials, flaky)| World { n: *n, trials, flaky })).collect()
}

/// What happened in one series of nights, by margin.
struct Series {
    karat: Vec<First>,
    /// Where the true value is exactly the minimum, without spending the level.
    unspent: First,
    threshold: Vec<First>,
}

pub fn section(plan: &Plan) -> Section {
    let worlds = worlds();
    let all: Vec<(World, Vec<Series>)> =
        worlds.iter().enumerate().map(|(cell, world)| (*world, quiet(plan, cell, *world))).collect();
    let mut section = Section::default();
    search(&mut section, &all);
    quiet_nights(&mut section, &all);
    detection::measure(plan, &mut section);
    against_baseline::measure(plan, &mut section);
    section
}

/// The margins that are watched: the reported ones, and those that are tried. No two are equal, since gates of the same
/// name share a history.
fn margins(world: World) -> Vec<f64> {
    let reported = FRACTIONS.iter().map(|fraction| fraction * world.margin());
    let simple = TRIED.iter().map(|x| world.simple_margin(*x));
    let at_minimum = TRIED_AT_MINIMUM.iter().map(|x| world.margin_at_minimum(*x));
    reported.chain(simple).chain(at_minimum).collect()
}

/// Nights on which nothing changes.
fn quiet(plan: &Plan, cell: usize, world: World) -> Vec<Series> {
    let margins = margins(world);
    let limits: Vec<GateLimit> = margins.iter().map(|margin| GateLimit::Min(TRUTH - margin)).collect();
    // The first limit is exactly the true value.
    let (exact, apart) = limits.split_at(1);
    let baselines = BTreeMap::new();
    plan.each(
        cell,
        || (),
        |(), rng| {
            let examples = world.examples(rng);
            let mut watched = [Watched::new(exact, Until::Failed, true), Watched::new(apart, Until::Red, true)];
            let mut unspent = Watched::new(exact, Until::Failed, false);
            let mut threshold = vec![First::default(); FRACTIONS.len()];
            for number in 0..NIGHTS {
                let tonight: Vec<f64> = examples.iter().map(|rate| passes(*rate, world.trials, rng)).collect();
                let value = mean(&tonight);
                note_below(&mut threshold, number, value, &margins);
                let scores = BTreeMap::from([(SCORER, tonight)]);
                let night = Night { scores: &scores, detail: None, baselines: &baselines };
                watched.iter_mut().for_each(|gates| gates.evaluate(number, &night));
                // Otherwise it cannot fail.
                if value < TRUTH {
                    unspent.evaluate(number, &night);
                }
            }
            let karat = watched.into_iter().flat_map(|gates| gates.firsts).collect();
            Series { karat, unspent: unspent.firsts.first().copied().unwrap_or_default(), threshold }
        },
    )
}

/// Notes which fixed thresholds are red: those that the mean of a night is below.
pub fn note_below(firsts: &mut [First], night: usize, value: f64, margins: &[f64]) {
    for (first, margin) in firsts.iter_mut().zip(margins) {
        let red = value < TRUTH - margin;
        first.note(night, red, red);
    }
}

/// The share of series in which the gate at a place was ever red.
fn red(series: &[Series], of: impl Fn(&Series) -> &Vec<First>, place: usize) -> f64 {
    share(series, |series| of(series).get(place).is_some_and(|first| first.red.is_some()))
}

/// The share of series in which a gate at the true value ever failed.
fn failed(series: &[Series], of: impl Fn(&Series) -> Option<&First>) -> f64 {
    share(series, |series| of(series).is_some_and(|first| first.failed.is_some()))
}

fn search(section: &mut Section, all: &[(World, Vec<Series>)]) {
    let names = TRIED.iter().map(|x| format!("one standard error, x = {x}"));
    let names = names.chain(TRIED_AT_MINIMUM.iter().map(|x| format!("that of the minimum, x = {x}")));
    let tried = names.enumerate().map(|(number, name)| (name, FRACTIONS.len() + number));
    let mut rows = Vec::new();
    for (name, place) in tried.chain([(format!("that of the minimum, x = {CHOSEN} (chosen)"), 2)]) {
        let cell = |n: usize| {
            let of_size = all.iter().filter(|(world, _)| world.n == n);
            let worst = of_size.map(|(_, series)| red(series, |s| &s.karat, place)).fold(0.0, f64::max);
            let margin = margins(World { n, trials: 1, flaky: 1.0 }).get(place).copied().unwrap_or(f64::NAN);
            format!("{} at {:.1} points", percent(worst), 100.0 * margin)
        };
        rows.push(std::iter::once(name).chain(SIZES.map(cell)).collect());
    }
    section.paragraph(&format!(
        "A gate on a minimum, `on_inconclusive: warn`, on {NIGHTS} nights without change. The true value p is {TRUTH}, above \
         the minimum by a margin of (z₀.₉₇₅ + z_x) · √(p(1 − p) / n), or of z₀.₉₇₅ · √(min(1 − min) / n) + z_x · √(p(1 − p) \
         / n). Suites that were ever red, the largest share over the golden sets of the next table.",
    ));
    section.table(&["margin", "n = 50", "n = 200", "n = 1000"], &rows);
}

fn quiet_nights(section: &mut Section, all: &[(World, Vec<Series>)]) {
    let mut rows = Vec::new();
    for (world, series) in all {
        let list =
            |of: &dyn Fn(usize) -> f64| (0..FRACTIONS.len()).map(|p| percent(of(p))).collect::<Vec<_>>().join(" / ");
        rows.push(vec![
            world.name(),
            format!("{:.3}", world.margin()),
            list(&|place| red(series, |s| &s.karat, place)),
            percent(failed(series, |s| s.karat.first())),
            percent(failed(series, |s| Some(&s.unspent))),
            list(&|place| red(series, |s| &s.threshold, place)),
        ]);
    }
    section.paragraph(&format!(
        "The same with the margin m of the minimum's standard error and x = {CHOSEN}. Ever red at margins of 0 / ½ m / m / \
         1½ m; ever failed where the true value is exactly the minimum, with the level spent over the nights and without; \
         and a fixed threshold, which is red whenever the mean is below the minimum.",
    ));
    let header =
        ["golden set", "m", "karat: ever red", "karat: ever failed", "not spent: ever failed", "threshold: ever red"];
    section.table(&header, &rows);
    let at_margin = all.iter().map(|(world, series)| (red(series, |s| &s.karat, 2), world.name()));
    section.at_most("ever red with a margin of m", LEVEL, at_margin);
    let at_minimum = all.iter().map(|(world, series)| (failed(series, |s| s.karat.first()), world.name()));
    section.at_most("ever failed at the minimum", LEVEL, at_minimum);
}
