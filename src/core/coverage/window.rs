//! The records of a window, scored against the golden set.

use std::collections::HashMap;

use super::calibration::{Calibration, GoldenPoints};
use super::estimate::WindowPoints;
use super::evidence::DEPTH;
use super::mixture::counted;
use crate::core::vector::{Vectors, top_k};

/// Share of a window's traffic above which a repeated text is counted separately.
const HEAVY: f64 = 0.01;

/// The scores of one record.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Nearest example.
    pub nearest: usize,
    /// Its similarity.
    pub similarity: f64,
    /// Topic of the nearest example after projection.
    pub topic: usize,
    /// P(represented | features) without each fold, by every fit.
    pub posteriors: Vec<f64>,
    /// Their mean.
    pub posterior: f64,
    /// Whether it is a near-duplicate of an example, and therefore certainly represented.
    pub certain: bool,
    /// Whether it is in a language that the examples do not have, and therefore represented by nothing.
    pub other_language: bool,
    /// Its weight in the mixture, without the excess of a heavy text; 0 if it is certain or in another language.
    pub weight: f64,
    /// Excess weight: traffic of a text that is so frequent that further occurrences carry no information about other
    /// texts.
    pub excess: f64,
    /// The unit of resampling it belongs to.
    pub unit: usize,
}

/// The records of a window, scored against the golden set without each fold in turn.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    /// One entry per record; `None` for records with nothing to embed, which nothing represents.
    pub rows: Vec<Option<Row>>,
    /// All traffic, including that with nothing to embed.
    pub total: f64,
    /// Number of units.
    pub units: usize,
}

impl Row {
    /// The mean over its posteriors of what they count at a prior, as each example has a single one. The mean posterior
    /// would count as more.
    pub fn counted(&self, prior: f64) -> f64 {
        self.posteriors.iter().map(|posterior| counted(*posterior, prior)).sum::<f64>() / self.posteriors.len() as f64
    }
}

impl Scored {
    /// Scores the records of a window; `None` for a window without traffic.
    pub fn new(
        golden: GoldenPoints<'_>,
        window: WindowPoints<'_>,
        calibration: &Calibration,
        duplicate_similarity: f64,
    ) -> Option<Self> {
        let records = window.records;
        let total = records.total_weight();
        if total <= 0.0 {
            return None;
        }
        let nearest = top_k(records.vectors(), golden.vectors, 1, |_, _| false);
        let lists =
            top_k(&calibration.projection.apply(records.vectors()), &calibration.projected, DEPTH, |_, _| false);
        let (weights, groups) = (records.weights(), records.groups());
        let mut units = groups.iter().max().map_or(0, |last| last + 1);
        let mut rows: Vec<Option<Row>> = lists
            .iter()
            .enumerate()
            .map(|(row, list)| {
                let first = nearest[row].first()?;
                let topic = golden.topics[list.first()?.index];
                let similarity = f64::from(first.similarity);
                let certain = similarity >= duplicate_similarity;
                let other_language = !certain && window.other_language.get(row).copied().unwrap_or(false);
                let folds = (0..calibration.fold_count).filter_map(|fold| calibration.features(golden, list, fold));
                let posteriors: Vec<f64> =
                    folds.flat_map(|features| calibration.posterior.all(&features).collect::<Vec<_>>()).collect();
                Some(Row {
                    nearest: first.index,
                    similarity,
                    topic,
                    posterior: posteriors.iter().sum::<f64>() / posteriors.len() as f64,
                    posteriors,
                    certain,
                    other_language,
                    weight: if certain || other_language { 0.0 } else { weights[row] },
                    excess: 0.0,
                    unit: groups[row],
                })
            })
            .collect();
        for repeated in repeated_rows(records.vectors()) {
            let heavy_weight: f64 = repeated.iter().map(|row| weights[*row]).sum();
            let capped = (HEAVY * total).max(heavy_weight / repeated.len() as f64);
            if heavy_weight > capped {
                for row in repeated {
                    if let Some(row) = rows[row].as_mut().filter(|row| row.weight > 0.0) {
                        row.excess = row.weight * (1.0 - capped / heavy_weight);
                        row.weight *= capped / heavy_weight;
                        row.unit = units;
                    }
                }
                units += 1;
            }
        }
        Some(Self { rows, total, units })
    }

    /// Records with something to embed.
    pub fn embeddable(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten()
    }

    /// For each topic, the share of the mixture whose nearest example belongs to it.
    pub fn topic_shares(&self, topics: usize) -> Vec<f64> {
        let mut shares = vec![0.0; topics];
        self.embeddable().for_each(|row| shares[row.topic] += row.weight);
        let heavy_weight: f64 = shares.iter().sum();
        if heavy_weight > 0.0 {
            shares.iter_mut().for_each(|share| *share /= heavy_weight);
        }
        shares
    }
}

/// Groups of two or more rows with identical vectors, ordered by their first row.
fn repeated_rows(vectors: &Vectors) -> Vec<Vec<usize>> {
    let mut seen: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for row in (0..vectors.len()).filter(|row| vectors.is_embeddable(*row)) {
        seen.entry(vectors.row(row).iter().map(|x| x.to_bits()).collect()).or_default().push(row);
    }
    let mut repeated: Vec<Vec<usize>> = seen.into_values().filter(|rows| rows.len() > 1).collect();
    repeated.sort();
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_rows_are_found_in_order() {
        let mut vectors = Vectors::new(2);
        for row in [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.6, 0.8], [0.0, 1.0], [1.0, 0.0]] {
            vectors.push(&row);
        }
        assert_eq!(repeated_rows(&vectors), [vec![0, 2, 7], vec![1, 6]]);
        assert!(repeated_rows(&Vectors::new(3)).is_empty());
    }
}
