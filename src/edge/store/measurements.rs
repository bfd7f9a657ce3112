//! Decay measurements and their clusterings.

use rusqlite::{Connection, named_params, params};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::datasets::{StoredPart, write_dataset};
use super::queue::write_flags;
use super::{Store, contents};
use crate::core::alarm::{EarlierLook, Level, Look, Promise};
use crate::core::domain::{Failure, WindowSummary};
use crate::core::queue::FlagChange;
use crate::core::verdict::GateResult;
use crate::core::view::{DecayView, LookView};

/// Maximum number of measurements in which earlier looks are found: nearly three years of nights.
const MAX_LOOKS: i64 = 1_000;

/// A stored clustering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredClustering {
    /// Hash of the content.
    pub version: String,
    /// Label of the window its first clusters were fitted on.
    pub reference: String,
    /// The version from which it was derived.
    pub parent: Option<String>,
    /// The clustering as JSON.
    pub content: String,
}

/// A stored decay measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementRow {
    /// Globally unique id (UUID v7).
    pub measurement_id: String,
    /// When it was measured (RFC 3339).
    pub measured_at: String,
    /// The result.
    pub view: DecayView,
}

/// Everything that a decay measurement stores.
#[derive(Debug, Clone, PartialEq)]
pub struct DecaySave {
    /// Canonical rows of the dataset, in parts.
    pub parts: Vec<String>,
    /// The clustering, if there is one.
    pub clustering: Option<StoredClustering>,
    /// Changes of the dataset's flags.
    pub changes: Vec<FlagChange>,
    /// The result.
    pub measurement: MeasurementRow,
}

impl Store {
    /// Saves a decay measurement in one transaction: the dataset version, the clustering, the flags and the result.
    ///
    /// # Errors
    /// A store failure, in which case nothing is stored.
    pub fn save_decay(&self, save: DecaySave) -> Result<(), Failure> {
        let view = serde_json::to_string(&save.measurement.view)
            .map_err(|error| Failure::other("cannot serialize a decay measurement").caused_by(error))?;
        self.writer().write(move |connection| {
            let DecaySave { parts, clustering, changes, measurement } = save;
            let MeasurementRow { measurement_id, measured_at: at, view: DecayView { dataset, dataset_version, space, .. } } =
                measurement;
            for part in &parts {
                contents::put(connection, part.as_bytes())?;
            }
            let parts: Vec<StoredPart> = parts.iter().map(|part| StoredPart::of(part)).collect();
            write_dataset(connection, &dataset, &dataset_version, &parts, &at)?;
            if let Some(clustering) = clustering {
                write_clustering(connection, &dataset, &space, &clustering, &at)?;
            }
            write_flags(connection, &dataset, &changes, &at)?;
            let view = contents::put(connection, view.as_bytes())?;
            let sql = "INSERT INTO decay_measurements (measurement_id, dataset, dataset_version, space, measured_at, view) \
                       VALUES (:id, :dataset, :version, :space, :at, :view)";
            let row = named_params! {
                ":id": measurement_id, ":dataset": dataset, ":version": dataset_version, ":space": space, ":at": at,
                ":view": view,
            };
            connection.execute(sql, row).map(drop)
        })
    }

