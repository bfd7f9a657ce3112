//! Runs and their outcomes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, Written, contents};
use crate::core::domain::{Failure, Outcome, OutcomeResult, RecordedOutcome, Response, Score};

/// What identifies a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHeader {
    /// Globally unique id (UUID v7).
    pub run_id: String,
    /// Suite name.
    pub suite: String,
    /// Suite hash.
    pub suite_version: String,
    /// Dataset name.
    pub dataset: String,
    /// Dataset hash.
    pub dataset_version: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Endpoint fingerprint.
    pub endpoint_fingerprint: String,
    /// Examples of the run.
    pub total: usize,
    /// When it began (RFC 3339).
    pub started_at: String,
}

/// A run as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// What identifies it.
    pub header: RunHeader,
    /// When every example had its outcome; null while it is unfinished.
    pub finished_at: Option<String>,
    /// Outcomes recorded.
    pub done: usize,
}

const RUN_COLUMNS: &str = "r.run_id, r.suite, r.suite_version, r.dataset, r.dataset_version, r.endpoint, \
     r.endpoint_fingerprint, r.total, r.started_at, r.finished_at, \
     (SELECT count(*) FROM outcomes o WHERE o.run_id = r.run_id)";

fn stored_run(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    Ok(StoredRun {
        header: RunHeader {
            run_id: row.get(0)?,
            suite: row.get(1)?,
            suite_version: row.get(2)?,
            dataset: row.get(3)?,
            dataset_version: row.get(4)?,
            endpoint: row.get(5)?,
            endpoint_fingerprint: row.get(6)?,
            total: row.get::<_, i64>(7)?.try_into().unwrap_or(0),
            started_at: row.get(8)?,
        },
        finished_at: row.get(9)?,
        done: row.get::<_, i64>(10)?.try_into().unwrap_or(0),
    })
}

impl Store {
    /// Begins a run.
    ///
    /// # Errors
    /// A store failure.
    pub fn begin_run(&self, header: RunHeader) -> Result<(), Failure> {
        self.writer().write(move |connection| {
            let sql = "INSERT INTO runs (run_id, suite, suite_version, dataset, dataset_version, endpoint, \
                       endpoint_fingerprint, total, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            let h = header;
            let total = h.total as i64;
            connection
                .execute(
                    sql,
                    params![
                        h.run_id,
                        h.suite,
                        h.suite_version,
                        h.dataset,
                        h.dataset_version,
                        h.endpoint,
                        h.endpoint_fingerprint,
                        total,
                        h.started_at
                    ],
                )
                .map(drop)
        })
    }

    /// Records that every example of a run has its outcome.
    ///
    /// # Errors
    /// A store failure.
    pub fn finish_run(&self, run_id: &str, now: &str) -> Result<(), Failure> {
        let (run_id, now) = (run_id.to_owned(), now.to_owned());
        self.writer().write(move |connection| {
            connection.execute("UPDATE runs SET finished_at = ?2 WHERE run_id = ?1", [run_id, now]).map(drop)
        })
    }

    /// Keeps an outcome; the answer comes once it is on disk. One that is already there is left as it is.
    pub fn record_outcome(&self, run_id: &str, outcome: Outcome) -> Written {
        let run_id = run_id.to_owned();
        self.writer().submit(move |connection| insert_outcome(connection, &run_id, &outcome))
    }

    /// A run by the beginning of its id.
    ///
    /// # Errors
    /// A store failure, or a usage failure where several runs begin so; `Ok(None)` where none does.
    pub fn run(&self, id: &str) -> Result<Option<StoredRun>, Failure> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs r WHERE substr(r.run_id, 1, length(?1)) = ?1 LIMIT 2");
        let mut found = self.query_runs(&sql, &[&id])?;
        if found.len() > 1 {
            return Err(Failure::usage(format!("several runs begin with {id}"))
                .hint("give more of the id; `karat list` shows them"));
        }
        Ok(found.pop())
    }

    /// The latest unfinished run of a suite on an endpoint.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_unfinished_run(&self, suite: &str, endpoint: &str) -> Result<Option<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs r WHERE r.suite = ?1 AND r.endpoint = ?2 AND r.finished_at IS NULL ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1"
        );
        Ok(self.query_runs(&sql, &[&suite, &endpoint])?.pop())
    }

    /// The latest finished run of every endpoint on a dataset version, by endpoint.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_runs_of_dataset(&self, dataset: &str, version: &str) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs r WHERE r.dataset = ?1 AND r.dataset_version = ?2 AND r.finished_at IS NOT NULL \
             ORDER BY r.started_at DESC, r.run_id DESC"
        );
        let mut latest: BTreeMap<String, StoredRun> = BTreeMap::new();
        for run in self.query_runs(&sql, &[&dataset, &version])? {
            latest.entry(run.header.endpoint.clone()).or_insert(run);
        }
        Ok(latest.into_values().collect())
    }

    /// The latest runs, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn recent_runs(&self, limit: usize) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs r ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?1");
        self.query_runs(&sql, &[&(limit as i64)])
    }

    fn query_runs(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<StoredRun>, Failure> {
        let connection = self.reader();
        let read = || connection.prepare(sql)?.query_map(values, stored_run)?.collect::<rusqlite::Result<Vec<_>>>();
        read().map_err(|error| self.fail(error))
    }

    /// The canonical content of a suite version.
    ///
    /// # Errors
    /// A store failure.
    pub fn suite_content(&self, suite: &str, version: &str) -> Result<Option<String>, Failure> {
        let sql = "SELECT c.codec, c.data FROM suite_versions v JOIN contents c ON c.id = v.content \
                   WHERE v.suite = ?1 AND v.version = ?2";
        let read = self.reader().query_row(sql, [suite, version], |row| contents::unpack_text(row, 0)).optional();
        read.map_err(|error| self.fail(error))
    }

    /// Every outcome of a run, by example id and trial.
    ///
    /// # Errors
    /// A store failure.
    pub fn outcomes(&self, run_id: &str) -> Result<Vec<RecordedOutcome>, Failure> {
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<RecordedOutcome>> {
            let mut outcomes = read_outcomes(&connection, run_id)?;
            attach_scores(&connection, run_id, &mut outcomes)?;
            Ok(outcomes)
        };
        read().map_err(|error| self.fail(error))
    }
}

