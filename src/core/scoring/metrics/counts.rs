//! How long a text is, in characters and words.

use super::chars::{Kind, extends, is_cjk};
use super::tokenize::whitespace_words;

/// The number of characters of a text: Unicode scalar values. An accented letter counts as 1 or 2, depending on how it
/// is encoded, and an emoji of several parts as their number.
pub(crate) fn character_count(text: &str) -> usize {
    text.chars().count()
}

/// The number of words of a text: parts between white space, em dashes, ellipses or East Asian punctuation that contain
/// a letter or digit, so that `it's`, `well-known` and `3.14` are one word each, and `&` or an emoji is none. Every Han
/// character and every kana is a word of its own. A run of Thai, Lao, Khmer or Burmese without spaces is one word.
pub(crate) fn word_count(text: &str) -> usize {
    whitespace_words(text).map(words_in_part).sum()
}

fn words_in_part(part: &str) -> usize {
    let mut count = 0;
    let mut in_word = false;
    for c in part.chars() {
        if is_cjk(c) {
            count += 1;
            in_word = false;
        } else if separates(c) {
            in_word = false;
        } else if !in_word && Kind::of(c).alphanumeric && !extends(c) {
            count += 1;
            in_word = true;
        }
    }
    count
}

/// Whether a character separates words that have no space between them.
fn separates(c: char) -> bool {
    let east_asian = matches!(c, '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF65}') && !c.is_alphanumeric();
    east_asian || matches!(c, '—' | '…')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{hostile, texts};
    use super::*;

    #[test]
    fn words_are_separated_by_white_space_and_chinese_characters_are_words() {
        let cases = [
            ("", 0),
            (" \n ", 0),
            ("one", 1),
            ("It's a well-known 3.14 C++ thing & more.", 7),
            ("yes—no…maybe", 3),
            ("- item\n- item", 2),
            ("— ! 🙂 👍🏽", 0),
            ("我喜欢Python 3，真的。", 7),
            ("hello，world、again", 3),
            ("東京タワーは333m", 7),
            ("대한민국의 수도는 서울이다.", 3),
            ("हिन्दी में लिखें", 3),
            ("cafe\u{301} \u{301}", 1),
            ("ﬁ ① x", 3),
        ];
        for (text, expected) in cases {
            assert_eq!(word_count(text), expected, "{text:?}");
        }
    }

    #[test]
    fn characters_are_scalar_values() {
        for (text, expected) in [("", 0), ("é", 1), ("e\u{301}", 2), ("👍🏽", 2), ("a\0\n", 3)] {
            assert_eq!(character_count(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_side_by_side_have_the_words_of_both(a in texts(), b in texts()) {
            prop_assert_eq!(word_count(&format!("{a} {b}")), word_count(&a) + word_count(&b));
            prop_assert!(word_count(&a) <= character_count(&a));
        }
    }

    #[test]
    fn long_texts_are_counted() {
        for text in hostile() {
            assert!(word_count(&text) <= character_count(&text));
        }
    }
}
