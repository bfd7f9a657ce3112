//! Requests between reading and storing: in a temporary database that disappears with the process, so that memory stays
//! small, nothing is stored if too many rows are bad, and requests of one trace become one record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::WITH_ALL_WITHIN;
use super::messages::answer;
use super::plain_text;
use super::reader::{Position, ReadRow, RowContent};
use crate::core::domain::{Failure, TrafficRecord, canonical_json, input_text};

/// Which requests of a trace are records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spans {
    /// The root, or the request nearest to it.
    #[default]
    Root,
    /// Each of them.
    All,
}

/// A redacted request whose time or input may still be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedRecord {
    /// Its id; empty if it has none of its own.
    pub record_id: String,
    /// When it was sent, in microseconds since 1970.
    pub at: Option<i64>,
    /// Its text.
    pub input: Option<String>,
    /// Its messages or object as canonical JSON.
    pub structure: Option<String>,
    /// Production's answer.
    pub output: Option<String>,
    /// Pseudonym of the user, session or conversation.
    pub group: Option<String>,
    /// The probability with which it was sampled.
    pub sample_rate: f64,
    /// The model that answered.
    pub model: Option<String>,
}

impl StagedRecord {
    /// Adds what a span says about the request whose content was recorded apart from it.
    fn supply(&mut self, span: Self) {
        self.at = span.at.or(self.at);
        self.output = self.output.take().or(span.output);
        self.group = span.group.or(self.group.take());
        self.model = span.model.or(self.model.take());
        self.sample_rate = span.sample_rate;
    }
}

/// Counts of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Rows read.
    pub rows: u64,
    /// Rows that cannot be read.
    pub bad: u64,
    /// Rows that are not requests, by reason.
    pub other: BTreeMap<&'static str, u64>,
    /// Rows that became part of a record together with others.
    pub merged: u64,
}

/// Requests that were read but not stored yet.
pub struct Staging {
    connection: Connection,
    spans: Spans,
    /// Of requests without one.
    sample_rate: f64,
    /// Of spans without one, in microseconds since 1970.
    at: Option<i64>,
}

