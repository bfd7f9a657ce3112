//! What all parts of the import share: files, notes, and copies of scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::{Carried, Note, Sink};
use super::files::{Files, extension, path_and_function};
use super::imports;
use super::programs::{FOLDER, Language, RUNNERS, Script};
use super::tree::{self, Item, Kind};

/// Notes that an error repeats.
const REASONS: usize = 10;

/// How often the same thing is reported with its line.
const MAX_SAME: usize = 100;

/// How deep imports of scripts are followed.
const MAX_IMPORTS: usize = 8;

/// Files, notes and counts of an import.
pub(super) struct Desk<'a> {
    /// Where everything goes.
    pub(super) out: &'a mut dyn Sink,
    /// The files beside the configuration.
    pub(super) files: Files,
    /// The first notes, as lines.
    pub(super) reasons: Vec<String>,
    noted: BTreeSet<String>,
    /// How often each thing was reported, and where at last.
    same: BTreeMap<String, (usize, Item)>,
    scripts: BTreeMap<PathBuf, String>,
    parsed: BTreeMap<PathBuf, Item>,
}

impl<'a> Desk<'a> {
    /// A desk for the configuration at a path.
    pub(super) fn new(out: &'a mut dyn Sink, config: &Path) -> Self {
        let files = Files::beside(config);
        Self {
            out,
            files,
            reasons: Vec::new(),
            noted: BTreeSet::new(),
            same: BTreeMap::new(),
            scripts: BTreeMap::new(),
            parsed: BTreeMap::new(),
        }
    }

    /// Reports something at a place.
    pub(super) fn note(&mut self, at: &Item, what: &str, why: impl Into<String>) {
        let why = why.into();
        let same = self.same.entry(format!("{what}\n{why}")).or_insert_with(|| (0, at.at(Kind::Null)));
        *same = (same.0 + 1, at.at(Kind::Null));
        if same.0 <= MAX_SAME {
            self.report(at, what, why);
        }
    }

    fn report(&mut self, at: &Item, what: &str, why: String) {
        if self.reasons.len() < REASONS {
            self.reasons.push(format!("{}:{}: {what}: {why}", at.file.display(), at.line));
        }
        self.out.note(Note { file: at.file.to_path_buf(), line: at.line, what: what.to_owned(), why });
    }

    /// Reports how often something was left out of the notes because there were many like it.
    pub(super) fn finish(&mut self) {
        for (key, (count, last)) in std::mem::take(&mut self.same) {
            let (what, why) = key.split_once('\n').unwrap_or((&key, ""));
            if count > MAX_SAME {
                self.report(&last, what, format!("{} more like it up to this line: {why}", count - MAX_SAME));
            }
        }
    }

    /// Reports something where it is first seen, and not again.
    pub(super) fn note_once(&mut self, at: &Item, what: &str, why: impl Into<String>) {
        let why = why.into();
        if self.noted.insert(format!("{what}\n{why}")) {
            self.note(at, what, why);
        }
    }

    /// Reports keys that are not known.
    pub(super) fn unknown(&mut self, item: &Item, known: &[&str], of: &str) {
        for (name, value) in item.entries() {
            if !known.contains(&name.as_str()) && !name.starts_with("x-") {
                let why = format!("this key of {of} is not known, so it is left out; check its spelling");
                self.note(value, name, why);
            }
        }
    }

    /// Counts an assertion.
    pub(super) fn count(&mut self, kind: &str, how: Carried) {
        self.out.carried(kind, how);
    }

    /// Loads a file that a value names: YAML and JSON as what they are, anything else as text.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn load(&mut self, at: &Item, reference: &str) -> Result<Item, String> {
        let (path, _) = path_and_function(reference);
        let found = self.files.find(path).map_err(|why| format!("the file {path} is not read: {why}"))?;
        match extension(path).as_str() {
            "yaml" | "yml" | "json" => self.parse(&found),
            script if Language::of_extension(script).is_some() => {
                Err(format!("{path} is a program that gives the value; write the value itself"))
            }
            _ => {
                let text = self.files.read(&found).map_err(|why| format!("the file {path} is not read: {why}"))?;
                Ok(at.at(Kind::Text(text.trim_end().to_owned())))
            }
        }
    }

    /// Reads a file of YAML or JSON.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn parse(&mut self, path: &Path) -> Result<Item, String> {
        if let Some(item) = self.parsed.get(path) {
            return Ok(item.clone());
        }
        let shown = self.files.shown(path);
        let fail = |why: String| format!("the file {} is not read: {why}", shown.display());
        let text = self.files.read(path).map_err(fail)?;
        let item = tree::parse(text, &shown).map_err(|failure| failure.message)?;
        self.parsed.insert(path.to_owned(), item.clone());
        Ok(item)
    }

    /// Copies a script into the workspace: its language, the path of the copy, and the function.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn script(&mut self, at: &Item, reference: &str) -> Result<Script, String> {
        let (path, function) = path_and_function(reference);
        let language = Language::of_extension(&extension(path))
            .ok_or_else(|| format!("{path} is neither JavaScript nor Python; write an exec scorer that starts it"))?;
        Ok((language, self.copy(at, path)?, function.map(str::to_owned)))
    }

    /// Copies a file to the programs of the workspace, and returns its path there.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn copy(&mut self, at: &Item, path: &str) -> Result<String, String> {
        let found = self.files.find(path).map_err(|why| format!("the file {path} is not copied: {why}"))?;
        self.copy_found(at, &found, 0)
    }

    /// Copies a file and those beside the configuration that it imports.
    fn copy_found(&mut self, at: &Item, found: &Path, depth: usize) -> Result<String, String> {
        if let Some(copy) = self.scripts.get(found) {
            return Ok(copy.clone());
        }
        let shown = self.files.shown(found);
        let fail = |why: String| format!("the file {} is not copied: {why}", shown.display());
        let content = self.files.bytes(found).map_err(fail)?;
        let relative: PathBuf = shown.components().filter(is_name).collect();
        let folder = PathBuf::from(FOLDER);
        // The programs that run them have a folder of their own.
        let copy = if relative.starts_with(RUNNERS) { folder.join("own") } else { folder }.join(relative);
        self.scripts.insert(found.to_owned(), copy.display().to_string());
        for import in imports::of(&String::from_utf8_lossy(&content), &extension(&shown.to_string_lossy())) {
            let there = import.candidates(found).into_iter().find(|path| path.is_file());
            let there = there.and_then(|path| self.files.find(&path.to_string_lossy()).ok());
            let copied = there.filter(|path| path.starts_with(&self.files.base) && depth < MAX_IMPORTS);
            let copied = copied.is_some_and(|path| self.copy_found(at, &path, depth + 1).is_ok());
            if !copied && import.is_local() {
                let why = format!("it imports {}, which is not copied; copy it beside the script", import.name());
                self.note_once(at, &shown.display().to_string(), why);
            }
        }
        self.out.file(copy.clone(), content);
        Ok(copy.display().to_string())
    }
}

fn is_name(part: &std::path::Component<'_>) -> bool {
    matches!(part, std::path::Component::Normal(_))
}
