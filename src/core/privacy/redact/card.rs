//! Payment card numbers (ISO/IEC 7812).

use super::kind::RedactionKind;
use super::span::Span;

/// The lengths of the groups in which cards are printed; longer patterns first, so that the longest valid number is taken.
const PATTERNS: [&[usize]; 12] = [
    &[4, 4, 4, 4, 3],
    &[6, 13],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[8, 8],
    &[4, 6, 5],
    &[4, 4, 4, 3],
    &[4, 6, 4],
    &[4, 4, 4, 2],
    &[4, 3, 3, 3],
    &[4, 4, 4, 1],
];

/// A run of digits.
#[derive(Debug, Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    /// The single separator that joins it to the group before; `None` where anything else stands between.
    joined_by: Option<u8>,
    /// Whether no letter touches it.
    clean: bool,
}

impl Group {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Finds card numbers of 13 to 19 digits, in one piece, in a printed grouping, or in equal groups that stand alone, with single blanks,
/// hyphens or dots between the groups.
pub(super) fn scan(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let groups = groups(bytes);
    let mut next = 0;
    while let Some(rest) = groups.get(next..).filter(|rest| !rest.is_empty()) {
        match card_at(bytes, rest) {
            Some(count) => {
                if let (Some(first), Some(last)) = (rest.first(), rest.get(count - 1)) {
                    out.push(Span::new(first.start, last.end, RedactionKind::CardNumber));
                }
                next += count;
            }
            None => next += 1,
        }
    }
}

fn groups(bytes: &[u8]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if len == 0 {
            at += 1;
            continue;
        }
        let (start, end) = (at, at + len);
        let joined_by = match (groups.last(), start.checked_sub(1).and_then(|i| bytes.get(i))) {
            (Some(last), Some(sep)) if last.end + 1 == start && matches!(sep, b' ' | b'-' | b'.') => Some(*sep),
            _ => None,
        };
        let letter = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphabetic);
        groups.push(Group { start, end, joined_by, clean: !letter(start.checked_sub(1)) && !letter(Some(end)) });
        at = end;
    }
    groups
}

/// The number of groups that make up the card number which begins with the first group; `None` where there is none.
fn card_at(bytes: &[u8], rest: &[Group]) -> Option<usize> {
    if is_single(bytes, rest) {
        return Some(1);
    }
    let printed = PATTERNS.iter().find(|pattern| fits(rest, pattern) && is_card(bytes, rest.get(..pattern.len())));
    match printed {
        Some(pattern) => Some(pattern.len()),
        None => spelled(bytes, rest),
    }
}

/// Whether the first group alone is a card number; the decimals of a fraction are not.
fn is_single(bytes: &[u8], rest: &[Group]) -> bool {
    let Some(first) = rest.first().filter(|g| g.clean && (13..=19).contains(&g.len())) else {
        return false;
    };
    let fraction = first.joined_by == Some(b'.') || rest.get(1).is_some_and(|next| next.joined_by == Some(b'.'));
    !fraction && is_card(bytes, rest.get(..1))
}

fn fits(rest: &[Group], pattern: &[usize]) -> bool {
    rest.len() >= pattern.len()
        && pattern
            .iter()
            .zip(rest)
            .enumerate()
            .all(|(i, (len, group))| group.len() == *len && group.clean && (i == 0 || group.joined_by.is_some()))
}

/// A number in equal groups of other lengths, such as one digit each: only where it is the whole run with one and the same separator,
/// for a table of small numbers must not be taken for a card.
fn spelled(bytes: &[u8], rest: &[Group]) -> Option<usize> {
    let first = rest.first()?;
    if first.joined_by.is_some() || first.len() > 6 {
        return None;
    }
    let separator = rest.get(1)?.joined_by?;
    let count = 1 + rest.iter().skip(1).take(19).take_while(|g| g.joined_by.is_some()).count();
    let run = rest.get(..count)?;
    let (last, equal) = run.split_last()?;
    let uniform = equal.iter().all(|g| g.len() == first.len()) && last.len() <= first.len();
    let same = run.iter().skip(1).all(|g| g.joined_by == Some(separator));
    (uniform && same && run.iter().all(|g| g.clean) && is_card(bytes, Some(run))).then_some(count)
}

