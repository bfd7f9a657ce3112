//! E-mail addresses, internationalised ones (RFC 6531) and percent-encoded `@` included.

use unicode_normalization::char::is_combining_mark;

use super::kind::RedactionKind;
use super::span::Span;

/// The longest local part and the longest domain that are looked at, in characters: the limits of RFC 5321, there in octets.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// Endings that make `name@2x.png` a file, not an address.
const FILE_ENDINGS: [&str; 14] =
    ["css", "csv", "gif", "html", "jpeg", "jpg", "js", "json", "pdf", "png", "svg", "ts", "txt", "webp"];

/// Finds addresses around every `@` and `%40`, but for an `@` that ends the credentials of a URL (`credentials`, in order).
pub(super) fn scan(text: &str, credentials: &[Span], out: &mut Vec<Span>) {
    for (at, sign) in text.match_indices('@').chain(text.match_indices("%40")) {
        if credentials.binary_search_by_key(&at, |span| span.end).is_ok() {
            continue;
        }
        let Some(start) = local_start(text, at) else {
            continue;
        };
        let Some(end) = domain_end(text, at + sign.len()) else {
            continue;
        };
        // The user of a repository's address is the service, not a person.
        if text.get(start..at) != Some("git") {
            out.push(Span::new(start, end, RedactionKind::Email));
        }
    }
}

/// Where the local part that ends at `at` begins.
fn local_start(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    if let Some(inner) = before.strip_suffix('"') {
        let window = inner.get(inner.floor_char_boundary(inner.len().saturating_sub(MAX_LOCAL))..)?;
        let open = window.rfind('"')?;
        let quoted = window.get(open + 1..)?;
        return (!quoted.is_empty() && !quoted.contains('\n')).then(|| at - quoted.len() - 2);
    }
    // In an encoded text, `%` begins another encoded character.
    let plain = text.as_bytes().get(at) == Some(&b'@');
    let len: usize = before
        .chars()
        .rev()
        .take(MAX_LOCAL)
        .take_while(|c| is_local(*c) && (*c != '%' || plain))
        .map(char::len_utf8)
        .sum();
    let local = before.get(at - len..)?;
    let local = after_running_text(local);
    let local = local.trim_start_matches(|c: char| !c.is_alphanumeric());
    (!local.is_empty()).then(|| at - local.len())
}

/// The characters of a local part. Those that part the fields of a URL or a list (`/ ? = &`) are left out, though RFC 5322 admits them.
fn is_local(c: char) -> bool {
    c.is_alphanumeric()
        || is_combining_mark(c)
        || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '!' | '#' | '$' | '*' | '~' | '^' | '{' | '|' | '}')
}

/// The part of a local part behind text of a script that is written without spaces, unless the whole is of that script.
fn after_running_text(local: &str) -> &str {
    if local.chars().next_back().is_some_and(is_unspaced) {
        return local;
    }
    match local.char_indices().rfind(|(_, c)| is_unspaced(*c)) {
        Some((at, c)) => local.get(at + c.len_utf8()..).unwrap_or(local),
        None => local,
    }
}

/// Han, kana, bopomofo, Thai, Lao, Khmer and Burmese.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x30FF | 0x3100..=0x312F | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Where the domain that begins at `from` ends; `None` where none begins there.
fn domain_end(text: &str, from: usize) -> Option<usize> {
    let labels = labels(text, from);
    if is_version(&labels) {
        return None;
    }
    let mut offset: usize = labels.iter().map(|label| label.len() + 1).sum();
    for (i, label) in labels.iter().enumerate().rev() {
        offset -= label.len() + 1;
        if i == 0 {
            return None;
        }
        let ending = top_level(label);
        if FILE_ENDINGS.iter().any(|file| ending.eq_ignore_ascii_case(file)) {
            return None;
        }
        if ending.chars().count() >= 2 {
            return Some(from + offset + ending.len());
        }
    }
    None
}

/// The labels of letters, digits and hyphens, parted by single dots.
fn labels(text: &str, from: usize) -> Vec<&str> {
    let rest = text.get(from..).unwrap_or_default();
    let len: usize = rest
        .chars()
        .take(MAX_DOMAIN)
        .take_while(|c| c.is_alphanumeric() || is_combining_mark(*c) || matches!(c, '-' | '.'))
        .map(char::len_utf8)
        .sum();
    let domain = rest.get(..len).unwrap_or_default();
    domain.split('.').take_while(|label| !label.is_empty()).collect()
}

/// The part of a label that can be a top-level domain: letters of one kind from its beginning, or an encoded name (RFC 5891).
fn top_level(label: &str) -> &str {
    if label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")) {
        return label;
    }
    let ascii = label.starts_with(|c: char| c.is_ascii());
    let end = label
        .find(|c: char| !(c.is_alphabetic() || is_combining_mark(c)) || c.is_ascii() != ascii)
        .unwrap_or(label.len());
    label.get(..end).unwrap_or_default()
}

/// Whether the labels begin like the version of a package: `name@1.0.0-beta`.
fn is_version(labels: &[&str]) -> bool {
    labels.len() >= 2 && labels.iter().take(2).all(|label| label.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        scan(text, &[], &mut out);
        out.iter().map(|s| &text[s.start..s.end]).collect()
    }

    #[test]
    fn addresses_are_found_in_every_variant() {
        let cases = [
            ("write to john.doe+news@mail.example.co.uk.", "john.doe+news@mail.example.co.uk"),
            ("<o'brien@example.com>", "o'brien@example.com"),
            ("mailto:a@b.de?subject=x", "a@b.de"),
            ("email=john@example.com&x=1", "john@example.com"),
            ("?e=john%40example.com&x=1", "john%40example.com"),
            ("**john@example.com**", "john@example.com"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("jürgen@müller.de", "jürgen@müller.de"),
            ("ju\u{308}rgen@mu\u{308}ller.de", "ju\u{308}rgen@mu\u{308}ller.de"),
            ("用户@例子.公司", "用户@例子.公司"),
            ("请联系john@example.com谢谢", "john@example.com"),
            ("пиши на иван@почта.рф!", "иван@почта.рф"),
            ("a@b.xn--p1ai", "a@b.xn--p1ai"),
            ("user@163.com", "user@163.com"),
            ("j***@example.com", "j***@example.com"),
            ("a@b.com-foo", "a@b.com"),
            ("(JOHN_D@EXAMPLE.COM)", "JOHN_D@EXAMPLE.COM"),
            ("{\"to\":\"x-y@z.io\"}", "x-y@z.io"),
        ];
        for (text, address) in cases {
            assert_eq!(found(text), [address], "{text}");
        }
    }

    #[test]
    fn other_uses_of_the_sign_are_left_alone() {
        let texts = [
            "@handle",
            "@scope/pkg@1.0.0",
            "lodash@4.17.21",
            "pkg@1.0.0-beta.rc",
            "icon@2x.png",
            "a@b",
            "a@b.c",
            "a @ b.com",
            "git@github.com:x/y.git",
            "user@localhost",
            "5 apples @ 1.50 each",
            "@@",
            "@",
            "",
            "%40",
            "a@.com",
            "a@-",
            "100%40",
            "@media.screen",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
