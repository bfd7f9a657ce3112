//! chrF (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation") and chrF++ (Popović 2017).

use super::chars::is_space;
use super::ngrams::{CharGrams, NGrams, WordGrams};
use super::tokenize::{ids, whitespace_words};

/// The longest character n-grams counted.
const MAX_CHARS: usize = 6;

/// The longest word n-grams that chrF++ counts.
const MAX_WORDS: usize = 2;

/// How much more recall counts than precision, squared (a β of 2).
const BETA_SQUARED: f64 = 4.0;

/// chrF: the F-score, with recall counting twice as much as precision, of the n-grams of 1 to 6 characters, without
/// white space, that the answer and a reference have in common; the best of all references. From 0 to 1; 0 without
/// references, and if a text is empty. It needs no tokenizer, and so suits all languages.
///
/// The value of `CHRF()` of sacrebleu 2.6, divided by 100.
pub(crate) fn chrf<T: AsRef<str>>(candidate: &str, references: &[T]) -> f64 {
    best(candidate, references, false)
}

/// chrF++: as [`chrf`], and the n-grams of 1 and 2 words are counted as well. Words are separated by white space, and a
/// punctuation mark of ASCII at the end of a word, or else at its start, is a word of its own.
///
/// The value of `CHRF(word_order=2)` of sacrebleu 2.6, divided by 100.
pub(crate) fn chrf_plus_plus<T: AsRef<str>>(candidate: &str, references: &[T]) -> f64 {
    best(candidate, references, true)
}

fn best<T: AsRef<str>>(candidate: &str, references: &[T], with_words: bool) -> f64 {
    let texts: Vec<&str> = std::iter::once(candidate).chain(references.iter().map(AsRef::as_ref)).collect();
    let chars = texts.iter().map(|text| CharGrams::of_chars(text.chars().filter(|c| !is_space(*c))));
    let words = if with_words { word_grams(&texts) } else { Vec::new() };
    let chars: Vec<CharGrams> = chars.collect();
    let Some((candidate, references)) = chars.split_first() else { return 0.0 };
    let scores = references.iter().enumerate().map(|(index, reference)| {
        let mut mean = Mean::default();
        mean.add(candidate, reference, MAX_CHARS);
        if let (Some(candidate), Some(reference)) = (words.first(), words.get(index + 1)) {
            mean.add(candidate, reference, MAX_WORDS);
        }
        mean.f_score()
    });
    scores.fold(0.0, f64::max)
}

/// Precision and recall, averaged over the lengths of n-grams that both texts have.
#[derive(Default)]
struct Mean {
    precision: f64,
    recall: f64,
    lengths: u32,
}

impl Mean {
    /// Adds the n-grams of at most `max` symbols.
    fn add<const BITS: u32, const MAX: usize>(
        &mut self,
        candidate: &NGrams<BITS, MAX>,
        reference: &NGrams<BITS, MAX>,
        max: usize,
    ) {
        for (matches, n) in candidate.clipped_matches(&[reference]).into_iter().zip(1..=max) {
            let (ours, theirs) = (candidate.count(n), reference.count(n));
            if ours > 0 && theirs > 0 {
                self.precision += matches as f64 / ours as f64;
                self.recall += matches as f64 / theirs as f64;
                self.lengths += 1;
            }
        }
    }

    fn f_score(&self) -> f64 {
        let (precision, recall) = (self.precision, self.recall);
        if precision + recall == 0.0 {
            return 0.0;
        }
        // Dividing by the number of lengths last keeps the score of equal texts at exactly 1.
        (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall) / f64::from(self.lengths)
    }
}

fn word_grams(texts: &[&str]) -> Vec<WordGrams> {
    let words: Vec<Vec<&str>> =
        texts.iter().map(|text| whitespace_words(text).flat_map(without_punctuation).collect()).collect();
    ids(&words).iter().map(|ids| WordGrams::of_words(ids)).collect()
}

/// A word without the punctuation mark at its end, or else at its start, and the mark.
fn without_punctuation(word: &str) -> impl Iterator<Item = &str> {
    let mark = |c: char| c.is_ascii_punctuation();
    let is_single = word.chars().nth(1).is_none();
    let at = if is_single {
        word.len()
    } else if word.ends_with(mark) {
        word.len() - 1
    } else if word.starts_with(mark) {
        1
    } else {
        word.len()
    };
    let (first, second) = word.split_at_checked(at).unwrap_or((word, ""));
    [first, second].into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    #[test]
    fn scores_agree_with_sacrebleu() {
        for case in cases() {
            let (candidate, references) = (&case.candidate, &case.references);
            case.check("chrf", &[chrf(candidate, references), chrf_plus_plus(candidate, references)]);
        }
    }

    #[test]
    fn punctuation_is_split_off_at_one_end_of_a_word() {
        let cases = [("(hi)", "(hi )"), ("'tis", "' tis"), ("!", "!"), ("!?", "! ?"), ("«a»", "«a»"), ("é.", "é .")];
        for (word, expected) in cases {
            assert_eq!(without_punctuation(word).collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn without_references_or_characters_the_score_is_0() {
        for (candidate, references) in [("a", vec![]), ("", vec![""]), (" ", vec!["a"]), ("a", vec![" "])] {
            assert_eq!(chrf(candidate, &references), 0.0);
            assert_eq!(chrf_plus_plus(candidate, &references), 0.0);
        }
    }

    #[test]
    fn long_texts_are_scored() {
        for text in hostile() {
            assert!(is_score(chrf_plus_plus(&text, &["a b."])));
            assert!(is_score(chrf_plus_plus("a b.", &[text.as_str(), "a"])));
        }
    }

    proptest! {
        #[test]
        fn the_score_is_that_of_the_best_reference(a in texts(), b in texts(), c in texts()) {
            for score in [chrf::<&String>, chrf_plus_plus::<&String>] {
                let best = score(&a, &[&b, &c]);
                prop_assert!(is_score(best));
                prop_assert_eq!(best, score(&a, &[&b]).max(score(&a, &[&c])));
            }
        }

        #[test]
        fn a_text_with_characters_equals_itself(text in texts()) {
            let expected = f64::from(u8::from(!text.chars().all(is_space)));
            prop_assert_eq!(chrf(&text, &[&text]), expected);
            prop_assert_eq!(chrf_plus_plus(&text, &[&text]), expected);
        }
    }
}
