//! Imports sampled traffic. All files are read, redacted and checked before the first record is stored, so that one with too
//! many bad rows changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::{Event, Events, Workspace};
use crate::core::domain::{Failure, TrafficRecord};
use crate::core::privacy::redact::{RedactionCounts, Redactor};
use crate::edge::input::{Input, open};
use crate::edge::store::{Reject, Store};
use crate::edge::traffic::{
    EXCLUDED, Exclusion, FieldMap, FileCounts, ROWS, ReadOptions, Rows, Spans, Staging, TrafficFormat, TrafficReader,
    named, recognized,
};

/// Options for importing traffic.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Name of the source.
    pub source: String,
    /// Name of the format; recognized in each file if not given.
    pub from: Option<String>,
    /// Pairs of field and path, which take precedence over those of the workspace.
    pub map: Vec<(String, String)>,
    /// Which requests of a trace are records.
    pub spans: Spans,
    /// Rows that are left out.
    pub exclude: Vec<Exclusion>,
    /// Time of records that have none.
    pub at: Option<Timestamp>,
    /// Sample rate of records that have none.
    pub sample_rate: Option<f64>,
    /// Maximum share of bad rows in a file, in [0, 1]; above it, nothing is imported. 0.01 unless given.
    pub max_bad: f64,
    /// Whether to read only, and store nothing.
    pub dry_run: bool,
}

/// Summary of an import.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// One entry per file, in order.
    pub files: Vec<ImportedFile>,
    /// The first records, if nothing was to be stored.
    pub first: Vec<TrafficRecord>,
}

/// Summary of the import of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportedFile {
    /// The file.
    pub file: String,
    /// Name of the format.
    pub format: &'static str,
    /// Rows in the file.
    pub rows: u64,
    /// Records that were new.
    pub new: u64,
    /// Records that were stored before.
    pub known: u64,
    /// Rows that became part of a record together with others.
    pub merged: u64,
    /// Rows that are not requests, by reason.
    pub other: BTreeMap<&'static str, u64>,
    /// Rows that could not be read, with their lines.
    pub rejects: Vec<Reject>,
    /// What was redacted.
    pub redactions: RedactionCounts,
}

/// Records stored per transaction.
const BATCH: usize = 1000;

/// Bad rows listed in an error.
const LISTED: usize = 20;

/// Records shown without storing them.
const SHOWN: usize = 5;

/// Imports files. Importing one again changes nothing.
///
/// # Errors
/// A data failure if a file cannot be read, or has more bad rows than tolerated; a store failure.
pub fn import_traffic(
    workspace: &Workspace,
    inputs: &[Input],
    options: &ImportOptions,
    events: Events<'_>,
) -> Result<Imported, Failure> {
    if !options.map.is_empty() && options.from.as_deref().is_some_and(|from| from != ROWS) {
        return Err(
            Failure::usage("--map is for plain rows, and --from names another format").hint("leave one of them out")
        );
    }
    let mut import = Import::new(workspace, options, events)?;
    import.read(inputs)?;
    import.check(inputs)?;
    let first = import.store()?;
    let files: Vec<ImportedFile> = (0..inputs.len()).map(|index| import.finished(index)).collect::<Result<_, _>>()?;
    if !options.exclude.is_empty() && !files.iter().any(|file| file.other.contains_key(EXCLUDED)) {
        let warning =
            "--exclude left out no row; --dry-run shows what is read, and the fields of a row are those of the file";
        events(Event::Warning(warning.to_owned()));
    }
    Ok(Imported { files, first })
}

struct Import<'a> {
    workspace: &'a Workspace,
    options: &'a ImportOptions,
    events: Events<'a>,
    rows: Rows,
    /// Whether a field map is given, which says that the files contain plain rows.
    is_mapped: bool,
    read: ReadOptions,
    redactor: Redactor,
    staging: Staging,
    files: Vec<ImportedFile>,
    counts: Vec<FileCounts>,
    /// What to say in each file of requests without a time.
    missing_time: Vec<String>,
}

