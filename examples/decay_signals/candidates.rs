//! What to label next: labelling the candidates, compared with labelling records drawn at random.

use std::collections::BTreeSet;

use karat::coverage::Records;
use karat::estimate::Origin;
use karat::stats::rng;
use karat::traffic_clusters::Policy;
use karat::unrepresented::{Candidate, Covered, Selection, Unrepresented, disagreement, next_to_label, unrepresented};
use rand::seq::index::sample;
use rayon::prelude::*;

use crate::coverage::{Golden, Source, Traffic, measured};
use crate::endpoints::{Endpoint, Request};
use crate::figures::{Figure, Ratio, counts, one};
use crate::world::{Part, Pools, Sizes, exponent, parts, zipf};
use crate::{Effort, trial_seed};

const SIGNAL: &str = "candidates";

/// Golden examples and training rows per intent.
const SIZES: Sizes = Sizes { golden: 10, training: 10 };

/// Number of candidates that are labelled, and number that a report lists.
const LABELLED: usize = 50;
const LISTED: usize = 20;

/// Records of the window, and the share of them with intents that the set lacks.
const CELLS: [(usize, f64); 4] = [(1_000, 0.1), (1_000, 0.2), (2_000, 0.1), (2_000, 0.2)];

/// Shares of traffic whose intent has at least one example, and coverage as it is measured.
#[derive(Clone, Copy)]
struct Share {
    truth: f64,
    measured: f64,
}

struct Trial {
    before: Share,
    candidates: Share,
    random: Share,
    /// Listed candidates with intents that the set lacks, those not drawn at random, and those that were.
    listed: Ratio,
    listed_chosen: Ratio,
    listed_random: Ratio,
    /// Number of new intents among those labelled.
    intents: [f64; 2],
}

/// Number of trials that [`measure`] runs.
pub fn trials(effort: Effort) -> usize {
    CELLS.len() * effort.of(6)
}

/// Measures every cell.
pub fn measure(source: Source<'_>, effort: Effort, done: impl Fn() + Sync) -> Vec<Figure> {
    let trials = effort.of(6);
    let found: Vec<(usize, Trial)> = (0..CELLS.len() * trials)
        .into_par_iter()
        .filter_map(|number| {
            let (cell, trial) = (number / trials, number % trials);
            let name = format!("candidates {cell}");
            let found = trial_of(source, CELLS[cell], trial_seed(effort.seed, &name, trial));
            done();
            Some((cell, found?))
        })
        .collect();
    let figure = |metric: &str, of: &dyn Fn(&Trial) -> Ratio| {
        Figure::of(SIGNAL, metric, found.iter().map(|(_, trial)| of(trial)))
    };
    let gain = |trial: &Trial| {
        (trial.candidates.truth - trial.before.truth, (trial.random.truth - trial.before.truth).max(f64::EPSILON))
    };
    let mut figures = vec![
        figure("gain of true coverage ÷ gain with random records", &gain),
        figure("share of the 20 listed with new intents", &|trial| trial.listed),
        figure("the same, without those drawn at random", &|trial| trial.listed_chosen),
        figure("the same, of those drawn at random", &|trial| trial.listed_random),
        figure("true coverage before", &|trial| one(trial.before.truth)),
        figure("true coverage after 50 candidates", &|trial| one(trial.candidates.truth)),
        figure("true coverage after 50 random records", &|trial| one(trial.random.truth)),
        figure("coverage before, as measured", &|trial| one(trial.before.measured)),
        figure("coverage after 50 candidates, as measured", &|trial| one(trial.candidates.measured)),
        figure("coverage after 50 random records, as measured", &|trial| one(trial.random.measured)),
        figure("new intents among 50 candidates", &|trial| one(trial.intents[0])),
        figure("new intents among 50 random records", &|trial| one(trial.intents[1])),
    ];
    for (cell, (records, share)) in CELLS.iter().enumerate() {
        let name = format!("{records} records, {:.0} % new", share * 100.0);
        let of_cell = || found.iter().filter(|(of, _)| *of == cell).map(|(_, trial)| trial);
        figures.push(Figure::of(SIGNAL, format!("gain ÷ gain, {name}"), of_cell().map(gain)));
        figures.push(Figure::of(SIGNAL, format!("listed with new intents, {name}"), of_cell().map(|t| t.listed)));
    }
    figures
}

