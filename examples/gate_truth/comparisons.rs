//! Verdicts about two runs: false ones where nothing differs, and found ones where the candidate lost five points.

use std::collections::HashMap;

use karat::compare::{Change, RunScores};
use rand::{Rng, RngExt};

use super::naive;
use super::runs::{MARGIN, Setting, empty, id, means, pass, write};
use super::section::{Plan, Section, mean, percent, share};

const SIZES: [usize; 4] = [20, 50, 200, 1000];
const ACCURACIES: [f64; 4] = [0.6, 0.8, 0.9, 0.97];
/// Shares of the examples on which the runs can differ.
const DIFFERING: [f64; 3] = [0.1, 0.4, 1.0];
/// What the candidate loses where power is measured.
const LOST: f64 = 0.05;
/// Power needs fewer repetitions than small shares.
const FEWER: u64 = 4;
/// Number of templates that examples are made from, and how far one moves a run's pass rate at most.
const TEMPLATES: usize = 20;
const TEMPLATE_EFFECT: f64 = 0.15;
/// Largest share of wrong verdicts in each direction.
const LEVEL: f64 = 0.05;

/// Two runs on the same examples.
#[derive(Clone, Copy)]
struct World {
    n: usize,
    trials: u32,
    accuracy: f64,
    differing: f64,
    lost: f64,
    templates: bool,
}

impl World {
    fn name(&self) -> String {
        let World { n, trials, accuracy, differing, .. } = self;
        format!("n = {n}, {trials} per example, accuracy {accuracy}, {:.0} % can differ", 100.0 * differing)
    }

    /// Draws the scores of both runs. An example on which they cannot differ has one score in both, unless it is lost.
    fn draw(&self, base: &mut RunScores, candidate: &mut RunScores, rng: &mut impl Rng) {
        let mut effects = || -> Vec<f64> {
            let effect = if self.templates { TEMPLATE_EFFECT } else { 0.0 };
            (0..TEMPLATES).map(|_| effect * (2.0 * rng.random::<f64>() - 1.0)).collect()
        };
        let (before, after) = (effects(), effects());
        for (number, (first, second)) in base.examples.iter_mut().zip(&mut candidate.examples).enumerate() {
            let template = number % TEMPLATES;
            if rng.random::<f64>() < self.differing {
                write(first, || pass(self.accuracy + before[template], rng));
                write(second, || pass(self.accuracy - self.lost + after[template], rng));
            } else {
                let both = pass(self.accuracy, rng);
                let kept = pass(1.0 - self.lost / self.accuracy, rng);
                write(first, || both);
                write(second, || both * kept);
            }
        }
    }
}

/// The verdicts on one draw.
struct Verdicts {
    /// With the usual margin, and without one; the latter only where nothing is lost.
    karat: [Change; 2],
    /// Without knowing the clusters.
    unclustered: Change,
    threshold: Change,
    unpaired: Change,
}

pub fn section(plan: &Plan) -> Section {
    let mut section = Section::default();
    nothing_differs(plan, &mut section);
    templates(plan, &mut section);
    power(plan, &mut section);
    section
}

fn run(plan: &Plan, cell: usize, world: World) -> Vec<Verdicts> {
    let clusters: HashMap<String, usize> = (0..world.n).map(|number| (id(number), number % TEMPLATES)).collect();
    let alone = Setting::default();
    let setting = Setting { clusters: world.templates.then_some(clusters), ..Setting::default() };
    let start = || (empty(world.n, world.trials), empty(world.n, world.trials));
    plan.each(cell, start, |(base, candidate), rng| {
        world.draw(base, candidate, rng);
        let verdict = |setting: &Setting, margin: f64| {
            setting.compare(base, candidate, margin).scores.first().map_or(Change::Inconclusive, |score| score.verdict)
        };
        let strict = if world.lost == 0.0 { verdict(&setting, 0.0) } else { Change::Inconclusive };
        let karat = [verdict(&setting, MARGIN), strict];
        let (before, after) = (means(base), means(candidate));
        Verdicts {
            karat,
            unclustered: if world.templates { verdict(&alone, MARGIN) } else { karat[0] },
            threshold: naive::threshold(&before, &after, MARGIN),
            unpaired: naive::unpaired(&before, &after),
        }
    })
}

/// The shares of worse and better among the verdicts of one method.
fn shares(verdicts: &[Verdicts], of: impl Fn(&Verdicts) -> Change) -> [f64; 2] {
    [Change::Worse, Change::Better].map(|change| share(verdicts, |verdicts| of(verdicts) == change))
}

