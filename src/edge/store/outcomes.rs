//! Runs and their outcomes. Outcomes with a request key also form the cache.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};

use super::read::count;
use super::{Store, Written, contents};
use crate::core::domain::{
    CallErrorKind, Failure, Outcome, OutcomeResult, RecordedOutcome, RunId, Score, Usage, parse_timestamp,
};

/// The identity and settings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHeader {
    /// Globally unique id (UUID v7).
    pub run_id: RunId,
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
    /// Name of the prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Number of repeats of each example.
    pub repeats: u32,
    /// Filters and limit as text; empty if the whole dataset is run.
    pub selection: String,
    /// Number of outcomes expected: examples × repeats.
    pub total: usize,
    /// When it started.
    pub started_at: Timestamp,
}

/// A stored run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Its identity and settings.
    pub header: RunHeader,
    /// When the last outcome was recorded; `None` while the run is unfinished.
    pub finished_at: Option<Timestamp>,
    /// Number of outcomes recorded.
    pub done: usize,
}

const RUN_COLUMNS: &str = "r.run_id, r.suite, r.suite_version, r.dataset, r.dataset_version, r.endpoint, \
     r.endpoint_fingerprint, r.total, r.started_at, r.finished_at, r.prompt, r.repeats, r.selection, \
     (SELECT count(*) FROM outcomes o WHERE o.run_id = r.run_id)";

/// The same for finished runs, whose outcomes need not be counted.
const FINISHED_COLUMNS: &str = "r.run_id, r.suite, r.suite_version, r.dataset, r.dataset_version, r.endpoint, \
     r.endpoint_fingerprint, r.total, r.started_at, r.finished_at, r.prompt, r.repeats, r.selection, r.total";

fn stored_run(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    Ok(StoredRun {
        header: RunHeader {
            run_id: run_id(row, 0)?,
            suite: row.get(1)?,
            suite_version: row.get(2)?,
            dataset: row.get(3)?,
            dataset_version: row.get(4)?,
            endpoint: row.get(5)?,
            endpoint_fingerprint: row.get(6)?,
            total: count(row, 7)?,
            started_at: timestamp(8, &row.get::<_, String>(8)?)?,
            prompt: row.get(10)?,
            repeats: row.get(11)?,
            selection: row.get(12)?,
        },
        finished_at: row.get::<_, Option<String>>(9)?.map(|text| timestamp(9, &text)).transpose()?,
        done: count(row, 13)?,
    })
}

/// Numbers of outcomes of a run, and their cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunTotals {
    /// Number of outcomes recorded, without those whose scores are still to come.
    pub recorded: u64,
    /// Number of outcomes that are errors.
    pub errors: u64,
    /// Number of answers for which a scorer failed.
    pub unscored: u64,
    /// Total cost of all outcomes and of their judges.
    pub cost: f64,
}

/// A repeat that has an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedTrial {
    /// The number of the repeat, from 0.
    pub trial: u32,
    /// Whether it ended in an error.
    pub is_error: bool,
    /// Whether its scores are still to come.
    pub is_unscored: bool,
    /// Whether a scorer failed.
    pub has_failed_score: bool,
}

fn run_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    row.get::<_, String>(column).map(RunId::new)
}

/// Parses the time in a column. karat writes RFC 3339; a value that is not a time means that the database is damaged.
pub(super) fn timestamp(column: usize, text: &str) -> rusqlite::Result<Timestamp> {
    parse_timestamp(text).ok_or_else(|| contents::damaged(column, format!("\"{text}\" is not a time")))
}

fn recorded_at(column: usize, seconds: Option<i64>) -> rusqlite::Result<Option<Timestamp>> {
    let Some(seconds) = seconds else { return Ok(None) };
    let time = Timestamp::from_second(seconds);
    time.map(Some).map_err(|error| contents::damaged(column, format!("{seconds} is not a time: {error}")))
}

