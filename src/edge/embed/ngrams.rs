//! Words and character n-grams, hashed with a sign into a fixed number of components (Weinberger et al. 2009, "Feature
//! hashing"). Deterministic, for any language, without a model file; it compares spelling, not meaning.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::core::domain::{Embedder, EmbeddingSpace, Failure};

const DIM: usize = 1024;

/// Hashed word unigrams, word bigrams, and character 3- to 5-grams within words.
#[derive(Debug, Default, Clone, Copy)]
pub struct HashedNgrams;

impl Embedder for HashedNgrams {
    fn description(&self) -> &EmbeddingSpace {
        static SPACE: LazyLock<EmbeddingSpace> = LazyLock::new(|| {
            // Increase the version with any change to the code below that changes vectors.
            let parts = [("version", "1"), ("dimension", "1024"), ("normalisation", "unit")];
            let parts: BTreeMap<_, _> =
                parts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            EmbeddingSpace::new("hashed-ngrams", parts)
        });
        &SPACE
    }

    fn dim(&self) -> usize {
        DIM
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        use rayon::prelude::*;
        Ok(texts.par_iter().with_min_len(64).map(|text| embed_text(text)).collect())
    }
}

/// The number of characters of a text that are used; the rest of a longer one is ignored.
const MAX_CHARS: usize = 20_000;

fn embed_text(text: &str) -> Vec<f32> {
    let folded: String = text.chars().take(MAX_CHARS).nfkc().flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut counts = std::collections::BTreeMap::new();
    let mut add = |kind: u8, feature: &str, weight: f32| {
        let hash = blake3::hash(&[&[kind], feature.as_bytes()].concat());
        let bytes = hash.as_bytes();
        let slot = usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % DIM;
        let sign = if bytes[2] & 1 == 0 { 1.0 } else { -1.0 };
        let entry = counts.entry((slot, feature.to_owned(), kind)).or_insert((0.0_f32, sign, weight));
        entry.0 += 1.0;
    };
    for (index, word) in words.iter().enumerate() {
        let weight = word_weight(word);
        add(b'w', word, 2.0 * weight);
        if let Some(next) = words.get(index + 1) {
            add(b'b', &format!("{word} {next}"), 0.7 * weight.max(word_weight(next)));
        }
        character_ngrams(word, |ngram| add(b'c', ngram, 0.6 * weight));
    }
    let mut vector = vec![0.0; DIM];
    for ((slot, _, _), (count, sign, weight)) in counts {
        // Logarithmic counts: a word said five times is not five times the topic.
        vector[slot] += sign * weight * (1.0 + count.ln());
    }
    vector
}

/// Adds the hashed words, word pairs and character n-grams of a text to `slots`, with the faster hash of the built-in
/// space (FNV-1a). Changing this function changes that space, which then needs a new value of its `ngrams` part.
pub(super) fn fold_ngrams(text: &str, slots: &mut [f32]) {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.nfkc().flat_map(char::to_lowercase));
    }
    let mut previous = None;
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        WordNgrams::of(word, slots.len()).add_to(&mut previous, slots);
    }
}

/// The hashed features of a folded word: the word itself and its character n-grams.
pub(super) struct WordNgrams {
    hash: u64,
    weight: f32,
    features: Box<[(u32, f32)]>,
}

impl WordNgrams {
    /// Hashes a word into `slots` slots.
    pub fn of(word: &str, slots: usize) -> Self {
        let weight = word_weight(word);
        let hash = fnv(SEED ^ u64::from(b'w'), word.as_bytes());
        let mut features = vec![slot(mixed(hash), 2.0 * weight, slots)];
        bounded_ngrams(word, |ngram| {
            features.push(slot(mixed(fnv(SEED ^ u64::from(b'c'), ngram)), 0.6 * weight, slots));
        });
        Self { hash, weight, features: features.into() }
    }

    /// Adds the word and its pair with the previous word.
    pub fn add_to(&self, previous: &mut Option<(u64, f32)>, slots: &mut [f32]) {
        if let Some((before, its_weight)) = *previous {
            let pair = mixed(fnv(before, &self.hash.to_le_bytes()));
            let (slot, weight) = slot(pair, 0.7 * self.weight.max(its_weight), slots.len());
            slots[slot as usize] += weight;
        }
        *previous = Some((self.hash, self.weight));
        for (slot, weight) in &self.features {
            slots[*slot as usize] += weight;
        }
    }
}

