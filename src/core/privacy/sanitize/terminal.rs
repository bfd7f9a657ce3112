//! Text for a terminal, which cannot move the cursor, change colours, reorder the line or be invisible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Shown in place of a line break.
const LINE_BREAK: char = '⏎';

/// Makes a text safe to print on one line of a terminal.
///
/// Control characters (C0, DEL, C1, hence every escape sequence), bidirectional controls, zero-width and other
/// invisible characters, line and paragraph separators and tags become visible escapes such as `\u{1b}`. A line break
/// (`\n` or `\r\n`) becomes `⏎`, and a tab becomes a space. All other text is unchanged, including emoji with their
/// variation selectors. A text that is already safe is borrowed. The function is idempotent.
#[must_use]
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(|c| c == '\t' || is_unsafe(c)) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut result = String::with_capacity(text.len() + 16);
    result.push_str(clean);
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => result.push(LINE_BREAK),
            '\t' => result.push(' '),
            c if is_unsafe(c) => push_escape(&mut result, c),
            c => result.push(c),
        }
    }
    Cow::Owned(result)
}

/// Makes a text of several lines safe to show, in a cell or on a page: as [`for_terminal`], but line breaks (`\r\n` as
/// `\n`) and tabs are kept. So are the joiners between characters that are not ASCII, which emoji, Persian and the
/// scripts of India are written with. The function is idempotent.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_unsafe(c) && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    let joins = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_unsafe(c));
    let mut result = String::with_capacity(text.len() + 16);
    let (mut before, mut chars) = (None, text.chars().peekable());
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '\n' | '\t' => result.push(c),
            '\r' if next == Some('\n') => {}
            '\u{200C}' | '\u{200D}' if joins(before) && joins(next) => result.push(c),
            c if is_unsafe(c) => push_escape(&mut result, c),
            c => result.push(c),
        }
        before = Some(c);
    }
    Cow::Owned(result)
}

/// Appends the escape of a character: `\u{1b}`.
pub(super) fn push_escape(text: &mut String, c: char) {
    // Writing to a string never fails.
    let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
}

/// Whether a character is a control character, is invisible, or changes how others are shown.
pub(super) fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(u32::from(c),
        // C1 controls, soft hyphen, combining grapheme joiner, Arabic letter mark, fillers, Mongolian separators.
        0x80..=0x9F | 0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        // Zero-width characters and directional marks; separators; bidirectional overrides and isolates; invisible operators.
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        // Fillers, byte order mark, interlinear annotations, noncharacters.
        | 0x3164 | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0xFFFE | 0xFFFF
        // Musical format controls; tags and supplementary variation selectors.
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_and_invisible_characters_are_shown_as_escapes() {
        let cases = [
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{1b}]8;;http://x\u{7}link", "\\u{1b}]8;;http://x\\u{7}link"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{7f}\u{8}\0b", "a\\u{7f}\\u{8}\\u{0}b"),
            ("user\u{202E}nimda", "user\\u{202e}nimda"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("pass\u{200B}word\u{FEFF}", "pass\\u{200b}word\\u{feff}"),
            ("\u{E0041}\u{E007F}", "\\u{e0041}\\u{e007f}"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("a\nb\r\nc\td\re", "a⏎b⏎c d\\u{d}e"),
        ];
        for (text, shown) in cases {
            assert_eq!(for_terminal(text), shown, "{text:?}");
        }
    }

    #[test]
    fn ordinary_text_is_borrowed() {
        for text in ["", "plain", "ünïcödé 漢字 עברית العربية ✅ ❤\u{FE0F}", "\\u{1b}", "a ⏎ b"]
        {
            assert!(matches!(for_terminal(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn lines_tabs_and_joined_characters_stay_as_they_are() {
        let cases = [
            ("- a\n\t- b\n", "- a\n\t- b\n"),
            ("a\r\nb\rc", "a\nb\\u{d}c"),
            ("👩\u{200D}💻 می\u{200C}خواهم", "👩\u{200D}💻 می\u{200C}خواهم"),
            ("pass\u{200D}word\u{200D}", "pass\\u{200d}word\\u{200d}"),
            ("ü\u{200D}\u{200D}ü", "ü\\u{200d}\\u{200d}ü"),
            ("\u{1b}[31m\0\u{202E}\u{200B}", "\\u{1b}[31m\\u{0}\\u{202e}\\u{200b}"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible_lines(text), shown, "{text:?}");
            assert_eq!(visible_lines(shown), shown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_and_it_is_idempotent(text in any::<String>(), controls in "[\\x00-\\x1F\\u{80}-\\u{9F}\\u{2000}-\\u{206F}a]{0,20}") {
            let text = text + &controls;
            let shown = for_terminal(&text);
            prop_assert!(!shown.chars().any(is_unsafe));
            prop_assert_eq!(for_terminal(&shown), shown.as_ref());
        }
    }
}