const TABLES: &str = "
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768; PRAGMA temp_store = FILE;
CREATE TABLE requests (n INTEGER PRIMARY KEY, file INTEGER, line INTEGER, trace TEXT, span TEXT, parent TEXT, child INTEGER, at INTEGER, end INTEGER, record TEXT);
CREATE TABLE others (n INTEGER PRIMARY KEY, trace TEXT, span TEXT, parent TEXT, reason INTEGER);
CREATE TABLE left_out (trace TEXT, span TEXT, reason INTEGER, PRIMARY KEY (trace, span)) WITHOUT ROWID;
CREATE TABLE done (trace TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE seen (record TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE parts (n INTEGER PRIMARY KEY, file INTEGER, line INTEGER, trace TEXT, span TEXT, at INTEGER, is_output INTEGER, message TEXT);
CREATE TABLE repeats (identity TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
CREATE TABLE bad (n INTEGER PRIMARY KEY, file INTEGER, line INTEGER, reason TEXT);
CREATE INDEX bad_by_file ON bad (file, line, n);
BEGIN;";

fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn failure(error: rusqlite::Error) -> Failure {
    Failure::other("cannot write temporary data")
        .hint("is there enough space for temporary files? TMPDIR names another folder")
        .caused_by(error)
}

impl Staging {
    /// Creates an empty one.
    ///
    /// # Errors
    /// A failure if no temporary database can be created.
    pub fn new(spans: Spans, sample_rate: f64) -> Result<Self, Failure> {
        // The empty name is a database on disk that is deleted when it is closed, or when the process ends.
        let connection = Connection::open("").map_err(failure)?;
        connection.execute_batch(TABLES).map_err(failure)?;
        Ok(Self { connection, spans, sample_rate, at: None })
    }

    /// With the time of spans that have none, nor any of their parts.
    pub fn with_time(self, at: Option<Timestamp>) -> Self {
        Self { at: at.map(Timestamp::as_microsecond), ..self }
    }

    /// Forgets which rows without an id were seen: those of the next file are other ones only if they occur more often.
    ///
    /// # Errors
    /// A failure if temporary data cannot be written.
    pub fn begin_file(&self) -> Result<(), Failure> {
        self.connection.execute("DELETE FROM repeats", []).map(drop).map_err(failure)
    }

    /// Adds rows of a file and counts them.
    ///
    /// # Errors
    /// A failure if temporary data cannot be written.
    pub fn add(&self, file: usize, rows: Vec<ReadRow>, counts: &mut FileCounts) -> Result<(), Failure> {
        let file = number(file);
        rows.into_iter().try_for_each(|row| self.add_row(file, row, counts)).map_err(failure)
    }

    fn add_row(&self, file: i64, row: ReadRow, counts: &mut FileCounts) -> rusqlite::Result<()> {
        counts.rows += 1;
        let line = i64::try_from(row.line).unwrap_or(i64::MAX);
        match row.content {
            RowContent::Other { reason, position } => {
                *counts.other.entry(reason).or_default() += 1;
                position.map_or(Ok(()), |position| self.add_other(reason, &position))?;
            }
            RowContent::Bad(reason) => {
                counts.bad += 1;
                self.add_bad(file, line, &reason)?;
            }
            RowContent::Part { trace, span, at, message, is_output } => {
                let sql = "INSERT INTO parts (file, line, trace, span, at, is_output, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
                let values = params![file, line, trace, span, at, is_output, message];
                self.connection.prepare_cached(sql)?.execute(values)?;
            }
            RowContent::Record { mut record, identity, position } => {
                if let Some(identity) = identity {
                    record.record_id = self.repeat(identity)?;
                }
                self.add_record(file, line, &record, position.as_deref())?;
            }
        }
        Ok(())
    }

    /// Adds a span that is no request, so that what is within it is known.
    fn add_other(&self, reason: &'static str, position: &Position) -> rusqlite::Result<()> {
        let sql = "INSERT INTO others (trace, span, parent, reason) VALUES (?1, ?2, ?3, ?4)";
        let Position { trace, span, parent, .. } = position;
        let reason = WITH_ALL_WITHIN.iter().position(|known| *known == reason).map(number);
        let values = params![trace, span, parent.as_ref().unwrap_or(trace), reason];
        self.connection.prepare_cached(sql)?.execute(values).map(drop)
    }

    fn add_bad(&self, file: i64, line: i64, reason: &str) -> rusqlite::Result<()> {
        let sql = "INSERT INTO bad (file, line, reason) VALUES (?1, ?2, ?3)";
        self.connection.prepare_cached(sql)?.execute(params![file, line, reason]).map(drop)
    }

    fn add_record(
        &self,
        file: i64,
        line: i64,
        record: &StagedRecord,
        position: Option<&Position>,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO requests (file, line, trace, span, parent, child, at, end, record) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let json = serde_json::to_string(record).unwrap_or_default();
        let trace = position.map(|position| position.trace.as_str());
        let span = position.map(|position| position.span.as_str());
        let parent = position.and_then(|position| position.parent.as_deref());
        let child = parent.is_some();
        let end = position.and_then(|position| position.end);
        self.connection
            .prepare_cached(sql)?
            .execute(params![file, line, trace, span, parent.or(trace), child, record.at, end, json])
            .map(drop)
    }

    /// The id of a row without one. Two equal rows are two requests.
    fn repeat(&self, identity: String) -> rusqlite::Result<String> {
        let sql = "INSERT INTO repeats VALUES (?1, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count";
        let count: i64 = self.connection.prepare_cached(sql)?.query_row([&identity], |row| row.get(0))?;
        Ok(if count == 1 { identity } else { format!("{identity}-{count}") })
    }

    /// Whether requests become records only when all of them are known: those of traces, and those without a time.
    ///
    /// # Errors
    /// A failure if temporary data cannot be read.
    pub fn has_parts(&self) -> Result<bool, Failure> {
        self.exists("SELECT EXISTS (SELECT 1 FROM requests WHERE trace IS NOT NULL OR at IS NULL) OR EXISTS (SELECT 1 FROM parts)")
    }

    /// The rows of a file that cannot be read, at most `limit` of them: their lines and the reasons.
    ///
    /// # Errors
    /// A failure if temporary data cannot be read.
    pub fn bad_rows(&self, file: usize, limit: Option<usize>) -> Result<Vec<(u64, String)>, Failure> {
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let sql = "SELECT line, reason FROM bad WHERE file = ?1 ORDER BY line, n LIMIT ?2";
        let mut statement = self.connection.prepare(sql).map_err(failure)?;
        let rows = statement
            .query_map(params![number(file), limit], |row| Ok((count(row, 0)? as u64, row.get(1)?)))
            .map_err(failure)?;
        rows.collect::<Result<_, _>>().map_err(failure)
    }

    /// Hands over every record with the index of its file: requests outside traces in the order of the files, then one for
    /// each trace, or each span. With `counts`, those of the files are completed: requests that became part of another
    /// record, spans for which no request was found, and requests without a time, which are reported as bad.
    ///
    /// # Errors
    /// A failure if temporary data cannot be read, or the first failure of `each`.
    pub fn records(
        &self,
        counts: Option<&mut [FileCounts]>,
        missing_time: &dyn Fn(usize) -> String,
        each: &mut dyn FnMut(usize, TrafficRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let index = "CREATE INDEX IF NOT EXISTS by_trace ON requests (trace, child, at, end DESC, span) WHERE trace IS NOT NULL; \
                     CREATE INDEX IF NOT EXISTS parts_by_span ON parts (trace, span, n); \
                     DELETE FROM done;";
        self.connection.execute_batch(index).map_err(failure)?;
        let has_left_out = self.leave_out()?;
        let has_parts = self.exists("SELECT EXISTS (SELECT 1 FROM parts)")?;
        let mut sink = Records { staging: self, has_left_out, has_parts, counts, missing_time, each };
        sink.outside_traces()?;
        sink.of_traces()?;
        sink.of_parts_alone()
    }

    fn exists(&self, sql: &str) -> Result<bool, Failure> {
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(failure)
    }

    /// Finds the spans that are left out, and all within them. Returns whether there are any. Spans without a parent are
    /// within their trace, which is a row of its own in exports of Langfuse.
    fn leave_out(&self) -> Result<bool, Failure> {
        if !self.exists("SELECT EXISTS (SELECT 1 FROM others WHERE reason IS NOT NULL)")? {
            return Ok(false);
        }
        let sql = "CREATE INDEX IF NOT EXISTS requests_by_parent ON requests (trace, parent); \
                   CREATE INDEX IF NOT EXISTS others_by_parent ON others (trace, parent); \
                   INSERT OR IGNORE INTO left_out \
                   WITH RECURSIVE inner (trace, span, reason) AS ( \
                     SELECT trace, span, reason FROM others WHERE reason IS NOT NULL \
                     UNION SELECT r.trace, r.span, i.reason FROM inner i JOIN requests r ON r.trace = i.trace AND r.parent = i.span \
                     UNION SELECT o.trace, o.span, i.reason FROM inner i JOIN others o ON o.trace = i.trace AND o.parent = i.span) \
                   SELECT trace, span, min(reason) FROM inner GROUP BY trace, span;";
        self.connection.execute_batch(sql).map_err(failure)?;
        Ok(true)
    }

    /// Whether a record with this id is handed to this function for the first time.
    ///
    /// # Errors
    /// A failure if temporary data cannot be written.
    pub fn is_first(&self, record_id: &str) -> Result<bool, Failure> {
        let insert = self.connection.prepare_cached("INSERT OR IGNORE INTO seen VALUES (?1)");
        Ok(insert.and_then(|mut insert| insert.execute([record_id])).map_err(failure)? > 0)
    }
}

struct Records<'a> {
    staging: &'a Staging,
    /// Whether spans are left out with all within them.
    has_left_out: bool,
    /// Whether messages were recorded apart from their spans.
    has_parts: bool,
    counts: Option<&'a mut [FileCounts]>,
    missing_time: &'a dyn Fn(usize) -> String,
    each: &'a mut dyn FnMut(usize, TrafficRecord) -> Result<(), Failure>,
}

/// The trace whose requests are being read.
#[derive(Default)]
struct Trace {
    id: Option<String>,
    /// Spans that became records.
    done: BTreeSet<String>,
    /// Spans whose parts were counted; a span may have been exported several times.
    counted: BTreeSet<String>,
    /// Spans of which the content was recorded apart, if at all, and their files.
    without_input: BTreeMap<String, (usize, StagedRecord)>,
}

/// A request as it is stored in the temporary database.
struct Stored {
    file: usize,
    line: i64,
    trace: Option<String>,
    span: Option<String>,
    record: StagedRecord,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let json: String = row.get(4)?;
    let record = serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Stored { file: count(row, 0)?, line: row.get(1)?, trace: row.get(2)?, span: row.get(3)?, record })
}

impl Records<'_> {
    fn outside_traces(&mut self) -> Result<(), Failure> {
        let staging = self.staging;
        let sql = "SELECT file, line, trace, span, record FROM requests WHERE trace IS NULL ORDER BY n";
        let mut statement = staging.connection.prepare(sql).map_err(failure)?;
        let mut rows = statement.query([]).map_err(failure)?;
        while let Some(row) = rows.next().map_err(failure)? {
            let stored = stored(row).map_err(failure)?;
            self.hand_over(stored)?;
        }
        Ok(())
    }

    /// Of each trace, the first request that has an input, from the root on: parents start no later than their children, and
    /// end no sooner.
    fn of_traces(&mut self) -> Result<(), Failure> {
        let staging = self.staging;
        let sql = "SELECT file, line, trace, span, record FROM requests WHERE trace IS NOT NULL ORDER BY trace, child, at, end DESC, span";
        let mut statement = staging.connection.prepare(sql).map_err(failure)?;
        let mut rows = statement.query([]).map_err(failure)?;
        let mut trace = Trace::default();
        while let Some(row) = rows.next().map_err(failure)? {
            let mut stored = stored(row).map_err(failure)?;
            if trace.id != stored.trace {
                trace = Trace { id: stored.trace.clone(), ..Trace::default() };
            }
            let span = stored.span.clone().unwrap_or_default();
            let mut parts = self.complete(&mut stored)?;
            if !trace.counted.insert(span.clone()) {
                parts.clear();
            }
            if let Some(reason) = self.left_out(&stored)? {
                parts.push(stored.file);
                parts.into_iter().for_each(|file| self.other(file, reason, 1));
                continue;
            }
            parts.into_iter().for_each(|file| self.merge(file));
            let is_done = match staging.spans {
                Spans::Root => !trace.done.is_empty(),
                Spans::All => trace.done.contains(&span),
            };
            if is_done {
                self.merge(stored.file);
            } else if stored.record.input.is_none() {
                self.other(stored.file, super::format::NO_REQUEST, 1);
                trace.without_input.insert(span, (stored.file, stored.record));
            } else {
                if let Some((file, known)) = trace.without_input.remove(&span) {
                    self.other(file, super::format::NO_REQUEST, -1);
                    self.merge(file);
                    stored.record.supply(known);
                }
                trace.done.insert(span);
                self.done(&stored)?;
                self.hand_over(stored)?;
            }
        }
        Ok(())
    }

    /// Why a request is left out with the span that it is within, if it is.
    fn left_out(&self, stored: &Stored) -> Result<Option<&'static str>, Failure> {
        if !self.has_left_out {
            return Ok(None);
        }
        let sql = "SELECT reason FROM left_out WHERE trace = ?1 AND span = ?2";
        let mut statement = self.staging.connection.prepare_cached(sql).map_err(failure)?;
        let reason = statement.query_row(params![stored.trace, stored.span], |row| count(row, 0)).optional();
        Ok(reason.map_err(failure)?.and_then(|reason| WITH_ALL_WITHIN.get(reason)).copied())
    }

    /// Notes that a trace has its record, for the parts of its other spans.
    fn done(&self, stored: &Stored) -> Result<(), Failure> {
        if !self.has_parts {
            return Ok(());
        }
        let insert = self.staging.connection.prepare_cached("INSERT OR IGNORE INTO done VALUES (?1)");
        insert.and_then(|mut insert| insert.execute([&stored.trace])).map(drop).map_err(failure)
    }

    /// Whether a trace has its record.
    fn is_done(&self, stored: &Stored) -> Result<bool, Failure> {
        let find = self.staging.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM done WHERE trace = ?1)");
        find.and_then(|mut find| find.query_row([&stored.trace], |row| row.get(0))).map_err(failure)
    }

    /// Requests of which only parts were recorded.
    fn of_parts_alone(&mut self) -> Result<(), Failure> {
        let staging = self.staging;
        // The parts of spans were taken when their spans were read.
        let sql = "SELECT DISTINCT p.file, min(p.line), p.trace, p.span, min(p.at) FROM parts p \
                   WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.trace = p.trace AND r.span = p.span) \
                   GROUP BY p.trace, p.span ORDER BY p.trace, min(p.at), p.span";
        let mut statement = staging.connection.prepare(sql).map_err(failure)?;
        let mut rows = statement.query([]).map_err(failure)?;
        while let Some(row) = rows.next().map_err(failure)? {
            let mut stored = bare(row, staging.sample_rate).map_err(failure)?;
            let parts = self.complete(&mut stored)?;
            if let Some(reason) = self.left_out(&stored)? {
                parts.into_iter().for_each(|file| self.other(file, reason, 1));
            } else if staging.spans == Spans::Root && self.is_done(&stored)? {
                parts.into_iter().for_each(|file| self.merge(file));
            } else if stored.record.input.is_some() {
                // One of them is counted as the record.
                let first = parts.iter().position(|file| *file == stored.file).unwrap_or(0);
                let others = parts.into_iter().enumerate().filter(|(part, _)| *part != first);
                others.for_each(|(_, file)| self.merge(file));
                self.done(&stored)?;
                self.hand_over(stored)?;
            } else {
                parts.into_iter().for_each(|file| self.other(file, super::format::NO_REQUEST, 1));
            }
        }
        Ok(())
    }

    /// Supplies what the parts of a span say. Returns the file of each part.
    fn complete(&mut self, stored: &mut Stored) -> Result<Vec<usize>, Failure> {
        let staging = self.staging;
        let sql = "SELECT at, is_output, message, file FROM parts WHERE trace = ?1 AND span = ?2 ORDER BY n";
        let mut statement = staging.connection.prepare_cached(sql).map_err(failure)?;
        let mut rows = statement.query(params![stored.trace, stored.span]).map_err(failure)?;
        let (mut inputs, mut output, mut files): (Vec<Value>, Option<Value>, Vec<usize>) = Default::default();
        while let Some(row) = rows.next().map_err(failure)? {
            let message: String = row.get(2).map_err(failure)?;
            let message: Value = serde_json::from_str(&message).unwrap_or_default();
            if row.get(1).map_err(failure)? {
                output = output.or(Some(message));
            } else {
                inputs.push(message);
            }
            stored.record.at = stored.record.at.or(row.get(0).map_err(failure)?);
            files.push(count(row, 3).map_err(failure)?);
        }
        let record = &mut stored.record;
        if record.input.is_none() && !inputs.is_empty() {
            let messages = Value::Array(inputs);
            record.input = Some(input_text(&messages));
            record.structure = Some(canonical_json(&messages));
        }
        if record.output.is_none() {
            record.output = output.as_ref().and_then(answer).map(|answer| plain_text(&answer));
        }
        Ok(files)
    }

    fn hand_over(&mut self, stored: Stored) -> Result<(), Failure> {
        let Stored { file, line, trace, span, record } = stored;
        let Some(at) = record.at.or(self.staging.at).and_then(|at| Timestamp::from_microsecond(at).ok()) else {
            let Some(counts) = self.counts_of(file) else { return Ok(()) };
            counts.bad += 1;
            let reason = (self.missing_time)(file);
            return self.staging.add_bad(number(file), line, &reason).map_err(failure);
        };
        let in_trace = match self.staging.spans {
            Spans::Root => trace,
            Spans::All => span.filter(|_| trace.is_some()),
        };
        let record = TrafficRecord {
            record_id: in_trace.unwrap_or(record.record_id),
            at,
            input: record.input.unwrap_or_default(),
            structure: record.structure,
            output: record.output,
            group: record.group,
            sample_rate: record.sample_rate,
            model: record.model,
        };
        (self.each)(file, record)
    }

    fn counts_of(&mut self, file: usize) -> Option<&mut FileCounts> {
        self.counts.as_deref_mut()?.get_mut(file)
    }

    fn merge(&mut self, file: usize) {
        if let Some(counts) = self.counts_of(file) {
            counts.merged += 1;
        }
    }

    fn other(&mut self, file: usize, reason: &'static str, change: i64) {
        if let Some(counts) = self.counts_of(file) {
            let count = counts.other.entry(reason).or_default();
            *count = count.saturating_add_signed(change);
            counts.other.retain(|_, count| *count > 0);
        }
    }
}

/// A request of which only parts are known.
fn bare(row: &Row<'_>, sample_rate: f64) -> rusqlite::Result<Stored> {
    let record = StagedRecord {
        record_id: String::new(),
        at: row.get(4)?,
        input: None,
        structure: None,
        output: None,
        group: None,
        sample_rate,
        model: None,
    };
    Ok(Stored { file: count(row, 0)?, line: row.get(1)?, trace: row.get(2)?, span: row.get(3)?, record })
}
