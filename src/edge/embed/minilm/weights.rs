//! Reads `assets/minilm.bin`, which `tools/space/minilm.py` writes and documents, and prepares it for the encoder.

use rayon::prelude::*;

use super::super::words::WordPieces;
use super::kernel::Linear;
use crate::core::domain::Failure;

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"karatml1";

/// The sizes of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Number of word pieces.
    pub pieces: usize,
    /// Components of a token's vector.
    pub dim: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// Units of a layer's feed-forward part.
    pub units: usize,
    /// The maximum number of tokens of a text.
    pub positions: usize,
}

/// The parts of the file; the large ones are not copied out of it.
pub(super) struct Asset {
    pub sizes: Sizes,
    vocabulary: &'static str,
    words: Matrix,
    positions: Matrix,
    norm: Norm,
    layers: Vec<RawLayer>,
}

/// A matrix of 8-bit numbers with a scale per row.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    /// One little-endian `f32` per row.
    scales: &'static [[u8; 4]],
    rows: &'static [u8],
    columns: usize,
}

impl Matrix {
    /// A row's scale and components.
    #[inline(always)]
    pub fn row(&self, row: usize) -> (f32, &'static [u8]) {
        (f32::from_le_bytes(self.scales[row]), &self.rows[row * self.columns..(row + 1) * self.columns])
    }
}

/// The parameters of a layer normalisation.
pub(super) struct Norm {
    pub weights: Vec<f32>,
    pub biases: Vec<f32>,
}

struct RawLinear {
    matrix: Matrix,
    biases: Vec<f32>,
}

struct RawLayer {
    attention: [RawLinear; 2],
    attention_norm: Norm,
    forward: [RawLinear; 2],
    forward_norm: Norm,
}

/// One layer of the encoder.
pub(super) struct Layer {
    /// Query, key and value, one after the other.
    pub heads: Linear,
    /// From the heads back to a token's vector.
    pub mixed: Linear,
    pub attention_norm: Norm,
    pub inner: Linear,
    pub outer: Linear,
    pub forward_norm: Norm,
}

/// The model, prepared for use.
pub(super) struct Model {
    pub sizes: Sizes,
    pub pieces: WordPieces,
    /// The ids of `[CLS]` and `[SEP]`, which begin and end every text.
    pub ends: [u32; 2],
    pub words: Matrix,
    pub positions: Matrix,
    pub norm: Norm,
    pub layers: Vec<Layer>,
}

impl Asset {
    /// Finds the parts of the file.
    ///
    /// # Errors
    /// A failure if the file is damaged.
    pub fn read(bytes: &'static [u8]) -> Result<Self, Failure> {
        Self::parts(bytes).ok_or_else(damaged)
    }

    fn parts(bytes: &'static [u8]) -> Option<Self> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
        let vocabulary = rest.number()?;
        let [pieces, dim, layers, heads] = [rest.number()?, rest.number()?, rest.number()?, rest.number()?];
        let sizes = Sizes { pieces, dim, layers, heads, units: rest.number()?, positions: rest.number()? };
        let vocabulary = std::str::from_utf8(rest.bytes(vocabulary)?).ok()?;
        if !sizes.fit() || vocabulary.lines().count() != pieces {
            return None;
        }
        let (words, positions) = (rest.matrix(pieces, dim)?, rest.matrix(sizes.positions, dim)?);
        let norm = rest.norm(dim)?;
        let layers = (0..layers).map(|_| rest.layer(&sizes)).collect::<Option<_>>()?;
        rest.0.is_empty().then_some(Self { sizes, vocabulary, words, positions, norm, layers })
    }

    /// Prepares the model: unpacks the weights, and indexes the vocabulary.
    ///
    /// # Errors
    /// A failure if the vocabulary lacks a piece that every text needs.
    pub fn prepare(self) -> Result<Model, Failure> {
        let Self { sizes, vocabulary, words, positions, norm, layers } = self;
        let linear = |raw: RawLinear| Linear::new(raw.biases, |row| raw.matrix.row(row));
        let layer = |raw: RawLayer| {
            let ([heads, mixed], [inner, outer]) = (raw.attention.map(linear), raw.forward.map(linear));
            Layer { heads, mixed, attention_norm: raw.attention_norm, inner, outer, forward_norm: raw.forward_norm }
        };
        let (pieces, layers) = rayon::join(
            || WordPieces::with_unknown(vocabulary.lines()),
            || layers.into_par_iter().map(layer).collect(),
        );
        let pieces = pieces?;
        let (Some(first), Some(last)) = (pieces.id("[CLS]"), pieces.id("[SEP]")) else { return Err(damaged()) };
        Ok(Model { sizes, pieces, ends: [first, last], words, positions, norm, layers })
    }
}

fn damaged() -> Failure {
    Failure::other("the embedding model minilm in this binary is damaged; reinstall karat")
}

impl Sizes {
    /// Whether the encoder can compute with these sizes.
    fn fit(&self) -> bool {
        let aligned = |size: usize| size > 0 && size.is_multiple_of(16);
        let heads = self.heads > 0 && self.dim.is_multiple_of(self.heads) && (self.dim / self.heads).is_multiple_of(8);
        aligned(self.dim) && aligned(self.units) && heads && self.positions >= 3
    }
}

/// What has not been read yet.
struct Rest(&'static [u8]);

impl Rest {
    fn bytes(&mut self, count: usize) -> Option<&'static [u8]> {
        let (own, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(own)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.bytes(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let bytes = self.bytes(count.checked_mul(4)?)?;
        Some(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Option<Matrix> {
        let scales = self.bytes(rows.checked_mul(4)?)?.as_chunks::<4>().0;
        Some(Matrix { scales, rows: self.bytes(rows.checked_mul(columns)?)?, columns })
    }

    fn norm(&mut self, dim: usize) -> Option<Norm> {
        Some(Norm { weights: self.floats(dim)?, biases: self.floats(dim)? })
    }

    fn linear(&mut self, outputs: usize, inputs: usize) -> Option<RawLinear> {
        Some(RawLinear { matrix: self.matrix(outputs, inputs)?, biases: self.floats(outputs)? })
    }

    fn layer(&mut self, sizes: &Sizes) -> Option<RawLayer> {
        let Sizes { dim, units, .. } = *sizes;
        let attention = [self.linear(dim.checked_mul(3)?, dim)?, self.linear(dim, dim)?];
        let attention_norm = self.norm(dim)?;
        let forward = [self.linear(units, dim)?, self.linear(dim, units)?];
        Some(RawLayer { attention, attention_norm, forward, forward_norm: self.norm(dim)? })
    }
}
