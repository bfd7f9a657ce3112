//! The labels of the nearest other examples, as one more voice about every example.

use std::collections::BTreeMap;

use super::disputed::{Answer, Voice};
use crate::core::domain::Example;
use crate::core::vector::{Vectors, top_k};

/// Number of examples whose labels make up the answer.
const NEAREST: usize = 5;

/// Labelled examples with their texts and vectors. Every list but `names` has one entry per example.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The examples.
    pub examples: &'a [&'a Example],
    /// Their texts.
    pub texts: &'a [&'a str],
    /// Their vectors.
    pub vectors: &'a Vectors,
    /// The label of each, as an index of `names`.
    pub labels: &'a [usize],
    /// All labels.
    pub names: &'a [String],
}

/// What the five nearest examples with other texts answer, each with its similarity as its weight.
pub fn nearest_examples(set: Labelled<'_>) -> Voice {
    let same = |a: usize, b: usize| a == b || set.texts[a] == set.texts[b];
    let found = top_k(set.vectors, set.vectors, NEAREST, same);
    let answers = found.into_iter().zip(set.examples).filter_map(|(nearest, example)| {
        let mut votes: BTreeMap<usize, f64> = BTreeMap::new();
        for neighbour in nearest {
            *votes.entry(set.labels[neighbour.index]).or_default() += f64::from(neighbour.similarity.max(0.0));
        }
        let (label, _) = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let name = &set.names[label];
        let accepted = example.expected_texts().contains(name);
        let answer = if accepted { Answer::AsLabelled } else { Answer::Other(name.clone()) };
        Some((example.id.clone(), answer))
    });
    Voice { name: "nearest-examples".to_owned(), answers: answers.collect() }
}
