//! Dot products, one at a time and in tiles.
//!
//! [`dot`] and the tile agree to the bit: both keep eight partial sums per pair and add them up in
//! the same order, so a result does not depend on which of the two computed it. Four pairs at once
//! give the processor enough independent sums to hide the latency of an addition.

use std::ops::Range;

use super::Vectors;

/// Partial sums per dot product: two SSE registers or one AVX register.
const LANES: usize = 8;

/// Query rows kept hot while groups of base rows pass by.
const QUERY_TILE: usize = 8;

/// Dot product of two slices in `f32`, in a fixed order of summation, so equal inputs give equal
/// bits. For unit vectors this is the cosine similarity, within rounding of [-1, 1]. Where the
/// lengths differ, the surplus of the longer slice is ignored.
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

/// Four dot products of `a` with equally long slices; the bits of four calls of [`dot`].
fn dot4(a: &[f32], b: [&[f32]; 4]) -> [f32; 4] {
    let length = a.len();
    if b.iter().any(|row| row.len() != length) {
        return b.map(|row| dot(a, row));
    }
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let chunks = b.map(|row| row.as_chunks::<LANES>());
    let [(b0, r0), (b1, r1), (b2, r2), (b3, r3)] = chunks;
    let mut sums = [[0.0f32; LANES]; 4];
    for ((((x, y0), y1), y2), y3) in a_chunks.iter().zip(b0).zip(b1).zip(b2).zip(b3) {
        for lane in 0..LANES {
            sums[0][lane] += x[lane] * y0[lane];
            sums[1][lane] += x[lane] * y1[lane];
            sums[2][lane] += x[lane] * y2[lane];
            sums[3][lane] += x[lane] * y3[lane];
        }
    }
    for (sums, rest) in sums.iter_mut().zip([r0, r1, r2, r3]) {
        for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(rest)) {
            *sum += x * y;
        }
    }
    sums.map(fold)
}

fn fold(s: [f32; LANES]) -> f32 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Similarities of `queries[q]` with `base[b]` into `out`, row-major: the pair of the i-th query
/// and the j-th base row of the ranges is at `i * b.len() + j`. Both matrices have the same
/// dimension.
pub(crate) fn tile(queries: &Vectors, q: Range<usize>, base: &Vectors, b: Range<usize>, out: &mut Vec<f32>) {
    let width = b.len();
    out.clear();
    out.resize(q.len() * width, 0.0);
    for q0 in q.clone().step_by(QUERY_TILE) {
        let q1 = (q0 + QUERY_TILE).min(q.end);
        for b0 in b.clone().step_by(4) {
            let group = (b.end - b0).min(4);
            for i in q0..q1 {
                let at = (i - q.start) * width + (b0 - b.start);
                let cells = &mut out[at..at + group];
                let row = queries.row(i);
                if let Ok(four) = <&mut [f32; 4]>::try_from(&mut *cells) {
                    *four = dot4(row, [base.row(b0), base.row(b0 + 1), base.row(b0 + 2), base.row(b0 + 3)]);
                } else {
                    for (offset, cell) in cells.iter_mut().enumerate() {
                        *cell = dot(row, base.row(b0 + offset));
                    }
                }
            }
        }
    }
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
        fn a_tile_has_the_bits_of_single_dot_products(
            dim in 1usize..40, nq in 0usize..20, nb in 0usize..11, seed in values(40 * 31)
        ) {
            let mut all = Vectors::new(dim);
            for i in 0..nq + nb {
                all.push(&seed[i * dim..(i + 1) * dim]);
            }
            let mut out = vec![];
            tile(&all, 0..nq, &all, nq..nq + nb, &mut out);
            for i in 0..nq {
                for j in 0..nb {
                    prop_assert_eq!(out[i * nb + j].to_bits(), dot(all.row(i), all.row(nq + j)).to_bits());
                }
            }
        }
    }
}
