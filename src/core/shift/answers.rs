//! Compares two sets of answers to the same examples with each other and with the repeats within each.

use super::permutation::{Permutations, permutation_test};
use super::types::ShiftOptions;
use crate::core::stats::mcnemar_mid_p;

/// The answers to one example in two runs, as numbers: equal answers are equal numbers, and 0 is a right one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairedAnswers {
    /// In the earlier run.
    pub earlier: Vec<u32>,
    /// In the later one.
    pub later: Vec<u32>,
}

/// How far the answers of two runs differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerChange {
    /// Share of the examples whose answer changed beyond what repeats show. Without repeats, the share by which right answers
    /// became more or fewer.
    pub effect: f64,
    /// Exact p-value: of a permutation test with repeats, of McNemar's without.
    pub p_value: f64,
    /// Effect that would have been found in four of five cases.
    pub detectable: f64,
    /// Number of examples compared.
    pub compared: usize,
    /// Whether repeats were compared.
    pub repeats: bool,
    /// Share of the pairs of answers of both runs that differ.
    pub differing: f64,
    /// Examples whose first answer was right before and is not now, and the other way round.
    pub lost: usize,
    /// See `lost`.
    pub won: usize,
}

/// Compares two runs. With repeats in either, answers are exchanged between the runs within each example (exact if all
/// answers of an example are independent draws from the same distribution). `None` without examples answered in both.
pub fn answer_change(pairs: &[PairedAnswers], options: ShiftOptions, stream: u64) -> Option<AnswerChange> {
    let both: Vec<&PairedAnswers> =
        pairs.iter().filter(|pair| !pair.earlier.is_empty() && !pair.later.is_empty()).collect();
    let repeated: Vec<&PairedAnswers> =
        both.iter().copied().filter(|pair| pair.earlier.len().max(pair.later.len()) > 1).collect();
    let differing = both.iter().map(|pair| between(&pair.earlier, &pair.later)).sum::<f64>() / both.len() as f64;
    let right = |answers: &[u32]| answers.first() == Some(&0);
    let count = |before, after| {
        both.iter().filter(|pair| right(&pair.earlier) == before && right(&pair.later) == after).count()
    };
    let (lost, won) = (count(true, false), count(false, true));
    let found = AnswerChange {
        effect: lost.abs_diff(won) as f64 / both.len() as f64,
        p_value: mcnemar_mid_p(lost as u64, won as u64),
        detectable: mcnemar_detectable(lost + won, both.len()),
        compared: both.len(),
        repeats: false,
        differing,
        lost,
        won,
    };
    if both.is_empty() {
        return None;
    }
    Some(if repeated.is_empty() { found } else { with_repeats(&repeated, options, stream, found) })
}

/// The difference that McNemar's test would find in four of five cases with this many changed examples (normal approximation).
fn mcnemar_detectable(changed: usize, all: usize) -> f64 {
    (1.96 + 0.84) * (changed.max(1) as f64).sqrt() / all.max(1) as f64
}

fn with_repeats(pairs: &[&PairedAnswers], options: ShiftOptions, stream: u64, found: AnswerChange) -> AnswerChange {
    let answers: Vec<u32> = pairs.iter().flat_map(|pair| pair.earlier.iter().chain(&pair.later)).copied().collect();
    let of = |pair: &&PairedAnswers| [vec![false; pair.earlier.len()], vec![true; pair.later.len()]].concat();
    let labels: Vec<bool> = pairs.iter().flat_map(of).collect();
    let sizes: Vec<usize> = pairs.iter().map(|pair| pair.earlier.len() + pair.later.len()).collect();
    let strata: Vec<usize> = sizes.iter().enumerate().flat_map(|(at, size)| vec![at; *size]).collect();
    let permutations = Permutations { seed: options.seed, stream, count: options.permutations, strata: &strata };
    let test = permutation_test(&labels, permutations, |labels| {
        let mut first = 0;
        let excess = |size: &usize| {
            let rows = first..first + size;
            first += size;
            excess(&answers[rows.clone()], &labels[rows])
        };
        sizes.iter().map(excess).sum::<f64>() / sizes.len() as f64
    });
    AnswerChange {
        effect: test.statistic.clamp(0.0, 1.0),
        p_value: test.p_value,
        detectable: test.detectable.unwrap_or(1.0),
        compared: sizes.len(),
        repeats: true,
        ..found
    }
}

