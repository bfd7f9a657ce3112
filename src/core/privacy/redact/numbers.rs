//! Card and telephone numbers: runs of digit groups in one of the formats in which such numbers are written.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::ops::Range;

use regex::Regex;

use super::names::is_one_of;

/// Maximum length of a run of groups, in bytes: enough for 19 single digits, even in parentheses.
const MAX_RUN: usize = 60;

/// The groupings printed on cards. `S` is any separator, including `_` for groups separated only by a parenthesis.
const CARDS: &str = r"
    [0-9]{13,19} | [0-9]{6}S[0-9]{13} | [0-9]{8}S[0-9]{8} | [0-9]{4}S[0-9]{6}S[0-9]{4,5} | [0-9]{4}(?:S[0-9]{3}){3} |
    [0-9]{4}(?:S[0-9]{4}){3}(?:S[0-9]{1,3})? | [0-9]{4}(?:S[0-9]{4}){2}S[0-9]{1,3}";

/// National formats. `(415) 555-2671`, `1-415-555-2671`: area code and exchange start with 2 to 9. `020 7946 0958`,
/// `0171 1234567`, `030/123 45 67`: a trunk prefix 0, then 8 to 11 digits. `(11) 91234-5678`.
const NATIONAL: &str = r"
    (?:\(?1\)?S)?\(?[2-9][0-9]{2}\)?S[2-9][0-9]{2}[\ .-][0-9]{4} |
    \(?0[1-9][0-9]{0,3}\)?(?:[\ /_-][0-9]{5,} | S[0-9]{2,}(?:(?:\ [0-9]{2,})+|(?:-[0-9]{2,})+|(?:\.[0-9]{2,})+|(?:/[0-9]{2,})+)) |
    \([0-9]{2,5}\)(?:S[0-9]{3,}){2,}";

/// International formats with `00`, such as `0044 20 7946 0958`.
const DOUBLE_ZERO: &str = r"\(?00[1-9][0-9]{0,3}\)?S(?:\([0-9]{1,5}\)|[1-9][0-9]*)(?:S\(?[0-9]+\)?)+";

/// Formats that are not national numbers: a row of small numbers with leading zeros, or one that starts with a year.
const NOT_NATIONAL: &str = r"\(?[0-9]{1,2}\)?(?:S[0-9]{1,2})+ | \((?:19|20)[0-9]{2}\).+";

/// Shapes with groups of two digits and a uniform separator `X`: French `06 12 34 56 78`, and nine digits such as `612
/// 34 56 78` or `22 123 45 67`.
const PAIRS: &str = "0[1-9](?:X[0-9]{2}){4} | [5-9][0-9]{2}(?:X[0-9]{2}){3} | [1-9][0-9]X[0-9]{3}(?:X[0-9]{2}){2}";
const THREES: &str = "[5-9][0-9]{2}-[0-9]{3}-[0-9]{3}";

/// Words that announce a telephone number, words for "number" that may follow them, and words that may come in between.
const ANNOUNCING: &str = "phone telephone telefon telefone telefono téléphone tel mobil mobile movil móvil cellphone fax whatsapp \
                          handynummer rufnummer";
const NUMBER: &str = "number no nr num";
const BETWEEN: &str = "is at us on me my was";

/// Dates such as `2026-11-22` or `22.11.2026`, which are not part of a number.
const DATE: &str = r"(?-u)\b(?:(?:19|20)[0-9]{2}[ ./-]D[ ./-]D|D[ ./-]D[ ./-](?:19|20)[0-9]{2})\b";

/// Patterns that match whole numbers in canonical form.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    cards: Regex,
    national: Regex,
    double_zero: Regex,
    not_national: Regex,
    pairs: Regex,
    date: Regex,
}

