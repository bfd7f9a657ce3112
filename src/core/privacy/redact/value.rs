//! The value that follows a name in a text: where it ends, and whether it can be a secret at all.

use std::ops::Range;

use super::key_name::SecretName;
use super::kind::RedactionKind;
use super::token::looks_random;

/// The longest quoted string, and the longest line of a header, in bytes; it bounds the work per name.
const MAX_LEN: usize = 4096;

/// A value and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// The value in bytes of the text, without its quotes.
    pub(super) range: Range<usize>,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
}

/// Reads the word or quoted string that begins at `from`; `None` where nothing can be read. `assigned` says that the name was followed
/// by `=`, after which `&` and `;` end a bare value.
pub(super) fn read_word(text: &str, from: usize, assigned: bool) -> Option<Value> {
    if let Some(range) = read_quoted(text, from) {
        return Some(Value { range, quoted: true });
    }
    let rest = text.get(from..)?;
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        let after = rest.get(at + c.len_utf8()..).unwrap_or_default();
        let ends = c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '<' | '>')
            || (assigned && matches!(c, '&' | ';'))
            || (c == '\\' && after.starts_with(['n', 'r', 't', '"', '\'']))
            || (c == ',' && begins_with_assignment(after));
        if ends {
            end = at;
            break;
        }
    }
    let value = rest.get(..end)?.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '*', '\\']);
    (!value.is_empty()).then(|| Value { range: from..from + value.len(), quoted: false })
}

/// The inside of a quoted string that begins at `from`, its quotes possibly escaped; it must end on the same line.
fn read_quoted(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let escapes = count(bytes, from, b'\\').min(8);
    let quote = *bytes.get(from + escapes)?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let start = from + escapes + 1;
    let mut backslashes = 0;
    for (i, byte) in bytes.get(start..)?.iter().take(MAX_LEN).enumerate() {
        match *byte {
            b'\n' | b'\r' => return None,
            b'\\' => backslashes += 1,
            // A string in escaped quotes ends with as many escapes; a plain one, where the escapes cancel out.
            b if b == quote && (backslashes == escapes || (escapes == 0 && backslashes % 2 == 0)) => {
                return Some(start..start + i - escapes.min(backslashes));
            }
            _ => backslashes = 0,
        }
    }
    None
}

fn count(bytes: &[u8], from: usize, byte: u8) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take(9).take_while(|b| **b == byte).count()
}

/// Whether a text begins with `name=` or `name:`.
fn begins_with_assignment(text: &str) -> bool {
    let name = text.bytes().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    name > 0 && matches!(text.as_bytes().get(name), Some(b'=' | b':'))
}

/// Reads the credentials of an `Authorization` header; `None` where what follows is not one.
pub(super) fn read_authorization(text: &str, from: usize) -> Option<Range<usize>> {
    let line = rest_of_line(text, skip_quote(text, from))?;
    let content = text.get(line.clone())?;
    let first = content.split([' ', '\t']).next().unwrap_or_default();
    let after = content.get(first.len()..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let after_at = line.end - after.len();
    match first.to_ascii_lowercase().as_str() {
        "bearer" | "basic" | "token" | "apikey" | "negotiate" | "ntlm" => {
            let len = after.bytes().take_while(|b| is_token68(*b)).count();
            (len > 0).then(|| after_at..after_at + len)
        }
        "digest" | "hawk" | "oauth" | "signature" | "aws4-hmac-sha256" => {
            let len = after.trim_end().len();
            (len > 0).then(|| after_at..after_at + len)
        }
        _ => {
            let len = content.bytes().take_while(|b| is_token68(*b)).count();
            let token = content.as_bytes().get(..len)?;
            (len >= 40 || (len >= 16 && looks_random(token))).then(|| line.start..line.start + len)
        }
    }
}

/// The characters of a credential of RFC 9110, and the colon that some servers admit.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':')
}

/// Reads the pairs of a `Cookie` or `Set-Cookie` header; `None` where what follows does not begin with `name=value`.
pub(super) fn read_cookie(text: &str, from: usize) -> Option<Range<usize>> {
    let start = skip_quote(text, from);
    let rest = text.get(start..)?;
    let head = rest.get(..rest.floor_char_boundary(128))?;
    let first = head.split([';', ' ', '\t', '\r', '\n', '"']).next()?;
    let (name, value) = first.split_once('=')?;
    if name.is_empty() || value.is_empty() {
        return None;
    }
    let line = text.get(rest_of_line(text, start)?)?;
    let pairs = line.split(['"', '\'']).next()?;
    let pairs = pairs.trim_end_matches(['\\', ' ', '\t']);
    Some(start..start + pairs.len())
}

fn skip_quote(text: &str, from: usize) -> usize {
    let escapes = count(text.as_bytes(), from, b'\\');
    match text.as_bytes().get(from + escapes) {
        Some(b'"' | b'\'') => from + escapes + 1,
        _ => from,
    }
}

fn rest_of_line(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let limit = rest.floor_char_boundary(MAX_LEN);
    let rest = rest.get(..limit)?;
    Some(from..from + rest.find(['\r', '\n']).unwrap_or(rest.len()))
}