/// By how much answers of different runs differ more often than answers of the same run.
fn excess(answers: &[u32], labels: &[bool]) -> f64 {
    // Pairs and differing pairs within runs, then between them.
    let mut counts = [[0.0; 2]; 2];
    for (at, (one, run)) in answers.iter().zip(labels).enumerate() {
        for (other, other_run) in answers.iter().zip(labels).take(at) {
            let count = &mut counts[usize::from(run != other_run)];
            count[0] += 1.0;
            count[1] += f64::from(u8::from(one != other));
        }
    }
    let share = |count: [f64; 2]| if count[0] > 0.0 { count[1] / count[0] } else { 0.0 };
    share(counts[1]) - share(counts[0])
}

/// The share of pairs of both lists that differ.
fn between(one: &[u32], other: &[u32]) -> f64 {
    let differ = one.iter().map(|a| other.iter().filter(|b| a != *b).count()).sum::<usize>();
    differ as f64 / (one.len() * other.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use rand::RngExt;

    fn change(pairs: &[PairedAnswers]) -> AnswerChange {
        answer_change(pairs, ShiftOptions { permutations: 199, ..ShiftOptions::default() }, 50).unwrap()
    }

    /// `count` examples with three answers per run, of which a share is not the usual one, and `changed` of which
    /// have another usual answer later.
    fn runs(count: usize, noise: f64, changed: usize, seed: u64) -> Vec<PairedAnswers> {
        let mut random = rng(seed, 1);
        let mut answers =
            |usual: u32| (0..3).map(|_| if random.random::<f64>() < noise { 9 } else { usual }).collect::<Vec<_>>();
        (0..count)
            .map(|at| PairedAnswers { earlier: answers(0), later: answers(if at < changed { 1 } else { 0 }) })
            .collect()
    }

    #[test]
    fn answers_that_changed_are_found_beyond_what_repeats_show() {
        let found = change(&runs(100, 0.0, 12, 1));
        assert!((found.effect - 0.12).abs() < 1e-9 && found.p_value <= 0.005 && found.repeats, "{found:?}");
        assert_eq!((found.lost, found.won, found.compared), (12, 0, 100));
        let noisy = change(&runs(300, 0.3, 40, 2));
        assert!(noisy.p_value < 0.05 && noisy.effect < noisy.differing, "{noisy:?}");
        assert!(found.detectable < 0.12, "{found:?}");
    }

    #[test]
    fn repeats_alone_are_found_as_often_as_the_level_says() {
        let below = (0..200).filter(|seed| change(&runs(40, 0.3, 0, *seed)).p_value <= 0.05).count();
        assert!(below <= 18, "{below} of 200");
    }

    #[test]
    fn without_repeats_only_more_or_fewer_right_answers_count() {
        let single = |earlier, later| PairedAnswers { earlier: vec![earlier], later: vec![later] };
        let mut pairs: Vec<PairedAnswers> = vec![single(0, 0); 80];
        pairs.extend(vec![single(0, 3); 15]);
        pairs.extend(vec![single(2, 0); 5]);
        let found = change(&pairs);
        assert!(!found.repeats && (found.effect - 0.1).abs() < 1e-9 && found.p_value < 0.05, "{found:?}");
        assert!((found.differing - 0.2).abs() < 1e-9);
        // As many became right as wrong.
        let even = change(&[vec![single(0, 0); 10], vec![single(0, 1); 5], vec![single(1, 0); 5]].concat());
        assert!(even.effect == 0.0 && even.p_value > 0.5, "{even:?}");
    }

    #[test]
    fn nothing_in_common_is_not_compared() {
        let one = PairedAnswers { earlier: vec![0], later: vec![] };
        assert_eq!(answer_change(&[one], ShiftOptions::default(), 1), None);
        assert_eq!(answer_change(&[], ShiftOptions::default(), 1), None);
    }
}
