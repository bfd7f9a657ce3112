//! Canaries and the pairs of answers they are decided on.

use jiff::Timestamp;
use rusqlite::params;

use super::{Store, Written, contents};
use crate::core::domain::Failure;
use crate::core::view::{CanaryPair, CanaryView};

/// What identifies a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryHeader {
    /// Globally unique id (UUID v7).
    pub canary_id: String,
    /// Suite name.
    pub suite: String,
    /// Everything that must be equal for a canary to be resumed, as JSON.
    pub identity: String,
    /// When it started.
    pub started_at: Timestamp,
}

impl Store {
    /// Records the start of a canary.
    ///
    /// # Errors
    /// A store failure.
    pub fn start_canary(&self, header: &CanaryHeader) -> Result<(), Failure> {
        let header = header.clone();
        self.writer().write(move |connection| {
            let sql = "INSERT INTO canaries (canary_id, suite, identity, started_at) VALUES (?1, ?2, ?3, ?4)";
            let started = header.started_at.to_string();
            connection.execute(sql, params![header.canary_id, header.suite, header.identity, started]).map(drop)
        })
    }

    /// Stores a pair; the returned handle resolves when it is on disk.
    ///
    /// # Errors
    /// A failure if the pair cannot be written as JSON.
    pub fn record_canary_pair(&self, canary_id: &str, pair: &CanaryPair) -> Result<Written, Failure> {
        let (canary_id, number, example_id) = (canary_id.to_owned(), pair.number as i64, pair.example_id.clone());
        let answers = serde_json::to_string(pair)
            .map_err(|error| Failure::other("cannot write a pair of answers as JSON").caused_by(error))?;
        Ok(self.writer().submit(move |connection| {
            let answers = contents::put(connection, answers.as_bytes())?;
            let sql =
                "INSERT OR REPLACE INTO canary_pairs (canary_id, number, example_id, answers) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![canary_id, number, example_id, answers]).map(drop)
        }))
    }

    /// Records the result of a canary.
    ///
    /// # Errors
    /// A store failure.
    pub fn finish_canary(&self, view: &CanaryView, now: Timestamp) -> Result<(), Failure> {
        let (canary_id, now) = (view.canary_id.clone(), now.to_string());
        let view = serde_json::to_string(view)
            .map_err(|error| Failure::other("cannot write the result of a canary as JSON").caused_by(error))?;
        self.writer().write(move |connection| {
            let view = contents::put(connection, view.as_bytes())?;
            let sql = "UPDATE canaries SET finished_at = ?2, view = ?3 WHERE canary_id = ?1";
            connection.execute(sql, params![canary_id, now, view]).map(drop)
        })
    }

    /// The latest canary of a suite with this identity that has no result yet.
    ///
    /// # Errors
    /// A store failure.
    pub fn unfinished_canary(&self, suite: &str, identity: &str) -> Result<Option<String>, Failure> {
        let sql = "SELECT canary_id FROM canaries WHERE suite = ?1 AND identity = ?2 AND finished_at IS NULL \
                   ORDER BY started_at DESC, canary_id DESC LIMIT 1";
        self.optional(sql, [suite, identity], |row| row.get(0))
    }

    /// The pairs of a canary, in the order of the draws.
    ///
    /// # Errors
    /// A store failure.
    pub fn canary_pairs(&self, canary_id: &str) -> Result<Vec<CanaryPair>, Failure> {
        let sql = "SELECT c.codec, c.data FROM canary_pairs p JOIN contents c ON c.id = p.answers \
                   WHERE p.canary_id = ?1 ORDER BY p.number";
        let texts = self.rows(sql, [canary_id], |row| contents::unpack_text(row, 0))?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|error| {
                Failure::store(format!("cannot read the pairs of the canary {canary_id}")).caused_by(error)
            })
        };
        texts.into_iter().map(read).collect()
    }
}