impl Store {
    /// Records the start of a run.
    ///
    /// # Errors
    /// A store failure.
    pub fn start_run(&self, header: RunHeader) -> Result<(), Failure> {
        self.writer().write(move |connection| {
            let sql = "INSERT INTO runs (run_id, suite, suite_version, dataset, dataset_version, endpoint, \
                       endpoint_fingerprint, total, started_at, prompt, repeats, selection) \
                       VALUES (:run, :suite, :suite_version, :dataset, :dataset_version, :endpoint, :fingerprint, \
                       :total, :started, :prompt, :repeats, :selection)";
            let row = named_params! {
                ":run": header.run_id.as_str(),
                ":suite": header.suite,
                ":suite_version": header.suite_version,
                ":dataset": header.dataset,
                ":dataset_version": header.dataset_version,
                ":endpoint": header.endpoint,
                ":fingerprint": header.endpoint_fingerprint,
                ":total": header.total as i64,
                ":started": header.started_at.to_string(),
                ":prompt": header.prompt,
                ":repeats": header.repeats,
                ":selection": header.selection,
            };
            connection.execute(sql, row).map(drop)
        })
    }

    /// Records that a run has all its outcomes.
    ///
    /// # Errors
    /// A store failure.
    pub fn finish_run(&self, run_id: &RunId, now: Timestamp) -> Result<(), Failure> {
        let (run_id, now) = (run_id.to_string(), now.to_string());
        self.writer().write(move |connection| {
            connection.execute("UPDATE runs SET finished_at = ?2 WHERE run_id = ?1", [run_id, now]).map(drop)
        })
    }

    /// Stores an outcome of time `now`; the returned handle resolves when it is on disk. An answer already stored is
    /// left unchanged; an error is replaced by the outcome of a later attempt.
    pub fn record_outcome(&self, run_id: &RunId, outcome: Outcome, now: Timestamp) -> Written {
        let run_id = run_id.clone();
        self.writer().submit(move |connection| insert_outcome(connection, run_id.as_str(), &outcome, now.as_second()))
    }

    /// Replaces the scores of a stored answer; the returned handle resolves when they are on disk.
    pub fn record_scores(&self, run_id: &RunId, example_id: &str, trial: u32, scores: Vec<(String, Score)>) -> Written {
        let (run_id, example_id) = (run_id.clone(), example_id.to_owned());
        self.writer().submit(move |connection| {
            let of = (run_id.as_str(), example_id.as_str(), trial);
            let sql = "DELETE FROM scores WHERE run_id = ?1 AND example_id = ?2 AND trial = ?3";
            connection.prepare_cached(sql)?.execute(of)?;
            insert_scores(connection, of, &scores)?;
            let sql = "UPDATE outcomes SET scored = 1 WHERE run_id = ?1 AND example_id = ?2 AND trial = ?3";
            connection.prepare_cached(sql)?.execute(of).map(drop)
        })
    }

