//! Dataset and suite versions: every one that was run is kept whole.

use rusqlite::{OptionalExtension, params};

use super::{Store, contents};
use crate::core::domain::{Dataset, Example, Failure};
use crate::core::golden::{canonical_example, example_from_canonical};

impl Store {
    /// Keeps a dataset version.
    ///
    /// # Errors
    /// A store failure.
    pub fn keep_dataset(&self, dataset: &Dataset, now: &str) -> Result<(), Failure> {
        let rows: Vec<String> = dataset.examples.iter().map(canonical_example).collect();
        self.keep_version("dataset_versions", "dataset", &dataset.name, &dataset.version, rows.join("\n"), now)
    }

    /// Keeps a suite version: its canonical content.
    ///
    /// # Errors
    /// A store failure.
    pub fn keep_suite(&self, suite: &str, version: &str, content: String, now: &str) -> Result<(), Failure> {
        self.keep_version("suite_versions", "suite", suite, version, content, now)
    }

    fn keep_version(
        &self,
        table: &'static str,
        column: &'static str,
        name: &str,
        version: &str,
        content: String,
        now: &str,
    ) -> Result<(), Failure> {
        let (name, version, now) = (name.to_owned(), version.to_owned(), now.to_owned());
        self.writer().write(move |connection| {
            let content = contents::put(connection, content.as_bytes())?;
            let sql = format!(
                "INSERT OR IGNORE INTO {table} ({column}, version, content, first_seen) VALUES (?1, ?2, ?3, ?4)"
            );
            connection.execute(&sql, params![name, version, content, now]).map(drop)
        })
    }

    /// The examples of a kept dataset version, found by name and the beginning of its hash.
    ///
    /// # Errors
    /// A store failure; `Ok(None)` where there is no such version.
    pub fn dataset_examples(&self, dataset: &str, version: &str) -> Result<Option<Vec<Example>>, Failure> {
        let sql = "SELECT c.codec, c.data FROM dataset_versions v JOIN contents c ON c.id = v.content \
                   WHERE v.dataset = ?1 AND substr(v.version, 1, length(?2)) = ?2 ORDER BY v.first_seen DESC LIMIT 1";
        let text = self
            .reader()
            .query_row(sql, [dataset, version], |row| contents::unpack_text(row, 0))
            .optional()
            .map_err(|error| self.fail(error))?;
        let Some(text) = text else { return Ok(None) };
        let rows = text.lines().enumerate().map(|(index, line)| example_from_canonical(index as u64 + 1, line));
        let examples: Result<Vec<_>, _> = rows.collect();
        examples.map(Some).map_err(|error| {
            Failure::store(format!("the kept version {version} of {dataset} cannot be read")).caused_by(error)
        })
    }
}
