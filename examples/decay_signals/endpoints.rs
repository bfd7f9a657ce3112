//! Three classifiers of different kinds, as endpoints: naive Bayes on words, centroids in the embedding space, and the nearest training
//! rows by character n-grams.

use std::collections::HashMap;

use karat::vector::{Vectors, dot};

/// A text with its vector.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub text: &'a str,
    pub vector: &'a [f32],
}

/// The kinds of classifiers, with the names of the endpoints.
pub const KINDS: [&str; 3] = ["naive-bayes", "centroids", "character-neighbours"];

/// A trained classifier.
pub enum Endpoint {
    NaiveBayes(NaiveBayes),
    Centroids(Centroids),
    Neighbours(Neighbours),
}

impl Endpoint {
    /// Trains the classifier of this kind on requests of the classes `0..classes`.
    pub fn train(kind: usize, requests: &[(Request<'_>, usize)], classes: usize) -> Self {
        match kind % KINDS.len() {
            0 => Self::NaiveBayes(NaiveBayes::train(requests, classes)),
            1 => Self::Centroids(Centroids::train(requests, classes)),
            _ => Self::Neighbours(Neighbours::train(requests, classes)),
        }
    }

    /// The probability of every class. It is 0 for a class without training rows.
    pub fn probabilities(&self, request: Request<'_>) -> Vec<f64> {
        match self {
            Self::NaiveBayes(model) => model.probabilities(request.text),
            Self::Centroids(model) => model.probabilities(request.vector),
            Self::Neighbours(model) => model.probabilities(request.text),
        }
    }

    /// The most probable class.
    pub fn answer(&self, request: Request<'_>) -> usize {
        most_probable(&self.probabilities(request))
    }
}

/// The first of the most probable classes.
pub fn most_probable(probabilities: &[f64]) -> usize {
    let all = probabilities.iter().enumerate();
    all.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |(class, _)| class)
}

/// Probabilities in proportion to exp(logs); 0 where the logarithm is −∞.
fn softmax(logs: &[f64]) -> Vec<f64> {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Multinomial naive Bayes on words.
pub struct NaiveBayes {
    /// Count of every word by class.
    counts: HashMap<String, Vec<(usize, f64)>>,
    /// Words of each class, and its share of the training rows.
    classes: Vec<(f64, f64)>,
}

/// Occurrences of every word that are assumed in every class.
const WORD_PRIOR: f64 = 0.1;

impl NaiveBayes {
    fn train(requests: &[(Request<'_>, usize)], classes: usize) -> Self {
        let mut counts: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut of = vec![(0.0, 0.0); classes];
        for (request, class) in requests {
            of[*class].1 += 1.0 / requests.len() as f64;
            for word in words(request.text) {
                of[*class].0 += 1.0;
                let by_class = counts.entry(word).or_default();
                match by_class.iter_mut().find(|(known, _)| known == class) {
                    Some((_, count)) => *count += 1.0,
                    None => by_class.push((*class, 1.0)),
                }
            }
        }
        Self { counts, classes: of }
    }

    fn probabilities(&self, text: &str) -> Vec<f64> {
        let vocabulary = self.counts.len() as f64;
        let rest: Vec<f64> = self.classes.iter().map(|(total, _)| total + WORD_PRIOR * vocabulary).collect();
        let mut logs: Vec<f64> = self.classes.iter().map(|(_, share)| share.ln()).collect();
        for by_class in words(text).filter_map(|word| self.counts.get(&word)) {
            logs.iter_mut().zip(&rest).for_each(|(log, rest)| *log += (WORD_PRIOR / rest).ln());
            by_class.iter().for_each(|(class, count)| logs[*class] += ((count + WORD_PRIOR) / WORD_PRIOR).ln());
        }
        softmax(&logs)
    }
}

/// The mean vector of every class.
pub struct Centroids(Vec<Option<Vec<f32>>>);

/// Factor by which similarities are multiplied before the softmax.
const SHARPNESS: f64 = 20.0;

impl Centroids {
    fn train(requests: &[(Request<'_>, usize)], classes: usize) -> Self {
        let mut sums: Vec<Option<Vec<f32>>> = vec![None; classes];
        for (request, class) in requests {
            let sum = sums[*class].get_or_insert_with(|| vec![0.0; request.vector.len()]);
            sum.iter_mut().zip(request.vector).for_each(|(sum, x)| *sum += x);
        }
        let unit = |sum: Vec<f32>| {
            let mut row = Vectors::new(sum.len());
            row.push(&sum);
            row.row(0).to_vec()
        };
        Self(sums.into_iter().map(|sum| sum.map(unit)).collect())
    }

    fn probabilities(&self, vector: &[f32]) -> Vec<f64> {
        let log = |centroid: &Option<Vec<f32>>| {
            centroid.as_ref().map_or(f64::NEG_INFINITY, |centroid| SHARPNESS * f64::from(dot(centroid, vector)))
        };
        softmax(&self.0.iter().map(log).collect::<Vec<_>>())
    }
}

/// The nearest training rows by TF-IDF of character n-grams.
pub struct Neighbours {
    /// Training rows with their weight, by n-gram.
    rows: HashMap<String, Vec<(usize, f64)>>,
    classes_of: Vec<usize>,
    classes: usize,
}

/// Number of rows that vote.
const NEAREST: usize = 5;

impl Neighbours {
    fn train(requests: &[(Request<'_>, usize)], classes: usize) -> Self {
        let of_row: Vec<HashMap<String, f64>> = requests.iter().map(|(request, _)| n_grams(request.text)).collect();
        let mut frequency: HashMap<&str, f64> = HashMap::new();
        of_row.iter().flat_map(HashMap::keys).for_each(|gram| *frequency.entry(gram).or_default() += 1.0);
        let idf = |gram: &str| (requests.len() as f64 / frequency[gram]).ln() + 1.0;
        let mut rows: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        for (row, grams) in of_row.iter().enumerate() {
            let mut grams: Vec<(&str, f64)> = grams.iter().map(|(gram, n)| (gram.as_str(), n * idf(gram))).collect();
            // The order of a sum affects its last bits.
            grams.sort_by(|a, b| a.0.cmp(b.0));
            let length = grams.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
            // The inverse document frequency counts for both sides.
            for (gram, weight) in grams {
                rows.entry(gram.to_owned()).or_default().push((row, weight * idf(gram) / length));
            }
        }
        Self { rows, classes_of: requests.iter().map(|(_, class)| *class).collect(), classes }
    }

    fn probabilities(&self, text: &str) -> Vec<f64> {
        let mut similarity = vec![0.0; self.classes_of.len()];
        let mut grams: Vec<(String, f64)> = n_grams(text).into_iter().collect();
        grams.sort_by(|a, b| a.0.cmp(&b.0));
        for (gram, count) in grams {
            for (row, weight) in self.rows.get(&gram).into_iter().flatten() {
                similarity[*row] += weight * count;
            }
        }
        let mut nearest: Vec<usize> = (0..similarity.len()).collect();
        let order = |a: &usize, b: &usize| similarity[*b].total_cmp(&similarity[*a]).then(a.cmp(b));
        if nearest.len() > NEAREST {
            nearest.select_nth_unstable_by(NEAREST, order);
            nearest.truncate(NEAREST);
        }
        let mut votes = vec![0.0; self.classes];
        nearest.iter().for_each(|row| votes[self.classes_of[*row]] += similarity[*row] + 1e-9);
        let total: f64 = votes.iter().sum();
        votes.into_iter().map(|vote| vote / total).collect()
    }
}

/// Counts of the 3- and 4-grams of characters, with a space at either end.
fn n_grams(text: &str) -> HashMap<String, f64> {
    let padded: Vec<char> = format!(" {} ", words(text).collect::<Vec<_>>().join(" ")).chars().collect();
    let mut counts = HashMap::new();
    for length in [3, 4] {
        padded.windows(length).for_each(|gram| *counts.entry(gram.iter().collect()).or_insert(0.0) += 1.0);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_learns_what_distinguishes_the_classes_and_answers_with_trained_ones_alone() {
        let rows = [("send the money", 0), ("transfer money now", 0), ("what is the weather", 2), ("rainy weather", 2)];
        let vector = |class: usize| if class == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let vectors: Vec<[f32; 2]> = rows.iter().map(|row| vector(row.1)).collect();
        let request = |at: usize| Request { text: rows[at].0, vector: &vectors[at] };
        let training: Vec<(Request<'_>, usize)> = (0..4).map(|at| (request(at), rows[at].1)).collect();
        for (kind, name) in KINDS.iter().enumerate() {
            let endpoint = Endpoint::train(kind, &training, 4);
            for (text, class) in [("move my money", 0), ("weather today", 2)] {
                let found = endpoint.probabilities(Request { text, vector: &vector(class) });
                assert_eq!(most_probable(&found), class, "{name}: {text}: {found:?}");
                assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9 && found[1] == 0.0, "{name}: {found:?}");
            }
        }
    }

    #[test]
    fn the_first_of_equal_classes_is_the_most_probable() {
        assert_eq!(most_probable(&[0.25, 0.5, 0.5]), 1);
        assert_eq!(most_probable(&[]), 0);
    }
}
