//! Multinomial naive Bayes over words, their beginnings and word pairs (McCallum & Nigam 1998), with Lidstone
//! smoothing: the demo's model. It is trained on different data than the golden set, and is a different kind of model
//! than the baseline.

use std::collections::{BTreeMap, HashMap};

use super::data::LabelledText;

/// Smoothing: the pseudo-count of every feature.
const ALPHA: f64 = 0.2;

/// A trained classifier.
#[derive(Debug, Clone, Default)]
pub struct NaiveBayes {
    labels: Vec<String>,
    log_prior: Vec<f64>,
    /// Count of each feature by label.
    counts: HashMap<String, Vec<f64>>,
    totals: Vec<f64>,
}

impl NaiveBayes {
    /// Trains a classifier on labelled texts.
    pub fn train(texts: &[LabelledText]) -> Self {
        let mut frequency: BTreeMap<&str, f64> = BTreeMap::new();
        texts.iter().for_each(|text| *frequency.entry(&text.intent).or_default() += 1.0);
        let labels: Vec<String> = frequency.keys().map(|label| (*label).to_owned()).collect();
        let mut model = Self {
            log_prior: frequency.values().map(|count| (count / texts.len() as f64).ln()).collect(),
            counts: HashMap::new(),
            totals: vec![0.0; labels.len()],
            labels,
        };
        for text in texts {
            let Ok(label) = model.labels.binary_search(&text.intent) else { continue };
            for feature in features(&text.text) {
                model.counts.entry(feature).or_insert_with(|| vec![0.0; model.labels.len()])[label] += 1.0;
                model.totals[label] += 1.0;
            }
        }
        model
    }

    /// The most probable label; the first one by name if several are equally probable.
    pub fn classify(&self, text: &str) -> Option<&str> {
        let mut scores = self.log_prior.clone();
        let vocabulary = self.counts.len() as f64;
        for counts in features(text).iter().filter_map(|feature| self.counts.get(feature)) {
            for (label, score) in scores.iter_mut().enumerate() {
                *score += ((counts[label] + ALPHA) / (self.totals[label] + ALPHA * vocabulary)).ln();
            }
        }
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
        self.labels.get(best.0).map(String::as_str)
    }
}

fn features(text: &str) -> Vec<String> {
    let folded = text.to_lowercase();
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let beginnings = words.iter().filter(|word| word.chars().count() > 4).map(|word| {
        let beginning: String = word.chars().take(4).collect();
        format!("{beginning}…")
    });
    words.iter().map(|word| (*word).to_owned()).chain(pairs).chain(beginnings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_words_and_ignores_those_it_never_saw() {
        let text = |text: &str, intent: &str| LabelledText { text: text.into(), intent: intent.into() };
        let texts =
            [text("where is my parcel", "track"), text("track the parcel", "track"), text("cancel it", "cancel")];
        let model = NaiveBayes::train(&texts);
        assert_eq!(model.classify("parcel zebra"), Some("track"));
        assert_eq!(model.classify("please cancel"), Some("cancel"));
        assert_eq!(NaiveBayes::default().classify("x"), None);
    }
}
