//! Migrations: numbered, only ever appended, each database brought up to date in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure;
use crate::core::domain::Failure;

/// Every migration; the position (from 1) is the `user_version` it leads to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_spaces.sql"),
    include_str!("migrations/0003_runner.sql"),
    include_str!("migrations/0004_names.sql"),
];

/// Marks a file as karat's (`PRAGMA application_id`): the bytes of "KARA".
const APPLICATION_ID: i32 = 0x4b41_5241;

/// Brings the database up to date.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    let fail = |error| failure(path, error);
    let latest = MIGRATIONS.len() as i64;
    if version(connection).map_err(fail)? == latest {
        return Ok(());
    }
    // Immediate: of two processes that start at once, the second waits here and then finds nothing left to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found = version(&transaction).map_err(fail)?;
    if found > latest {
        return Err(Failure::store(format!(
            "the database {} has version {found}, but this karat knows versions up to {latest}",
            path.display()
        ))
        .hint("update karat, or set \"store\" in karat.yaml to another path"));
    }
    if found == 0 {
        refuse_foreign(&transaction, path)?;
    }
    for migration in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(migration).map_err(fail)?;
    }
    transaction.pragma_update(None, "user_version", latest).map_err(fail)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    transaction.commit().map_err(fail)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A database of another program has tables but none of karat's marks.
fn refuse_foreign(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| failure(path, error))?;
    if tables == 0 {
        return Ok(());
    }
    Err(Failure::store(format!("{} is a database of another program", path.display()))
        .hint("set \"store\" in karat.yaml to another path"))
}
