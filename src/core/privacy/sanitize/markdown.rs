//! Text for table cells, list items and paragraphs in GitHub Flavored Markdown.

use std::borrow::Cow;

use super::terminal::{is_unsafe, push_escape};

/// A zero-width space, written so that it is visible in the source. Backslashes and entities do not prevent links that
/// are created from the text after parsing; a break within them does.
const BREAK: &str = "&#8203;";

/// Escapes a text so that GitHub Flavored Markdown shows it verbatim on one line: it cannot create a link, image, HTML,
/// mention, reference, emphasis, code, mathematics, heading or list, and cannot leave its table cell.
///
/// Significant punctuation is escaped. `http://`, `www.`, `@`, `#1`, `GH-1` and `GHSA-` are broken by a zero-width
/// space, because GitHub links them in the rendered text. A line break becomes `⏎`, a tab becomes a space, and control
/// and invisible characters become escapes as in [`for_terminal`](super::for_terminal). White space at both ends is
/// dropped. A commit hash is not changed, since it is linked only if the repository has that commit. A text without
/// anything to escape is borrowed. Apply it only once: as with any escaping, a second application escapes the escapes.
#[must_use]
pub fn for_markdown(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    let leading = leading_marker(trimmed);
    if leading.is_none() && !trimmed.contains(needs_escape) && !has_reference(trimmed) {
        return Cow::Borrowed(trimmed);
    }
    let mut result = String::with_capacity(trimmed.len() + trimmed.len() / 8 + 16);
    for (at, c) in trimmed.char_indices() {
        let rest = trimmed.get(at..).unwrap_or_default();
        if Some(at) == leading && !needs_escape(c) {
            result.push('\\');
        }
        if !rest.starts_with("\r\n") {
            push_escaped(&mut result, c);
        }
        if breaks_after(trimmed, at, rest) {
            result.push_str(BREAK);
        }
    }
    Cow::Owned(result)
}

fn push_escaped(result: &mut String, c: char) {
    match c {
        '\n' => result.push('⏎'),
        '\t' => result.push(' '),
        '&' => result.push_str("&amp;"),
        '<' => result.push_str("&lt;"),
        '>' => result.push_str("&gt;"),
        '$' => result.push_str("&#36;"),
        '@' => {
            result.push('@');
            result.push_str(BREAK);
        }
        '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
            result.push('\\');
            result.push(c);
        }
        c if is_unsafe(c) => {
            result.push('\\');
            push_escape(result, c);
        }
        c => result.push(c),
    }
}

fn needs_escape(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '$' | '@' | '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '\n' | '\r' | '\t')
        || is_unsafe(c)
}

/// The position of a marker at the start of the line that makes it a heading, list item, rule or underline. A signed
/// number such as `-3.5` is none of these.
fn leading_marker(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.get(digits..)?.chars();
    let marker = rest.next()?;
    let next = rest.next();
    let marks = match marker {
        '.' | ')' if digits > 0 => next.is_none_or(char::is_whitespace),
        '-' | '+' if digits == 0 => !next.is_some_and(|c| c.is_ascii_digit() || c == '.'),
        ':' if digits == 0 => next == Some('-'),
        '#' | '=' => digits == 0,
        _ => false,
    };
    marks.then_some(digits)
}

fn has_reference(text: &str) -> bool {
    text.char_indices().any(|(at, _)| text.get(at..).is_some_and(|rest| breaks_after(text, at, rest)))
}

/// Whether a link that contains the character at `at` must be broken after it.
fn breaks_after(text: &str, at: usize, rest: &str) -> bool {
    match rest.as_bytes() {
        // The scheme of a URL, or an address such as `mailto:x`.
        [b':', b'/', b'/', ..] => true,
        [b':', ..] => ["mailto", "xmpp"].iter().any(|scheme| ends_with(text.get(..at), scheme)),
        [b'w' | b'W', b'.', ..] => ends_with(text.get(..at), "ww"),
        [b'#', next, ..] => next.is_ascii_digit(),
        [b'-', next, ..] => {
            (next.is_ascii_digit() && ends_with(text.get(..at), "gh"))
                || (next.is_ascii_alphanumeric() && ends_with(text.get(..at), "ghsa"))
        }
        _ => false,
    }
}

