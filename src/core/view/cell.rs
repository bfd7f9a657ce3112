//! Typed values of a report, and phrases composed of them. Each format renders values in its own syntax; the `Display`
//! implementations are the default.

use std::fmt::{self, Display};

use crate::core::privacy::sanitize::truncate_chars;
use crate::core::verdict::Verdict;

/// Shown in place of a value that was not measured.
pub const NOTHING: &str = "–";

/// A value in a report. Shares are in [0, 1]. A trailing `usize` is the number of decimals.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Shown as nothing.
    Blank,
    /// Not measured.
    NotMeasured,
    /// Raw, untrusted text; each format sanitizes it.
    Text(String),
    /// A whole number, shown with thousands separators.
    Count(u64),
    /// A decimal number, such as `0.873`.
    Number(f64, usize),
    /// An interval, such as `0.84–0.90`.
    Interval(f64, f64, usize),
    /// A share, such as `9.1 %`.
    Share(f64, usize),
    /// An interval of shares, such as `88.1–93.5 %`.
    ShareInterval(f64, f64),
    /// A signed difference of shares in percentage points, such as `+6.2`.
    Points(f64),
    /// An interval of signed differences in percentage points, such as `−5.1 to −1.3`.
    PointsInterval(f64, f64),
    /// A p-value, such as `0.012` or `< 0.001`.
    PValue(f64),
    /// A p-value or a level of a test with two significant digits, such as `0.0024`.
    Level(f64),
    /// Milliseconds, such as `420 ms` or `1.25 s`.
    Milliseconds(f64),
    /// A verdict, the only kind of value that is coloured.
    Verdict(Verdict),
    /// Several values in sequence.
    Phrase(Phrase),
}

/// Text and values that form one sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phrase(pub Vec<Cell>);

/// Creates a [`Phrase`] from expressions that convert into [`Cell`].
macro_rules! phrase {
    ($($part:expr),* $(,)?) => {
        $crate::core::view::Phrase(vec![$($crate::core::view::Cell::from($part)),*])
    };
}
pub(crate) use phrase;

impl Cell {
    /// Text on a single line, truncated to `chars` characters.
    pub fn line(text: &str, chars: usize) -> Self {
        Self::Text(line(text, chars))
    }

    /// A count; blank if zero.
    pub fn some(count: u64) -> Self {
        if count > 0 { Self::Count(count) } else { Self::Blank }
    }

    /// The value, or a blank if it is missing.
    pub fn or_blank(cell: Option<Self>) -> Self {
        cell.unwrap_or(Self::Blank)
    }

    /// Whether the cell is shown as nothing.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Blank => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl Phrase {
    /// Appends a value, or the parts of another phrase.
    pub fn push(&mut self, part: impl Into<Cell>) {
        match part.into() {
            Cell::Phrase(phrase) => self.0.extend(phrase.0),
            cell => self.0.push(cell),
        }
    }

    /// Joins phrases, with `between` as the separator.
    pub fn join(phrases: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut all = Self::default();
        for phrase in phrases {
            if !all.0.is_empty() {
                all.push(between);
            }
            all.push(phrase);
        }
        all
    }
}

impl Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|cell| cell.fmt(f))
    }
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => Ok(()),
            Self::NotMeasured => f.write_str(NOTHING),
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => f.write_str(&whole(*count)),
            Self::Number(value, decimals) => f.write_str(&figure(*value, *decimals)),
            Self::Interval(lo, hi, decimals) => f.write_str(&interval(*lo, *hi, *decimals)),
            Self::Share(value, _) if !value.is_finite() => f.write_str(NOTHING),
            Self::Share(value, decimals) => write!(f, "{} %", figure(value * 100.0, *decimals)),
            Self::ShareInterval(lo, hi) => write!(f, "{} %", interval(lo * 100.0, hi * 100.0, 1)),
            Self::Points(value) if !value.is_finite() => f.write_str(NOTHING),
            // With a true minus sign.
            Self::Points(value) => f.write_str(&format!("{:+.1}", value * 100.0).replace('-', "−")),
            Self::PointsInterval(lo, hi) => write!(f, "{} to {}", Self::Points(*lo), Self::Points(*hi)),
            Self::PValue(p) if *p < 0.001 => f.write_str("< 0.001"),
            Self::PValue(p) => f.write_str(&figure(*p, 3)),
            Self::Level(p) => f.write_str(&level(*p)),
            Self::Milliseconds(ms) if *ms >= 1000.0 => write!(f, "{} s", figure(ms / 1000.0, 2)),
            Self::Milliseconds(ms) => write!(f, "{} ms", figure(*ms, 0)),
            Self::Verdict(verdict) => f.write_str(verdict.name()),
            Self::Phrase(phrase) => phrase.fmt(f),
        }
    }
}

