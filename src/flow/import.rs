//! Imports files of sampled traffic. A file is read twice, so that one with too many bad rows changes nothing.

use std::path::Path;

use jiff::Timestamp;

use super::{Event, Events, Workspace};
use crate::core::domain::{Failure, TrafficRecord};
use crate::core::privacy::redact::RedactionCounts;
use crate::edge::store::Reject;
use crate::edge::traffic::{FieldMap, RowDefaults, TrafficReader, TrafficRow};

/// Options for importing traffic.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Name of the source.
    pub source: String,
    /// Pairs of field and path, which take precedence over those of the workspace.
    pub map: Vec<(String, String)>,
    /// Time of records that have none.
    pub at: Option<Timestamp>,
    /// Sample rate of records that have none.
    pub sample_rate: Option<f64>,
    /// Maximum share of bad rows, in [0, 1]; above it, nothing is imported. 0.01 unless given.
    pub max_bad: f64,
}

/// Summary of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Name of the source.
    pub source: String,
    /// Rows in the file.
    pub rows: usize,
    /// Records that were new.
    pub new: usize,
    /// Records that were stored before.
    pub known: usize,
    /// Rows that could not be read, with their lines.
    pub rejects: Vec<Reject>,
    /// What was redacted.
    pub redactions: RedactionCounts,
}

/// Records stored per transaction.
const BATCH: usize = 1000;

/// Bad rows listed in an error.
const LISTED: usize = 20;

/// Imports one file. Importing it again changes nothing.
///
/// # Errors
/// A data failure if the file cannot be read, or has more bad rows than tolerated; a store failure.
pub fn import(
    workspace: &Workspace,
    path: &Path,
    options: &ImportOptions,
    events: Events<'_>,
) -> Result<Imported, Failure> {
    let configured = workspace.config.traffic.get(&options.source).cloned().unwrap_or_default();
    let defaults =
        RowDefaults { at: options.at, sample_rate: options.sample_rate.or(configured.sample_rate).unwrap_or(1.0) };
    let configured_pairs = configured.map.iter().map(|(field, path)| (field.as_str(), path.as_str()));
    let map =
        FieldMap::new(configured_pairs.chain(options.map.iter().map(|(field, path)| (field.as_str(), path.as_str()))))?;
    let key = workspace.store.user_key()?;
    let reader = || TrafficReader::new(map.clone(), defaults, key);
    let (rows, rejects) = survey(path, reader()?, options.max_bad)?;
    events(Event::Began { what: format!("import of {}", path.display()), total: rows as u64, done: 0 });
    let mut reader = reader()?;
    let mut batch: Vec<TrafficRecord> = Vec::with_capacity(BATCH);
    let (mut new, mut records) = (0, 0);
    let keep = |batch: &mut Vec<TrafficRecord>| -> Result<usize, Failure> {
        let steps = batch.len() as u64;
        let stored = workspace.store.save_traffic(&options.source, std::mem::take(batch))?;
        events(Event::Advanced { steps, errors: 0 });
        Ok(stored)
    };
    reader.read(path, |row| {
        if let TrafficRow::Record(record) = row {
            records += 1;
            batch.push(record);
        }
        if batch.len() >= BATCH {
            new += keep(&mut batch)?;
        }
        Ok(())
    })?;
    new += keep(&mut batch)?;
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    workspace.store.save_rejects(&options.source, &file, rejects.clone())?;
    events(Event::Ended);
    let redactions = reader.redactions;
    Ok(Imported { source: options.source.clone(), rows, new, known: records - new, rejects, redactions })
}

/// The first pass: counts rows and finds the bad ones.
fn survey(path: &Path, mut reader: TrafficReader, max_bad: f64) -> Result<(usize, Vec<Reject>), Failure> {
    let (mut rows, mut rejects) = (0_usize, Vec::new());
    reader.read(path, |row| {
        rows += 1;
        if let TrafficRow::Bad(line, reason) = row {
            rejects.push(Reject { line, reason });
        }
        Ok(())
    })?;
    if rows == 0 {
        return Err(Failure::data(format!("{} contains no records", path.display())));
    }
    let bad = rejects.len();
    if bad as f64 <= max_bad * rows as f64 {
        return Ok((rows, rejects));
    }
    let mut details: Vec<String> =
        rejects.iter().take(LISTED).map(|r| format!("{}:{}: {}", path.display(), r.line, r.reason)).collect();
    if bad > LISTED {
        details.push(format!("… and {} more", bad - LISTED));
    }
    Err(Failure::data(format!("{bad} of {rows} rows of {} cannot be read; nothing was imported", path.display()))
        .details(details)
        .hint("map the fields with --map input=…,ts=…, fix the rows, or accept them with --max-bad 0.1"))
}
