//! The relabel queue as kept.

use rusqlite::params;

use super::Store;
use crate::core::domain::{Failure, Flag, ReasonCode};
use crate::core::queue::QueueState;

/// One flag as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagRow {
    /// The flag.
    pub flag: Flag,
    /// Where it stands.
    pub state: QueueState,
    /// Hash of the example's content when it was flagged.
    pub example_hash: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it was last measured (RFC 3339).
    pub last_seen: String,
}

/// A flag to be written, new or anew.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagUpdate {
    /// The flag.
    pub flag: Flag,
    /// Where it stands now.
    pub state: QueueState,
    /// Hash of the example's content.
    pub example_hash: String,
}

impl Store {
    /// Every flag of a dataset, the strongest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn flags(&self, dataset: &str) -> Result<Vec<FlagRow>, Failure> {
        let sql = "SELECT example_id, code, state, score, threshold, evidence, example_hash, first_seen, last_seen \
                   FROM flags WHERE dataset = ?1 ORDER BY score DESC, code, example_id";
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<FlagRow>> {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([dataset], |row| {
                let (code, state): (String, String) = (row.get(1)?, row.get(2)?);
                let known = ReasonCode::from_name(&code).zip(QueueState::from_name(&state));
                let unknown =
                    || rusqlite::Error::InvalidColumnType(1, format!("{code}/{state}"), rusqlite::types::Type::Text);
                let (code, state) = known.ok_or_else(unknown)?;
                Ok(FlagRow {
                    flag: Flag {
                        example_id: row.get(0)?,
                        code,
                        score: row.get(3)?,
                        threshold: row.get(4)?,
                        evidence: row.get(5)?,
                    },
                    state,
                    example_hash: row.get(6)?,
                    first_seen: row.get(7)?,
                    last_seen: row.get(8)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.fail(error))
    }

    /// Datasets with flags, by name.
    ///
    /// # Errors
    /// A store failure.
    pub fn flagged_datasets(&self) -> Result<Vec<String>, Failure> {
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = connection.prepare("SELECT DISTINCT dataset FROM flags ORDER BY dataset")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|error| self.fail(error))
    }

    /// Writes flags in one commit.
    ///
    /// # Errors
    /// A store failure.
    pub fn update_flags(&self, dataset: &str, updates: Vec<FlagUpdate>, now: &str) -> Result<(), Failure> {
        let (dataset, now) = (dataset.to_owned(), now.to_owned());
        self.writer().write(move |connection| {
            let sql = "INSERT INTO flags (dataset, example_id, code, state, score, threshold, evidence, example_hash, first_seen, last_seen) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) \
                       ON CONFLICT (dataset, example_id, code) DO UPDATE SET state = excluded.state, score = excluded.score, \
                       threshold = excluded.threshold, evidence = excluded.evidence, example_hash = excluded.example_hash, \
                       last_seen = excluded.last_seen";
            let mut upsert = connection.prepare_cached(sql)?;
            for FlagUpdate { flag, state, example_hash } in &updates {
                let (code, state) = (flag.code.name(), state.name());
                upsert.execute(params![
                    dataset, flag.example_id, code, state, flag.score, flag.threshold, flag.evidence, example_hash, now
                ])?;
            }
            Ok(())
        })
    }
}
