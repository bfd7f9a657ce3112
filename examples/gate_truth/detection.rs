//! How many nights it takes until a gate fails after the true value fell by ten points.

use std::collections::BTreeMap;

use karat::compare::GateLimit;

use super::gates::{First, Night, Until, Watched};
use super::nights::{NIGHTS, SIZES, TRUTH, World, note_below};
use super::runs::{SCORER, pass, passes};
use super::section::{Plan, Section, mean};

/// The night on which the value falls, and how far.
const FALLS_ON: usize = 10;
const FALL: f64 = 0.1;
/// Medians need fewer repetitions than small shares.
const FEWER: u64 = 8;
/// The margins before, in margins of quiet nights.
const FRACTIONS: [f64; 3] = [0.0, 0.5, 1.0];

/// What happened in one series of nights, by margin.
struct Series {
    karat: Vec<First>,
    threshold: Vec<First>,
}

pub fn measure(plan: &Plan, section: &mut Section) {
    let plan = &plan.fewer(FEWER);
    let mut rows = Vec::new();
    for n in SIZES {
        for trials in [1, 3] {
            let world = World { n, trials, flaky: 0.3 };
            let series = falls(plan, 1000 + rows.len(), world);
            let list = |of: &dyn Fn(&Series) -> &Vec<First>, when: &dyn Fn(First) -> Option<usize>| {
                let place = |place| median(series.iter().filter_map(|series| of(series).get(place)).map(|f| when(*f)));
                (0..FRACTIONS.len()).map(place).collect::<Vec<_>>().join(" / ")
            };
            rows.push(vec![
                world.name(),
                list(&|series| &series.karat, &|first| first.failed),
                list(&|series| &series.karat, &|first| first.red),
                list(&|series| &series.threshold, &|first| first.red),
            ]);
        }
    }
    section.paragraph(&format!(
        "The true value falls by 10 points on night {FALLS_ON} ({} repetitions), from 0 / ½ m / m above the minimum: the \
         median number of nights until the gate fails and until the suite is red, among series in which that had not \
         happened before. A dash stands where it had happened in nine series of ten.",
        plan.repetitions
    ));
    section.table(&["golden set", "karat: fails", "karat: red", "threshold: red"], &rows);
}

fn falls(plan: &Plan, cell: usize, world: World) -> Vec<Series> {
    let margins = FRACTIONS.map(|fraction| fraction * world.margin());
    let limits = margins.map(|margin| GateLimit::Min(TRUTH - margin));
    let baselines = BTreeMap::new();
    plan.each(
        cell,
        || (),
        |(), rng| {
            let mut examples = world.examples(rng);
            let mut karat = Watched::new(&limits, Until::Failed, true);
            let mut threshold = vec![First::default(); margins.len()];
            for number in 0..FALLS_ON + NIGHTS {
                if number == FALLS_ON {
                    for rate in &mut examples {
                        *rate = if *rate == 1.0 { pass(1.0 - FALL / TRUTH, rng) } else { (*rate - FALL).max(0.0) };
                    }
                }
                let tonight: Vec<f64> = examples.iter().map(|rate| passes(*rate, world.trials, rng)).collect();
                note_below(&mut threshold, number, mean(&tonight), &margins);
                let scores = BTreeMap::from([(SCORER, tonight)]);
                karat.evaluate(number, &Night { scores: &scores, detail: None, baselines: &baselines });
            }
            Series { karat: karat.firsts, threshold }
        },
    )
}

/// The median number of nights, counting the one of the fall.
fn median(nights: impl Iterator<Item = Option<usize>>) -> String {
    let all: Vec<usize> = nights.map(|night| night.unwrap_or(usize::MAX)).collect();
    let mut later: Vec<usize> = all.iter().copied().filter(|night| *night >= FALLS_ON).collect();
    later.sort_unstable();
    match later.get(later.len() / 2) {
        _ if later.len() * 10 < all.len() => "–".to_owned(),
        Some(&usize::MAX) => format!("> {NIGHTS}"),
        Some(night) => (night - FALLS_ON + 1).to_string(),
        None => "–".to_owned(),
    }
}
