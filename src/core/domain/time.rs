//! Spans of time. Nothing in this module reads a clock: `now` is always an argument.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A half-open span of time, `from` ≤ t < `to`, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First instant in the window.
    pub from: Timestamp,
    /// First instant after the window.
    pub to: Timestamp,
}

impl Window {
    /// Parses `2026-09` (a month), `2026-09-14` (a day), `FROM..TO` (dates or RFC 3339 times, `TO` excluded), or `30d`,
    /// `12h`, `4w` (a span of that length, ending just after `end`).
    ///
    /// # Errors
    /// Returns a sentence that describes what is wrong.
    pub fn parse(text: &str, end: Timestamp) -> Result<Self, String> {
        let text = text.trim();
        if let Some((from, to)) = text.split_once("..") {
            let from = parse_timestamp(from).ok_or_else(|| format!("\"{from}\" is not a date or time"))?;
            let to = parse_timestamp(to).ok_or_else(|| format!("\"{to}\" is not a date or time"))?;
            return if from < to { Ok(Self { from, to }) } else { Err(format!("\"{text}\" ends before it starts")) };
        }
        if let Some(window) = month(text) {
            return Ok(window);
        }
        if let Ok(date) = text.parse::<Date>() {
            let next = date.tomorrow().map_err(|e| e.to_string())?;
            return Ok(Self { from: midnight(date)?, to: midnight(next)? });
        }
        let span = parse_span(text).ok_or_else(|| {
            format!("\"{text}\" is not a window; use 30d, 2026-09, 2026-09-14 or 2026-09-01..2026-10-01")
        })?;
        let to = end.checked_add(SignedDuration::from_nanos(1)).unwrap_or(end);
        let from = to.checked_sub(span).map_err(|e| e.to_string())?;
        Ok(Self { from, to })
    }

    /// Whether the two windows share an instant.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// A label: `2026-09` for a whole month in UTC, otherwise `2026-09-01..2026-09-14`, with times if needed.
    pub fn label(&self) -> String {
        let from = self.from.to_zoned(TimeZone::UTC);
        let label = format!("{:04}-{:02}", from.year(), from.month());
        if month(&label).as_ref() == Some(self) {
            label
        } else {
            format!("{}..{}", instant(self.from), instant(self.to))
        }
    }
}

fn instant(timestamp: Timestamp) -> String {
    let zoned = timestamp.to_zoned(TimeZone::UTC);
    if zoned.time() == jiff::civil::Time::midnight() {
        zoned.date().to_string()
    } else {
        zoned.strftime("%Y-%m-%dT%H:%MZ").to_string()
    }
}

fn midnight(date: Date) -> Result<Timestamp, String> {
    date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|e| e.to_string())
}

fn month(text: &str) -> Option<Window> {
    let (year, month) = text.split_once('-')?;
    if year.len() != 4 || month.len() != 2 {
        return None;
    }
    let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
    let next = first.last_of_month().tomorrow().ok()?;
    Some(Window { from: midnight(first).ok()?, to: midnight(next).ok()? })
}

/// Parses `45s`, `30m`, `12h`, `30d` or `4w`; `None` for anything else.
pub fn parse_span(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count > 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    count.checked_mul(seconds).map(SignedDuration::from_secs)
}

/// Parses RFC 3339 (`2026-09-14T08:30:00Z`, any offset), a date and time without an offset (taken as UTC), a date
/// (midnight in UTC), or a Unix time in seconds, milliseconds, microseconds or nanoseconds, which are distinguished by
/// magnitude.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if let Ok(datetime) = text.parse::<jiff::civil::DateTime>() {
        return datetime.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    if let Ok(date) = text.parse::<Date>() {
        return midnight(date).ok();
    }
    unix_timestamp(text)
}

fn unix_timestamp(text: &str) -> Option<Timestamp> {
    let number: f64 = text.parse().ok()?;
    // Seconds up to the year 5138 are below 1e11; each finer unit is a thousand times larger.
    let scale = match number.abs() {
        n if !n.is_finite() || n < 1e8 => return None,
        n if n < 1e11 => 1e9,
        n if n < 1e14 => 1e6,
        n if n < 1e17 => 1e3,
        _ => 1.0,
    };
    Timestamp::from_nanosecond((number * scale) as i128).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        parse_timestamp(text).unwrap()
    }

    #[test]
    fn windows_are_parsed_in_every_documented_form() {
        let end = at("2026-09-30T12:00:00Z");
        let month = Window::parse("2026-09", end).unwrap();
        assert_eq!((month.from, month.to), (at("2026-09-01"), at("2026-10-01")));
        assert_eq!(month.label(), "2026-09");
        let day = Window::parse("2026-12-31", end).unwrap();
        assert_eq!(day.to, at("2027-01-01"));
        let range = Window::parse("2026-08-01..2026-08-15", end).unwrap();
        assert_eq!(range.label(), "2026-08-01..2026-08-15");
        let last = Window::parse("30d", end).unwrap();
        assert!(last.from > at("2026-08-31T11:59:59Z") && last.from < end && last.to > end);
    }

    #[test]
    fn invalid_windows_are_rejected() {
        let end = at("2026-09-30");
        for text in ["", "soon", "2026-13", "-3d", "2026-09-02..2026-09-01", "0d"] {
            assert!(Window::parse(text, end).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_parsed_in_every_unit_and_format_that_logs_use() {
        let expected = at("2026-09-14T08:30:00Z");
        for text in [
            "2026-09-14T08:30:00Z",
            "2026-09-14T10:30:00+02:00",
            "2026-09-14 08:30:00",
            "1789374600",
            "1789374600000",
            "1789374600000000",
            "1789374600000000000",
        ] {
            let read = parse_timestamp(text).unwrap();
            assert_eq!(read.as_second(), expected.as_second(), "{text}");
        }
        assert_eq!(parse_timestamp("yesterday"), None);
        assert_eq!(parse_timestamp("48213"), None);
    }
}
