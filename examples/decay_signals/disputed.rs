//! `label-disputed`: some labels of a golden set are wrong, and endpoints trained on other rows answer it.

use std::collections::{BTreeMap, BTreeSet};

use karat::signals::{Answer, Dispute, Example, Labelled, Voice, disputed_flags, disputes_by_similarity};
use karat::stats::{mann_whitney_auc, rng};
use karat::traffic_clusters::Policy;
use karat::vector::{Vectors, dot, top_k};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::Serialize;

use crate::coverage::{Golden, Source};
use crate::endpoints::{Endpoint, KINDS, Request, most_probable};
use crate::examples::{examples, id};
use crate::figures::{Figure, Ratio, counts, one};
use crate::world::{Part, Sizes, parts};
use crate::{Effort, trial_seed};

const SIGNAL: &str = "label-disputed";

/// Golden examples and training rows per intent.
const SIZES: Sizes = Sizes { golden: 10, training: 60 };

/// Share of the labels that are wrong.
const WRONG: f64 = 0.05;

/// A label that is easily confused with another is one of this many whose examples are most similar.
const CONFUSABLE: usize = 3;

/// What a wrong label is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flip {
    /// Any other label.
    Uniform,
    /// One that is easily confused with the right one.
    Confusable,
    /// Either, in turn.
    Mixed,
    /// No label is wrong.
    None,
}

impl Flip {
    const ALL: [Self; 4] = [Self::Mixed, Self::Uniform, Self::Confusable, Self::None];

    fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Uniform => "uniform",
            Self::Confusable => "confusable",
            Self::None => "none",
        }
    }
}

/// The answers of one endpoint, as they are written for other programs.
#[derive(Debug, Serialize)]
struct DumpedVoice {
    name: String,
    /// For each example, the classes with their probabilities; those below 0.0005 are left out.
    probabilities: Vec<Vec<(usize, f32)>>,
}

/// A trial, as it is written for other programs.
#[derive(Debug, Serialize)]
pub struct DumpedTrial {
    flips: &'static str,
    trial: usize,
    classes: usize,
    /// The label of each example, which may be wrong.
    given: Vec<usize>,
    /// Whether it is.
    wrong: Vec<bool>,
    voices: Vec<DumpedVoice>,
}

#[derive(Default)]
struct Trial {
    auroc: Option<f64>,
    at_budget: Ratio,
    precision: Ratio,
    recall: Ratio,
    flagged: Ratio,
    accuracy: Vec<Ratio>,
}

/// Number of trials that [`measure`] runs.
pub fn trials(effort: Effort) -> usize {
    Flip::ALL.len() * effort.of(20)
}

/// Measures trials with every kind of wrong labels, and without any; also returns their predictions.
pub fn measure(source: Source<'_>, effort: Effort, done: impl Fn() + Sync) -> (Vec<Figure>, Vec<DumpedTrial>) {
    let (mut figures, mut dumped) = (Vec::new(), Vec::new());
    for flip in Flip::ALL {
        let found: Vec<(Trial, DumpedTrial)> = (0..effort.of(20))
            .into_par_iter()
            .filter_map(|trial| {
                let found = trial_of(source, flip, trial, trial_seed(effort.seed, "disputed", trial));
                done();
                found
            })
            .collect();
        let (trials, predictions): (Vec<Trial>, Vec<DumpedTrial>) = found.into_iter().unzip();
        figures.extend(figures_of(flip, &trials));
        dumped.extend(predictions);
    }
    (figures, dumped)
}

fn figures_of(flip: Flip, trials: &[Trial]) -> Vec<Figure> {
    let figure = |metric: String, of: &dyn Fn(&Trial) -> Ratio| Figure::of(SIGNAL, metric, trials.iter().map(of));
    if flip == Flip::None {
        let accuracies = KINDS.iter().enumerate();
        let mut figures: Vec<Figure> = accuracies
            .map(|(kind, name)| figure(format!("accuracy of {name}"), &|trial| trial.accuracy[kind]))
            .collect();
        figures.insert(0, figure("share flagged without wrong labels".into(), &|trial| trial.flagged));
        return figures;
    }
    let metric = |name: &str| format!("{name} ({} flips)", flip.name());
    let auroc = trials.iter().filter_map(|trial| trial.auroc).map(one);
    vec![
        Figure::of(SIGNAL, metric("AUROC"), auroc),
        figure(metric("precision at budget"), &|trial| trial.at_budget),
        figure(metric("precision of flags"), &|trial| trial.precision),
        figure(metric("recall of flags"), &|trial| trial.recall),
    ]
}

