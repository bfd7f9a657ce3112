//! Words of a text, with their places.

use std::ops::Range;

/// Maximum number of words read from a text, so that pasted documents do not dominate.
const MAX_WORDS: usize = 200;

/// A word and its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// The word in lower case.
    pub word: String,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
}

/// The first 200 words of a text: runs of letters and digits, with apostrophes inside.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let inside = character.is_alphanumeric() || {
            let apostrophe = start.is_some() && matches!(character, '\'' | '\u{2019}');
            apostrophe && characters.peek().is_some_and(|(_, next)| next.is_alphanumeric())
        };
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(word(text, from..at));
                start = None;
            }
            _ => {}
        }
        if words.len() == MAX_WORDS {
            return words;
        }
    }
    words.extend(start.map(|from| word(text, from..text.len())));
    words
}

fn word(text: &str, bytes: Range<usize>) -> Word {
    Word { word: text[bytes.clone()].to_lowercase(), bytes }
}

/// The distinct words of a text.
pub(super) fn distinct(text: &str) -> Vec<String> {
    let mut words: Vec<String> = words(text).into_iter().map(|word| word.word).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_with_their_places() {
        let text = "Hey, I can't log-in (2FA)! Où?";
        let found = words(text);
        let listed: Vec<&str> = found.iter().map(|word| word.word.as_str()).collect();
        assert_eq!(listed, ["hey", "i", "can't", "log", "in", "2fa", "où"]);
        assert!(found.iter().all(|word| text[word.bytes.clone()].to_lowercase() == word.word));
        assert!(words("").is_empty() && words("' … 🙂").is_empty());
        assert_eq!(words(&"a ".repeat(1_000)).len(), MAX_WORDS);
    }
}