fn trial_of(source: Source<'_>, (records, share): (usize, f64), seed: u64) -> Option<Trial> {
    let mut random = rng(seed, 0);
    let mut known = parts(source.corpus, SIZES, &mut random);
    let hidden = known.split_off(known.len() * 2 / 3);
    let golden = Golden::of(source, &known);
    let usual = zipf(known.len(), exponent(records), &mut random);
    let new_mix = zipf(hidden.len(), exponent(records), &mut random);
    let new = (records as f64 * share).round() as usize;
    let mut pools = Pools::of(&known);
    let then = Traffic::of(source, &golden, pools.draw(&usual, records, 0.5, &mut random));
    let mut rows = pools.draw(&usual, records - new, 1.0, &mut random);
    rows.extend(Pools::of(&hidden).draw(&new_mix, new, 1.0, &mut random));
    let rows: Vec<usize> = sample(&mut random, rows.len(), rows.len()).into_iter().map(|at| rows[at]).collect();
    let now = Traffic::of(source, &golden, rows);
    let labels: Vec<String> = (0..known.len()).map(|topic| format!("l{topic:04}")).collect();
    let outputs = outputs(source, &known, &now, &labels);
    let (then, window) = (then.records(&[]), now.records(&outputs));
    let (found, measured_before) = unrepresented_in(source, &golden, &window, &then, seed)?;
    let disputed = disagreement(&window, golden.points(), &labels, Policy::default().neighbours);
    let pick = |count| next_to_label(&window, &found, &disputed, Selection::of(count, seed));
    let (listed, labelled) = (pick(LISTED), pick(LABELLED));
    let labelled: Vec<usize> = labelled.iter().map(|candidate| candidate.record.0).collect();
    let drawn: Vec<usize> = sample(&mut random, window.len(), LABELLED.min(window.len())).into_vec();
    let world = World { source, known: &known, golden: &golden, now: &now, then: &then, seed };
    let hits = |random: bool| world.new_among(listed.iter().filter(|c| (c.origin == Origin::Random) == random));
    let (chosen, at_random) = (hits(false), hits(true));
    Some(Trial {
        before: Share { truth: world.true_share(&[]), measured: measured_before },
        candidates: world.after(&labelled)?,
        random: world.after(&drawn)?,
        listed: (chosen.0 + at_random.0, chosen.1 + at_random.1),
        listed_chosen: chosen,
        listed_random: at_random,
        intents: [world.new_intents(&labelled) as f64, world.new_intents(&drawn) as f64],
    })
}

/// The answers of production, which was trained on the known intents alone.
fn outputs<'l>(source: Source<'_>, known: &[Part], now: &Traffic<'_>, labels: &'l [String]) -> Vec<&'l str> {
    let request =
        |row: usize| Request { text: source.plain.texts[row].as_str(), vector: source.plain.vectors.row(row) };
    let rows = known.iter().enumerate().flat_map(|(class, part)| part.training.iter().map(move |row| (*row, class)));
    let training: Vec<(Request<'_>, usize)> = rows.map(|(row, class)| (request(row), class)).collect();
    let endpoint = Endpoint::train(0, &training, known.len());
    now.rows.iter().map(|row| labels[endpoint.answer(request(*row))].as_str()).collect()
}

/// What no example represents, and coverage as it is measured.
fn unrepresented_in(
    source: Source<'_>,
    golden: &Golden<'_>,
    now: &Records<'_>,
    then: &Records<'_>,
    seed: u64,
) -> Option<(Unrepresented, f64)> {
    let coverage = measured(source, golden, now, Some(then), seed)?;
    let reference = Covered { records: then, coverage: &coverage.reference.as_ref()?.records };
    let window = Covered { records: now, coverage: &coverage.now.records };
    let found = unrepresented(window, Some(reference), golden.points(), Policy::default().min_groups);
    Some((found, coverage.now.value))
}

/// A drawn window and its golden set.
struct World<'a> {
    source: Source<'a>,
    known: &'a [Part],
    golden: &'a Golden<'a>,
    now: &'a Traffic<'a>,
    then: &'a Records<'a>,
    seed: u64,
}

impl World<'_> {
    fn intent(&self, record: usize) -> usize {
        self.source.corpus.intent_of[self.now.rows[record]]
    }

    fn is_known(&self, intent: usize) -> bool {
        self.known.iter().any(|part| part.intent == intent)
    }

    fn new_among<'c>(&self, candidates: impl Iterator<Item = &'c Candidate>) -> Ratio {
        let new: Vec<bool> = candidates.map(|candidate| !self.is_known(self.intent(candidate.record.0))).collect();
        counts(new.iter().filter(|new| **new).count(), new.len())
    }

    fn new_intents(&self, labelled: &[usize]) -> usize {
        let intents: BTreeSet<usize> = labelled.iter().map(|record| self.intent(*record)).collect();
        intents.into_iter().filter(|intent| !self.is_known(*intent)).count()
    }

    /// The share of the window whose intent has an example once these records are labelled.
    fn true_share(&self, labelled: &[usize]) -> f64 {
        let mut intents: BTreeSet<usize> = self.known.iter().map(|part| part.intent).collect();
        intents.extend(labelled.iter().map(|record| self.intent(*record)));
        let covered = (0..self.now.rows.len()).filter(|record| intents.contains(&self.intent(*record)));
        covered.count() as f64 / self.now.rows.len() as f64
    }

    /// The shares once these records are examples with their true intents.
    fn after(&self, labelled: &[usize]) -> Option<Share> {
        let mut golden = self.golden.clone();
        let mut topics: Vec<usize> = self.known.iter().map(|part| part.intent).collect();
        for record in labelled {
            let (row, intent) = (self.now.rows[*record], self.intent(*record));
            let topic = topics.iter().position(|known| *known == intent).unwrap_or(topics.len());
            if topic == topics.len() {
                topics.push(intent);
            }
            golden.vectors.push_row(self.source.plain.vectors.row(row));
            golden.texts.push(self.now.texts[*record]);
            golden.rows.push(row);
            golden.topics.push(topic);
        }
        let found = measured(self.source, &golden, &self.now.records(&[]), Some(self.then), self.seed)?;
        Some(Share { truth: self.true_share(labelled), measured: found.now.value })
    }
}
