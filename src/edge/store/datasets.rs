//! Dataset and suite versions; every version that was run is stored completely.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Deserialize;

use super::contents::ContentHash;
use super::{Store, contents};
use crate::core::domain::{Example, Failure};
use crate::core::golden::example_from_canonical;

/// A part of a dataset version that is being stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart(ContentHash);

impl StoredPart {
    /// Identifies the part with these rows.
    pub(super) fn of(rows: &str) -> Self {
        Self(contents::hash(rows.as_bytes()))
    }
}

/// Iterates over the examples of a stored dataset version, reading one part at a time.
pub struct StoredExamples<'a> {
    store: &'a Store,
    parts: std::vec::IntoIter<i64>,
    part: std::vec::IntoIter<Example>,
    read: u64,
}

impl Store {
    /// Stores canonical rows of examples (one per line) as a part of a version whose hash is not known yet.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_part(&self, rows: String) -> Result<StoredPart, Failure> {
        let part = StoredPart::of(&rows);
        self.writer().write(move |connection| contents::put(connection, rows.as_bytes()).map(drop))?;
        Ok(part)
    }

    /// Stores a dataset version that consists of parts stored before.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_dataset(
        &self,
        dataset: &str,
        version: &str,
        parts: Vec<StoredPart>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let (dataset, version, now) = (dataset.to_owned(), version.to_owned(), now.to_string());
        self.writer().write(move |connection| write_dataset(connection, &dataset, &version, &parts, &now))
    }

    /// Stores the canonical content of a suite version.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_suite(&self, suite: &str, version: &str, content: String, now: Timestamp) -> Result<(), Failure> {
        let (suite, version, now) = (suite.to_owned(), version.to_owned(), now.to_string());
        self.writer().write(move |connection| {
            let content = contents::put(connection, content.as_bytes())?;
            let sql =
                "INSERT OR IGNORE INTO suite_versions (suite, version, content, first_seen) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(sql, params![suite, version, content, now]).map(drop)
        })
    }

    /// The stored versions of a dataset, each with the time at which it was first stored (RFC 3339), oldest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn dataset_versions(&self, dataset: &str) -> Result<Vec<(String, String)>, Failure> {
        let sql = "SELECT version, first_seen FROM dataset_versions WHERE dataset = ?1 ORDER BY first_seen, rowid";
        self.rows(sql, [dataset], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The examples of a stored dataset version, found by name and a prefix of its hash, in the order of the file that
    /// was read first. `Ok(None)` if there is no such version.
    ///
    /// # Errors
    /// A store failure.
    pub fn stored_examples(&self, dataset: &str, version: &str) -> Result<Option<StoredExamples<'_>>, Failure> {
        let sql = "SELECT version FROM dataset_versions WHERE dataset = ?1 AND substr(version, 1, length(?2)) = ?2 \
                   ORDER BY first_seen DESC LIMIT 1";
        let Some(version) = self.optional(sql, [dataset, version], |row| row.get::<_, String>(0))? else {
            return Ok(None);
        };
        let sql = "SELECT content FROM dataset_parts WHERE dataset = ?1 AND version = ?2 ORDER BY part";
        let parts = self.rows(sql, [dataset, &version], |row| row.get(0))?;
        Ok(Some(StoredExamples { store: self, parts: parts.into_iter(), part: Vec::new().into_iter(), read: 0 }))
    }

    /// Calls `take` with every canonical row of a stored dataset version, in the order of the file that was read first.
    ///
    /// # Errors
    /// A store failure, also if the version is not stored; the first failure of `take`.
    pub fn each_stored_row(
        &self,
        dataset: &str,
        version: &str,
        take: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let sql = "SELECT content FROM dataset_parts WHERE dataset = ?1 AND version = ?2 ORDER BY part";
        let parts = self.rows(sql, [dataset, version], |row| row.get::<_, i64>(0))?;
        if parts.is_empty() {
            return Err(Failure::store(format!("the version {version} of {dataset} is missing from the database")));
        }
        let sql = "SELECT codec, data FROM contents WHERE id = ?1";
        for part in parts {
            let text = self.one(sql, [part], |row| contents::unpack_text(row, 0))?;
            text.lines().try_for_each(&mut *take)?;
        }
        Ok(())
    }

    /// The examples of a stored dataset version with these ids, by id; ids it does not have are left out.
    ///
    /// # Errors
    /// A store failure, also if the version is not stored.
    pub fn stored_examples_of(
        &self,
        dataset: &str,
        version: &str,
        ids: &HashSet<&str>,
    ) -> Result<HashMap<String, Example>, Failure> {
        #[derive(Deserialize)]
        struct Id<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
        }
        let damaged = |error| Failure::store("cannot read a stored dataset version").caused_by(error);
        let mut found = HashMap::new();
        let mut line = 0;
        if ids.is_empty() {
            return Ok(found);
        }
        self.each_stored_row(dataset, version, &mut |row| {
            line += 1;
            let Id { id } = serde_json::from_str(row).map_err(damaged)?;
            if ids.contains(id.as_ref()) {
                let example = example_from_canonical(line, row)
                    .map_err(|error| Failure::store("cannot read a stored dataset version").caused_by(error))?;
                found.insert(id.into_owned(), example);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn part(&self, content: i64, first_line: u64) -> Result<Vec<Example>, Failure> {
        let sql = "SELECT codec, data FROM contents WHERE id = ?1";
        let text = self.one(sql, [content], |row| contents::unpack_text(row, 0))?;
        let rows = text.lines().zip(first_line..).map(|(row, line)| example_from_canonical(line, row));
        rows.collect::<Result<_, _>>()
            .map_err(|error| Failure::store("cannot read a stored dataset version").caused_by(error))
    }
}

/// Writes a dataset version that consists of the given parts, unless it is stored already.
pub(super) fn write_dataset(
    connection: &Connection,
    dataset: &str,
    version: &str,
    parts: &[StoredPart],
    now: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO dataset_versions (dataset, version, first_seen) VALUES (?1, ?2, ?3)";
    if connection.execute(sql, params![dataset, version, now])? == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO dataset_parts (dataset, version, part, content) \
               SELECT ?1, ?2, ?3, id FROM contents WHERE hash = ?4";
    let mut insert = connection.prepare_cached(sql)?;
    for (number, part) in (0_i64..).zip(parts) {
        insert.execute(params![dataset, version, number, part.0])?;
    }
    Ok(())
}

impl Iterator for StoredExamples<'_> {
    type Item = Result<Example, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(example) = self.part.next() {
                self.read += 1;
                return Some(Ok(example));
            }
            match self.store.part(self.parts.next()?, self.read + 1) {
                Ok(examples) => self.part = examples.into_iter(),
                Err(failure) => {
                    self.parts = Vec::new().into_iter();
                    return Some(Err(failure));
                }
            }
        }
    }
}
