//! The estimate of today's score: only the mix of intents moves, with and without intents that the set lacks.

use karat::estimate::{TodayEstimate, strata, today};
use karat::stats::rng;
use rand::RngExt;
use rayon::prelude::*;

use crate::coverage::{Golden, Source, Traffic, measured};
use crate::endpoints::{Endpoint, KINDS, Request};
use crate::figures::{Figure, Ratio, holds, one};
use crate::world::{Part, Pools, Sizes, capped, exponent, normalized, parts, zipf};
use crate::{Effort, trial_seed};

const SIGNAL: &str = "estimate";

/// Number of records of the window.
const RECORDS: usize = 2_000;

/// Few training rows, so that endpoints are good at some intents and bad at others.
const SIZES: Sizes = Sizes { golden: 10, training: 6 };

/// The true accuracy on the known intents differs from that on an equal mix of them by between these.
const SHIFT: [f64; 2] = [0.03, 0.08];

/// Largest share of the rows of an intent that a window may take, on average.
const TAKEN: f64 = 0.7;

/// Which of the intents that the set lacks the endpoint was trained on.
const KNOWS: [&str; 3] = ["none", "half", "all"];

struct Trial {
    found: TodayEstimate,
    /// The true accuracy on the traffic of known intents, and on all traffic.
    known: f64,
    all: f64,
    coverage_error: f64,
    /// Index in [`KNOWS`].
    knows: usize,
}

impl Trial {
    fn error(&self) -> f64 {
        (self.found.represented - self.known).abs()
    }

    fn raw_error(&self) -> f64 {
        (self.found.raw - self.known).abs()
    }
}

/// Number of trials that [`measure`] runs.
pub fn trials(effort: Effort) -> usize {
    2 * effort.of(90)
}

/// Measures trials in which only the mix moves, and trials with new intents as well.
pub fn measure(source: Source<'_>, effort: Effort, done: impl Fn() + Sync) -> Vec<Figure> {
    let run = |new: bool| -> Vec<Trial> {
        let trials = (0..effort.of(90)).into_par_iter().filter_map(|trial| {
            let found = trial_of(source, new, trial, trial_seed(effort.seed, "estimate", trial));
            done();
            found
        });
        trials.collect()
    };
    let (mix, new) = (run(false), run(true));
    let figure = |metric: &str, of: &dyn Fn(&Trial) -> Ratio| Figure::of(SIGNAL, metric, mix.iter().map(of));
    let with_new = |metric: &str, of: &dyn Fn(&Trial) -> Ratio| Figure::of(SIGNAL, metric, new.iter().map(of));
    let bound = |trial: &Trial| holds(trial.found.bound.contains(trial.all));
    let mut figures = vec![
        figure("error ÷ error of the raw score", &|trial| (trial.error(), trial.raw_error())),
        figure("mean absolute error", &|trial| one(trial.error())),
        figure("mean absolute error of the raw score", &|trial| one(trial.raw_error())),
        figure("bias", &|trial| one(trial.found.represented - trial.known)),
        figure("interval contains the truth", &|trial| holds(trial.found.interval.contains(trial.known))),
        figure("width of the interval", &|trial| one(trial.found.interval.width())),
        with_new("error ÷ error of the raw score, with new intents", &|trial| (trial.error(), trial.raw_error())),
        with_new("interval contains the truth on known intents, with new ones", &|trial| {
            holds(trial.found.interval.contains(trial.known))
        }),
        with_new("bound contains the truth on all traffic", &bound),
        with_new("width of the bound", &|trial| one(trial.found.bound.width())),
        with_new("error of coverage, signed", &|trial| one(trial.coverage_error)),
    ];
    for (knows, name) in KNOWS.iter().enumerate() {
        let of = new.iter().filter(|trial| trial.knows == knows).map(bound);
        figures.push(Figure::of(SIGNAL, format!("the same, endpoint trained on {name} of the new intents"), of));
    }
    figures
}

