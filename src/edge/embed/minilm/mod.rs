//! The embedder `minilm`: the sentence transformer all-MiniLM-L6-v2 with 8-bit weights, in this binary and in pure Rust.

mod encoder;
mod kernel;
mod math;
mod weights;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use rayon::prelude::*;

use self::encoder::{Scratch, encode};
#[cfg(target_arch = "x86_64")]
use self::kernel::Avx512;
use self::kernel::Portable;
use self::weights::{Asset, Model};
use super::packed::unpacked;
use crate::core::domain::{Embedder, EmbeddingSpace, Failure};

/// The model; `tools/space/minilm.py` writes it and documents its format.
static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked(include_bytes!(concat!(env!("OUT_DIR"), "/minilm.bin"))));

/// The number of bytes of a text that are used; of a longer one, they contain more tokens than are used, unless its
/// words are extremely long.
const MAX_BYTES: usize = 20_000;

/// Number of texts that a thread tokenises at a time.
const CHUNK: usize = 256;

/// Number of tokens that pass through the layers together, unless a single text has more: enough for the weights, which
/// are read once per batch, few enough for the second level of cache.
const BATCH_TOKENS: usize = 126;

/// The embedder.
pub struct Minilm {
    dim: usize,
    space: EmbeddingSpace,
}

impl Minilm {
    /// Creates the embedder. Its weights are unpacked when the first text is embedded, once per process.
    ///
    /// # Errors
    /// A failure if the model in this binary is damaged.
    pub fn new() -> Result<Self, Failure> {
        let sizes = Asset::read(&MODEL)?.sizes;
        let parts = [
            ("model", blake3::hash(&MODEL).to_hex()[..16].to_owned()),
            ("tokenizer", "bert-uncased word pieces".to_owned()),
            ("arithmetic", "int8 weights, 16-bit activations".to_owned()),
            ("pooling", "mean".to_owned()),
            ("normalisation", "unit".to_owned()),
            ("truncation", format!("{} tokens, {MAX_BYTES} bytes", sizes.positions)),
            ("dimension", sizes.dim.to_string()),
        ];
        let parts: BTreeMap<_, _> = parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { dim: sizes.dim, space: EmbeddingSpace::new("minilm", parts) })
    }

    fn model() -> Result<&'static Model, Failure> {
        static OPENED: OnceLock<Result<Model, String>> = OnceLock::new();
        let open = || Asset::read(&MODEL)?.prepare();
        let model = OPENED.get_or_init(|| open().map_err(|failure: Failure| failure.message));
        model.as_ref().map_err(|message| Failure::other(message.clone()))
    }
}

impl Embedder for Minilm {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        Ok(Self::model()?.embed(texts))
    }
}

impl Model {
    /// The vectors of texts; all zeros for a text without a known piece, since such texts would all resemble each other.
    fn embed(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let tokens: Vec<Vec<u32>> = texts.par_chunks(CHUNK).flat_map_iter(|texts| self.tokens(texts)).collect();
        let batch = |scratch: &mut Scratch, batch: Range<usize>| self.encode(&tokens[batch], scratch);
        let found: Vec<_> = batches(&tokens).into_par_iter().map_init(Scratch::default, batch).collect();
        found.into_iter().flatten().collect()
    }

    fn encode(&self, texts: &[Vec<u32>], scratch: &mut Scratch) -> Vec<Vec<f32>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = Avx512::try_new() {
            return encode(processor, self, texts, scratch);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = pulp::x86::V3::try_new() {
            return encode(processor, self, texts, scratch);
        }
        encode(Portable, self, texts, scratch)
    }

    /// The ids of the tokens of texts, none for a text without a known piece.
    fn tokens(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        let mut worker = self.pieces.worker();
        let [first, last] = self.ends;
        let tokens = |text: &&str| {
            let mut ids = vec![first];
            worker.pieces(&text[..text.floor_char_boundary(MAX_BYTES)], &mut ids);
            ids.truncate(self.sizes.positions - 1);
            if ids[1..].iter().all(|id| self.pieces.is_unknown(*id)) {
                return Vec::new();
            }
            ids.push(last);
            ids
        };
        texts.iter().map(tokens).collect()
    }
}

/// Splits texts into batches of at most [`BATCH_TOKENS`] tokens, and at least one text.
fn batches(texts: &[Vec<u32>]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        if at > start && tokens + text.len() > BATCH_TOKENS {
            batches.push(start..at);
            (start, tokens) = (at, 0);
        }
        tokens += text.len();
    }
    if start < texts.len() {
        batches.push(start..texts.len());
    }
    batches
}

#[cfg(test)]
mod tests;
