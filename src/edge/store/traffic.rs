//! Sampled production traffic. Records passed in here are already redacted.

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params, params};

use super::read::count;
use super::{Store, contents, user_key};
use crate::core::domain::{Failure, TrafficRecord, Window};
use crate::core::privacy::UserKey;

/// A row of a traffic file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The line number, from 1.
    pub line: u64,
    /// Why the row could not be read, without its text.
    pub reason: String,
}

/// A stored record with the row id of its text, by which vectors are looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// The record.
    pub record: TrafficRecord,
    /// Row id of its text in the table of contents.
    pub content: i64,
}

/// How much traffic a window has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowCounts {
    /// Number of records.
    pub records: usize,
    /// Number of production requests that they represent.
    pub weight: f64,
    /// Id and sample rate of the records with a production output, sorted by time and id.
    pub with_output: Vec<(String, f64)>,
}

/// Statistics of a traffic source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceStats {
    /// Name of the source.
    pub source: String,
    /// Number of stored records.
    pub records: usize,
    /// Number of production requests that the records represent.
    pub weight: f64,
    /// Number of distinct texts.
    pub distinct: usize,
    /// Number of known users or sessions.
    pub groups: usize,
    /// Number of records with a production output.
    pub with_output: usize,
    /// The models that answered, sorted.
    pub models: Vec<String>,
    /// Time of the first record.
    pub first: Timestamp,
    /// Time of the last record.
    pub last: Timestamp,
    /// Number of rows in imported files that could not be read.
    pub rejected: usize,
}

fn micros(timestamp: Timestamp) -> i64 {
    timestamp.as_microsecond()
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Selects the columns of [`stored_record`].
const RECORDS: &str = "SELECT t.record_id, t.at, t.grp, t.sample_rate, t.input, i.codec, i.data, o.codec, o.data, s.codec, s.data, t.model \
                       FROM traffic t JOIN contents i ON i.id = t.input LEFT JOIN contents o ON o.id = t.output \
                       LEFT JOIN contents s ON s.id = t.structure";

fn stored_record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    let present = |column| row.get::<_, Option<i64>>(column).map(|codec| codec.is_some());
    Ok(StoredRecord {
        record: TrafficRecord {
            record_id: row.get(0)?,
            at: timestamp(row.get(1)?),
            group: row.get(2)?,
            sample_rate: row.get(3)?,
            input: contents::unpack_text(row, 5)?,
            structure: if present(9)? { Some(contents::unpack_text(row, 9)?) } else { None },
            output: if present(7)? { Some(contents::unpack_text(row, 7)?) } else { None },
            model: row.get(11)?,
        },
        content: row.get(4)?,
    })
}

