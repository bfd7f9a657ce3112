//! Longest common subsequences of tokens.

use super::align::{Masks, differing};

/// The largest product of two lengths for which subsequences are read out, about 4,000 by 4,000; a table takes at most
/// 32 MiB.
const MAX_TABLE: u128 = 1 << 24;

/// The length of the longest common subsequence, or `None` if the product of the lengths, without a common start and
/// end, is above 2^32.
///
/// Computed for 64 rows at once, after Hyyrö (2004), "Bit-parallel LCS-length computation revisited".
pub(super) fn lcs_length(a: &[u32], b: &[u32]) -> Option<usize> {
    let rest = differing(a, b);
    if rest.is_too_long() {
        return None;
    }
    let mut masks = Masks::new(rest.short.iter().max().map_or(0, |id| *id as usize + 1));
    let mut carries = vec![false; rest.long.len()];
    let mut length = rest.shared;
    for block in rest.short.chunks(64) {
        masks.set(block);
        // A row's bit is cleared once the subsequence has grown there.
        let mut same = u64::MAX;
        for (id, carry) in rest.long.iter().zip(&mut carries) {
            let hits = same & masks.rows(*id);
            let (sum, overflow) = same.overflowing_add(hits);
            let (sum, carried) = sum.overflowing_add(u64::from(*carry));
            *carry = overflow || carried;
            same = sum | (same & !hits);
        }
        masks.clear(block);
        let rows = u64::MAX >> (64 - block.len());
        length += (!same & rows).count_ones() as usize;
    }
    Some(length)
}

/// Whether two texts are too long for [`lcs_positions`] of all pairs of their lines. Every line counts as one more
/// token, since a pair takes time however short it is.
pub(super) fn is_too_long_to_trace(a: &[Vec<u32>], b: &[Vec<u32>]) -> bool {
    let size = |lines: &[Vec<u32>]| lines.iter().map(|line| line.len() as u128 + 1).sum::<u128>();
    size(a) * size(b) > MAX_TABLE
}

/// The places in `reference` of one longest common subsequence with `candidate`, in reverse order: the one that
/// `rouge-score` 0.1.2 finds. Only for sequences that are not too long.
pub(super) fn lcs_positions(reference: &[u32], candidate: &[u32]) -> Vec<usize> {
    let table = lcs_table(reference, candidate);
    let width = candidate.len() + 1;
    let cell = |row: usize, column: usize| table.get(row * width + column).copied().unwrap_or(0);
    let (mut row, mut column) = (reference.len(), candidate.len());
    let mut places = Vec::new();
    while row > 0 && column > 0 {
        if reference.get(row - 1) == candidate.get(column - 1) {
            places.push(row - 1);
            row -= 1;
            column -= 1;
        } else if cell(row, column - 1) > cell(row - 1, column) {
            column -= 1;
        } else {
            row -= 1;
        }
    }
    places
}

/// The lengths of the longest common subsequences of all beginnings, row by row. They are at most the shorter length,
/// which fits 16 bits below the size limit.
fn lcs_table(reference: &[u32], candidate: &[u32]) -> Vec<u16> {
    let width = candidate.len() + 1;
    let mut table = vec![0_u16; width * (reference.len() + 1)];
    let mut rows = table.chunks_exact_mut(width);
    let Some(mut above) = rows.next() else { return Vec::new() };
    for (token, row) in reference.iter().zip(rows) {
        let (mut left, mut diagonal) = (0, 0);
        for ((cell, up), other) in row.iter_mut().skip(1).zip(above.iter().skip(1)).zip(candidate) {
            left = if token == other { diagonal + 1 } else { left.max(*up) };
            diagonal = *up;
            *cell = left;
        }
        above = row;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_sequences_are_refused_unless_their_ends_agree() {
        let long: Vec<u32> = (0..80_000).collect();
        let mut other = long.clone();
        other[40_000] = 7;
        assert_eq!(lcs_length(&long, &other), Some(79_999));
        let reversed: Vec<u32> = long.iter().rev().copied().collect();
        assert_eq!(lcs_length(&long, &reversed), None);
        assert_eq!(lcs_length(&long, &reversed[..40_000]), Some(1));
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_the_table(
            a in prop::collection::vec(0_u32..5, 0..300),
            b in prop::collection::vec(0_u32..5, 0..300),
        ) {
            let places = lcs_positions(&a, &b);
            prop_assert_eq!(lcs_length(&a, &b), Some(places.len()));
            prop_assert_eq!(lcs_length(&b, &a), Some(places.len()));
            prop_assert!(places.windows(2).all(|pair| pair[0] > pair[1]));
            let mut rest = b.iter();
            prop_assert!(places.iter().rev().all(|place| rest.any(|token| *token == a[*place])));
        }
    }
}
