//! Truncation, and removal of characters that XML does not allow.

use std::borrow::Cow;

/// Truncates a text to at most `max` characters (Unicode scalar values). A truncated text ends with `…`, which counts
/// as one character.
///
/// If `max` is 0, the result is empty. A text that is short enough is borrowed.
#[must_use]
pub fn truncate_chars(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max || text.char_indices().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let Some(stored) = max.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let end = text.char_indices().nth(stored).map_or(text.len(), |(at, _)| at);
    let mut short = String::with_capacity(end + '…'.len_utf8());
    short.push_str(text.get(..end).unwrap_or_default());
    short.push('…');
    Cow::Owned(short)
}

/// Removes the characters that XML 1.0 does not allow, not even escaped: all of C0 except tab, line feed and carriage
/// return, and U+FFFE and U+FFFF (XML 1.0, fifth edition, production 2).
///
/// `<`, `>`, `&` and quotes are unchanged; escaping them is left to the writer of the document.
#[must_use]
pub fn xml_safe(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml_char) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| is_xml_char(*c)).collect())
    }
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_is_truncated_at_a_character_and_marked() {
        let cases = [
            ("", 0, ""),
            ("", 5, ""),
            ("abc", 0, ""),
            ("abc", 1, "…"),
            ("abc", 2, "a…"),
            ("abc", 3, "abc"),
            ("abc", 4, "abc"),
            ("äöü漢字🎉", 6, "äöü漢字🎉"),
            ("äöü漢字🎉", 5, "äöü漢…"),
            ("🎉🎉", 1, "…"),
            ("ab", usize::MAX, "ab"),
        ];
        for (text, max, short) in cases {
            assert_eq!(truncate_chars(text, max), short, "{text} {max}");
        }
    }

    #[test]
    fn forbidden_characters_are_removed_from_xml() {
        let cases = [
            ("a\0b\u{1b}c\u{8}", "abc"),
            ("\u{FFFE}x\u{FFFF}", "x"),
            ("\u{b}\u{c}", ""),
            ("a\t\n\rb", "a\t\n\rb"),
            ("<&>\"'", "<&>\"'"),
            ("\u{85}漢🎉", "\u{85}漢🎉"),
            ("", ""),
        ];
        for (text, safe) in cases {
            assert_eq!(xml_safe(text), safe, "{text:?}");
        }
        assert!(matches!(xml_safe("plain"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn a_truncated_text_is_never_too_long_and_retains_its_start(text in any::<String>(), max in 0_usize..40) {
            let short = truncate_chars(&text, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert!(short == text || max == 0 || text.starts_with(short.trim_end_matches('…')));
            prop_assert_eq!(truncate_chars(&short, max), short.as_ref());
        }

        #[test]
        fn xml_safe_text_contains_only_characters_allowed_in_xml(text in any::<String>(), controls in "[\\x00-\\x1F]{0,9}") {
            let text = text + &controls;
            let safe = xml_safe(&text);
            prop_assert!(safe.chars().all(is_xml_char));
            prop_assert_eq!(xml_safe(&safe), safe.as_ref());
        }
    }
}
