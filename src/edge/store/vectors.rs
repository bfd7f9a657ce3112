//! Vectors by text and embedding space, so that no text is embedded twice.

use std::collections::HashMap;

use rusqlite::params;

use super::{Store, contents};
use crate::core::domain::Failure;

/// Maximum number of vectors per commit.
const BATCH: usize = 2000;

impl Store {
    /// The stored vectors of `texts` in `space`, by position in `texts`.
    ///
    /// # Errors
    /// A store failure.
    pub fn vectors(&self, space: &str, texts: &[&str]) -> Result<HashMap<usize, Vec<f32>>, Failure> {
        let sql = "SELECT v.data FROM contents c JOIN vectors v ON v.content = c.id WHERE c.hash = ?1 AND v.space = ?2";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut found = HashMap::new();
            for (position, text) in texts.iter().enumerate() {
                let mut rows = statement.query(params![contents::hash(text.as_bytes()), space])?;
                if let Some(row) = rows.next()? {
                    found.insert(position, from_bytes(row.get_ref(0)?.as_blob()?));
                }
            }
            Ok(found)
        })
    }

    /// Saves the vectors of texts.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_vectors(&self, space: &str, vectors: Vec<(String, Vec<f32>)>) -> Result<(), Failure> {
        let mut rest = vectors;
        while !rest.is_empty() {
            let batch: Vec<_> = rest.drain(..rest.len().min(BATCH)).collect();
            let space = space.to_owned();
            self.writer().write(move |connection| {
                let sql = "INSERT OR IGNORE INTO vectors (content, space, data) VALUES (?1, ?2, ?3)";
                let mut insert = connection.prepare_cached(sql)?;
                for (text, vector) in &batch {
                    let content = contents::put(connection, text.as_bytes())?;
                    insert.execute(params![content, space, to_bytes(vector)])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

pub(super) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|component| component.to_le_bytes()).collect()
}

pub(super) fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}