    /// Finds a run by a prefix of its id; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// A store failure, or a usage failure if several run ids have this prefix.
    pub fn run(&self, id: &str) -> Result<Option<StoredRun>, Failure> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs r WHERE substr(r.run_id, 1, length(?1)) = ?1 LIMIT 2");
        let mut found = self.query_runs(&sql, &[&id])?;
        if found.len() > 1 {
            return Err(Failure::usage(format!("several run ids start with {id}"))
                .hint("give more of the id; `karat list` shows them"));
        }
        Ok(found.pop())
    }

    /// The latest run of a suite on an endpoint with a prompt, finished or not.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_run(&self, suite: &str, endpoint: &str, prompt: Option<&str>) -> Result<Option<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs r WHERE r.suite = ?1 AND r.endpoint = ?2 AND r.prompt IS ?3 \
             ORDER BY r.started_at DESC, r.rowid DESC LIMIT 1"
        );
        Ok(self.query_runs(&sql, &[&suite, &endpoint, &prompt])?.pop())
    }

    /// The models that the server reported in a run, sorted.
    ///
    /// # Errors
    /// A store failure.
    pub fn reported_models(&self, run_id: &RunId) -> Result<Vec<String>, Failure> {
        let sql = "SELECT DISTINCT model FROM outcomes WHERE run_id = ?1 AND model IS NOT NULL ORDER BY model";
        self.rows(sql, [run_id.as_str()], |row| row.get(0))
    }

    /// The repeats of an example that have an outcome in a run.
    ///
    /// # Errors
    /// A store failure.
    pub fn recorded_trials(&self, run_id: &RunId, example_id: &str) -> Result<Vec<RecordedTrial>, Failure> {
        let sql = "SELECT trial, error_kind IS NOT NULL, NOT scored, EXISTS (SELECT 1 FROM scores s \
                   WHERE s.run_id = o.run_id AND s.example_id = o.example_id AND s.trial = o.trial AND s.failed) \
                   FROM outcomes o WHERE run_id = ?1 AND example_id = ?2";
        self.rows(sql, [run_id.as_str(), example_id], |row| {
            Ok(RecordedTrial {
                trial: row.get(0)?,
                is_error: row.get(1)?,
                is_unscored: row.get(2)?,
                has_failed_score: row.get(3)?,
            })
        })
    }

    /// The number of finished outcomes of a run, how many of them are errors, and their total cost with that of judges.
    ///
    /// # Errors
    /// A store failure.
    pub fn run_totals(&self, run_id: &RunId) -> Result<RunTotals, Failure> {
        let sql = "SELECT count(*) FILTER (WHERE scored), count(error_kind), coalesce(sum(cost), 0.0) \
                   + (SELECT coalesce(sum(cost), 0.0) FROM judge_calls WHERE run_id = ?1), \
                   (SELECT count(*) FROM (SELECT DISTINCT example_id, trial FROM scores WHERE run_id = ?1 AND failed)) \
                   FROM outcomes WHERE run_id = ?1";
        self.one(sql, [run_id.as_str()], |row| {
            Ok(RunTotals {
                recorded: count(row, 0)?,
                errors: count(row, 1)?,
                unscored: count(row, 3)?,
                cost: row.get(2)?,
            })
        })
    }

    /// Whether a run has any outcome.
    ///
    /// # Errors
    /// A store failure.
    pub fn has_outcomes(&self, run_id: &RunId) -> Result<bool, Failure> {
        self.one("SELECT EXISTS (SELECT 1 FROM outcomes WHERE run_id = ?1)", [run_id.as_str()], |row| row.get(0))
    }

    /// The latest finished run of each combination of suite, endpoint and prompt on a dataset version, sorted in that
    /// order.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_runs_of_dataset(&self, dataset: &str, version: &str) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs r WHERE r.dataset = ?1 AND r.dataset_version = ?2 AND r.finished_at IS NOT NULL \
             ORDER BY r.started_at DESC, r.run_id DESC"
        );
        let mut latest: BTreeMap<(String, String, Option<String>), StoredRun> = BTreeMap::new();
        for run in self.query_runs(&sql, &[&dataset, &version])? {
            let of = (run.header.suite.clone(), run.header.endpoint.clone(), run.header.prompt.clone());
            latest.entry(of).or_insert(run);
        }
        Ok(latest.into_values().collect())
    }

    /// Of each combination of suite, endpoint and prompt, the latest run with an outcome of this example, in whatever version of the
    /// dataset, sorted in that order.
    ///
    /// # Errors
    /// A store failure.
    pub fn latest_runs_with(&self, dataset: &str, example_id: &str) -> Result<Vec<RunHeader>, Failure> {
        let sql = format!(
            "WITH latest AS (SELECT b.rowid AS at, row_number() OVER (PARTITION BY b.suite, b.endpoint, b.prompt \
             ORDER BY b.started_at DESC, b.rowid DESC) AS place FROM runs b WHERE b.dataset = ?1 \
             AND EXISTS (SELECT 1 FROM outcomes o WHERE o.run_id = b.run_id AND o.example_id = ?2)) \
             SELECT {RUN_COLUMNS} FROM runs r WHERE r.rowid IN (SELECT at FROM latest WHERE place = 1) \
             ORDER BY r.suite, r.endpoint, r.prompt"
        );
        let runs = self.query_runs(&sql, &[&dataset, &example_id])?;
        Ok(runs.into_iter().map(|run| run.header).collect())
    }

    /// The latest finished runs of a dataset in any version, at most `each` of every combination of suite, endpoint and prompt,
    /// newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn recent_runs_of_dataset(&self, dataset: &str, each: usize) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs r JOIN (SELECT run_id, row_number() OVER (PARTITION BY suite, endpoint, prompt \
             ORDER BY started_at DESC, run_id DESC) AS age FROM runs WHERE dataset = ?1 AND finished_at IS NOT NULL) a \
             ON a.run_id = r.run_id WHERE a.age <= ?2 ORDER BY r.started_at DESC, r.run_id DESC"
        );
        self.query_runs(&sql, &[&dataset, &(each as i64)])
    }

    /// The latest finished runs of a suite, on one endpoint if it is given, at most `limit`, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn finished_runs(&self, suite: &str, endpoint: Option<&str>, limit: usize) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {FINISHED_COLUMNS} FROM runs r WHERE r.suite = ?1 AND (?2 IS NULL OR r.endpoint = ?2) \
             AND r.finished_at IS NOT NULL ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?3"
        );
        self.query_runs(&sql, &[&suite, &endpoint, &(limit as i64)])
    }

    /// The latest finished runs, at most `limit`, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn recent_finished_runs(&self, limit: usize) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!(
            "SELECT {FINISHED_COLUMNS} FROM runs r WHERE r.finished_at IS NOT NULL \
             ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?1"
        );
        self.query_runs(&sql, &[&(limit as i64)])
    }

    /// The latest runs, at most `limit`, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn recent_runs(&self, limit: usize) -> Result<Vec<StoredRun>, Failure> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs r ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?1");
        self.query_runs(&sql, &[&(limit as i64)])
    }

    fn query_runs(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<StoredRun>, Failure> {
        self.rows(sql, values, stored_run)
    }

    /// The canonical content of a suite version.
    ///
    /// # Errors
    /// A store failure.
    pub fn suite_content(&self, suite: &str, version: &str) -> Result<Option<String>, Failure> {
        let sql = "SELECT c.codec, c.data FROM suite_versions v JOIN contents c ON c.id = v.content \
                   WHERE v.suite = ?1 AND v.version = ?2";
        self.optional(sql, [suite, version], |row| contents::unpack_text(row, 0))
    }

    /// Calls `take` with every outcome of a run, sorted by example id and repeat.
    ///
    /// # Errors
    /// A store failure.
    pub fn each_outcome(&self, run_id: &RunId, take: &mut dyn FnMut(RecordedOutcome)) -> Result<(), Failure> {
        self.read(|connection| read_outcomes(connection, run_id.as_str(), None, take))
    }

    /// The outcomes of one example in a run, sorted by repeat.
    ///
    /// # Errors
    /// A store failure.
    pub fn outcomes_of(&self, run_id: &RunId, example_id: &str) -> Result<Vec<RecordedOutcome>, Failure> {
        let mut outcomes = Vec::new();
        let mut take = |outcome| outcomes.push(outcome);
        self.read(|connection| read_outcomes(connection, run_id.as_str(), Some(example_id), &mut take))?;
        Ok(outcomes)
    }

    /// The mean number of answer tokens in a run, over answers with a known count; `None` if there are none.
    ///
    /// # Errors
    /// A store failure.
    pub fn mean_answer_tokens(&self, run_id: &RunId) -> Result<Option<f64>, Failure> {
        let sql = "SELECT avg(completion_tokens) FROM outcomes WHERE run_id = ?1";
        self.one(sql, [run_id.as_str()], |row| row.get(0))
    }
}

