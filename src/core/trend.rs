//! The history of a suite: nights on which its score changed by more than chance.
//!
//! Without a change, tonight's answer to an example is as likely any of its answers since the last change. So the number of
//! passes tonight is compared with its distribution when the nights of each example are exchanged (a permutation test within
//! examples, which needs no variance to be estimated from few failures). The level is shared by all nights shown
//! (Bonferroni), so that a history without any change rarely shows one.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::stats::{PairedDifference, clustered_mean, normal_upper_tail, paired_difference};

/// Probability that a history without any change shows one.
const LEVEL: f64 = 0.05;

/// Fewest examples that two nights must have in common to be compared.
const MIN_EXAMPLES: usize = 10;

/// Largest number of unstable examples whose distribution is computed exactly.
const EXACT: usize = 2_000;

/// One run of a suite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Night {
    /// The score of each example, by id.
    pub scores: BTreeMap<String, f64>,
    /// Examples that are not the same as in the night before.
    pub edited: BTreeSet<String>,
}

/// The scores of an example since the last change.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    nights: f64,
    sum: f64,
    squares: f64,
}

/// The nights, in order, on which the score changed: by how much, compared with the nights since the last change. `None`
/// for all other nights.
pub fn changes(nights: &[Night]) -> Vec<Option<PairedDifference>> {
    let level = LEVEL / nights.len().saturating_sub(1).max(1) as f64;
    let mut since: BTreeMap<&str, Since> = BTreeMap::new();
    let mut found = Vec::with_capacity(nights.len());
    for night in nights {
        since.retain(|id, _| !night.edited.contains(*id));
        let known = |(id, score): (&String, &f64)| since.get(id.as_str()).map(|since| (*since, *score));
        let pairs: Vec<(Since, f64)> = night.scores.iter().filter_map(known).collect();
        let changed = pairs.len() >= MIN_EXAMPLES && p_value(&pairs) < level;
        found.push(if changed { difference(&pairs) } else { None });
        if changed {
            since.clear();
        }
        for (id, score) in &night.scores {
            let of = since.entry(id).or_default();
            of.nights += 1.0;
            of.sum += score;
            of.squares += score * score;
        }
    }
    found
}

/// The mean difference to the nights since the last change, with its 95 % interval.
fn difference(pairs: &[(Since, f64)]) -> Option<PairedDifference> {
    let differences: Vec<f64> = pairs.iter().map(|(since, score)| score - since.sum / since.nights).collect();
    Some(paired_difference(&differences, &clustered_mean(&differences, None)?, 0.95))
}

/// Two-sided p-value of tonight's sum of scores when the nights of each example are exchanged; mid-p, and exact if all scores
/// are 0 or 1.
fn p_value(pairs: &[(Since, f64)]) -> f64 {
    let (mut excess, mut variance, mut binary, mut passed) = (0.0, 0.0, true, 0);
    let mut rates = Vec::new();
    for (since, score) in pairs {
        let nights = since.nights + 1.0;
        let mean = (since.sum + score) / nights;
        let spread = (since.squares + score * score) / nights - mean * mean;
        if spread <= 1e-12 {
            continue;
        }
        excess += score - mean;
        variance += spread;
        // Only scores of 0 and 1 are their own squares.
        binary &= since.sum == since.squares && (*score == 0.0 || *score == 1.0);
        passed += usize::from(*score == 1.0);
        rates.push(mean);
    }
    if rates.is_empty() {
        return 1.0;
    }
    if !binary || rates.len() > EXACT {
        return 2.0 * normal_upper_tail(excess.abs() / variance.sqrt());
    }
    let distribution = poisson_binomial(&rates);
    let below: f64 = distribution.iter().take(passed).sum();
    let above: f64 = distribution.iter().skip(passed + 1).sum();
    let at = distribution.get(passed).copied().unwrap_or(0.0);
    (2.0 * (below.min(above) + 0.5 * at)).min(1.0)
}

/// The distribution of the number of passes of independent examples with these rates, from 0 passes up.
fn poisson_binomial(rates: &[f64]) -> Vec<f64> {
    let mut distribution = vec![1.0];
    for rate in rates {
        distribution.push(0.0);
        let mut fewer = 0.0;
        for share in &mut distribution {
            let passes = *share * rate;
            *share = *share * (1.0 - rate) + fewer;
            fewer = passes;
        }
    }
    distribution
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
        let found = |seed| changes(&nights(&[0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.9], seed));
        let marked = |found: &[Option<PairedDifference>]| -> Vec<usize> {
            (0..found.len()).filter(|night| found[*night].is_some()).collect()
        };
        let exactly = (0..100).filter(|seed| marked(&found(*seed)) == [3, 6]).count();
        assert!(exactly >= 92, "{exactly} of 100");
        let drop = found(1)[3].unwrap();
        assert!((drop.difference + 0.2).abs() < 0.08 && drop.interval.hi < 0.0, "{drop:?}");
    }

    #[test]
    fn histories_without_a_change_rarely_show_one() {
        let shown = (0..300).filter(|seed| changes(&nights(&[0.85; 30], *seed)).iter().any(Option::is_some)).count();
        println!("histories of 30 equal nights with a change: {shown} of 300");
        assert!(shown <= 24, "{shown}");
    }

    #[test]
    fn the_number_of_passes_has_the_distribution_of_independent_examples() {
        let found = poisson_binomial(&[0.5, 0.25]);
        let expected = [0.375, 0.5, 0.125];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
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
