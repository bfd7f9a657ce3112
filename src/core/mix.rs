//! The mix of topics in a window.
//!
//! A request is not always nearest to an example of its own topic, so that counting nearest examples moves every mix
//! towards an equal one, and leaves traffic on topics that have none. Instead, each request may be of several topics, with
//! probabilities learnt from held-out examples, and the mix is the one that explains all requests best (Saerens,
//! Latinne & Decaestecker 2002: EM for prior probability shift).

use std::collections::BTreeMap;

use crate::core::coverage::{GoldenPoints, RecordCoverage};
use crate::core::records::Records;
use crate::core::vector::{Neighbour, top_k};

/// Number of examples that vote on the topic of a request.
const VOTERS: usize = 30;

/// Factors of similarity that are compared on held-out examples.
const SHARPNESS: [f64; 7] = [10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0];

/// Probability, shared by all topics, that a request is of none that votes.
const ELSEWHERE: f64 = 1e-3;

/// Requests per topic that are assumed beforehand, so that a topic is not lost to its neighbours by chance.
const PRIOR: f64 = 0.05;

/// Rounds of expectation–maximisation.
const ROUNDS: usize = 100;

/// The topics of the requests in a window.
#[derive(Debug, Clone, Default)]
pub struct Mix {
    /// The share of the represented traffic that is of each topic; all 0 if nothing is represented.
    pub shares: Vec<f64>,
    /// For each record, the topics that it may be of, with their probabilities.
    pub topics: Vec<Vec<(usize, f64)>>,
}

/// The mix of topics among the represented part of a window's traffic. `coverage` has one entry per record.
pub fn mix(golden: GoldenPoints<'_>, records: &Records<'_>, coverage: &[RecordCoverage]) -> Mix {
    let count = golden.topics.iter().max().map_or(0, |last| last + 1);
    let sizes = golden.topics.iter().fold(vec![0.0; count], |mut sizes, topic| {
        sizes[*topic] += 1.0;
        sizes
    });
    let votes = Votes { topics: golden.topics, sizes: &sizes };
    let held_out = top_k(golden.vectors, golden.vectors, VOTERS, |a, b| a == b);
    let sharpness = votes.calibrated(&held_out);
    let nearest = top_k(records.vectors(), golden.vectors, VOTERS, |_, _| false);
    let equal: Vec<Vec<(usize, f64)>> = nearest.iter().map(|near| votes.probabilities(near, sharpness)).collect();
    let weights = records.weights().iter().zip(coverage);
    let represented: Vec<f64> = weights.map(|(weight, coverage)| weight * coverage.p_represented).collect();
    let prior = PRIOR * records.total_weight() / records.len().max(1) as f64;
    let mut found = Mix { shares: vec![1.0 / count.max(1) as f64; count], topics: equal.clone() };
    if represented.iter().sum::<f64>() <= 0.0 {
        return Mix { shares: vec![0.0; count], topics: equal };
    }
    for _ in 0..ROUNDS {
        let mut sums = vec![prior; count];
        for ((now, equal), weight) in found.topics.iter_mut().zip(&equal).zip(&represented) {
            reweigh(now, equal, &found.shares);
            now.iter().for_each(|(topic, p)| sums[*topic] += weight * p);
        }
        let all: f64 = sums.iter().sum();
        found.shares = sums.into_iter().map(|sum| sum / all).collect();
    }
    found
}

/// The probabilities if the topics have these shares, rather than equal ones.
fn reweigh(now: &mut [(usize, f64)], first: &[(usize, f64)], shares: &[f64]) {
    let total: f64 = first.iter().map(|(topic, p)| p * shares[*topic]).sum();
    for ((_, now), (topic, p)) in now.iter_mut().zip(first) {
        *now = if total > 0.0 { p * shares[*topic] / total } else { *p };
    }
}

/// How examples vote on topics.
struct Votes<'a> {
    topics: &'a [usize],
    /// Number of examples of each topic.
    sizes: &'a [f64],
}

