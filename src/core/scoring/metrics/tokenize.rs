//! How texts are split into the tokens that the metrics count.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::chars::{Kind, extends, is_cjk, is_space};

/// How a text is split into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokenizer {
    /// As in Google's `rouge-score` 0.1.2 without stemmer: lower case, then runs of `a` to `z` and digits. Every other
    /// character separates tokens, so that a text in another script has none, and `café` is `caf`.
    Rouge,
    /// For texts in any script: canonical composition (NFC) and lower case, then runs of letters and digits with their
    /// combining marks. Every Han character and every kana is a token of its own, since Chinese and Japanese write no
    /// spaces. Neither do Thai, Lao, Khmer and Burmese, but a run in these scripts is one token: chrF suits them
    /// better. Punctuation, symbols and emoji are no tokens.
    Unicode,
    /// Runs of characters that are not white space, as Python's `str.split` finds them. Case and punctuation matter.
    Whitespace,
}

impl Tokenizer {
    /// The tokens of each text as numbers that are equal if and only if the tokens are. The numbers are smaller than
    /// the number of all tokens.
    pub(super) fn ids(self, texts: &[&str]) -> Vec<Vec<u32>> {
        let folded: Vec<_> = texts.iter().map(|text| self.fold(text)).collect();
        let tokens: Vec<_> = folded.iter().map(|text| self.split(text)).collect();
        ids(&tokens)
    }

    /// The text that the tokens are parts of.
    fn fold(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Rouge => Cow::Owned(text.to_lowercase()),
            Self::Unicode if text.is_ascii() => Cow::Owned(text.to_ascii_lowercase()),
            Self::Unicode if text.chars().all(|c| Kind::of(c).composed) => Cow::Owned(text.to_lowercase()),
            Self::Unicode => Cow::Owned(text.nfc().collect::<String>().to_lowercase()),
            Self::Whitespace => Cow::Borrowed(text),
        }
    }

    fn split(self, folded: &str) -> Vec<&str> {
        match self {
            Self::Rouge => folded
                .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
                .filter(|token| !token.is_empty())
                .collect(),
            Self::Unicode => unicode_words(folded),
            Self::Whitespace => whitespace_words(folded).collect(),
        }
    }
}

/// The tokens of each list as numbers: a token's place among all distinct tokens in some order.
pub(super) fn ids(lists: &[Vec<&str>]) -> Vec<Vec<u32>> {
    let lists: Vec<Vec<Word>> = lists.iter().map(|tokens| tokens.iter().copied().map(Word::new).collect()).collect();
    let mut known: Vec<Word> = lists.iter().flatten().copied().collect();
    known.sort_unstable();
    known.dedup();
    let id = |token: &Word| known.partition_point(|other| other < token) as u32;
    lists.iter().map(|tokens| tokens.iter().map(id).collect()).collect()
}

/// A token in an order that is fast to decide: by its first bytes as a number, then by all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word<'a> {
    start: u64,
    text: &'a str,
}

impl<'a> Word<'a> {
    /// The token of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { start: text.bytes().take(8).fold(0, |start, byte| (start << 8) | u64::from(byte)), text }
    }
}

/// The runs of characters that are not white space.
pub(super) fn whitespace_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

fn unicode_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    // Where the current token starts, and whether another letter belongs to it.
    let mut open: Option<(usize, bool)> = None;
    let mut close = |open: &mut Option<(usize, bool)>, at: usize| {
        words.extend(open.take().and_then(|(start, _)| text.get(start..at)));
    };
    for (at, c) in text.char_indices() {
        if extends(c) {
            continue;
        }
        let cjk = is_cjk(c);
        let letter = cjk || Kind::of(c).alphanumeric;
        if !letter || cjk || open.is_some_and(|(_, grows)| !grows) {
            close(&mut open, at);
        }
        if letter && open.is_none() {
            open = Some((at, !cjk));
        }
    }
    close(&mut open, text.len());
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::texts;
    use super::*;

    fn tokens(tokenizer: Tokenizer, text: &str) -> Vec<String> {
        tokenizer.split(&tokenizer.fold(text)).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn tokens_of_rouge_are_small_letters_and_digits_of_ascii() {
        let cases = [
            ("The U.S. don't x_1", "the u s don t x 1"),
            ("café Москва 東京", "caf"),
            ("\u{212A}elvin İx", "kelvin i x"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(Tokenizer::Rouge, text).join(" "), expected, "{text:?}");
        }
    }

    #[test]
    fn unicode_tokens_are_words_in_any_script_and_single_chinese_and_japanese_characters() {
        let cases = [
            ("Don't stop, 3.5%", "don|t|stop|3|5"),
            ("CAFÉ cafe\u{301}", "café|café"),
            ("Москва — столица", "москва|столица"),
            ("हिन्दी में", "हिन्दी|में"),
            ("می\u{200C}خواهم", "می\u{200C}خواهم"),
            ("東京タワーabc高い。12人", "東|京|タ|ワ|ー|abc|高|い|12|人"),
            ("か\u{3099}ｶﾞ", "が|ｶﾞ"),
            ("대한민국의 수도", "대한민국의|수도"),
            ("각", "각"),
            ("🙂 👩\u{200D}👧 !?", ""),
            ("\u{301}\u{301} \u{94D}", ""),
            ("\u{301}a", "a"),
            ("𠀀𠀁ab", "𠀀|𠀁|ab"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(Tokenizer::Unicode, text).join("|"), expected, "{text:?}");
        }
    }

    #[test]
    fn whitespace_is_that_of_python() {
        assert_eq!(tokens(Tokenizer::Whitespace, " A\u{1c}b,\u{3000}\u{85}c\u{200b}d\n"), ["A", "b,", "c\u{200b}d"]);
    }

    proptest! {
        #[test]
        fn ids_are_equal_if_and_only_if_tokens_are(a in texts(), b in texts()) {
            for tokenizer in [Tokenizer::Rouge, Tokenizer::Unicode, Tokenizer::Whitespace] {
                let words = [tokens(tokenizer, &a), tokens(tokenizer, &b)].concat();
                let ids = tokenizer.ids(&[&a, &b]).concat();
                prop_assert_eq!(words.len(), ids.len());
                for (i, word) in words.iter().enumerate() {
                    prop_assert!((ids[i] as usize) < ids.len());
                    for (j, other) in words.iter().enumerate() {
                        prop_assert_eq!(word == other, ids[i] == ids[j]);
                    }
                }
            }
        }
    }
}