fn ends_with(text: Option<&str>, ending: &str) -> bool {
    let tail = text.and_then(|t| t.get(t.len().checked_sub(ending.len())?..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_is_escaped() {
        let cases = [
            ("a|b", "a\\|b"),
            ("`code`", "\\`code\\`"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
            ("![x](http://h/i.png)", "!\\[x\\](http:&#8203;//h/i.png)"),
            ("*a* __b__ ~~c~~", "\\*a\\* \\_\\_b\\_\\_ \\~\\~c\\~\\~"),
            ("a\nb\r\nc\td", "a⏎b⏎c d"),
            ("# h", "\\# h"),
            ("- x", "\\- x"),
            ("+ x", "\\+ x"),
            ("12. x", "12\\. x"),
            ("1) x", "1\\) x"),
            ("---", "\\---"),
            ("www.example.com", "www&#8203;.example.com"),
            ("HTTPS://EXAMPLE.COM", "HTTPS:&#8203;//EXAMPLE.COM"),
            ("mailto:a@b.com", "mailto:&#8203;a@&#8203;b.com"),
            ("@octocat", "@&#8203;octocat"),
            ("see #12 and GH-7", "see #&#8203;12 and GH-&#8203;7"),
            ("#12", "\\#&#8203;12"),
            ("&lt;b&gt; &copy;", "&amp;lt;b&amp;gt; &amp;copy;"),
            ("a\\", "a\\\\"),
            ("\\|", "\\\\\\|"),
            ("$x$", "&#36;x&#36;"),
            ("\u{1b}[31m \u{202E}", "\\\\u{1b}\\[31m \\\\u{202e}"),
            ("  padded  ", "padded"),
        ];
        for (text, escaped) in cases {
            assert_eq!(for_markdown(text), escaped, "{text:?}");
        }
    }

    #[test]
    fn plain_text_is_borrowed() {
        for text in [
            "",
            "Where is my order 48213?",
            "3.5 of 4 (87 %)",
            "C# or F#",
            "a - b + c = d",
            "10:30",
            "ünï 漢字 🎉",
            "it's \"fine\"; ok!",
            "8 GHz-1",
        ] {
            assert!(matches!(for_markdown(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    /// The fixture contains the rendering of each escaped text by cmark-gfm, GitHub's parser. See
    /// `fixtures/make_markdown.py`, which also fails if a text yields any element.
    #[test]
    fn the_parser_of_github_shows_exactly_the_text() {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/markdown.json")).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() > 80);
        for case in cases {
            let [text, escaped, shown] = ["text", "escaped", "shown"].map(|key| case[key].as_str().unwrap());
            assert_eq!(for_markdown(text), escaped, "{text:?}");
            assert_eq!(shown, super::super::for_terminal(text.trim()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_active_character_is_left_unescaped(text in "[a-z|`<>\\[\\]*_~\\\\@#&$\\n\\r\\t.:/w0-9 -]{0,30}") {
            let escaped = for_markdown(&text);
            prop_assert!(!escaped.contains(['<', '>', '\n', '\r', '\t', '$']));
            prop_assert!(!escaped.contains("://") && !escaped.to_lowercase().contains("www."));
            prop_assert!(escaped.split('@').skip(1).all(|rest| rest.starts_with(BREAK)));
            let mut backslashes = 0;
            for c in escaped.chars() {
                let bare = backslashes % 2 == 0 && matches!(c, '|' | '`' | '[' | ']' | '*' | '_' | '~');
                prop_assert!(!bare, "{}", escaped);
                backslashes = if c == '\\' { backslashes + 1 } else { 0 };
            }
            prop_assert_eq!(backslashes % 2, 0);
        }
    }
}
