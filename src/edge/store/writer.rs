//! The one writer: jobs come through a bounded channel, what is waiting is committed together, and a job is answered
//! only once its commit is on disk.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::failure;
use crate::core::domain::Failure;

/// Jobs waiting at most; beyond that senders wait.
const WAITING: usize = 1024;

/// Jobs in one commit at most.
const GROUP: usize = 512;

type Job = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// How long a job that nobody blocks on may wait for others: a commit costs a flush to disk, however much is in it.
const GATHER_FOR: Duration = Duration::from_millis(8);

struct Entry {
    job: Job,
    done: Answer,
    /// Whether somebody blocks until it is done.
    urgent: bool,
}

/// The answer to a write, ready once it is on disk.
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

    /// Hands a job over. The job's changes are stored completely or not at all, and never undo another job's.
    pub fn submit(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Written {
        let (send, answer) = oneshot::channel();
        // The caller may have gone; the write is stored all the same.
        self.send(Box::new(job), Box::new(move |result| drop(send.send(result))), false);
        Written(answer)
    }

    /// Hands a job over, blocks this thread until its commit, and returns what the job returned.
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

/// The first job with those that come within its time, until one is urgent.
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
            // A savepoint per job: one that fails takes back its own changes alone.
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
    // Where the transaction itself failed, jobs that were never tried share its error.
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

/// SQLite errors are not `Clone`; the code and the text are what a message needs.
fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => rusqlite::Error::SqliteFailure(*code, text.clone()),
        other => rusqlite::Error::ToSqlConversionFailure(other.to_string().into()),
    }
}