impl Shapes {
    pub(super) fn new() -> Result<Self, regex::Error> {
        let compile =
            |pattern: &str| Regex::new(&format!("(?x)^(?:{})$", pattern.replace('S', "[ ./_-]").replace("[ ", r"[\ ")));
        let pairs = [r"\ ", r"\.", "-"].map(|separator| PAIRS.replace('X', separator)).join("|") + "|" + THREES;
        Ok(Self {
            cards: compile(CARDS)?,
            national: compile(NATIONAL)?,
            double_zero: compile(DOUBLE_ZERO)?,
            not_national: compile(NOT_NATIONAL)?,
            pairs: compile(&pairs)?,
            date: Regex::new(&DATE.replace('D', "(?:0?[1-9]|[12][0-9]|3[01])"))?,
        })
    }

    /// Whether a number after `+` has an international shape: a country code, and at least 10 digits without separators
    /// or 9 to 13 in groups (at most 11 in the North American plan).
    fn is_international(&self, number: &str, digits: usize) -> bool {
        let first = number.split(is_separator).next().unwrap_or_default();
        let code = first.trim_matches(['(', ')']);
        let most = if code == "1" { 11 } else { 13 };
        let fits =
            if first == number { (10..=15).contains(&digits) } else { code.len() <= 8 && (9..=most).contains(&digits) };
        fits && !code.starts_with('0')
    }

    fn is_national(&self, number: &str, digits: usize) -> bool {
        let fits = (9..=12).contains(&digits) && self.national.is_match(number);
        let fits = fits || (11..=15).contains(&digits) && self.double_zero.is_match(number);
        fits && !self.not_national.is_match(number)
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '.' | '/' | '-' | '_')
}

/// Whether the words before a number announce a telephone number.
fn is_announced(before: &str) -> bool {
    let separator = |c: char| c.is_whitespace() || ".:#=(\"'*".contains(c);
    let mut words = before.rsplit(separator).filter(|word| !word.is_empty()).map(|word| {
        let longest = word.floor_char_boundary(word.len().saturating_sub(24));
        word.get(longest..).unwrap_or_default().to_lowercase()
    });
    let mut next = || words.next().unwrap_or_default();
    if !before.ends_with(separator) {
        return false;
    }
    let mut word = next();
    for _ in 0..3 {
        if is_one_of(&word, BETWEEN) {
            word = next();
        }
    }
    let number = NUMBER.split(' ').find_map(|number| word.strip_suffix(number)).map(str::len);
    match number {
        Some(0) => word = next(),
        Some(len) => word.truncate(len),
        None => {}
    }
    let word = word.trim_end_matches('_');
    let free = |before: &str| !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    ANNOUNCING.split(' ').any(|phone| word.strip_suffix(phone).is_some_and(free))
}

/// A run of digit groups with single separators between them, some in parentheses.
struct Run<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    digits: usize,
}

impl<'a> Run<'a> {
    /// Reads the run that starts at `start`; `None` if it has fewer than `least` digits.
    fn read(text: &'a str, start: usize, least: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let (mut end, mut digits, mut open) = (start, 0, false);
        for (at, byte) in bytes.iter().enumerate().skip(start).take(MAX_RUN) {
            let goes_on = match byte {
                b'0'..=b'9' => true,
                b'(' => !open,
                b')' => open,
                b' ' | b'-' | b'.' | b'/' => matches!(bytes.get(at + 1), Some(b'0'..=b'9' | b'(')),
                _ => false,
            };
            if !goes_on {
                break;
            }
            open = *byte == b'(' || (open && byte.is_ascii_digit());
            digits += usize::from(byte.is_ascii_digit());
            end = at + 1;
        }
        (digits >= least).then_some(Self { text, start, end, digits })
    }

