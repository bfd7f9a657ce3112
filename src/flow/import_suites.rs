//! Imports suites and datasets of other tools into a workspace. Everything is read, redacted, written to a temporary folder and
//! loaded from there before the first file of the workspace changes.

mod place;
mod privacy;
mod references;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::{fs, io, iter};

use serde_json::{Map, Value};
use tempfile::TempDir;

use self::privacy::{ChangedScorer, Privacy, advice, answer_changed, changed_scorers, first_change};
use self::rows::{Rows, examples_path};
use self::settings::{Present, SETTINGS};
use super::init::GITIGNORE;
use super::{Event, Events};
use crate::core::domain::{Card, Failure};
use crate::core::privacy::redact::RedactionCounts;
use crate::edge::config::{CardFile, example_scorers, load_suite, load_workspace, read_yaml};
use crate::edge::dataset::{examples_file, read_examples, scan_examples};
use crate::edge::interop::suites::{Carried, Note, Sink, SuiteFormat};
use crate::edge::yaml::to_yaml;

/// Options of an import.
#[derive(Debug, Clone, Default)]
pub struct SuiteImportOptions {
    /// The workspace: an existing one, or the folder in which one is created.
    pub root: PathBuf,
    /// Whether files that differ are replaced.
    pub force: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Maximum share of bad rows in a dataset, in [0, 1].
    pub max_bad: f64,
    /// Whether the command has the options --max-bad, --into and --force, so that hints may name them.
    pub has_flags: bool,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct SuiteImport {
    /// Files of the workspace, relative to it, and what became of each.
    pub files: BTreeMap<PathBuf, FileState>,
    /// Datasets, with their numbers of examples.
    pub datasets: BTreeMap<String, u64>,
    /// Names of the suites.
    pub suites: Vec<String>,
    /// Names of the endpoints.
    pub endpoints: Vec<String>,
    /// How often each check of the other tool was carried over, and how.
    pub carried: BTreeMap<String, BTreeMap<Carried, u64>>,
    /// What is not carried over, or not exactly, in the order of the files.
    pub notes: Vec<Note>,
    /// The first rows that could not be read; a note says how many more there are.
    pub bad_rows: Vec<(PathBuf, u64, String)>,
    /// What was redacted.
    pub redactions: RedactionCounts,
    /// The first examples of each dataset, if nothing was written.
    pub first: Vec<(String, String)>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It is new.
    Created,
    /// It was changed.
    Changed,
    /// It was the same already.
    Unchanged,
}

/// Bad rows, or files, that are listed in an error.
const LISTED: usize = 20;

/// Bad rows that are kept, with file, line and reason; the others are only counted.
const KEPT: usize = 1000;

/// Checks of rows changed by redaction that are reported one by one.
const REPORTED: u64 = 20;

/// Examples shown without writing them.
const SHOWN: usize = 3;

/// Imports what a file or folder of another tool contains.
///
/// # Errors
/// A data failure if it cannot be read, has too many bad rows, or would replace files that differ; a failure if files cannot
/// be written.
pub fn import_suites(
    format: &dyn SuiteFormat,
    path: &Path,
    options: &SuiteImportOptions,
    events: Events<'_>,
) -> Result<SuiteImport, Failure> {
    events(Event::Note(format!("reading {} as {}", path.display(), format.name())));
    let mut draft = Draft::new(format, path, options)?;
    format.read(path, &mut draft)?;
    draft.finish_rows()?;
    draft.write_settings()?;
    draft.check_loads()?;
    draft.place()
}

/// The files of a workspace in a temporary folder.
struct Draft<'a> {
    format: &'a dyn SuiteFormat,
    path: &'a Path,
    options: &'a SuiteImportOptions,
    /// What the workspace has already.
    present: Present,
    folder: TempDir,
    privacy: Privacy,
    endpoints: BTreeMap<String, Map<String, Value>>,
    suites: BTreeMap<String, Map<String, Value>>,
    cards: BTreeMap<String, Map<String, Value>>,
    examples: Rows,
    /// Files beside the suites.
    written: BTreeSet<PathBuf>,
    rows: u64,
    bad: u64,
    /// Checks of rows changed by redaction.
    changed: u64,
    failed: Option<Failure>,
    result: SuiteImport,
}

fn cannot_write(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::other("cannot write temporary files")
        .hint("is there enough space for temporary files? TMPDIR names another folder")
        .caused_by(error)
}

