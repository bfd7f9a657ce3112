//! Words that do not occur in the golden set.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Minimum length of a word. Shorter ones are mostly function words, which occur in every set.
const SHORTEST: usize = 4;

/// Maximum length of a word. Longer runs of letters are keys, hashes or addresses.
const LONGEST: usize = 40;

/// Maximum number of words read from a text, so that pasted documents do not dominate.
const MAX_WORDS: usize = 200;

/// The words of texts, as counted by the test of new words: runs of 4 to 40 letters and marks (Unicode, NFKC, lower
/// case), at most the first 200 of each text.
pub fn vocabulary<'a>(texts: impl IntoIterator<Item = &'a str>) -> HashSet<String> {
    texts.into_iter().flat_map(words).collect()
}

/// Share of the words of a text that are unknown, in [0, 1]; `None` for a text without words.
pub(super) fn new_word_share(text: &str, known: &HashSet<String>) -> Option<f64> {
    let words = words(text);
    let new = words.iter().filter(|word| !known.contains(*word)).count();
    (!words.is_empty()).then(|| new as f64 / words.len() as f64)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut length = 0;
    for c in text.nfkc().flat_map(char::to_lowercase).chain(std::iter::once(' ')) {
        if c.is_alphabetic() || (is_combining_mark(c) && !word.is_empty()) {
            length += 1;
            // The rest of an overlong run is dropped.
            if length <= LONGEST {
                word.push(c);
            }
        } else {
            if (SHORTEST..=LONGEST).contains(&length) {
                words.push(std::mem::take(&mut word));
            }
            word.clear();
            length = 0;
            if words.len() >= MAX_WORDS {
                break;
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_in_lower_case() {
        assert_eq!(words("My ORDER-4711 didn't arrive, Straße"), ["order", "didn", "arrive", "straße"]);
        assert_eq!(words(&format!("{} abcd", "x".repeat(41))), ["abcd"]);
        assert_eq!(words(&"word ".repeat(999)).len(), MAX_WORDS);
        assert!(words("a 12 ?").is_empty());
    }

    #[test]
    fn the_share_of_new_words_includes_repeats() {
        let known = vocabulary(["Where is my order", "refund"]);
        assert_eq!(new_word_share("order order crypto wallet", &known), Some(0.5));
        assert_eq!(new_word_share("ORDER refund", &known), Some(0.0));
        assert_eq!(new_word_share("ok", &known), None);
        assert_eq!(new_word_share("order", &HashSet::new()), Some(1.0));
    }
}
