//! The built-in embedding space: a table of word-piece and word-pair vectors fitted to the sentence vectors of a
//! transformer (`tools/space/`), combined with hashed n-grams, which cover words that are not in the table.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use rayon::prelude::*;

use super::packed::unpacked;
use super::words::{WordPieces, Worker};
use crate::core::domain::{Embedder, EmbeddingSpace, Failure};

/// The table; `tools/space/fit.py` writes it and documents its format.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked(include_bytes!(concat!(env!("OUT_DIR"), "/space.bin"))));

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"karatsp1";

/// The number of bytes of a text that are used; the rest of a longer one is ignored.
const MAX_BYTES: usize = 20_000;

/// Number of texts that a thread processes at a time.
const CHUNK: usize = 256;

/// The parsed table.
struct Table {
    dim: usize,
    ngram_dim: usize,
    ngram_weight: f32,
    words: WordPieces,
    pairs: u32,
    first_pair: usize,
    /// One scale per row, little-endian `f32`.
    scales: &'static [[u8; 4]],
    rows: &'static [u8],
}

/// The built-in embedder.
pub struct Builtin {
    table: &'static Table,
    space: EmbeddingSpace,
}

impl Builtin {
    /// Creates the built-in embedder; the table is parsed once per process, in a few milliseconds.
    ///
    /// # Errors
    /// A failure if the table in this binary is damaged.
    pub fn new() -> Result<Self, Failure> {
        static OPENED: OnceLock<Result<Table, String>> = OnceLock::new();
        let table = OPENED.get_or_init(|| Table::read(&TABLE).map_err(|failure| failure.message));
        let table = table.as_ref().map_err(|message| Failure::other(message.clone()))?;
        let parts = [
            ("table", blake3::hash(&TABLE).to_hex()[..16].to_owned()),
            ("tokenizer", "bert-uncased word pieces".to_owned()),
            ("pooling", "sum of pieces and pairs".to_owned()),
            ("ngrams", format!("{} × {}", table.ngram_dim, table.ngram_weight)),
            ("normalisation", "unit".to_owned()),
            ("truncation", format!("{MAX_BYTES} bytes")),
            ("dimension", table.width().to_string()),
        ];
        let parts: BTreeMap<_, _> = parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { table, space: EmbeddingSpace::new("builtin", parts) })
    }
}

impl Embedder for Builtin {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.table.width()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let chunk = |texts: &[&str]| -> Vec<Vec<f32>> {
            let mut worker = self.table.words.worker();
            let mut ids = Vec::new();
            texts.iter().map(|text| self.table.embed(text, &mut worker, &mut ids)).collect()
        };
        Ok(texts.par_chunks(CHUNK).flat_map_iter(chunk).collect())
    }
}

impl Table {
    fn read(bytes: &'static [u8]) -> Result<Self, Failure> {
        let damaged = || Failure::other("the table of the built-in embedding space is damaged; reinstall karat");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (head, rest) = rest.split_at_checked(24).ok_or_else(damaged)?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (dim, tokens, pairs) = (number(0) as usize, number(4) as usize, number(8));
        let (ngram_dim, ngram_weight) = (number(12) as usize, f32::from_bits(number(16)));
        let (vocabulary, rest) = rest.split_at_checked(number(20) as usize).ok_or_else(damaged)?;
        let count = tokens + pairs as usize;
        let (scales, rows) = rest.split_at_checked(4 * count).ok_or_else(damaged)?;
        let vocabulary = std::str::from_utf8(vocabulary).map_err(|error| damaged().caused_by(error))?;
        let words = WordPieces::new(vocabulary.lines(), ngram_dim)?;
        if rows.len() != count * dim || vocabulary.lines().count() != tokens {
            return Err(damaged());
        }
        let scales = scales.as_chunks::<4>().0;
        Ok(Self { dim, ngram_dim, ngram_weight, words, pairs, first_pair: tokens, scales, rows })
    }

    fn width(&self) -> usize {
        self.dim + self.ngram_dim
    }

    /// Scales both parts to unit length and then weights the n-grams; all zeros if a text has neither.
    fn embed(&self, text: &str, worker: &mut Worker<'_>, ids: &mut Vec<u32>) -> Vec<f32> {
        let text = cut(text);
        let mut vector = vec![0.0; self.width()];
        let (learned, ngrams) = vector.split_at_mut(self.dim);
        ids.clear();
        worker.features(text, ids, ngrams);
        for at in 1..ids.len() {
            let row = self.first_pair + pair_row(ids[at - 1], ids[at], self.pairs);
            ids.push(row as u32);
        }
        // Uses the widest vector registers of the machine; sums are computed in the same order on all machines.
        pulp::Arch::new().dispatch(|| {
            ids.iter().for_each(|row| self.add(*row as usize, learned));
            scale_to(learned, 1.0);
            scale_to(ngrams, self.ngram_weight);
        });
        vector
    }

    #[inline(always)]
    fn add(&self, row: usize, sum: &mut [f32]) {
        let scale = f32::from_le_bytes(self.scales[row]);
        for (sum, component) in sum.iter_mut().zip(&self.rows[row * self.dim..(row + 1) * self.dim]) {
            *sum += scale * f32::from(component.cast_signed());
        }
    }
}

/// The row of a pair of neighbouring pieces, out of `pairs` rows; `tools/space/fit.py` uses the same arithmetic.
fn pair_row(first: u32, second: u32, pairs: u32) -> usize {
    let hash = first.wrapping_mul(0x9E37_79B1) ^ second.wrapping_mul(0x85EB_CA77);
    ((hash ^ (hash >> 15)) % pairs) as usize
}

/// The beginning of a text, at most [`MAX_BYTES`] bytes long.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

#[inline(always)]
fn scale_to(part: &mut [f32], length: f32) {
    // Eight parallel sums; a single one would wait for every addition.
    let mut lanes = [0.0_f32; 8];
    for chunk in part.chunks(8) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, component)| *lane += component * component);
    }
    let norm = lanes.iter().sum::<f32>().sqrt();
    if norm > 0.0 {
        let factor = length / norm;
        part.iter_mut().for_each(|component| *component *= factor);
    }
}
