//! Where production's answers disagree with the examples nearest to the requests.

use std::collections::{BTreeMap, HashMap};

use crate::core::coverage::GoldenPoints;
use crate::core::records::Records;
use crate::core::vector::top_k;

/// How far production's answer to each record disagrees with its `neighbours` nearest examples, in [0, 1]: the share of
/// their votes for the label with the most, less the share for production's answer. Each example votes with its squared
/// similarity. 0 for a record without an answer, or with one that is not a label; `labels` has the label of every topic.
pub fn disagreement(records: &Records<'_>, golden: GoldenPoints<'_>, labels: &[String], neighbours: usize) -> Vec<f64> {
    let topic_of: HashMap<String, usize> =
        labels.iter().enumerate().map(|(topic, label)| (folded(label), topic)).collect();
    let answered = |row: usize| topic_of.get(&folded(records.outputs()[row]?)).copied();
    let answered: Vec<(usize, usize)> =
        (0..records.len()).filter_map(|row| answered(row).map(|topic| (row, topic))).collect();
    let rows: Vec<usize> = answered.iter().map(|(row, _)| *row).collect();
    let nearest = top_k(&records.vectors().part(&rows), golden.vectors, neighbours, |_, _| false);
    let mut found = vec![0.0; records.len()];
    for ((row, answer), nearest) in answered.into_iter().zip(nearest) {
        let mut votes: BTreeMap<usize, f64> = BTreeMap::new();
        for example in &nearest {
            let vote = f64::from(example.similarity.max(0.0)).powi(2);
            *votes.entry(golden.topics[example.index]).or_default() += vote;
        }
        let total: f64 = votes.values().sum();
        let most = votes.values().copied().fold(0.0, f64::max);
        if total > 0.0 {
            found[row] = (most - votes.get(&answer).copied().unwrap_or(0.0)) / total;
        }
    }
    found
}

/// A text by which answers are compared with labels.
fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::records::Record;
    use crate::core::vector::Vectors;

    #[test]
    fn an_answer_that_the_nearest_examples_do_not_have_is_disputed() {
        let mut golden = Vectors::new(2);
        [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]].iter().for_each(|row| golden.push(row));
        let points = GoldenPoints { vectors: &golden, topics: &[0, 0, 1, 1] };
        let labels = ["Refund".to_owned(), "locker".to_owned()];
        let mut vectors = Vectors::new(2);
        [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]].iter().for_each(|row| vectors.push(row));
        let outputs = [Some(" refund"), Some("locker"), Some("Let me check."), None, Some("locker")];
        let record = |at: usize| Record { id: "", weight: 1.0, group: at, text: "", output: outputs[at] };
        let records = Records::new(&vectors, (0..5).map(record));
        assert_eq!(disagreement(&records, points, &labels, 2), [0.0, 1.0, 0.0, 0.0, 0.0]);
        let both = disagreement(&records, points, &labels, 4);
        assert!(both[1] > 0.9 && both[1] < 1.0, "{both:?}");
        assert_eq!(disagreement(&records, points, &[], 2), [0.0; 5], "no labels");
        let nothing = Vectors::new(2);
        let none = GoldenPoints { vectors: &nothing, topics: &[] };
        assert_eq!(disagreement(&records, none, &labels, 2), [0.0; 5], "no examples");
    }
}
