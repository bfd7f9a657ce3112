//! Numbered migrations, which are only ever appended. A database is brought up to date in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure;
use super::user_key::hide_users;
use crate::core::domain::Failure;

/// The part of a migration that is not SQL; it returns a note for the user, if there is something to say.
pub(super) type Code = fn(&Connection) -> rusqlite::Result<Option<String>>;

/// All migrations; the position (from 1) is the resulting `user_version`.
pub(super) const MIGRATIONS: &[(&str, Option<Code>)] = &[
    (include_str!("migrations/0001_initial.sql"), None),
    (include_str!("migrations/0002_spaces.sql"), None),
    (include_str!("migrations/0003_runner.sql"), None),
    (include_str!("migrations/0004_names.sql"), None),
    (include_str!("migrations/0005_user_key.sql"), Some(hide_users)),
    (include_str!("migrations/0006_queue.sql"), None),
    (include_str!("migrations/0007_labels.sql"), None),
    (include_str!("migrations/0008_undo.sql"), None),
    (include_str!("migrations/0009_results.sql"), None),
    (include_str!("migrations/0010_scorers.sql"), None),
    (include_str!("migrations/0011_validations.sql"), None),
    (include_str!("migrations/0012_traffic_scores.sql"), None),
    (include_str!("migrations/0013_traffic_models.sql"), None),
    (include_str!("migrations/0014_reject_numbers.sql"), None),
];

/// Identifies a file as a karat database (`PRAGMA application_id`): the bytes of "KARA".
const APPLICATION_ID: i32 = 0x4b41_5241;

/// Brings the database up to date and returns notes for the user.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<Vec<String>, Failure> {
    let fail = |error| failure(path, error);
    let latest = MIGRATIONS.len() as i64;
    if version(connection).map_err(fail)? == latest {
        return Ok(Vec::new());
    }
    // Content that a migration removes must not remain in free pages of the file.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).map_err(fail)?;
    // Immediate: if two processes start at once, the second one waits here and then finds nothing left to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found = version(&transaction).map_err(fail)?;
    if found > latest {
        return Err(Failure::store(format!(
            "the database {} has version {found}, but this karat supports versions up to {latest}",
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
        // The log may contain older pages. If another process is reading it, the checkpoint of the last process to
        // close truncates it.
        let _ = connection.pragma_query(None, "wal_checkpoint(TRUNCATE)", |_| Ok(()));
    }
    Ok(notes)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses the database of another program, which has tables but not karat's version and application id.
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