const INSERT_OUTCOME: &str = "INSERT INTO outcomes (run_id, example_id, trial, output, error_kind, error_message, \
     attempts, latency_ms, prompt_tokens, completion_tokens, model, ttft_ms, cost, cached, answered_at, request_key, \
     tool_calls, finish_reason, scored) \
     VALUES (:run, :example, :trial, :output, :kind, :message, :attempts, :latency, :prompt, :completion, :model, :ttft, \
     :cost, :cached, :now, :key, :calls, :finish, :scored) \
     ON CONFLICT (run_id, example_id, trial) DO UPDATE SET output = excluded.output, \
     error_kind = excluded.error_kind, error_message = excluded.error_message, attempts = excluded.attempts, \
     latency_ms = excluded.latency_ms, prompt_tokens = excluded.prompt_tokens, \
     completion_tokens = excluded.completion_tokens, model = excluded.model, ttft_ms = excluded.ttft_ms, \
     cost = excluded.cost, cached = excluded.cached, answered_at = excluded.answered_at, \
     request_key = excluded.request_key, tool_calls = excluded.tool_calls, \
     finish_reason = excluded.finish_reason, scored = excluded.scored WHERE outcomes.error_kind IS NOT NULL";

/// The columns of an outcome that differ between an answer and an error.
#[derive(Default)]
struct ResultColumns<'a> {
    output: Option<i64>,
    error: Option<(&'static str, &'a str)>,
    attempts: u32,
    latency_ms: Option<f64>,
    ttft_ms: Option<f64>,
    usage: Usage,
    model: Option<&'a str>,
    tool_calls: Option<i64>,
    finish_reason: Option<&'a str>,
    cached: bool,
    key: Option<[u8; 16]>,
}

