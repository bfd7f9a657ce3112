//! Splits text into words as BERT's uncased tokenizer does, and the words into the pieces of a vocabulary and n-grams.

use std::sync::Mutex;

use ahash::AHashMap;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::tokenizer::{Model, NormalizedString, Normalizer, PreTokenizedString, PreTokenizer};
use tokenizers::{OffsetReferential, OffsetType};

use super::ngrams::{WordNgrams, fold_ngrams};
use crate::core::domain::Failure;

/// The number of words that a thread caches before it clears its cache: a few megabytes.
const REMEMBERED: usize = 50_000;

/// The features of words seen before.
type Cache = AHashMap<Box<str>, Word>;

/// The features of a word.
pub(super) struct Word {
    /// Its pieces.
    pub pieces: Box<[u32]>,
    /// Its hashed n-grams, if they are wanted.
    pub ngrams: Option<WordNgrams>,
}

/// Splits text into word pieces with the BERT normaliser, pre-tokenizer and WordPiece model of `tokenizers`. Words are
/// cached, and plain ASCII takes a faster path to the same words.
pub(super) struct WordPieces {
    model: WordPiece,
    normalizer: BertNormalizer,
    unknown: u32,
    keep_unknown: bool,
    /// Number of slots for n-grams.
    slots: usize,
    /// Caches not in use; a thread takes one for a batch and returns it.
    caches: Mutex<Vec<Cache>>,
}

impl WordPieces {
    /// Uses a vocabulary in which piece `n` has the id `n` and which contains `[UNK]`, with n-grams in `slots` slots.
    /// Unknown pieces are left out.
    pub fn new<'v>(vocabulary: impl Iterator<Item = &'v str>, slots: usize) -> Result<Self, Failure> {
        Self::build(vocabulary, slots, false)
    }

    /// Uses a vocabulary without n-grams. Every word without known pieces becomes `[UNK]`.
    pub fn with_unknown<'v>(vocabulary: impl Iterator<Item = &'v str>) -> Result<Self, Failure> {
        Self::build(vocabulary, 0, true)
    }

    fn build<'v>(vocabulary: impl Iterator<Item = &'v str>, slots: usize, keep_unknown: bool) -> Result<Self, Failure> {
        let vocabulary: AHashMap<String, u32> =
            vocabulary.enumerate().map(|(id, piece)| (piece.to_owned(), id as u32)).collect();
        let unusable = || Failure::other("cannot use the vocabulary of an embedding model in this binary");
        let unknown = *vocabulary.get("[UNK]").ok_or_else(unusable)?;
        let model = WordPiece::builder().vocab(vocabulary).build().map_err(|error| unusable().caused_by(error))?;
        let normalizer = BertNormalizer::new(true, true, None, true);
        Ok(Self { model, normalizer, unknown, keep_unknown, slots, caches: Mutex::default() })
    }

    /// A worker for a batch of texts.
    pub fn worker(&self) -> Worker<'_> {
        let mut caches = self.caches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cache = caches.pop().unwrap_or_default();
        Worker { pieces: self, cache, word: String::new() }
    }

    /// The id of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.model.token_to_id(piece)
    }

    /// Whether this is the id of `[UNK]`, the unknown token.
    pub fn is_unknown(&self, id: u32) -> bool {
        id == self.unknown
    }

    fn cut(&self, word: &str) -> Box<[u32]> {
        // WordPiece itself never fails.
        let tokens = self.model.tokenize(word).unwrap_or_default();
        tokens.into_iter().map(|token| token.id).filter(|id| self.keep_unknown || !self.is_unknown(*id)).collect()
    }
}

/// The state of one thread while it processes a batch.
pub(super) struct Worker<'p> {
    pieces: &'p WordPieces,
    cache: Cache,
    word: String,
}

