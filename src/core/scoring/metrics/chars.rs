//! The kinds of characters that tokenizers and counts distinguish.

use std::sync::LazyLock;

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// What is looked up about a character.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Whether it is a letter or number: `char::is_alphanumeric`.
    pub(super) alphanumeric: bool,
    /// Whether it is a combining mark (general category M), some of which are also alphanumeric.
    pub(super) mark: bool,
    /// Whether a text of such characters is in normal form NFC, whatever their order.
    pub(super) composed: bool,
}

impl Kind {
    /// The kind of a character; from a table below U+3000, where the alphabets are.
    pub(super) fn of(c: char) -> Self {
        static TABLE: LazyLock<Vec<Kind>> = LazyLock::new(|| ('\0'..'\u{3000}').map(Kind::computed).collect());
        if matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}') {
            return Self { alphanumeric: true, mark: false, composed: true };
        }
        TABLE.get(c as usize).copied().unwrap_or_else(|| Self::computed(c))
    }

    fn computed(c: char) -> Self {
        let composed = canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes;
        Self { alphanumeric: c.is_alphanumeric(), mark: is_combining_mark(c), composed }
    }
}

/// Whether Python's `str.isspace` and `str.split` take a character for white space: Unicode `White_Space` and the four
/// separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Whether a character is written without spaces between words and counts as a word of its own: Han, kana and bopomofo.
/// Korean is written with spaces.
pub(super) fn is_cjk(c: char) -> bool {
    c >= '\u{3005}'
        && matches!(
            c,
            '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}' | '\u{3038}'..='\u{303C}'
                | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}'
                | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
                | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
                | '\u{FF66}'..='\u{FF9D}' | '\u{1AFF0}'..='\u{1B16F}' | '\u{20000}'..='\u{3FFFD}'
        )
}

/// Whether a character belongs to the one before it: a combining mark, a joiner, or a half-width voicing mark.
pub(super) fn extends(c: char) -> bool {
    !c.is_ascii() && (matches!(c, '\u{200C}' | '\u{200D}' | '\u{FF9E}' | '\u{FF9F}') || Kind::of(c).mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looked_up_kinds_are_the_computed_ones() {
        for c in '\0'..=char::MAX {
            let (kind, computed) = (Kind::of(c), Kind::computed(c));
            assert_eq!(
                (kind.alphanumeric, kind.mark, kind.composed),
                (computed.alphanumeric, computed.mark, computed.composed),
                "{c:?}"
            );
        }
    }

    #[test]
    fn characters_that_are_words_are_letters_or_numbers() {
        let others: Vec<char> = ('\0'..='\u{FFFF}').filter(|c| is_cjk(*c) && !c.is_alphanumeric()).collect();
        assert!(others.iter().all(|c| matches!(c, '\u{FA6E}' | '\u{FA6F}' | '\u{FADA}'..='\u{FAFF}')), "{others:?}");
        assert!(!is_cjk('한') && !is_cjk('。') && !is_cjk('ก') && is_cjk('々') && is_cjk('ー') && is_cjk('𠀀'));
    }
}
