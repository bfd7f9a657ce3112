//! Programs that answer line by line: a pool of processes, each of which handles one request at a time.
//!
//! A worker leaves the pool while it handles a request, and returns only after a complete answer. Anything else (a
//! timeout, a crash, a cancelled call) ends it, so that no answer is ever taken for the answer to another request.

mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::worker::{Fault, Worker};
pub use self::worker::{Program, Reply};
use super::net::DEFAULT_MAX_BODY;
use crate::core::domain::{CallError, CallErrorKind, Failure, content_hash};

/// A larger file in the command is identified by its path only: it is data or an interpreter, and would be read at
/// every start.
const MAX_HASHED_FILE: u64 = 16 * 1024 * 1024;

/// The settings of a pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// The working directory of the program.
    pub folder: PathBuf,
    /// Maximum number of processes; each handles one request at a time.
    pub workers: usize,
    /// Time limit of one attempt, including the start of a worker.
    pub timeout: Duration,
}

/// Processes of one program. The first one is started at the first request. A program runs in a separate process group
/// and should exit when its stdin closes.
pub struct Pool {
    program: Program,
    timeout: Duration,
    slots: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Pool {
    /// Creates a pool; nothing is started yet. `owner` names it in errors, such as `endpoint "script"`.
    ///
    /// # Errors
    /// A data failure for an empty command or no workers.
    pub fn new(owner: &str, settings: PoolSettings) -> Result<Self, Failure> {
        let fault = |what: &str| Failure::data(format!("{owner}: {what}"));
        if settings.command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(fault("command is empty").hint("give the program and its arguments: [python3, model.py]"));
        }
        if settings.workers == 0 {
            return Err(fault("workers must be at least 1"));
        }
        Ok(Self {
            program: Program::new(settings.command, &settings.folder)?,
            timeout: settings.timeout,
            slots: Semaphore::new(settings.workers.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Writes a line (with its line break) to a worker, and reads its reply with `read`. Its outer error completes "the
    /// program …" and means that the reply cannot be trusted, so that the worker is not used again.
    ///
    /// # Errors
    /// A call error if there is no reply, or the inner error of `read`.
    pub async fn ask<T>(
        &self,
        line: &[u8],
        read: impl FnOnce(&Reply) -> Result<Result<T, CallError>, String>,
    ) -> Result<T, CallError> {
        let slot = self.slots.acquire().await;
        let _slot = slot.map_err(|_| CallError::new(CallErrorKind::Internal, "the worker pool is closed"))?;
        let mut worker = self.worker().await?;
        match timeout(self.timeout, worker.send(line)).await {
            Err(_) => Err(self.too_slow(&worker)),
            Ok(Err(fault)) => Err(self.broken(worker, fault).await),
            Ok(Ok(reply)) => {
                let answer = read(&reply).map_err(|what| self.unreadable(&reply.line, what))?;
                if reply.is_in_step {
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

/// What identifies a program: its command, the hash of every file of at most 16 MiB that the command names.
pub fn identity(command: &[String], folder: &Path) -> Value {
    let hash = |argument: &String| Some((argument.clone(), file_hash(&folder.join(argument))?));
    let files: BTreeMap<String, String> = command.iter().filter_map(hash).collect();
    json!({"command": command, "files": files})
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
