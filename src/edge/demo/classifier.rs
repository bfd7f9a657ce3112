//! The demo's model: multinomial logistic regression on sentence vectors, trained by stochastic gradient descent
//! (Bottou 2010). It is trained on different data than the golden set, and is a different kind of model than the
//! baseline.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::seq::SliceRandom;

use super::data::LabelledText;
use crate::core::domain::{Embedder, Failure};
use crate::core::stats::rng;
use crate::core::vector::{Vectors, dot};

/// Passes over the training data.
const PASSES: usize = 20;

/// First step size; it decreases to 0 in equal steps.
const STEP: f32 = 3.0;

/// A classifier of texts.
pub struct Classifier {
    embedder: Arc<dyn Embedder>,
    labels: Vec<String>,
    /// One row per label.
    weights: Vec<Vec<f32>>,
}

impl Classifier {
    /// Trains a classifier on the vectors of an embedder.
    ///
    /// # Errors
    /// A failure of the embedder.
    pub fn train(texts: &[LabelledText], embedder: Arc<dyn Embedder>) -> Result<Self, Failure> {
        let vectors = embedder.embed(&texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>())?;
        let labels: BTreeSet<&str> = texts.iter().map(|text| text.intent.as_str()).collect();
        let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        let weights = vec![vec![0.0; embedder.dim()]; labels.len()];
        let mut classifier = Self { embedder, labels, weights };
        let (mut order, steps) = ((0..texts.len()).collect::<Vec<_>>(), (PASSES * texts.len()) as f32);
        let mut step = 0.0;
        for pass in 0..PASSES {
            order.shuffle(&mut rng(0, pass as u64));
            for row in &order {
                classifier.learn(&vectors[*row], &texts[*row].intent, STEP * (1.0 - step / steps));
                step += 1.0;
            }
        }
        Ok(classifier)
    }

    fn learn(&mut self, vector: &[f32], intent: &str, step: f32) {
        let scores = self.scores(vector);
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f32 = powers.iter().sum();
        for ((weights, power), label) in self.weights.iter_mut().zip(&powers).zip(&self.labels) {
            let wanted = if label == intent { 1.0 } else { 0.0 };
            let error = step * (wanted - power / total);
            weights.iter_mut().zip(vector).for_each(|(weight, x)| *weight += error * x);
        }
    }

    fn scores(&self, vector: &[f32]) -> Vec<f32> {
        self.weights.iter().map(|weights| dot(weights, vector)).collect()
    }

    /// The most probable label of a text; the first one by name if several are equally probable.
    ///
    /// # Errors
    /// A failure of the embedder.
    pub fn classify(&self, text: &str) -> Result<String, Failure> {
        let vectors = self.embedder.embed(&[text])?;
        Ok(vectors.first().map(|vector| self.label(vector)).unwrap_or_default())
    }

    /// The most probable label of each text, given the vectors of the same embedder.
    pub fn classify_all(&self, vectors: &Vectors) -> Vec<String> {
        (0..vectors.len()).map(|row| self.label(vectors.row(row))).collect()
    }

    fn label(&self, vector: &[f32]) -> String {
        let scores = self.scores(vector);
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map(|(label, _)| self.labels[label].clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::embed::HashedNgrams;

    #[test]
    fn texts_get_the_label_of_the_texts_they_resemble() {
        let text = |text: &str, intent: &str| LabelledText { text: text.into(), intent: intent.into() };
        let training = [
            text("where is my parcel", "track"),
            text("where are my parcels", "track"),
            text("stop this, cancel it", "cancel"),
            text("i cancel this", "cancel"),
        ];
        let classifier = Classifier::train(&training, Arc::new(HashedNgrams)).unwrap();
        for (text, label) in [("where is the parcel", "track"), ("cancel this please", "cancel")] {
            assert_eq!(classifier.classify(text).unwrap(), label);
            let mut vectors = Vectors::new(HashedNgrams.dim());
            vectors.push(&HashedNgrams.embed(&[text]).unwrap()[0]);
            assert_eq!(classifier.classify_all(&vectors), [label]);
        }
    }
}