fn trial_of(source: Source<'_>, new: bool, trial: usize, seed: u64) -> Option<Trial> {
    let mut random = rng(seed, u64::from(new));
    let mut known = parts(source.corpus, SIZES, &mut random);
    let hidden = known.split_off(known.len() * 2 / 3);
    let knows = trial / KINDS.len() % KNOWS.len();
    let trained = hidden.len() * knows / 2;
    let right = Accuracies::of(source, trial, &known, &hidden, trained);
    let golden = Golden::of(source, &known);
    let share = if new { random.random_range(0.1..0.2) } else { 0.0 };
    let from_known = (RECORDS as f64 * (1.0 - share)) as usize;
    let mix = shifted(&known, &right.known, from_known, trial, &mut random)?;
    let new_mix = limited(zipf(hidden.len(), exponent(RECORDS), &mut random), &hidden, RECORDS - from_known);
    let mut rows = Pools::of(&known).draw(&mix, from_known, 1.0, &mut random);
    let known_rows = rows.len();
    rows.extend(Pools::of(&hidden).draw(&new_mix, RECORDS - from_known, 1.0, &mut random));
    let traffic = Traffic::of(source, &golden, rows);
    let now = traffic.records(&[]);
    let coverage = measured(source, &golden, &now, None, seed)?.now;
    let scores: Vec<Option<f64>> = right.golden.iter().map(|score| Some(*score)).collect();
    let strata = strata(golden.points(), &scores, &now, &coverage.records);
    let found = today(&strata, (coverage.value, coverage.interval))?;
    let on_known = dot(&mix, &right.known);
    // The share that was drawn: a small file may not have enough rows.
    let new_share = 1.0 - known_rows as f64 / now.len() as f64;
    let all = (1.0 - new_share) * on_known + new_share * dot(&new_mix, &right.hidden);
    Some(Trial { found, known: on_known, all, coverage_error: coverage.value - (1.0 - new_share), knows })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How often an endpoint is right.
struct Accuracies {
    /// For each golden example, 1 if it is answered as labelled, else 0.
    golden: Vec<f64>,
    /// The share of right answers over all rows of each intent that are neither golden nor used for training.
    known: Vec<f64>,
    hidden: Vec<f64>,
}

impl Accuracies {
    /// Trains the endpoint on the known intents and the first `trained` of the hidden ones.
    fn of(source: Source<'_>, kind: usize, known: &[Part], hidden: &[Part], trained: usize) -> Self {
        let request =
            |row: usize| Request { text: source.plain.texts[row].as_str(), vector: source.plain.vectors.row(row) };
        let all = || known.iter().chain(hidden).enumerate();
        let rows = all().take(known.len() + trained);
        let rows = rows.flat_map(|(class, part)| part.training.iter().map(move |row| (*row, class)));
        let training: Vec<(Request<'_>, usize)> = rows.map(|(row, class)| (request(row), class)).collect();
        let endpoint = Endpoint::train(kind, &training, known.len() + hidden.len());
        let score = |row: usize, class: usize| f64::from(u8::from(endpoint.answer(request(row)) == class));
        let golden = all().take(known.len());
        let golden = golden.flat_map(|(class, part)| part.golden.iter().map(move |row| (*row, class)));
        let golden = golden.map(|(row, class)| score(row, class)).collect();
        let accuracy = |(class, part): (usize, &Part)| {
            // Without training rows, no answer is right.
            if class >= known.len() + trained {
                return 0.0;
            }
            part.pool.iter().map(|row| score(*row, class)).sum::<f64>() / part.pool.len() as f64
        };
        let mut known_accuracy: Vec<f64> = all().map(accuracy).collect();
        let hidden = known_accuracy.split_off(known.len());
        Self { golden, known: known_accuracy, hidden }
    }
}

/// No share above what the rows of its intent provide.
fn limited(mix: Vec<f64>, parts: &[Part], records: usize) -> Vec<f64> {
    let limits: Vec<f64> = parts.iter().map(|part| TAKEN * part.pool.len() as f64 / records.max(1) as f64).collect();
    capped(mix, &limits)
}

/// A mix on which the endpoint is better than on an equal mix of all intents in every other trial, and worse in the others; `None` if
/// accuracies do not differ enough.
fn shifted(
    parts: &[Part],
    accuracy: &[f64],
    records: usize,
    trial: usize,
    random: &mut impl RngExt,
) -> Option<Vec<f64>> {
    let equal = accuracy.iter().sum::<f64>() / accuracy.len() as f64;
    let usual = zipf(parts.len(), exponent(RECORDS), random);
    // Not in the order of accuracy alone.
    let tilt: Vec<f64> = accuracy.iter().map(|a| a - equal + random.random_range(-0.2..0.2)).collect();
    let sign = if trial.is_multiple_of(2) { 1.0 } else { -1.0 };
    let target = random.random_range(SHIFT[0]..SHIFT[1]);
    let mix = |strength: f64| {
        let shares = usual.iter().zip(&tilt).map(|(share, tilt)| share * (sign * strength * tilt).exp()).collect();
        limited(normalized(shares), parts, records)
    };
    let shift = |strength: f64| sign * (dot(&mix(strength), accuracy) - equal);
    let (mut low, mut high) = (0.0, 60.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if shift(middle) < target { low = middle } else { high = middle }
    }
    (shift(high) >= SHIFT[0]).then(|| mix(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(intents: usize) -> Vec<Part> {
        let part = |intent| Part { intent, golden: Vec::new(), training: Vec::new(), pool: (0..200).collect() };
        (0..intents).map(part).collect()
    }

    #[test]
    fn the_mix_moves_accuracy_by_what_was_wanted_in_both_directions() {
        let accuracy: Vec<f64> = (0..40).map(|intent| 0.5 + 0.0125 * f64::from(intent)).collect();
        let equal = accuracy.iter().sum::<f64>() / 40.0;
        for trial in 0..6 {
            let mix = shifted(&parts_of(40), &accuracy, 2_000, trial, &mut rng(trial as u64, 0)).unwrap();
            let shift = dot(&mix, &accuracy) - equal;
            assert!((shift > 0.0) == trial.is_multiple_of(2), "{shift}");
            assert!((0.03..0.081).contains(&shift.abs()) && (mix.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shift}");
        }
    }

    #[test]
    fn an_endpoint_that_is_equally_good_at_all_intents_has_no_shifted_mix() {
        assert!(shifted(&parts_of(40), &[0.8; 40], 2_000, 0, &mut rng(0, 0)).is_none());
    }
}
