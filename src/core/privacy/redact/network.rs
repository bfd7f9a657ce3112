//! IP addresses, versions 4 and 6.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::kind::RedactionKind;
use super::span::Span;

/// The longest written form of an address of version 6, with an address of version 4 at its end.
const MAX_V6: usize = 45;

/// Words before four numbers that make them a version or a section.
const VERSION_WORDS: [&str; 13] = [
    "ver", "version", "v", "release", "rel", "build", "rev", "revision", "section", "sec", "chapter", "firmware",
    "driver",
];

/// Finds addresses of both versions, apart from loopback and unspecified ones.
pub(super) fn scan(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
            .count();
        if run == 0 {
            at += 1;
            continue;
        }
        let joined =
            |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let free = !joined(at.checked_sub(1)) && !joined(Some(at + run));
        match (free && run <= MAX_V6 + 2).then(|| version_6(text, at, at + run)).flatten() {
            Some(span) => out.push(span),
            None => version_4_in(text, at, at + run, out),
        }
        at += run;
    }
}

/// The address of version 6 that makes up `start..end`, but for a full stop or colon of the sentence.
fn version_6(text: &str, start: usize, end: usize) -> Option<Span> {
    let run = text.get(start..end)?.trim_end_matches('.');
    let single_colon = run.strip_suffix(':').filter(|rest| !rest.ends_with(':'));
    let run = single_colon.unwrap_or(run);
    if run.bytes().filter(|b| *b == b':').count() < 2 {
        return None;
    }
    let address: Ipv6Addr = run.parse().ok()?;
    // `a::b` is a path in a program; a time or a list of bytes has no long group.
    let first = run.split(':').next().unwrap_or_default().len();
    let groups = run.split(':').filter(|group| !group.is_empty()).count();
    let likely = run.bytes().any(|b| b.is_ascii_digit()) && (first >= 3 || groups >= 4 || run.contains('.'));
    let public = !address.is_loopback() && !address.is_unspecified();
    (likely && public).then(|| Span::new(start, start + run.len(), RedactionKind::IpAddress))
}

/// The addresses of version 4 in a run of hexadecimal digits, colons and dots.
fn version_4_in(text: &str, start: usize, end: usize, out: &mut Vec<Span>) {
    let Some(run) = text.get(start..end) else {
        return;
    };
    let mut at = start;
    for field in run.split(':') {
        let address = field.trim_end_matches('.');
        let (from, to) = (at, at + address.len());
        at += field.len() + 1;
        if is_address(address) && stands_alone(text, from, to) {
            out.push(Span::new(from, to, RedactionKind::IpAddress));
        }
    }
}

fn is_address(text: &str) -> bool {
    let parsed = (7..=15).contains(&text.len()).then(|| text.parse::<Ipv4Addr>().ok()).flatten();
    parsed.is_some_and(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Whether the four numbers are no part of a word, of the name of a product (`Agent/1.2.3.4`) or of a version.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let before = text.get(..start).unwrap_or_default();
    let after = bytes.get(end..).unwrap_or_default();
    let tail = before.get(before.floor_char_boundary(before.len().saturating_sub(24))..).unwrap_or_default();
    let product =
        tail.strip_suffix('/').is_some_and(|name| name.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric()));
    let suffix = matches!(after, [b'-' | b'+', b, ..] if b.is_ascii_alphabetic());
    let last_word = tail
        .trim_end_matches([' ', ':', '=', '.', '"', '\''])
        .rsplit(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let version = VERSION_WORDS.iter().any(|v| last_word.eq_ignore_ascii_case(v));
    let glued = before.bytes().next_back().is_some_and(|b| word(&b)) || after.first().is_some_and(word);
    !(glued || product || suffix || version)
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
    fn addresses_of_both_versions_are_found() {
        let cases = [
            ("from 192.168.1.10.", "192.168.1.10"),
            ("http://203.0.113.7:8080/x", "203.0.113.7"),
            ("10.0.0.0/8", "10.0.0.0"),
            ("a@[192.0.2.1]", "192.0.2.1"),
            ("地址8.8.8.8吗", "8.8.8.8"),
            ("2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::8a2e:370:7334"),
            ("http://[2001:db8::1]:443/", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("see 2001:db8::1.", "2001:db8::1"),
            ("on 2001:db8::1: ok", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
        ];
        for (text, address) in cases {
            assert_eq!(found(text), [address], "{text}");
        }
    }

    #[test]
    fn versions_times_and_paths_are_left_alone() {
        let texts = [
            "version 1.2.3.4",
            "v1.2.3.4",
            "Version: 10.0.1.2",
            "Chrome/120.0.6099.109",
            "Agent/1.2.3.4",
            "1.2.3.4-beta",
            "1.2.3.4.5",
            "1.2.3",
            "256.1.1.1",
            "01.02.03.04",
            "127.0.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "std::fs",
            "a::b",
            "dead::beef",
            "12:30:45",
            "00:1B:44:11:3A:B7",
            "x1.2.3.4",
            "1.2.3.4x",
            "10:30:45.123",
            "...",
            ":",
            "",
            "1.2.3.4_5",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
