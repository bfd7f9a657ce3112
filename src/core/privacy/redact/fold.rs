//! Folding: conversion of a text to an ASCII form that is searched for matches, with a mapping back to the original.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

/// A folded text, with the mapping of its positions to those of the original.
pub(super) struct Folded<'a> {
    original: &'a str,
    text: Cow<'a, str>,
    /// `(position in the folded text, position in the original)` wherever the difference between the two changes, in
    /// ascending order.
    breaks: Vec<(usize, usize)>,
}

impl<'a> Folded<'a> {
    /// Folds a text. ASCII text is borrowed unchanged.
    pub(super) fn new(original: &'a str) -> Self {
        if original.is_ascii() {
            return Self { original, text: Cow::Borrowed(original), breaks: Vec::new() };
        }
        let mut text = String::with_capacity(original.len());
        let mut breaks = Vec::new();
        // The difference between the two positions at the last break.
        let mut ahead = 0;
        for (at, c) in original.char_indices() {
            let Some(folded) = fold_char(c) else { continue };
            // A folded character is never longer than its original, so the difference is never negative.
            let distance = at.saturating_sub(text.len());
            if distance != ahead {
                ahead = distance;
                breaks.push((text.len(), at));
            }
            text.push(folded);
        }
        Self { original, text: Cow::Owned(text), breaks }
    }

    /// The folded text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The range of the original that corresponds to a range of the folded text, including dropped characters within
    /// it. `None` for an empty range, or one that is not on character boundaries.
    pub(super) fn original_range(&self, range: Range<usize>) -> Option<Range<usize>> {
        let matched = self.text.get(range.clone())?;
        let last = matched.char_indices().next_back()?.0;
        let start = self.original_position(range.start);
        let last = self.original_position(range.start + last);
        let width = self.original.get(last..)?.chars().next()?.len_utf8();
        Some(start..last + width)
    }

    fn original_position(&self, position: usize) -> usize {
        let after = self.breaks.partition_point(|(folded, _)| *folded <= position);
        match after.checked_sub(1).and_then(|i| self.breaks.get(i)) {
            Some((folded, original)) => original + (position - folded),
            None => position,
        }
    }
}

/// Folds a character; `None` if it is dropped.
fn fold_char(c: char) -> Option<char> {
    match u32::from(c) {
        0..=0x7F => Some(c),
        // Invisible characters, which can break up a word unnoticed: soft hyphen, zero-width characters, bidirectional
        // controls, variation selectors, fillers and tags.
        0xAD
        | 0x34F
        | 0x61C
        | 0x115F
        | 0x1160
        | 0x17B4
        | 0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E => None,
        0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF => None,
        // No-break space, the spaces of general punctuation, and the ideographic space.
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(' '),
        // Hyphens, dashes and the minus sign.
        0x2010..=0x2015 | 0x2043 | 0x2212 | 0xFE58 | 0xFE63 => Some('-'),
        0xB2 | 0xB3 | 0xB9 | 0x2070..=0x24FF | 0x3200..=0x33FF | 0xFE50..=0xFE6F | 0xFF01..=0xFFEF => {
            Some(compatible(c))
        }
        0x1D400..=0x1D7FF | 0x1F100..=0x1F16F | 0x1FBF0..=0x1FBF9 => Some(compatible(c)),
        code => Some(decimal_digit(code).unwrap_or(c)),
    }
}

/// The compatibility decomposition (Unicode NFKD) if it is a single ASCII character, otherwise the character itself.
fn compatible(c: char) -> char {
    let (mut first, mut count) = (c, 0);
    decompose_compatible(c, |d| {
        if count == 0 {
            first = d;
        }
        count += 1;
    });
    if count == 1 && first.is_ascii_graphic() { first } else { c }
}

/// The first code points of the runs of ten decimal digits (Unicode general category Nd) in the basic multilingual
/// plane.
const DIGIT_ZEROS: [u32; 36] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

fn decimal_digit(code: u32) -> Option<char> {
    let after = DIGIT_ZEROS.partition_point(|zero| *zero <= code);
    let zero = DIGIT_ZEROS.get(after.checked_sub(1)?)?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disguised_characters_fold_to_ascii() {
        let cases = [
            ("plain", "plain"),
            ("４１１１", "4111"),
            ("٤١١١", "4111"),
            ("४१११", "4111"),
            ("𝟒𝟏𝟏𝟏", "4111"),
            ("①②③", "123"),
            ("a\u{200B}b\u{00AD}c\u{2060}d\u{FEFF}", "abcd"),
            ("1\u{2013}2\u{2212}3\u{A0}4", "1-2-3 4"),
            ("ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "john@example.com"),
            ("ümlaut 漢字 ½ …", "ümlaut 漢字 ½ …"),
        ];
        for (text, folded) in cases {
            assert_eq!(Folded::new(text).text(), folded, "{text}");
        }
    }

    #[test]
    fn a_range_maps_back_including_invisible_characters_within_it() {
        let text = "é\u{200B}４\u{200B}１\u{200B}x";
        let folded = Folded::new(text);
        assert_eq!(folded.text(), "é41x");
        assert_eq!(&text[folded.original_range(2..4).unwrap()], "４\u{200B}１");
        assert_eq!(folded.original_range(2..2), None);
        assert_eq!(folded.original_range(1..4), None);
        assert_eq!(folded.original_range(0..99), None);
    }

    proptest! {
        #[test]
        fn every_character_maps_to_its_own_original(text in "\\PC{0,40}") {
            let folded = Folded::new(&text);
            for (at, c) in folded.text().char_indices() {
                let range = folded.original_range(at..at + c.len_utf8()).unwrap();
                let original = &text[range];
                let alone = Folded::new(original);
                prop_assert_eq!(alone.text(), c.to_string());
            }
        }
    }
}
