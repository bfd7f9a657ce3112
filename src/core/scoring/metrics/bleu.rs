//! BLEU (Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation") of single sentences.

use super::bleu_tokens::BleuTokenizer;
use super::ngrams::WordGrams;
use super::tokenize::ids;

/// The longest n-grams counted.
const MAX_N: usize = 4;

/// Sentence BLEU: the geometric mean of the shares of the answer's n-grams of 1 to 4 tokens that are in a reference,
/// times a penalty for answers that are shorter than the reference of the closest length. From 0 to 1; 0 if no token is
/// in any reference, so for an empty answer and without references.
///
/// The value of `sentence_bleu` of sacrebleu 2.6, divided by 100, with its defaults: exponential smoothing (if no
/// n-gram of a length matches, a half, a quarter, and so on, of one counts) and the effective order (lengths that the
/// answer is too short for are left out).
pub(crate) fn sentence_bleu<T: AsRef<str>>(candidate: &str, references: &[T], tokenizer: BleuTokenizer) -> f64 {
    let texts = std::iter::once(candidate).chain(references.iter().map(AsRef::as_ref));
    let prepared: Vec<_> = texts.map(|text| tokenizer.prepare(text)).collect();
    let tokens: Vec<_> = prepared.iter().map(|text| tokenizer.split(text)).collect();
    let grams: Vec<_> = ids(&tokens).iter().map(|ids| WordGrams::of_words(ids)).collect();
    let Some((candidate, references)) = grams.split_first() else { return 0.0 };
    let references: Vec<_> = references.iter().collect();
    precision(candidate, &references) * brevity_penalty(candidate, &references)
}

/// The geometric mean of the smoothed precisions.
fn precision(candidate: &WordGrams, references: &[&WordGrams]) -> f64 {
    let (mut sum, mut smoothing, mut matched) = (0.0, 1.0, false);
    let lengths = MAX_N.min(candidate.count(1));
    for (matches, n) in candidate.clipped_matches(references).into_iter().zip(1..=lengths) {
        matched |= matches > 0;
        let counted = if matches > 0 {
            matches as f64
        } else {
            smoothing /= 2.0;
            smoothing
        };
        sum += f64::ln(counted / candidate.count(n) as f64);
    }
    if matched { f64::exp(sum / lengths as f64) } else { 0.0 }
}

/// The penalty for a candidate shorter than the reference closest in length, of which the shorter one counts if two are
/// equally close.
fn brevity_penalty(candidate: &WordGrams, references: &[&WordGrams]) -> f64 {
    let length = candidate.count(1);
    let lengths = references.iter().map(|reference| reference.count(1));
    let closest = lengths.min_by_key(|reference| (reference.abs_diff(length), *reference)).unwrap_or(0);
    if length >= closest { 1.0 } else { f64::exp(1.0 - closest as f64 / length as f64) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    const TOKENIZERS: [BleuTokenizer; 4] =
        [BleuTokenizer::Mteval13a, BleuTokenizer::International, BleuTokenizer::Chinese, BleuTokenizer::Character];

    #[test]
    fn scores_agree_with_sacrebleu() {
        for case in cases() {
            case.check(
                "bleu",
                &TOKENIZERS.map(|tokenizer| sentence_bleu(&case.candidate, &case.references, tokenizer)),
            );
        }
    }

    #[test]
    fn without_references_or_tokens_the_score_is_0() {
        for (candidate, references) in
            [("a", vec![]), ("", vec![""]), ("", vec!["a"]), ("a", vec![""]), ("a", vec!["b"])]
        {
            assert_eq!(
                sentence_bleu(candidate, &references, BleuTokenizer::Mteval13a),
                0.0,
                "{candidate:?} {references:?}"
            );
        }
    }

    #[test]
    fn long_texts_are_scored() {
        for text in hostile() {
            for tokenizer in TOKENIZERS {
                assert!(is_score(sentence_bleu(&text, &["a b."], tokenizer)));
            }
            assert!(is_score(sentence_bleu("a b.", &[text.as_str(), "a"], BleuTokenizer::Mteval13a)));
        }
    }

    proptest! {
        #[test]
        fn scores_are_bounded_and_the_order_of_references_does_not_matter(a in texts(), b in texts(), c in texts()) {
            for tokenizer in TOKENIZERS {
                let score = sentence_bleu(&a, &[&b, &c], tokenizer);
                prop_assert!(is_score(score));
                prop_assert_eq!(sentence_bleu(&a, &[&c, &b], tokenizer), score);
            }
        }

        #[test]
        fn a_text_with_tokens_equals_itself(text in texts(), other in texts()) {
            for tokenizer in TOKENIZERS {
                let expected = f64::from(u8::from(!tokenizer.split(&tokenizer.prepare(&text)).is_empty()));
                prop_assert_eq!(sentence_bleu(&text, &[&text], tokenizer), expected);
                prop_assert_eq!(sentence_bleu(&text, &[&other, &text], tokenizer), expected);
            }
        }
    }
}
