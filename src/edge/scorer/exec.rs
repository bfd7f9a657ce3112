//! A scorer that is a program: one JSON line in, one out.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{read_score, request};
use crate::core::domain::scorer::custom::Exec;
use crate::core::domain::{CallError, CallErrorKind, Example, Failure, Score, canonical_json, content_hash};
use crate::core::scoring::Answer;
use crate::edge::net::{RetryPolicy, with_retry};
use crate::edge::program::{self, Pool, PoolSettings, Reply};

/// How often a program that crashed or was too slow is asked again.
const RETRIES: u32 = 1;

/// A program that scores answers.
pub struct ExecScorer {
    identity: String,
    pool: Pool,
    params: Map<String, Value>,
}

impl ExecScorer {
    /// Creates a scorer that starts its first process when it is first asked. `folder` is the program's working directory.
    ///
    /// # Errors
    /// A data failure for an empty command or no workers.
    pub fn new(name: &str, settings: &Exec, folder: &Path) -> Result<Self, Failure> {
        let mut identity = program::identity(&settings.command, folder);
        identity["params"] = json!(settings.params);
        let pool = PoolSettings {
            command: settings.command.clone(),
            folder: folder.to_owned(),
            workers: settings.workers as usize,
            timeout: Duration::from_secs(settings.timeout_seconds.into()),
        };
        Ok(Self {
            identity: content_hash("scorer", canonical_json(&identity).as_bytes()),
            pool: Pool::new(&format!("scorer \"{name}\""), pool)?,
            params: settings.params.clone(),
        })
    }

    /// Hash of everything that may change its scores: the command, its files, and the params.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Scores an answer.
    ///
    /// # Errors
    /// A call error if the program fails, is too slow, or gives no score.
    pub async fn score(&self, answer: &Answer<'_>, example: &Example, trial: u32) -> Result<Score, CallError> {
        let line = format!("{}\n", request(answer, example, trial, &self.params)).into_bytes();
        let policy = RetryPolicy { max_retries: RETRIES, ..RetryPolicy::default() };
        let ask = async |_: u32| self.pool.ask(&line, |reply| read_reply(reply, &example.id, trial)).await;
        with_retry(&policy, ask).await.map(|(score, _)| score)
    }
}

fn read_reply(reply: &Reply, id: &str, trial: u32) -> Result<Result<Score, CallError>, String> {
    let answer: Map<String, Value> =
        serde_json::from_slice(&reply.line).map_err(|error| format!("did not answer with a JSON object: {error}"))?;
    let is_of = |key: &str, own: Value| answer.get(key).is_none_or(|value| value.is_null() || *value == own);
    if !is_of("id", json!(id)) || !is_of("trial", json!(trial)) {
        return Err(format!("answered a request other than example {id}, trial {trial}"));
    }
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let transient = answer.get("retry").and_then(Value::as_bool).unwrap_or_default();
        let kind = if transient { CallErrorKind::Server } else { CallErrorKind::Refused };
        let said = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Ok(Err(CallError::new(kind, format!("the program says: {said}"))));
    }
    read_score(&answer).map(Ok)
}
