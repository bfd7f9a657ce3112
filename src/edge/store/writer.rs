//! The only writer. Jobs arrive through a bounded channel, pending jobs are committed together, and a job is reported
//! as done only when its commit is on disk.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::failure;
use crate::core::domain::Failure;

/// Maximum number of queued jobs; senders block when the queue is full.
const WAITING: usize = 1024;

/// Maximum number of jobs per commit.
const GROUP: usize = 512;

type Job = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// How long a job that nobody blocks on may wait for others to join its commit: every commit costs a flush to disk,
/// however large it is.
const GATHER_FOR: Duration = Duration::from_millis(8);

struct Entry {
    job: Job,
    done: Answer,
    /// Whether a thread blocks until the job is done.
    urgent: bool,
}

/// A handle to a submitted write, resolved when the write is on disk.
pub struct Written(oneshot::Receiver<Result<(), Failure>>);

impl Written {
    /// Waits for the commit.
    ///
    /// # Errors
    /// The store failure, if the write was not stored.
    pub async fn wait(self) -> Result<(), Failure> {
        self.0.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn stopped() -> Failure {
    Failure::store("the database writer stopped before the write was stored")
}

/// Sends jobs to the writer thread.
pub struct Writer {
    jobs: Option<SyncSender<Entry>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: PathBuf) -> Self {
        let (jobs, waiting) = sync_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("karat-writer".into()).spawn(move || run(connection, &path, &waiting));
        Self { jobs: Some(jobs), thread: Mutex::new(thread.ok()) }
    }

    /// Queues a job. Its changes are stored completely or not at all, and a failure does not undo other jobs.
    pub fn submit(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Written {
        let (send, answer) = oneshot::channel();
        // The caller may have dropped the handle; the write is stored anyway.
        self.send(Box::new(job), Box::new(move |result| drop(send.send(result))), false);
        Written(answer)
    }

    /// Queues a job, blocks this thread until it is committed, and returns the job's result.
    ///
    /// # Errors
    /// The store failure, if the write was not stored.
    pub fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (send, answer) = std::sync::mpsc::channel();
        let (give, given) = std::sync::mpsc::channel();
        // The receivers live until this function returns.
        let job = move |connection: &Connection| job(connection).map(|value| drop(give.send(value)));
        self.send(Box::new(job), Box::new(move |result| drop(send.send(result))), true);
        answer.recv().unwrap_or_else(|_| Err(stopped()))?;
        given.try_recv().map_err(|_| stopped())
    }

    fn send(&self, job: Job, done: Answer, urgent: bool) {
        if let Some(Err(refused)) = self.jobs.as_ref().map(|jobs| jobs.send(Entry { job, done, urgent })) {
            (refused.0.done)(Err(stopped()));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn run(mut connection: Connection, path: &std::path::Path, waiting: &Receiver<Entry>) {
    while let Ok(first) = waiting.recv() {
        let group = gather(first, waiting);
        commit_group(&mut connection, path, group);
    }
}

/// Collects the first job and those that arrive within [`GATHER_FOR`], or stops as soon as one is urgent and none is
/// queued.
fn gather(first: Entry, waiting: &Receiver<Entry>) -> Vec<Entry> {
    let until = Instant::now() + GATHER_FOR;
    let mut urgent = first.urgent;
    let mut group = vec![first];
    while group.len() < GROUP {
        let next = match waiting.try_recv() {
            Ok(entry) => Ok(entry),
            Err(_) if urgent => break,
            Err(_) => waiting.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        let Ok(entry) = next else { break };
        urgent |= entry.urgent;
        group.push(entry);
    }
    group
}

fn commit_group(connection: &mut Connection, path: &std::path::Path, group: Vec<Entry>) {
    let (jobs, done): (Vec<Job>, Vec<Answer>) = group.into_iter().map(|entry| (entry.job, entry.done)).unzip();
    let mut results = Vec::with_capacity(jobs.len());
    let committed = (|| {
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in jobs {
            // A savepoint per job, so that a failure rolls back only that job's changes.
            let savepoint = transaction.savepoint()?;
            let result = job(&savepoint);
            if result.is_ok() {
                savepoint.commit()?;
            } else {
                savepoint.finish()?;
            }
            results.push(result);
        }
        transaction.commit()
    })();
    // If the transaction itself failed, jobs that were never run share its error.
    results.resize_with(done.len(), || Ok(()));
    for (done, result) in done.into_iter().zip(results) {
        let answer = match (&committed, result) {
            (_, Err(error)) => Err(failure(path, error)),
            (Ok(()), Ok(())) => Ok(()),
            (Err(error), Ok(())) => Err(failure(path, copy(error))),
        };
        done(answer);
    }
}

/// SQLite errors are not `Clone`; code and text are enough for a message.
fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => rusqlite::Error::SqliteFailure(*code, text.clone()),
        other => rusqlite::Error::ToSqlConversionFailure(other.to_string().into()),
    }
}
