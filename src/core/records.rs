//! One window of traffic, as every decay measure reads it.

use std::collections::HashMap;

use crate::core::domain::TrafficRecord;
use crate::core::vector::Vectors;

/// One sampled request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Its id.
    pub id: &'a str,
    /// Requests of production it was sampled from: 1 / its sample rate.
    pub weight: f64,
    /// Number of its user or session in the window. Groups are independent of each other, the records of one group need
    /// not be.
    pub group: usize,
    /// Its text.
    pub text: &'a str,
    /// What production answered, where known.
    pub output: Option<&'a str>,
}

/// The records of one window with their vectors. Every list has one entry per record, in order; nothing is copied.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    vectors: &'a Vectors,
    ids: Vec<&'a str>,
    weights: Vec<f64>,
    groups: Vec<usize>,
    texts: Vec<&'a str>,
    outputs: Vec<Option<&'a str>>,
}

impl<'a> Records<'a> {
    /// Records with one row of `vectors` each.
    ///
    /// # Panics
    /// Where there are more or fewer records than rows.
    pub fn new(vectors: &'a Vectors, records: impl IntoIterator<Item = Record<'a>>) -> Self {
        let (ids, weights, groups, texts, outputs) = Default::default();
        let mut all = Self { vectors, ids, weights, groups, texts, outputs };
        for record in records {
            all.ids.push(record.id);
            all.weights.push(record.weight);
            all.groups.push(record.group);
            all.texts.push(record.text);
            all.outputs.push(record.output);
        }
        assert_eq!(all.len(), vectors.len(), "one row per record");
        all
    }

    /// Records of traffic, with users and sessions numbered; a record without one is a group by itself.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn of_traffic(vectors: &'a Vectors, records: impl IntoIterator<Item = &'a TrafficRecord>) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut groups = 0;
        let numbered = records.into_iter().map(|record| {
            let mut number = || {
                groups += 1;
                groups - 1
            };
            let group = match &record.group {
                Some(group) => *known.entry(group).or_insert_with(number),
                None => number(),
            };
            Record {
                id: &record.record_id,
                weight: record.weight(),
                group,
                text: &record.input,
                output: record.output.as_deref(),
            }
        });
        Self::new(vectors, numbered)
    }

    /// Records of which nothing but the vectors is known: each counts once and is a group by itself.
    pub fn of_vectors(vectors: &'a Vectors) -> Self {
        let record = |group| Record { id: "", weight: 1.0, group, text: "", output: None };
        Self::new(vectors, (0..vectors.len()).map(record))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Their vectors; a row that is not embeddable has no topic.
    pub fn vectors(&self) -> &'a Vectors {
        self.vectors
    }

    /// Their ids.
    pub fn ids(&self) -> &[&'a str] {
        &self.ids
    }

    /// Weight of each.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Sum of the weights: requests of production.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// The group of each: the unit that is resampled.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Their texts.
    pub fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// What production answered, where known.
    pub fn outputs(&self) -> &[Option<&'a str>] {
        &self.outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn users_are_numbered_and_a_record_without_one_is_a_group_by_itself() {
        let record = |group: Option<&str>| TrafficRecord {
            record_id: "r".into(),
            at: Timestamp::UNIX_EPOCH,
            input: "text".into(),
            structure: None,
            output: None,
            group: group.map(str::to_owned),
            sample_rate: 0.25,
        };
        let traffic = [Some("a"), None, Some("b"), Some("a"), None].map(record);
        let mut vectors = Vectors::new(1);
        traffic.iter().for_each(|_| vectors.push(&[1.0]));
        let records = Records::of_traffic(&vectors, &traffic);
        assert_eq!(records.groups(), [0, 1, 2, 0, 3]);
        assert_eq!((records.len(), records.total_weight()), (5, 20.0));
    }
}
