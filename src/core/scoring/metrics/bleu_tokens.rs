//! The tokenizers of sacrebleu 2.6, which BLEU depends on.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::chars::is_space;
use super::tokenize::whitespace_words;

/// How a text is split into the tokens that BLEU counts. Upper and lower case differ, and punctuation marks are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BleuTokenizer {
    /// sacrebleu's `13a`, its default: the tokenizer of the script mteval-v13a. It separates the punctuation of ASCII
    /// only, full stops and commas not within numbers.
    Mteval13a,
    /// sacrebleu's `intl`, that of mteval-v14: separates the punctuation and symbols of all scripts.
    International,
    /// sacrebleu's `zh`: every Chinese character and every full-width form is a token, the rest is split as by `13a`.
    /// sacrebleu's table of Chinese characters also has U+2001 to U+2A6D, with general punctuation, and so has this
    /// one.
    Chinese,
    /// sacrebleu's `char`: every character other than white space is a token.
    Character,
}

impl BleuTokenizer {
    /// The text that the tokens are parts of.
    pub(super) fn prepare(self, text: &str) -> Cow<'_, str> {
        let text = text.trim_end_matches(is_space);
        match self {
            Self::Mteval13a => unescaped(text),
            Self::International => separated(text),
            Self::Chinese => Cow::Borrowed(text.trim_start_matches(is_space)),
            Self::Character => Cow::Borrowed(text),
        }
    }

    /// The tokens of a prepared text.
    pub(super) fn split(self, prepared: &str) -> Vec<&str> {
        match self {
            Self::Mteval13a => mteval_tokens(prepared, is_mteval_symbol, true),
            Self::International => whitespace_words(prepared).collect(),
            Self::Chinese => mteval_tokens(prepared, |c| is_mteval_symbol(c) || is_chinese(c), false),
            Self::Character => {
                let ends = prepared.char_indices().filter(|(_, c)| !is_space(*c));
                ends.filter_map(|(at, c)| prepared.get(at..at + c.len_utf8())).collect()
            }
        }
    }
}

/// The text without the marks of segments, hyphens at line ends and SGML entities, as mteval-v13a removes them.
fn unescaped(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let steps = [("<skipped>", ""), ("-\n", ""), ("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];
    for (from, to) in steps {
        if text.contains(from) {
            text = Cow::Owned(text.replace(from, to));
        }
    }
    text
}

/// The text with spaces around its punctuation, unless that is between digits, and around its symbols.
fn separated(text: &str) -> Cow<'_, str> {
    static STEPS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let steps = [(r"(\P{N})(\p{P})", "$1 $2 "), (r"(\p{P})(\P{N})", " $1 $2"), (r"(\p{S})", " $1 ")];
        steps.into_iter().filter_map(|(pattern, to)| Some((Regex::new(pattern).ok()?, to))).collect()
    });
    STEPS.iter().fold(Cow::Borrowed(text), |text, (pattern, to)| match pattern.replace_all(&text, *to) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => Cow::Owned(text),
    })
}

/// The ASCII symbols that are always tokens: all but the apostrophe, comma, hyphen and full stop.
fn is_mteval_symbol(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.')
}

fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{2001}'..='\u{2A6D}' | '\u{2E80}'..='\u{2FDF}' | '\u{2FF0}'..='\u{303F}' | '\u{3100}'..='\u{312F}'
            | '\u{31A0}'..='\u{31BF}' | '\u{31C0}'..='\u{31EF}' | '\u{3200}'..='\u{33FF}' | '\u{3400}'..='\u{4DB5}'
            | '\u{4E00}'..='\u{9FBB}' | '\u{F900}'..='\u{FA2D}' | '\u{FA30}'..='\u{FA6A}' | '\u{FA70}'..='\u{FAD9}'
            | '\u{FE10}'..='\u{FE1F}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FFEF}'
    )
}

/// The tokens that the four regular expressions of mteval-v13a give: `symbol` says which characters are always tokens,
/// and `padded` whether the text has a space before and after it.
///
/// The expressions only insert spaces, so that tokens are parts of the text. A full stop or comma is a token unless
/// - it is between two digits, or
/// - it is before a digit and after a full stop or comma that the second expression has matched, which it therefore
///   cannot match as the character before: `..5` is `.` and `.5`.
fn mteval_tokens(text: &str, symbol: impl Fn(char) -> bool, padded: bool) -> Vec<&str> {
    let mut tokens = Tokens { text, found: Vec::new(), start: None };
    let mut before: Option<char> = None;
    let mut matched = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let next = chars.peek().map(|(_, next)| *next);
        let mut matches = false;
        if is_space(c) {
            tokens.close(at);
        } else if matches!(c, '.' | ',') {
            matches = !matched && before.map_or(padded, |before| !before.is_ascii_digit());
            if matches || next.map_or(padded, |next| !next.is_ascii_digit()) {
                tokens.single(at, end);
            } else {
                tokens.extend(at);
            }
        } else if symbol(c) || (c == '-' && before.is_some_and(|before| before.is_ascii_digit())) {
            tokens.single(at, end);
        } else {
            tokens.extend(at);
        }
        (before, matched) = (Some(c), matches);
    }
    tokens.close(text.len());
    tokens.found
}

/// The tokens found so far, and where the current one starts.
struct Tokens<'a> {
    text: &'a str,
    found: Vec<&'a str>,
    start: Option<usize>,
}

impl Tokens<'_> {
    fn extend(&mut self, at: usize) {
        self.start.get_or_insert(at);
    }

    fn close(&mut self, at: usize) {
        self.found.extend(self.start.take().and_then(|start| self.text.get(start..at)));
    }

    fn single(&mut self, at: usize, end: usize) {
        self.close(at);
        self.extend(at);
        self.close(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokenizer: BleuTokenizer, text: &str) -> String {
        tokenizer.split(&tokenizer.prepare(text)).join(" ")
    }

    #[test]
    fn texts_are_split_as_by_mteval() {
        let cases = [
            ("Hello, world!", "Hello , world !"),
            ("It's 3.5% of 1,000.", "It's 3.5 % of 1,000 ."),
            ("well-known 5-6 -7", "well-known 5 - 6 -7"),
            ("a..b ..5 5.. 5.,", "a . . b . .5 5 . . 5 . ,"),
            ("&lt;b&gt; &amp;quot; x-\ny", "< b > & quot ; xy"),
            ("x-\n", "x-"),
            ("<skipped>a b", "a b"),
            ("«été», naïve.", "«été» , naïve ."),
            ("你好，世界。", "你好，世界。"),
            (" \t\n", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(BleuTokenizer::Mteval13a, text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_other_tokenizers_are_those_of_sacrebleu() {
        let cases = [
            (BleuTokenizer::International, "«été», 3.5 €, 你好。 2020.", "« été » , 3.5 € , 你好 。 2020."),
            (BleuTokenizer::Chinese, "我喜欢Python 3.11，真的“好”.", "我 喜 欢 Python 3.11 ， 真 的 “ 好 ” ."),
            (BleuTokenizer::Chinese, "in 2020.", "in 2020."),
            (BleuTokenizer::Character, "ab 東\u{301}", "a b 東 \u{301}"),
        ];
        for (tokenizer, text, expected) in cases {
            assert_eq!(tokens(tokenizer, text), expected, "{text:?}");
        }
    }
}
