//! ROUGE (Lin 2004, "ROUGE: a package for automatic evaluation of summaries"): n-grams and subsequences in common.
//!
//! With [`Tokenizer::Rouge`] the values are those of Google's `rouge-score` 0.1.2 without stemmer. Where there are
//! several references, that library takes the one with the highest F1.

use super::lcs::{is_too_long_to_trace, lcs_length, lcs_positions};
use super::overlap::{Overlap, common};
use super::tokenize::Tokenizer;

/// ROUGE-N: the n-grams of `n` tokens that the answer and the reference have in common. Texts without an n-gram have
/// none in common, so that everything is 0, also for two equal texts; so it is for an `n` of 0.
pub(crate) fn rouge_n(candidate: &str, reference: &str, n: u8, tokenizer: Tokenizer) -> Overlap {
    let ids = tokenizer.ids(&[candidate, reference]);
    let [candidate, reference] = ids.as_slice() else { return Overlap::from_counts(0, 0, 0) };
    let (candidate, reference) = (sorted_grams(candidate, n), sorted_grams(reference, n));
    Overlap::from_counts(common(&candidate, &reference), candidate.len(), reference.len())
}

fn sorted_grams(ids: &[u32], n: u8) -> Vec<&[u32]> {
    if n == 0 {
        return Vec::new();
    }
    let mut grams: Vec<&[u32]> = ids.windows(usize::from(n)).collect();
    grams.sort_unstable();
    grams
}

/// ROUGE-L of two texts that are each taken for one sentence: their longest common subsequence of tokens. Everything is
/// 0 if a text has no tokens.
///
/// `None` if the product of the numbers of tokens, without a common start and end, is above 2^32: about 65,000 by
/// 65,000 tokens.
pub(crate) fn rouge_l(candidate: &str, reference: &str, tokenizer: Tokenizer) -> Option<Overlap> {
    let ids = tokenizer.ids(&[candidate, reference]);
    let [candidate, reference] = ids.as_slice() else { return None };
    Some(Overlap::from_counts(lcs_length(candidate, reference)?, candidate.len(), reference.len()))
}

/// ROUGE-L of two texts with one sentence per line: for every line of the reference, the union of its longest common
/// subsequences with the lines of the answer, where no token counts more often than it is in either text. Everything is
/// 0 if a text has no tokens.
///
/// `None` if the product of the lengths is above 2^24: about 4,000 by 4,000. The length of a text is here its number of
/// tokens plus its number of lines with tokens.
pub(crate) fn rouge_lsum(candidate: &str, reference: &str, tokenizer: Tokenizer) -> Option<Overlap> {
    let lines: Vec<&str> = candidate.split('\n').chain(reference.split('\n')).collect();
    let mut ids = tokenizer.ids(&lines);
    let mut reference = ids.split_off(candidate.split('\n').count().min(ids.len()));
    let mut candidate = ids;
    candidate.retain(|line| !line.is_empty());
    reference.retain(|line| !line.is_empty());
    if is_too_long_to_trace(&candidate, &reference) {
        return None;
    }
    // How often each token may still be matched.
    let mut left = smaller_counts(&candidate, &reference);
    let mut hits = 0;
    for line in &reference {
        for token in union_of_subsequences(line, &candidate) {
            if let Some(left) = left.get_mut(token as usize).filter(|left| **left > 0) {
                *left -= 1;
                hits += 1;
            }
        }
    }
    let size = |lines: &[Vec<u32>]| lines.iter().map(Vec::len).sum();
    Some(Overlap::from_counts(hits, size(&candidate), size(&reference)))
}

/// For every token, how often it is in the text that has it less often.
fn smaller_counts(a: &[Vec<u32>], b: &[Vec<u32>]) -> Vec<usize> {
    let tokens = a.iter().chain(b).flatten().max().map_or(0, |id| *id as usize + 1);
    let count = |lines: &[Vec<u32>]| {
        let mut counts = vec![0; tokens];
        for id in lines.iter().flatten() {
            if let Some(count) = counts.get_mut(*id as usize) {
                *count += 1;
            }
        }
        counts
    };
    count(a).into_iter().zip(count(b)).map(|(a, b)| usize::min(a, b)).collect()
}

