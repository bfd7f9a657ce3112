//! Retries: exponential backoff with full jitter, respecting the server's `Retry-After`.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use crate::core::domain::CallError;

/// How often and after what pauses a failed call is retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of retries; 0 means none.
    pub max_retries: u32,
    /// Upper bound of the first pause; it doubles with each further one.
    pub base: Duration,
    /// Upper bound of every pause.
    pub cap: Duration,
    /// The longest `Retry-After` that is respected; if a server asks for more, the call fails without another retry.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// Four retries with pauses of up to 0.5, 1, 2 and 4 s, and a `Retry-After` of up to a minute.
    fn default() -> Self {
        Self {
            max_retries: 4,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Pauses drawn uniformly from [0, min(cap, base · 2ⁿ)), n = 0, 1, …: "full jitter" of M. Brooker, "Exponential
    /// Backoff And Jitter", AWS Architecture Blog, 2015.
    fn delays(&self) -> impl Iterator<Item = Duration> + Send + Sync + Unpin + use<> {
        let builder = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.base.min(self.cap))
            .with_max_delay(self.cap)
            .with_max_times(usize::try_from(self.max_retries).unwrap_or(usize::MAX));
        // backon draws from [d, 2d); without its lower bound d that is full jitter.
        let jittered = builder.with_jitter().build();
        jittered.zip(builder.build()).map(|(drawn, bound)| drawn.saturating_sub(bound))
    }

    fn is_wait_too_long(&self, error: &CallError) -> bool {
        error.retry_after.is_some_and(|wait| wait > self.max_retry_after)
    }
}

/// Calls `attempt` with its number (from 1) until it succeeds; returns its result and the number of attempts.
///
/// Only transient kinds (see [`crate::core::domain::CallErrorKind::is_transient`]) are retried. If the error has a
/// `retry_after`, the pause is that plus the jittered backoff, so that callers with the same `Retry-After` do not all
/// retry at the same moment.
///
/// # Errors
/// The error of the last attempt, with `attempts` set. If it was not retried because the server asked for a longer wait
/// than `max_retry_after`, the message says so.
pub async fn with_retry<T, F, Fut>(policy: &RetryPolicy, mut attempt: F) -> Result<(T, u32), CallError>
where
    F: FnMut(u32) -> Fut,
    Fut: Future<Output = Result<T, CallError>>,
{
    let mut attempts: u32 = 0;
    let numbered = || {
        attempts = attempts.saturating_add(1);
        attempt(attempts)
    };
    let result = numbered
        .retry(policy.delays())
        .when(|error: &CallError| error.kind.is_transient() && !policy.is_wait_too_long(error))
        // Without the message: text from a server may contain secrets that only the caller can mask.
        .notify(|error: &CallError, pause| tracing::debug!(kind = error.kind.name(), ?pause, "retrying"))
        .adjust(|error, pause| pause.map(|pause| pause.saturating_add(error.retry_after.unwrap_or_default())))
        .await;
    result.map(|value| (value, attempts)).map_err(|error| finished(policy, error, attempts))
}