/// The slot of a hash, and its weight with the hash's sign.
fn slot(hash: u64, weight: f32, slots: usize) -> (u32, f32) {
    (((hash >> 8) % slots as u64) as u32, if hash & 1 == 0 { weight } else { -weight })
}

/// Calls `each` with the UTF-8 bytes of every 3- to 5-gram in the first 64 characters of a word, with `<` and `>` added
/// at its ends.
fn bounded_ngrams(word: &str, mut each: impl FnMut(&[u8])) {
    let mut bytes = Vec::with_capacity(word.len() + 2);
    bytes.push(b'<');
    let end = word.char_indices().nth(64).map_or(word.len(), |(at, _)| at);
    bytes.extend_from_slice(&word.as_bytes()[..end]);
    bytes.push(b'>');
    let is_start = |at: &usize| bytes[*at] & 0xC0 != 0x80;
    let starts: Vec<usize> = (0..bytes.len()).filter(is_start).chain([bytes.len()]).collect();
    for n in 3..=5 {
        for window in starts.windows(n + 1) {
            each(&bytes[window[0]..window[n]]);
        }
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of MurmurHash3; FNV's low bits alone are not distributed well enough for slot and sign.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

fn character_ngrams(word: &str, mut add: impl FnMut(&str)) {
    let bounded: Vec<char> = std::iter::once('<').chain(word.chars().take(64)).chain(std::iter::once('>')).collect();
    for n in 3..=5 {
        for window in bounded.windows(n) {
            add(&window.iter().collect::<String>());
        }
    }
}

/// The weight of a word; function words say little about the topic of a request.
fn word_weight(word: &str) -> f32 {
    if FUNCTION_WORDS.binary_search(&word).is_ok() { 0.15 } else { 1.0 }
}

/// English function words and common filler words of requests, sorted.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "but", "by", "can", "cannot", "could", "d", "did", "do", "does", "doesn", "doing", "don", "for", "from",
    "get", "give", "go", "got", "had", "has", "have", "hello", "help", "here", "hey", "hi", "how", "i", "if", "in",
    "into", "is", "isn", "it", "its", "just", "know", "let", "like", "ll", "m", "may", "me", "might", "more", "my",
    "need", "no", "not", "now", "of", "on", "one", "or", "our", "out", "please", "re", "really", "s", "should", "so",
    "some", "still", "t", "tell", "than", "thank", "thanks", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "to", "too", "up", "us", "ve", "very", "want", "was", "we", "were", "what", "when", "where",
    "which", "who", "why", "will", "with", "would", "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::vector::{Vectors, dot};

    fn similarity(a: &str, b: &str) -> f32 {
        let mut vectors = Vectors::new(DIM);
        HashedNgrams.embed(&[a, b]).unwrap().iter().for_each(|vector| vectors.push(vector));
        dot(vectors.row(0), vectors.row(1))
    }

    #[test]
    fn function_words_are_sorted_for_the_search() {
        assert!(FUNCTION_WORDS.is_sorted());
    }

    #[test]
    fn shared_words_are_nearer_than_shared_function_words() {
        let related = similarity("cancel my subscription", "I want the subscription cancelled");
        let unrelated = similarity("cancel my subscription", "what is my password");
        assert!(related > 0.3 && unrelated < 0.15, "{related} {unrelated}");
        assert!(similarity("cancel my subscription", "cancle my subscripton") > unrelated + 0.1);
    }

    #[test]
    fn texts_with_nothing_to_embed_give_a_zero_vector_and_long_ones_are_truncated() {
        for text in ["", "  \n", "🙂", "?!", "\u{0}\u{1b}"] {
            assert!(embed_text(text).iter().all(|component| *component == 0.0), "{text:?}");
        }
        assert!(embed_text(&"word ".repeat(300_000)).iter().any(|component| *component != 0.0));
    }

    #[test]
    fn vectors_do_not_change_between_versions() {
        let vector = embed_text("Where is my parcel?");
        let digest = blake3::hash(&vector.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(&digest.to_hex()[..16], "73fd2c2f426f5fb9");
    }
}
