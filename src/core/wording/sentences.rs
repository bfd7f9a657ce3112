//! Sentences of a text, and the words of many texts.

use std::collections::BTreeMap;
use std::ops::Range;

use super::words::distinct;

/// Maximum number of sentences read from a message.
const MAX_SENTENCES: usize = 50;

/// The sentences of a text.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    spans(text).into_iter().map(|span| &text[span]).collect()
}

/// The places of the sentences of a text, in bytes: it is split after `.`, `!` or `?` followed by white space, and at
/// line breaks.
pub(super) fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let (mut start, mut ended) = (0, false);
    for (at, character) in text.char_indices() {
        let breaks = character == '\n' || (ended && character.is_whitespace());
        if breaks && spans.len() + 1 < MAX_SENTENCES {
            spans.push(start..at);
            start = at;
        }
        ended = matches!(character, '.' | '!' | '?');
    }
    spans.push(start..text.len());
    let trimmed = |span: Range<usize>| {
        let sentence = &text[span.clone()];
        span.end - sentence.trim_start().len()..span.start + sentence.trim_end().len()
    };
    let says_something = |span: &Range<usize>| text[span.clone()].chars().any(char::is_alphanumeric);
    spans.into_iter().filter(says_something).map(trimmed).collect()
}

/// Whether a text has more than one sentence.
pub fn several_sentences(text: &str) -> bool {
    sentences(text).len() > 1
}

/// Shares of texts that contain each word.
pub(super) struct WordShares {
    counts: BTreeMap<String, usize>,
    texts: usize,
}

impl WordShares {
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut shares = Self { counts: BTreeMap::new(), texts: 0 };
        for text in texts {
            shares.texts += 1;
            distinct(text).into_iter().for_each(|word| *shares.counts.entry(word).or_insert(0) += 1);
        }
        shares
    }

    pub fn count(&self, word: &str) -> usize {
        self.counts.get(word).copied().unwrap_or(0)
    }

    pub fn share(&self, word: &str) -> f64 {
        self.count(word) as f64 / self.texts.max(1) as f64
    }

    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// Words with the number of texts that contain them, sorted by word.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts.iter().map(|(word, count)| (word.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_into_sentences() {
        let cases: [(&str, &[&str]); 6] = [
            ("one request", &["one request"]),
            ("Hello there. Where is it? Thanks", &["Hello there.", "Where is it?", "Thanks"]),
            ("version 1.2 of a.b", &["version 1.2 of a.b"]),
            ("Dear team\n\nwhere is it", &["Dear team", "where is it"]),
            ("!!! ...", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(sentences(text), expected, "{text}");
        }
        assert_eq!(sentences(&"so. ".repeat(500)).len(), MAX_SENTENCES);
    }
}
