//! Functions of real numbers in plain `f32` arithmetic: additions, products, quotients and square roots in a fixed order,
//! without the platform's mathematics library, so that every machine gives the same bits.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use super::weights::Norm;

/// Number of parallel sums.
pub(super) const LANES: usize = 8;

/// What a normalisation adds to the variance, as the model was trained.
const EPSILON: f32 = 1e-12;

/// `e` to the power of a number that is at most 0, with a relative error below 2e-7; below -87, `e` to the power of -87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const WHOLE: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * LOG2_E + WHOLE;
    let whole = shifted - WHOLE;
    let r = (x - whole * LN_2[0]) - whole * LN_2[1];
    // The coefficients of Cephes' `expf`.
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + coefficient;
    }
    let power = (shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits());
    (p * (r * r) + r + 1.0) * f32::from_bits(power)
}

/// The Gaussian error function, with an error below 5e-7: a quotient of polynomials, as in Eigen.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = if x > -4.0 { x } else { -4.0 };
    let x = if x < 4.0 { x } else { 4.0 };
    let square = x * x;
    let mut p = -2.726_142_4e-10;
    for coefficient in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_5e-4, -2.954_6e-3, -1.609_603_3e-2] {
        p = p * square + coefficient;
    }
    let mut q = -1.456_607_2e-5;
    for coefficient in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = q * square + coefficient;
    }
    x * p / q
}

/// The Gaussian error linear unit (Hendrycks & Gimpel 2016) of every number.
#[inline(always)]
pub(super) fn gelu(values: &mut [f32]) {
    for value in values {
        *value = *value * 0.5 * (1.0 + erf(*value * FRAC_1_SQRT_2));
    }
}

/// The sum of `of` every number; the count is a multiple of [`LANES`].
#[inline(always)]
pub(super) fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut s = [0.0; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for j in 0..LANES {
            s[j] += of(chunk[j]);
        }
    }
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Normalises a row to the mean 0 and the variance 1, then applies the weights and biases.
#[inline(always)]
pub(super) fn normalize(row: &mut [f32], norm: &Norm) {
    let size = row.len() as f32;
    let mean = sum(row, |x| x) / size;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / size;
    let factor = 1.0 / (variance + EPSILON).sqrt();
    for (value, (weight, bias)) in row.iter_mut().zip(norm.weights.iter().zip(&norm.biases)) {
        *value = (*value - mean) * factor * weight + bias;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_function_has_a_relative_error_below_2e_7() {
        let far = |x: f32| (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs();
        let worst = (0..870_000).map(|n| far(-(n as f32) / 1e4)).fold(0.0, f64::max);
        assert!(worst < 2e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) > 0.0 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn the_error_function_has_an_error_below_5e_7() {
        let far = |x: f32| (f64::from(erf(x)) - statrs::function::erf::erf(f64::from(x))).abs();
        let worst = (-60_000..60_000).map(|n| far(n as f32 / 1e4)).fold(0.0, f64::max);
        assert!(worst < 5e-7, "{worst}");
        assert_eq!(erf(0.0), 0.0);
    }

    #[test]
    fn a_normalized_row_has_the_mean_and_the_variance_of_the_parameters() {
        let norm = Norm { weights: vec![2.0; 16], biases: vec![0.5; 16] };
        let mut row: Vec<f32> = (0..16).map(|n| (n * n) as f32).collect();
        normalize(&mut row, &norm);
        let mean = row.iter().sum::<f32>() / 16.0;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 16.0;
        assert!((mean - 0.5).abs() < 1e-6 && (variance - 4.0).abs() < 1e-4, "{mean} {variance}");
    }
}
