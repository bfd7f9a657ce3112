//! The normalisation of texts.

use unicode_normalization::UnicodeNormalization;

use crate::core::domain::Normalization;

/// Applies normalisation steps to a text, in order.
///
/// - `Trim` removes white space (Unicode `White_Space`) at both ends.
/// - `Lowercase` applies the full Unicode lower case mapping.
/// - `Whitespace` replaces every run of white space by one space, also at the ends.
/// - `Punctuation` removes quotes, brackets, sentence marks, and `*`, `_` and white space among them, at both ends.
///   Marks that are meaningful next to a value are retained (`-`, `+`, `%`, `#`, currency signs, a `.` before a digit),
///   and a text that consists only of such characters is unchanged, so that `?` and `!` remain different.
/// - `Unicode` is normal form NFKC (Unicode Standard Annex #15).
pub fn normalize(text: &str, steps: &[Normalization]) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        Normalization::Trim => text.trim().to_owned(),
        Normalization::Lowercase => text.to_lowercase(),
        Normalization::Whitespace => collapse_whitespace(&text),
        Normalization::Punctuation => strip_punctuation(&text).to_owned(),
        Normalization::Unicode => text.nfkc().collect(),
    })
}

fn collapse_whitespace(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !in_run {
            out.push(' ');
        }
        in_run = c.is_whitespace();
    }
    out
}

fn strip_punctuation(text: &str) -> &str {
    let is_loose = |c: char| c.is_whitespace() || is_punctuation(c);
    let stripped = text.trim_matches(is_loose);
    if stripped.is_empty() {
        return text;
    }
    let start = text.len() - text.trim_start_matches(is_loose).len();
    let is_fraction = stripped.starts_with(|c: char| c.is_ascii_digit()) && text[..start].ends_with('.');
    if is_fraction { text[start - 1..].trim_end_matches(is_loose) } else { stripped }
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ':' | '!' | '?' | '¡' | '¿' | '…' | '·' | '"' | '\'' | '`' | '´' | '*' | '_'
            | '(' | ')' | '[' | ']' | '{' | '}' | '«' | '»' | '‹' | '›' | '–' | '—'
            | '\u{2018}'..='\u{201F}' // quotation marks
            | '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{FF01}' | '\u{FF08}' | '\u{FF09}'
            | '\u{FF0C}' | '\u{FF0E}' | '\u{FF1A}' | '\u{FF1B}' | '\u{FF1F}' // East Asian forms
    )
}

#[cfg(test)]
mod tests {
    use Normalization::{Lowercase, Punctuation, Trim, Unicode, Whitespace};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_step_follows_its_description() {
        let cases: [(&[Normalization], &str, &str); 20] = [
            (&[], " A. ", " A. "),
            (&[Trim], " \u{a0}A b \n", "A b"),
            (&[Lowercase], "ÀÉ İ", "àé i\u{307}"),
            (&[Whitespace], "a \t\n b  ", "a b "),
            (&[Whitespace], "", ""),
            (&[Punctuation], "\"Paris.\"\n", "Paris"),
            (&[Punctuation], "**Paris**", "Paris"),
            (&[Punctuation], "“¿Qué?”", "Qué"),
            (&[Punctuation], "「東京」。", "東京"),
            (&[Punctuation], "(a) b", "a) b"),
            (&[Punctuation], "-5%", "-5%"),
            (&[Punctuation], "C#", "C#"),
            (&[Punctuation], "$.5.", "$.5"),
            (&[Punctuation], "(.5)", ".5"),
            (&[Punctuation], "?!", "?!"),
            (&[Punctuation], "", ""),
            (&[Unicode], "ﬁ ①\u{a0}Ａ", "fi 1 A"),
            (&[Unicode], "e\u{301}", "é"),
            (&[Trim, Lowercase, Punctuation], " YES! ", "yes"),
            (&[Unicode, Lowercase], "Ａ", "a"),
        ];
        for (steps, text, expected) in cases {
            assert_eq!(normalize(text, steps), expected, "{text:?} {steps:?}");
        }
    }

    proptest! {
        #[test]
        fn steps_other_than_lowercase_are_idempotent(text in any::<String>()) {
            for step in [Trim, Whitespace, Punctuation, Unicode] {
                let once = normalize(&text, &[step]);
                prop_assert_eq!(normalize(&once, &[step]), once);
            }
        }
    }
}
