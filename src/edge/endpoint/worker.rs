//! One running program that answers line by line.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::core::domain::{CallError, CallErrorKind, Failure};
use crate::core::privacy::redact::Redactor;
use crate::core::privacy::sanitize::truncate_chars;
use crate::edge::net::DEFAULT_MAX_BODY;

/// Most characters of a program's own words in an error.
const MAX_CHARS: usize = 200;
/// How much of the end of stderr is shown.
const STDERR_TAIL: usize = 4096;
/// How long a program that closed its stdout may take to end, and its stderr to be read to the end.
const GRACE: Duration = Duration::from_secs(1);

/// How a program is started, and how its words are shown.
pub(super) struct Program {
    command: Vec<String>,
    folder: PathBuf,
    shown: String,
    redactor: Redactor,
}

impl Program {
    /// `command` in `folder`; nothing is started yet.
    ///
    /// # Errors
    /// A failure where the patterns that keep secrets out of messages cannot be compiled.
    pub(super) fn new(command: Vec<String>, folder: &Path) -> Result<Self, Failure> {
        let redactor = Redactor::new()
            .map_err(|error| Failure::other("the redaction of a program's words cannot start").caused_by(error))?;
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let mut program = Self { shown: String::new(), command, folder, redactor };
        program.shown = program.line(&program.command.join(" "));
        Ok(program)
    }

    /// The whole command, as it is shown in messages.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// `text` as one line of bounded length without control characters and secrets.
    pub(super) fn line(&self, text: &str) -> String {
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
        // Redacted before the cut, or the beginning of a secret could be left at the end.
        let redacted = self.redactor.redact(&line);
        truncate_chars(&redacted.text, MAX_CHARS).into_owned()
    }

    /// Starts a worker, in a separate process group: at Ctrl-C the terminal interrupts every process of karat's
    /// group, and a worker that died of it would pass for one that crashed.
    pub(super) fn start(&self) -> Result<Worker, CallError> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(CallError::new(CallErrorKind::Internal, "the command of a program endpoint is empty"));
        };
        let mut command = Command::new(self.resolved(program));
        command.args(arguments).current_dir(&self.folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| self.not_started(program, &error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CallError::new(CallErrorKind::Internal, "a program was started without its pipes"));
        };
        Ok(Worker { stdin, stdout: BufReader::with_capacity(1 << 16, stdout), words: Words::of(stderr), child })
    }

    /// A relative path is taken from the working directory of the program; systems do not agree on that.
    fn resolved(&self, program: &str) -> PathBuf {
        if Path::new(program).components().count() > 1 { self.folder.join(program) } else { PathBuf::from(program) }
    }

    fn not_started(&self, program: &str, error: &io::Error) -> CallError {
        let message = match error.kind() {
            _ if !self.folder.is_dir() => {
                format!("the folder {} of the program \"{}\" does not exist", self.folder.display(), self.shown)
            }
            io::ErrorKind::NotFound => {
                format!("the program \"{}\" was not found: is it installed?", self.line(program))
            }
            _ => format!("the program \"{}\" cannot be started: {error}", self.shown),
        };
        CallError::new(CallErrorKind::Connect, message)
    }
}

/// What a worker said.
pub(super) struct Told {
    /// The line without its end.
    pub(super) line: Vec<u8>,
    /// From the beginning of the request to the end of the line.
    pub(super) latency: Duration,
    /// Whether the request was read whole and nothing follows the line; else the worker must not be used again.
    pub(super) is_in_step: bool,
}

/// Why a worker said nothing of use. It must not be used again.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its stdout ended; true where that was in the middle of a line.
    Ended(bool),
    /// The line is longer than an answer may be.
    TooLong,
    /// Its stdout cannot be read.
    Unreadable(io::Error),
}

/// A running program. Dropped, its stdin is closed and it is killed.
pub(super) struct Worker {
    // Before the child, so that stdin is closed before the program is killed.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    words: Words,
    child: Child,
}

impl Worker {
    /// Whether it still runs and has written nothing unprompted, which would pass for the answer to the next request.
    pub(super) async fn is_ready(&mut self) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return false;
        }
        let mut stdout = Pin::new(&mut self.stdout);
        std::future::poll_fn(|context| Poll::Ready(stdout.as_mut().poll_fill_buf(context).is_pending())).await
    }

    /// Writes one line (its end included) and reads one. The two go on side by side: a program may speak before it has
    /// read all, and would wait for ever where nobody reads.
    pub(super) async fn send(&mut self, line: &[u8]) -> Result<Told, Fault> {
        let started = Instant::now();
        let stdin = &mut self.stdin;
        let mut write = pin!(async move {
            stdin.write_all(line).await?;
            stdin.flush().await
        });
        let mut written = None;
        let answer = {
            let mut read = pin!(read_line(&mut self.stdout));
            loop {
                tokio::select! {
                    biased;
                    // A program that reads no further may still have answered, or have said on stderr why not.
                    result = &mut write, if written.is_none() => written = Some(result.is_ok()),
                    result = &mut read => break result?,
                }
            }
        };
        let is_in_step = written == Some(true) && self.stdout.buffer().is_empty();
        Ok(Told { line: answer, latency: started.elapsed(), is_in_step })
    }

    /// How it ended, where it does so within a moment, and the last line of its stderr.
    pub(super) async fn end(mut self) -> (Option<ExitStatus>, Option<String>) {
        drop(self.stdin);
        let status = timeout(GRACE, self.child.wait()).await.ok().and_then(Result::ok);
        if status.is_some() {
            // What it wrote last may still be on its way. A process it left behind may hold stderr open for long.
            let _ = timeout(GRACE, &mut self.words.reader).await;
        }
        (status, self.words.last_line())
    }

    /// The last line of its stderr so far.
    pub(super) fn last_words(&self) -> Option<String> {
        self.words.last_line()
    }
}

async fn read_line(stdout: &mut BufReader<ChildStdout>) -> Result<Vec<u8>, Fault> {
    let mut line = Vec::new();
    loop {
        let chunk = stdout.fill_buf().await.map_err(Fault::Unreadable)?;
        if chunk.is_empty() {
            return Err(Fault::Ended(!line.is_empty()));
        }
        let mut parts = chunk.splitn(2, |byte| *byte == b'\n');
        let taken = parts.next().unwrap_or_default();
        let is_whole = parts.next().is_some();
        line.extend_from_slice(taken);
        let used = taken.len() + usize::from(is_whole);
        stdout.consume(used);
        if line.len() > DEFAULT_MAX_BODY {
            return Err(Fault::TooLong);
        }
        if is_whole {
            return Ok(line);
        }
    }
}

/// The stderr of a program: always read, so that a full pipe never stops it, and forgotten but for its end.
struct Words {
    tail: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Words {
    fn of(stderr: ChildStderr) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(drain(stderr, Arc::clone(&tail)));
        Self { tail, reader }
    }

    /// The last line with something on it.
    fn last_line(&self) -> Option<String> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail);
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn drain(mut stderr: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 8192];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(chunk.iter().take(count));
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
}
