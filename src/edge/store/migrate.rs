//! Migrations: numbered, only ever appended, each database brought up to date in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure;
use super::user_key::hide_users;
use crate::core::domain::Failure;

/// What a migration does beyond its SQL; it gives what to tell of it.
type Code = fn(&Connection) -> rusqlite::Result<Option<String>>;

/// Every migration; the position (from 1) is the `user_version` it leads to.
const MIGRATIONS: &[(&str, Option<Code>)] = &[
    (include_str!("migrations/0001_initial.sql"), None),
    (include_str!("migrations/0002_spaces.sql"), None),
    (include_str!("migrations/0003_runner.sql"), None),
    (include_str!("migrations/0004_names.sql"), None),
    (include_str!("migrations/0005_user_key.sql"), Some(hide_users)),
];

/// Marks a file as karat's (`PRAGMA application_id`): the bytes of "KARA".
const APPLICATION_ID: i32 = 0x4b41_5241;

/// Brings the database up to date, and gives what its user should know of that.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<Vec<String>, Failure> {
    let fail = |error| failure(path, error);
    let latest = MIGRATIONS.len() as i64;
    if version(connection).map_err(fail)? == latest {
        return Ok(Vec::new());
    }
    // What a migration takes out of the file must not be left in its free pages.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).map_err(fail)?;
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
    let mut notes = Vec::new();
    for (sql, code) in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(sql).map_err(fail)?;
        if let Some(code) = code {
            notes.extend(code(&transaction).map_err(fail)?);
        }
    }
    transaction.pragma_update(None, "user_version", latest).map_err(fail)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    if !notes.is_empty() {
        // The log may hold older pages. Where another process reads it, the checkpoint of whoever closes last does it.
        let _ = connection.pragma_query(None, "wal_checkpoint(TRUNCATE)", |_| Ok(()));
    }
    Ok(notes)
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