/// Values that say that there is no value, or what type it has.
const NON_VALUES: [&str; 26] = [
    "any",
    "bool",
    "false",
    "hidden",
    "input",
    "int",
    "integer",
    "n/a",
    "nil",
    "no",
    "none",
    "null",
    "number",
    "object",
    "optional",
    "redacted",
    "required",
    "secretstr",
    "str",
    "string",
    "text",
    "true",
    "undefined",
    "unknown",
    "varchar",
    "yes",
];

/// Words that begin a sentence after `Password:` rather than being one.
const PROSE: [&str; 30] = [
    "cannot",
    "change",
    "choose",
    "click",
    "confirm",
    "contact",
    "create",
    "enter",
    "follow",
    "forgot",
    "have",
    "incorrect",
    "invalid",
    "make",
    "minimum",
    "must",
    "never",
    "open",
    "please",
    "reset",
    "select",
    "should",
    "that",
    "there",
    "this",
    "type",
    "what",
    "when",
    "your",
    "you",
];

/// Whether a value that follows a secret name is one, rather than a type, a reference to a variable, or the next word of a sentence.
pub(super) fn is_secret(name: &str, what: SecretName, assigned: bool, quoted: bool, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if value.is_empty() || NON_VALUES.contains(&lower.as_str()) || is_reference(name, value) {
        return false;
    }
    let len = value.chars().count();
    let random = looks_random(value.as_bytes());
    if !what.strong {
        let one_word = !value.contains(char::is_whitespace);
        return (len >= 8 && random && one_word) || (len >= 20 && one_word);
    }
    if quoted {
        return true;
    }
    if !value.contains(char::is_alphanumeric) {
        return false;
    }
    match what.kind {
        RedactionKind::Password if assigned => true,
        RedactionKind::Password => len >= 4 && !PROSE.contains(&lower.as_str()),
        _ => (len >= 6 && random) || len >= 16,
    }
}

/// Whether a value stands for a secret that is kept elsewhere: `$VAR`, `${VAR}`, `<key>`, `{{key}}`, `os.environ[...]`, `settings.password`.
fn is_reference(name: &str, value: &str) -> bool {
    let variable = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    if value.starts_with("${") || value.starts_with("{{") || value.starts_with("{%") || value.starts_with('<') {
        return true;
    }
    if value.strip_prefix('$').is_some_and(variable) {
        return true;
    }
    if ["os.environ", "os.getenv", "getenv(", "process.env", "env.", "env(", "std::env"]
        .iter()
        .any(|p| value.starts_with(p))
    {
        return true;
    }
    let path = value.bytes().take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.')).count();
    let call = path > 0 && value.as_bytes().get(path) == Some(&b'(');
    let same = path == value.len() && ends_with_ignoring_case(value, last_part(name));
    call || same
}

fn last_part(name: &str) -> &str {
    name.rsplit(['.', ' ']).next().unwrap_or(name)
}

fn ends_with_ignoring_case(text: &str, ending: &str) -> bool {
    let at = text.len().checked_sub(ending.len());
    !ending.is_empty() && at.and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, assigned: bool) -> Option<(&str, bool)> {
        read_word(text, 0, assigned).map(|v| (&text[v.range], v.quoted))
    }

    #[test]
    fn a_value_ends_where_its_notation_says() {
        let cases = [
            ("hunter2 and more", true, Some(("hunter2", false))),
            ("hunter2.", true, Some(("hunter2", false))),
            ("a&b=c", true, Some(("a", false))),
            ("a&b=c", false, Some(("a&b=c", false))),
            ("a,b=c", true, Some(("a", false))),
            ("a,b", true, Some(("a,b", false))),
            ("\"two words\" x", true, Some(("two words", true))),
            ("'it''", true, Some(("it", true))),
            (r#""a\"b" c"#, true, Some((r#"a\"b"#, true))),
            (r#"\"inner\", \"x\""#, true, Some(("inner", true))),
            ("\"not closed", true, None),
            ("abc\\nnext", false, Some(("abc", false))),
            ("пароль1 x", false, Some(("пароль1", false))),
            ("", true, None),
            ("   ", true, None),
        ];
        for (text, assigned, expected) in cases {
            assert_eq!(word(text, assigned), expected, "{text}");
        }
    }

    #[test]
    fn the_credentials_of_a_header_are_read_without_the_scheme() {
        let cases = [
            ("Bearer abc.def-123 -H x", Some("abc.def-123")),
            ("Basic dXNlcjpwYXNz\n", Some("dXNlcjpwYXNz")),
            ("\"token abc\"", Some("abc")),
            ("Digest username=\"a\", response=\"b\"\nHost: x", Some("username=\"a\", response=\"b\"")),
            ("0123456789abcdef0123", Some("0123456789abcdef0123")),
            ("required for this page", None),
            ("Bearer <token>", None),
            ("Bearer", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_authorization(text, 0).map(|r| &text[r]), expected, "{text}");
        }
    }

    #[test]
    fn cookies_are_read_to_the_end_of_the_header() {
        let cases = [
            ("a=1; b=2\r\nHost: x", Some("a=1; b=2")),
            ("\"sid=xyz; Path=/\", \"x\"", Some("sid=xyz; Path=/")),
            ("we use them", None),
            ("=x", None),
            ("x=", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_cookie(text, 0).map(|r| &text[r]), expected, "{text}");
        }
    }
}
