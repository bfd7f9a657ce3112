//! Short reasons for scores: what was expected, and what was received.

/// Maximum length of a reason, in characters.
pub(super) const MAX_REASON: usize = 200;

/// Maximum length of a quotation within a reason, in characters.
const MAX_QUOTE: usize = 60;

/// The reason given if an example has no accepted answer.
pub const NO_ACCEPTED: &str = "the example has no accepted answer";

/// The text in quotation marks, on one line, shortened to 60 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", excerpt(text))
}

/// The text on one line, shortened to 60 characters.
pub(super) fn excerpt(text: &str) -> String {
    cut(text, MAX_QUOTE)
}

/// The accepted answers in words: the first one or two, or the first one and the number of others.
pub(super) fn accepted(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        [only] => quoted(only),
        [first, second] => format!("{} or {}", quoted(first), quoted(second)),
        [first, rest @ ..] => format!("{} or one of {} others", quoted(first), rest.len()),
    }
}

/// Texts in words: at most three, and the number of others.
pub(super) fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    let shown: Vec<String> = texts.iter().take(3).map(|text| quoted(text)).collect();
    let more = texts.len().saturating_sub(shown.len());
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// A whole reason on one line, shortened to [`MAX_REASON`] characters.
pub(super) fn short(reason: &str) -> String {
    cut(reason, MAX_REASON)
}

fn cut(text: &str, limit: usize) -> String {
    // Control characters, including newlines, would break the line on which a reason is printed.
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = chars.by_ref().take(limit).collect();
    if chars.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_on_one_line_and_shortened() {
        let cases = [
            ("", "\"\"".to_owned()),
            ("a\nb\u{7}", "\"a b \"".to_owned()),
            (&"é".repeat(60), format!("\"{}\"", "é".repeat(60))),
            (&"é".repeat(61), format!("\"{}…\"", "é".repeat(59))),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn accepted_answers_are_counted_if_there_are_many() {
        let texts: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(accepted(&[]), "nothing");
        assert_eq!(accepted(&texts[..1]), "\"a\"");
        assert_eq!(accepted(&texts[..2]), "\"a\" or \"b\"");
        assert_eq!(accepted(&texts), "\"a\" or one of 2 others");
    }
}