/// The first of NAME, NAME-2, NAME-3 … that is free.
fn free_name(name: &str, is_free: impl Fn(&str) -> bool) -> String {
    let mut names = iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    names.find(|name| is_free(name)).unwrap_or_else(|| name.to_owned())
}

impl<'a> Draft<'a> {
    fn new(format: &'a dyn SuiteFormat, path: &'a Path, options: &'a SuiteImportOptions) -> Result<Self, Failure> {
        Ok(Self {
            format,
            path,
            options,
            present: Present::read(&options.root)?,
            folder: tempfile::tempdir().map_err(cannot_write)?,
            privacy: Privacy::new()?,
            endpoints: BTreeMap::new(),
            suites: BTreeMap::new(),
            cards: BTreeMap::new(),
            examples: Rows::default(),
            written: BTreeSet::new(),
            rows: 0,
            bad: 0,
            changed: 0,
            failed: None,
            result: SuiteImport::default(),
        })
    }

    /// Reports something about a file of the workspace.
    fn note_in(&mut self, file: impl Into<PathBuf>, line: u64, what: impl Into<String>, why: impl Into<String>) {
        self.note(Note { file: file.into(), line, what: what.into(), why: why.into() });
    }

    /// How a hint names options of `karat import`. A command without them names `karat import`.
    fn flags(&self, flags: &str) -> String {
        match self.options.has_flags {
            true => flags.to_owned(),
            false => {
                let (path, root) = (self.path.display(), self.options.root.display());
                format!("`karat import {} {path} --into {root} {flags}`", self.format.name())
            }
        }
    }

