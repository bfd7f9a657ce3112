//! Validations of judges against people, and the items of calibration sets.

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};

use super::read::count;
use super::{Store, Written, contents};
use crate::core::domain::{Failure, RunId, Score};
use crate::core::view::JudgeValidationView;

/// What identifies a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationHeader {
    /// Globally unique id (UUID v7).
    pub validation_id: String,
    /// Suite name.
    pub suite: String,
    /// Name of the scorer in the suite.
    pub scorer: String,
    /// Hash of everything that may change the judge's scores.
    pub identity: String,
    /// The judge in words.
    pub judge: String,
    /// Hash of the labels and of what the judge is asked about.
    pub labels_hash: String,
    /// The run whose answers are labelled; `None` for a calibration set.
    pub run_id: Option<RunId>,
    /// When it started.
    pub started_at: Timestamp,
}

/// An item of a calibration set as the judge scored it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationItem {
    /// Its number among the items of the labels file, from 0.
    pub item: usize,
    /// The score, or why there is none.
    pub score: Score,
    /// The verdicts of the calls, as JSON.
    pub verdicts: Vec<serde_json::Value>,
    /// The models that the server reported.
    pub models: Vec<String>,
    /// Number of calls.
    pub calls: usize,
    /// What they cost, if the endpoint has a price.
    pub cost: Option<f64>,
}

const HEADER_COLUMNS: &str = "validation_id, suite, scorer, identity, judge, labels_hash, run_id, started_at";

fn header(row: &Row<'_>) -> rusqlite::Result<ValidationHeader> {
    Ok(ValidationHeader {
        validation_id: row.get(0)?,
        suite: row.get(1)?,
        scorer: row.get(2)?,
        identity: row.get(3)?,
        judge: row.get(4)?,
        labels_hash: row.get(5)?,
        run_id: row.get::<_, Option<String>>(6)?.map(RunId::new),
        started_at: super::outcomes::timestamp(7, &row.get::<_, String>(7)?)?,
    })
}

impl Store {
    /// Records the start of a validation.
    ///
    /// # Errors
    /// A store failure.
    pub fn start_validation(&self, header: &ValidationHeader) -> Result<(), Failure> {
        let header = header.clone();
        self.writer().write(move |connection| {
            let sql = format!(
                "INSERT INTO judge_validations ({HEADER_COLUMNS}) VALUES (:id, :suite, :scorer, :identity, :judge, \
                 :labels, :run, :started)"
            );
            let row = named_params! {
                ":id": header.validation_id,
                ":suite": header.suite,
                ":scorer": header.scorer,
                ":identity": header.identity,
                ":judge": header.judge,
                ":labels": header.labels_hash,
                ":run": header.run_id.as_ref().map(RunId::as_str),
                ":started": header.started_at.to_string(),
            };
            connection.execute(&sql, row).map(drop)
        })
    }

    /// Stores an item in place of an earlier attempt, whose calls still count; the returned handle resolves when it is on
    /// disk.
    ///
    /// # Errors
    /// A failure if it cannot be written as JSON.
    pub fn record_validation_item(
        &self,
        validation_id: &str,
        item: &ValidationItem,
        now: Timestamp,
    ) -> Result<Written, Failure> {
        let unwritten = |error| Failure::other("cannot write the verdicts of a judge as JSON").caused_by(error);
        let verdicts = serde_json::to_string(&item.verdicts).map_err(unwritten)?;
        let models = serde_json::to_string(&item.models).map_err(unwritten)?;
        let (validation_id, item) = (validation_id.to_owned(), item.clone());
        Ok(self.writer().submit(move |connection| {
            let sql = "INSERT INTO judge_validation_items (validation_id, item, score, reason, failed, verdicts, models, \
                       calls, cost, judged_at) VALUES (:id, :item, :score, :reason, :failed, :verdicts, :models, :calls, \
                       :cost, :now) ON CONFLICT DO UPDATE SET score = excluded.score, reason = excluded.reason, \
                       failed = excluded.failed, verdicts = excluded.verdicts, models = excluded.models, \
                       calls = calls + excluded.calls, judged_at = excluded.judged_at, \
                       cost = CASE WHEN excluded.cost IS NULL THEN cost ELSE coalesce(cost, 0.0) + excluded.cost END";
            let (value, reason) = match &item.score {
                Score::Value(value, reason) => (Some(*value), reason.as_deref()),
                Score::Skipped(reason) | Score::Failed(reason) => (None, Some(reason.as_str())),
            };
            let row = named_params! {
                ":id": validation_id,
                ":item": item.item as i64,
                ":score": value,
                ":reason": reason,
                ":failed": matches!(item.score, Score::Failed(_)),
                ":verdicts": verdicts,
                ":models": models,
                ":calls": item.calls as i64,
                ":cost": item.cost,
                ":now": now.as_second(),
            };
            connection.prepare_cached(sql)?.execute(row).map(drop)
        }))
    }