impl Votes<'_> {
    /// The probabilities of the topics of the nearest examples, if every topic were as frequent as any other.
    fn probabilities(&self, nearest: &[Neighbour], sharpness: f64) -> Vec<(usize, f64)> {
        let most = nearest.first().map_or(0.0, |example| f64::from(example.similarity));
        let mut votes: BTreeMap<usize, f64> = BTreeMap::new();
        for example in nearest {
            let topic = self.topics[example.index];
            let vote = (sharpness * (f64::from(example.similarity) - most)).exp();
            *votes.entry(topic).or_default() += vote / self.sizes[topic];
        }
        let total: f64 = votes.values().sum();
        let elsewhere = ELSEWHERE / self.sizes.len().max(1) as f64;
        votes.into_iter().map(|(topic, vote)| (topic, (1.0 - ELSEWHERE) * vote / total + elsewhere)).collect()
    }

    /// The sharpness with which the topics of held-out examples are the most probable.
    fn calibrated(&self, held_out: &[Vec<Neighbour>]) -> f64 {
        let likelihood = |sharpness: f64| -> f64 {
            let of = |(nearest, topic): (&Vec<Neighbour>, &usize)| {
                let found = self.probabilities(nearest, sharpness);
                let right = found.iter().find(|(of, _)| of == topic).map_or(0.0, |(_, p)| *p);
                right.max(ELSEWHERE / self.sizes.len() as f64).ln()
            };
            held_out.iter().zip(self.topics).map(of).sum()
        };
        let all = SHARPNESS.map(|sharpness| (sharpness, likelihood(sharpness)));
        all.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0))).map_or(SHARPNESS[0], |best| best.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::vector::Vectors;

    /// A unit vector at this angle.
    fn at(angle: f32) -> [f32; 2] {
        [angle.cos(), angle.sin()]
    }

    fn vectors(angles: impl IntoIterator<Item = f32>) -> Vectors {
        let mut vectors = Vectors::new(2);
        angles.into_iter().for_each(|angle| vectors.push(&at(angle)));
        vectors
    }

    fn represented(count: usize, p_represented: f64) -> Vec<RecordCoverage> {
        vec![RecordCoverage { nearest: None, topic: None, similarity: 1.0, p_represented }; count]
    }

    /// Angles around a centre, more of which are near than far.
    fn spread(centre: f32, count: usize) -> impl Iterator<Item = f32> {
        (0..count).map(move |at| centre + 0.9 * ((at as f32 + 0.5) / count as f32 * 2.0 - 1.0).powi(3))
    }

    #[test]
    fn a_topic_without_traffic_gets_none_of_its_neighbours_traffic() {
        let golden = vectors(spread(0.0, 20).chain(spread(0.7, 20)));
        let topics = [[0; 20], [1; 20]].concat();
        let points = GoldenPoints { vectors: &golden, topics: &topics };
        for (first, second) in [(200, 0), (150, 50), (100, 100)] {
            let requests = vectors(spread(0.0, first).chain(spread(0.7, second)));
            let records = Records::of_vectors(&requests);
            let found = mix(points, &records, &represented(200, 1.0));
            let truth = second as f64 / 200.0;
            let nearest = top_k(&requests, &golden, 1, |_, _| false);
            let counted = nearest.iter().filter(|near| topics[near[0].index] == 1).count() as f64 / 200.0;
            let (error, before) = ((found.shares[1] - truth).abs(), (counted - truth).abs());
            assert!(error < before.max(0.03) && (found.shares[0] + found.shares[1] - 1.0).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn without_requests_or_represented_ones_there_is_no_mix() {
        let golden = vectors([0.0, 0.1, 1.0, 1.1]);
        let points = GoldenPoints { vectors: &golden, topics: &[0, 0, 1, 1] };
        let nothing = Vectors::new(2);
        assert_eq!(mix(points, &Records::of_vectors(&nothing), &[]).shares, [0.0, 0.0]);
        let requests = vectors([0.0, 1.0]);
        let records = Records::of_vectors(&requests);
        assert_eq!(mix(points, &records, &represented(2, 0.0)).shares, [0.0, 0.0]);
        let empty = GoldenPoints { vectors: &nothing, topics: &[] };
        assert!(mix(empty, &records, &represented(2, 1.0)).shares.is_empty());
    }
}