    fn write_file(&mut self, path: &Path, content: &[u8]) {
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let write = || -> io::Result<()> {
            if !inside {
                return Err(io::Error::other(format!("{} leads out of the workspace", path.display())));
            }
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, content)
        };
        if let Err(error) = write() {
            self.failed.get_or_insert(cannot_write(error));
        }
    }

    /// Completes the datasets, and checks that not too many rows are bad.
    fn finish_rows(&mut self) -> Result<(), Failure> {
        self.examples.close().map_err(cannot_write)?;
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let (bad, rows) = (self.bad, self.rows + self.bad);
        if bad as f64 > self.options.max_bad * rows as f64 {
            let line = |(file, line, reason): &(PathBuf, u64, String)| format!("{}:{line}: {reason}", file.display());
            let mut details: Vec<String> = self.result.bad_rows.iter().take(LISTED).map(line).collect();
            if bad > LISTED as u64 {
                details.push(format!("… and {} more", bad - LISTED as u64));
            }
            let path = self.path.display();
            return Err(Failure::data(format!("{bad} of {rows} rows of {path} cannot be read; nothing was imported"))
                .details(details)
                .hint(format!("fix the rows, or accept them with {}", self.flags("--max-bad 0.1"))));
        }
        if bad > KEPT as u64 {
            let why = format!("{bad} rows cannot be read and are left out; the first {KEPT} of them are listed");
            self.note_in(self.path, 0, "rows", why);
        }
        if self.changed > REPORTED {
            let why = format!(
                "{} more checks or accepted answers of rows are redacted and no longer test what they did",
                self.changed - REPORTED
            );
            self.note_in(self.path, 0, "assert", why);
        }
        Ok(())
    }

    /// Writes suites, cards, `karat.yaml` and `.gitignore`.
    fn write_settings(&mut self) -> Result<(), Failure> {
        let origin = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let header = format!("# Imported from {origin} ({}) by `karat import`.\n", self.format.name());
        for (name, card) in std::mem::take(&mut self.cards) {
            let text = format!("{header}{}", to_yaml(&card));
            self.write_file(&Path::new("datasets").join(name).join("dataset.yaml"), text.as_bytes());
        }
        for (name, suite) in std::mem::take(&mut self.suites) {
            let path = Path::new("suites").join(format!("{name}.yaml"));
            // Loading it would read the file already.
            if let Some((key, file)) = references::foreign(&suite, &self.written) {
                let why = format!(
                    "it refers to the file {file}, which is not part of the import, so the suite is left out; write the \
                     text itself in place of the reference"
                );
                self.note_in(path, 0, key, why);
                continue;
            }
            self.write_file(&path, format!("{header}{}", to_yaml(&suite)).as_bytes());
            self.result.suites.push(name);
        }
        let settings = self.present.with(&header, &self.endpoints)?;
        self.result.endpoints = self.endpoints.keys().cloned().collect();
        self.write_file(Path::new(SETTINGS), settings.as_bytes());
        if let Some(lines) = self.present.gitignore.take() {
            self.write_file(Path::new(GITIGNORE), lines.as_bytes());
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Loads what was written, so that no workspace is left with files that karat cannot read.
    fn check_loads(&self) -> Result<(), Failure> {
        let root = self.folder.path();
        let check = || -> Result<(), Failure> {
            load_workspace(root)?;
            for name in &self.result.suites {
                load_suite(&root.join("suites").join(format!("{name}.yaml")))?;
            }
            self.result.datasets.keys().try_for_each(|name| check_dataset(root, name))
        };
        check().map_err(|failure| {
            let place = format!("{}/", root.display());
            let relative = |text: &String| text.replace(&place, "");
            let name = self.format.name();
            Failure::data(format!("what was made of it cannot be used: {}", relative(&failure.message)))
                .details(failure.details.iter().map(relative).collect())
                .hint(format!("nothing was written; change this in the {name} file, or report it as a bug"))
        })
    }

    /// Moves the files into the workspace.
    fn place(mut self) -> Result<SuiteImport, Failure> {
        let (folder, root) = (self.folder.path(), &self.options.root);
        self.result.files = place::states(folder, root)?;
        // To these, lines are only added.
        let replaced = |file: &Path| ![SETTINGS, GITIGNORE].iter().any(|name| file == Path::new(name));
        let changed = self.result.files.iter().filter(|(_, state)| **state == FileState::Changed);
        let mut differing: Vec<String> =
            changed.filter(|(file, _)| replaced(file)).map(|(file, _)| root.join(file).display().to_string()).collect();
        if !differing.is_empty() && !self.options.force {
            let several = differing.len();
            differing.truncate(LISTED);
            let other = match self.options.has_flags {
                true => "import into another folder with --into",
                false => "choose another folder",
            };
            return Err(Failure::data(format!("{several} files exist already and are different; nothing was written"))
                .details(differing)
                .hint(format!("{other}, or replace them with {}", self.flags("--force"))));
        }
        if self.options.dry_run {
            self.show_first()?;
            return Ok(self.result);
        }
        for (file, _) in self.result.files.iter().filter(|(_, state)| **state != FileState::Unchanged) {
            place::copy(&folder.join(file), &root.join(file))?;
        }
        Ok(self.result)
    }

    fn show_first(&mut self) -> Result<(), Failure> {
        for name in self.result.datasets.keys() {
            let file = fs::File::open(self.folder.path().join(examples_path(name))).map_err(cannot_write)?;
            for line in io::BufRead::lines(io::BufReader::new(file)).take(SHOWN) {
                self.result.first.push((name.clone(), line.map_err(cannot_write)?));
            }
        }
        Ok(())
    }

    /// Reports checks and accepted answers of a row that redaction changed. `line` is that of the row where it comes from.
    fn report_changed(&mut self, dataset: &str, line: u64, scorers: Vec<ChangedScorer>, answer: bool) {
        let row = self.result.datasets.get(dataset).copied().unwrap_or(0);
        let answer = answer.then(|| ("expected".to_owned(), ""));
        let scorers = scorers.into_iter().map(|ChangedScorer { name, not }| {
            (format!("assert: {name}"), if not { ", so that any answer passes it" } else { "" })
        });
        for (what, effect) in scorers.chain(answer) {
            self.changed += 1;
            if self.changed > REPORTED {
                continue;
            }
            let origin = if line > 0 { format!(" (from line {line} of the import)") } else { String::new() };
            let why = format!(
                "personal data or secrets in it are redacted, so it no longer tests what it did{effect}{origin}; write a \
                 text that may be stored in their place"
            );
            self.note_in(examples_path(dataset), row, what, why);
        }
    }
}

/// Reads the card and all examples of a dataset.
fn check_dataset(root: &Path, name: &str) -> Result<(), Failure> {
    let folder = root.join("datasets").join(name);
    let path = folder.join("dataset.yaml");
    let card = Card::try_from(read_yaml::<CardFile>(&path)?)
        .map_err(|problem| Failure::data(format!("{}: {problem}", path.display())))?;
    let examples = examples_file(&folder)?;
    if scan_examples(&examples, &mut |_| Ok(()))?.is_none() {
        // Only reading all of it tells what is wrong.
        read_examples(&examples, name, card)?.complete()?;
    }
    Ok(())
}

impl Sink for Draft<'_> {
    fn endpoint(&mut self, name: &str, definition: Map<String, Value>) -> String {
        let mut counts = RedactionCounts::default();
        let definition = self.privacy.settings(definition, &mut counts);
        // One of the same name in the workspace answers in its own way, so that it must not stand in for this one.
        let free = free_name(name, |name| {
            self.endpoints.get(name).is_none_or(|known| *known == definition)
                && self.present.difference(name, &definition).is_none()
        });
        if let Some(difference) = self.present.difference(name, &definition) {
            let why = format!(
                "the workspace has another endpoint of this name ({difference}), so the imported one is named {free}; \
                 remove one of them if they are meant to be the same"
            );
            self.note_in(SETTINGS, 0, format!("endpoints.{name}"), why);
        }
        if !counts.is_empty() {
            self.note_in(SETTINGS, 0, format!("endpoints.{free}"), advice(&counts));
            self.result.redactions.merge(&counts);
        }
        self.endpoints.insert(free.clone(), definition);
        free
    }

    fn suite(&mut self, name: &str, suite: Map<String, Value>) -> String {
        let mut counts = RedactionCounts::default();
        let redacted = self.privacy.suite(suite.clone(), &mut counts);
        let free = free_name(name, |name| self.suites.get(name).is_none_or(|known| *known == redacted));
        if !counts.is_empty() {
            let changed = suite.iter().filter(|(key, value)| redacted.get(*key) != Some(*value));
            let changed: Vec<&str> = changed.map(|(key, _)| key.as_str()).collect();
            self.note_in(format!("suites/{free}.yaml"), 0, changed.join(", "), advice(&counts));
            self.result.redactions.merge(&counts);
        }
        self.suites.insert(free.clone(), redacted);
        free
    }

    fn dataset(&mut self, name: &str, card: Map<String, Value>) -> String {
        let name = free_name(name, |name| !self.result.datasets.contains_key(name));
        self.write_file(&examples_path(&name), b"");
        let card = self.privacy.card(&card, &mut self.result.redactions);
        self.cards.insert(name.clone(), card);
        self.result.datasets.insert(name.clone(), 0);
        name
    }

    fn example(&mut self, dataset: &str, line: u64, row: Map<String, Value>) -> Result<(), Failure> {
        let Some(examples) = self.result.datasets.get_mut(dataset) else { return Ok(()) };
        *examples += 1;
        self.rows += 1;
        let mut counts = RedactionCounts::default();
        let mut redacted = self.privacy.row(&row, &mut counts);
        if !counts.is_empty() {
            self.result.redactions.merge(&counts);
            self.report_changed(dataset, line, changed_scorers(&row, &redacted), answer_changed(&row, &redacted));
            // All redacted ids would be the same; without one, the row gets an id of its own.
            if redacted.get("id") != row.get("id") {
                redacted.remove("id");
            }
        }
        self.examples.append(self.folder.path(), dataset, &redacted).map_err(cannot_write)
    }

    fn bad_row(&mut self, file: &Path, line: u64, reason: String) {
        self.bad += 1;
        if self.result.bad_rows.len() < KEPT {
            self.result.bad_rows.push((file.to_owned(), line, reason));
        }
    }

    fn redact(&mut self, value: Value) -> Value {
        self.privacy.data(&value, &mut self.result.redactions)
    }

    fn file(&mut self, path: PathBuf, content: Vec<u8>) {
        let content = match String::from_utf8(content) {
            Ok(text) => {
                let mut counts = RedactionCounts::default();
                let redacted = self.privacy.text(&text, &mut counts);
                if !counts.is_empty() {
                    self.note_in(&path, first_change(&text, &redacted), "secrets", advice(&counts));
                    self.result.redactions.merge(&counts);
                }
                redacted.into_bytes()
            }
            Err(error) => error.into_bytes(),
        };
        self.write_file(&path, &content);
        self.written.insert(path);
    }

    fn check_scorer(&self, scorer: &Map<String, Value>) -> Result<(), String> {
        example_scorers(&Value::Array(vec![Value::Object(scorer.clone())])).map(drop)
    }

    fn carried(&mut self, kind: &str, how: Carried) {
        *self.result.carried.entry(kind.to_owned()).or_default().entry(how).or_default() += 1;
    }

    fn note(&mut self, note: Note) {
        if !self.result.notes.contains(&note) {
            self.result.notes.push(note);
        }
    }
}
