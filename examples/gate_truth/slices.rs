//! Fifty slices: those called worse or lower although they are not, and one that is.

use std::collections::{BTreeMap, HashMap};

use karat::compare::{Change, Evidence, Example, History, RunScores, SliceBy, SliceFamily, Slices, example_from_row};
use rand::{Rng, RngExt};

use super::naive;
use super::runs::{MARGIN, SCORER, Setting, empty, id, means, pass, write};
use super::section::{Plan, Section, mean, percent, share};

const SLICES: usize = 50;
const PER_SLICE: usize = 200;
const ACCURACY: f64 = 0.85;
/// The share of examples on which two runs can differ.
const DIFFERING: f64 = 0.3;
/// What the first slice loses where one is worse.
const LOST: f64 = 0.15;
const LEVEL: f64 = 0.05;
/// The fixed threshold of the naive method.
const THRESHOLD: f64 = 0.05;
/// The scores of a run on its own take long with many slices.
const FEWER: u64 = 5;

/// What a method called worse or better.
#[derive(Default)]
struct Called {
    /// Whether the first slice is called worse.
    first: bool,
    /// Number of other slices called something.
    others: usize,
}

impl Called {
    /// Counts what is called something; the first slice counts as right where it `is_worse`.
    fn of(is_worse: bool, changes: impl IntoIterator<Item = (usize, Change)>) -> Self {
        let mut called = Called::default();
        for (slice, change) in changes {
            match change {
                Change::Worse if slice == 0 && is_worse => called.first = true,
                Change::Worse | Change::Better => called.others += 1,
                Change::Same | Change::Inconclusive => {}
            }
        }
        called
    }

    /// The share of false ones among those called something.
    fn false_share(&self) -> f64 {
        self.others as f64 / (self.others + usize::from(self.first)).max(1) as f64
    }
}

pub fn section(plan: &Plan) -> Section {
    let slices = slices();
    let mut section = Section::default();
    section.paragraph(&format!(
        "{SLICES} slices of {PER_SLICE} examples, accuracy {ACCURACY}. Any: repetitions with a slice that is called worse or \
         better although it is not. One slice is {:.0} points worse in the last two columns: how often it is found, and \
         the mean share of false ones among the slices called something.",
        100.0 * LOST
    ));
    let alone = plan.fewer(FEWER);
    let two = [false, true].map(|lost| two_runs(plan, usize::from(lost), lost, &slices));
    let one = [false, true].map(|lost| one_run(&alone, 2 + usize::from(lost), lost, &slices));
    let names = ["karat", "p < 0.05 per slice", "threshold of 5 points"];
    for (what, plan, [none, lost]) in [("two runs", plan, &two), ("a run against its rest", &alone, &one)] {
        let mut rows = Vec::new();
        for (method, name) in names.iter().enumerate() {
            let any = share(none, |called| called[method].others > 0);
            let found = share(lost, |called| called[method].first);
            let wrong = mean(&lost.iter().map(|called| called[method].false_share()).collect::<Vec<_>>());
            rows.push(vec![(*name).to_owned(), percent(any), percent(found), percent(wrong)]);
            if method == 0 {
                section.at_most(&format!("{what}: any false discovery"), plan.by_chance(LEVEL), [(any, String::new())]);
                section.at_least(&format!("{what}: the worse slice found"), 0.8, [(found, String::new())]);
                section.at_most(&format!("{what}: mean share of false ones"), LEVEL, [(wrong, String::new())]);
            }
        }
        section.table(&[&format!("{what}, {} repetitions", plan.repetitions), "any", "found", "false share"], &rows);
    }
    section
}

/// Slices by tag; the tag names the slice and sorts like its number.
fn slices() -> Slices {
    let example = |number: usize| -> Option<Example> {
        let row = serde_json::json!({"id": id(number), "input": "x", "tags": [format!("{:02}", number / PER_SLICE)]});
        example_from_row(1, row.as_object()?.clone()).ok()
    };
    let examples: Vec<Example> = (0..SLICES * PER_SLICE).filter_map(example).collect();
    Slices::new(&examples, &[SliceFamily { by: SliceBy::Tag, critical: Vec::new() }], &[], &HashMap::new())
}

