//! Taxonomies and the results of assays.

use rusqlite::params;

use super::{Store, contents};
use crate::core::domain::Failure;
use crate::core::view::DecayView;

/// A taxonomy as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredClustering {
    /// Hash of its content.
    pub version: String,
    /// Label of the window its first clusters were fitted on.
    pub reference: String,
    /// The version it grew out of.
    pub parent: Option<String>,
    /// Its JSON.
    pub content: String,
}

/// An assay as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementRow {
    /// Globally unique id (UUID v7).
    pub measurement_id: String,
    /// When it was made (RFC 3339).
    pub measured_at: String,
    /// Its result.
    pub view: DecayView,
}

impl Store {
    /// Keeps a taxonomy of a dataset in a space.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_clustering(
        &self,
        dataset: &str,
        space: &str,
        clustering: StoredClustering,
        now: &str,
    ) -> Result<(), Failure> {
        let (dataset, space, now) = (dataset.to_owned(), space.to_owned(), now.to_owned());
        self.writer().write(move |connection| {
            let content = contents::put(connection, clustering.content.as_bytes())?;
            let sql = "INSERT INTO clusterings (version, dataset, space, reference, parent, content, created_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (version) DO UPDATE SET content = excluded.content";
            let StoredClustering { version, reference, parent, .. } = clustering;
            connection.execute(sql, params![version, dataset, space, reference, parent, content, now]).map(drop)
        })
    }

    /// The taxonomies of a dataset in a space, the latest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn clusterings(&self, dataset: &str, space: &str) -> Result<Vec<StoredClustering>, Failure> {
        let sql = "SELECT t.version, t.reference, t.parent, c.codec, c.data FROM clusterings t \
                   JOIN contents c ON c.id = t.content WHERE t.dataset = ?1 AND t.space = ?2 ORDER BY t.rowid DESC";
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<StoredClustering>> {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([dataset, space], |row| {
                Ok(StoredClustering {
                    version: row.get(0)?,
                    reference: row.get(1)?,
                    parent: row.get(2)?,
                    content: contents::unpack_text(row, 3)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.fail(error))
    }

    /// Keeps the result of a decay measurement.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_measurement(&self, row: &MeasurementRow) -> Result<(), Failure> {
        let view = serde_json::to_string(&row.view)
            .map_err(|error| Failure::other("a decay measurement cannot be written").caused_by(error))?;
        let (id, at) = (row.measurement_id.clone(), row.measured_at.clone());
        let (dataset, version, space) =
            (row.view.dataset.clone(), row.view.dataset_version.clone(), row.view.space.clone());
        self.writer().write(move |connection| {
            let view = contents::put(connection, view.as_bytes())?;
            let sql = "INSERT INTO decay_measurements (measurement_id, dataset, dataset_version, space, measured_at, view) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            connection.execute(sql, params![id, dataset, version, space, at, view]).map(drop)
        })
    }

    /// The latest assays of a dataset in a space, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn measurements(&self, dataset: &str, space: &str, limit: usize) -> Result<Vec<MeasurementRow>, Failure> {
        let sql = "SELECT a.measurement_id, a.measured_at, c.codec, c.data FROM decay_measurements a JOIN contents c ON c.id = a.view \
                   WHERE a.dataset = ?1 AND a.space = ?2 ORDER BY a.measured_at DESC, a.measurement_id DESC LIMIT ?3";
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<(String, String, String)>> {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map(params![dataset, space, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, contents::unpack_text(row, 2)?))
            })?;
            rows.collect()
        };
        let rows = read().map_err(|error| self.fail(error))?;
        rows.into_iter()
            .map(|(measurement_id, measured_at, text)| {
                let view = serde_json::from_str(&text).map_err(|error| {
                    Failure::store(format!("the stored decay measurement {measurement_id} cannot be read"))
                        .caused_by(error)
                })?;
                Ok(MeasurementRow { measurement_id, measured_at, view })
            })
            .collect()
    }
}
