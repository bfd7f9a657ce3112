//! The F1 of words of the SQuAD benchmark (Rajpurkar et al. 2016, "SQuAD: 100,000+ questions for machine comprehension
//! of text").

use super::chars::{Kind, is_space};
use super::overlap::{Overlap, common};
use super::tokenize::Word;

/// SQuAD F1: the words that the answer and the reference have in common after [`squad_normalize`], where a repeated
/// word counts as often as it is in both. Everything is 0 if a text has no words, also if both have none.
///
/// The value of `f1_score` of the official script for SQuAD 1.1. (The script for SQuAD 2.0 gives 1 if both texts have
/// no words.) Where there are several references, the script takes the one with the highest F1. In languages without
/// spaces a whole phrase is one word.
pub(crate) fn token_f1(candidate: &str, reference: &str) -> Overlap {
    let (candidate, reference) = (squad_normalize(candidate), squad_normalize(reference));
    let (candidate, reference) = (sorted_words(&candidate), sorted_words(&reference));
    Overlap::from_counts(common(&candidate, &reference), candidate.len(), reference.len())
}

fn sorted_words(normalized: &str) -> Vec<Word<'_>> {
    let mut words: Vec<_> = normalized.split_ascii_whitespace().map(Word::new).collect();
    words.sort_unstable();
    words
}

/// The text in lower case, without the punctuation of ASCII, without the articles `a`, `an` and `the`, and with single
/// spaces between words: `normalize_answer` of the official script for SQuAD 1.1.
///
/// Punctuation is removed before the articles, so that `the-end` becomes `theend`. Other punctuation, such as `“`,
/// stays and separates an article from what follows.
pub(crate) fn squad_normalize(text: &str) -> String {
    let text = text.to_lowercase();
    let mut out = String::with_capacity(text.len());
    // Where the current run of letters and digits starts in `out`.
    let mut run = None;
    for c in text.chars().filter(|c| !c.is_ascii_punctuation()) {
        if is_word(c) {
            run.get_or_insert(out.len());
            out.push(c);
            continue;
        }
        remove_article(&mut out, run.take());
        if !is_space(c) {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    remove_article(&mut out, run);
    out.truncate(out.trim_end_matches(' ').len());
    out
}

/// Replaces the run at the end by a space if it is an article.
fn remove_article(out: &mut String, run: Option<usize>) {
    let Some(start) = run else { return };
    if matches!(out.get(start..), Some("a" | "an" | "the")) {
        out.truncate(start);
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
}

/// Whether `\w` of Python's regular expressions matches a character other than the underscore: letters and numbers, but
/// not combining marks or circled letters, which Unicode also counts as alphabetic.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let circled = matches!(c, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
    let kind = Kind::of(c);
    kind.alphanumeric && !kind.mark && !circled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    #[test]
    fn scores_agree_with_the_squad_script() {
        for case in cases() {
            let score = token_f1(&case.candidate, case.reference());
            case.check("squad", &[score.precision, score.recall, score.f1]);
            assert_eq!(squad_normalize(&case.candidate), case.text("normalized"));
        }
    }

    #[test]
    fn case_punctuation_articles_and_spaces_are_removed() {
        let cases = [
            ("The  Cat, a dog!", "cat dog"),
            ("the-end a_b U.S.", "theend ab us"),
            ("“the” cat’s", "“ ” cat’s"),
            ("a", ""),
            ("A.N. Other", "other"),
            ("an\u{301} apple", "\u{301} apple"),
            ("the² athe", "the² athe"),
            ("\u{a0}x\u{3000}\u{1c}y ", "x y"),
        ];
        for (text, expected) in cases {
            assert_eq!(squad_normalize(text), expected, "{text:?}");
        }
    }

    #[test]
    fn repeated_words_count_as_often_as_they_are_in_both() {
        assert_eq!(token_f1("yes yes no", "Yes, no no maybe."), Overlap::from_counts(2, 3, 4));
        assert_eq!(token_f1("", "the"), Overlap::from_counts(0, 0, 0));
    }

    #[test]
    fn long_texts_are_scored() {
        for text in hostile() {
            assert!(is_score(token_f1(&text, "a b").f1));
        }
    }

    proptest! {
        #[test]
        fn scores_are_bounded_and_exchanging_the_texts_exchanges_precision_and_recall(a in texts(), b in texts()) {
            let (score, exchanged) = (token_f1(&a, &b), token_f1(&b, &a));
            prop_assert!(is_score(score.f1) && is_score(score.precision) && is_score(score.recall));
            prop_assert_eq!((score.precision, score.recall), (exchanged.recall, exchanged.precision));
            prop_assert_eq!(token_f1(&a, &a).f1 == 1.0, !squad_normalize(&a).is_empty());
        }

        #[test]
        fn words_are_separated_by_single_spaces(text in texts()) {
            let normalized = squad_normalize(&text);
            let words: Vec<_> = normalized.split(is_space).collect();
            prop_assert!(normalized.is_empty() || words.iter().all(|word| !word.is_empty()));
            prop_assert!(words.iter().all(|word| !matches!(*word, "a" | "an" | "the")));
        }
    }
}
