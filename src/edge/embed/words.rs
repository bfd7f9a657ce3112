//! The words of a text as BERT's uncased tokenizer sees them, cut into the pieces of a vocabulary.

use std::collections::HashMap;
use std::sync::Mutex;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::tokenizer::{Model, NormalizedString, Normalizer, PreTokenizedString, PreTokenizer};
use tokenizers::{OffsetReferential, OffsetType};

use crate::core::domain::Failure;

/// Words remembered by one thread before it begins anew: a few megabytes.
const REMEMBERED: usize = 50_000;

/// Pieces of words seen before.
type Cache = HashMap<Box<str>, Box<[u32]>>;

/// Cuts text into word pieces: `tokenizers`' BERT normaliser, pre-tokenizer and WordPiece, where every word is cut
/// once and then remembered, and plain ASCII takes a shorter way to the same words.
pub(super) struct WordPieces {
    model: WordPiece,
    normalizer: BertNormalizer,
    unknown: u32,
    /// Caches not in use; a thread takes one for a batch and puts it back.
    caches: Mutex<Vec<Cache>>,
}

impl WordPieces {
    /// Of a vocabulary whose piece `n` has the number `n`; it must hold `[UNK]`.
    pub fn new<'v>(vocabulary: impl Iterator<Item = &'v str>) -> Result<Self, Failure> {
        let vocabulary: HashMap<String, u32> =
            vocabulary.enumerate().map(|(id, piece)| (piece.to_owned(), id as u32)).collect();
        let unusable = || Failure::other("the vocabulary of the built-in space cannot be used");
        let unknown = *vocabulary.get("[UNK]").ok_or_else(unusable)?;
        let pairs: Vec<_> = vocabulary.into_iter().collect();
        let model = WordPiece::builder()
            .vocab(pairs.into_iter().collect::<ahash::AHashMap<_, _>>())
            .build()
            .map_err(|error| unusable().caused_by(error))?;
        let normalizer = BertNormalizer::new(true, true, None, true);
        Ok(Self { model, normalizer, unknown, caches: Mutex::default() })
    }

    /// A worker for a batch of texts.
    pub fn worker(&self) -> Worker<'_> {
        let mut caches = self.caches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cache = caches.pop().unwrap_or_default();
        Worker { pieces: self, cache, word: String::new() }
    }

    fn cut(&self, word: &str) -> Box<[u32]> {
        // WordPiece itself never fails; a piece it does not know is [UNK], which stands for nothing.
        let tokens = self.model.tokenize(word).unwrap_or_default();
        tokens.into_iter().map(|token| token.id).filter(|id| *id != self.unknown).collect()
    }
}

/// One thread's way through a batch.
pub(super) struct Worker<'p> {
    pieces: &'p WordPieces,
    cache: Cache,
    word: String,
}

impl Worker<'_> {
    /// Appends the pieces of `text` to `ids`, unknown ones left out.
    pub fn pieces(&mut self, text: &str, ids: &mut Vec<u32>) {
        if text.is_ascii() {
            self.ascii(text, ids);
        } else {
            self.unicode(text, ids);
        }
    }

    /// What the normaliser and the pre-tokenizer come to on ASCII: control characters go, white space and punctuation
    /// end a word, punctuation is a word of its own, letters are lower-cased.
    fn ascii(&mut self, text: &str, ids: &mut Vec<u32>) {
        let mut word = std::mem::take(&mut self.word);
        word.clear();
        for byte in text.bytes() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.take(&mut word, ids),
                0..=31 | 127 => {}
                _ if byte.is_ascii_punctuation() => {
                    self.take(&mut word, ids);
                    word.push(char::from(byte));
                    self.take(&mut word, ids);
                }
                _ => word.push(char::from(byte.to_ascii_lowercase())),
            }
        }
        self.take(&mut word, ids);
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
            self.word(word, ids);
        }
    }

    fn take(&mut self, word: &mut String, ids: &mut Vec<u32>) {
        if !word.is_empty() {
            self.word(word, ids);
            word.clear();
        }
    }

    fn word(&mut self, word: &str, ids: &mut Vec<u32>) {
        if let Some(pieces) = self.cache.get(word) {
            ids.extend_from_slice(pieces);
            return;
        }
        let pieces = self.pieces.cut(word);
        ids.extend_from_slice(&pieces);
        if self.cache.len() >= REMEMBERED {
            self.cache.clear();
        }
        self.cache.insert(word.into(), pieces);
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
        "[UNK]", "a", "b", "c", "##a", "##b", "##c", "ab", "##bc", "abc", ".", ",", "'", "-", "é", "e", "##e", "中", "1",
        "##1", "!", "$",
    ];

    fn pieces(text: &str) -> Vec<u32> {
        let words = WordPieces::new(VOCABULARY.into_iter()).unwrap();
        let mut ids = Vec::new();
        words.worker().pieces(text, &mut ids);
        ids
    }

    /// The tokenizers crate put together as BERT's own tokenizer is.
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
    fn a_word_is_cut_into_its_longest_pieces_and_unknown_ones_are_left_out() {
        assert_eq!(pieces("ABC abbc zz abz."), [9, 7, 8, 10]);
        assert_eq!(pieces("É中a"), [15, 17, 1]);
        assert!(pieces("").is_empty() && pieces("🙂 \u{0}").is_empty());
    }

    proptest! {
        #[test]
        fn both_ways_give_what_the_tokenizers_crate_gives(text in "[abcABCzé中🙂 .,'!$1\\-\\x00-\\x1f\\x7f\u{a0}\u{200b}]{0,40}") {
            prop_assert_eq!(pieces(&text), reference(&text));
        }
    }
}
