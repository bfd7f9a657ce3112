//! Telephone numbers in international form (ITU-T E.164), in grouped national forms, and after a word such as `phone`.
//!
//! Conservative on purpose: a plain run of digits without a `+` or such a word before it is an order number, not a telephone number.

use regex::Regex;

use super::kind::RedactionKind;
use super::phone_parts::{Part, Parts, before_date, longest, may_begin, may_end};
use super::span::Span;

/// A word that announces a telephone number, and what may stand between.
const ANNOUNCED: &str = concat!(
    r"(?i)(?-u:\b)(?:(?:tele)?phone|telefon[eo]?|téléphone|tel|mobile?|m[oó]vil|cellphone|fax|whatsapp|handynummer|rufnummer)",
    r#"[_ ]?(?:number|no|nr|num)?[\s.:#=("'*]{1,6}(?:(?:is|at|us|on|me|my|was)[\s.:"'(]{1,3}){0,3}\+?"#
);

/// The compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct PhoneScanner {
    announced: Regex,
}

impl PhoneScanner {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { announced: Regex::new(ANNOUNCED)? })
    }

    pub(super) fn scan(&self, text: &str, out: &mut Vec<Span>) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let inside = at.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
            let end = match byte {
                b'+' => international(bytes, at),
                b'(' | b'0'..=b'9' if !inside => national(bytes, at),
                _ => None,
            };
            if let Some(end) = end {
                out.push(Span::new(at, end, RedactionKind::Phone));
            }
            at = end.unwrap_or(at + 1);
        }
        for found in self.announced.find_iter(text) {
            if let Some(end) = announced(bytes, found.end()) {
                out.push(Span::new(found.end(), end, RedactionKind::Phone));
            }
        }
    }
}

/// Whether a whole text is nothing but the digits and separators of a telephone number: 7 to 15 digits.
pub(super) fn is_bare_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+'))
}

/// `+` and a country code: at least 10 digits in one piece, or 9 to 13 in groups; 11 in the North American plan.
fn international(bytes: &[u8], at: usize) -> Option<usize> {
    let parts = Parts::read(bytes, at + 1);
    let parts = parts.as_slice();
    let first = parts.first().filter(|first| first.begins_with(b'1'..=b'9') && may_begin(bytes, at))?;
    let most = if first.digits == b"1" { 11 } else { 13 };
    longest(bytes, parts, |run, digits| match run {
        [single] => single.len() >= 10,
        [first, ..] => first.len() <= 8 && (9..=most).contains(&digits),
        [] => false,
    })
}

fn national(bytes: &[u8], at: usize) -> Option<usize> {
    if !may_begin(bytes, at) {
        return None;
    }
    let all = Parts::read(bytes, at);
    let all = all.as_slice();
    if all.iter().map(Part::len).sum::<usize>() < 9 {
        return None;
    }
    let all = all.get(..before_date(all))?;
    north_american(bytes, all)
        .or_else(|| pairs(bytes, at, all))
        .or_else(|| longest(bytes, all, is_double_zero))
        .or_else(|| longest(bytes, all, is_trunk_zero))
        .or_else(|| longest(bytes, all, is_area_in_parentheses))
}