impl<'a> Import<'a> {
    fn new(workspace: &'a Workspace, options: &'a ImportOptions, events: Events<'a>) -> Result<Self, Failure> {
        let configured = workspace.config.traffic.get(&options.source).cloned().unwrap_or_default();
        let configured_pairs = configured.map.iter().map(|(field, path)| (field.as_str(), path.as_str()));
        let given = options.map.iter().map(|(field, path)| (field.as_str(), path.as_str()));
        let map = FieldMap::new(configured_pairs.chain(given))?;
        let sample_rate = options.sample_rate.or(configured.sample_rate);
        Ok(Self {
            workspace,
            options,
            events,
            is_mapped: !map.is_empty(),
            rows: Rows::new(map),
            read: ReadOptions { at: options.at, sample_rate, exclude: options.exclude.clone() },
            redactor: Redactor::new()
                .map_err(|error| Failure::other("cannot set up the redaction of personal data").caused_by(error))?,
            staging: Staging::new(options.spans, sample_rate.unwrap_or(1.0))?.with_time(options.at),
            files: Vec::new(),
            counts: Vec::new(),
            missing_time: Vec::new(),
        })
    }

    /// Reads and redacts all files.
    fn read(&mut self, inputs: &[Input]) -> Result<(), Failure> {
        let given = self.options.from.as_deref().map(named).transpose()?;
        let total: u64 = inputs.iter().filter_map(Input::size).sum();
        let what = match inputs {
            [input] => format!("reading {input} (KB)"),
            several => format!("reading {} files (KB)", several.len()),
        };
        (self.events)(Event::Began { what, total: total / 1000, done: 0 });
        let bytes = Arc::new(AtomicU64::new(0));
        for (index, input) in inputs.iter().enumerate() {
            self.read_one(index, input, given, &bytes)?;
        }
        (self.events)(Event::Ended);
        Ok(())
    }

    fn read_one(
        &mut self,
        index: usize,
        input: &Input,
        given: Option<Option<&'static dyn TrafficFormat>>,
        bytes: &Arc<AtomicU64>,
    ) -> Result<(), Failure> {
        let opened = open(input, bytes)?;
        let format = given.unwrap_or_else(|| if self.is_mapped { None } else { recognized(&opened) });
        let key = self.workspace.store.user_key()?;
        let reader = TrafficReader::new(format.unwrap_or(&self.rows), &self.read, &self.redactor, key);
        let (mut counts, mut redactions) = (FileCounts::default(), RedactionCounts::default());
        let mut reported = bytes.load(Ordering::Relaxed) / 1000;
        self.staging.begin_file()?;
        reader.read(input, opened, &mut |rows| {
            rows.iter().for_each(|row| redactions.merge(&row.redactions));
            let errors = counts.bad;
            self.staging.add(index, rows, &mut counts)?;
            let now = bytes.load(Ordering::Relaxed) / 1000;
            (self.events)(Event::Advanced { steps: now - reported, errors: counts.bad - errors });
            reported = now;
            Ok(())
        })?;
        self.missing_time.push(format.map_or_else(|| self.rows.missing_time(), TrafficFormat::missing_time));
        let format = format.map_or(ROWS, TrafficFormat::name);
        self.files.push(ImportedFile { file: input.to_string(), format, redactions, ..ImportedFile::default() });
        self.counts.push(counts);
        Ok(())
    }

    /// Fails if there are no records, or a file has too many bad rows.
    fn check(&mut self, inputs: &[Input]) -> Result<(), Failure> {
        if self.staging.has_parts()? {
            let missing_time = |file: usize| self.missing_time.get(file).cloned().unwrap_or_default();
            let mut counts = std::mem::take(&mut self.counts);
            self.staging.records(Some(&mut counts), &missing_time, &mut |_, _| Ok(()))?;
            self.counts = counts;
        }
        if self.counts.iter().all(|counts| counts.rows == 0) {
            return Err(Failure::data(match inputs {
                [input] => format!("{input} contains no records"),
                several => format!("none of the {} files contains records", several.len()),
            }));
        }
        for (index, (input, counts)) in inputs.iter().zip(&self.counts).enumerate() {
            if counts.bad as f64 > self.options.max_bad * counts.rows as f64 {
                return Err(self.too_many(index, input, counts)?);
            }
        }
        Ok(())
    }

