//! The history of a suite: nights on which its score changed by more than chance.
//!
//! Each night is compared with the nights since the last change, example by example. The level is shared by all nights
//! shown (Bonferroni), so that a history without any change rarely shows one.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::stats::{PairedDifference, clustered_mean, paired_difference};

/// Probability that a history without any change shows one.
const LEVEL: f64 = 0.05;

/// Fewest examples that two nights must have in common to be compared.
const MIN_EXAMPLES: usize = 10;

/// One run of a suite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Night {
    /// The score of each example, by id.
    pub scores: BTreeMap<String, f64>,
    /// Examples that are not the same as in the night before.
    pub edited: BTreeSet<String>,
}

/// The nights, in order, on which the score changed: by how much, compared with the nights since the last change. `None`
/// for all other nights.
pub fn changes(nights: &[Night]) -> Vec<Option<PairedDifference>> {
    let level = LEVEL / nights.len().saturating_sub(1).max(1) as f64;
    let mut since: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut found = Vec::with_capacity(nights.len());
    for night in nights {
        since.retain(|id, _| !night.edited.contains(*id));
        let differences: Vec<f64> = night
            .scores
            .iter()
            .filter_map(|(id, score)| since.get(id.as_str()).map(|(sum, count)| score - sum / count))
            .collect();
        let change = difference(&differences, level);
        if change.is_some() {
            since.clear();
        }
        for (id, score) in &night.scores {
            let (sum, count) = since.entry(id).or_default();
            *sum += score;
            *count += 1.0;
        }
        found.push(change);
    }
    found
}

/// The mean difference with its 95 % interval, if it is significant at this level.
fn difference(differences: &[f64], level: f64) -> Option<PairedDifference> {
    if differences.len() < MIN_EXAMPLES {
        return None;
    }
    let estimate = clustered_mean(differences, None)?;
    let strict = paired_difference(differences, &estimate, 1.0 - level);
    (!strict.interval.contains(0.0)).then(|| paired_difference(differences, &estimate, 0.95))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use rand::Rng;

    /// Nights with 200 examples that pass with these probabilities, a fifth of them flaky.
    fn nights(pass: &[f64], seed: u64) -> Vec<Night> {
        let mut latent = rng(seed, 0);
        let mut uniform = move || f64::from(latent.next_u32()) / f64::from(u32::MAX);
        let fixed: Vec<f64> = (0..200).map(|_| uniform()).collect();
        pass.iter()
            .map(|pass| {
                let scores = fixed.iter().enumerate().map(|(i, fixed)| {
                    let draw = if i % 5 == 0 { uniform() } else { *fixed };
                    (format!("{i:03}"), f64::from(u8::from(draw < *pass)))
                });
                Night { scores: scores.collect(), edited: BTreeSet::new() }
            })
            .collect()
    }

    #[test]
    fn a_drop_is_marked_once_and_on_its_night() {
        let found = changes(&nights(&[0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.9], 3));
        let at: Vec<usize> = (0..found.len()).filter(|night| found[*night].is_some()).collect();
        assert_eq!(at, [3, 6]);
        let drop = found[3].unwrap();
        assert!((drop.difference + 0.2).abs() < 0.08 && drop.interval.hi < 0.0, "{drop:?}");
    }

    #[test]
    fn histories_without_a_change_rarely_show_one() {
        let shown = (0..300).filter(|seed| changes(&nights(&[0.85; 30], *seed)).iter().any(Option::is_some)).count();
        println!("histories of 30 equal nights with a change: {shown} of 300");
        assert!(shown <= 24, "{shown}");
    }

    #[test]
    fn edited_examples_are_not_compared() {
        let mut two = nights(&[1.0, 0.0], 1);
        two[1].edited = two[1].scores.keys().cloned().collect();
        assert_eq!(changes(&two), [None, None]);
        assert_eq!(changes(&[]), []);
        assert_eq!(changes(&nights(&[0.5], 1)), [None]);
    }
}
