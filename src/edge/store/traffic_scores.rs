//! Scores of production's answers.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::named_params;

use super::{Store, Written};
use crate::core::domain::{Failure, Score};

/// A score of a record's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficScore {
    /// Hash of everything that may change the score.
    pub identity: String,
    /// The source of the record.
    pub source: String,
    /// The record.
    pub record_id: String,
    /// The suite that it was made for.
    pub suite: String,
    /// Hash of the suite.
    pub suite_version: String,
    /// Name of the scorer in the suite.
    pub scorer: String,
    /// The score. One that failed is not stored.
    pub score: Score,
}

impl Store {
    /// Stores scores of time `now`, in place of earlier ones; the returned handle resolves when they are on disk. Failed
    /// scores are left out.
    pub fn record_traffic_scores(&self, scores: Vec<TrafficScore>, now: Timestamp) -> Written {
        self.writer().submit(move |connection| {
            let sql = "INSERT OR REPLACE INTO traffic_scores (identity, source, record_id, suite, suite_version, scorer, \
                       value, reason, scored_at) VALUES (:identity, :source, :record, :suite, :version, :scorer, :value, \
                       :reason, :now)";
            let mut insert = connection.prepare_cached(sql)?;
            for score in &scores {
                let (value, reason) = match &score.score {
                    Score::Value(value, reason) => (Some(*value), reason.as_deref()),
                    Score::Skipped(reason) => (None, Some(reason.as_str())),
                    Score::Failed(_) => continue,
                };
                insert.execute(named_params! {
                    ":identity": score.identity,
                    ":source": score.source,
                    ":record": score.record_id,
                    ":suite": score.suite,
                    ":version": score.suite_version,
                    ":scorer": score.scorer,
                    ":value": value,
                    ":reason": reason,
                    ":now": now.as_second(),
                })?;
            }
            Ok(())
        })
    }

    /// The scores of a source's records that were made with the same identity, by record id.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_scores(&self, identity: &str, source: &str) -> Result<HashMap<String, Score>, Failure> {
        let sql = "SELECT record_id, value, reason FROM traffic_scores WHERE identity = ?1 AND source = ?2";
        let rows = self.rows(sql, [identity, source], |row| {
            let reason: Option<String> = row.get(2)?;
            let score = match row.get(1)? {
                Some(value) => Score::Value(value, reason),
                None => Score::Skipped(reason.unwrap_or_default()),
            };
            Ok((row.get(0)?, score))
        })?;
        Ok(rows.into_iter().collect())
    }
}