fn finished(policy: &RetryPolicy, mut error: CallError, attempts: u32) -> CallError {
    error.attempts = attempts;
    let was_free_to_retry = error.kind.is_transient() && attempts <= policy.max_retries;
    if let Some(wait) = error.retry_after.filter(|_| was_free_to_retry && policy.is_wait_too_long(&error)) {
        error.message = format!(
            "{}; not retried: the server asks to wait {} s, longer than the {} s allowed",
            error.message,
            wait.as_secs(),
            policy.max_retry_after.as_secs_f64(),
        );
    }
    error
}

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, including fractions, or an HTTP date, which is converted
/// to the time from `now` (zero if it has passed). `None` if it is neither; a number too large for a [`Duration`]
/// becomes [`Duration::MAX`].
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let is_valid = seconds.is_finite() && seconds >= 0.0;
        return is_valid.then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::CallErrorKind::{self, BadAnswer, RateLimited, Refused, Server, Unauthorized};
    use proptest::prelude::*;
    use std::time::Instant;

    fn policy(max_retries: u32) -> RetryPolicy {
        let ms = Duration::from_millis;
        RetryPolicy { max_retries, base: ms(1), cap: ms(4), max_retry_after: ms(60) }
    }

    async fn fail_until(success: u32, policy: &RetryPolicy, error: CallError) -> Result<(u32, u32), CallError> {
        with_retry(policy, |number| {
            let error = error.clone();
            async move { if number >= success { Ok(number) } else { Err(error) } }
        })
        .await
    }

    fn error(kind: CallErrorKind, retry_after_ms: Option<u64>) -> CallError {
        let mut error = CallError::new(kind, "no");
        error.retry_after = retry_after_ms.map(Duration::from_millis);
        error
    }

    #[tokio::test]
    async fn attempts_are_counted_whether_the_call_succeeds_or_not() {
        assert_eq!(fail_until(1, &policy(3), error(Server, None)).await.unwrap(), (1, 1));
        assert_eq!(fail_until(3, &policy(3), error(Server, None)).await.unwrap(), (3, 3));
        assert_eq!(fail_until(4, &policy(3), error(Server, None)).await.unwrap(), (4, 4));
        assert_eq!(fail_until(5, &policy(3), error(Server, None)).await.unwrap_err().attempts, 4);
        assert_eq!(fail_until(2, &policy(0), error(Server, None)).await.unwrap_err().attempts, 1);
    }

    #[tokio::test]
    async fn permanent_errors_are_not_retried() {
        for kind in [BadAnswer, Refused, Unauthorized, CallErrorKind::Prompt] {
            let failed = fail_until(2, &policy(3), error(kind, Some(1))).await.unwrap_err();
            assert_eq!((failed.attempts, failed.message.as_str()), (1, "no"), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn retry_after_is_respected() {
        let start = Instant::now();
        assert_eq!(fail_until(2, &policy(1), error(RateLimited, Some(50))).await.unwrap(), (2, 2));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_wait_longer_than_allowed_gives_up_and_says_so() {
        let failed = fail_until(2, &policy(3), error(RateLimited, Some(3_600_000))).await.unwrap_err();
        assert_eq!(failed.attempts, 1);
        assert_eq!(failed.message, "no; not retried: the server asks to wait 3600 s, longer than the 0.06 s allowed");
        let only = fail_until(2, &policy(0), error(RateLimited, Some(3_600_000))).await.unwrap_err();
        assert_eq!(only.message, "no");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("0", Some(Duration::ZERO)),
            (" 120 ", Some(Duration::from_secs(120))),
            ("1.5", Some(Duration::from_millis(1500))),
            ("99999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(Duration::from_secs(30))),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_retry_after(text, now), expected, "{text}");
        }
    }

    #[test]
    fn pauses_fill_their_whole_range() {
        let policy = RetryPolicy { base: Duration::from_secs(1), cap: Duration::from_secs(1), ..policy(2000) };
        let pauses: Vec<f64> = policy.delays().map(|pause| pause.as_secs_f64()).collect();
        let mean = pauses.iter().sum::<f64>() / 2000.0;
        // The standard error of the mean of 2000 uniform draws is 0.0065.
        assert!((mean - 0.5).abs() < 0.04, "{mean}");
        assert!(pauses.iter().any(|pause| *pause < 0.1) && pauses.iter().any(|pause| *pause > 0.9));
    }

    proptest! {
        #[test]
        fn no_pause_exceeds_its_bound(base in 0u64..10_000, cap in 0u64..10_000, max_retries in 0u32..40) {
            let policy = RetryPolicy {
                base: Duration::from_millis(base), cap: Duration::from_millis(cap), ..policy(max_retries)
            };
            let pauses: Vec<_> = policy.delays().collect();
            prop_assert_eq!(pauses.len() as u32, max_retries);
            for (n, pause) in pauses.into_iter().enumerate() {
                let bound = (base as f64 * 2f64.powi(n as i32)).min(cap as f64) / 1e3;
                prop_assert!(pause.as_secs_f64() <= bound * (1.0 + 1e-5));
            }
        }
    }
}