    /// The longest prefix of the run that `accept` accepts, given its canonical form, its number of digits and its end.
    fn longest(&self, accept: impl Fn(&str, usize, usize) -> bool) -> Option<Range<usize>> {
        let byte = |at: usize| self.text.as_bytes().get(at).copied().unwrap_or(0);
        let mut digits = self.digits;
        for end in (self.start + 1..=self.end).rev() {
            let last = byte(end - 1);
            let is_end = last == b')' || (last.is_ascii_digit() && !byte(end).is_ascii_digit());
            if is_end && accept(&canonical(self.text.get(self.start..end)?), digits, end) {
                return Some(self.start..end);
            }
            digits -= usize::from(last.is_ascii_digit());
        }
        None
    }

    /// The start of a date in the run, which is not part of a number; the end of the run if there is none.
    fn before_date(&self, shapes: &Shapes) -> usize {
        let date = self.text.get(self.start..self.end).and_then(|run| shapes.date.find(run));
        date.map_or(self.end, |date| self.start + date.start())
    }

    /// The separator that joins the run to a number before it, and the one that joins the part up to `end` to a number
    /// after it.
    fn joined(&self, end: usize) -> (Option<u8>, Option<u8>) {
        let byte = |i: Option<usize>| i.and_then(|i| self.text.as_bytes().get(i)).copied().unwrap_or(0);
        let join =
            |separator: u8, digit: u8| (b" -.".contains(&separator) && digit.is_ascii_digit()).then_some(separator);
        let before = join(byte(self.start.checked_sub(1)), byte(self.start.checked_sub(2)));
        (before, join(byte(Some(end)), byte(Some(end + 1))))
    }
}

/// The number with `_` inserted between groups that are separated only by a parenthesis.
fn canonical(number: &str) -> Cow<'_, str> {
    if !number.contains('(') {
        return Cow::Borrowed(number);
    }
    let (mut canonical, mut before) = (String::with_capacity(number.len() + 2), ' ');
    for c in number.chars() {
        if (before == ')' && c.is_ascii_digit()) || (before.is_ascii_digit() && c == '(') {
            canonical.push('_');
        }
        canonical.push(c);
        before = c;
    }
    Cow::Owned(canonical)
}

/// A card number of 13 to 19 digits: without separators, in a printed grouping, or standalone in equal groups, with
/// single spaces, hyphens or dots between groups.
pub(super) fn card(shapes: &Shapes, text: &str, digits: Range<usize>) -> Option<Range<usize>> {
    let run = Run::read(text, digits.start, 13)?;
    let letter = |i: usize| text.as_bytes().get(i).is_some_and(u8::is_ascii_alphabetic);
    if digits.start.checked_sub(1).is_some_and(letter) {
        return None;
    }
    run.longest(|number, count, end| {
        if !(13..=19).contains(&count) || letter(end) {
            return false;
        }
        let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        if !(is_issued(&digits) && passes_luhn(&digits)) || number.contains(['(', '/']) {
            return false;
        }
        let (before, after) = run.joined(end);
        let fraction = number.len() == count && (before == Some(b'.') || after == Some(b'.'));
        let alone = before.is_none() && after.is_none();
        !fraction && (shapes.cards.is_match(number) || (alone && is_spelled(number)))
    })
}

/// Whether a number is written in equal groups, such as single digits, with the same separator throughout. Otherwise, a
/// table of small numbers could be taken for a card number.
fn is_spelled(number: &str) -> bool {
    let Some(separator) = number.chars().find(|c| !c.is_ascii_digit()) else { return false };
    let groups: Vec<usize> = number.split(separator).map(str::len).collect();
    let equal = groups.windows(2).all(|pair| pair[0] == groups[0] && pair[1] <= groups[0]);
    equal && groups[0] <= 6 && number.bytes().all(|b| b.is_ascii_digit() || char::from(b) == separator)
}

