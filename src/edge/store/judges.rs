//! The calls of judges, and what evaluated the scorers of a run that are evaluated outside karat.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};

use super::read::count;
use super::{Store, Written, contents};
use crate::core::domain::{CallError, Failure, RequestKey, Response, RunId, Usage};

/// Which call of a judge it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgePlace {
    /// The run.
    pub run_id: RunId,
    /// The example.
    pub example_id: String,
    /// Index of the answer's trial, from 0.
    pub trial: u32,
    /// Index of the scorer among those that are evaluated outside karat.
    pub scorer: usize,
    /// Index of the call: repeats, and both orders of a pair.
    pub call: usize,
}

/// A call of a judge.
#[derive(Debug, Clone)]
pub struct JudgeCall {
    /// Which one it is.
    pub place: JudgePlace,
    /// The endpoint.
    pub judge: String,
    /// The key of the request at the endpoint, if its answers can be cached.
    pub key: Option<RequestKey>,
    /// The reply, or why there is none.
    pub result: Result<Response, CallError>,
    /// What was read from the reply, as JSON; `None` if it has no verdict.
    pub verdict: Option<String>,
    /// What it cost, if the endpoint has a price.
    pub cost: Option<f64>,
}

/// The calls of the judges of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JudgeTotals {
    /// The endpoints, sorted.
    pub judges: Vec<String>,
    /// The models that their servers reported, sorted.
    pub models: Vec<String>,
    /// Number of calls.
    pub calls: usize,
    /// How many were answered from the cache.
    pub cached: usize,
    /// How many ended in an error.
    pub errors: usize,
    /// How many replies had no verdict.
    pub unreadable: usize,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the replies.
    pub completion_tokens: u64,
    /// What they cost; `None` without prices.
    pub cost: Option<f64>,
}

/// What evaluates a scorer outside karat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScorerIdentity {
    /// Hash of everything that may change its scores.
    pub identity: String,
    /// It in words, such as `judge gpt-x`.
    pub shown: String,
}

const REPLY_COLUMNS: &str = "j.latency_ms, j.attempts, j.prompt_tokens, j.completion_tokens, j.model, c.codec, c.data";

fn reply(row: &Row<'_>) -> rusqlite::Result<Response> {
    let tokens = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    let milliseconds: f64 = row.get::<_, Option<f64>>(0)?.unwrap_or_default();
    Ok(Response {
        attempts: row.get(1)?,
        usage: Usage { prompt_tokens: tokens(row.get(2)?), completion_tokens: tokens(row.get(3)?) },
        model: row.get(4)?,
        cached: true,
        ..Response::new(
            contents::unpack_text(row, 5)?,
            Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default(),
        )
    })
}

impl Store {
    /// Stores a call of time `now` in place of an earlier one; the returned handle resolves when it is on disk.
    pub fn record_judge_call(&self, call: JudgeCall, now: Timestamp) -> Written {
        self.writer().submit(move |connection| {
            let sql = "INSERT INTO judge_calls (run_id, example_id, trial, scorer, call, judge, output, error_kind, \
                       error_message, attempts, latency_ms, prompt_tokens, completion_tokens, model, cost, cached, \
                       verdict, answered_at, request_key) VALUES (:run, :example, :trial, :scorer, :call, :judge, \
                       :output, :kind, :message, :attempts, :latency, :prompt, :completion, :model, \
                       coalesce(:cost, 0.0) + coalesce((SELECT cost FROM judge_calls WHERE run_id = :run AND \
                       example_id = :example AND trial = :trial AND scorer = :scorer AND call = :call), \
                       CASE WHEN :cost IS NULL THEN NULL ELSE 0.0 END), :cached, :verdict, :now, :key) \
                       ON CONFLICT DO UPDATE SET judge = excluded.judge, output = excluded.output, \
                       error_kind = excluded.error_kind, error_message = excluded.error_message, \
                       attempts = excluded.attempts, latency_ms = excluded.latency_ms, \
                       prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens, \
                       model = excluded.model, cost = excluded.cost, cached = excluded.cached, \
                       verdict = excluded.verdict, answered_at = excluded.answered_at, \
                       request_key = excluded.request_key";
            let (place, response) = (&call.place, call.result.as_ref().ok());
            let error = call.result.as_ref().err();
            let output = response.map(|response| contents::put(connection, response.output.as_bytes())).transpose()?;
            let tokens = |tokens: Option<u64>| tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
            let usage = response.map(|response| response.usage).unwrap_or_default();
            // A reply from the cache is not cached again: only the original's age counts.
            let key = call.key.filter(|_| response.is_some_and(|response| !response.cached));
            connection
                .prepare_cached(sql)?
                .execute(named_params! {
                    ":run": place.run_id.as_str(),
                    ":example": place.example_id,
                    ":trial": place.trial,
                    ":scorer": place.scorer as i64,
                    ":call": place.call as i64,
                    ":judge": call.judge,
                    ":output": output,
                    ":kind": error.map(|error| error.kind.name()),
                    ":message": error.map(|error| error.message.as_str()),
                    ":attempts": response.map_or_else(|| error.map_or(1, |error| error.attempts), |reply| reply.attempts),
                    ":latency": response.map(|response| response.latency.as_secs_f64() * 1e3),
                    ":prompt": tokens(usage.prompt_tokens),
                    ":completion": tokens(usage.completion_tokens),
                    ":model": response.and_then(|response| response.model.as_deref()),
                    ":cost": call.cost,
                    ":cached": response.is_some_and(|response| response.cached),
                    ":verdict": call.verdict,
                    ":now": now.as_second(),
                    ":key": key.map(|key| key.0),
                })
                .map(drop)
        })
    }

