//! Reads the remaining rate limits from response headers.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// Pairs of headers: the remaining amount, and when it is reset.
const PAIRS: [(&str, &str); 7] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
];

/// What a response reveals about the server's rate limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateHints {
    /// How long until every exhausted limit is reset; `None` if no limit is exhausted.
    pub exhausted_for: Option<Duration>,
}

impl RateHints {
    /// Reads the headers of OpenAI, Anthropic and the IETF draft, which many other servers also use.
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let exhausted = |(remaining, reset): &(&str, &str)| {
            let is_empty = text(remaining)?.trim().parse::<f64>().ok()? <= 0.0;
            is_empty.then(|| parse_reset(text(reset)?, now)).flatten()
        };
        Self { exhausted_for: PAIRS.iter().filter_map(exhausted).max() }
    }
}

/// Parses a reset time as servers write it: seconds (`12`, `0.5`), a Go duration (`6m0s`, `1h2m`, `250ms`), a Unix
/// time, or an RFC 3339 time. `None` if it is none of these or has passed.
fn parse_reset(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        // No limit is exhausted for thirty years, so a number this large is a point in time.
        let seconds = if seconds > 1e9 { seconds - since_epoch } else { seconds };
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return SystemTime::from(time).duration_since(now).ok();
    }
    go_duration(text)
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let scale = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(total).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn hints(headers: &[(&'static str, &str)]) -> Option<f64> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        RateHints::read(&headers.collect(), now()).exhausted_for.map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn an_exhausted_limit_is_reported_with_the_time_until_its_reset() {
        type Case = (&'static [(&'static str, &'static str)], Option<f64>);
        let cases: [Case; 9] = [
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], Some(360.0)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "250ms")], Some(0.25)),
            (&[("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "6m0s")], None),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:30Z"),
                ],
                Some(30.0),
            ),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")], Some(12.0)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000007")], Some(7.0)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "soon")], None),
            (&[("ratelimit-remaining", "0")], None),
            (&[], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(hints(headers), expected, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_causes_a_panic(text in "\\PC{0,12}") {
            let _ = parse_reset(&text, now());
        }
    }
}
