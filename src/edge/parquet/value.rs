//! Values as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};

use super::schema::Kind;

/// Maximum length of bytes that are not text and still kept, as ids and hashes are. Longer ones, such as pictures, are
/// null.
const MAX_BINARY: usize = 64;

/// Maximum length of a decimal, in bytes.
const MAX_DECIMAL: usize = 64;

/// Digits that a floating-point number represents in every case.
const EXACT_DIGITS: usize = 15;

/// The size of a value in memory without its text, in bytes, as an element of a list that has grown.
pub(super) const VALUE: u64 = 48;

/// The size of a list in memory without its elements, in bytes: it has room for some before they are there.
pub(super) const LIST: u64 = 128;

/// The size of a map in memory without its entries, in bytes: it has room for some before they are there.
pub(super) const MAP: u64 = 640;

/// The size of an entry of a map in memory without the text of its key and without its value, in bytes.
pub(super) const ENTRY: u64 = 96;

/// The size of a text that is not longer than that of a time, in bytes.
const SHORT: u64 = 40;

/// A value as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    /// A flag.
    Bool(bool),
    /// An integer of 32 bits.
    I32(i32),
    /// An integer of 64 bits.
    I64(i64),
    /// The day, and the nanoseconds within it.
    Day(i64, i64),
    /// A floating-point number of 32 bits.
    F32(f32),
    /// A floating-point number of 64 bits.
    F64(f64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What the value takes in memory as JSON in addition to [`VALUE`], in bytes, found before it is made.
pub(super) fn size(kind: Kind, raw: Raw<'_>) -> u64 {
    match (kind, raw) {
        (Kind::Json, Raw::Bytes(bytes)) => json_size(bytes),
        (Kind::Decimal(places), Raw::Bytes(bytes)) => u64::from(places) + 3 * bytes.len().min(MAX_DECIMAL) as u64,
        (Kind::Decimal(places), Raw::I32(_) | Raw::I64(_)) => u64::from(places) + SHORT,
        (Kind::Date | Kind::Time(_) | Kind::Timestamp(_), Raw::I32(_) | Raw::I64(_)) | (_, Raw::Day(..)) => SHORT,
        // It becomes null.
        (_, Raw::Bytes(bytes)) if is_dropped(kind, bytes) => 0,
        (_, Raw::Bytes(bytes)) => SHORT.max(bytes.len() as u64),
        _ => 0,
    }
}

/// What a JSON text takes at most when it is parsed: numbers and brackets take much more than in the text.
fn json_size(text: &[u8]) -> u64 {
    let (mut size, mut is_inside, mut is_escaped) = (text.len() as u64, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_inside,
            b'"' => is_inside = !is_inside,
            _ if is_inside => {}
            b',' => size += VALUE,
            b':' => size += ENTRY,
            b'[' => size += LIST,
            b'{' => size += MAP,
            _ => {}
        }
    }
    size
}

/// Whether bytes are neither text nor short.
fn is_dropped(kind: Kind, bytes: &[u8]) -> bool {
    kind != Kind::Text && bytes.len() > MAX_BINARY && std::str::from_utf8(bytes).is_err()
}

/// The value as JSON. Times and dates outside of the years that are known are null.
///
/// # Errors
/// If it is not what its kind says.
pub(super) fn value(kind: Kind, raw: Raw<'_>) -> Result<Value, &'static str> {
    match raw {
        Raw::Bool(flag) => Ok(Value::Bool(flag)),
        Raw::I32(number) => integer(kind, i64::from(number)),
        Raw::I64(number) => integer(kind, number),
        Raw::Day(day, nanoseconds) => {
            let at = i128::from(day) * 86_400_000_000_000 + i128::from(nanoseconds);
            Ok(timestamp(at))
        }
        Raw::F32(number) => Ok(short(number)),
        Raw::F64(number) => Ok(Number::from_f64(number).map_or(Value::Null, Value::Number)),
        Raw::Bytes(bytes) => of_bytes(kind, bytes),
    }
}

fn integer(kind: Kind, number: i64) -> Result<Value, &'static str> {
    match kind {
        Kind::Unsigned(bits) => {
            let unused = 64_u32.saturating_sub(u32::from(bits)).min(63);
            Ok(Value::from(number.cast_unsigned() << unused >> unused))
        }
        Kind::Date => {
            let days = i32::try_from(number).ok().map(|days| jiff::Span::new().try_days(days));
            let date = days.and_then(Result::ok).and_then(|days| Date::new(1970, 1, 1).ok()?.checked_add(days).ok());
            Ok(date.map_or(Value::Null, |date| Value::from(date.to_string())))
        }
        Kind::Time(unit) => time(i128::from(number) * i128::from(unit)),
        Kind::Timestamp(unit) => Ok(timestamp(i128::from(number) * i128::from(unit))),
        Kind::Decimal(places) => decimal(&number.to_be_bytes(), places),
        _ => Ok(Value::from(number)),
    }
}

