//! Values of a report and sentences made of them. Each format writes a value in its own syntax; here is how a value
//! reads where no format says otherwise.

use std::fmt::{self, Display};

use crate::core::privacy::sanitize::truncate_chars;
use crate::core::verdict::Verdict;

/// What is shown where nothing was measured.
pub const NOTHING: &str = "–";

/// A value of a report. Shares are in [0, 1], and the last number of a variant is its decimals.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing to say.
    Blank,
    /// Not measured.
    NotMeasured,
    /// Raw text, from anywhere: each format sanitizes it.
    Text(String),
    /// A whole number, with commas between thousands.
    Count(u64),
    /// A figure, such as `0.873`.
    Number(f64, usize),
    /// Both ends of an interval, such as `0.84–0.90`.
    Interval(f64, f64, usize),
    /// A share, such as `9.1 %`.
    Share(f64, usize),
    /// Both ends of an interval of shares, such as `88.1–93.5 %`.
    ShareInterval(f64, f64),
    /// A signed difference of shares in percentage points, such as `+6.2`.
    Points(f64),
    /// A p-value, such as `0.012` or `< 0.001`.
    PValue(f64),
    /// Milliseconds, such as `420 ms` or `1.25 s`.
    Milliseconds(f64),
    /// A verdict: the only value that is coloured.
    Verdict(Verdict),
    /// Several values.
    Phrase(Phrase),
}

/// Text and values that are read as one sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phrase(pub Vec<Cell>);

/// A [`Phrase`] of anything that becomes a [`Cell`].
macro_rules! phrase {
    ($($part:expr),* $(,)?) => {
        $crate::core::view::Phrase(vec![$($crate::core::view::Cell::from($part)),*])
    };
}
pub(crate) use phrase;

impl Cell {
    /// Text on one line, at most `chars` characters.
    pub fn line(text: &str, chars: usize) -> Self {
        Self::Text(line(text, chars))
    }

    /// A count; blank for none.
    pub fn some(count: u64) -> Self {
        if count > 0 { Self::Count(count) } else { Self::Blank }
    }

    /// A value that may be missing; blank where it is.
    pub fn or_blank(cell: Option<Self>) -> Self {
        cell.unwrap_or(Self::Blank)
    }

    /// Whether it says nothing.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Blank => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl Phrase {
    /// Adds a value, or the parts of another phrase.
    pub fn push(&mut self, part: impl Into<Cell>) {
        match part.into() {
            Cell::Phrase(phrase) => self.0.extend(phrase.0),
            cell => self.0.push(cell),
        }
    }

    /// Phrases with `between` between them.
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
            Self::PValue(p) if *p < 0.001 => f.write_str("< 0.001"),
            Self::PValue(p) => f.write_str(&figure(*p, 3)),
            Self::Milliseconds(ms) if *ms >= 1000.0 => write!(f, "{} s", figure(ms / 1000.0, 2)),
            Self::Milliseconds(ms) => write!(f, "{} ms", figure(*ms, 0)),
            Self::Verdict(verdict) => f.write_str(verdict.name()),
            Self::Phrase(phrase) => phrase.fmt(f),
        }
    }
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

/// What is missing was not measured.
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
pub fn count_of(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", Cell::from(value), if value == 1 { "" } else { "s" })
}

/// `text` on one line, runs of white space made one space, at most `chars` characters.
pub fn line(text: &str, chars: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    truncate_chars(&words.join(" "), chars).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_the_same_everywhere() {
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
        assert_eq!(count_of(1, "example"), "1 example");
        assert_eq!(count_of(2_000, "example"), "2,000 examples");
    }

    #[test]
    fn text_is_brought_to_one_line() {
        assert_eq!(line("a\n\n  b\tc", 80), "a b c");
        assert_eq!(line("abcdef", 4).chars().count(), 4);
    }

    #[test]
    fn phrases_are_read_as_one() {
        let phrases = [phrase!["a ", 1_usize], phrase![Verdict::Pass]];
        assert_eq!(Phrase::join(phrases, " · ").to_string(), "a 1 · PASS");
    }
}
