//! The answers to the turns of conversations.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};

use super::read::count;
use super::{Store, Written, contents};
use crate::core::domain::{Failure, RequestKey, Response, RunId, Usage};

/// The answer to one turn of a conversation.
#[derive(Debug, Clone)]
pub struct TurnAnswer {
    /// Index of the turn, from 0.
    pub turn: usize,
    /// The key of the request at the endpoint.
    pub key: RequestKey,
    /// The answer.
    pub response: Response,
    /// What it cost, if the endpoint has a price.
    pub cost: Option<f64>,
}

const COLUMNS: &str = "t.turn, t.request_key, t.cost, t.latency_ms, t.attempts, t.prompt_tokens, t.completion_tokens, t.model, \
     t.finish_reason, t.cached, o.codec, o.data, c.codec, c.data FROM turns t JOIN contents o ON o.id = t.output \
     LEFT JOIN contents c ON c.id = t.tool_calls";

fn turn_answer(row: &Row<'_>) -> rusqlite::Result<TurnAnswer> {
    let tokens = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    let milliseconds: f64 = row.get::<_, Option<f64>>(3)?.unwrap_or_default();
    let response = Response {
        attempts: row.get(4)?,
        usage: Usage { prompt_tokens: tokens(row.get(5)?), completion_tokens: tokens(row.get(6)?) },
        model: row.get(7)?,
        finish_reason: row.get(8)?,
        cached: row.get(9)?,
        tool_calls: row.get::<_, Option<i64>>(12)?.map(|_| contents::unpack_text(row, 12)).transpose()?,
        ..Response::new(
            contents::unpack_text(row, 10)?,
            Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default(),
        )
    };
    Ok(TurnAnswer { turn: count(row, 0)?, key: RequestKey(row.get(1)?), response, cost: row.get(2)? })
}

impl Store {
    /// Stores the answer to a turn; the returned handle resolves when it is on disk.
    pub fn record_turn(
        &self,
        run_id: &RunId,
        example_id: &str,
        trial: u32,
        answer: TurnAnswer,
        now: Timestamp,
    ) -> Written {
        let (run_id, example_id) = (run_id.clone(), example_id.to_owned());
        self.writer().submit(move |connection| {
            let sql = "INSERT OR REPLACE INTO turns (run_id, example_id, trial, turn, output, tool_calls, finish_reason, \
                       attempts, latency_ms, prompt_tokens, completion_tokens, model, cost, cached, answered_at, \
                       request_key) VALUES (:run, :example, :trial, :turn, :output, :calls, :finish, :attempts, \
                       :latency, :prompt, :completion, :model, :cost, :cached, :now, :key)";
            let TurnAnswer { turn, key, response, cost } = &answer;
            let tokens = |tokens: Option<u64>| tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
            let calls = response.tool_calls.as_deref();
            let calls = calls.map(|calls| contents::put(connection, calls.as_bytes())).transpose()?;
            let output = contents::put(connection, response.output.as_bytes())?;
            connection
                .prepare_cached(sql)?
                .execute(named_params! {
                    ":run": run_id.as_str(),
                    ":example": example_id,
                    ":trial": trial,
                    ":turn": *turn as i64,
                    ":output": output,
                    ":calls": calls,
                    ":finish": response.finish_reason,
                    ":attempts": response.attempts,
                    ":latency": response.latency.as_secs_f64() * 1e3,
                    ":prompt": tokens(response.usage.prompt_tokens),
                    ":completion": tokens(response.usage.completion_tokens),
                    ":model": response.model,
                    ":cost": cost,
                    ":cached": response.cached,
                    ":now": now.as_second(),
                    ":key": key.0,
                })
                .map(drop)
        })
    }

    /// The answers to the turns of a conversation in a run, in order.
    ///
    /// # Errors
    /// A store failure.
    pub fn turn_answers(&self, run_id: &RunId, example_id: &str, trial: u32) -> Result<Vec<TurnAnswer>, Failure> {
        let sql =
            format!("SELECT {COLUMNS} WHERE t.run_id = ?1 AND t.example_id = ?2 AND t.trial = ?3 ORDER BY t.turn");
        self.rows(&sql, params![run_id.as_str(), example_id, trial], turn_answer)
    }

    /// The newest answer to the same request of a conversation at the same endpoint, given at or after `since` in a run
    /// other than `run_id`. It is marked as cached and has its original latency.
    ///
    /// # Errors
    /// A store failure.
    pub fn cached_turn(&self, key: RequestKey, since: Timestamp, run_id: &RunId) -> Result<Option<Response>, Failure> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE t.request_key = ?1 AND t.answered_at >= ?2 AND t.run_id <> ?3 AND NOT t.cached \
             ORDER BY t.answered_at DESC, t.run_id DESC LIMIT 1"
        );
        let found = self.optional(&sql, params![key.0, since.as_second(), run_id.as_str()], turn_answer)?;
        Ok(found.map(|answer| Response { cached: true, ..answer.response }))
    }
}