impl Worker<'_> {
    /// Appends the pieces of `text` to `ids`.
    pub fn pieces(&mut self, text: &str, ids: &mut Vec<u32>) {
        self.features(text, ids, &mut []);
    }

    /// Appends the pieces of `text` to `ids`, and adds its n-grams to `slots`, if there are any.
    pub fn features(&mut self, text: &str, ids: &mut Vec<u32>, slots: &mut [f32]) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
        if text.bytes().all(is_plain) {
            self.plain(text, ids, slots);
        } else {
            self.unicode(text, ids);
            if !slots.is_empty() {
                fold_ngrams(text, slots);
            }
        }
    }

    /// Does what the normaliser and the pre-tokenizer do with ASCII without control characters: whitespace and
    /// punctuation end a word, punctuation is a separate word, letters are lower-cased. The n-grams are of the same
    /// words.
    fn plain(&mut self, text: &str, ids: &mut Vec<u32>, slots: &mut [f32]) {
        let mut word = std::mem::take(&mut self.word);
        let mut previous = None;
        let mut rest = text.as_bytes();
        while let Some(first) = rest.first() {
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count().max(1);
            let (own, others) = rest.split_at(length);
            rest = others;
            if first.is_ascii_whitespace() {
                continue;
            }
            word.clear();
            word.extend(own.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            let found = self.word(&word);
            ids.extend_from_slice(&found.pieces);
            if let Some(ngrams) = found.ngrams.as_ref().filter(|_| first.is_ascii_alphanumeric()) {
                ngrams.add_to(&mut previous, slots);
            }
        }
        self.word = word;
    }

    fn unicode(&mut self, text: &str, ids: &mut Vec<u32>) {
        let mut normalized = NormalizedString::from(text);
        let mut words = match self.pieces.normalizer.normalize(&mut normalized) {
            Ok(()) => PreTokenizedString::from(normalized),
            Err(_) => return,
        };
        if BertPreTokenizer.pre_tokenize(&mut words).is_err() {
            return;
        }
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            ids.extend_from_slice(&self.word(word).pieces);
        }
    }

    fn word(&mut self, word: &str) -> &Word {
        if !self.cache.contains_key(word) {
            if self.cache.len() >= REMEMBERED {
                self.cache.clear();
            }
            let slots = self.pieces.slots;
            let ngrams = (slots > 0).then(|| WordNgrams::of(word, slots));
            let known = Word { pieces: self.pieces.cut(word), ngrams };
            self.cache.insert(word.into(), known);
        }
        &self.cache[word]
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let mut caches = self.pieces.caches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        caches.push(std::mem::take(&mut self.cache));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Tokenizer;

    use super::*;

    const VOCABULARY: [&str; 22] = [
        "[UNK]", "a", "b", "c", "##a", "##b", "##c", "ab", "##bc", "abc", ".", ",", "'", "-", "é", "e", "##e", "中",
        "1", "##1", "!", "$",
    ];

    fn pieces(text: &str) -> Vec<u32> {
        let words = WordPieces::new(VOCABULARY.into_iter(), 8).unwrap();
        let mut ids = Vec::new();
        words.worker().features(text, &mut ids, &mut [0.0; 8]);
        ids
    }

    /// BERT's tokenizer, assembled from the tokenizers crate.
    fn reference(text: &str) -> Vec<u32> {
        let vocabulary: ahash::AHashMap<String, u32> =
            VOCABULARY.iter().enumerate().map(|(id, piece)| ((*piece).to_owned(), id as u32)).collect();
        let mut tokenizer = Tokenizer::new(WordPiece::builder().vocab(vocabulary).build().unwrap());
        tokenizer
            .with_normalizer(Some(BertNormalizer::new(true, true, None, true)))
            .unwrap()
            .with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer.encode(text, false).unwrap().get_ids().iter().copied().filter(|id| *id != 0).collect()
    }

    #[test]
    fn a_word_is_split_into_its_longest_pieces_and_unknown_ones_are_left_out() {
        assert_eq!(pieces("ABC abbc zz abz."), [9, 7, 8, 10]);
        assert_eq!(pieces("É中a"), [15, 17, 1]);
        assert!(pieces("").is_empty() && pieces("🙂 \u{0}").is_empty());
    }

    proptest! {
        #[test]
        fn both_paths_match_the_tokenizers_crate(text in "[abcABCzé中🙂 .,'!$1\\-\\x00-\\x1f\\x7f\u{a0}\u{200b}]{0,40}") {
            prop_assert_eq!(pieces(&text), reference(&text));
        }

        #[test]
        fn ngrams_are_the_same_whether_words_are_cached_or_not(text in "[a-cA-C1' .,!\t-]{0,40}") {
            let words = WordPieces::new(VOCABULARY.into_iter(), 8).unwrap();
            let (mut found, mut expected) = ([0.0; 8], [0.0; 8]);
            words.worker().features(&text, &mut Vec::new(), &mut found);
            fold_ngrams(&text, &mut expected);
            prop_assert_eq!(found, expected);
        }
    }
}
