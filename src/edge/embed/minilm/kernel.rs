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

/// Pairs of inputs per group.
const PAIRS: usize = GROUP / 2;

/// Pairs of inputs that a processor multiplies in one step. With more, the compiler no longer makes one instruction of a
/// product and an addition.
const STEP: usize = 2;

/// Steps per group.
const STEPS: usize = PAIRS / STEP;

/// The largest weight.
const LARGEST_WEIGHT: usize = 127;

/// The inputs of a step of all rows of a block, two inputs to a word. One pointer reaches all rows.
pub(super) type Inputs = [[u32; STEP]; ROWS];

/// The weights of the inputs of a step for the outputs of a block: for every pair of inputs, two for every output. Each
/// pair's are in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Weights([[i16; 2 * COLUMNS]; STEP]);

/// What is computed differently on different processors, with the same results.
pub(super) trait Processor: Copy + Send + Sync {
    /// Runs `work`, compiled for this processor. It must be inlined always, which a closure is not.
    fn run<W: WithSimd>(self, work: W) -> W::Output;

    /// The products of the rows of a block with a panel of weights.
    fn block(self, rows: &[Inputs], panel: &[Weights]) -> [[i32; COLUMNS]; ROWS];
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Processor for Portable {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        work.with_simd(Scalar)
    }