fn trial_of(source: Source<'_>, flip: Flip, trial: usize, seed: u64) -> Option<(Trial, DumpedTrial)> {
    let mut random = rng(seed, 0);
    let parts = parts(source.corpus, SIZES, &mut random);
    let golden = Golden::of(source, &parts);
    let given = flipped(&golden, &confusable(source, &parts), flip, &mut random);
    let wrong: Vec<bool> = given.iter().zip(&golden.topics).map(|(given, right)| given != right).collect();
    let probabilities = predictions(source, &parts, &golden);
    let all = examples(&golden.texts, |at| name(given[at]))?;
    let voices: Vec<Voice> = KINDS.iter().zip(&probabilities).map(|(kind, found)| voice(kind, found, &given)).collect();
    let mut result = compared(&all, &disputes(&golden, &all, &given, &voices)?, &wrong);
    let right = |found: &Vec<Vec<f64>>| {
        let answers = found.iter().zip(&golden.topics);
        counts(answers.filter(|(found, topic)| most_probable(found) == **topic).count(), found.len())
    };
    result.accuracy = probabilities.iter().map(right).collect();
    let named = KINDS.iter().map(|kind| (*kind).to_owned()).zip(probabilities);
    let neighbours = ("nearest-examples".to_owned(), neighbour_shares(&golden, &given, parts.len()));
    let voices = named.chain([neighbours]).map(dumped).collect();
    Some((result, DumpedTrial { flips: flip.name(), trial, classes: parts.len(), given, wrong, voices }))
}

/// The name of a label.
fn name(label: usize) -> String {
    format!("l{label:04}")
}

/// For each intent, those whose examples and training rows have the most similar mean.
fn confusable(source: Source<'_>, parts: &[Part]) -> Vec<Vec<usize>> {
    let mut centroids = Vectors::new(source.plain.vectors.dim());
    for part in parts {
        let mut sum = vec![0.0; centroids.dim()];
        for row in part.golden.iter().chain(&part.training) {
            sum.iter_mut().zip(source.plain.vectors.row(*row)).for_each(|(sum, x)| *sum += x);
        }
        centroids.push(&sum);
    }
    let most_similar = |at: usize| {
        let mut others: Vec<usize> = (0..parts.len()).filter(|other| *other != at).collect();
        let similarity = |other: &usize| dot(centroids.row(at), centroids.row(*other));
        others.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)));
        others.truncate(CONFUSABLE);
        others
    };
    (0..parts.len()).map(most_similar).collect()
}

/// The labels given to the examples, some of them wrong.
fn flipped(golden: &Golden<'_>, confusable: &[Vec<usize>], flip: Flip, random: &mut impl RngExt) -> Vec<usize> {
    let mut given = golden.topics.clone();
    if flip == Flip::None {
        return given;
    }
    let mut chosen: Vec<usize> = (0..given.len()).collect();
    chosen.shuffle(random);
    chosen.truncate(((given.len() as f64 * WRONG).round() as usize).max(1));
    for (count, at) in chosen.into_iter().enumerate() {
        let right = golden.topics[at];
        let uniform = flip == Flip::Uniform || (flip == Flip::Mixed && count.is_multiple_of(2));
        given[at] = match uniform {
            true => (right + random.random_range(1..confusable.len())) % confusable.len(),
            false => confusable[right][random.random_range(0..confusable[right].len())],
        };
    }
    given
}