/// `(415) 555-2671`, `1-415-555-2671`: area code and exchange begin with 2 to 9.
fn north_american(bytes: &[u8], parts: &[Part<'_>]) -> Option<usize> {
    let skip = usize::from(parts.first()?.digits == b"1");
    let [area, exchange, line] = parts.get(skip..skip + 3)? else {
        return None;
    };
    let lengths = area.len() == 3 && exchange.len() == 3 && line.len() == 4;
    let begins = area.begins_with(b'2'..=b'9') && exchange.begins_with(b'2'..=b'9');
    let plain = !exchange.parenthesised && !line.parenthesised && matches!(line.separator, b' ' | b'-' | b'.');
    (lengths && begins && plain && may_end(bytes, line.end)).then_some(line.end)
}

/// Shapes with groups of two: French `06 12 34 56 78`, and nine digits as `612 34 56 78` or `22 123 45 67`; and `612-345-678`.
///
/// The shape must not go on in either direction, or it is a row of small numbers.
fn pairs(bytes: &[u8], at: usize, parts: &[Part<'_>]) -> Option<usize> {
    let shapes: [(&[usize], std::ops::RangeInclusive<u8>); 4] = [
        (&[2, 2, 2, 2, 2], b'0'..=b'0'),
        (&[3, 2, 2, 2], b'5'..=b'9'),
        (&[2, 3, 2, 2], b'1'..=b'9'),
        (&[3, 3, 3], b'5'..=b'9'),
    ];
    let (shape, _) = shapes.into_iter().find(|(shape, begins)| {
        let fits = parts.len() >= shape.len()
            && shape.iter().zip(parts).all(|(len, part)| part.len() == *len && !part.parenthesised);
        fits && parts.first().is_some_and(|first| first.begins_with(begins.clone()))
    })?;
    let run = parts.get(..shape.len())?;
    let separator = run.get(1)?.separator;
    let same = run.iter().skip(1).all(|part| part.separator == separator);
    let plain = if *shape == [3, 3, 3] { separator == b'-' } else { matches!(separator, b' ' | b'.' | b'-') };
    let goes_on = parts.get(shape.len()).is_some_and(|next| next.separator == separator && next.len() <= 2);
    let digit = |n: usize| at.checked_sub(n).and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    let after_number = digit(2) && at.checked_sub(1).and_then(|i| bytes.get(i)) == Some(&separator);
    let end = run.last()?.end;
    let zero_zero = run.first()?.digits == b"00";
    (same && plain && !goes_on && !after_number && !zero_zero && may_end(bytes, end)).then_some(end)
}

/// `0044 20 7946 0958`.
fn is_double_zero(run: &[Part<'_>], digits: usize) -> bool {
    let [first, second, ..] = run else {
        return false;
    };
    let code = first
        .digits
        .strip_prefix(b"00")
        .is_some_and(|code| (1..=4).contains(&code.len()) && code.first() != Some(&b'0'));
    code && run.len() >= 3 && (11..=15).contains(&digits) && (second.parenthesised || !second.begins_with(b'0'..=b'0'))
}

/// `020 7946 0958`, `0171 1234567`, `030/123 45 67`: a trunk prefix 0, then 8 to 11 digits.
fn is_trunk_zero(run: &[Part<'_>], digits: usize) -> bool {
    let [first, rest @ ..] = run else {
        return false;
    };
    let [second, later @ ..] = rest else {
        return false;
    };
    let area = (2..=5).contains(&first.len()) && first.begins_with(b'0'..=b'0') && first.digits.get(1) != Some(&b'0');
    let same = later.iter().all(|part| later.first().is_some_and(|l| l.separator == part.separator));
    let two = !later.is_empty() || (second.len() >= 5 && second.separator != b'.');
    // A row of small numbers with leading zeros is none.
    let small = run.iter().all(|part| part.len() <= 2);
    area && same
        && two
        && !small
        && (9..=12).contains(&digits)
        && rest.iter().all(|part| part.len() >= 2 && !part.parenthesised)
}

/// `(11) 91234-5678`.
fn is_area_in_parentheses(run: &[Part<'_>], digits: usize) -> bool {
    let [first, rest @ ..] = run else {
        return false;
    };
    let year = first.len() == 4 && (1900..2100).contains(&first.number());
    let groups = rest.len() >= 2 && rest.iter().all(|part| part.len() >= 3 && !part.parenthesised);
    first.parenthesised && first.len() >= 2 && !year && groups && (9..=12).contains(&digits)
}

/// The end of a number that a word announced: at least 9 digits in one piece, or 7 in groups.
fn announced(bytes: &[u8], from: usize) -> Option<usize> {
    let parts = Parts::read(bytes, from);
    longest(
        bytes,
        parts.as_slice(),
        |run, digits| {
            if run.len() == 1 { digits >= 9 } else { (7..=15).contains(&digits) }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static SCANNER: LazyLock<PhoneScanner> = LazyLock::new(|| PhoneScanner::new().unwrap());

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        SCANNER.scan(text, &mut out);
        let mut texts: Vec<&str> = out.iter().map(|s| &text[s.start..s.end]).collect();
        texts.dedup();
        texts
    }

    #[test]
    fn international_and_grouped_numbers_are_found() {
        let numbers = [
            "+14155552671",
            "+1 415 555 2671",
            "+1 (415) 555-2671",
            "+44 20 7946 0958",
            "+44 (0)20 7946 0958",
            "+49 171 1234567",
            "+33 6 12 34 56 78",
            "+4512345678",
            "+353-1-234-5678",
            "+86 138 0013 8000",
            "0044 20 7946 0958",
            "(415) 555-2671",
            "(415)555-2671",
            "415-555-2671",
            "415.555.2671",
            "415 555 2671",
            "1-800-555-0199",
            "1 (800) 555-0199",
            "020 7946 0958",
            "(020) 7946 0958",
            "07911 123456",
            "0171 1234567",
            "030/1234567",
            "030/123 45 67",
            "089-12345678",
            "06 12 34 56 78",
            "06.12.34.56.78",
            "06-12345678",
            "044 668 18 00",
            "612 34 56 78",
            "22 123 45 67",
            "612-345-678",
            "(11) 91234-5678",
            "090-1234-5678",
        ];
        for number in numbers {
            for (before, after) in
                [("", ""), ("call ", "."), ("Tel.", ", thanks"), ("电话", "谢谢"), ("\"", "\""), ("(", ")")]
            {
                let text = format!("{before}{number}{after}");
                assert!(found(&text).contains(&number), "{text}: {:?}", found(&text));
            }
        }
    }

    #[test]
    fn a_number_may_be_followed_by_other_numbers() {
        let cases = [
            ("020 7946 0958 2026-11-22", "020 7946 0958"),
            ("+44 20 7946 0958 2026-11-22", "+44 20 7946 0958"),
            ("+1 415 555 2671 48213", "+1 415 555 2671"),
            ("415-555-2671 12:30", "415-555-2671"),
            ("020 7946 0958 12:30", "020 7946 0958"),
        ];
        for (text, number) in cases {
            assert_eq!(found(text), [number], "{text}");
        }
    }

    #[test]
    fn announced_numbers_need_no_grouping() {
        for text in [
            "phone: 4155552671",
            "my phone number is 4155552671",
            "Tel. 4155552671",
            "\"phone\": \"4155552671\"",
            "mobile no: 4155552671",
            "fax 4155552671",
        ] {
            assert_eq!(found(text), ["4155552671"], "{text}");
        }
        assert_eq!(found("tel: 555-1234"), ["555-1234"]);
        assert!(is_bare_number("(415) 5552671") && !is_bare_number("48213") && !is_bare_number("x4155552671"));
    }

    #[test]
    fn other_numbers_are_left_alone() {
        let texts = [
            "order 48213",
            "4155552671",
            "0123456789",
            "1234567890",
            "2026-11-22",
            "22.11.2026",
            "22-11-2026 10:30",
            "01.02.2026 12:30",
            "2026-11-22T10:30:00Z",
            "2026-11-22T10:30:00+02:00",
            "Sun, 22 Nov 2026 10:30:00 +0100",
            "1699999999",
            "1699999999999",
            "12.99",
            "1,234,567.89",
            "1 234 567 890",
            "$1,234.50",
            "612 345 678",
            "612.345.678",
            "1.2.3",
            "10.0.19041.1",
            "v0.12.345",
            "550e8400-e29b-41d4-a716-446655440000",
            "12345678-1234-1234-1234-123456789012",
            "112-1234567-1234567",
            "123-45-6789",
            "SKU-415-555-2671",
            "415-555-2671-9",
            "978-3-16-148410-0",
            "3.14159265358979",
            "0.123 456 789",
            "01 02 03 04 05 06 07 08 09 10 11 12",
            "00 01 02 03 04 05",
            "x+1234567890",
            "2+2345678901",
            "+48213",
            "(2019) 12345 67890",
            "001 002 003 004",
            "1-2-3-4-5-6-7-8-9",
            "phone 12",
            "phones 4155552671",
            "telephone pole 12345",
            "#4155552671",
            "[1] 2 3",
            "10:30-11:45 12:00",
            "5 000 000 €",
            "06 12 34 56 78 €",
            "20261122103045",
            "3-3-4",
            "",
            "+",
            "(",
            "((((",
            "+(",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