    /// The reply to the same request that is stored at this place, so that it is not asked again.
    ///
    /// # Errors
    /// A store failure.
    pub fn judge_reply(&self, place: &JudgePlace, key: RequestKey) -> Result<Option<Response>, Failure> {
        let sql = format!(
            "SELECT {REPLY_COLUMNS} FROM judge_calls j JOIN contents c ON c.id = j.output WHERE j.run_id = ?1 \
             AND j.example_id = ?2 AND j.trial = ?3 AND j.scorer = ?4 AND j.call = ?5 AND j.request_key = ?6 \
             AND j.verdict IS NOT NULL"
        );
        let JudgePlace { run_id, example_id, trial, scorer, call } = place;
        let place = params![run_id.as_str(), example_id, trial, *scorer as i64, *call as i64, key.0];
        self.optional(&sql, place, reply)
    }

    /// The newest reply to the same request, given at or after `since`, that had a verdict.
    ///
    /// # Errors
    /// A store failure.
    pub fn cached_judge_reply(&self, key: RequestKey, since: Timestamp) -> Result<Option<Response>, Failure> {
        let sql = format!(
            "SELECT {REPLY_COLUMNS} FROM judge_calls j JOIN contents c ON c.id = j.output WHERE j.request_key = ?1 \
             AND j.answered_at >= ?2 AND j.verdict IS NOT NULL ORDER BY j.answered_at DESC, j.run_id DESC LIMIT 1"
        );
        self.optional(&sql, params![key.0, since.as_second()], reply)
    }

    /// The calls of the judges of a run; `None` if there are none.
    ///
    /// # Errors
    /// A store failure.
    pub fn judge_totals(&self, run_id: &RunId) -> Result<Option<JudgeTotals>, Failure> {
        let sql = "SELECT count(*), coalesce(sum(cached), 0), count(error_kind), \
                   count(*) FILTER (WHERE error_kind IS NULL AND verdict IS NULL), \
                   coalesce(sum(prompt_tokens) FILTER (WHERE NOT cached), 0), \
                   coalesce(sum(completion_tokens) FILTER (WHERE NOT cached), 0), sum(cost) \
                   FROM judge_calls WHERE run_id = ?1";
        let totals = self.one(sql, [run_id.as_str()], |row| {
            Ok(JudgeTotals {
                judges: Vec::new(),
                models: Vec::new(),
                calls: count(row, 0)?,
                cached: count(row, 1)?,
                errors: count(row, 2)?,
                unreadable: count(row, 3)?,
                prompt_tokens: count(row, 4)?,
                completion_tokens: count(row, 5)?,
                cost: row.get(6)?,
            })
        })?;
        if totals.calls == 0 {
            return Ok(None);
        }
        let distinct = |column: &str| -> Result<Vec<String>, Failure> {
            let sql = format!(
                "SELECT DISTINCT {column} FROM judge_calls WHERE run_id = ?1 AND {column} IS NOT NULL ORDER BY {column}"
            );
            self.rows(&sql, [run_id.as_str()], |row| row.get(0))
        };
        Ok(Some(JudgeTotals { judges: distinct("judge")?, models: distinct("model")?, ..totals }))
    }

    /// The verdicts of a run's calls of one scorer as JSON, with example and trial, in order of the calls.
    ///
    /// # Errors
    /// A store failure.
    pub fn judge_verdicts(&self, run_id: &RunId, scorer: usize) -> Result<Vec<(String, u32, String)>, Failure> {
        let sql = "SELECT example_id, trial, verdict FROM judge_calls WHERE run_id = ?1 AND scorer = ?2 \
                   AND verdict IS NOT NULL ORDER BY example_id, trial, call";
        self.rows(sql, params![run_id.as_str(), scorer as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// Stores what evaluates the scorers of a run outside karat, by the name of the scorer.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_run_scorers(&self, run_id: &RunId, scorers: &BTreeMap<String, ScorerIdentity>) -> Result<(), Failure> {
        let (run_id, scorers) = (run_id.clone(), scorers.clone());
        self.writer().write(move |connection| {
            let sql = "INSERT OR REPLACE INTO run_scorers (run_id, scorer, identity, shown) VALUES (?1, ?2, ?3, ?4)";
            let mut insert = connection.prepare_cached(sql)?;
            for (scorer, ScorerIdentity { identity, shown }) in &scorers {
                insert.execute([run_id.as_str(), scorer, identity, shown])?;
            }
            Ok(())
        })
    }

    /// What evaluated the scorers of a run outside karat, by the name of the scorer.
    ///
    /// # Errors
    /// A store failure.
    pub fn run_scorers(&self, run_id: &RunId) -> Result<BTreeMap<String, ScorerIdentity>, Failure> {
        let sql = "SELECT scorer, identity, shown FROM run_scorers WHERE run_id = ?1";
        let rows = self.rows(sql, [run_id.as_str()], |row| {
            Ok((row.get(0)?, ScorerIdentity { identity: row.get(1)?, shown: row.get(2)? }))
        })?;
        Ok(rows.into_iter().collect())
    }
}
