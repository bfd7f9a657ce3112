//! Groups of digits that may make up a telephone number, and where such a number may begin and end.

/// At most this many groups are read from one place, which bounds the work.
const MAX_PARTS: usize = 9;

/// A group of digits, possibly in parentheses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) digits: &'a [u8],
    /// The byte behind the group, its closing parenthesis included.
    pub(super) end: usize,
    /// The separator before the group: a blank, `-`, `.`, `/`, or 0 where there is none.
    pub(super) separator: u8,
    pub(super) parenthesised: bool,
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    pub(super) fn number(&self) -> u64 {
        self.digits.iter().take(15).fold(0, |n, b| n * 10 + u64::from(b - b'0'))
    }

    pub(super) fn begins_with(&self, digits: std::ops::RangeInclusive<u8>) -> bool {
        self.digits.first().is_some_and(|b| digits.contains(b))
    }
}

/// The groups read from one place, on the stack: this is done for every run of digits of a text.
pub(super) struct Parts<'a> {
    items: [Part<'a>; MAX_PARTS],
    len: usize,
}

impl<'a> Parts<'a> {
    /// The groups that begin at `from`, single separators between them.
    pub(super) fn read(bytes: &'a [u8], from: usize) -> Self {
        let none = Part { digits: &[], end: from, separator: 0, parenthesised: false };
        let mut parts = Self { items: [none; MAX_PARTS], len: 0 };
        let (mut at, mut separator) = (from, 0);
        for slot in &mut parts.items {
            let Some(part) = read_part(bytes, at, separator) else {
                break;
            };
            *slot = part;
            parts.len += 1;
            let end = part.end;
            let goes_on = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_digit() || *b == b'(');
            (at, separator) = match bytes.get(end) {
                Some(b @ (b' ' | b'-' | b'.' | b'/')) if goes_on(bytes.get(end + 1)) => (end + 1, *b),
                Some(b'(') => (end, 0),
                Some(b) if part.parenthesised && b.is_ascii_digit() => (end, 0),
                _ => break,
            };
        }
        parts
    }

    pub(super) fn as_slice(&self) -> &[Part<'a>] {
        self.items.get(..self.len).unwrap_or_default()
    }
}

/// A group of 1 to 15 digits at `at`; of 1 to 5 where it is in parentheses.
fn read_part(bytes: &[u8], at: usize, separator: u8) -> Option<Part<'_>> {
    let parenthesised = bytes.get(at) == Some(&b'(');
    let start = at + usize::from(parenthesised);
    let len = bytes.get(start..)?.iter().take(17).take_while(|b| b.is_ascii_digit()).count();
    let close = start + len;
    let whole = !parenthesised || (len <= 5 && bytes.get(close) == Some(&b')'));
    let digits = bytes.get(start..close)?;
    let part = Part { digits, end: close + usize::from(parenthesised), separator, parenthesised };
    ((1..=15).contains(&len) && whole).then_some(part)
}

/// Whether a number can begin at `start`: not inside a word, a longer number, a code or a price.
pub(super) fn may_begin(bytes: &[u8], start: usize) -> bool {
    let back = |n: usize| start.checked_sub(n).and_then(|i| bytes.get(i)).copied().unwrap_or(b' ');
    let before = back(2);
    match back(1) {
        b'_' | b'$' | b'+' => false,
        b'-' | b'/' => !before.is_ascii_alphanumeric(),
        b'.' | b',' | b':' | b')' => !before.is_ascii_digit(),
        byte => !byte.is_ascii_alphanumeric(),
    }
}

/// Whether a number can end before `end`: no letter, no further group that is joined to it, no currency or percent sign.
pub(super) fn may_end(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let next = rest.first().copied().unwrap_or(b' ');
    let after = rest.get(1).copied().unwrap_or(b' ');
    let sign = rest.strip_prefix(b" ").unwrap_or(rest);
    let priced = ["€", "$", "£", "%", "¥"].iter().any(|s| sign.starts_with(s.as_bytes()));
    let joined = match next {
        b'-' | b'/' => after.is_ascii_alphanumeric(),
        b'.' | b',' | b':' => after.is_ascii_digit(),
        b'_' | b'(' => true,
        byte => byte.is_ascii_alphanumeric(),
    };
    !priced && !joined
}

/// The number of groups before the first three that read as a date, `2026-11-22` or `22.11.2026`.
pub(super) fn before_date(parts: &[Part<'_>]) -> usize {
    let is_date = |w: &[Part<'_>]| match w {
        [a, b, c] => {
            let year = |p: &Part<'_>| p.len() == 4 && (1900..2100).contains(&p.number());
            let day = |p: &Part<'_>| p.len() <= 2 && (1..=31).contains(&p.number());
            day(b) && ((year(a) && day(c)) || (day(a) && year(c)))
        }
        _ => false,
    };
    parts.windows(3).position(is_date).unwrap_or(parts.len())
}

/// The end of the longest run of leading groups that `accept` takes; it is given the groups and the number of their digits.
pub(super) fn longest<F: Fn(&[Part<'_>], usize) -> bool>(bytes: &[u8], parts: &[Part<'_>], accept: F) -> Option<usize> {
    let parts = parts.get(..before_date(parts))?;
    (1..=parts.len()).rev().find_map(|count| {
        let run = parts.get(..count)?;
        let last = run.last()?;
        let digits = run.iter().map(Part::len).sum();
        (last.len() >= 2 && may_end(bytes, last.end) && accept(run, digits)).then_some(last.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str) -> Vec<usize> {
        Parts::read(text.as_bytes(), 0).as_slice().iter().map(Part::len).collect()
    }

    #[test]
    fn groups_are_read_as_far_as_single_separators_join_them() {
        let cases: [(&str, &[usize]); 9] = [
            ("415-555-2671", &[3, 3, 4]),
            ("(415)555.2671 x", &[3, 3, 4]),
            ("44 (0)20/7", &[2, 1, 2, 1]),
            ("1  2", &[1]),
            ("1-", &[1]),
            ("(123456) 7", &[]),
            ("(1", &[]),
            ("1234567890123456", &[]),
            ("1 2 3 4 5 6 7 8 9 10 11", &[1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ];
        for (text, expected) in cases {
            assert_eq!(lengths(text), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_no_part_of_a_number() {
        for (text, before) in [("20 7946 2026-11-22", 2), ("22.11.2026 5", 0), ("20 7946 0958", 3), ("", 0)] {
            assert_eq!(before_date(Parts::read(text.as_bytes(), 0).as_slice()), before, "{text}");
        }
    }
}
