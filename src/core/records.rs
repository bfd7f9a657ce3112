//! One window of traffic, in the form used by all decay measures.

use std::collections::HashMap;

use crate::core::domain::TrafficRecord;
use crate::core::vector::Vectors;

/// One sampled request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Its id.
    pub id: &'a str,
    /// Number of production requests it represents: 1 / its sample rate.
    pub weight: f64,
    /// Number of its user or session within the window. Groups are independent of each other; the records of a group
    /// need not be.
    pub group: usize,
    /// Its text.
    pub text: &'a str,
    /// Production's answer, if known.
    pub output: Option<&'a str>,
}

/// The records of one window with their vectors. Every list has one entry per record, in the same order; texts and
/// vectors are borrowed.
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
    /// Creates records with one row of `vectors` each.
    ///
    /// # Panics
    /// Panics if the number of records differs from the number of rows.
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

    /// Creates records from traffic, with users and sessions numbered. A record without one is a group of its own.
    ///
    /// # Panics
    /// Panics like [`Self::new`].
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

    /// Creates records of which only the vectors are known. Each has weight 1 and is a group by itself.
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

    /// Their vectors. A row that is not embeddable belongs to no topic.
    pub fn vectors(&self) -> &'a Vectors {
        self.vectors
    }

    /// Their ids.
    pub fn ids(&self) -> &[&'a str] {
        &self.ids
    }

    /// Their weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Sum of the weights: the number of production requests.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// Their groups, which are the unit of resampling.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Their texts.
    pub fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// Production's answer, if known.
    pub fn outputs(&self) -> &[Option<&'a str>] {
        &self.outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn users_are_numbered_and_a_record_without_a_user_is_a_group_by_itself() {
        let record = |group: Option<&str>| TrafficRecord {
            record_id: "r".into(),
            at: Timestamp::UNIX_EPOCH,
            input: "text".into(),
            structure: None,
            output: None,
            group: group.map(str::to_owned),
            sample_rate: 0.25,
            model: None,
        };
        let traffic = [Some("a"), None, Some("b"), Some("a"), None].map(record);
        let mut vectors = Vectors::new(1);
        traffic.iter().for_each(|_| vectors.push(&[1.0]));
        let records = Records::of_traffic(&vectors, &traffic);
        assert_eq!(records.groups(), [0, 1, 2, 0, 3]);
        assert_eq!((records.len(), records.total_weight()), (5, 20.0));
    }
}
