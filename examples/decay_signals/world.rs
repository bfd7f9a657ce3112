//! Golden sets, training rows of endpoints, and windows of traffic, all drawn from disjoint rows of a labelled file.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::data::Corpus;

/// Maximum number of rows per intent for a golden set and for the training of endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub golden: usize,
    pub training: usize,
}

/// The rows of one intent, which no two parts share.
#[derive(Debug, Clone)]
pub struct Part {
    /// Number of the intent in the file.
    pub intent: usize,
    pub golden: Vec<usize>,
    pub training: Vec<usize>,
    /// All other rows, from which traffic is drawn.
    pub pool: Vec<usize>,
}

/// The fewest rows of an intent that takes part: two examples, three rows of training and three requests.
pub const MIN_ROWS: usize = 8;

/// Divides the rows of every intent with enough rows. The intents and their rows are in random order. The golden set takes no more
/// than a quarter of an intent's rows, and the training no more than two fifths.
pub fn parts(corpus: &Corpus, sizes: Sizes, random: &mut impl RngExt) -> Vec<Part> {
    let enough = |(_, rows): &(usize, &Vec<usize>)| rows.len() >= MIN_ROWS;
    let mut parts: Vec<Part> = Vec::new();
    for (intent, rows) in corpus.intents.iter().enumerate().filter(enough) {
        let mut rows = rows.clone();
        rows.shuffle(random);
        let (quarter, two_fifths) = (rows.len() / 4, rows.len() * 2 / 5);
        let training = rows.split_off(rows.len() - sizes.training.min(two_fifths));
        let golden = rows.split_off(rows.len() - sizes.golden.min(quarter));
        parts.push(Part { intent, golden, training, pool: rows });
    }
    parts.shuffle(random);
    parts
}

/// Rows that are not drawn yet, by intent.
pub struct Pools {
    rows: Vec<Vec<usize>>,
}

impl Pools {
    pub fn of(parts: &[Part]) -> Self {
        Self { rows: parts.iter().map(|part| part.pool.clone()).collect() }
    }

    /// Draws up to `count` rows without replacement: an intent by the shares `mix`, then one of its rows. No more than `most` of the rows
    /// that an intent has left are drawn.
    pub fn draw(&mut self, mix: &[f64], count: usize, most: f64, random: &mut impl RngExt) -> Vec<usize> {
        let mut left: Vec<usize> = self.rows.iter().map(|rows| (rows.len() as f64 * most) as usize).collect();
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let open: Vec<usize> = (0..mix.len()).filter(|intent| left[*intent] > 0 && mix[*intent] > 0.0).collect();
            let total: f64 = open.iter().map(|intent| mix[*intent]).sum();
            if open.is_empty() {
                break;
            }
            let mut at = random.random_range(0.0..total);
            let passed = open.iter().position(|intent| {
                at -= mix[*intent];
                at < 0.0
            });
            let intent = open[passed.unwrap_or(open.len() - 1)];
            left[intent] -= 1;
            drawn.extend(self.rows[intent].pop());
        }
        drawn.shuffle(random);
        drawn
    }
}

/// Exponent of the frequencies of intents in a window of `records`.
pub fn exponent(records: usize) -> f64 {
    if records > 1_000 { 0.3 } else { 0.5 }
}

/// Shares of `count` intents that decrease with the rank, in random order.
pub fn zipf(count: usize, exponent: f64, random: &mut impl RngExt) -> Vec<f64> {
    let mut shares: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect();
    shares.shuffle(random);
    normalized(shares)
}

/// The shares, scaled so that their sum is 1.
pub fn normalized(mut shares: Vec<f64>) -> Vec<f64> {
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share /= total);
    }
    shares
}

/// The shares, none of them above its limit; what is above goes to the others in proportion. If the limits are below 1 in total,
/// every share is its limit, scaled.
pub fn capped(shares: Vec<f64>, limits: &[f64]) -> Vec<f64> {
    if limits.iter().sum::<f64>() <= 1.0 {
        return normalized(limits.to_vec());
    }
    let mut shares = normalized(shares);
    let mut full = vec![false; shares.len()];
    loop {
        let mut changed = false;
        for (at, limit) in limits.iter().enumerate() {
            if !full[at] && shares[at] > *limit {
                (shares[at], full[at], changed) = (*limit, true, true);
            }
        }
        let taken: f64 = (0..shares.len()).filter(|at| full[*at]).map(|at| shares[at]).sum();
        let free: f64 = (0..shares.len()).filter(|at| !full[*at]).map(|at| shares[at]).sum();
        if !changed || free <= 0.0 {
            return normalized(shares);
        }
        (0..shares.len()).filter(|at| !full[*at]).for_each(|at| shares[at] *= (1.0 - taken) / free);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use karat::stats::rng;

    use super::*;

    fn corpus(intents: usize, rows: usize) -> Corpus {
        let rows_of = |intent: usize| (intent * rows..(intent + 1) * rows).collect();
        let intent_of = (0..intents * rows).map(|row| row / rows).collect();
        Corpus { intents: (0..intents).map(rows_of).collect(), intent_of, main_split: None }
    }

    #[test]
    fn no_row_is_in_two_parts_or_drawn_twice() {
        let mut random = rng(1, 0);
        let parts = parts(&corpus(6, 40), Sizes { golden: 10, training: 50 }, &mut random);
        let mut pools = Pools::of(&parts);
        let mix = zipf(6, 0.5, &mut random);
        let first = pools.draw(&mix, 30, 0.5, &mut random);
        let second = pools.draw(&mix, 1_000, 1.0, &mut random);
        let of_parts = parts.iter().flat_map(|part| part.golden.iter().chain(&part.training)).copied();
        let all: Vec<usize> = of_parts.chain(first).chain(second).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.len(), 240, "until nothing is left");
        assert!(parts.iter().all(|part| part.golden.len() == 10 && part.training.len() == 16));
    }

    #[test]
    fn intents_with_few_rows_take_no_part() {
        let mut random = rng(1, 0);
        assert!(parts(&corpus(6, 7), Sizes { golden: 10, training: 5 }, &mut random).is_empty());
    }

    #[test]
    fn no_share_exceeds_its_limit_unless_all_do() {
        let cases: [(&[f64], &[f64], &[f64]); 3] = [
            (&[0.5, 0.25, 0.25], &[1.0, 1.0, 1.0], &[0.5, 0.25, 0.25]),
            (&[0.8, 0.1, 0.1], &[0.4, 0.35, 0.9], &[0.4, 0.3, 0.3]),
            (&[0.8, 0.1, 0.1], &[0.2, 0.1, 0.1], &[0.5, 0.25, 0.25]),
        ];
        for (shares, limits, expected) in cases {
            let found = capped(shares.to_vec(), limits);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near, "{shares:?} {limits:?}: {found:?}");
        }
    }
}