impl<'a> ResultColumns<'a> {
    fn of(connection: &Connection, outcome: &'a Outcome) -> rusqlite::Result<Self> {
        Ok(match &outcome.result {
            OutcomeResult::Failed(error) => {
                Self { error: Some((error.kind.name(), &error.message)), attempts: error.attempts, ..Self::default() }
            }
            OutcomeResult::Answered { response, .. } => Self {
                output: Some(contents::put(connection, response.output.as_bytes())?),
                error: None,
                attempts: response.attempts,
                latency_ms: Some(milliseconds(response.latency)),
                ttft_ms: response.ttft.map(milliseconds),
                usage: response.usage,
                model: response.model.as_deref(),
                tool_calls: optional_content(connection, response.tool_calls.as_deref())?,
                finish_reason: response.finish_reason.as_deref(),
                cached: response.cached,
                // A cached answer is not cached again: only the original's age counts.
                key: outcome.key.filter(|_| !response.cached).map(|key| key.0),
            },
        })
    }
}

fn optional_content(connection: &Connection, text: Option<&str>) -> rusqlite::Result<Option<i64>> {
    text.map(|text| contents::put(connection, text.as_bytes())).transpose()
}

fn insert_outcome(connection: &Connection, run_id: &str, outcome: &Outcome, now: i64) -> rusqlite::Result<()> {
    let columns = ResultColumns::of(connection, outcome)?;
    let tokens = |tokens: Option<u64>| tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
    let changed = connection.prepare_cached(INSERT_OUTCOME)?.execute(named_params! {
        ":run": run_id,
        ":example": outcome.example_id,
        ":trial": outcome.trial,
        ":output": columns.output,
        ":kind": columns.error.map(|(kind, _)| kind),
        ":message": columns.error.map(|(_, message)| message),
        ":attempts": columns.attempts,
        ":latency": columns.latency_ms,
        ":prompt": tokens(columns.usage.prompt_tokens),
        ":completion": tokens(columns.usage.completion_tokens),
        ":model": columns.model,
        ":ttft": columns.ttft_ms,
        ":cost": outcome.cost,
        ":cached": columns.cached,
        ":now": now,
        ":key": columns.key,
        ":calls": columns.tool_calls,
        ":finish": columns.finish_reason,
        ":scored": !matches!(&outcome.result, OutcomeResult::Answered { scores: None, .. }),
    })?;
    match &outcome.result {
        OutcomeResult::Answered { scores: Some(scores), .. } if changed > 0 => {
            insert_scores(connection, (run_id, &outcome.example_id, outcome.trial), scores)
        }
        _ => Ok(()),
    }
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn insert_scores(
    connection: &Connection,
    (run_id, example_id, trial): (&str, &str, u32),
    scores: &[(String, Score)],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO scores (run_id, example_id, trial, scorer, value, reason, failed) \
               VALUES (:run, :example, :trial, :scorer, :value, :reason, :failed)";
    let mut insert = connection.prepare_cached(sql)?;
    for (scorer, score) in scores {
        let (value, reason) = match score {
            Score::Value(value, reason) => (Some(*value), reason.clone()),
            Score::Skipped(reason) | Score::Failed(reason) => (None, Some(reason.clone())),
        };
        insert.execute(named_params! {
            ":run": run_id, ":example": example_id, ":trial": trial, ":scorer": scorer, ":value": value,
            ":reason": reason, ":failed": matches!(score, Score::Failed(_)),
        })?;
    }
    Ok(())
}

/// Reads the outcomes of a run, or of one of its examples, and merges in their scores; both queries have the same
/// order.
fn read_outcomes(
    connection: &Connection,
    run_id: &str,
    example_id: Option<&str>,
    take: &mut dyn FnMut(RecordedOutcome),
) -> rusqlite::Result<()> {
    let of = |table: &str| example_id.map_or_else(String::new, |_| format!("AND {table}.example_id = ?2"));
    let mut outcomes = connection.prepare_cached(&format!(
        "SELECT o.example_id, o.trial, o.error_kind, o.error_message, o.latency_ms, o.prompt_tokens, \
         o.completion_tokens, o.model, o.attempts, o.ttft_ms, o.cached, o.cost, c.codec, c.data, \
         o.finish_reason, t.codec, t.data, o.answered_at FROM outcomes o LEFT JOIN contents c ON c.id = o.output \
         LEFT JOIN contents t ON t.id = o.tool_calls WHERE o.run_id = ?1 {} ORDER BY o.example_id, o.trial",
        of("o")
    ))?;
    let mut scores = connection.prepare_cached(&format!(
        "SELECT s.example_id, s.trial, s.scorer, s.value, s.reason, s.failed FROM scores s \
         WHERE s.run_id = ?1 {} ORDER BY s.example_id, s.trial, s.scorer",
        of("s")
    ))?;
    let values: Vec<&str> = std::iter::once(run_id).chain(example_id).collect();
    let mut outcomes = outcomes.query(rusqlite::params_from_iter(&values))?;
    let mut scores = scores.query(rusqlite::params_from_iter(&values))?;
    let mut next = scores.next()?.map(score_row).transpose()?;
    while let Some(row) = outcomes.next()? {
        let mut outcome = outcome_row(row)?;
        while let Some(score) =
            next.take_if(|score| score.example_id == outcome.example_id && score.trial == outcome.trial)
        {
            outcome.scores.insert(score.scorer, score.score);
            next = scores.next()?.map(score_row).transpose()?;
        }
        take(outcome);
    }
    Ok(())
}

fn outcome_row(row: &Row<'_>) -> rusqlite::Result<RecordedOutcome> {
    let tokens = |column| row.get::<_, Option<i64>>(column).map(|n| n.and_then(|n| u64::try_from(n).ok()));
    // A kind that only a newer version knows is still an error.
    let kind = row.get::<_, Option<String>>(2)?;
    let kind = kind.map(|name| CallErrorKind::from_name(&name).unwrap_or(CallErrorKind::Internal));
    let message: Option<String> = row.get(3)?;
    Ok(RecordedOutcome {
        example_id: row.get(0)?,
        trial: row.get(1)?,
        output: if kind.is_none() { Some(contents::unpack_text(row, 12)?) } else { None },
        finish_reason: row.get(14)?,
        tool_calls: row.get::<_, Option<i64>>(15)?.map(|_| contents::unpack_text(row, 15)).transpose()?,
        error: kind.map(|kind| (kind, message.unwrap_or_default())),
        attempts: row.get(8)?,
        latency_ms: row.get(4)?,
        ttft_ms: row.get(9)?,
        cached: row.get(10)?,
        cost: row.get(11)?,
        usage: Usage { prompt_tokens: tokens(5)?, completion_tokens: tokens(6)? },
        model: row.get(7)?,
        scores: BTreeMap::new(),
        answered_at: recorded_at(17, row.get(17)?)?,
    })
}

struct ScoreRow {
    example_id: String,
    trial: u32,
    scorer: String,
    score: Score,
}

fn score_row(row: &Row<'_>) -> rusqlite::Result<ScoreRow> {
    let (value, reason): (Option<f64>, Option<String>) = (row.get(3)?, row.get(4)?);
    let score = match value {
        Some(value) => Score::Value(value, reason),
        None if row.get(5)? => Score::Failed(reason.unwrap_or_default()),
        None => Score::Skipped(reason.unwrap_or_default()),
    };
    Ok(ScoreRow { example_id: row.get(0)?, trial: row.get(1)?, scorer: row.get(2)?, score })
}