    /// The clusterings of a dataset in an embedding space, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn clusterings(&self, dataset: &str, space: &str) -> Result<Vec<StoredClustering>, Failure> {
        let sql = "SELECT t.version, t.reference, t.parent, c.codec, c.data FROM clusterings t \
                   JOIN contents c ON c.id = t.content WHERE t.dataset = ?1 AND t.space = ?2 ORDER BY t.rowid DESC";
        self.rows(sql, [dataset, space], |row| {
            Ok(StoredClustering {
                version: row.get(0)?,
                reference: row.get(1)?,
                parent: row.get(2)?,
                content: contents::unpack_text(row, 3)?,
            })
        })
    }

    /// The newest decay measurements of a dataset in an embedding space, at most `limit`, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn measurements(&self, dataset: &str, space: &str, limit: usize) -> Result<Vec<MeasurementRow>, Failure> {
        let sql = "SELECT a.measurement_id, a.measured_at, c.codec, c.data FROM decay_measurements a JOIN contents c ON c.id = a.view \
                   WHERE a.dataset = ?1 AND a.space = ?2 ORDER BY a.measured_at DESC, a.measurement_id DESC LIMIT ?3";
        let rows = self.rows(sql, params![dataset, space, limit as i64], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, contents::unpack_text(row, 2)?))
        })?;
        rows.into_iter()
            .map(|(measurement_id, measured_at, text)| {
                Ok(MeasurementRow { view: parsed(&measurement_id, &text)?, measurement_id, measured_at })
            })
            .collect()
    }

    /// The looks of a dataset at a source of traffic in an embedding space: its measurements of a drift gap, at most the
    /// newest 1,000 of its measurements, newest first. A measurement that did not store its source counts for every
    /// source.
    ///
    /// # Errors
    /// A store failure.
    pub fn looks(&self, dataset: &str, space: &str, source: &str) -> Result<Vec<EarlierLook>, Failure> {
        let sql = "SELECT a.measurement_id, c.codec, c.data FROM decay_measurements a JOIN contents c ON c.id = a.view \
                   WHERE a.dataset = ?1 AND a.space = ?2 ORDER BY a.measured_at DESC, a.measurement_id DESC LIMIT ?3";
        let looks = self.rows(sql, params![dataset, space, MAX_LOOKS], |row| {
            let (id, text): (String, String) = (row.get(0)?, contents::unpack_text(row, 1)?);
            // Parsed row by row, since a thousand views together are large.
            Ok(parsed::<StoredLook>(&id, &text).map(|stored| stored.look(source)))
        })?;
        looks.into_iter().filter_map(Result::transpose).collect()
    }
}

/// What the gates of a decay measurement said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MeasuredGates {
    /// Hash of the dataset.
    pub dataset_version: String,
    /// The window measured.
    pub window: WindowSummary,
    /// The gates.
    pub gates: Vec<GateResult>,
}

impl Store {
    /// What the gates of the newest decay measurements of a dataset in an embedding space said, at most `limit`, newest first.
    ///
    /// # Errors
    /// A store failure.
    pub fn measured_gates(&self, dataset: &str, space: &str, limit: usize) -> Result<Vec<MeasuredGates>, Failure> {
        let sql = "SELECT a.measurement_id, c.codec, c.data FROM decay_measurements a JOIN contents c ON c.id = a.view \
                   WHERE a.dataset = ?1 AND a.space = ?2 ORDER BY a.measured_at DESC, a.measurement_id DESC LIMIT ?3";
        let found = self.rows(sql, params![dataset, space, limit as i64], |row| {
            let (id, text): (String, String) = (row.get(0)?, contents::unpack_text(row, 1)?);
            Ok(parsed::<MeasuredGates>(&id, &text))
        })?;
        found.into_iter().collect()
    }
}

fn parsed<T: DeserializeOwned>(measurement_id: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::store(format!("cannot read the stored decay measurement {measurement_id}")).caused_by(error)
    })
}

/// The members of a stored view that tell what was looked at, and at which level.
#[derive(Deserialize)]
struct StoredLook {
    dataset_version: String,
    window: WindowSummary,
    reference: Option<WindowSummary>,
    drift_gap: Option<IgnoredAny>,
    #[serde(default)]
    look: Option<LookView>,
}

impl StoredLook {
    /// `None` if nothing was tested, or if the traffic was from another source.
    fn look(self, source: &str) -> Option<EarlierLook> {
        self.drift_gap?;
        let (window, reference) = (self.window.window(), self.reference?.window());
        if self.look.as_ref().is_some_and(|look| look.source != source) {
            return None;
        }
        let given = self.look.map(|look| {
            let promise = Promise { level: look.alarm_level, period: look.alarm_period };
            (Level { level: look.level, spent: look.spent }, promise)
        });
        Some(EarlierLook { look: Look { window, reference, dataset_version: self.dataset_version }, given })
    }
}

fn write_clustering(
    connection: &Connection,
    dataset: &str,
    space: &str,
    clustering: &StoredClustering,
    now: &str,
) -> rusqlite::Result<()> {
    let StoredClustering { version, reference, parent, content } = clustering;
    let content = contents::put(connection, content.as_bytes())?;
    let sql = "INSERT INTO clusterings (version, dataset, space, reference, parent, content, created_at) \
               VALUES (:version, :dataset, :space, :reference, :parent, :content, :now) \
               ON CONFLICT (version) DO UPDATE SET content = excluded.content";
    let row = named_params! {
        ":version": version, ":dataset": dataset, ":space": space, ":reference": reference, ":parent": parent,
        ":content": content, ":now": now,
    };
    connection.execute(sql, row).map(drop)
}