fn is_card(bytes: &[u8], groups: Option<&[Group]>) -> bool {
    let digits: Vec<u8> = groups
        .unwrap_or_default()
        .iter()
        .flat_map(|g| bytes.get(g.start..g.end).unwrap_or_default())
        .map(|b| b - b'0')
        .take(20)
        .collect();
    (13..=19).contains(&digits.len()) && is_issued(&digits) && passes_luhn(&digits)
}

/// The check digit of ISO/IEC 7812-1, annex B (Luhn): every second digit from the right doubled, the digit sums divisible by ten.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| match (i % 2, u32::from(*digit)) {
            (0, d) => d,
            (_, d) if d > 4 => d * 2 - 9,
            (_, d) => d * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer uses this prefix with this length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |n: usize| digits.iter().take(n).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    let long = matches!(digits.len(), 16..=19);
    match digits.len() {
        // Visa; Mastercard; American Express; Diners Club.
        13 | 16 | 19 if prefix(1) == 4 => true,
        16 if matches!(two, 51..=55) || matches!(four, 2221..=2720) => true,
        15 if matches!(two, 34 | 37) => true,
        14..=19 if matches!(two, 36 | 38 | 39) || matches!(three, 300..=305) || four == 3095 => true,
        // Discover and RuPay; JCB; UnionPay; Mir; Troy.
        _ if long && (four == 6011 || matches!(three, 508 | 644..=649) || matches!(two, 60 | 65 | 82)) => true,
        _ if long && matches!(four, 3528..=3589) => true,
        _ if long && matches!(two, 62 | 81) => true,
        _ if long && matches!(four, 2200..=2204 | 9792) => true,
        // Maestro; Verve.
        _ if matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => true,
        _ => long && matches!(six, 506_099..=506_198 | 650_002..=650_027),
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
    fn the_test_numbers_of_the_issuers_are_found() {
        let numbers = [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3056930009020004",
            "36227206271667",
            "3566002020360505",
            "6200000000000005",
            "6759649826438453",
            "2200000000000004",
            "4000002760003184",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "3782 822463 10005",
            "3622 720627 1667",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "41111111 11111111",
            "41-11-11-11-11-11-11-11",
        ];
        for number in numbers {
            for (before, after) in
                [("", ""), ("card ", "."), ("卡号", "谢谢"), ("\"", "\"}"), ("n=", ",12/26"), ("48213, ", " 12/26 123")]
            {
                let text = format!("{before}{number}{after}");
                // A number spelled in small groups counts only where it stands alone.
                if number.starts_with("4 1") && after.contains("12/26 123") {
                    continue;
                }
                if number.starts_with("41-") && after.contains("12/26 123") {
                    continue;
                }
                assert_eq!(found(&text), [number], "{text}");
            }
        }
    }

    #[test]
    fn other_long_numbers_are_left_alone() {
        let texts = [
            "4111111111111112",
            "1234567890123452",
            "1699999999999",
            "1700000000000000000",
            "20261122103045123",
            "0.4111111111111111",
            "4111111111111111.0",
            "a4111111111111111",
            "4111111111111111b",
            "41111111111111111111",
            "4111  1111  1111  1111",
            "9780306406157",
            "123e4567-e89b-12d3-a456-426614174000",
            "12345678-1234-1234-1234-123456789012",
            "4 8 15 16 23 42 108 4 8 15",
            "2026-11-22 10:30:45.123456",
            "48213",
            "",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn two_cards_in_a_row_are_two() {
        assert_eq!(found("4111 1111 1111 1111 5555 5555 5555 4444"), ["4111 1111 1111 1111", "5555 5555 5555 4444"]);
    }

    #[test]
    fn the_check_digit_agrees_with_the_reference_implementation() {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/numbers.json")).unwrap();
        let cases = fixture["luhn"].as_array().unwrap();
        assert!(cases.len() > 200);
        for case in cases {
            let number = case["text"].as_str().unwrap();
            let digits: Vec<u8> = number.bytes().map(|b| b - b'0').collect();
            assert_eq!(passes_luhn(&digits), case["valid"].as_bool().unwrap(), "{number}");
        }
    }
}
