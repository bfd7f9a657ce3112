//! How requests are worded, apart from what they are about.
//!
//! People who write golden examples do not write like users: users misspell words, open with a greeting, add words that
//! mean nothing, or put the request into a longer message. None of it changes what a request is about, but all of it
//! lowers the similarity to the examples. [`asking_parts`] finds the part of a long message that asks, and only that part
//! is compared with the examples. [`reword`] finds how the wording of traffic differs otherwise from that of the examples
//! ([`Habits`]), and rewrites examples in the same way. The copies are known to be represented, so they show how
//! represented requests look in this wording.

mod asking;
mod habits;
mod languages;
mod rewording;
mod sentences;
mod typos;
mod words;

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

pub use asking::asking_parts;
pub use habits::{ExtraWord, Habits};
pub use languages::{OtherLanguages, other_languages};
pub use sentences::several_sentences;

use crate::core::stats::rng;
use asking::Asking;

/// Maximum number of examples that are reworded: more would hardly make the calibration more precise.
const MAX_COPIES: usize = 1_000;

/// Maximum number of requests of which the wording is read.
const MAX_REQUESTS: usize = 20_000;

/// A request of which the wording is read.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its text, with all its sentences.
    pub text: &'a str,
    /// Topic of its nearest example; `None` if it has nothing to embed.
    pub topic: Option<usize>,
    /// Number of production requests that it represents.
    pub weight: f64,
    /// The unit vector of the part that asks; empty if it has none.
    pub vector: &'a [f32],
}

/// Examples in the wording of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Reworded {
    /// The examples that were reworded, in ascending order.
    pub rows: Vec<usize>,
    /// The new text of each; equal to the old one if traffic is worded like the examples.
    pub texts: Vec<String>,
    /// How the wording differs.
    pub habits: Habits,
}

/// Rewords up to 1,000 examples like `requests`: each one like a request drawn at random, by weight. Without requests
/// the copies are equal to the examples.
///
/// Of more than 20,000 requests, only a random sample is read.
pub fn reword(examples: &[&str], requests: &[Request<'_>], seed: u64) -> Reworded {
    let sample = sampled(requests, seed);
    let requests = sample.as_slice();
    let asking = Asking::learn(examples, requests.iter().map(|request| request.text));
    let (habits, profiles) = habits::learn(examples, requests, &asking, seed);
    let mut rows: Vec<usize> = (0..examples.len()).collect();
    rows.shuffle(&mut rng(seed, 1));
    rows.truncate(MAX_COPIES);
    rows.sort_unstable();
    let cumulative = cumulative(requests);
    let texts = rows.par_iter().with_min_len(32).map(|row| {
        let mut random = rng(seed, 1_000 + *row as u64);
        let total = cumulative.last().copied().unwrap_or(0.0);
        if total <= 0.0 {
            return examples[*row].to_owned();
        }
        let at = random.random_range(0.0..total);
        let donor = cumulative.partition_point(|sum| *sum <= at).min(profiles.len() - 1);
        rewording::apply(examples[*row], &profiles[donor], &habits, &asking, &mut random)
    });
    let texts = texts.collect();
    Reworded { rows, texts, habits }
}

fn sampled<'a>(requests: &[Request<'a>], seed: u64) -> Vec<Request<'a>> {
    let mut rows: Vec<usize> = (0..requests.len()).collect();
    if rows.len() > MAX_REQUESTS {
        rows.shuffle(&mut rng(seed, 2));
        rows.truncate(MAX_REQUESTS);
        rows.sort_unstable();
    }
    rows.into_iter().map(|row| requests[row]).collect()
}

fn cumulative(requests: &[Request<'_>]) -> Vec<f64> {
    let mut sum = 0.0;
    let weight = |request: &Request<'_>| if request.weight.is_finite() { request.weight.max(0.0) } else { 0.0 };
    requests
        .iter()
        .map(|request| {
            sum += weight(request);
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests;