/// For each kind of endpoint, the probabilities of every label for every example.
fn predictions(source: Source<'_>, parts: &[Part], golden: &Golden<'_>) -> Vec<Vec<Vec<f64>>> {
    let request =
        |row: usize| Request { text: source.plain.texts[row].as_str(), vector: source.plain.vectors.row(row) };
    let rows = parts.iter().enumerate().flat_map(|(label, part)| part.training.iter().map(move |row| (*row, label)));
    let training: Vec<(Request<'_>, usize)> = rows.map(|(row, label)| (request(row), label)).collect();
    let answers = |kind| {
        let endpoint = Endpoint::train(kind, &training, parts.len());
        golden.rows.iter().map(|row| endpoint.probabilities(request(*row))).collect()
    };
    (0..KINDS.len()).map(answers).collect()
}

fn voice(kind: &str, probabilities: &[Vec<f64>], given: &[usize]) -> Voice {
    let answer = |(at, found): (usize, &Vec<f64>)| {
        let label = most_probable(found);
        (id(at), if label == given[at] { Answer::AsLabelled } else { Answer::Other(name(label)) })
    };
    Voice { name: kind.to_owned(), answers: probabilities.iter().enumerate().map(answer).collect() }
}

/// How probable a wrong label is, as `karat decay` finds it.
fn disputes(
    golden: &Golden<'_>,
    examples: &[Example],
    given: &[usize],
    voices: &[Voice],
) -> Option<BTreeMap<String, Dispute>> {
    let names: Vec<String> = (0..=given.iter().copied().max().unwrap_or(0)).map(name).collect();
    let examples: Vec<&Example> = examples.iter().collect();
    let set =
        Labelled { examples: &examples, texts: &golden.texts, vectors: &golden.vectors, labels: given, names: &names };
    disputes_by_similarity(set, voices)
}

/// The shares of the labels among the five nearest other examples, weighted by similarity, for methods that use probabilities.
fn neighbour_shares(golden: &Golden<'_>, given: &[usize], labels: usize) -> Vec<Vec<f64>> {
    let same = |a: usize, b: usize| a == b || golden.texts[a] == golden.texts[b];
    let found = top_k(&golden.vectors, &golden.vectors, 5, same).into_iter().map(|nearest| {
        let mut shares = vec![0.0; labels];
        nearest.iter().for_each(|other| shares[given[other.index]] += f64::from(other.similarity.max(1e-6)));
        crate::world::normalized(shares)
    });
    found.collect()
}

/// Compares what karat found with what is wrong.
fn compared(examples: &[Example], found: &BTreeMap<String, Dispute>, wrong: &[bool]) -> Trial {
    let flags = disputed_flags(examples, found, Policy::default().disputed_score);
    let flagged: BTreeSet<String> = flags.into_iter().map(|flag| flag.example_id).collect();
    let mut scores: Vec<(f64, bool)> = Vec::new();
    let mut hits = 0;
    for (at, wrong) in wrong.iter().enumerate() {
        scores.push((found.get(&id(at)).map_or(0.0, |dispute| dispute.score), *wrong));
        hits += usize::from(*wrong && flagged.contains(&id(at)));
    }
    let budget = wrong.iter().filter(|wrong| **wrong).count();
    let of =
        |wrong: bool| -> Vec<f64> { scores.iter().filter(|score| score.1 == wrong).map(|score| score.0).collect() };
    let auroc = if budget > 0 { mann_whitney_auc(&of(true), &of(false)) } else { None };
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    Trial {
        auroc,
        at_budget: counts(scores.iter().take(budget).filter(|score| score.1).count(), budget),
        precision: counts(hits, flagged.len()),
        recall: counts(hits, budget),
        flagged: counts(flagged.len(), wrong.len()),
        accuracy: Vec::new(),
    }
}

fn dumped((name, probabilities): (String, Vec<Vec<f64>>)) -> DumpedVoice {
    let likely = |found: Vec<f64>| {
        let classes = found.into_iter().enumerate().filter(|(_, p)| *p >= 0.0005);
        classes.map(|(class, p)| (class, (p * 1e4).round() as f32 / 1e4)).collect()
    };
    DumpedVoice { name, probabilities: probabilities.into_iter().map(likely).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_labels_is_flipped_and_never_to_the_right_one() {
        let golden = Golden {
            rows: (0..400).collect(),
            vectors: Vectors::new(1),
            texts: vec!["text"; 400],
            topics: (0..400).map(|at| at % 4).collect(),
        };
        let confusable = vec![vec![1], vec![0], vec![3], vec![2]];
        for (flip, expected) in [(Flip::Uniform, 20), (Flip::Confusable, 20), (Flip::Mixed, 20), (Flip::None, 0)] {
            let given = flipped(&golden, &confusable, flip, &mut rng(1, 0));
            let wrong: Vec<usize> = (0..400).filter(|at| given[*at] != golden.topics[*at]).collect();
            assert_eq!(wrong.len(), expected, "{flip:?}");
            let near = wrong.iter().filter(|at| confusable[golden.topics[**at]][0] == given[**at]).count();
            assert!(flip != Flip::Confusable || near == 20, "{flip:?}: {near}");
        }
    }

    #[test]
    fn precision_at_the_budget_counts_the_highest_scores() {
        let all = examples(&["a", "b", "c", "d"], |at| name(at % 2)).unwrap();
        let by = vec!["x".to_owned(), "y".to_owned()];
        let dispute = |at: usize| Dispute { score: [0.1, 0.9, 0.2, 0.0][at], other: Some((name(0), by.clone())) };
        let found: BTreeMap<String, Dispute> = (0..4).map(|at| (id(at), dispute(at))).collect();
        let right = compared(&all, &found, &[false, true, false, false]);
        assert_eq!((right.auroc, right.at_budget, right.precision), (Some(1.0), (1.0, 1.0), (1.0, 1.0)));
        let wrong = compared(&all, &found, &[true, false, false, false]);
        assert_eq!((wrong.at_budget, wrong.flagged), ((0.0, 1.0), (1.0, 4.0)));
    }
}
