//! The steps of the queue with what it takes to undo them.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::Store;
use super::outcomes::timestamp;
use super::queue::{queue_state, reason};
use crate::core::domain::Failure;
use crate::core::queue::{ChangedRow, Decided, LoggedStep, QueueState, QueueStep};

impl Store {
    /// The steps of the flags of a dataset, or of one of its examples, with a number above `after`, oldest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn logged_steps(&self, dataset: &str, example: Option<&str>, after: i64) -> Result<Vec<LoggedStep>, Failure> {
        let sql = "SELECT dataset, example_id, code, at, from_state, to_state, by_whom, reason, detail, id, decision, undone, \
                   snoozed_before, row_before, row_after FROM queue_steps \
                   WHERE dataset = ?1 AND (?2 IS NULL OR example_id = ?2) AND id > ?3 ORDER BY id";
        self.rows(sql, params![dataset, example, after], |row| {
            let (code, to): (String, String) = (row.get(2)?, row.get(5)?);
            let from: Option<String> = row.get(4)?;
            let snoozed_before: Option<String> = row.get(12)?;
            let (before, after): (Option<String>, Option<String>) = (row.get(13)?, row.get(14)?);
            Ok(LoggedStep {
                id: row.get(9)?,
                step: QueueStep {
                    dataset: row.get(0)?,
                    example_id: row.get(1)?,
                    code: reason(2, &code)?,
                    at: row.get(3)?,
                    from: from.map(|from| queue_state(4, &from)).transpose()?,
                    to: queue_state(5, &to)?,
                    by: row.get(6)?,
                    reason: row.get(7)?,
                    detail: row.get(8)?,
                },
                decision: row.get(10)?,
                undone: row.get(11)?,
                snoozed_before: snoozed_before.map(|time| timestamp(12, &time)).transpose()?,
                row: before.zip(after).map(|(before, after)| ChangedRow { before, after }),
            })
        })
    }

    /// The number of the latest step of all datasets; 0 if there is none.
    ///
    /// # Errors
    /// A store failure.
    pub fn last_step(&self) -> Result<i64, Failure> {
        self.one("SELECT coalesce(max(id), 0) FROM queue_steps", [], |row| row.get(0))
    }
}

/// Writes decisions that were made together, and returns their number.
pub(super) fn write_decided(connection: &Connection, decided: &[Decided]) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(decision), 0) + 1 FROM queue_steps WHERE decision IS NOT NULL";
    let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    for decided in decided {
        let Decided { step, snoozed_until, row, undoes } = decided;
        let flag: [(&str, &dyn ToSql); 3] =
            [(":dataset", &step.dataset), (":example", &step.example_id), (":code", &step.code.name())];
        let sql = "SELECT snoozed_until FROM flags WHERE dataset = :dataset AND example_id = :example AND code = :code";
        let find = |row: &rusqlite::Row<'_>| row.get::<_, Option<String>>(0);
        let before = connection.prepare_cached(sql)?.query_row(&flag[..], find).optional()?.flatten();
        let sql = "UPDATE flags SET state = :state, snoozed_until = :until \
                   WHERE dataset = :dataset AND example_id = :example AND code = :code";
        connection.prepare_cached(sql)?.execute(named_params! {
            ":state": step.to.name(), ":until": snoozed_until.map(|time| time.to_string()), ":dataset": step.dataset,
            ":example": step.example_id, ":code": step.code.name(),
        })?;
        if let Some(undone) = undoes {
            let sql = "UPDATE queue_steps SET undone = 1 WHERE decision = :decision AND dataset = :dataset \
                       AND example_id = :example AND code = :code";
            let flag = [&flag[..], &[(":decision", undone)]].concat();
            connection.prepare_cached(sql)?.execute(&flag[..])?;
        }
        write_step(connection, step)?;
        let sql =
            "UPDATE queue_steps SET decision = ?2, snoozed_before = ?3, row_before = ?4, row_after = ?5 WHERE id = ?1";
        let (old, new) = row.as_ref().map(|row| (&row.before, &row.after)).unzip();
        let number = undoes.is_none().then_some(number);
        connection.prepare_cached(sql)?.execute(params![connection.last_insert_rowid(), number, before, old, new])?;
    }
    Ok(number)
}

/// Appends a step to the log.
pub(super) fn write_step(connection: &Connection, step: &QueueStep) -> rusqlite::Result<()> {
    let sql = "INSERT INTO queue_steps (dataset, example_id, code, at, from_state, to_state, by_whom, reason, detail) \
               VALUES (:dataset, :example, :code, :at, :from, :to, :by, :reason, :detail)";
    connection
        .prepare_cached(sql)?
        .execute(named_params! {
            ":dataset": step.dataset, ":example": step.example_id, ":code": step.code.name(), ":at": step.at,
            ":from": step.from.map(QueueState::name), ":to": step.to.name(), ":by": step.by, ":reason": step.reason,
            ":detail": step.detail,
        })
        .map(drop)
}
