//! How figures and text are worded, the same in every format.

use crate::core::privacy::sanitize::truncate_chars;

/// What stands where nothing was measured.
pub(super) const NOTHING: &str = "–";

/// A figure with `decimals` places; [`NOTHING`] for NaN and infinities.
pub(super) fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { NOTHING.into() }
}

/// `0.84–0.90`.
pub(super) fn interval(lo: f64, hi: f64, decimals: usize) -> String {
    format!("{}–{}", figure(lo, decimals), figure(hi, decimals))
}

/// A share in [0, 1] as `9.1 %`.
pub(super) fn share(value: f64) -> String {
    if value.is_finite() { format!("{:.1} %", value * 100.0) } else { NOTHING.into() }
}

/// Both ends of an interval of shares, as `88.1–93.5 %`.
pub(super) fn share_interval(lo: f64, hi: f64) -> String {
    format!("{} %", interval(lo * 100.0, hi * 100.0, 1))
}

/// A signed difference of shares in percentage points, as `+6.2` or `−1.0`, with a true minus sign.
pub(super) fn points(value: f64) -> String {
    if value.is_finite() { format!("{:+.1}", value * 100.0).replace('-', "−") } else { NOTHING.into() }
}

/// A p-value: `0.012`, or `< 0.001`.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { figure(p, 3) }
}

/// Milliseconds as `420 ms`, from one second on as `1.25 s`.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", figure(ms / 1000.0, 2)) } else { format!("{} ms", figure(ms, 0)) }
}

/// A whole number with commas between thousands.
pub(super) fn whole(value: u64) -> String {
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

/// A size as a whole number with commas.
pub(super) fn count(value: usize) -> String {
    whole(u64::try_from(value).unwrap_or(u64::MAX))
}

/// `1 example`, `2 examples`.
pub(super) fn count_of(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// `text` on one line, runs of white space made one space, at most `chars` characters.
pub(super) fn line(text: &str, chars: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    truncate_chars(&words.join(" "), chars).into_owned()
}

/// Text that may be missing.
pub(super) fn or_nothing(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_the_same_everywhere() {
        assert_eq!(figure(0.8725, 3), "0.873");
        assert_eq!(figure(f64::NAN, 3), NOTHING);
        assert_eq!(share(0.0912), "9.1 %");
        assert_eq!(share_interval(0.8811, 0.9349), "88.1–93.5 %");
        assert_eq!(points(0.062), "+6.2");
        assert_eq!(points(-0.01), "−1.0");
        assert_eq!(p_value(0.0004), "< 0.001");
        assert_eq!(p_value(0.0123), "0.012");
        assert_eq!(milliseconds(420.4), "420 ms");
        assert_eq!(milliseconds(1250.0), "1.25 s");
    }

    #[test]
    fn whole_numbers_have_commas_between_thousands() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(whole(value), text);
        }
        assert_eq!(count_of(1, "example"), "1 example");
        assert_eq!(count_of(2_000, "example"), "2,000 examples");
    }

    #[test]
    fn text_is_brought_to_one_line() {
        assert_eq!(line("a\n\n  b\tc", 80), "a b c");
        assert_eq!(line("abcdef", 4).chars().count(), 4);
    }
}