    fn too_many(&self, index: usize, input: &Input, counts: &FileCounts) -> Result<Failure, Failure> {
        let FileCounts { rows, bad, .. } = counts;
        let listed = self.staging.bad_rows(index, Some(LISTED))?;
        let mut details: Vec<String> =
            listed.iter().map(|(line, reason)| format!("{input}:{line}: {reason}")).collect();
        if *bad > LISTED as u64 {
            details.push(format!("… and {} more", bad - LISTED as u64));
        }
        let format = self.files.get(index).map_or("", |file| file.format);
        let hint = match format {
            ROWS => {
                "map the fields with --map input=…,ts=…, name the format with --from, fix the rows, or accept them with \
                 --max-bad 0.1"
                    .to_owned()
            }
            name => format!("it was read as {name}; name another format with --from, fix the rows, or accept them with --max-bad 0.1"),
        };
        Ok(Failure::data(format!("{bad} of {rows} rows of {input} cannot be read; nothing was imported"))
            .details(details)
            .hint(hint))
    }

    /// Stores all records, and what could not be read. Returns the first ones instead if nothing is to be stored.
    fn store(&mut self) -> Result<Vec<TrafficRecord>, Failure> {
        let (source, events) = (self.options.source.clone(), self.events);
        let store = &self.workspace.store;
        let (dry, staging) = (self.options.dry_run, &self.staging);
        let (mut batch, mut first): (Vec<(usize, TrafficRecord)>, Vec<TrafficRecord>) = (Vec::new(), Vec::new());
        let files = &mut self.files;
        let total =
            self.counts.iter().map(|counts| counts.rows.saturating_sub(counts.bad + counts.merged)).sum::<u64>();
        events(Event::Began { what: format!("storing into {source}"), total, done: 0 });
        let mut save = |batch: &mut Vec<(usize, TrafficRecord)>| -> Result<(), Failure> {
            let (indexes, records): (Vec<usize>, Vec<TrafficRecord>) = std::mem::take(batch).into_iter().unzip();
            if dry {
                first.extend(records.iter().take(SHOWN - first.len().min(SHOWN)).cloned());
            }
            let steps = records.len() as u64;
            let new =
                if dry { is_new(store, staging, &source, &records)? } else { store.save_traffic(&source, records)? };
            for (index, new) in indexes.into_iter().zip(new) {
                if let Some(file) = files.get_mut(index) {
                    *(if new { &mut file.new } else { &mut file.known }) += 1;
                }
            }
            events(Event::Advanced { steps, errors: 0 });
            Ok(())
        };
        staging.records(None, &|_| String::new(), &mut |index, record| {
            batch.push((index, record));
            if batch.len() >= BATCH { save(&mut batch) } else { Ok(()) }
        })?;
        save(&mut batch)?;
        events(Event::Ended);
        Ok(first)
    }

    fn finished(&mut self, index: usize) -> Result<ImportedFile, Failure> {
        let mut file = self.files.get_mut(index).map(std::mem::take).unwrap_or_default();
        let counts = self.counts.get_mut(index).map(std::mem::take).unwrap_or_default();
        let rejects = self.staging.bad_rows(index, None)?;
        file.rejects = rejects.into_iter().map(|(line, reason)| Reject { line, reason }).collect();
        (file.rows, file.merged, file.other) = (counts.rows, counts.merged, counts.other);
        if !self.options.dry_run {
            // The path, since files in several folders may have the same name.
            let name = self.redactor.redact(&file.file).text.into_owned();
            self.workspace.store.save_rejects(&self.options.source, &name, file.rejects.clone())?;
        }
        Ok(file)
    }
}

/// Whether each of these records would be new if it were stored.
fn is_new(store: &Store, staging: &Staging, source: &str, records: &[TrafficRecord]) -> Result<Vec<bool>, Failure> {
    let unknown = store.is_new_traffic(source, records)?;
    let each = records.iter().zip(unknown);
    each.map(|(record, unknown)| Ok(staging.is_first(&record.record_id)? && unknown)).collect()
}
