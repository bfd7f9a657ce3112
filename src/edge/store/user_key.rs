//! The key that hides the identity of users.
//!
//! It is stored in the database, so that a user's records can still be found and erased, and so that every copy has it.
//! Anyone with the database can therefore still try out names; anyone with only a report or an export cannot.

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use crate::core::domain::Failure;
use crate::core::privacy::UserKey;

/// The note about a database whose hashes had no key.
const NOTE: &str = "users, and records whose id identified one, are now hashed with a secret key of this database; \
                    hashes in earlier exports and reports can still be reversed by guessing, so delete the copies you \
                    have shared";

impl Store {
    /// The key of this database, created if there is none yet.
    ///
    /// # Errors
    /// A store failure, or a failure if the system provides no random numbers.
    pub fn user_key(&self) -> Result<UserKey, Failure> {
        let stored = stored_key(&self.reader()).map_err(|error| self.fail(error))?;
        if let Some(key) = stored {
            return Ok(key);
        }
        let fresh = random_key()?;
        self.writer().write(move |connection| insert_key(connection, &fresh))?;
        // Another process may have stored its key first.
        let stored = stored_key(&self.reader()).map_err(|error| self.fail(error))?;
        stored.ok_or_else(|| Failure::store("the key of the database is missing"))
    }
}

pub(super) fn stored_key(connection: &Connection) -> rusqlite::Result<Option<UserKey>> {
    let key = connection.query_row("SELECT key FROM user_key", [], |row| row.get(0)).optional()?;
    Ok(key.map(UserKey::new))
}

fn insert_key(connection: &Connection, key: &[u8; 32]) -> rusqlite::Result<()> {
    connection.execute("INSERT OR IGNORE INTO user_key (one, key) VALUES (1, ?1)", [key.as_slice()]).map(drop)
}

fn random_key() -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Failure::other("the system provides no random numbers").caused_by(error))?;
    Ok(key)
}

/// Hashes again, under a new key, everything that was stored as an unkeyed hash. Returns a note for the user.
pub(super) fn hide_users(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if !connection.query_row("SELECT EXISTS (SELECT 1 FROM traffic)", [], |row| row.get(0))? {
        return Ok(None);
    }
    let bytes = random_key().map_err(|failure| rusqlite::Error::ToSqlConversionFailure(Box::new(failure)))?;
    insert_key(connection, &bytes)?;
    let key = UserKey::new(bytes);
    let mut read = connection.prepare("SELECT id, record_id, grp FROM traffic")?;
    let rows = read
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String, Option<String>)>>>()?;
    let mut write = connection.prepare("UPDATE traffic SET record_id = ?2, grp = ?3 WHERE id = ?1")?;
    let mut hidden = 0;
    for (id, record_id, user) in rows {
        let new_id = key.hide_record(&record_id);
        if new_id.is_some() || user.is_some() {
            let user = user.map(|plain| key.hide_user(&plain));
            hidden += write.execute((id, new_id.unwrap_or(record_id), user))?;
        }
    }
    Ok((hidden > 0).then(|| NOTE.to_owned()))
}
