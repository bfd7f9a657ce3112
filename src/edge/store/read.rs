//! Reads of one statement, with the error of the database made a failure that names its file.

use rusqlite::{OptionalExtension, Params, Row};

use super::Store;
use crate::core::domain::Failure;

impl Store {
    /// Every row of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        let connection = self.reader();
        let read = || connection.prepare_cached(sql)?.query_map(params, row)?.collect::<rusqlite::Result<Vec<T>>>();
        read().map_err(|error| self.fail(error))
    }

    /// The first row of a statement; `None` where there is none.
    pub(super) fn optional<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Failure> {
        let connection = self.reader();
        let read = || connection.prepare_cached(sql)?.query_row(params, row).optional();
        read().map_err(|error| self.fail(error))
    }

    /// The one row of a statement that always has one, such as a count.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let connection = self.reader();
        let read = || connection.prepare_cached(sql)?.query_row(params, row);
        read().map_err(|error| self.fail(error))
    }
}

/// A count; SQLite has signed numbers only.
pub(super) fn count<T: TryFrom<i64> + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get::<_, i64>(column).map(|n| T::try_from(n).unwrap_or_default())
}
