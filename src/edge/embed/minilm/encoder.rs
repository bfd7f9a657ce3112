//! The encoder: BERT's layers over the tokens of many texts, and the mean of each text's tokens. The rows of all texts
//! follow each other without padding; only attention runs within a text.

use pulp::{Simd, WithSimd};

use super::kernel::{Processor, Quantized, ROWS};
use super::math::{LANES, exp, gelu, normalize, sum};
use super::weights::{Layer, Model, Norm};

/// The memory of one thread, used for one batch after another.
#[derive(Default)]
pub(super) struct Scratch {
    /// The vectors of all tokens.
    tokens: Vec<f32>,
    /// The input of a linear layer.
    input: Quantized,
    /// The output of a wide linear layer.
    wide: Vec<f32>,
    /// The output of a linear layer of a token's size.
    narrow: Vec<f32>,
    /// The keys of a head, component by component.
    keys: Vec<f32>,
    /// The attention of a token.
    weights: Vec<f32>,
}

/// The unit vectors of texts, given as the ids of their tokens. A text without tokens gets zeros.
pub(super) fn encode<P: Processor>(
    processor: P,
    model: &Model,
    texts: &[Vec<u32>],
    scratch: &mut Scratch,
) -> Vec<Vec<f32>> {
    processor.run(Pass { processor, model, texts, scratch })
}

/// The computation of a batch.
struct Pass<'a, P> {
    processor: P,
    model: &'a Model,
    texts: &'a [Vec<u32>],
    scratch: &'a mut Scratch,
}

impl<P: Processor> WithSimd for Pass<'_, P> {
    type Output = Vec<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { processor, model, texts, scratch } = self;
        look_up(model, texts, scratch);
        for layer in &model.layers {
            pass(processor, model, layer, texts, scratch);
        }
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = scratch.tokens.as_slice();
        for text in texts {
            let (own, others) = rest.split_at(text.len() * model.sizes.dim);
            rest = others;
            vectors.push(pooled(own, model.sizes.dim));
        }
        vectors
    }
}

/// Adds up the vectors of pieces and positions. The last block of rows is filled up with zeros.
#[inline(always)]
fn look_up(model: &Model, texts: &[Vec<u32>], scratch: &mut Scratch) {
    let Model { sizes, words, positions, norm, .. } = model;
    let rows = texts.iter().map(Vec::len).sum::<usize>().next_multiple_of(ROWS);
    let Scratch { tokens, wide, narrow, .. } = scratch;
    tokens.clear();
    tokens.resize(rows * sizes.dim, 0.0);
    narrow.resize(rows * sizes.dim, 0.0);
    wide.resize(rows * sizes.units.max(3 * sizes.dim), 0.0);
    let ids = texts.iter().flat_map(|text| text.iter().enumerate());
    for ((place, id), row) in ids.zip(tokens.chunks_exact_mut(sizes.dim)) {
        let ((scale, piece), (place_scale, position)) = (words.row(*id as usize), positions.row(place));
        for (value, (a, b)) in row.iter_mut().zip(piece.iter().zip(position)) {
            *value = f32::from(a.cast_signed()) * scale + f32::from(b.cast_signed()) * place_scale;
        }
        normalize(row, norm);
    }
}

/// Passes all tokens through a layer.
#[inline(always)]
fn pass<P: Processor>(processor: P, model: &Model, layer: &Layer, texts: &[Vec<u32>], scratch: &mut Scratch) {
    let dim = model.sizes.dim;
    let Scratch { tokens, input, wide, narrow, keys, weights } = scratch;
    let rows = tokens.len() / dim;
    let three = &mut wide[..rows * 3 * dim];
    input.fill(tokens, dim);
    layer.heads.apply(processor, input, three);
    let mut start = 0;
    for text in texts {
        let end = start + text.len();
        let (own, out) = (&three[start * 3 * dim..end * 3 * dim], &mut narrow[start * dim..end * dim]);
        for first in (0..dim).step_by(dim / model.sizes.heads) {
            attend(own, out, Head { dim, size: dim / model.sizes.heads, first }, keys, weights);
        }
        start = end;
    }
    input.fill(narrow, dim);
    layer.mixed.apply(processor, input, narrow);
    add_and_normalize(tokens, narrow, dim, &layer.attention_norm);
    let units = model.sizes.units;
    let inner = &mut wide[..rows * units];
    input.fill(tokens, dim);
    layer.inner.apply(processor, input, inner);
    gelu(inner);
    input.fill(inner, units);
    layer.outer.apply(processor, input, narrow);
    add_and_normalize(tokens, narrow, dim, &layer.forward_norm);
}

/// Where the components of a head are within a token's query, key and value.
#[derive(Clone, Copy)]
struct Head {
    dim: usize,
    size: usize,
    first: usize,
}

/// Writes what the tokens of a text attend to: the mean of their values, weighted by how well queries match keys. All
/// sums run over components or tokens in order, with several tokens or components side by side.
#[inline(always)]
fn attend(rows: &[f32], out: &mut [f32], head: Head, keys: &mut Vec<f32>, weights: &mut Vec<f32>) {
    let Head { dim, size, first } = head;
    let count = rows.len() / (3 * dim);
    let padded = count.next_multiple_of(LANES);
    keys.clear();
    keys.resize(size * padded, 0.0);
    for (token, row) in rows.chunks_exact(3 * dim).enumerate() {
        for (component, value) in row[dim + first..dim + first + size].iter().enumerate() {
            keys[component * padded + token] = *value;
        }
    }
    let scale = 1.0 / (size as f32).sqrt();
    for (row, out) in rows.chunks_exact(3 * dim).zip(out.chunks_exact_mut(dim)) {
        weights.clear();
        weights.resize(padded, 0.0);
        for (query, keys) in row[first..first + size].iter().zip(keys.chunks_exact(padded)) {
            let query = query * scale;
            weights.iter_mut().zip(keys).for_each(|(weight, key)| *weight += query * key);
        }
        let total = soften(weights, count);
        let out = &mut out[first..first + size];
        out.fill(0.0);
        for (row, weight) in rows.chunks_exact(3 * dim).zip(&*weights) {
            let values = &row[2 * dim + first..2 * dim + first + size];
            out.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        out.iter_mut().for_each(|sum| *sum /= total);
    }
}

/// Replaces the first `count` numbers by their exponentials, relative to the largest, and the others by 0; returns the
/// sum.
#[inline(always)]
fn soften(weights: &mut [f32], count: usize) -> f32 {
    let largest = weights[..count].iter().fold(f32::NEG_INFINITY, |most, x| if *x > most { *x } else { most });
    weights.iter_mut().for_each(|weight| *weight = exp(*weight - largest));
    weights[count..].fill(0.0);
    sum(weights, |x| x)
}

/// Adds `change` to the tokens and normalises them.
#[inline(always)]
fn add_and_normalize(tokens: &mut [f32], change: &[f32], dim: usize, norm: &Norm) {
    for (row, change) in tokens.chunks_exact_mut(dim).zip(change.chunks_exact(dim)) {
        row.iter_mut().zip(change).for_each(|(value, change)| *value += change);
        normalize(row, norm);
    }
}

/// The mean of a text's tokens, scaled to unit length.
#[inline(always)]
fn pooled(tokens: &[f32], dim: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dim];
    for row in tokens.chunks_exact(dim) {
        vector.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let length = sum(&vector, |x| x * x).sqrt();
    let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter_mut().for_each(|value| *value *= factor);
    vector
}
