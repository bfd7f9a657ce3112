//! Class-based TF-IDF.

use std::collections::{BTreeMap, HashMap};

use super::words::words;

/// A word, or two adjacent ones, by their numbers in a [`Vocabulary`].
type Term = (usize, Option<usize>);

/// The `top` most characteristic terms of each of `k` clusters, best first, by class-based TF-IDF (Grootendorst 2022,
/// BERTopic): the weighted count of the term in the cluster times ln(1 + mean weighted terms per cluster / weighted
/// count of the term in all clusters).
///
/// Terms are lower-case words, and pairs of words that are adjacent after removing English stop words. Only the first
/// 100 words of each text count. Ties are in alphabetical order. Missing weights count as 1. Texts with a negative, NaN
/// or infinite weight, or without a cluster below `k`, are ignored. A cluster without words has no terms.
pub fn class_terms(
    texts: &[&str],
    weights: &[f64],
    assignment: &[Option<usize>],
    k: usize,
    top: usize,
) -> Vec<Vec<String>> {
    let mut vocabulary = Vocabulary::default();
    let mut counts: BTreeMap<Term, BTreeMap<usize, f64>> = BTreeMap::new();
    let mut total = 0.0;
    for (i, (text, cluster)) in texts.iter().zip(assignment).enumerate() {
        let weight = weights.get(i).copied().unwrap_or(1.0);
        let Some(cluster) = cluster.filter(|&c| c < k && weight > 0.0 && weight.is_finite()) else {
            continue;
        };
        for term in vocabulary.terms(text) {
            *counts.entry(term).or_default().entry(cluster).or_default() += weight;
            total += weight;
        }
    }
    let mean = total / k.max(1) as f64;
    let mut scored: Vec<Vec<(f64, Term)>> = vec![Vec::new(); k];
    for (&term, by_cluster) in &counts {
        let inverse = (1.0 + mean / by_cluster.values().sum::<f64>()).ln();
        for (&cluster, count) in by_cluster {
            scored[cluster].push((count * inverse, term));
        }
    }
    scored.into_iter().map(|terms| best(terms, top, &vocabulary)).collect()
}

fn best(mut terms: Vec<(f64, Term)>, top: usize, vocabulary: &Vocabulary) -> Vec<String> {
    let parts = |(a, b): Term| (vocabulary.word(a), b.map(|b| vocabulary.word(b)));
    terms.sort_unstable_by(|(x, a), (y, b)| y.total_cmp(x).then_with(|| parts(*a).cmp(&parts(*b))));
    terms.truncate(top);
    let text = |(a, b)| match b {
        Some(b) => format!("{a} {b}"),
        None => String::from(a),
    };
    terms.into_iter().map(|(_, term)| text(parts(term))).collect()
}

/// Words numbered in the order of their first appearance.
#[derive(Default)]
struct Vocabulary {
    numbers: HashMap<String, usize>,
    words: Vec<String>,
}

impl Vocabulary {
    fn number(&mut self, word: String) -> usize {
        if let Some(&number) = self.numbers.get(&word) {
            return number;
        }
        self.words.push(word.clone());
        self.numbers.insert(word, self.words.len() - 1);
        self.words.len() - 1
    }

    fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }

    /// The terms of a text, including repeats.
    fn terms(&mut self, text: &str) -> Vec<Term> {
        let numbers: Vec<usize> = words(text).into_iter().map(|word| self.number(word)).collect();
        let pairs = numbers.windows(2).map(|pair| (pair[0], Some(pair[1])));
        numbers.iter().map(|&n| (n, None)).chain(pairs).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        texts: Vec<String>,
        weights: Vec<f64>,
        assignment: Vec<Option<usize>>,
        terms: Vec<Vec<String>>,
    }

    #[test]
    fn the_terms_match_the_reference_computation() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../tests/fixtures/cluster/terms.json")).unwrap();
        let texts: Vec<&str> = fixture.texts.iter().map(String::as_str).collect();
        assert_eq!(class_terms(&texts, &fixture.weights, &fixture.assignment, 4, 8), fixture.terms);
    }

    #[test]
    fn texts_without_cluster_weight_or_words_are_ignored() {
        let texts = ["refund order", "the and", "spam spam", "spam", "spam", "spam"];
        let weights = [1.0, 1.0, 1.0, f64::NAN, -2.0];
        let assignment = [Some(0), Some(1), None, Some(0), Some(0), Some(7)];
        let terms = class_terms(&texts, &weights, &assignment, 3, 10);
        assert_eq!(terms, [vec!["order", "refund", "refund order"], vec![], vec![]]);
        assert!(class_terms(&[], &[], &[], 0, 5).is_empty());
        assert_eq!(class_terms(&texts, &[], &assignment, 1, 0), [Vec::<String>::new()]);
    }
}
