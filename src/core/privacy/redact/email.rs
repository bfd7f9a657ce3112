//! E-mail addresses, including internationalised ones (RFC 6531) and those with a percent-encoded `@`.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::names::is_one_of;

/// Maximum lengths of the local part and of the domain, in characters. RFC 5321 has the same limits, in octets.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// Endings that make something like `name@2x.png` a file name rather than an address.
const FILE_ENDINGS: &str = "css csv gif html jpeg jpg js json pdf png svg ts txt webp";

/// The address around an `@` or `%40`. Addresses of repositories (`git@…`) are not replaced, since their user is a
/// service rather than a person.
pub(super) fn email(text: &str, at: Range<usize>) -> Option<Range<usize>> {
    let start = local_start(text, at.start)?;
    let end = domain_end(text, at.end)?;
    (text.get(start..at.start) != Some("git")).then_some(start..end)
}

/// The start of the local part that ends at `at`.
fn local_start(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    if let Some(inner) = before.strip_suffix('"') {
        let window = inner.get(inner.floor_char_boundary(inner.len().saturating_sub(MAX_LOCAL))..)?;
        let quoted = window.get(window.rfind('"')? + 1..)?;
        return (!quoted.is_empty() && !quoted.contains('\n')).then(|| at - quoted.len() - 2);
    }
    // In encoded text, `%` starts another encoded character. Characters that separate the fields of a URL or a list (`/
    // ? = &`) are excluded, although RFC 5322 allows them.
    let plain = text.get(at..)?.starts_with('@');
    let is_local =
        |c: char| c.is_alphanumeric() || is_combining_mark(c) || (c == '%' && plain) || "._+-'!#$*~^{|}".contains(c);
    let len: usize = before.chars().rev().take(MAX_LOCAL).take_while(|c| is_local(*c)).map(char::len_utf8).sum();
    let local = before.get(at - len..)?;
    // Cut off preceding text in a script that is written without spaces, unless the local part itself is in that
    // script.
    let local = if local.ends_with(is_unspaced) { local } else { local.rsplit(is_unspaced).next()? };
    let local = local.trim_start_matches(|c: char| !c.is_alphanumeric());
    (!local.is_empty()).then(|| at - local.len())
}

/// Han, kana, bopomofo, Thai, Lao, Khmer and Burmese.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x30FF | 0x3100..=0x312F | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// The end of the domain that starts at `from`, after the last label that can be a top-level domain; `None` if there is
/// no domain.
fn domain_end(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let is_domain = |c: &char| c.is_alphanumeric() || is_combining_mark(*c) || matches!(c, '-' | '.');
    let len: usize = rest.chars().take(MAX_DOMAIN).take_while(is_domain).map(char::len_utf8).sum();
    let labels: Vec<&str> = rest.get(..len)?.split('.').take_while(|label| !label.is_empty()).collect();
    // A package version: `name@1.0.0-beta`.
    if labels.len() >= 2 && labels.iter().take(2).all(|label| label.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let (last, ending) = labels.iter().enumerate().skip(1).rev().find_map(|(i, label)| {
        let ending = top_level(label);
        (ending.chars().count() >= 2).then_some((i, ending))
    })?;
    let offset: usize = labels.iter().take(last).map(|label| label.len() + 1).sum();
    (!is_one_of(&ending.to_ascii_lowercase(), FILE_ENDINGS)).then_some(from + offset + ending.len())
}

/// The part of a label that can be a top-level domain: its leading letters, either all ASCII or all non-ASCII, or an
/// encoded name (RFC 5891).
fn top_level(label: &str) -> &str {
    if label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")) {
        return label;
    }
    let ascii = label.starts_with(|c: char| c.is_ascii());
    let is_other = |c: char| !(c.is_alphabetic() || is_combining_mark(c)) || c.is_ascii() != ascii;
    label.split(is_other).next().unwrap_or_default()
}