/// Verifies the check digit (Luhn, ISO/IEC 7812-1, annex B): with every second digit from the right doubled, the sum of
/// all digits is divisible by ten.
pub(super) fn passes_luhn(digits: &[u8]) -> bool {
    let doubled = |(i, digit): (usize, &u8)| match (i % 2, u32::from(*digit)) {
        (0, d) => d,
        (_, d) if d > 4 => d * 2 - 9,
        (_, d) => d * 2,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

/// Whether an issuer uses this prefix with this number of digits.
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

/// A telephone number in international format (ITU-T E.164) or in a grouped national format. Deliberately conservative:
/// a plain run of digits without a preceding `+` or word is more likely an order number than a telephone number.
pub(super) fn phone(shapes: &Shapes, text: &str, digits: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let sign = digits.start.checked_sub(1).and_then(|i| bytes.get(i)).copied();
    let (start, first) = match sign {
        Some(b'+') => (digits.start - 1, digits.start),
        Some(b'(') if bytes.get(digits.end) == Some(&b')') => (digits.start - 1, digits.start - 1),
        _ => (digits.start, digits.start),
    };
    let run = Run::read(text, first, 7)?;
    let free = may_begin(bytes, start);
    let announced = LazyCell::new(|| text.get(..start).is_some_and(is_announced));
    if !free && !*announced {
        return None;
    }
    let date = LazyCell::new(|| run.before_date(shapes));
    let number = run.longest(|number, digits, end| {
        if !(7..=15).contains(&digits) || !may_end(bytes, end) {
            return false;
        }
        // After a word that announces it: at least 9 digits without separators, or 7 in groups.
        let enough = number.len() > digits || digits >= 9;
        let fitting = || match sign {
            _ if enough && *announced => true,
            _ if !free => false,
            Some(b'+') => shapes.is_international(number, digits),
            _ => {
                ((9..=10).contains(&digits) && is_pairs(shapes, &run, number, end))
                    || shapes.is_national(number, digits)
            }
        };
        let two = number.trim_end_matches(')').bytes().rev().take_while(u8::is_ascii_digit).count() >= 2;
        let balanced = || number.matches('(').count() == number.matches(')').count();
        two && balanced() && fitting() && end <= *date
    })?;
    Some(start..number.end)
}

/// Whether a number has groups of two digits. The pattern must not continue in either direction, in which case it would
/// be a row of small numbers.
fn is_pairs(shapes: &Shapes, run: &Run<'_>, number: &str, end: usize) -> bool {
    let (before, after) = run.joined(end);
    let separator = number.bytes().find(|b| !b.is_ascii_digit());
    let small = run.text.bytes().skip(end + 1).take(3).take_while(u8::is_ascii_digit).count() <= 2;
    shapes.pairs.is_match(number) && before != separator && !(after == separator && small)
}

/// Whether a text consists only of the digits and separators of a telephone number, with 7 to 15 digits.
pub(super) fn is_bare_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && text.bytes().all(|b| b.is_ascii_digit() || b" -./()+".contains(&b))
}

/// Whether a number can start at `start`, that is, not within a word, a longer number, a code or a price.
fn may_begin(bytes: &[u8], start: usize) -> bool {
    let back = |n: usize| start.checked_sub(n).and_then(|i| bytes.get(i)).copied().unwrap_or(b' ');
    match (back(2), back(1)) {
        (_, b'_' | b'$' | b'+') => false,
        (before, b'-' | b'/') => !before.is_ascii_alphanumeric(),
        (before, b'.' | b',' | b':' | b')') => !before.is_ascii_digit(),
        (_, byte) => !byte.is_ascii_alphanumeric(),
    }
}

/// Whether a number can end at `end`, that is, not before a letter, another group joined to it, or a currency or
/// percent sign.
fn may_end(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let sign = rest.strip_prefix(b" ").unwrap_or(rest);
    let priced = ["€", "$", "£", "%", "¥"].iter().any(|s| sign.starts_with(s.as_bytes()));
    let joined = match rest {
        [b'-' | b'/', after, ..] => after.is_ascii_alphanumeric(),
        [b'.' | b',' | b':', after, ..] => after.is_ascii_digit(),
        [byte, ..] => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'('),
        [] => false,
    };
    !priced && !joined
}
