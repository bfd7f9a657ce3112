//! What the alignments of two sequences share: the parts that need no alignment, and the size limit.

/// The largest product of two lengths that is aligned, about 65,000 by 65,000; this takes some tenths of a second.
const MAX_CELLS: u128 = 1 << 32;

/// Two sequences without their common start and end.
pub(super) struct Differing<'a> {
    /// The length of the common start and the common end together.
    pub(super) shared: usize,
    /// What remains of the shorter sequence.
    pub(super) short: &'a [u32],
    /// What remains of the longer sequence.
    pub(super) long: &'a [u32],
}

/// Removes the common start and end: neither the edit distance nor the rest of the longest common subsequence depends
/// on them.
pub(super) fn differing<'a>(a: &'a [u32], b: &'a [u32]) -> Differing<'a> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (short.get(start..).unwrap_or_default(), long.get(start..).unwrap_or_default());
    let end = short.iter().rev().zip(long.iter().rev()).take_while(|(a, b)| a == b).count();
    let (short, long) =
        (short.get(..short.len() - end).unwrap_or_default(), long.get(..long.len() - end).unwrap_or_default());
    Differing { shared: start + end, short, long }
}

impl Differing<'_> {
    /// Whether the rests are too long to be aligned.
    pub(super) fn is_too_long(&self) -> bool {
        self.short.len() as u128 * self.long.len() as u128 > MAX_CELLS
    }
}

/// Which rows of a block of at most 64 symbols hold which symbol, as a bit mask for each symbol.
pub(super) struct Masks(Vec<u64>);

impl Masks {
    /// Masks for symbols below `symbols`, all empty.
    pub(super) fn new(symbols: usize) -> Self {
        Self(vec![0; symbols])
    }

    /// Sets the masks to those of a block.
    pub(super) fn set(&mut self, block: &[u32]) {
        for (row, symbol) in block.iter().enumerate() {
            if let Some(mask) = self.0.get_mut(*symbol as usize) {
                *mask |= 1 << row;
            }
        }
    }

    /// Empties the masks of a block.
    pub(super) fn clear(&mut self, block: &[u32]) {
        for symbol in block {
            if let Some(mask) = self.0.get_mut(*symbol as usize) {
                *mask = 0;
            }
        }
    }

    /// The rows that hold a symbol.
    pub(super) fn rows(&self, symbol: u32) -> u64 {
        self.0.get(symbol as usize).copied().unwrap_or(0)
    }
}
