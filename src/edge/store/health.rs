//! The integrity and the size of the database.

use std::path::PathBuf;

use rusqlite::Row;

use super::Store;
use crate::core::domain::Failure;

impl Store {
    /// Checks the database by reading every page. Returns one sentence per problem; empty if there is none.
    ///
    /// # Errors
    /// A store failure if the database is too damaged to be checked.
    pub fn integrity(&self) -> Result<Vec<String>, Failure> {
        let mut found = self.rows("PRAGMA quick_check", [], |row| row.get(0))?;
        found.retain(|finding: &String| finding != "ok");
        found.extend(self.rows("PRAGMA foreign_key_check", [], orphan)?);
        Ok(found)
    }

    /// Size in bytes of the database and its write-ahead log.
    pub fn size(&self) -> u64 {
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |known| known.len());
        length(self.path().to_owned()).saturating_add(length(log.into()))
    }
}

/// Describes a row that refers to a missing row.
fn orphan(row: &Row<'_>) -> rusqlite::Result<String> {
    let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
    // Tables without row ids report none.
    let which = row.get::<_, Option<i64>>(1)?.map_or_else(String::new, |id| format!(" {id}"));
    Ok(format!("row{which} of {table} refers to a missing row of {parent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_sound_and_has_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("karat.db")).unwrap();
        assert_eq!(store.integrity().unwrap(), Vec::<String>::new());
        assert!(store.size() > 4096, "{}", store.size());
    }

    #[test]
    fn rows_that_refer_to_missing_rows_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("karat.db");
        let store = Store::open(&path).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.pragma_update(None, "foreign_keys", false).unwrap();
        other.execute("INSERT INTO dataset_parts VALUES ('d', 'v', 0, 99)", []).unwrap();
        other
            .execute(
                "INSERT INTO outcomes (run_id, example_id, trial, error_kind, attempts) VALUES ('r', 'e', 0, 'x', 1)",
                [],
            )
            .unwrap();
        let mut found = store.integrity().unwrap();
        found.sort();
        assert_eq!(
            found,
            [
                "row of dataset_parts refers to a missing row of contents",
                "row of outcomes refers to a missing row of runs",
            ]
        );
    }

    #[test]
    fn a_damaged_page_is_found_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("karat.db");
        drop(Store::open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        // All pages except the first ones, which contain the schema.
        bytes.iter_mut().skip(4096 * 2).for_each(|byte| *byte = 0xA5);
        std::fs::write(&path, bytes).unwrap();
        let found = Store::open(&path).and_then(|store| store.integrity());
        assert!(found.is_err() || found.is_ok_and(|found| !found.is_empty()));
    }
}