    /// The items of a validation, in their order.
    ///
    /// # Errors
    /// A store failure.
    pub fn validation_items(&self, validation_id: &str) -> Result<Vec<ValidationItem>, Failure> {
        let sql = "SELECT item, score, reason, failed, verdicts, models, calls, cost FROM judge_validation_items \
                   WHERE validation_id = ?1 ORDER BY item";
        self.rows(sql, [validation_id], |row| {
            let (value, reason): (Option<f64>, Option<String>) = (row.get(1)?, row.get(2)?);
            let score = match value {
                Some(value) => Score::Value(value, reason),
                None if row.get(3)? => Score::Failed(reason.unwrap_or_default()),
                None => Score::Skipped(reason.unwrap_or_default()),
            };
            Ok(ValidationItem {
                item: count(row, 0)?,
                score,
                verdicts: json(row, 4)?,
                models: json(row, 5)?,
                calls: count(row, 6)?,
                cost: row.get(7)?,
            })
        })
    }

    /// Records the result of a validation.
    ///
    /// # Errors
    /// A store failure.
    pub fn finish_validation(&self, view: &JudgeValidationView, now: Timestamp) -> Result<(), Failure> {
        let (validation_id, now) = (view.validation_id.clone(), now.to_string());
        let view = serde_json::to_string(view)
            .map_err(|error| Failure::other("cannot write the validation of a judge as JSON").caused_by(error))?;
        self.writer().write(move |connection| {
            let view = contents::put(connection, view.as_bytes())?;
            let sql = "UPDATE judge_validations SET finished_at = ?2, view = ?3 WHERE validation_id = ?1";
            connection.execute(sql, params![validation_id, now, view]).map(drop)
        })
    }

    /// The latest unfinished validation on the same calibration set by the same judge.
    ///
    /// # Errors
    /// A store failure.
    pub fn unfinished_validation(&self, like: &ValidationHeader) -> Result<Option<ValidationHeader>, Failure> {
        let sql = format!(
            "SELECT {HEADER_COLUMNS} FROM judge_validations WHERE suite = ?1 AND scorer = ?2 AND identity = ?3 \
             AND labels_hash = ?4 AND run_id IS NULL AND finished_at IS NULL \
             ORDER BY rowid DESC LIMIT 1"
        );
        self.optional(&sql, [&like.suite, &like.scorer, &like.identity, &like.labels_hash], header)
    }

    /// The first finished validation on the same calibration set, by whatever judge, other than this one.
    ///
    /// # Errors
    /// A store failure.
    pub fn first_validation(&self, like: &ValidationHeader) -> Result<Option<ValidationHeader>, Failure> {
        let sql = format!(
            "SELECT {HEADER_COLUMNS} FROM judge_validations WHERE suite = ?1 AND scorer = ?2 AND labels_hash = ?3 \
             AND validation_id <> ?4 AND run_id IS NULL AND finished_at IS NOT NULL \
             ORDER BY rowid LIMIT 1"
        );
        self.optional(&sql, [&like.suite, &like.scorer, &like.labels_hash, &like.validation_id], header)
    }

    /// The latest finished validation of a scorer with this identity.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_validation(
        &self,
        suite: &str,
        scorer: &str,
        identity: &str,
    ) -> Result<Option<JudgeValidationView>, Failure> {
        let sql = "SELECT c.codec, c.data FROM judge_validations v JOIN contents c ON c.id = v.view \
                   WHERE v.suite = ?1 AND v.scorer = ?2 AND v.identity = ?3 AND v.finished_at IS NOT NULL \
                   ORDER BY v.rowid DESC LIMIT 1";
        let text = self.optional(sql, [suite, scorer, identity], |row| contents::unpack_text(row, 0))?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|error| {
                Failure::store(format!("cannot read the validation of the scorer {scorer}")).caused_by(error)
            })
        };
        text.map(read).transpose()
    }
}

/// A JSON list in a column.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<T>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| contents::damaged(column, format!("it is no JSON list: {error}")))
}
