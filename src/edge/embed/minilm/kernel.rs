//! Products of token rows with weight matrices, in integers.
//!
//! Rows are quantised to 16 bits with a scale each, weights have 8 bits with a scale per output, and the products are
//! added in 32 bits without overflow. Integer sums are exact in any order, so every processor gives the same bits, and a
//! row's result does not depend on the rows beside it.

#[cfg(target_arch = "x86_64")]
use pulp::Simd;
use pulp::{Scalar, WithSimd};

/// Rows of a block: as many sums as the sixteen registers of AVX2 hold, beside what is loaded.
pub(super) const ROWS: usize = 6;

/// Outputs of a block.
pub(super) const COLUMNS: usize = 16;

/// Inputs that are quantised together: input `i` of a group is paired with input `i + 8`.
const GROUP: usize = 16;

/// The largest weight.
const LARGEST_WEIGHT: usize = 127;

/// The weights of a pair of inputs for the outputs of a block: two for every output.
pub(super) type Pair = [i16; 2 * COLUMNS];

/// What is computed differently on different processors, with the same results.
pub(super) trait Processor: Copy + Send + Sync {
    /// Runs `work`, compiled for this processor. It must be inlined always, which a closure is not.
    fn run<W: WithSimd>(self, work: W) -> W::Output;

    /// The products of rows with a panel of weights. Every row must have as many words as the panel has pairs.
    fn block(self, rows: [&[u32]; ROWS], panel: &[Pair]) -> [[i32; COLUMNS]; ROWS];
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Processor for Portable {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        work.with_simd(Scalar)
    }

    #[inline(always)]
    fn block(self, rows: [&[u32]; ROWS], panel: &[Pair]) -> [[i32; COLUMNS]; ROWS] {
        let mut sums = [[0; COLUMNS]; ROWS];
        for (row, sums) in rows.iter().zip(&mut sums) {
            for (word, weights) in row.iter().zip(panel) {
                let (low, high) = (i32::from(*word as i16), i32::from((word >> 16) as i16));
                for (sum, [first, second]) in sums.iter_mut().zip(weights.as_chunks().0) {
                    *sum += low * i32::from(*first) + high * i32::from(*second);
                }
            }
        }
        sums
    }
}

#[cfg(target_arch = "x86_64")]
impl Processor for pulp::x86::V3 {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        Simd::vectorize(self, work)
    }

    #[inline(always)]
    fn block(self, rows: [&[u32]; ROWS], panel: &[Pair]) -> [[i32; COLUMNS]; ROWS] {
        use std::arch::x86_64::__m256i;
        // All of the same length, so that the loop needs no bounds checks.
        let rows = rows.map(|row| &row[..panel.len()]);
        let mut sums = [[self.avx._mm256_setzero_si256(); 2]; ROWS];
        for (k, pair) in panel.iter().enumerate() {
            let weights: [__m256i; 2] = pulp::cast(*pair);
            for i in 0..ROWS {
                let both = self.avx._mm256_set1_epi32(rows[i][k].cast_signed());
                for j in 0..2 {
                    let products = self.avx2._mm256_madd_epi16(both, weights[j]);
                    sums[i][j] = self.avx2._mm256_add_epi32(sums[i][j], products);
                }
            }
        }
        pulp::cast(sums)
    }
}

/// A linear layer.
pub(super) struct Linear {
    inputs: usize,
    biases: Vec<f32>,
    scales: Vec<f32>,
    /// The weights, a panel for every [`COLUMNS`] outputs.
    panels: Vec<Pair>,
}

impl Linear {
    /// Packs the weights of a layer with one output per bias; `row` returns the scale and the weights of an output.
    pub fn new<'w>(biases: Vec<f32>, row: impl Fn(usize) -> (f32, &'w [u8])) -> Self {
        let (scales, rows): (Vec<f32>, Vec<&[u8]>) = (0..biases.len()).map(row).unzip();
        let inputs = rows.first().map_or(0, |row| row.len());
        let weight = |row: &[u8], at: usize| i16::from(row[at].cast_signed());
        let mut panels = Vec::with_capacity(rows.len() / COLUMNS * inputs / 2);
        for rows in rows.chunks_exact(COLUMNS) {
            for word in 0..inputs / 2 {
                let at = word / 8 * GROUP + word % 8;
                let mut pair = [0; 2 * COLUMNS];
                for (both, row) in pair.as_chunks_mut().0.iter_mut().zip(rows) {
                    *both = [weight(row, at), weight(row, at + 8)];
                }
                panels.push(pair);
            }
        }
        Self { inputs, biases, scales, panels }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.biases.len()
    }

    /// Writes the layer's outputs for all rows to `out`, row after row.
    #[inline(always)]
    pub fn apply<P: Processor>(&self, processor: P, input: &Quantized, out: &mut [f32]) {
        let (words, outputs) = (self.inputs / 2, self.outputs());
        for (panel, weights) in self.panels.chunks_exact(words).enumerate() {
            let from = panel * COLUMNS;
            let (scales, biases) = (&self.scales[from..from + COLUMNS], &self.biases[from..from + COLUMNS]);
            let blocks = input.words.chunks_exact(ROWS * words).zip(out.chunks_exact_mut(ROWS * outputs));
            for ((rows, out), row_scales) in blocks.zip(input.scales.chunks_exact(ROWS)) {
                let sums = processor.block(std::array::from_fn(|i| &rows[i * words..(i + 1) * words]), weights);
                for i in 0..ROWS {
                    let out = &mut out[i * outputs + from..i * outputs + from + COLUMNS];
                    for j in 0..COLUMNS {
                        out[j] = sums[i][j] as f32 * (row_scales[i] * scales[j]) + biases[j];
                    }
                }
            }
        }
    }
}

/// Rows of 16-bit numbers with a scale each; a word contains a pair of them.
#[derive(Default)]
pub(super) struct Quantized {
    words: Vec<u32>,
    scales: Vec<f32>,
}

impl Quantized {
    /// Quantises rows of `inputs` numbers each. The largest number of a row becomes the largest integer with which no
    /// sum of products can overflow.
    #[inline(always)]
    pub fn fill(&mut self, rows: &[f32], inputs: usize) {
        self.words.resize(rows.len() / 2, 0);
        self.scales.resize(rows.len() / inputs, 0.0);
        let most = (i32::MAX as usize / (LARGEST_WEIGHT * inputs)).min(i16::MAX as usize) as f32;
        let rows = rows.chunks_exact(inputs).zip(self.words.chunks_exact_mut(inputs / 2));
        for ((row, words), scale) in rows.zip(&mut self.scales) {
            let largest = largest(row);
            *scale = largest / most;
            let factor = if largest > 0.0 { most / largest } else { 0.0 };
            for (group, words) in row.as_chunks::<GROUP>().0.iter().zip(words.as_chunks_mut::<8>().0) {
                for j in 0..8 {
                    words[j] = (rounded(group[j] * factor) & 0xffff) | (rounded(group[j + 8] * factor) << 16);
                }
            }
        }
    }
}

/// The largest absolute value of a row.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for chunk in row.as_chunks::<8>().0 {
        for j in 0..8 {
            let size = chunk[j].abs();
            lanes[j] = if size > lanes[j] { size } else { lanes[j] };
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
}

/// The nearest integer, ties to even, in the low 16 bits: an `f32` of this size has no fraction.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    const WHOLE: f32 = 12_582_912.0;
    (value + WHOLE).to_bits()
}
