//! Dot products, individually and in tiles.
//!
//! [`dot`] and the tile agree bit for bit, on every machine: both use eight partial sums per pair, round each product
//! before adding it, and add the sums in the same order. A result therefore depends neither on which of the two
//! computed it nor on the width of the registers, which the tile chooses at run time. Computing several pairs at once
//! gives the processor enough independent sums to hide the latency of additions, and reuses each loaded number for more
//! than one pair.

use std::{array::from_fn, ops::Range};

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::Vectors;

/// Number of partial sums per dot product: one AVX register, or two SSE or NEON registers.
const LANES: usize = 8;

/// Number of query rows that remain in the cache while base rows are processed in groups.
const QUERY_TILE: usize = 16;

/// Number of base rows that share the numbers loaded from a query row.
const GROUP: usize = 4;

/// The dot product of two slices in `f32`, in a fixed order of summation, so that equal inputs give equal bits. For
/// unit vectors this is the cosine similarity, in [-1, 1] up to rounding. If the lengths differ, the surplus of the
/// longer slice is ignored.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..length].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..length].as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += x * y;
    }
    fold(sums)
}

fn fold(s: [f32; LANES]) -> f32 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Writes the similarities of `queries[q]` and `base[b]` to `out`, row-major: the pair of the i-th query row and the
/// j-th base row of the ranges is at `i * b.len() + j`. Both matrices must have the same dimension, and the ranges must
/// be within them.
pub(crate) fn tile(queries: &Vectors, q: Range<usize>, base: &Vectors, b: Range<usize>, out: &mut Vec<f32>) {
    out.clear();
    out.resize(q.len() * b.len(), 0.0);
    let tile = Tile { queries, q, base, b, out };
    // Also where there is AVX-512, whose registers hold more numbers than there are partial sums.
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, tile);
    }
    Arch::new().dispatch(tile);
}

/// The arguments of [`tile`], to be run with the widest registers of the processor.
struct Tile<'a> {
    queries: &'a Vectors,
    q: Range<usize>,
    base: &'a Vectors,
    b: Range<usize>,
    out: &'a mut [f32],
}

impl WithSimd for Tile<'_> {
    type Output = ();

    /// Processes a pair of query rows at once if the sums fit into the registers, which is not the case for the sixteen
    /// registers of SSE.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            8 => self.fill::<S, 1, 2>(simd),
            4 => self.fill::<S, 2, 2>(simd),
            _ => self.fill::<Scalar, LANES, 1>(Scalar),
        }
    }
}

impl Tile<'_> {
    /// Fills the tile in blocks of `Q` x [`GROUP`] pairs, with `W` registers for the sums of a pair. A block that
    /// extends beyond the tile repeats the last row, and the surplus results are dropped.
    #[inline(always)]
    fn fill<S: Simd, const W: usize, const Q: usize>(self, simd: S) {
        let Self { queries, q, base, b, out } = self;
        for q0 in q.clone().step_by(QUERY_TILE) {
            let q1 = (q0 + QUERY_TILE).min(q.end);
            for b0 in b.clone().step_by(GROUP) {
                let rows = from_fn(|j| base.row((b0 + j).min(b.end - 1)));
                let group = (b.end - b0).min(GROUP);
                for i0 in (q0..q1).step_by(Q) {
                    let block = block::<S, W, Q>(simd, from_fn(|i| queries.row((i0 + i).min(q1 - 1))), rows);
                    for (i, products) in (i0..q1).zip(&block) {
                        let at = (i - q.start) * b.len() + (b0 - b.start);
                        out[at..at + group].copy_from_slice(&products[..group]);
                    }
                }
            }
        }
    }
}

/// The dot products of all pairs of a row of `a` and a row of `b`, with the same bits as [`dot`].
#[inline(always)]
fn block<S: Simd, const W: usize, const Q: usize>(simd: S, a: [&[f32]; Q], b: [&[f32]; GROUP]) -> [[f32; GROUP]; Q] {
    let length = a[0].len().min(b[0].len());
    let (a, b) = (a.map(|row| row[..length].as_chunks::<LANES>()), b.map(|row| row[..length].as_chunks::<LANES>()));
    // Truncated to the same length, so that the loop needs no bounds checks.
    let chunks = length / LANES;
    let (x, y) = (a.map(|(row, _)| &row[..chunks]), b.map(|(row, _)| &row[..chunks]));
    let mut sums = [[[simd.splat_f32s(0.0); W]; GROUP]; Q];
    for k in 0..chunks {
        let x = x.map(|row| S::as_simd_f32s(&row[k]).0);
        for j in 0..GROUP {
            let y = S::as_simd_f32s(&y[j][k]).0;
            for i in 0..Q {
                for w in 0..W {
                    // Not a fused multiply-add, which rounds only once and would give different bits.
                    sums[i][j][w] = simd.add_f32s(sums[i][j][w], simd.mul_f32s(x[i][w], y[w]));
                }
            }
        }
    }
    let mut products = [[0.0; GROUP]; Q];
    for i in 0..Q {
        for j in 0..GROUP {
            let mut lanes = [0.0; LANES];
            S::as_mut_simd_f32s(&mut lanes).0.copy_from_slice(&sums[i][j]);
            for (sum, (x, y)) in lanes.iter_mut().zip(a[i].1.iter().zip(b[j].1)) {
                *sum += x * y;
            }
            products[i][j] = fold(lanes);
        }
    }
    products
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(length: usize) -> impl Strategy<Value = Vec<f32>> {
        proptest::collection::vec(-1.0f32..1.0, length)
    }

    #[test]
    fn the_surplus_of_a_longer_slice_is_ignored() {
        assert_eq!(dot(&[1.0, 2.0, 3.0], &[4.0, 5.0]), 14.0);
        assert_eq!(dot(&[], &[1.0]), 0.0);
    }

    proptest! {
        #[test]
        fn a_dot_product_is_the_sum_of_products((a, b) in (0usize..70).prop_flat_map(|n| (values(n), values(n)))) {
            let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-5);
            prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
        }

        #[test]
        fn a_tile_has_the_same_bits_as_single_dot_products_and_the_portable_path(
            dim in 1usize..40, nq in 0usize..20, nb in 0usize..11, seed in values(40 * 31)
        ) {
            let mut all = Vectors::new(dim);
            for i in 0..nq + nb {
                all.push(&seed[i * dim..(i + 1) * dim]);
            }
            let (mut out, mut portable) = (vec![], vec![0.0; nq * nb]);
            tile(&all, 0..nq, &all, nq..nq + nb, &mut out);
            Scalar.vectorize(Tile { queries: &all, q: 0..nq, base: &all, b: nq..nq + nb, out: &mut portable });
            prop_assert!(out.iter().map(|x| x.to_bits()).eq(portable.iter().map(|x| x.to_bits())));
            for i in 0..nq {
                for j in 0..nb {
                    prop_assert_eq!(out[i * nb + j].to_bits(), dot(all.row(i), all.row(nq + j)).to_bits());
                }
            }
        }
    }
}