/// The tokens of a line that are in its longest common subsequence with any of the other lines.
fn union_of_subsequences(line: &[u32], others: &[Vec<u32>]) -> Vec<u32> {
    let mut found = vec![false; line.len()];
    for other in others {
        for place in lcs_positions(line, other) {
            if let Some(found) = found.get_mut(place) {
                *found = true;
            }
        }
    }
    line.iter().zip(found).filter(|(_, found)| *found).map(|(token, _)| *token).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    const TOKENIZERS: [Tokenizer; 3] = [Tokenizer::Rouge, Tokenizer::Unicode, Tokenizer::Whitespace];

    fn values(overlaps: &[Overlap]) -> Vec<f64> {
        overlaps.iter().flat_map(|overlap| [overlap.precision, overlap.recall, overlap.f1]).collect()
    }

    #[test]
    fn scores_agree_with_rouge_score() {
        for case in cases() {
            let (a, b) = (case.candidate.as_str(), case.reference());
            let [one, two, five] = [1, 2, 5].map(|n| rouge_n(a, b, n, Tokenizer::Rouge));
            let l = rouge_l(a, b, Tokenizer::Rouge).unwrap();
            let lsum = rouge_lsum(a, b, Tokenizer::Rouge).unwrap();
            case.check("rouge", &values(&[one, two, five, l, lsum]));
            let words = Tokenizer::Whitespace;
            let scores = [rouge_n(a, b, 1, words), rouge_l(a, b, words).unwrap(), rouge_lsum(a, b, words).unwrap()];
            case.check("rouge_words", &values(&scores));
        }
    }

    #[test]
    fn texts_without_n_grams_have_nothing_in_common() {
        let nothing = Overlap::from_counts(0, 0, 0);
        for (text, n) in [("", 1), ("one two", 3), ("one two", 0), ("東京", 1)] {
            assert_eq!(rouge_n(text, text, n, Tokenizer::Rouge), nothing, "{text:?}");
        }
        assert_eq!(rouge_l("", "", Tokenizer::Unicode), Some(nothing));
        assert_eq!(rouge_lsum("\n", "a", Tokenizer::Unicode), Some(nothing));
    }

    #[test]
    fn the_unicode_tokenizer_scores_other_scripts() {
        let score = rouge_l("東京は日本の首都", "日本の首都は東京", Tokenizer::Unicode).unwrap();
        assert_eq!(score, Overlap::from_counts(5, 8, 8));
        assert_eq!(rouge_n("Столица — Москва", "МОСКВА", 1, Tokenizer::Unicode), Overlap::from_counts(1, 2, 1));
    }

    #[test]
    fn long_texts_are_scored_or_refused() {
        for text in hostile() {
            for tokenizer in TOKENIZERS {
                assert!(is_score(rouge_n(&text, "a b 東", 2, tokenizer).f1));
                assert!(is_score(rouge_l(&text, "a b 東", tokenizer).unwrap().f1));
                assert!(rouge_lsum(&text, "a b 東", tokenizer).is_none_or(|score| is_score(score.f1)));
            }
        }
        let (a, b) = ("a b ".repeat(40_000), "b a ".repeat(40_000));
        assert_eq!(rouge_l(&a, &b, Tokenizer::Rouge), None);
        assert_eq!(rouge_lsum(&"a\n".repeat(2049), &"a\n".repeat(2048), Tokenizer::Rouge), None);
        assert!(rouge_lsum(&"a ".repeat(4000), &"b\n".repeat(40), Tokenizer::Rouge).is_some());
    }

    proptest! {
        #[test]
        fn exchanging_the_texts_exchanges_precision_and_recall(a in texts(), b in texts(), n in 1_u8..5) {
            for tokenizer in TOKENIZERS {
                let pairs = [
                    (rouge_n(&a, &b, n, tokenizer), rouge_n(&b, &a, n, tokenizer)),
                    (rouge_l(&a, &b, tokenizer).unwrap(), rouge_l(&b, &a, tokenizer).unwrap()),
                ];
                for (score, exchanged) in pairs {
                    prop_assert!(is_score(score.f1) && is_score(score.precision) && is_score(score.recall));
                    prop_assert_eq!((score.precision, score.recall), (exchanged.recall, exchanged.precision));
                }
                let (l, lsum) = (pairs[1].0, rouge_lsum(&a, &b, tokenizer).unwrap());
                prop_assert!(is_score(lsum.f1) && lsum.recall <= rouge_n(&a, &b, 1, tokenizer).recall);
                if !a.contains('\n') && !b.contains('\n') {
                    prop_assert_eq!(lsum, l);
                }
            }
        }

        #[test]
        fn a_text_with_tokens_equals_itself(text in texts()) {
            for tokenizer in TOKENIZERS {
                let expected = f64::from(u8::from(!tokenizer.ids(&[&text]).concat().is_empty()));
                prop_assert_eq!(rouge_n(&text, &text, 1, tokenizer).f1, expected);
                prop_assert_eq!(rouge_l(&text, &text, tokenizer).unwrap().f1, expected);
                prop_assert_eq!(rouge_lsum(&text, &text, tokenizer).unwrap().f1, expected);
            }
        }
    }
}
