//! The appearance of a text: its format, casing and language, each one of a few named categories.

use serde::de::IgnoredAny;
use whatlang::{detect, detect_script};

/// Maximum number of characters read to detect the language; more do not change the result.
const LANGUAGE_CHARACTERS: usize = 1000;

/// Minimum number of letters for detecting a language.
const LANGUAGE_LETTERS: usize = 20;

/// Minimum confidence of a detected language, on `whatlang`'s scale from 0 to 1. For 1,439 English support requests
/// with 13 words on average, a language is detected in 84 %, of which 97 % are English. With the threshold above which
/// `whatlang` itself calls a detection reliable, 0.9, it is 56 %.
const CONFIDENCE: f64 = 0.2;

/// Minimum number of cased letters for determining the casing.
const CASED_LETTERS: usize = 4;

/// First words of English questions that are often written without a question mark.
const ASKING: [&str; 12] = ["how", "what", "why", "when", "where", "who", "which", "can", "could", "does", "do", "is"];

/// The format of a text, which is the first that applies of:
///
/// - "empty": only white space;
/// - "JSON": a JSON object or array;
/// - "code": a fence of three backticks, markup from its first "<" on, or two lines that end in `;`, `{` or `}`;
/// - "link": a URL with "http://", "https://" or "www.";
/// - "several lines": two lines that are not blank;
/// - "question": a question mark at the end (also the full-width and the Arabic one), or an English question word at the
///   start;
/// - "one line": everything else.
pub(super) fn format(text: &str) -> &'static str {
    let text = text.trim();
    if text.is_empty() {
        "empty"
    } else if text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        "JSON"
    } else if is_code(text) {
        "code"
    } else if ["http://", "https://", "www."].iter().any(|mark| text.contains(mark)) {
        "link"
    } else if text.lines().filter(|line| !line.trim().is_empty()).nth(1).is_some() {
        "several lines"
    } else if is_question(text) {
        "question"
    } else {
        "one line"
    }
}

fn is_code(text: &str) -> bool {
    let ends = |line: &&str| line.trim_end().ends_with([';', '{', '}']);
    let markup = text.starts_with('<') && (text.contains("</") || text.contains("/>"));
    text.contains("```") || markup || text.lines().filter(ends).nth(1).is_some()
}

fn is_question(text: &str) -> bool {
    let closing = |c: char| c.is_whitespace() || ['"', '\'', ')', '!', '.', '”', '»'].contains(&c);
    if text.trim_end_matches(closing).ends_with(['?', '？', '؟']) {
        return true;
    }
    let first: String = text.chars().take_while(|c| c.is_alphabetic()).take(8).flat_map(char::to_lowercase).collect();
    ASKING.contains(&first.as_str())
}

/// The casing of a text: "upper case" or "lower case" if all cased letters have that case, otherwise "mixed case"; "no
/// case" if there are fewer than 4 cased letters, as in scripts without case.
pub fn casing(text: &str) -> &'static str {
    let upper = text.chars().filter(|c| c.is_uppercase()).count();
    let lower = text.chars().filter(|c| c.is_lowercase()).count();
    match (upper, lower) {
        _ if upper + lower < CASED_LETTERS => "no case",
        (_, 0) => "upper case",
        (0, _) => "lower case",
        _ => "mixed case",
    }
}

/// The script of a text without letters.
pub const NO_SCRIPT: &str = "no script";

/// The English name of the language of a text, as detected by the `whatlang` crate, if the text has at least 20 letters
/// and the confidence is above 0.2. Otherwise the name of its script, such as "Latin", or "no script" if it has no
/// letters of any script. Only the first 1,000 characters count.
pub(super) fn language(text: &str) -> String {
    language_above(CONFIDENCE, text)
}

/// Like the language in the shift tests, but with a confidence of its own: the name of the script of every text of which the
/// language is less certain.
pub fn language_above(confidence: f64, text: &str) -> String {
    let end = text.char_indices().nth(LANGUAGE_CHARACTERS).map_or(text.len(), |(end, _)| end);
    let text = text.get(..end).unwrap_or(text);
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let guess =
        if letters >= LANGUAGE_LETTERS { detect(text).filter(|guess| guess.confidence() > confidence) } else { None };
    match guess {
        Some(guess) => guess.lang().eng_name().to_owned(),
        None => detect_script(text).map_or_else(|| NO_SCRIPT.to_owned(), |script| script.name().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_format_that_applies_is_used() {
        for (text, expected) in [
            (" \n\t", "empty"),
            ("{\"a\": [1, 2]}", "JSON"),
            ("[1, 2, {}]", "JSON"),
            ("{not json}", "one line"),
            ("why does this fail?\n```\nx = 1\n```", "code"),
            ("<p>Hello</p>", "code"),
            ("let a = 1;\nlet b = 2;", "code"),
            ("see https://example.com/a?b", "link"),
            ("Dear all,\n\nwhere is it?", "several lines"),
            ("where is my parcel", "question"),
            ("My parcel is late, isn't it?\")", "question"),
            ("我的包裹在哪里？", "question"),
            ("أين طردي؟", "question"),
            ("Whatever you do, cancel it", "one line"),
            ("cancel my order", "one line"),
        ] {
            assert_eq!(format(text), expected, "{text}");
        }
    }

    #[test]
    fn casing_considers_only_cased_letters() {
        for (text, expected) in [
            ("WHERE IS IT 123?!", "upper case"),
            ("where is it", "lower case"),
            ("Where is it", "mixed case"),
            ("ГДЕ ПОСЫЛКА", "upper case"),
            ("我的包裹在哪里", "no case"),
            ("OK", "no case"),
            ("", "no case"),
        ] {
            assert_eq!(casing(text), expected, "{text}");
        }
    }

    #[test]
    fn a_confident_language_is_named_and_a_short_text_has_its_script() {
        for (text, expected) in [
            ("Where can I find the invoice for the order that I placed last week?", "English"),
            ("Wo finde ich die Rechnung für die Bestellung, die ich letzte Woche aufgegeben habe?", "German"),
            ("¿Dónde puedo encontrar la factura del pedido que hice la semana pasada?", "Spanish"),
            ("Где я могу найти счёт за заказ, который я сделал на прошлой неделе?", "Russian"),
            ("refund pls", "Latin"),
            ("посылка", "Cyrillic"),
            ("12345 !?", "no script"),
            ("", "no script"),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
        assert_eq!(language(&"Where can I find the invoice? ".repeat(10_000)), "English");
    }

    proptest! {
        #[test]
        fn any_text_has_a_format_a_casing_and_a_language(
            text in prop_oneof![any::<String>(), "\\PC{0,80}", "\\p{L}{20,60}", "[a-z\\p{Lm}\\p{Nl} ]{20,40}", "(\\p{Mn}|\\p{Lo}){20,40}"]
        ) {
            prop_assert!(!format(&text).is_empty() && !casing(&text).is_empty() && !language(&text).is_empty());
        }
    }
}