/// Two significant digits, without exponent down to one in a million.
fn level(p: f64) -> String {
    if !p.is_finite() {
        return NOTHING.to_owned();
    }
    if p < 1e-6 {
        return "< 0.000001".to_owned();
    }
    let decimals = (1.0 - p.log10().floor()).clamp(2.0, 7.0) as usize;
    let text = format!("{p:.decimals$}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<Verdict> for Cell {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl From<Phrase> for Cell {
    fn from(phrase: Phrase) -> Self {
        Self::Phrase(phrase)
    }
}

/// `None` means not measured.
impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NotMeasured, Into::into)
    }
}

fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { NOTHING.into() }
}

fn interval(lo: f64, hi: f64, decimals: usize) -> String {
    format!("{}–{}", figure(lo, decimals), figure(hi, decimals))
}

fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 example`, `2 examples`.
pub fn count_of(value: impl Copy + PartialEq + From<u8> + Into<Cell>, noun: &str) -> String {
    let plural = if value == 1.into() { "" } else { "s" };
    format!("{} {noun}{plural}", value.into())
}

/// `text` on a single line, with runs of white space collapsed, truncated to `chars` characters.
pub fn line(text: &str, chars: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    truncate_chars(&words.join(" "), chars).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_a_default_form() {
        let cases = [
            (Cell::Number(0.8725, 3), "0.873"),
            (Cell::Number(f64::NAN, 3), NOTHING),
            (Cell::Interval(0.8391, 0.9006, 2), "0.84–0.90"),
            (Cell::Share(0.0912, 1), "9.1 %"),
            (Cell::Share(f64::NAN, 1), NOTHING),
            (Cell::ShareInterval(0.8811, 0.9349), "88.1–93.5 %"),
            (Cell::Points(0.062), "+6.2"),
            (Cell::Points(-0.01), "−1.0"),
            (Cell::PValue(0.0004), "< 0.001"),
            (Cell::PValue(0.0123), "0.012"),
            (Cell::Level(0.05), "0.05"),
            (Cell::Level(0.00237), "0.0024"),
            (Cell::Level(0.000_021), "0.000021"),
            (Cell::Level(0.31), "0.31"),
            (Cell::Level(1.0), "1.0"),
            (Cell::Level(1e-9), "< 0.000001"),
            (Cell::Milliseconds(420.4), "420 ms"),
            (Cell::Milliseconds(1250.0), "1.25 s"),
            (Cell::from(None::<usize>), NOTHING),
            (Cell::some(0), ""),
        ];
        for (cell, text) in cases {
            assert_eq!(cell.to_string(), text, "{cell:?}");
        }
    }

    #[test]
    fn whole_numbers_have_commas_between_thousands() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Cell::Count(value).to_string(), text);
        }
        assert_eq!(count_of(1_u64, "example"), "1 example");
        assert_eq!(count_of(2_000_u64, "example"), "2,000 examples");
    }

    #[test]
    fn text_is_put_on_one_line() {
        assert_eq!(line("a\n\n  b\tc", 80), "a b c");
        assert_eq!(line("abcdef", 4).chars().count(), 4);
    }

    #[test]
    fn phrases_are_joined() {
        let phrases = [phrase!["a ", 1_usize], phrase![Verdict::Pass]];
        assert_eq!(Phrase::join(phrases, " · ").to_string(), "a 1 · PASS");
    }
}
