//! The database: SQLite in WAL mode, one file per subject.
//!
//! Reads use the connection of the [`Store`]; writes go through one writer thread (`writer`), which commits pending
//! writes in groups and reports a write as done only when it is on disk. Several karat processes may share one file.

mod cache;
mod canaries;
mod contents;
mod datasets;
mod decisions;
mod embedding_spaces;
mod health;
mod judges;
mod labels;
mod measurements;
mod migrate;
mod outcomes;
mod queue;
mod read;
mod results;
mod traffic;
mod traffic_scores;
mod trial_scores;
mod turns;
mod user_key;
mod validations;
mod vectors;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::core::domain::Failure;

pub use canaries::CanaryHeader;
pub use datasets::StoredPart;
pub use embedding_spaces::EmbeddingSpaceRow;
pub use judges::{JudgeCall, JudgePlace, JudgeTotals, ScorerIdentity};
pub use measurements::{DecaySave, MeasuredGates, MeasurementRow, StoredClustering};
pub use outcomes::{RunHeader, RunTotals, StoredRun};
pub use results::PastRun;
pub use traffic::{Reject, StoredRecord};
pub use traffic_scores::TrafficScore;
pub use turns::TurnAnswer;
pub use validations::{ValidationHeader, ValidationItem};
pub use writer::{Writer, Written};

/// How long a statement waits for a lock held by another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An open database.
pub struct Store {
    path: PathBuf,
    notes: Vec<String>,
    reader: Mutex<Connection>,
    writer: Writer,
}

impl Store {
    /// Opens the database at `path`. Creates it and its folder if they are missing, and upgrades an older database.
    ///
    /// # Errors
    /// A store failure that names the file if it cannot be read, is not a karat database, or was written by a newer
    /// version.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::store(format!("cannot create the folder {}", folder.display()))
                    .hint("check the permissions, or set \"store\" in karat.yaml to a writable path")
                    .caused_by(error)
            })?;
        }
        let mut connection = connect(path)?;
        let notes = migrate::migrate(&mut connection, path)?;
        let reader = connect(path)?;
        let writer = Writer::start(connection, path.to_owned());
        Ok(Self { path: path.to_owned(), notes, reader: Mutex::new(reader), writer })
    }

    /// The path of the database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes for the user about the upgrade done by [`Self::open`]; empty if there was none.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The writer, which performs all writes.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        // A panic while reading leaves no unfinished work in the connection.
        self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fail(&self, error: rusqlite::Error) -> Failure {
        failure(&self.path, error)
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failure(path, error))?;
    let set_up = || -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // FULL: a commit is on disk before it is reported. Group commit makes that affordable.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // 32 MB of log between checkpoints and 8 MB of cached pages, because a run writes all over its indexes.
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        connection.pragma_update(None, "cache_size", -8192)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    let started = Instant::now();
    // Switching a file to WAL mode, and closing it last, lock the whole file; the busy timeout does not apply to these
    // locks.
    while let Err(error) = set_up() {
        let is_busy = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        if !is_busy || started.elapsed() > BUSY_TIMEOUT {
            return Err(failure(path, error));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(connection)
}

/// Converts a database error to a failure with a hint about the usual fix.
fn failure(path: &Path, error: rusqlite::Error) -> Failure {
    let place = path.display();
    let is_unreadable = matches!(error, rusqlite::Error::FromSqlConversionFailure(..));
    let code = if is_unreadable { Some(ErrorCode::DatabaseCorrupt) } else { error.sqlite_error_code() };
    let (message, hint) = match code {
        Some(ErrorCode::NotADatabase) => (
            format!("{place} is not a karat database"),
            "move the file away, or set \"store\" in karat.yaml to another path".to_owned(),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            format!("the database {place} is damaged"),
            "restore a backup, or move the file away to start with a new one; `sqlite3 FILE .recover` may recover the rest"
                .to_owned(),
        ),
        Some(ErrorCode::DiskFull) => (
            format!("no space is left for the database {place}"),
            "free some space and continue with `karat run --resume`; every outcome reported as done is stored".to_owned(),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            format!("another process has locked the database {place} for over {} seconds", BUSY_TIMEOUT.as_secs()),
            "wait for the other karat to finish, then try again".to_owned(),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => (
            format!("cannot open the database {place} for writing"),
            "check that the path is a file and that you may write to it and to its folder".to_owned(),
        ),
        _ => (format!("the database {place} failed"), "run the command again; report it if it persists".to_owned()),
    };
    Failure::store(message).hint(hint).caused_by(error)
}

#[cfg(test)]
mod tests;
