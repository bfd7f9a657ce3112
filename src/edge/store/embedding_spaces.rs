//! Embedding spaces: their descriptions, how much is stored in each, and the probe vectors of remote embedders.

use jiff::Timestamp;
use rusqlite::params;

use super::read::count;
use super::vectors::{from_bytes, to_bytes};
use super::{Store, contents};
use crate::core::domain::{EmbeddingSpace, Failure};

/// A stored embedding space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingSpaceRow {
    /// The description of the space.
    pub space: EmbeddingSpace,
    /// Name of the embedder in karat.yaml when it was first used.
    pub name: String,
    /// When it was first used (RFC 3339).
    pub first_used: String,
    /// Number of texts with a vector in this space.
    pub vectors: usize,
    /// Number of decay measurements in this space.
    pub measurements: usize,
    /// Time of the last measurement (RFC 3339).
    pub last_measurement: Option<String>,
}

impl Store {
    /// Records an embedding space, unless it is recorded already.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_space(&self, space: &EmbeddingSpace, name: &str, now: Timestamp) -> Result<(), Failure> {
        let known = self.optional("SELECT 1 FROM embedding_spaces WHERE space = ?1", [&space.id], |_| Ok(()))?;
        if known.is_some() {
            return Ok(());
        }
        let description = serde_json::to_string(space)
            .map_err(|error| Failure::other("cannot serialize an embedding space").caused_by(error))?;
        let (id, name, now) = (space.id.clone(), name.to_owned(), now.to_string());
        self.writer().write(move |connection| {
            let sql =
                "INSERT OR IGNORE INTO embedding_spaces (space, name, description, first_used) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(sql, params![id, name, description, now]).map(drop)
        })
    }

    /// All recorded embedding spaces, oldest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn spaces(&self) -> Result<Vec<EmbeddingSpaceRow>, Failure> {
        let sql = "SELECT s.description, s.name, s.first_used, \
                   (SELECT count(*) FROM vectors v WHERE v.space = s.space), \
                   (SELECT count(*) FROM decay_measurements a WHERE a.space = s.space), \
                   (SELECT max(measured_at) FROM decay_measurements a WHERE a.space = s.space) \
                   FROM embedding_spaces s ORDER BY s.first_used, s.space";
        let rows = self.rows(sql, [], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get(2)?,
                count(row, 3)?,
                count(row, 4)?,
                row.get(5)?,
            ))
        })?;
        rows.into_iter()
            .map(|(description, name, first_used, vectors, measurements, last_measurement)| {
                let space = serde_json::from_str(&description).map_err(|error| {
                    Failure::store(format!("cannot read the embedding space of \"{name}\"")).caused_by(error)
                })?;
                Ok(EmbeddingSpaceRow { space, name, first_used, vectors, measurements, last_measurement })
            })
            .collect()
    }

    /// The stored probe vectors of an embedding space, each with `dim` components; `None` if there are none.
    ///
    /// # Errors
    /// A store failure.
    pub fn probes(&self, space: &str, dim: usize) -> Result<Option<Vec<Vec<f32>>>, Failure> {
        let sql = "SELECT probes FROM embedding_spaces WHERE space = ?1";
        let bytes = self.optional(sql, [space], |row| row.get::<_, Option<Vec<u8>>>(0))?.flatten();
        Ok(bytes.map(|bytes| from_bytes(&bytes).chunks(dim.max(1)).map(<[f32]>::to_vec).collect()))
    }

    /// Saves the probe vectors of a recorded embedding space.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_probes(&self, space: &str, probes: &[Vec<f32>]) -> Result<(), Failure> {
        let (space, bytes) = (space.to_owned(), to_bytes(&probes.concat()));
        self.writer().write(move |connection| {
            connection
                .execute("UPDATE embedding_spaces SET probes = ?2 WHERE space = ?1", params![space, bytes])
                .map(drop)
        })
    }

    /// Removes an embedding space and its vectors; clusterings and results remain as history. Returns how many vectors
    /// were removed. If interrupted, it can be repeated.
    ///
    /// # Errors
    /// A store failure.
    pub fn retire_space(&self, space: &str) -> Result<usize, Failure> {
        let space = space.to_owned();
        self.writer().write(move |connection| {
            let removed = connection.execute("DELETE FROM vectors WHERE space = ?1", [&space])?;
            connection.execute("DELETE FROM embedding_spaces WHERE space = ?1", [&space])?;
            Ok(removed)
        })
    }

    /// How many of `texts` have a vector in `space`.
    ///
    /// # Errors
    /// A store failure.
    pub fn count_vectors(&self, space: &str, texts: &[&str]) -> Result<usize, Failure> {
        let sql = "SELECT 1 FROM contents c JOIN vectors v ON v.content = c.id WHERE c.hash = ?1 AND v.space = ?2";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut found = 0;
            for text in texts {
                found += usize::from(statement.exists(params![contents::hash(text.as_bytes()), space])?);
            }
            Ok(found)
        })
    }
}
