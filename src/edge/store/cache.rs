//! Cached answers, looked up by endpoint, request and trial.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::params;

use super::read::count;
use super::{Store, contents};
use crate::core::domain::{Failure, RequestKey, Response, RunId, Usage};

/// The size and age of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Number of cached answers.
    pub answers: u64,
    /// Number of those that are recent enough to be used.
    pub usable: u64,
    /// Time of the oldest answer.
    pub oldest: Option<Timestamp>,
    /// Time of the newest answer.
    pub newest: Option<Timestamp>,
}

impl Store {
    /// The newest answer to the same request at the same endpoint, given at or after `since` in a run other than
    /// `run_id`. It is marked as cached and has its original latency.
    ///
    /// # Errors
    /// A store failure.
    pub fn cached_answer(
        &self,
        key: RequestKey,
        since: Timestamp,
        run_id: Option<&RunId>,
    ) -> Result<Option<Response>, Failure> {
        let sql = "SELECT o.latency_ms, o.ttft_ms, o.attempts, o.prompt_tokens, o.completion_tokens, o.model, c.codec, c.data, \
                   o.finish_reason, t.codec, t.data FROM outcomes o JOIN contents c ON c.id = o.output \
                   LEFT JOIN contents t ON t.id = o.tool_calls \
                   WHERE o.request_key = ?1 AND o.answered_at >= ?2 AND o.run_id IS NOT ?3 \
                   ORDER BY o.answered_at DESC, o.run_id DESC LIMIT 1";
        self.optional(sql, params![key.0, since.as_second(), run_id.map(RunId::as_str)], |row| {
            let span = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
            let count = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
            Ok(Response {
                output: contents::unpack_text(row, 6)?,
                finish_reason: row.get(8)?,
                tool_calls: row.get::<_, Option<i64>>(9)?.map(|_| contents::unpack_text(row, 9)).transpose()?,
                model: row.get(5)?,
                usage: Usage { prompt_tokens: count(row.get(3)?), completion_tokens: count(row.get(4)?) },
                latency: span(row.get::<_, Option<f64>>(0)?.unwrap_or_default()),
                ttft: row.get::<_, Option<f64>>(1)?.map(span),
                attempts: row.get(2)?,
                cached: true,
            })
        })
    }

    /// Whether any run other than `run_id` has called the endpoint with this fingerprint; if none has, the cache cannot
    /// have an answer.
    ///
    /// # Errors
    /// A store failure.
    pub fn was_called_before(&self, endpoint_fingerprint: &str, run_id: Option<&RunId>) -> Result<bool, Failure> {
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE endpoint_fingerprint = ?1 AND run_id IS NOT ?2)";
        self.one(sql, params![endpoint_fingerprint, run_id.map(RunId::as_str)], |row| row.get(0))
    }

    /// The size and age of the cache; answers given at or after `since` count as usable.
    ///
    /// # Errors
    /// A store failure.
    pub fn cache_stats(&self, since: Timestamp) -> Result<CacheStats, Failure> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE answered_at >= ?1), min(answered_at), max(answered_at) \
                   FROM outcomes WHERE request_key IS NOT NULL";
        self.one(sql, [since.as_second()], |row| {
            let time = |column| {
                let seconds: Option<i64> = row.get(column)?;
                let time = seconds.map(Timestamp::from_second).transpose();
                time.map_err(|error| contents::damaged(column, error))
            };
            Ok(CacheStats { answers: count(row, 0)?, usable: count(row, 1)?, oldest: time(2)?, newest: time(3)? })
        })
    }

    /// Removes answers given before `before` (`None`: all) from the cache and returns how many there were. The outcomes
    /// themselves are not deleted.
    ///
    /// # Errors
    /// A store failure.
    pub fn clear_cache(&self, before: Option<Timestamp>) -> Result<u64, Failure> {
        self.writer().write(move |connection| {
            let sql = "UPDATE outcomes SET request_key = NULL WHERE request_key IS NOT NULL AND answered_at < ?1";
            connection.execute(sql, [before.map_or(i64::MAX, Timestamp::as_second)]).map(|count| count as u64)
        })
    }
}
