//! An endpoint that is a program: any script that reads and writes JSON lines.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::core::domain::{
    CallError, CallErrorKind, Endpoint, EndpointFuture, Failure, Message, Request, RequestKey, Response, Usage,
    canonical_json, content_hash,
};
use crate::edge::net::{RetryPolicy, with_retry};
use crate::edge::program::{self, Pool, PoolSettings, Reply};

/// The settings of a program endpoint.
#[derive(Debug, Clone)]
pub struct ExecSettings {
    /// The endpoint's name in the workspace.
    pub name: String,
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// The working directory of the program.
    pub folder: PathBuf,
    /// Maximum number of processes; each handles one request at a time.
    pub workers: usize,
    /// Time limit of one attempt, including the start of a worker.
    pub timeout: Duration,
    /// How transient failures are retried.
    pub retry: RetryPolicy,
    /// Parameters sent with every request.
    pub params: Map<String, Value>,
    /// A value that the user changes when the program's answers change but no file in its command does.
    pub revision: Option<String>,
}

/// A program that answers requests, with one JSON line per request.
///
/// It reads `{"id", "trial", "input", "fields", "messages", "options", "params"}`, where `fields` is there only if the input
/// of the example is an object, and writes `{"output"}`, with `model`,
/// `usage` (`prompt_tokens`, `completion_tokens`), `finish_reason` and `tool_calls` if it knows them, or `{"error", "retry"}`. An output that is not text
/// is converted to canonical JSON. An answer may repeat `id` and `trial`, which are then checked. The program runs in a
/// separate process group and should exit when its stdin closes.
pub struct ExecEndpoint {
    name: String,
    fingerprint: String,
    pool: Pool,
    params: Map<String, Value>,
    retry: RetryPolicy,
}

impl ExecEndpoint {
    /// Creates an endpoint that starts its first process at the first call.
    ///
    /// Its fingerprint is the content hash, under the label `endpoint`, of the canonical JSON of command, params,
    /// revision, and the hash of every file of at most 16 MiB that the command names.
    ///
    /// # Errors
    /// A data failure for an empty command or no workers.
    pub fn new(settings: ExecSettings) -> Result<Self, Failure> {
        let fingerprint = fingerprint(&settings);
        let ExecSettings { name, command, folder, workers, timeout, retry, params, .. } = settings;
        let pool = Pool::new(&format!("endpoint \"{name}\""), PoolSettings { command, folder, workers, timeout })?;
        Ok(Self { name, fingerprint, pool, params, retry })
    }

    async fn send(&self, request: &Request) -> Result<Response, CallError> {
        let line = self.request_line(request);
        let result =
            with_retry(&self.retry, async |_: u32| self.pool.ask(&line, |reply| read_answer(reply, request)).await);
        let (response, attempts) = result.await?;
        Ok(Response { attempts, ..response })
    }

    fn request_line(&self, request: &Request) -> Vec<u8> {
        let messages: Vec<Value> = request.turns().iter().map(Message::to_json).collect();
        let mut line = json!({
            "id": request.example_id,
            "trial": request.trial,
            "input": request.input,
            "messages": messages,
            "options": request.options,
            "params": self.params,
        });
        if !request.fields.is_empty() {
            line["fields"] = json!(request.fields);
        }
        format!("{line}\n").into_bytes()
    }
}

impl Endpoint for ExecEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn key(&self, request: &Request) -> RequestKey {
        // The program also reads the input itself, which need not be part of the messages.
        request.key.with_input(&request.input, &request.fields).at(&self.fingerprint)
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(self.send(request))
    }
}

/// Reads a line: an answer or the program's own error, after either of which the program is ready for the next request.
/// The outer error completes "the program …" and means that the program must not be used again.
fn read_answer(told: &Reply, request: &Request) -> Result<Result<Response, CallError>, String> {
    let answer: Map<String, Value> =
        serde_json::from_slice(&told.line).map_err(|error| format!("did not answer with a JSON object: {error}"))?;
    let is_of = |key: &str, own: Value| answer.get(key).is_none_or(|value| value.is_null() || *value == own);
    if !is_of("id", json!(request.example_id)) || !is_of("trial", json!(request.trial)) {
        return Err(format!("answered a request other than example {}, trial {}", request.example_id, request.trial));
    }
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let transient = answer.get("retry").and_then(Value::as_bool).unwrap_or_default();
        let kind = if transient { CallErrorKind::Server } else { CallErrorKind::Refused };
        return Ok(Err(CallError::new(kind, format!("the program says: {}", as_text(error)))));
    }
    let output = answer.get("output").ok_or("answered with neither \"output\" nor \"error\"")?;
    let tokens = |key: &str| answer.get("usage").and_then(|usage| usage.get(key)).and_then(Value::as_u64);
    let calls = answer.get("tool_calls").filter(|calls| calls.is_array());
    Ok(Ok(Response {
        tool_calls: calls.map(canonical_json),
        finish_reason: answer.get("finish_reason").and_then(Value::as_str).map(str::to_owned),
        model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
        usage: Usage { prompt_tokens: tokens("prompt_tokens"), completion_tokens: tokens("completion_tokens") },
        ..Response::new(as_text(output), told.latency)
    }))
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| canonical_json(value), str::to_owned)
}

fn fingerprint(settings: &ExecSettings) -> String {
    let mut basis = program::identity(&settings.command, &settings.folder);
    basis["type"] = json!("exec");
    basis["params"] = json!(settings.params);
    basis["revision"] = json!(settings.revision);
    content_hash("endpoint", canonical_json(&basis).as_bytes())
}

#[cfg(test)]
#[path = "tests/exec.rs"]
mod tests;
