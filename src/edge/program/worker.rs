//! A running program that answers line by line.

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

/// The maximum number of characters of a program's output in an error.
const MAX_CHARS: usize = 200;
/// How many bytes of the end of stderr are remembered.
const STDERR_TAIL: usize = 4096;
/// How long to wait for a program that has closed its stdout to exit, and then for the rest of its stderr.
const GRACE: Duration = Duration::from_secs(1);

/// How to start a program, and how to show its output.
pub struct Program {
    command: Vec<String>,
    folder: PathBuf,
    shown: String,
    redactor: Redactor,
}

impl Program {
    /// Prepares `command` to run in `folder`; nothing is started yet.
    ///
    /// # Errors
    /// A failure if the patterns that remove secrets from messages cannot be compiled.
    pub(super) fn new(command: Vec<String>, folder: &Path) -> Result<Self, Failure> {
        let redactor = Redactor::new()
            .map_err(|error| Failure::other("cannot compile the redaction patterns").caused_by(error))?;
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let mut program = Self { shown: String::new(), command, folder, redactor };
        program.shown = program.line(&program.command.join(" "));
        Ok(program)
    }

    /// The whole command, as shown in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// `text` as a single line of bounded length, without control characters or secrets.
    pub fn line(&self, text: &str) -> String {
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
        // Redact before truncating; otherwise the beginning of a secret could be left at the end.
        let redacted = self.redactor.redact(&line);
        truncate_chars(&redacted.text, MAX_CHARS).into_owned()
    }

    /// Starts a worker in a separate process group: on Ctrl-C the terminal interrupts every process of karat's group,
    /// and a worker killed this way would look as if it had crashed.
    pub(super) fn start(&self) -> Result<Worker, CallError> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(CallError::new(CallErrorKind::Internal, "the command of a program is empty"));
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

    /// Resolves a relative path against the program's working directory, because operating systems differ in this.
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

/// A line that a worker wrote.
pub struct Reply {
    /// The line without its line break.
    pub line: Vec<u8>,
    /// The time from the start of the request to the end of the line.
    pub latency: Duration,
    /// Whether the request was read completely and nothing follows the line; if not, the worker must not be used again.
    pub(super) is_in_step: bool,
}

/// Why a worker gave no answer. It must not be used again.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its stdout ended; true if this was in the middle of a line.
    Ended(bool),
    /// The line exceeds the maximum length of an answer.
    TooLong,
    /// Its stdout cannot be read.
    Unreadable(io::Error),
}

/// A running program. Dropping it closes the program's stdin and kills it.
pub(super) struct Worker {
    // Declared before the child, so that stdin is closed before the program is killed.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    words: Words,
    child: Child,
}

impl Worker {
    /// Whether the program is still running and has written nothing unprompted, which would be taken for the answer to
    /// the next request.
    pub(super) async fn is_ready(&mut self) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return false;
        }
        let mut stdout = Pin::new(&mut self.stdout);
        std::future::poll_fn(|context| Poll::Ready(stdout.as_mut().poll_fill_buf(context).is_pending())).await
    }

    /// Writes one line (including its line break) and reads one, concurrently: a program may write before it has read
    /// everything, and would block forever if nobody read its output.
    pub(super) async fn send(&mut self, line: &[u8]) -> Result<Reply, Fault> {
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
                    // A program that stopped reading may still have answered, or have explained on stderr why not.
                    result = &mut write, if written.is_none() => written = Some(result.is_ok()),
                    result = &mut read => break result?,
                }
            }
        };
        let is_in_step = written == Some(true) && self.stdout.buffer().is_empty();
        Ok(Reply { line: answer, latency: started.elapsed(), is_in_step })
    }

    /// The exit status, if the program exits within [`GRACE`], and the last line of its stderr.
    pub(super) async fn end(mut self) -> (Option<ExitStatus>, Option<String>) {
        drop(self.stdin);
        let status = timeout(GRACE, self.child.wait()).await.ok().and_then(Result::ok);
        if status.is_some() {
            // Its last output may still be in the pipe. The wait is bounded because a process it left behind may keep
            // stderr open.
            let _ = timeout(GRACE, &mut self.words.reader).await;
        }
        (status, self.words.last_line())
    }

    /// The last line of stderr so far.
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

/// The stderr of a program. It is read continuously, so that a full pipe never blocks the program, and only its end is
/// remembered.
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

    /// The last line that is not blank.
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
