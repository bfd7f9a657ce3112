//! A text form of `f32` slices that preserves every bit.
//!
//! A decimal form depends on correct rounding by the reader, twice if it parses to `f64` first; bit patterns do not.
//! They are also shorter: eight characters per number.

use std::fmt::Write as _;

/// Number of characters per number.
const WIDTH: usize = 8;

/// The IEEE 754 bit patterns in lower-case hexadecimal, most significant digit first, eight characters per number,
/// without separators.
pub(crate) fn to_hex(values: &[f32]) -> String {
    let mut text = String::with_capacity(values.len() * WIDTH);
    for value in values {
        // Writing to a string never fails.
        let _ = write!(text, "{:08x}", value.to_bits());
    }
    text
}

/// Parses the output of [`to_hex`]; `None` if the length is not a multiple of eight or a character is not a hexadecimal
/// digit.
pub(crate) fn from_hex(text: &str) -> Option<Vec<f32>> {
    let (numbers, rest) = text.as_bytes().as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return None;
    }
    numbers.iter().map(number).collect()
}

fn number(digits: &[u8; WIDTH]) -> Option<f32> {
    let mut bits = 0u32;
    for &digit in digits {
        bits = (bits << 4) | char::from(digit).to_digit(16)?;
    }
    Some(f32::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_without_whole_numbers_is_rejected() {
        for text in ["3f80000", "3f8000000", "3f80000g", "+f800000", "éééé"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
        assert_eq!(from_hex(""), Some(vec![]));
        assert_eq!(from_hex("3f800000"), Some(vec![1.0]));
    }

    proptest! {
        #[test]
        fn every_bit_pattern_round_trips(bits in proptest::collection::vec(any::<u32>(), 0..50)) {
            let values: Vec<f32> = bits.iter().map(|&b| f32::from_bits(b)).collect();
            let back: Vec<u32> = from_hex(&to_hex(&values)).unwrap().iter().map(|v| v.to_bits()).collect();
            prop_assert_eq!(back, bits);
        }
    }
}
