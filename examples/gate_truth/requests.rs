//! How often intervals of the difference of a percentile of latency contain the truth.

use karat::compare::RunScores;
use karat::stats::normal_upper_quantile;
use rand::{Rng, RngExt};

use super::runs::{Setting, empty};
use super::section::{Plan, Section, percent, share};

/// Latencies are log-normal: median and spread of the base and of the candidate.
const BASE: (f64, f64) = (800.0, 0.5);
const CANDIDATE: (f64, f64) = (900.0, 0.6);
/// The part of the spread that all trials of an example share.
const OF_EXAMPLE: f64 = 0.5;
const PERCENTILES: [(&str, f64); 2] = [("p50", 0.5), ("p95", 0.95)];
const LEAST: f64 = 0.93;

/// Whether the interval contains the truth, and has two ends; by percentile.
type Seen = [(bool, bool); 2];

#[derive(Clone, Copy)]
struct World {
    n: usize,
    trials: u32,
    correlation: f64,
}

pub fn section(plan: &Plan) -> Section {
    let mut rows = Vec::new();
    let mut covered = Vec::new();
    for n in [50, 200, 1000] {
        for trials in [1, 3] {
            for correlation in [0.0, 0.5, 0.9] {
                let seen = run(plan, rows.len(), World { n, trials, correlation });
                let name = format!("n = {n}, {trials} per example, correlation {correlation}");
                let of = |place: usize| [share(&seen, |seen| seen[place].0), share(&seen, |seen| seen[place].1)];
                let (median, tail) = (of(0), of(1));
                covered.extend([(median[0], format!("p50, {name}")), (tail[0], format!("p95, {name}"))]);
                rows.push(std::iter::once(name).chain(median.into_iter().chain(tail).map(percent)).collect());
            }
        }
    }
    let mut section = Section::default();
    section.paragraph(
        "Coverage of the 95 % interval of the difference of a percentile of latency. Log-normal, medians 800 and 900 ms; half \
         of the variance belongs to the example. Two ends: intervals that are bounded on both sides.",
    );
    section.table(&["requests", "p50", "two ends", "p95", "two ends"], &rows);
    section.at_least("coverage", LEAST, covered);
    section
}

fn run(plan: &Plan, cell: usize, world: World) -> Vec<Seen> {
    let setting = Setting::default();
    let start = || [0, 1].map(|_| RunScores { scorers: Vec::new(), ..empty(world.n, world.trials) });
    plan.each(cell, start, |[base, candidate], rng| {
        draw(base, candidate, world.correlation, rng);
        let latency = setting.compare(base, candidate, 0.0).latency;
        PERCENTILES.map(|(name, q)| {
            let Some(found) = latency.iter().find(|found| found.percentile == name) else { return (false, false) };
            let truth = percentile(CANDIDATE, q) - percentile(BASE, q);
            let covered = found.lo_ms.is_none_or(|lo| lo <= truth) && found.hi_ms.is_none_or(|hi| truth <= hi);
            (covered, found.lo_ms.is_some() && found.hi_ms.is_some())
        })
    })
}

fn percentile((median, spread): (f64, f64), q: f64) -> f64 {
    median * (spread * normal_upper_quantile(1.0 - q)).exp()
}

/// Two standard normal numbers with this correlation.
fn normals(correlation: f64, rng: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
    let (first, other) = (radius * cos, radius * sin);
    [first, correlation * first + (1.0 - correlation * correlation).sqrt() * other]
}

fn draw(base: &mut RunScores, candidate: &mut RunScores, correlation: f64, rng: &mut impl Rng) {
    for (first, second) in base.examples.iter_mut().zip(&mut candidate.examples) {
        let of_example = normals(correlation, rng);
        for (before, after) in first.trials.iter_mut().zip(&mut second.trials) {
            let of_trial = normals(correlation, rng);
            let z = [0, 1].map(|run| OF_EXAMPLE.sqrt() * of_example[run] + (1.0 - OF_EXAMPLE).sqrt() * of_trial[run]);
            before.latency_ms = Some(BASE.0 * (BASE.1 * z[0]).exp());
            after.latency_ms = Some(CANDIDATE.0 * (CANDIDATE.1 * z[1]).exp());
        }
    }
}