fn insert_outcome(connection: &Connection, run_id: &str, outcome: &Outcome) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO outcomes (run_id, example_id, trial, output, error_kind, error_message, attempts, \
                  latency_ms, prompt_tokens, completion_tokens, model) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut insert = connection.prepare_cached(insert)?;
    let (id, trial) = (&outcome.example_id, outcome.trial);
    match &outcome.result {
        OutcomeResult::Failed(error) => {
            let nothing = None::<i64>;
            let (kind, message) = (error.kind.name(), &error.message);
            insert.execute(params![
                run_id,
                id,
                trial,
                nothing,
                kind,
                message,
                error.attempts,
                nothing,
                nothing,
                nothing,
                nothing
            ])?;
        }
        OutcomeResult::Answered { response, scores } => {
            let output = contents::put(connection, response.output.as_bytes())?;
            let nothing = None::<String>;
            let Response { usage, latency, attempts, model, .. } = response;
            let count = |tokens: Option<u64>| tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
            let latency = latency.as_secs_f64() * 1e3;
            let (prompt, completion) = (count(usage.prompt_tokens), count(usage.completion_tokens));
            let row =
                params![run_id, id, trial, output, nothing, nothing, attempts, latency, prompt, completion, model];
            if insert.execute(row)? > 0 {
                insert_scores(connection, run_id, outcome, scores)?;
            }
        }
    }
    Ok(())
}

fn insert_scores(
    connection: &Connection,
    run_id: &str,
    outcome: &Outcome,
    scores: &[(String, Score)],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO scores (run_id, example_id, trial, scorer, value, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare_cached(sql)?;
    for (scorer, score) in scores {
        let (value, reason) = match score {
            Score::Value(value, reason) => (Some(*value), reason.clone()),
            Score::Skipped(reason) => (None, Some(reason.clone())),
        };
        insert.execute(params![run_id, outcome.example_id, outcome.trial, scorer, value, reason])?;
    }
    Ok(())
}

fn read_outcomes(connection: &Connection, run_id: &str) -> rusqlite::Result<Vec<RecordedOutcome>> {
    let sql = "SELECT o.example_id, o.trial, o.error_kind, o.error_message, o.latency_ms, o.prompt_tokens, \
               o.completion_tokens, o.model, c.codec, c.data FROM outcomes o LEFT JOIN contents c ON c.id = o.output \
               WHERE o.run_id = ?1 ORDER BY o.example_id, o.trial";
    let tokens = |row: &Row<'_>, column| {
        row.get::<_, Option<i64>>(column).map(|n| n.and_then(|n| n.try_into().ok()).unwrap_or(0))
    };
    connection
        .prepare(sql)?
        .query_map([run_id], |row| {
            let kind: Option<String> = row.get(2)?;
            let message: Option<String> = row.get(3)?;
            Ok(RecordedOutcome {
                example_id: row.get(0)?,
                trial: row.get(1)?,
                output: if kind.is_none() { Some(contents::unpack_text(row, 8)?) } else { None },
                error: kind.map(|kind| (kind, message.unwrap_or_default())),
                latency_ms: row.get(4)?,
                tokens: (tokens(row, 5)?, tokens(row, 6)?),
                model: row.get(7)?,
                scores: BTreeMap::new(),
            })
        })?
        .collect()
}

fn attach_scores(connection: &Connection, run_id: &str, outcomes: &mut [RecordedOutcome]) -> rusqlite::Result<()> {
    let sql = "SELECT example_id, trial, scorer, value, reason FROM scores WHERE run_id = ?1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([run_id])?;
    while let Some(row) = rows.next()? {
        let (id, trial): (String, u32) = (row.get(0)?, row.get(1)?);
        let (value, reason): (Option<f64>, Option<String>) = (row.get(3)?, row.get(4)?);
        let score = value.map_or_else(
            || Score::Skipped(reason.clone().unwrap_or_default()),
            |value| Score::Value(value, reason.clone()),
        );
        let found = outcomes.binary_search_by(|o| (o.example_id.as_str(), o.trial).cmp(&(id.as_str(), trial)));
        if let Ok(index) = found {
            outcomes[index].scores.insert(row.get(2)?, score);
        }
    }
    Ok(())
}
