//! What runs came to: verdicts, gates and means; and the names of runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};
use serde::de::DeserializeOwned;

use super::read::count;
use super::{Store, StoredRun, contents};
use crate::core::domain::{Failure, RunId};
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::{ParityView, RunView, ScoreView};

/// A finished run with what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// The run.
    pub run: StoredRun,
    /// Its verdict; `None` if an older version of karat ran it.
    pub verdict: Option<Verdict>,
    /// The models that the server reported.
    pub models: Vec<String>,
    /// Its gates.
    pub gates: Vec<GateResult>,
    /// The mean of each scorer.
    pub scores: BTreeMap<String, ScoreView>,
    /// The mean of the suite's first scorer.
    pub score: Option<ScoreView>,
    /// The comparison of groups, if the suite asked for one.
    pub parity: Option<ParityView>,
}

/// A name of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTag {
    /// The name.
    pub tag: String,
    /// The run.
    pub run_id: RunId,
}

impl Store {
    /// Saves what a finished run came to, in place of what was saved before.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_results(&self, view: &RunView) -> Result<(), Failure> {
        let (run_id, gates, scores) = (view.run_id.clone(), view.gates.clone(), view.scores.clone());
        let unsaved = |error| Failure::store(format!("cannot save the results of run {run_id}")).caused_by(error);
        let models = serde_json::to_string(&view.models).map_err(unsaved)?;
        let parity = view.parity.as_ref().map(serde_json::to_string).transpose().map_err(unsaved)?;
        let (verdict, primary) = (view.verdict.id(), view.primary.clone());
        self.writer().write(move |connection| {
            connection.execute(
                "UPDATE runs SET verdict = ?2, models = ?3, parity = ?4 WHERE run_id = ?1",
                params![run_id, verdict, models, parity],
            )?;
            connection.execute("DELETE FROM gate_results WHERE run_id = ?1", [&run_id])?;
            let sql = "INSERT INTO gate_results (run_id, place, gate, verdict, detail, require_decision, level) \
                       VALUES (:run, :place, :gate, :verdict, :detail, :require, :level)";
            let mut insert = connection.prepare_cached(sql)?;
            for (place, gate) in (0_i64..).zip(&gates) {
                insert.execute(named_params! {
                    ":run": run_id, ":place": place, ":gate": gate.name, ":verdict": gate.verdict.id(),
                    ":detail": gate.detail, ":require": gate.require_decision, ":level": gate.level,
                })?;
            }
            let sql = "INSERT OR REPLACE INTO run_scores (run_id, scorer, mean, lo, hi, n, first) \
                       VALUES (:run, :scorer, :mean, :lo, :hi, :n, :first)";
            let mut insert = connection.prepare_cached(sql)?;
            for (scorer, score) in &scores {
                insert.execute(named_params! {
                    ":run": run_id, ":scorer": scorer, ":mean": score.mean, ":lo": score.lo, ":hi": score.hi,
                    ":n": score.n as i64, ":first": *scorer == primary,
                })?;
            }
            Ok(())
        })
    }

    /// The stored results of the gates of a run, in the order of the suite; empty if none were stored.
    ///
    /// # Errors
    /// A store failure.
    pub fn gate_results(&self, run_id: &RunId) -> Result<Vec<GateResult>, Failure> {
        let sql =
            "SELECT gate, verdict, detail, require_decision, level FROM gate_results WHERE run_id = ?1 ORDER BY place";
        self.rows(sql, [run_id.as_str()], |row| {
            let result = GateResult::new(row.get(0)?, verdict(row, 1)?, row.get(2)?, row.get(3)?);
            Ok(GateResult { level: row.get(4)?, ..result })
        })
    }

    /// The finished runs of the suite, endpoint, prompt and selection of a run that started before it, newest first, at most
    /// `limit`, with what they came to.
    ///
    /// # Errors
    /// A store failure.
    pub fn runs_before(&self, run: &StoredRun, limit: usize) -> Result<Vec<PastRun>, Failure> {
        let header = &run.header;
        let runs = self.finished_runs(&header.suite, Some(&header.endpoint), limit.saturating_mul(4).max(200))?;
        let before = |other: &StoredRun| {
            let of = &other.header;
            (of.started_at, &of.run_id) < (header.started_at, &header.run_id)
                && of.prompt == header.prompt
                && of.selection == header.selection
        };
        runs.into_iter().filter(before).take(limit).map(|run| self.past_run(run)).collect()
    }

    /// The results of a run.
    ///
    /// # Errors
    /// A store failure.
    pub fn past_run(&self, run: StoredRun) -> Result<PastRun, Failure> {
        let id = run.header.run_id.as_str();
        let sql = "SELECT verdict, models, parity FROM runs WHERE run_id = ?1";
        let (verdict, models, parity) = self.one(sql, [id], |row| {
            let verdict = row.get::<_, Option<String>>(0)?.map(|_| verdict(row, 0)).transpose()?;
            Ok((verdict, json_column::<Vec<String>>(row, 1)?, json_column(row, 2)?))
        })?;
        let sql = "SELECT scorer, mean, lo, hi, n, first FROM run_scores WHERE run_id = ?1";
        let scores = self.rows(sql, [id], |row| {
            let score = ScoreView { mean: row.get(1)?, lo: row.get(2)?, hi: row.get(3)?, n: count(row, 4)? };
            Ok((row.get::<_, String>(0)?, score, row.get::<_, bool>(5)?))
        })?;
        Ok(PastRun {
            verdict,
            models: models.unwrap_or_default(),
            parity,
            gates: self.gate_results(&run.header.run_id)?,
            score: scores.iter().find(|(.., first)| *first).map(|(_, score, _)| *score),
            scores: scores.into_iter().map(|(scorer, score, _)| (scorer, score)).collect(),
            run,
        })
    }

    /// The comparison of groups in the first run of the suite, endpoint and prompt of a run that has one, before that run.
    ///
    /// # Errors
    /// A store failure.
    pub fn first_parity(&self, run: &StoredRun) -> Result<Option<ParityView>, Failure> {
        let header = &run.header;
        let sql = "SELECT parity FROM runs WHERE suite = ?1 AND endpoint = ?2 AND prompt IS ?3 AND parity IS NOT NULL \
                   AND run_id <> ?4 AND started_at <= ?5 ORDER BY started_at, run_id LIMIT 1";
        let started = header.started_at.to_string();
        let values = params![header.suite, header.endpoint, header.prompt, header.run_id.as_str(), started];
        Ok(self.optional(sql, values, |row| json_column(row, 0))?.flatten())
    }

    /// Gives a run a name, which is taken from the run of the same suite, endpoint and prompt that had it.
    ///
    /// # Errors
    /// A store failure.
    pub fn tag_run(&self, tag: &str, run: &StoredRun, now: Timestamp) -> Result<(), Failure> {
        let (tag, header, now) = (tag.to_owned(), run.header.clone(), now.to_string());
        self.writer().write(move |connection| {
            let sql = "INSERT OR REPLACE INTO run_tags (tag, suite, endpoint, prompt, run_id, tagged_at) \
                       VALUES (:tag, :suite, :endpoint, :prompt, :run, :now)";
            let row = named_params! {
                ":tag": tag, ":suite": header.suite, ":endpoint": header.endpoint,
                ":prompt": header.prompt.unwrap_or_default(), ":run": header.run_id.as_str(), ":now": now,
            };
            connection.execute(sql, row).map(drop)
        })
    }

    /// Removes a name from all runs that have it, and returns their number.
    ///
    /// # Errors
    /// A store failure.
    pub fn untag(&self, tag: &str) -> Result<usize, Failure> {
        let tag = tag.to_owned();
        self.writer().write(move |connection| connection.execute("DELETE FROM run_tags WHERE tag = ?1", [tag]))
    }

    /// The names of runs, sorted by name and then by run.
    ///
    /// # Errors
    /// A store failure.
    pub fn run_tags(&self) -> Result<Vec<RunTag>, Failure> {
        self.rows("SELECT tag, run_id FROM run_tags ORDER BY tag, run_id", [], |row| {
            Ok(RunTag { tag: row.get(0)?, run_id: RunId::new(row.get::<_, String>(1)?) })
        })
    }
}

fn verdict(row: &Row<'_>, column: usize) -> rusqlite::Result<Verdict> {
    let text: String = row.get(column)?;
    Verdict::from_id(&text).ok_or_else(|| contents::damaged(column, format!("\"{text}\" is not a verdict")))
}

/// A value stored as JSON; `None` for NULL.
fn json_column<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| contents::damaged(column, error.to_string()))
}
