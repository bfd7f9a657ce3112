//! The stored relabel queue: flags, and every step in their lives.

use rusqlite::{Connection, named_params, params};

use super::decisions::{write_decided, write_step};
use super::labels::write_labels;
use super::outcomes::timestamp;
use super::{Store, contents};
use crate::core::domain::{Failure, Flag, ReasonCode};
use crate::core::queue::{Decisions, FlagChange, FlagRow, QueueState, QueueStep};

/// Decisions that also change a golden set's file, stored before the file is replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct UnfinishedEdit {
    /// Its id.
    pub id: i64,
    /// The file.
    pub path: String,
    /// Hash of the file's content without the change.
    pub before: String,
    /// Hash of the file's content with the change.
    pub after: String,
    /// The decisions.
    pub decisions: Decisions,
}

impl Store {
    /// All flags of a dataset, highest score first.
    ///
    /// # Errors
    /// A store failure.
    pub fn flags(&self, dataset: &str) -> Result<Vec<FlagRow>, Failure> {
        let sql = "SELECT example_id, code, state, score, threshold, evidence, basis, evidence_hash, snoozed_until, \
                   traffic_share, first_seen, last_seen \
                   FROM flags WHERE dataset = ?1 ORDER BY score DESC, code, example_id";
        self.rows(sql, [dataset], |row| {
            let (code, state): (String, String) = (row.get(1)?, row.get(2)?);
            let (code, state) = (reason(1, &code)?, queue_state(2, &state)?);
            let snoozed_until: Option<String> = row.get(8)?;
            let snoozed_until = snoozed_until.map(|time| timestamp(8, &time)).transpose()?;
            Ok(FlagRow {
                flag: Flag {
                    example_id: row.get(0)?,
                    code,
                    score: row.get(3)?,
                    threshold: row.get(4)?,
                    evidence: row.get(5)?,
                    basis: row.get(6)?,
                },
                state,
                evidence_hash: row.get(7)?,
                snoozed_until,
                traffic_share: row.get(9)?,
                first_seen: row.get(10)?,
                last_seen: row.get(11)?,
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

    /// The steps of the flags of a dataset, or of one of its examples, oldest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn queue_steps(&self, dataset: &str, example: Option<&str>) -> Result<Vec<QueueStep>, Failure> {
        Ok(self.logged_steps(dataset, example, 0)?.into_iter().map(|logged| logged.step).collect())
    }

    /// Stores decisions in one transaction, and returns their number.
    ///
    /// # Errors
    /// A store failure, in which case nothing is stored.
    pub fn decide(&self, decisions: Decisions) -> Result<i64, Failure> {
        self.writer().write(move |connection| write_decisions(connection, &decisions))
    }

    /// Stores decisions that are to be carried out together with a change of a file, and returns their id. `hashes` are those of
    /// the file's content before and after the change.
    ///
    /// # Errors
    /// A store failure.
    pub fn begin_edit(&self, path: String, hashes: (String, String), decisions: &Decisions) -> Result<i64, Failure> {
        let content = serde_json::to_string(decisions)
            .map_err(|error| Failure::other("cannot serialize a decision").caused_by(error))?;
        self.writer().write(move |connection| {
            let sql = "INSERT INTO unfinished_edits (path, before, after, content) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(sql, params![path, hashes.0, hashes.1, content])?;
            Ok(connection.last_insert_rowid())
        })
    }

    /// Removes an unfinished edit and, if its file was changed, stores its decisions, in one transaction. Returns
    /// the number of the decisions, if they are stored.
    ///
    /// # Errors
    /// A store failure, in which case the edit is still unfinished.
    pub fn end_edit(&self, id: i64, decisions: Option<Decisions>) -> Result<Option<i64>, Failure> {
        self.writer().write(move |connection| {
            connection.execute("DELETE FROM unfinished_edits WHERE id = ?1", [id])?;
            decisions.map(|decisions| write_decisions(connection, &decisions)).transpose()
        })
    }

    /// Edits that were begun and not ended, oldest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn unfinished_edits(&self) -> Result<Vec<UnfinishedEdit>, Failure> {
        let sql = "SELECT id, path, before, after, content FROM unfinished_edits ORDER BY id";
        self.rows(sql, [], |row| {
            let content: String = row.get(4)?;
            let decisions = serde_json::from_str(&content).map_err(|error| contents::damaged(4, error))?;
            Ok(UnfinishedEdit {
                id: row.get(0)?,
                path: row.get(1)?,
                before: row.get(2)?,
                after: row.get(3)?,
                decisions,
            })
        })
    }
}

fn unknown(column: usize, name: &str) -> rusqlite::Error {
    contents::damaged(column, format!("\"{name}\" is not known"))
}

pub(super) fn reason(column: usize, name: &str) -> rusqlite::Result<ReasonCode> {
    ReasonCode::from_name(name).ok_or_else(|| unknown(column, name))
}

pub(super) fn queue_state(column: usize, name: &str) -> rusqlite::Result<QueueState> {
    QueueState::from_name(name).ok_or_else(|| unknown(column, name))
}

/// Writes the changes that a measurement made to flags.
pub(super) fn write_flags(
    connection: &Connection,
    dataset: &str,
    changes: &[FlagChange],
    now: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO flags (dataset, example_id, code, state, score, threshold, evidence, basis, evidence_hash, \
               snoozed_until, traffic_share, first_seen, last_seen) \
               VALUES (:dataset, :example, :code, :state, :score, :threshold, :evidence, :basis, :hash, :until, :share, \
               :now, :now) \
               ON CONFLICT (dataset, example_id, code) DO UPDATE SET state = excluded.state, score = excluded.score, \
               threshold = excluded.threshold, evidence = excluded.evidence, basis = excluded.basis, \
               evidence_hash = excluded.evidence_hash, snoozed_until = excluded.snoozed_until, \
               traffic_share = excluded.traffic_share, last_seen = excluded.last_seen";
    let mut upsert = connection.prepare_cached(sql)?;
    for change in changes {
        let FlagChange { flag, to, evidence_hash, snoozed_until, traffic_share, .. } = change;
        upsert.execute(named_params! {
            ":dataset": dataset, ":example": flag.example_id, ":code": flag.code.name(), ":state": to.name(),
            ":score": flag.score, ":threshold": flag.threshold, ":evidence": flag.evidence, ":basis": flag.basis,
            ":hash": evidence_hash, ":until": snoozed_until.map(|time| time.to_string()), ":share": traffic_share,
            ":now": now,
        })?;
        if change.from != Some(*to) {
            write_step(connection, &change.step(dataset, now))?;
        }
    }
    Ok(())
}

/// Writes decisions and their labels, and returns their number.
fn write_decisions(connection: &Connection, decisions: &Decisions) -> rusqlite::Result<i64> {
    write_labels(connection, &decisions.labels)?;
    write_decided(connection, &decisions.decided)
}