/// The number in the name of a slice, such as `tag=07`.
fn number(name: &str) -> usize {
    name.trim_start_matches("tag=").parse().unwrap_or(usize::MAX)
}

fn accuracy(example: usize, lost: bool) -> f64 {
    if lost && example < PER_SLICE { ACCURACY - LOST } else { ACCURACY }
}

fn draw_two(base: &mut RunScores, candidate: &mut RunScores, lost: bool, rng: &mut impl Rng) {
    for (number, (first, second)) in base.examples.iter_mut().zip(&mut candidate.examples).enumerate() {
        let both = pass(ACCURACY, rng);
        write(first, || both);
        let after = if rng.random::<f64>() < DIFFERING {
            write(first, || pass(ACCURACY, rng));
            pass(accuracy(number, lost), rng)
        } else {
            both * pass(accuracy(number, lost) / ACCURACY, rng)
        };
        write(second, || after);
    }
}

fn two_runs(plan: &Plan, cell: usize, lost: bool, slices: &Slices) -> Vec<[Called; 3]> {
    let setting = Setting { slices: slices.clone(), ..Setting::default() };
    let start = || (empty(SLICES * PER_SLICE, 1), empty(SLICES * PER_SLICE, 1));
    plan.each(cell, start, |(base, candidate), rng| {
        draw_two(base, candidate, lost, rng);
        let found = setting.compare(base, candidate, MARGIN).slices;
        let raw = |p: Option<f64>, difference: Option<f64>| match (p, difference) {
            (Some(p), Some(difference)) if p < LEVEL && difference < 0.0 => Change::Worse,
            (Some(p), Some(_)) if p < LEVEL => Change::Better,
            _ => Change::Inconclusive,
        };
        let (before, after) = (means(base), means(candidate));
        let threshold = before.chunks(PER_SLICE).zip(after.chunks(PER_SLICE));
        [
            Called::of(lost, found.iter().map(|slice| (number(&slice.slice), slice.verdict))),
            Called::of(lost, found.iter().map(|slice| (number(&slice.slice), raw(slice.p_value, slice.difference)))),
            Called::of(lost, threshold.map(|(before, after)| naive::threshold(before, after, THRESHOLD)).enumerate()),
        ]
    })
}

fn one_run(plan: &Plan, cell: usize, lost: bool, slices: &Slices) -> Vec<[Called; 3]> {
    let start = || empty(SLICES * PER_SLICE, 1);
    plan.each(cell, start, |run, rng| {
        for (number, example) in run.examples.iter_mut().enumerate() {
            write(example, || pass(accuracy(number, lost), rng));
        }
        let all = means(run);
        let (scores, baselines, history) = (BTreeMap::new(), BTreeMap::new(), History::default());
        let evidence = Evidence {
            scores: &scores,
            latencies: &[],
            costs: &[],
            detail: Some(run),
            slices,
            clusters: None,
            baselines: &baselines,
            history: &history,
        };
        let found = evidence.slice_scores(SCORER);
        let lower = |is: bool| if is { Change::Worse } else { Change::Inconclusive };
        let whole = mean(&all);
        let raw = |p: f64, score: Option<f64>| lower(p < LEVEL && score.is_some_and(|score| score < whole));
        let threshold = |scores: &[f64]| lower(mean(scores) < whole - THRESHOLD);
        [
            Called::of(lost, found.iter().map(|slice| (number(&slice.slice), lower(slice.lower)))),
            Called::of(lost, found.iter().map(|slice| (number(&slice.slice), raw(slice.p_value, slice.score.mean)))),
            Called::of(lost, all.chunks(PER_SLICE).map(threshold).enumerate()),
        ]
    })
}
