//! GLEU, also called Google BLEU (Wu et al. 2016, "Google's neural machine translation system").

use super::ngrams::WordGrams;
use super::tokenize::Tokenizer;

/// The longest n-grams counted.
const MAX_N: usize = 4;

/// Sentence GLEU: the n-grams of 1 to 4 tokens that the answer and a reference have in common, divided by the number of
/// n-grams of whichever text has more; the best of all references. From 0 to 1, and the same if the answer and the only
/// reference are exchanged; 0 without references, and if a text has no tokens.
///
/// With [`Tokenizer::Whitespace`] the value of `sentence_gleu` of nltk 3.10 on texts split by `str.split`.
pub(crate) fn sentence_gleu<T: AsRef<str>>(candidate: &str, references: &[T], tokenizer: Tokenizer) -> f64 {
    let texts: Vec<&str> = std::iter::once(candidate).chain(references.iter().map(AsRef::as_ref)).collect();
    let grams: Vec<_> = tokenizer.ids(&texts).iter().map(|ids| WordGrams::of_words(ids)).collect();
    let Some((candidate, references)) = grams.split_first() else { return 0.0 };
    let count = |grams: &WordGrams| (1..=MAX_N).map(|n| grams.count(n)).sum::<usize>();
    let scores = references.iter().map(|reference| {
        let matches: usize = candidate.clipped_matches(&[reference]).into_iter().sum();
        matches as f64 / count(candidate).max(count(reference)).max(1) as f64
    });
    scores.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    #[test]
    fn scores_agree_with_nltk() {
        for case in cases() {
            case.check("gleu", &[sentence_gleu(&case.candidate, &case.references, Tokenizer::Whitespace)]);
        }
    }

    #[test]
    fn the_unicode_tokenizer_ignores_case_and_punctuation() {
        assert_eq!(sentence_gleu("Yes, Paris!", &["yes paris"], Tokenizer::Unicode), 1.0);
        assert_eq!(sentence_gleu("東京。", &["京都", "東京都"], Tokenizer::Unicode), 0.5);
    }

    #[test]
    fn without_references_or_tokens_the_score_is_0() {
        for (candidate, references) in [("a", vec![]), ("", vec![""]), (" ", vec!["a"]), ("a", vec![" "])] {
            assert_eq!(sentence_gleu(candidate, &references, Tokenizer::Whitespace), 0.0);
        }
    }

    #[test]
    fn long_texts_are_scored() {
        for text in hostile() {
            assert!(is_score(sentence_gleu(&text, &["a b.", text.as_str()], Tokenizer::Whitespace)));
        }
    }

    proptest! {
        #[test]
        fn the_score_is_symmetric_and_that_of_the_best_reference(a in texts(), b in texts(), c in texts()) {
            for tokenizer in [Tokenizer::Unicode, Tokenizer::Whitespace] {
                let score = |a: &str, b: &str| sentence_gleu(a, &[b], tokenizer);
                prop_assert!(is_score(score(&a, &b)));
                prop_assert_eq!(score(&a, &b), score(&b, &a));
                prop_assert_eq!(sentence_gleu(&a, &[&b, &c], tokenizer), score(&a, &b).max(score(&a, &c)));
                prop_assert_eq!(score(&a, &a) == 1.0, !tokenizer.ids(&[&a]).concat().is_empty());
            }
        }
    }
}
