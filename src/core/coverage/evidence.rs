//! Evidence from the nearest examples of a request on whether the set represents it.

use crate::core::stats::Logistic;
use crate::core::vector::Neighbour;

/// Number of neighbours considered: enough to reach a second topic after a dozen examples of the first.
pub(super) const DEPTH: usize = 32;

/// Number of nearest examples whose similarity is averaged.
const CLOSE: usize = 5;

/// Ridge penalty on standardised columns: negligible, but sufficient for columns that never vary.
const PENALTY: f64 = 0.1;

/// Number of columns, including the square of each feature.
const COLUMNS: usize = 8;

/// The features of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    /// Topic of the nearest example.
    pub topic: usize,
    values: [f64; COLUMNS / 2],
}

impl Features {
    /// Computes the features from the neighbours of a request, nearest first; `None` without neighbours. `tightness`
    /// returns how close the examples of a topic are to each other.
    pub fn new<'a>(
        neighbours: impl Iterator<Item = &'a Neighbour>,
        topics: &[usize],
        tightness: impl Fn(usize) -> f64,
    ) -> Option<Self> {
        let mut neighbours = neighbours.map(|neighbour| (topics[neighbour.index], f64::from(neighbour.similarity)));
        let (topic, nearest) = neighbours.next()?;
        let (mut close, mut seen, mut last) = (nearest, 1, nearest);
        let mut second = None;
        for (other, similarity) in neighbours {
            last = similarity;
            if seen < CLOSE {
                close += similarity;
                seen += 1;
            }
            if other != topic {
                second.get_or_insert(similarity);
            }
            if second.is_some() && seen == CLOSE {
                break;
            }
        }
        let margin = nearest - second.unwrap_or(last);
        Some(Self { topic, values: [nearest, margin, close / seen as f64, nearest - tightness(topic)] })
    }
}

/// P(represented | features), if represented and unknown requests are equally frequent.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    mean: [f64; COLUMNS / 2],
    deviation: [f64; COLUMNS / 2],
    /// One fit for each part of the topics that is left out.
    fits: Vec<Logistic>,
}

/// Features of an example, both as a represented and as an unknown request.
pub(super) struct TrainingPair {
    /// The part of its topic.
    pub part: usize,
    /// As a request that the other examples of its topic represent.
    pub known: Features,
    /// As a request of a topic without any example.
    pub novel: Features,
    /// Its weight.
    pub weight: f64,
}

impl Posterior {
    /// Fits one logistic regression per part, on the training pairs of the other parts. Returns `None` if any cannot be
    /// fitted.
    pub fn fit(training_pairs: &[&TrainingPair], parts: usize) -> Option<Self> {
        let mut posterior = Self { mean: [0.0; COLUMNS / 2], deviation: [1.0; COLUMNS / 2], fits: Vec::new() };
        let total: f64 = training_pairs.iter().map(|pair| 2.0 * pair.weight).sum();
        let both = |pair: &&TrainingPair| [(pair.known, pair.weight), (pair.novel, pair.weight)];
        for column in 0..COLUMNS / 2 {
            let average = |value: &dyn Fn(f64) -> f64| {
                training_pairs.iter().flat_map(both).map(|(f, w)| w * value(f.values[column])).sum::<f64>() / total
            };
            let mean = average(&|x| x);
            let deviation = average(&|x| (x - mean).powi(2)).sqrt();
            posterior.mean[column] = mean;
            posterior.deviation[column] = if deviation > 1e-9 { deviation } else { 1.0 };
        }
        for part in 0..parts {
            let others: Vec<&TrainingPair> = training_pairs.iter().copied().filter(|pair| pair.part != part).collect();
            let rows: Vec<_> = others.iter().flat_map(|l| [posterior.row(&l.known), posterior.row(&l.novel)]).collect();
            let targets: Vec<f64> = others.iter().flat_map(|_| [1.0, 0.0]).collect();
            let weights: Vec<f64> = others.iter().flat_map(|l| [l.weight, l.weight]).collect();
            posterior.fits.push(Logistic::fit(&rows, &targets, &weights, PENALTY)?);
        }
        Some(posterior)
    }

    fn row(&self, features: &Features) -> [f64; COLUMNS] {
        let mut row = [0.0; COLUMNS];
        for (column, value) in features.values.iter().enumerate() {
            let standard = (value - self.mean[column]) / self.deviation[column];
            row[column] = standard;
            row[COLUMNS / 2 + column] = standard.clamp(-4.0, 4.0).powi(2);
        }
        row
    }

    /// The posterior by the fit that never saw the topics of `part`.
    pub fn without(&self, part: usize, features: &Features) -> f64 {
        clamp(self.fits[part].probability(&self.row(features)))
    }

    /// The posterior by every fit.
    pub fn all(&self, features: &Features) -> impl Iterator<Item = f64> {
        let row = self.row(features);
        self.fits.iter().map(move |fit| clamp(fit.probability(&row)))
    }
}

/// Limits a posterior so that no request is certain and odds remain finite.
fn clamp(posterior: f64) -> f64 {
    posterior.clamp(0.01, 0.99)
}
