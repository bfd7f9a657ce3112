//! The stored relabel queue.

use rusqlite::{Connection, named_params};

use super::Store;
use crate::core::domain::{Failure, Flag, ReasonCode};
use crate::core::queue::{FlagChange, FlagRow, QueueState};

impl Store {
    /// All flags of a dataset, highest score first.
    ///
    /// # Errors
    /// A store failure.
    pub fn flags(&self, dataset: &str) -> Result<Vec<FlagRow>, Failure> {
        let sql = "SELECT example_id, code, state, score, threshold, evidence, example_hash, first_seen, last_seen \
                   FROM flags WHERE dataset = ?1 ORDER BY score DESC, code, example_id";
        self.rows(sql, [dataset], |row| {
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
        })
    }

    /// The names of datasets with flags, sorted.
    ///
    /// # Errors
    /// A store failure.
    pub fn flagged_datasets(&self) -> Result<Vec<String>, Failure> {
        self.rows("SELECT DISTINCT dataset FROM flags ORDER BY dataset", [], |row| row.get(0))
    }
}

/// Writes the changes that a measurement made to flags.
pub(super) fn write_flags(
    connection: &Connection,
    dataset: &str,
    changes: &[FlagChange],
    now: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO flags (dataset, example_id, code, state, score, threshold, evidence, example_hash, first_seen, last_seen) \
               VALUES (:dataset, :example, :code, :state, :score, :threshold, :evidence, :hash, :now, :now) \
               ON CONFLICT (dataset, example_id, code) DO UPDATE SET state = excluded.state, score = excluded.score, \
               threshold = excluded.threshold, evidence = excluded.evidence, example_hash = excluded.example_hash, \
               last_seen = excluded.last_seen";
    let mut upsert = connection.prepare_cached(sql)?;
    for FlagChange { flag, to, example_hash, .. } in changes {
        upsert.execute(named_params! {
            ":dataset": dataset, ":example": flag.example_id, ":code": flag.code.name(), ":state": to.name(),
            ":score": flag.score, ":threshold": flag.threshold, ":evidence": flag.evidence, ":hash": example_hash,
            ":now": now,
        })?;
    }
    Ok(())
}
