//! Helpers for reading with one statement; database errors become failures that name the file.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::Store;
use crate::core::domain::Failure;

impl Store {
    /// Calls `read` with the reading connection.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failure> {
        read(&self.reader()).map_err(|error| self.fail(error))
    }

    /// All rows of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        self.read(|connection| connection.prepare_cached(sql)?.query_map(params, row)?.collect())
    }

    /// The first row of a statement; `None` if there is none.
    pub(super) fn optional<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Failure> {
        self.read(|connection| connection.prepare_cached(sql)?.query_row(params, row).optional())
    }

    /// The row of a statement that always returns one, such as a count.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.read(|connection| connection.prepare_cached(sql)?.query_row(params, row))
    }
}

/// Reads a count; SQLite has only signed integers.
pub(super) fn count<T: TryFrom<i64> + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get::<_, i64>(column).map(|n| T::try_from(n).unwrap_or_default())
}