    #[inline(always)]
    fn block(self, rows: &[Inputs], panel: &[Weights]) -> [[i32; COLUMNS]; ROWS] {
        let mut sums = [[0; COLUMNS]; ROWS];
        for (inputs, weights) in rows.iter().zip(panel) {
            for (words, sums) in inputs.iter().zip(&mut sums) {
                for (word, weights) in words.iter().zip(&weights.0) {
                    let (low, high) = (i32::from(*word as i16), i32::from((word >> 16) as i16));
                    for (sum, [first, second]) in sums.iter_mut().zip(weights.as_chunks().0) {
                        *sum += low * i32::from(*first) + high * i32::from(*second);
                    }
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
    fn block(self, rows: &[Inputs], panel: &[Weights]) -> [[i32; COLUMNS]; ROWS] {
        use std::arch::x86_64::__m256i;
        let mut sums = [[self.avx._mm256_setzero_si256(); 2]; ROWS];
        for (inputs, weights) in rows.iter().zip(panel) {
            for (pair, weights) in weights.0.iter().enumerate() {
                let weights: [__m256i; 2] = pulp::cast(*weights);
                for i in 0..ROWS {
                    let both = self.avx._mm256_set1_epi32(inputs[i][pair].cast_signed());
                    for j in 0..2 {
                        let products = self.avx2._mm256_madd_epi16(both, weights[j]);
                        sums[i][j] = self.avx2._mm256_add_epi32(sums[i][j], products);
                    }
                }
            }
        }
        pulp::cast(sums)
    }
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type! {
    /// A processor with AVX-512 and its instruction for sums of products of 16-bit integers, such as Intel's since 2019
    /// and AMD's since 2022.
    pub(super) struct Avx512 {
        pub avx512f: "avx512f",
        pub avx512bw: "avx512bw",
        pub avx512dq: "avx512dq",
        pub avx512vl: "avx512vl",
        pub avx512vnni: "avx512vnni",
    }
}

/// Work compiled for [`Avx512`].
#[cfg(target_arch = "x86_64")]
struct Work<W>(W);

#[cfg(target_arch = "x86_64")]
impl<W: WithSimd> pulp::NullaryFnOnce for Work<W> {
    type Output = W::Output;

    #[inline(always)]
    fn call(self) -> W::Output {
        self.0.with_simd(Scalar)
    }
}

#[cfg(target_arch = "x86_64")]
impl Processor for Avx512 {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        self.vectorize(Work(work))
    }

    #[inline(always)]
    fn block(self, rows: &[Inputs], panel: &[Weights]) -> [[i32; COLUMNS]; ROWS] {
        use std::arch::x86_64::__m512i;
        // Even and odd pairs have sums of their own, since an addition waits for the one before it. The compiler makes one
        // instruction of a product and an addition.
        let mut sums = [[self.avx512f._mm512_setzero_si512(); ROWS]; STEP];
        for (inputs, weights) in rows.iter().zip(panel) {
            for (pair, weights) in weights.0.iter().enumerate() {
                let weights: __m512i = pulp::cast(*weights);
                for i in 0..ROWS {
                    let both = self.avx512f._mm512_set1_epi32(inputs[i][pair].cast_signed());
                    let products = self.avx512bw._mm512_madd_epi16(both, weights);
                    sums[pair][i] = self.avx512f._mm512_add_epi32(sums[pair][i], products);
                }
            }
        }
        let [even, odd] = sums;
        std::array::from_fn(|i| pulp::cast(self.avx512f._mm512_add_epi32(even[i], odd[i])))
    }
}

/// A linear layer.
pub(super) struct Linear {
    inputs: usize,
    biases: Vec<f32>,
    scales: Vec<f32>,
    /// The weights, a panel for every [`COLUMNS`] outputs.
    panels: Vec<Weights>,
}

impl Linear {
    /// Packs the weights of a layer with one output per bias; `row` returns the scale and the weights of an output.
    pub fn new<'w>(biases: Vec<f32>, row: impl Fn(usize) -> (f32, &'w [u8])) -> Self {
        let (scales, rows): (Vec<f32>, Vec<&[u8]>) = (0..biases.len()).map(row).unzip();
        let inputs = rows.first().map_or(0, |row| row.len());
        let weight = |row: &[u8], at: usize| i16::from(row[at].cast_signed());
        let mut panels = Vec::with_capacity(rows.len() / COLUMNS * inputs / GROUP * STEPS);
        for rows in rows.chunks_exact(COLUMNS) {
            let steps = (0..inputs).step_by(GROUP).flat_map(|group| (group..group + PAIRS).step_by(STEP));
            for step in steps {
                let mut weights = [[0; 2 * COLUMNS]; STEP];
                for (pair, weights) in weights.iter_mut().enumerate() {
                    for (both, row) in weights.as_chunks_mut().0.iter_mut().zip(rows) {
                        *both = [weight(row, step + pair), weight(row, step + pair + PAIRS)];
                    }
                }
                panels.push(Weights(weights));
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
        let (steps, outputs) = (self.inputs / GROUP * STEPS, self.outputs());
        for (panel, weights) in self.panels.chunks_exact(steps).enumerate() {
            let from = panel * COLUMNS;
            let (scales, biases) = (&self.scales[from..from + COLUMNS], &self.biases[from..from + COLUMNS]);
            let blocks = input.blocks.chunks_exact(steps).zip(out.chunks_exact_mut(ROWS * outputs));
            for ((rows, out), row_scales) in blocks.zip(input.scales.chunks_exact(ROWS)) {
                let sums = processor.block(rows, weights);
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

/// Rows of 16-bit numbers with a scale each, in blocks of [`ROWS`].
#[derive(Default)]
pub(super) struct Quantized {
    blocks: Vec<Inputs>,
    scales: Vec<f32>,
}

impl Quantized {
    /// Quantises rows of `inputs` numbers each; their number is a multiple of [`ROWS`]. The largest number of a row
    /// becomes the largest integer with which no sum of products can overflow.
    #[inline(always)]
    pub fn fill(&mut self, rows: &[f32], inputs: usize) {
        let steps = inputs / GROUP * STEPS;
        self.blocks.resize(rows.len() / (ROWS * GROUP) * STEPS, [[0; STEP]; ROWS]);
        self.scales.resize(rows.len() / inputs, 0.0);
        let most = (i32::MAX as usize / (LARGEST_WEIGHT * inputs)).min(i16::MAX as usize) as f32;
        for (at, (row, scale)) in rows.chunks_exact(inputs).zip(&mut self.scales).enumerate() {
            let (block, place) = (at / ROWS * steps, at % ROWS);
            let largest = largest(row);
            *scale = largest / most;
            let factor = if largest > 0.0 { most / largest } else { 0.0 };
            let blocks = self.blocks[block..block + steps].as_chunks_mut::<STEPS>().0;
            for (group, inputs) in row.as_chunks::<GROUP>().0.iter().zip(blocks) {
                let mut words = [0; PAIRS];
                for (j, word) in words.iter_mut().enumerate() {
                    *word = (rounded(group[j] * factor) & 0xffff) | (rounded(group[j + PAIRS] * factor) << 16);
                }
                for (inputs, words) in inputs.iter_mut().zip(words.as_chunks().0) {
                    inputs[place] = *words;
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
