//! Misspelt words: found by comparison with frequent words, and made.

use std::collections::{BTreeMap, HashMap};

use rand::RngExt;

use super::sentences::WordShares;
use super::words::{Word, words};
use crate::core::spelling::{forms, one_edit};

/// Number of texts that must contain a word for it to count as correct.
const FREQUENT: usize = 3;

/// Smallest number of letters of a frequent word that a rare one can be a misspelling of.
const SHORTEST: usize = 3;

/// Longest word that is examined, in bytes; longer ones are keys or addresses.
const LONGEST: usize = 40;

/// Finds misspelt words: those that are rare and one edit away from a frequent one. Rare words that are
/// spelt correctly are found as well, so a rate means something only in comparison with another one.
pub(super) struct Speller {
    /// Number of texts that contain each word.
    counts: HashMap<String, usize>,
    /// Frequent words by each of their forms.
    forms: HashMap<Vec<char>, Vec<Vec<char>>>,
}

impl Speller {
    /// Learns the frequent words of both.
    pub fn new(examples: &WordShares, traffic: &WordShares) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        examples.iter().chain(traffic.iter()).for_each(|(word, count)| *counts.entry(word).or_insert(0) += count);
        let mut by_form: HashMap<Vec<char>, Vec<Vec<char>>> = HashMap::new();
        let frequent = counts.iter().filter(|(word, count)| **count >= FREQUENT && spelt(word, SHORTEST));
        for (word, _) in frequent {
            let word: Vec<char> = word.chars().collect();
            for form in forms(&word) {
                by_form.entry(form).or_default().push(word.clone());
            }
        }
        Self { counts: counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect(), forms: by_form }
    }

    /// Number of words in a text that look misspelt.
    pub fn typos(&self, text: &str) -> usize {
        words(text).iter().filter(|word| self.is_typo(&word.word)).count()
    }

    fn is_typo(&self, word: &str) -> bool {
        let rare = self.counts.get(word).is_none_or(|count| *count < FREQUENT);
        if !rare || !spelt(word, SHORTEST - 1) {
            return false;
        }
        let letters: Vec<char> = word.chars().collect();
        let near = |found: &Vec<Vec<char>>| found.iter().any(|frequent| one_edit(&letters, frequent));
        forms(&letters).iter().any(|form| self.forms.get(form).is_some_and(near))
    }
}

/// Whether a word consists of letters with case, as scripts without case have other kinds of mistakes.
fn spelt(word: &str, shortest: usize) -> bool {
    word.len() <= LONGEST && word.chars().all(char::is_lowercase) && word.chars().count() >= shortest
}

/// The text with one typo in a random word of at least three letters: two letters swapped, or one dropped, doubled or
/// replaced.
pub(super) fn with_typo(text: &str, random: &mut impl RngExt) -> String {
    let letters = |word: &Word| word.word.chars().count() >= SHORTEST && word.word.chars().all(char::is_alphabetic);
    let usable: Vec<Word> = words(text).into_iter().filter(letters).collect();
    if usable.is_empty() {
        return text.to_owned();
    }
    let bytes = usable[random.random_range(0..usable.len())].bytes.clone();
    let mut letters: Vec<char> = text[bytes.clone()].chars().collect();
    let at = random.random_range(0..letters.len() - 1);
    match random.random_range(0..4) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        2 => letters.insert(at, letters[at]),
        _ => letters[at] = char::from(random.random_range(b'a'..=b'z')),
    }
    let word: String = letters.into_iter().collect();
    format!("{}{word}{}", &text[..bytes.start], &text[bytes.end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;

    #[test]
    fn rare_words_near_frequent_ones_are_typos() {
        let texts = ["cancel the refund", "refund the order", "the refund", "zebra"];
        let speller = Speller::new(&WordShares::new(texts.into_iter()), &WordShares::new(std::iter::empty()));
        for (text, expected) in
            [("teh refudn", 2), ("the refund", 0), ("zebra", 0), ("zebras 12 the1", 0), ("返金 возврат", 0)]
        {
            assert_eq!(speller.typos(text), expected, "{text}");
        }
    }

    #[test]
    fn a_typo_changes_one_word_by_one_edit_and_spares_texts_without_words() {
        let mut random = rng(3, 0);
        for _ in 0..200 {
            let changed = with_typo("cancel: the order 12", &mut random);
            assert!(changed.ends_with(" 12") && changed.split(' ').count() == 4, "{changed}");
        }
        for text in ["", "🙂", "a b", "12 345"] {
            assert_eq!(with_typo(text, &mut random), text);
        }
    }
}