fn time(nanoseconds: i128) -> Result<Value, &'static str> {
    let midnight = Time::midnight();
    let within = i64::try_from(nanoseconds).ok().filter(|of_day| (0..86_400_000_000_000).contains(of_day));
    let time = within.and_then(|of_day| midnight.checked_add(jiff::Span::new().try_nanoseconds(of_day).ok()?).ok());
    time.map(|time| Value::from(time.to_string())).ok_or("the time is out of range")
}

/// A timestamp; null if it is not in the years from -9999 to 9999.
fn timestamp(nanoseconds: i128) -> Value {
    if let Ok(at) = Timestamp::from_nanosecond(nanoseconds) {
        return Value::from(at.to_string());
    }
    // `Timestamp` leaves out the last hours of the year 9999, which stand for "never" in many databases, so that it can
    // be converted to every time zone.
    civil(nanoseconds).map_or(Value::Null, |at| Value::from(format!("{at}Z")))
}

/// The date and time of a timestamp in UTC.
fn civil(nanoseconds: i128) -> Option<DateTime> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    let rest = i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?;
    let epoch = Date::new(1970, 1, 1).ok()?.to_datetime(Time::midnight());
    epoch.checked_add(SignedDuration::new(seconds, rest)).ok()
}

/// The shortest number that is the same in 32 bits, so that 0.1 does not become 0.10000000149.
fn short(number: f32) -> Value {
    let short = if number.is_finite() { number.to_string().parse().ok() } else { None };
    short.and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

fn of_bytes(kind: Kind, bytes: &[u8]) -> Result<Value, &'static str> {
    match (kind, bytes) {
        (Kind::Decimal(places), _) => decimal(bytes, places),
        (Kind::Half, [low, high]) => Ok(short(half::f16::from_le_bytes([*low, *high]).to_f32())),
        (Kind::Uuid, _) => {
            let id = uuid::Uuid::from_slice(bytes).map_err(|_| "the UUID has not 16 bytes")?;
            Ok(Value::from(id.to_string()))
        }
        (Kind::Interval, [m0, m1, m2, m3, d0, d1, d2, d3, t0, t1, t2, t3]) => {
            let months = u32::from_le_bytes([*m0, *m1, *m2, *m3]);
            let days = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
            let milliseconds = u32::from_le_bytes([*t0, *t1, *t2, *t3]);
            let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
            Ok(Value::from(format!("P{months}M{days}DT{seconds}.{rest:03}S")))
        }
        (Kind::Json, _) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "the JSON is not UTF-8")?;
            Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))
        }
        (Kind::Text, _) => std::str::from_utf8(bytes).map(Value::from).map_err(|_| "the text is not UTF-8"),
        _ => Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) if bytes.len() <= MAX_BINARY => Value::from(STANDARD.encode(bytes)),
            Err(_) => Value::Null,
        }),
    }
}

/// A decimal number: a number if JSON represents it without loss, or else text.
fn decimal(bytes: &[u8], places: u32) -> Result<Value, &'static str> {
    if bytes.len() > MAX_DECIMAL || places > 1000 {
        return Err("the decimal number has too many digits");
    }
    let (is_negative, digits) = digits(bytes);
    let places = places as usize;
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let sign = if is_negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    let text = format!("{sign}{whole}{point}{fraction}");
    if fraction.is_empty()
        && let Ok(number) = text.parse::<i64>()
    {
        return Ok(Value::from(number));
    }
    let number = (digits.len() <= EXACT_DIGITS).then(|| text.parse().ok()).flatten();
    Ok(number.and_then(Number::from_f64).map_or(Value::from(text), Value::Number))
}

