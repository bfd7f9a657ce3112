//! Sums of products in `f64`, with the widest registers of the processor and the same bits on every machine: each sum has
//! eight parts, which are added in a fixed order, and products are rounded before they are added.

#[cfg(target_arch = "x86_64")]
use pulp::Simd;
use pulp::{Scalar, WithSimd};

/// Number of partial sums of a dot product.
const LANES: usize = 8;

/// The dot product of two slices. If the lengths differ, the surplus of the longer one is ignored.
pub(crate) fn dot_f64(a: &[f64], b: &[f64]) -> f64 {
    run(Dot { a, b })
}

/// Adds `factor` × `row` to `sums`, component by component, up to the shorter length.
pub(crate) fn add_scaled(sums: &mut [f64], factor: f64, row: &[f64]) {
    run(AddScaled { sums, factor, row });
}

/// Like [`add_scaled`], for a row of `f32`.
pub(crate) fn add_scaled_f32(sums: &mut [f64], factor: f64, row: &[f32]) {
    run(AddScaled { sums, factor, row });
}

fn run<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    work.with_simd(Scalar)
}

struct Dot<'a> {
    a: &'a [f64],
    b: &'a [f64],
}

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let length = self.a.len().min(self.b.len());
        let (a, a_rest) = self.a[..length].as_chunks::<LANES>();
        let (b, b_rest) = self.b[..length].as_chunks::<LANES>();
        let mut s = [0.0; LANES];
        for (x, y) in a.iter().zip(b) {
            for lane in 0..LANES {
                s[lane] += x[lane] * y[lane];
            }
        }
        for (sum, (x, y)) in s.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *sum += x * y;
        }
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }
}

struct AddScaled<'a, T> {
    sums: &'a mut [f64],
    factor: f64,
    row: &'a [T],
}

impl<T: Copy + Into<f64>> WithSimd for AddScaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (sum, x) in self.sums.iter_mut().zip(self.row) {
            *sum += self.factor * (*x).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_of_products_are_right_for_every_length() {
        for length in 0..40 {
            let a: Vec<f64> = (0..length).map(f64::from).collect();
            let b: Vec<f64> = a.iter().map(|x| x + 1.0).collect();
            let expected: f64 = a.iter().map(|x| x * (x + 1.0)).sum();
            assert_eq!(dot_f64(&a, &b), expected);
            assert_eq!(dot_f64(&a, &b[..length as usize / 2]), dot_f64(&a[..length as usize / 2], &b));
            let (mut sums, single) = (b.clone(), a.iter().map(|x| *x as f32).collect::<Vec<_>>());
            add_scaled(&mut sums, -1.0, &a);
            assert!(sums.iter().all(|sum| *sum == 1.0));
            add_scaled_f32(&mut sums, 2.0, &single);
            assert!(sums.iter().zip(&a).all(|(sum, x)| *sum == 1.0 + 2.0 * x));
        }
    }

    proptest! {
        #[test]
        fn every_processor_gives_the_same_bits(pairs in prop::collection::vec((-1e3_f64..1e3, -1e3_f64..1e3), 0..100)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let plain = Dot { a: &a, b: &b }.with_simd(Scalar);
            prop_assert_eq!(dot_f64(&a, &b).to_bits(), plain.to_bits());
        }
    }
}