impl Store {
    /// Saves records of a source in one commit; records with a known id are left unchanged. Returns whether each
    /// was new.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_traffic(&self, source: &str, records: Vec<TrafficRecord>) -> Result<Vec<bool>, Failure> {
        let source = source.to_owned();
        self.writer().write(move |connection| {
            let key = user_key::stored_key(connection)?;
            records.iter().map(|record| Ok(insert_record(connection, &source, record, key.as_ref())? > 0)).collect()
        })
    }

    /// Whether each of these records would be new.
    ///
    /// # Errors
    /// A store failure.
    pub fn is_new_traffic(&self, source: &str, records: &[TrafficRecord]) -> Result<Vec<bool>, Failure> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM traffic WHERE source = ?1 AND record_id = ?2)";
        records.iter().map(|record| self.one(sql, [source, &record.record_id], |row| row.get(0))).collect()
    }

    /// Saves the rows of `file` that could not be read, replacing those saved before.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_rejects(&self, source: &str, file: &str, rejects: Vec<Reject>) -> Result<(), Failure> {
        let (source, file) = (source.to_owned(), file.to_owned());
        self.writer().write(move |connection| {
            connection.execute("DELETE FROM traffic_rejects WHERE source = ?1 AND file = ?2", [&source, &file])?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO traffic_rejects (source, file, n, line, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (n, reject) in (1_i64..).zip(rejects) {
                let line = i64::try_from(reject.line).unwrap_or(i64::MAX);
                insert.execute(params![source, file, n, line, reject.reason])?;
            }
            Ok(())
        })
    }

    /// The records of a source within a window, sorted by time and id.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic(&self, source: &str, window: Window) -> Result<Vec<StoredRecord>, Failure> {
        let sql = format!("{RECORDS} WHERE t.source = ?1 AND t.at >= ?2 AND t.at < ?3 ORDER BY t.at, t.record_id");
        self.rows(&sql, params![source, micros_ceil(window.from), micros_ceil(window.to)], stored_record)
    }

    /// Counts the records of a source within a window, and lists those with a production output.
    ///
    /// # Errors
    /// A store failure.
    pub fn count_window(&self, source: &str, window: Window) -> Result<WindowCounts, Failure> {
        let sql = "SELECT record_id, sample_rate, output IS NOT NULL FROM traffic \
                   WHERE source = ?1 AND at >= ?2 AND at < ?3 ORDER BY at, record_id";
        let rows = self.rows(sql, params![source, micros_ceil(window.from), micros_ceil(window.to)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?, row.get::<_, bool>(2)?))
        })?;
        let weight = rows.iter().map(|(_, rate, _)| 1.0 / rate).sum();
        let records = rows.len();
        let with_output = rows.into_iter().filter(|(.., has)| *has).map(|(id, rate, _)| (id, rate)).collect();
        Ok(WindowCounts { records, weight, with_output })
    }

    /// A record by its id; `None` if the source has no such record.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_record(&self, source: &str, record_id: &str) -> Result<Option<StoredRecord>, Failure> {
        let sql = format!("{RECORDS} WHERE t.source = ?1 AND t.record_id = ?2");
        self.optional(&sql, [source, record_id], stored_record)
    }

    /// Times of the first and the last record of a source; `None` if it has none.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_span(&self, source: &str) -> Result<Option<(Timestamp, Timestamp)>, Failure> {
        let sql = "SELECT min(at), max(at) FROM traffic WHERE source = ?1";
        let times = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let (first, last) = self.one(sql, [source], times)?;
        Ok(first.zip(last).map(|(first, last)| (timestamp(first), timestamp(last))))
    }

    /// Names of all sources with traffic, sorted.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_sources(&self) -> Result<Vec<String>, Failure> {
        self.rows("SELECT DISTINCT source FROM traffic ORDER BY source", [], |row| row.get(0))
    }

    /// Statistics of all sources, sorted by name.
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_stats(&self) -> Result<Vec<SourceStats>, Failure> {
        let sql = "SELECT source, count(*), sum(1.0 / sample_rate), count(DISTINCT input), count(DISTINCT grp), \
                   count(output), min(at), max(at), \
                   (SELECT count(*) FROM traffic_rejects r WHERE r.source = t.source), \
                   json_group_array(DISTINCT model) FILTER (WHERE model IS NOT NULL) \
                   FROM traffic t GROUP BY source ORDER BY source";
        self.rows(sql, [], |row| {
            Ok(SourceStats {
                source: row.get(0)?,
                records: count(row, 1)?,
                weight: row.get(2)?,
                distinct: count(row, 3)?,
                groups: count(row, 4)?,
                with_output: count(row, 5)?,
                first: timestamp(row.get(6)?),
                last: timestamp(row.get(7)?),
                rejected: count(row, 8)?,
                models: models(&row.get::<_, String>(9)?),
            })
        })
    }
}

fn models(json: &str) -> Vec<String> {
    let mut models: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    models.sort();
    models
}

/// Rounds up to the microseconds in which times are stored, so that a window that ends a nanosecond after a record
/// contains it, and one that starts a nanosecond after it does not.
fn micros_ceil(timestamp: Timestamp) -> i64 {
    let nanos = timestamp.as_nanosecond();
    i64::try_from(nanos.div_euclid(1000) + i128::from(nanos.rem_euclid(1000) > 0)).unwrap_or(i64::MAX)
}

fn insert_record(
    connection: &Connection,
    source: &str,
    record: &TrafficRecord,
    key: Option<&UserKey>,
) -> rusqlite::Result<usize> {
    // An id from a file that looked like an unkeyed hash was hashed again when the database got its key.
    if let Some(hidden) = key.and_then(|key| key.hide_record(&record.record_id)) {
        let sql = "SELECT EXISTS (SELECT 1 FROM traffic WHERE source = ?1 AND record_id = ?2)";
        if connection.prepare_cached(sql)?.query_row([source, &hidden], |row| row.get(0))? {
            return Ok(0);
        }
    }
    let input = contents::put(connection, record.input.as_bytes())?;
    let output = record.output.as_ref().map(|output| contents::put(connection, output.as_bytes())).transpose()?;
    let structure = record.structure.as_ref().map(|json| contents::put(connection, json.as_bytes())).transpose()?;
    let sql = "INSERT OR IGNORE INTO traffic (source, record_id, at, input, output, grp, sample_rate, structure, model) \
               VALUES (:source, :record_id, :at, :input, :output, :group, :sample_rate, :structure, :model)";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":source": source,
        ":record_id": record.record_id,
        ":at": micros(record.at),
        ":input": input,
        ":output": output,
        ":group": record.group,
        ":sample_rate": record.sample_rate,
        ":structure": structure,
        ":model": record.model,
    })
}
