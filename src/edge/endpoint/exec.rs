//! An endpoint that is a program: any script that reads and writes JSON lines.
//!
//! A worker leaves the pool while it handles a request, and returns only after a complete answer. Anything else (a
//! timeout, a crash, a cancelled call) ends it, so that no answer is ever taken for the answer to another request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::worker::{Fault, Program, Told, Worker};
use crate::core::domain::{
    CallError, CallErrorKind, Endpoint, EndpointFuture, Failure, Message, Request, Response, Usage, canonical_json,
    content_hash,
};
use crate::edge::net::{DEFAULT_MAX_BODY, RetryPolicy, with_retry};

/// A larger file in the command is identified by its path only: it is data or an interpreter, and would be read at
/// every start.
const MAX_HASHED_FILE: u64 = 16 * 1024 * 1024;

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
/// It reads `{"id", "trial", "input", "messages", "options", "params"}` and writes `{"output"}`, with `model` and
/// `usage` (`prompt_tokens`, `completion_tokens`) if it knows them, or `{"error", "retry"}`. An output that is not text
/// is converted to canonical JSON. An answer may repeat `id` and `trial`, which are then checked. The program runs in a
/// separate process group and should exit when its stdin closes.
pub struct ExecEndpoint {
    name: String,
    fingerprint: String,
    program: Program,
    params: Map<String, Value>,
    timeout: Duration,
    retry: RetryPolicy,
    slots: Semaphore,
    idle: Mutex<Vec<Worker>>,
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
        let fault = |what: &str| Failure::data(format!("endpoint \"{}\": {what}", settings.name));
        if settings.command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(fault("command is empty").hint("give the program and its arguments: [python3, model.py]"));
        }
        if settings.workers == 0 {
            return Err(fault("workers must be at least 1"));
        }
        Ok(Self {
            fingerprint: fingerprint(&settings),
            program: Program::new(settings.command, &settings.folder)?,
            slots: Semaphore::new(settings.workers.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::new(Vec::new()),
            name: settings.name,
            params: settings.params,
            timeout: settings.timeout,
            retry: settings.retry,
        })
    }

    async fn send(&self, request: &Request) -> Result<Response, CallError> {
        let line = self.request_line(request);
        let (response, attempts) = with_retry(&self.retry, async |_: u32| self.attempt(&line, request).await).await?;
        Ok(Response { attempts, ..response })
    }

    fn request_line(&self, request: &Request) -> Vec<u8> {
        let messages: Vec<Value> = request.turns().iter().map(Message::to_json).collect();
        let line = json!({
            "id": request.example_id,
            "trial": request.trial,
            "input": request.input,
            "messages": messages,
            "options": request.options,
            "params": self.params,
        });
        format!("{line}\n").into_bytes()
    }

    async fn attempt(&self, line: &[u8], request: &Request) -> Result<Response, CallError> {
        let slot = self.slots.acquire().await;
        let _slot = slot.map_err(|_| CallError::new(CallErrorKind::Internal, "the worker pool is closed"))?;
        let mut worker = self.worker().await?;
        match timeout(self.timeout, worker.send(line)).await {
            Err(_) => Err(self.too_slow(&worker)),
            Ok(Err(fault)) => Err(self.broken(worker, fault).await),
            Ok(Ok(told)) => {
                let answer = read_answer(&told, request).map_err(|what| self.unreadable(&told.line, what))?;
                if told.is_in_step {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                }
                answer.map_err(|error| CallError { message: self.program.line(&error.message), ..error })
            }
        }
    }

    /// An idle worker that is ready, or else a new one.
    async fn worker(&self) -> Result<Worker, CallError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(mut worker) = idle() {
            if worker.is_ready().await {
                return Ok(worker);
            }
        }
        self.program.start()
    }

    fn too_slow(&self, worker: &Worker) -> CallError {
        let words = self.words(worker.last_words());
        let message = format!(
            "the program \"{}\" did not answer within {} s (it must flush its stdout after every line){words}",
            self.program.shown(),
            self.timeout.as_secs_f64(),
        );
        CallError::new(CallErrorKind::Timeout, message)
    }

    async fn broken(&self, worker: Worker, fault: Fault) -> CallError {
        let shown = self.program.shown();
        let (kind, message) = match fault {
            Fault::TooLong => {
                let most = DEFAULT_MAX_BODY / (1024 * 1024);
                (CallErrorKind::BadAnswer, format!("the answer from the program \"{shown}\" is longer than {most} MiB"))
            }
            Fault::Unreadable(error) => {
                (CallErrorKind::Connect, format!("the answer from the program \"{shown}\" cannot be read: {error}"))
            }
            Fault::Ended(in_line) => {
                let (status, words) = worker.end().await;
                let how = status.map_or_else(|| "closed its stdout".to_owned(), |status| format!("ended ({status})"));
                let when = if in_line { "in the middle of an answer (no line break)" } else { "without answering" };
                (CallErrorKind::Connect, format!("the program \"{shown}\" {how} {when}{}", self.words(words)))
            }
        };
        CallError::new(kind, message)
    }

    fn words(&self, last_line: Option<String>) -> String {
        let line = last_line.map(|line| self.program.line(&line)).filter(|line| !line.is_empty());
        line.map_or_else(String::new, |line| format!("; its stderr ends with: {line}"))
    }

    fn unreadable(&self, line: &[u8], what: String) -> CallError {
        let start = self.program.line(&String::from_utf8_lossy(line.get(..1024).unwrap_or(line)));
        let message = format!("the program \"{}\" {what}; it wrote: {start}", self.program.shown());
        CallError::new(CallErrorKind::BadAnswer, message)
    }
}

impl Endpoint for ExecEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(self.send(request))
    }
}

/// Reads a line: an answer or the program's own error, after either of which the program is ready for the next request.
/// The outer error completes "the program …" and means that the program must not be used again.
fn read_answer(told: &Told, request: &Request) -> Result<Result<Response, CallError>, String> {
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
    Ok(Ok(Response {
        model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
        usage: Usage { prompt_tokens: tokens("prompt_tokens"), completion_tokens: tokens("completion_tokens") },
        ..Response::new(as_text(output), told.latency)
    }))
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| canonical_json(value), str::to_owned)
}

fn fingerprint(settings: &ExecSettings) -> String {
    let hash = |argument: &String| Some((argument.clone(), file_hash(&settings.folder.join(argument))?));
    let files: BTreeMap<String, String> = settings.command.iter().filter_map(hash).collect();
    let basis = json!({
        "type": "exec",
        "command": settings.command,
        "params": settings.params,
        "revision": settings.revision,
        "files": files,
    });
    content_hash("endpoint", canonical_json(&basis).as_bytes())
}

/// The hash of a small file, so that an edited script counts as a different endpoint; `None` if it is not a file or is
/// too large.
fn file_hash(path: &Path) -> Option<String> {
    let known = std::fs::metadata(path).ok()?;
    if !known.is_file() || known.len() > MAX_HASHED_FILE {
        return None;
    }
    Some(content_hash("file", &std::fs::read(path).ok()?))
}

#[cfg(test)]
#[path = "tests/exec.rs"]
mod tests;
