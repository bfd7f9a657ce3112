//! Credentials in the user information of a URL (RFC 3986, section 3.2.1).

use super::kind::RedactionKind;
use super::span::Span;

/// The longest authority that is looked at, in bytes.
const MAX_AUTHORITY: usize = 256;

/// Finds `user:password` and long random user names before the `@` of a URL.
pub(super) fn scan(text: &str, out: &mut Vec<Span>) {
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        let Some(rest) = text.get(start..) else {
            continue;
        };
        let window = rest.get(..rest.floor_char_boundary(MAX_AUTHORITY)).unwrap_or_default();
        if let Some(len) = credentials_len(window) {
            out.push(Span::new(start, start + len, RedactionKind::UrlCredentials));
        }
    }
}

/// The length of the user information of an authority, where it is a credential.
fn credentials_len(window: &str) -> Option<usize> {
    let outside = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let authority = window.split(|c| outside(c) || matches!(c, '/' | '?' | '#')).next()?;
    if let Some(at) = authority.rfind('@') {
        let user_info = authority.get(..at)?;
        return is_credential(user_info).then_some(at);
    }
    // A password with an unescaped `/`, `?` or `#`: what stands behind the colon is then no port.
    let (user, port) = authority.split_once(':')?;
    if user.is_empty() || user.starts_with('[') || port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let url = window.split(outside).next()?;
    if url.contains("://") { None } else { url.find('@') }
}

fn is_credential(user_info: &str) -> bool {
    match user_info.split_once(':') {
        Some((_, password)) => !password.is_empty(),
        None => user_info.len() >= 16 && user_info.bytes().any(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        scan(text, &mut out);
        out.iter().map(|s| &text[s.start..s.end]).collect()
    }

    #[test]
    fn user_information_with_a_password_is_found() {
        let cases = [
            ("https://user:pass@host.com/x", "user:pass"),
            ("postgres://u:p@ss@localhost:5432/db", "u:p@ss"),
            ("redis://:secret@cache:6379", ":secret"),
            ("postgres://u:p/w#d@host/db", "u:p/w#d"),
            ("git clone https://0123456789abcdef0123@github.com/x/y", "0123456789abcdef0123"),
        ];
        for (text, credentials) in cases {
            assert_eq!(found(text), [credentials], "{text}");
        }
    }

    #[test]
    fn urls_without_a_password_are_left_alone() {
        let texts = [
            "https://host.com/a@b",
            "http://localhost:8080/x@y",
            "http://[::1]:80/@x",
            "ssh://git@github.com/x/y",
            "https://user@host.com",
            "https://user:@host.com",
            "https://medium.com/@someone/post",
            "://",
            "a://:",
            "",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