/// The sign and the decimal digits of an integer in two's complement, the highest byte first.
fn digits(bytes: &[u8]) -> (bool, String) {
    let is_negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let mut magnitude = bytes.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte > 0) {
        let mut rest = 0_u16;
        for byte in &mut magnitude {
            let part = rest << 8 | u16::from(*byte);
            // At most 9 * 256 + 255, so the quotient fits.
            (*byte, rest) = ((part / 10) as u8, part % 10);
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    if digits.is_empty() {
        digits.push('0');
    }
    (is_negative, digits.into_iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn values_become_json_by_their_kind() {
        let cases = [
            (Kind::Plain, Raw::I32(-5), json!(-5)),
            (Kind::Unsigned(8), Raw::I32(-1), json!(255)),
            (Kind::Unsigned(32), Raw::I32(-1), json!(u32::MAX)),
            (Kind::Unsigned(64), Raw::I64(-1), json!(u64::MAX)),
            (Kind::Date, Raw::I32(20_710), json!("2026-09-14")),
            (Kind::Date, Raw::I32(-1), json!("1969-12-31")),
            (Kind::Time(1_000_000), Raw::I32(3_723_004), json!("01:02:03.004")),
            (Kind::Timestamp(1_000_000), Raw::I64(1_789_000_000_250), json!("2026-09-10T00:26:40.25Z")),
            (Kind::Timestamp(1), Raw::I64(-1), json!("1969-12-31T23:59:59.999999999Z")),
            (Kind::Timestamp(1_000_000), Raw::I64(253_402_300_799_999), json!("9999-12-31T23:59:59.999Z")),
            (Kind::Timestamp(1_000_000), Raw::I64(253_402_300_800_000), Value::Null),
            (Kind::Timestamp(1_000_000), Raw::I64(-377_705_116_800_000), json!("-009999-01-01T00:00:00Z")),
            (Kind::Timestamp(1_000_000), Raw::I64(-377_705_116_800_001), Value::Null),
            (Kind::Timestamp(1_000_000), Raw::I64(i64::MAX), Value::Null),
            (Kind::Timestamp(1_000_000), Raw::I64(i64::MIN), Value::Null),
            (Kind::Date, Raw::I32(2_932_896), json!("9999-12-31")),
            (Kind::Date, Raw::I32(2_932_897), Value::Null),
            (Kind::Date, Raw::I32(i32::MIN), Value::Null),
            (Kind::Plain, Raw::Day(2_932_896, 0), json!("9999-12-31T00:00:00Z")),
            (Kind::Plain, Raw::Day(i64::from(i32::MAX), i64::MAX), Value::Null),
            (Kind::Plain, Raw::Day(1, 5_000_000_000), json!("1970-01-02T00:00:05Z")),
            (Kind::Plain, Raw::F32(0.1), json!(0.1)),
            (Kind::Plain, Raw::F32(f32::NAN), Value::Null),
            (Kind::Plain, Raw::F64(f64::INFINITY), Value::Null),
            (Kind::Half, Raw::Bytes(&[0x00, 0x3e]), json!(1.5)),
            (Kind::Plain, Raw::Bytes("ä".as_bytes()), json!("ä")),
            (Kind::Plain, Raw::Bytes(&[0xff, 0xfe]), json!("//4=")),
            (Kind::Plain, Raw::Bytes(&[0xff; 65]), Value::Null),
            (Kind::Json, Raw::Bytes(b"{\"a\":[1]}"), json!({"a": [1]})),
            (Kind::Json, Raw::Bytes(b"{"), json!("{")),
            (Kind::Interval, Raw::Bytes(&[1, 0, 0, 0, 2, 0, 0, 0, 0xb8, 0x0b, 0, 0]), json!("P1M2DT3.000S")),
            (Kind::Uuid, Raw::Bytes(&[0x12; 16]), json!("12121212-1212-1212-1212-121212121212")),
        ];
        for (kind, raw, expected) in cases {
            assert_eq!(value(kind, raw), Ok(expected), "{kind:?} {raw:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_what_it_says_is_an_error() {
        let cases = [
            (Kind::Text, Raw::Bytes(&[0xff])),
            (Kind::Uuid, Raw::Bytes(&[1])),
            (Kind::Time(1), Raw::I64(-1)),
            (Kind::Decimal(2), Raw::Bytes(&[1; 65])),
        ];
        for (kind, raw) in cases {
            assert!(value(kind, raw).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn the_size_of_a_value_is_that_of_what_it_becomes() {
        let long = [b'x'; 1000];
        let cases = [
            (Kind::Plain, Raw::I64(7), 0),
            (Kind::Timestamp(1), Raw::I64(7), SHORT),
            (Kind::Text, Raw::Bytes(b"x"), SHORT),
            (Kind::Text, Raw::Bytes(&long), 1000),
            (Kind::Plain, Raw::Bytes(&long), 1000),
            (Kind::Plain, Raw::Bytes(&[0xff; 1000]), 0),
            (Kind::Decimal(2), Raw::Bytes(&long), 2 + 3 * 64),
            (Kind::Json, Raw::Bytes(b"[1,2,{}]"), 8 + LIST + 2 * VALUE + MAP),
            (Kind::Json, Raw::Bytes(br#"{"[,{\"":1}"#), 11 + MAP + ENTRY),
        ];
        for (kind, raw, expected) in cases {
            assert_eq!(size(kind, raw), expected, "{kind:?} {raw:?}");
        }
    }

    #[test]
    fn a_decimal_is_a_number_unless_it_would_lose_digits() {
        let cases = [
            (0, 2, json!(0.0)),
            (1_250, 2, json!(12.5)),
            (-5, 2, json!(-0.05)),
            (i64::MAX, 0, json!(i64::MAX)),
            (1_234_567_890_123_456, 4, json!("123456789012.3456")),
            (i64::MIN, 18, json!("-9.223372036854775808")),
        ];
        for (number, places, expected) in cases {
            assert_eq!(value(Kind::Decimal(places), Raw::I64(number)), Ok(expected), "{number}");
        }
    }

    proptest! {
        #[test]
        fn the_digits_of_an_integer_are_those_of_its_text(number in any::<i128>()) {
            let (is_negative, digits) = digits(&number.to_be_bytes());
            prop_assert_eq!(format!("{}{digits}", if is_negative { "-" } else { "" }), number.to_string());
        }
    }
}
