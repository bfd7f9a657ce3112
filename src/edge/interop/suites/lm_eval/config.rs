//! YAML files of tasks, with the files that they include.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::records::unreadable;
use crate::core::domain::Failure;
use crate::edge::yaml::{Document, Fault, Reader};

/// How many files may be included, one by the other.
const MAX_DEPTH: usize = 16;

/// Maximum size of a YAML file.
const MAX_BYTES: u64 = 16 << 20;

/// How a reference to Python code is written here.
const FUNCTION: &str = "!function ";

/// A tag with the name of a Python function, which YAML alone cannot read.
static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"!function[ \t]+["']?([A-Za-z_][\w.\-/]*)["']?"#).ok());

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The file in which it is.
    pub(super) file: PathBuf,
    /// Its line.
    pub(super) line: u64,
    /// The lines of the items, if it is a list.
    pub(super) item_lines: Vec<u64>,
    /// The value.
    pub(super) value: Value,
}

impl Setting {
    /// The items of a list, or the single item in its place, each with its line.
    pub(super) fn items(&self) -> Vec<(u64, &Value)> {
        let items = self.value.as_array().map_or_else(|| std::slice::from_ref(&self.value), Vec::as_slice);
        let lines = self.item_lines.iter().copied().chain(std::iter::repeat(self.line));
        lines.zip(items).collect()
    }
}

/// The settings of a task or group.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The file that was opened.
    pub(super) file: PathBuf,
    settings: BTreeMap<String, Setting>,
}

impl Config {
    /// Reads a file and what it includes; its own settings win.
    ///
    /// # Errors
    /// A data failure if a file cannot be read or is no mapping.
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        let mut settings = BTreeMap::new();
        load(file, 0, &mut BTreeSet::new(), &mut settings)?;
        Ok(Self { file: file.to_owned(), settings })
    }

    /// A setting that is not null.
    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key).filter(|setting| !setting.value.is_null())
    }

    /// A setting that is text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|setting| setting.value.as_str())
    }

    /// All settings that are not null.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings
            .iter()
            .filter(|(_, setting)| !setting.value.is_null())
            .map(|(key, setting)| (key.as_str(), setting))
    }

    /// The failure for a setting.
    pub(super) fn fail(&self, key: &str, why: &str) -> Failure {
        match self.settings.get(key) {
            Some(setting) => Failure::data(format!("{}:{}: {key} {why}", setting.file.display(), setting.line)),
            None => Failure::data(format!("{}: {key} {why}", self.file.display())),
        }
    }
}

/// The name of the Python function that a value refers to.
pub(super) fn function(value: &Value) -> Option<&str> {
    function_name(value.as_str()?)
}

/// The name of the Python function that a text refers to.
pub(super) fn function_name(text: &str) -> Option<&str> {
    text.strip_prefix(FUNCTION)
}

fn load(
    file: &Path,
    depth: usize,
    seen: &mut BTreeSet<PathBuf>,
    settings: &mut BTreeMap<String, Setting>,
) -> Result<(), Failure> {
    let real = fs::canonicalize(file).map_err(|error| unreadable(file, error))?;
    if !seen.insert(real) {
        return Err(Failure::data(format!("{} includes itself", file.display())));
    }
    if depth > MAX_DEPTH {
        return Err(Failure::data(format!("{} is included more than {MAX_DEPTH} files deep", file.display())));
    }
    let document = Document::parse(source(file)?, file)?;
    let Some(entries) = document.root().mapping() else {
        return Err(Failure::data(format!("{} is not a mapping of settings to values", file.display())));
    };
    if let Some(includes) = entries.get("include") {
        for included in includes.items() {
            let Some(name) = included.text() else {
                return Err(Failure::data(format!(
                    "{}:{}: include is not a file name",
                    file.display(),
                    included.line()
                )));
            };
            load(&file.parent().unwrap_or(Path::new("")).join(name), depth + 1, seen, settings)?;
        }
    }
    for (key, reader) in entries.iter().filter(|(key, _)| *key != "include") {
        let value = value(key, reader)
            .map_err(|fault| Failure::data(format!("{}:{}: {key} {fault}", file.display(), reader.line())))?;
        let item_lines = reader.items().map(|item| item.line()).collect();
        settings.insert(key.to_owned(), Setting { file: file.to_owned(), line: reader.line(), item_lines, value });
    }
    Ok(())
}

/// The value of a setting. Of a mapping of choices, only the values count, in their order.
fn value(key: &str, reader: Reader<'_>) -> Result<Value, Fault> {
    let choices = reader.mapping().filter(|choices| key == "doc_to_choice" && choices.iter().next().is_some());
    match choices {
        Some(choices) => choices.iter().map(|(_, choice)| choice.read::<Value>()).collect(),
        None => reader.read(),
    }
}

/// The text of a file, in which references to Python code are quoted.
fn source(file: &Path) -> Result<String, Failure> {
    let size = fs::metadata(file).map_err(|error| unreadable(file, error))?.len();
    if size > MAX_BYTES {
        return Err(Failure::data(format!("{} is larger than 16 MiB", file.display())));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, error))?;
    Ok(match TAG.as_ref() {
        Some(tag) => tag.replace_all(&text, "\"!function $1\"").into_owned(),
        None => text,
    })
}
