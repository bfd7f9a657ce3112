//! The edit distance of two texts.

use super::align::{Differing, Masks, differing};

/// Symbols below this number index a table directly; others are numbered first. It covers the scripts of Europe and the
/// Near East.
const DIRECT: u32 = 0x1000;

/// The Levenshtein distance: the smallest number of characters (Unicode scalar values) to insert, remove or replace in
/// order to turn one text into the other.
///
/// `None` if the product of the numbers of characters, without a common start and end, is above 2^32: about 65,000 by
/// 65,000 characters. Equal texts and texts that differ in one place have a distance at any length.
///
/// Computed for 64 rows at once, after Myers (1999), "A fast bit-vector algorithm for approximate string matching based
/// on dynamic programming", in the form of Hyyrö (2003). Equal to `Levenshtein.distance` of rapidfuzz 3.14.
pub(crate) fn levenshtein_distance(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return Some(0);
    }
    distance(&scalar_values(a), &scalar_values(b))
}

/// The Levenshtein similarity: 1 minus the distance divided by the number of characters of the longer text; from 0 to
/// 1, and 1 for two empty texts. `None` where [`levenshtein_distance`] is.
///
/// Equal to `Levenshtein.normalized_similarity` of rapidfuzz 3.14.
pub(crate) fn levenshtein_similarity(a: &str, b: &str) -> Option<f64> {
    if a == b {
        return Some(1.0);
    }
    let (a, b) = (scalar_values(a), scalar_values(b));
    let longest = a.len().max(b.len());
    Some(1.0 - distance(&a, &b)? as f64 / longest as f64)
}

fn scalar_values(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

fn distance(a: &[u32], b: &[u32]) -> Option<usize> {
    let rest = differing(a, b);
    if rest.is_too_long() {
        return None;
    }
    let largest = rest.short.iter().chain(rest.long).max().copied().unwrap_or(0);
    if largest < DIRECT {
        return Some(bit_parallel(rest.short, rest.long, largest as usize + 1));
    }
    let (short, long, symbols) = numbered(&rest);
    Some(bit_parallel(&short, &long, symbols))
}

/// Both sequences with their symbols numbered from 0. All symbols that are only in the longer one have the same number.
fn numbered(rest: &Differing) -> (Vec<u32>, Vec<u32>, usize) {
    let mut known = rest.short.to_vec();
    known.sort_unstable();
    known.dedup();
    let number = |symbol: &u32| known.binary_search(symbol).unwrap_or(known.len()) as u32;
    (rest.short.iter().map(number).collect(), rest.long.iter().map(number).collect(), known.len())
}

/// A difference between two neighbours in a row of the table of distances.
#[derive(Clone, Copy)]
struct Step {
    up: bool,
    down: bool,
}

/// The distance of two sequences of symbols below `symbols`, 64 rows of the table of distances at a time.
fn bit_parallel(short: &[u32], long: &[u32], symbols: usize) -> usize {
    let mut masks = Masks::new(symbols);
    // The differences in the row above the block; in the first row every distance is one more than the one before.
    let mut steps = vec![Step { up: true, down: false }; long.len()];
    for block in short.chunks(64) {
        masks.set(block);
        let last = block.len() - 1;
        let (mut plus, mut minus) = (u64::MAX, 0_u64);
        for (symbol, step) in long.iter().zip(&mut steps) {
            let hits = masks.rows(*symbol);
            let vertical = hits | minus;
            let hits = hits | u64::from(step.down);
            let horizontal = ((hits & plus).wrapping_add(plus) ^ plus) | hits;
            let up = minus | !(horizontal | plus);
            let down = plus & horizontal;
            let (up_above, down_above) = (u64::from(step.up), u64::from(step.down));
            *step = Step { up: up >> last & 1 == 1, down: down >> last & 1 == 1 };
            let (up, down) = (up << 1 | up_above, down << 1 | down_above);
            plus = down | !(vertical | up);
            minus = up & vertical;
        }
        masks.clear(block);
    }
    let ups = steps.iter().filter(|step| step.up).count();
    let downs = steps.iter().filter(|step| step.down).count();
    (short.len() + ups).saturating_sub(downs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{cases, hostile, is_score, texts};
    use super::*;

    #[test]
    fn distances_agree_with_rapidfuzz() {
        for case in cases() {
            let distance = levenshtein_distance(&case.candidate, case.reference()).unwrap();
            let similarity = levenshtein_similarity(&case.candidate, case.reference()).unwrap();
            case.check("levenshtein", &[distance as f64, similarity]);
        }
    }

    #[test]
    fn characters_are_scalar_values() {
        let cases = [("", "", 0), ("", "日本", 2), ("kitten", "sitting", 3), ("é", "e\u{301}", 2), ("👍🏽", "👍", 1)];
        for (a, b, expected) in cases {
            assert_eq!(levenshtein_distance(a, b), Some(expected), "{a:?} {b:?}");
        }
    }

    #[test]
    fn long_texts_have_a_distance_if_little_differs() {
        for text in hostile() {
            assert_eq!(levenshtein_similarity(&text, &text), Some(1.0));
            assert_eq!(levenshtein_distance(&text, &format!("{text}x")), Some(1));
            assert_eq!(levenshtein_distance(&text, ""), Some(text.chars().count()));
        }
        let (a, b) = ("ab".repeat(40_000), "ba".repeat(40_000));
        assert_eq!(levenshtein_distance(&a, &b), None);
        assert_eq!(levenshtein_similarity(&a, &b), None);
    }

    proptest! {
        #[test]
        fn distances_agree_with_strsim(a in "[abé東🙂]{0,200}", b in "[abé東🙂x\u{10FFFF}]{0,200}") {
            prop_assert_eq!(levenshtein_distance(&a, &b), Some(strsim::levenshtein(&a, &b)));
        }

        #[test]
        fn the_similarity_is_symmetric_and_1_only_for_equal_texts(a in texts(), b in texts()) {
            let similarity = levenshtein_similarity(&a, &b).unwrap();
            prop_assert!(is_score(similarity));
            prop_assert_eq!(levenshtein_similarity(&b, &a), Some(similarity));
            prop_assert_eq!(similarity == 1.0, a == b);
            prop_assert_eq!(levenshtein_distance(&a, &b), Some(strsim::levenshtein(&a, &b)));
        }
    }
}