/// The shares of worse and better by method: karat with and without a margin, the threshold, the unpaired test.
fn by_method(verdicts: &[Verdicts]) -> Vec<[f64; 2]> {
    vec![
        shares(verdicts, |verdicts| verdicts.karat[0]),
        shares(verdicts, |verdicts| verdicts.karat[1]),
        shares(verdicts, |verdicts| verdicts.threshold),
        shares(verdicts, |verdicts| verdicts.unpaired),
    ]
}

fn pair([worse, better]: [f64; 2]) -> String {
    format!("{} / {}", percent(worse), percent(better))
}

fn nothing_differs(plan: &Plan, section: &mut Section) {
    let (mut rows, mut cell) = (Vec::new(), 0);
    let mut sides: Vec<(f64, String)> = Vec::new();
    for n in SIZES {
        for trials in [1, 3] {
            let mut worst = vec![[0.0_f64; 2]; 4];
            for accuracy in ACCURACIES {
                for differing in DIFFERING {
                    let world = World { n, trials, accuracy, differing, lost: 0.0, templates: false };
                    cell += 1;
                    let found = by_method(&run(plan, cell, world));
                    sides.extend(found.iter().take(2).flatten().map(|side| (*side, world.name())));
                    for (worst, found) in worst.iter_mut().zip(found) {
                        *worst = [worst[0].max(found[0]), worst[1].max(found[1])];
                    }
                }
            }
            let name = format!("n = {n}, {trials} per example");
            rows.push(std::iter::once(name).chain(worst.into_iter().map(pair)).collect());
        }
    }
    section.paragraph(
        "Two runs that do not differ: verdicts worse / better. Largest shares over accuracies 0.6, 0.8, 0.9 and 0.97, and 10, \
         40 and 100 % of the examples on which the runs can differ.",
    );
    section.table(&["runs", "karat, margin 0.02", "karat, margin 0", "threshold 0.02", "unpaired z"], &rows);
    section.at_most("worse, or better, although nothing differs", LEVEL, sides);
}

fn templates(plan: &Plan, section: &mut Section) {
    let (mut rows, mut cell) = (Vec::new(), 1000);
    let mut sides: Vec<(f64, String)> = Vec::new();
    for n in [200, 1000] {
        for trials in [1, 3] {
            let world = World { n, trials, accuracy: 0.8, differing: 1.0, lost: 0.0, templates: true };
            cell += 1;
            let verdicts = run(plan, cell, world);
            let name = format!("n = {n}, {trials} per example");
            let mut found = by_method(&verdicts);
            sides.extend(found.iter().take(2).flatten().map(|side| (*side, name.clone())));
            found.insert(2, shares(&verdicts, |verdicts| verdicts.unclustered));
            rows.push(std::iter::once(name).chain(found.into_iter().map(pair)).collect());
        }
    }
    section.paragraph(
        "Examples made from 20 templates. Each template moves the pass rate of each run, by up to 15 points and by nothing on \
         average. Accuracy 0.8, worse / better.",
    );
    let header =
        ["runs", "cluster_by, margin 0.02", "cluster_by, margin 0", "no cluster_by", "threshold 0.02", "unpaired z"];
    section.table(&header, &rows);
    section.at_most("worse, or better, by templates", LEVEL, sides);
}

fn power(plan: &Plan, section: &mut Section) {
    let plan = &plan.fewer(FEWER);
    let (mut rows, mut cell) = (Vec::new(), 2000);
    for n in SIZES {
        for trials in [1, 3] {
            for differing in DIFFERING {
                let worlds =
                    [0.8, 0.9].map(|accuracy| World { n, trials, accuracy, differing, lost: LOST, templates: false });
                let found = worlds.map(|world| {
                    cell += 1;
                    by_method(&run(plan, cell, world))
                });
                let worse = |method: usize| percent(mean(&found.each_ref().map(|found| found[method][0])));
                let name = format!("n = {n}, {trials} per example, {:.0} % can differ", 100.0 * differing);
                rows.push(std::iter::once(name).chain([0, 2, 3].map(worse)).collect());
            }
        }
    }
    section.paragraph(&format!(
        "The candidate lost five points: verdict worse, mean of accuracies 0.8 and 0.9 ({} repetitions each).",
        plan.repetitions
    ));
    section.table(&["runs", "karat, margin 0.02", "threshold 0.02", "unpaired z"], &rows);
}
