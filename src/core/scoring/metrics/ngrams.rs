//! The n-grams of a text, and how many of them are in other texts.

/// The n-grams of 1 to 4 tokens.
pub(super) type WordGrams = NGrams<32, 4>;

/// The n-grams of 1 to 6 characters.
pub(super) type CharGrams = NGrams<21, 6>;

/// The n-grams of one text, of all lengths up to `MAX`.
///
/// A key is `MAX` symbols of `BITS` bits from one place of the text on. Symbols are numbered from 1, and zeros fill the
/// keys at the end of the text. Sorting the keys once brings equal n-grams of every length together, since shorter
/// n-grams are the beginnings of keys.
#[derive(Debug)]
pub(super) struct NGrams<const BITS: u32, const MAX: usize> {
    keys: Vec<u128>,
}

impl WordGrams {
    /// The n-grams of tokens, which are numbers below `u32::MAX`, equal for equal tokens in all texts.
    pub(super) fn of_words(ids: &[u32]) -> Self {
        Self::new(ids.iter().map(|id| u128::from(*id) + 1))
    }
}

impl CharGrams {
    /// The n-grams of characters. A Unicode scalar value plus 1 fits 21 bits.
    pub(super) fn of_chars(chars: impl DoubleEndedIterator<Item = char>) -> Self {
        Self::new(chars.map(|c| u128::from(u32::from(c)) + 1))
    }
}

impl<const BITS: u32, const MAX: usize> NGrams<BITS, MAX> {
    fn new(symbols: impl DoubleEndedIterator<Item = u128>) -> Self {
        let first = BITS * (MAX as u32 - 1);
        let mut key = 0;
        let shifted = symbols.rev().map(|symbol| {
            key = (key >> BITS) | (symbol << first);
            key
        });
        let mut keys: Vec<u128> = shifted.collect();
        keys.sort_unstable();
        Self { keys }
    }

    /// The number of n-grams of length `n`.
    pub(super) fn count(&self, n: usize) -> usize {
        (self.keys.len() + 1).saturating_sub(n)
    }

    /// For n-grams of 1, 2 and so on to `MAX` symbols, the number of those that are in a reference, where a repeated
    /// one counts at most as often as it is in one reference (the clipped counts of Papineni et al. 2002, "BLEU").
    pub(super) fn clipped_matches(&self, references: &[&Self]) -> [usize; MAX] {
        let texts = std::iter::once(&self).chain(references);
        let tagged = texts.enumerate().flat_map(|(text, grams)| grams.keys.iter().map(move |key| (*key, text)));
        let mut all: Vec<(u128, usize)> = tagged.collect();
        all.sort(); // Stable sorting only merges the parts, which are sorted.
        let mut runs = Runs { seen: vec![0; references.len() + 1], ended: vec![[0; MAX]; references.len() + 1] };
        let mut matches = [0; MAX];
        let mut keys = all.iter().peekable();
        while let Some((key, text)) = keys.next() {
            runs.add(*text);
            let same = keys.peek().map_or(0, |(next, _)| Self::common_symbols(*key, *next));
            let length = MAX - (key.trailing_zeros() / BITS) as usize;
            for (index, matches) in matches.iter_mut().enumerate().skip(same) {
                let counted = runs.end(index);
                // In a key that is shorter than the n-gram, the text has ended.
                *matches += if index < length { counted } else { 0 };
            }
        }
        matches
    }

    /// The number of symbols that two keys have in common at their start.
    fn common_symbols(a: u128, b: u128) -> usize {
        let unused = u128::BITS - BITS * MAX as u32;
        ((a ^ b).leading_zeros().saturating_sub(unused) / BITS) as usize
    }
}

/// The runs of equal n-grams in sorted keys of several texts, of which the first is the one that is scored.
struct Runs<const MAX: usize> {
    /// The number of keys of each text so far.
    seen: Vec<usize>,
    /// How many there were of each text when the last run ended, for every length of n-grams.
    ended: Vec<[usize; MAX]>,
}

impl<const MAX: usize> Runs<MAX> {
    fn add(&mut self, text: usize) {
        if let Some(seen) = self.seen.get_mut(text) {
            *seen += 1;
        }
    }

    /// Ends the run of n-grams of the length at `index`, and gives its number of clipped matches.
    fn end(&mut self, index: usize) -> usize {
        let mut sizes = self.seen.iter().zip(&mut self.ended).map(|(seen, ended)| {
            let ended = ended.get_mut(index);
            ended.map_or(0, |ended| *seen - std::mem::replace(ended, *seen))
        });
        let own = sizes.next().unwrap_or(0);
        own.min(sizes.max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition: counts of all n-grams, clipped.
    fn clipped<T: Ord>(candidate: &[T], references: &[Vec<T>], n: usize) -> usize {
        let count = |symbols: &'_ [T]| -> Vec<usize> {
            candidate.windows(n).map(|gram| symbols.windows(n).filter(|other| *other == gram).count()).collect()
        };
        let own = count(candidate);
        let theirs: Vec<_> = references.iter().map(|reference| count(reference)).collect();
        let grams = candidate
            .windows(n)
            .enumerate()
            .map(|(at, gram)| (gram, own[at].min(theirs.iter().map(|counts| counts[at]).max().unwrap_or(0))));
        grams.collect::<BTreeMap<_, _>>().into_values().sum()
    }

    #[test]
    fn n_grams_at_the_end_of_a_text_do_not_match_longer_ones() {
        let (ab, b) = (CharGrams::of_chars("ab".chars()), CharGrams::of_chars("b".chars()));
        assert_eq!(ab.clipped_matches(&[&b]), [1, 0, 0, 0, 0, 0]);
        assert_eq!(b.clipped_matches(&[&b]), [1, 0, 0, 0, 0, 0]);
        assert_eq!((ab.count(1), ab.count(2), ab.count(3), b.count(6)), (2, 1, 0, 0));
    }

    proptest! {
        #[test]
        fn matches_follow_the_definition(
            candidate in prop::collection::vec(prop_oneof![0_u32..3, 0xFFFF_FFF0_u32..0xFFFF_FFF2], 0..30),
            references in prop::collection::vec(prop::collection::vec(0_u32..3, 0..30), 0..4),
        ) {
            let grams = WordGrams::of_words(&candidate);
            let theirs: Vec<_> = references.iter().map(|ids| WordGrams::of_words(ids)).collect();
            let matches = grams.clipped_matches(&theirs.iter().collect::<Vec<_>>());
            for (n, matches) in (1..).zip(matches) {
                prop_assert_eq!(matches, clipped(&candidate, &references, n));
                prop_assert_eq!(grams.count(n), candidate.windows(n).count());
            }
        }

        #[test]
        fn matches_of_characters_follow_the_definition(
            candidate in "[ab\u{10FFFF}\0]{0,20}",
            reference in "[ab\u{10FFFF}\0]{0,20}",
        ) {
            let (ours, theirs) = (CharGrams::of_chars(candidate.chars()), CharGrams::of_chars(reference.chars()));
            let (candidate, reference) = (candidate.chars().collect::<Vec<_>>(), reference.chars().collect::<Vec<_>>());
            for (n, matches) in (1..).zip(ours.clipped_matches(&[&theirs])) {
                prop_assert_eq!(matches, clipped(&candidate, std::slice::from_ref(&reference), n));
            }
        }
    }
}
