//! A window's records, scored against the golden set.

use std::collections::HashMap;

use super::calibration::{Calibration, GoldenPoints};
use super::evidence::DEPTH;
use crate::core::records::Records;
use crate::core::vector::{Vectors, top_k};

/// Share of a window's traffic above which a text that came more than once is counted apart.
const HEAVY: f64 = 0.01;

/// What is known of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Nearest example.
    pub nearest: usize,
    /// Its similarity.
    pub similarity: f64,
    /// Topic of the nearest example.
    pub topic: usize,
    /// Mean over the folds of P(represented | features).
    pub posterior: f64,
    /// Whether it is a near-duplicate of an example, and so represented without doubt.
    pub certain: bool,
    /// Its weight in the mixture: none for what is certain, nor for what a heavy text has in excess.
    pub weight: f64,
    /// Weight in excess: traffic of a text that came so often that it says nothing more about the others.
    pub excess: f64,
    /// Unit that is resampled.
    pub unit: usize,
}

/// A window's records, scored against what every fold leaves of the golden set.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    /// One per record; `None` for one with nothing to embed, which nothing represents.
    pub rows: Vec<Option<Row>>,
    /// All traffic, that with nothing to embed included.
    pub total: f64,
    /// Number of units.
    pub units: usize,
}

impl Scored {
    /// `None` for a window without traffic.
    pub fn new(
        golden: GoldenPoints<'_>,
        records: &Records<'_>,
        calibration: &Calibration,
        duplicate_similarity: f64,
    ) -> Option<Self> {
        let total = records.total_weight();
        if total <= 0.0 {
            return None;
        }
        let lists = top_k(records.vectors(), golden.vectors, DEPTH, |_, _| false);
        let (weights, groups) = (records.weights(), records.groups());
        let mut units = groups.iter().max().map_or(0, |last| last + 1);
        let mut rows: Vec<Option<Row>> = lists
            .iter()
            .enumerate()
            .map(|(row, list)| {
                let first = list.first()?;
                let similarity = f64::from(first.similarity);
                let certain = similarity >= duplicate_similarity;
                let folds = (0..calibration.fold_count).filter_map(|fold| calibration.features(golden, list, fold));
                let (sum, count) = folds.fold((0.0, 0.0), |(sum, count), features| {
                    (sum + calibration.posterior.mean(&features), count + 1.0)
                });
                Some(Row {
                    nearest: first.index,
                    similarity,
                    topic: golden.topics[first.index],
                    posterior: sum / count,
                    certain,
                    weight: if certain { 0.0 } else { weights[row] },
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
                    if let Some(row) = rows[row].as_mut().filter(|row| !row.certain) {
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

    /// Weight in the mixture of the records whose nearest example is of each topic, as a share.
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

/// Rows with the very same vector as another, in groups of at least two, by their first row.
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
    fn rows_that_repeat_are_found_in_order() {
        let mut vectors = Vectors::new(2);
        for row in [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.6, 0.8], [0.0, 1.0], [1.0, 0.0]] {
            vectors.push(&row);
        }
        assert_eq!(repeated_rows(&vectors), [vec![0, 2, 7], vec![1, 6]]);
        assert!(repeated_rows(&Vectors::new(3)).is_empty());
    }
}
