//! Sentences of a message, and the one that contains the request.

use std::collections::BTreeMap;

use super::words::distinct;

/// Maximum number of sentences read from a message.
const MAX_SENTENCES: usize = 50;

/// The sentences of a text: it is split after `.`, `!` or `?` followed by white space, and at line breaks.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let (mut start, mut ended) = (0, false);
    for (at, character) in text.char_indices() {
        let breaks = character == '\n' || (ended && character.is_whitespace());
        if breaks && sentences.len() + 1 < MAX_SENTENCES {
            sentences.push(text[start..at].trim());
            start = at;
        }
        ended = matches!(character, '.' | '!' | '?');
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    sentences
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

/// The sentence that is most like the examples: with the most of their rarer words per word. Words that are more
/// frequent in traffic than in the examples count less, since they belong to the wording.
pub(super) fn core_of(sentences: &[&str], examples: &WordShares, traffic: &WordShares) -> usize {
    let score = |sentence: &str| {
        let words = distinct(sentence);
        let worth = |word: &String| {
            let (count, share) = (examples.count(word), examples.share(word));
            let rarity = ((examples.texts + 1) as f64 / (count as f64 + 0.5)).ln();
            if count == 0 { 0.0 } else { rarity * (share / traffic.share(word).max(1e-9)).min(1.0) }
        };
        words.iter().map(worth).sum::<f64>() / words.len().max(4) as f64
    };
    let scores: Vec<f64> = sentences.iter().map(|sentence| score(sentence)).collect();
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a))).unwrap_or(0)
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

    #[test]
    fn the_core_is_the_sentence_with_the_words_of_the_examples() {
        let examples = ["cancel my order", "where is my parcel", "change the address"];
        let messages =
            ["I hope you are well. where is my parcel", "We moved. I am on my phone. cancel my order please"];
        let shares = (WordShares::new(examples.into_iter()), WordShares::new(messages.into_iter()));
        let core = |text| sentences(text)[core_of(&sentences(text), &shares.0, &shares.1)];
        assert_eq!(messages.map(core), ["where is my parcel", "cancel my order please"]);
        assert_eq!(core_of(&[], &shares.0, &shares.1), 0);
    }
}
