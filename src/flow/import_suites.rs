//! Imports suites and datasets of other tools into a workspace. Everything is read, redacted, written to a temporary folder and
//! loaded from there before the first file of the workspace changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::{Event, Events};
use crate::core::domain::{Card, Failure};
use crate::core::privacy::redact::{RedactionCounts, RedactionKind, Redactor};
use crate::edge::config::{CardFile, example_scorers, load_suite, load_workspace, read_yaml};
use crate::edge::dataset::{examples_file, read_examples};
use crate::edge::files::write_atomic;
use crate::edge::interop::suites::{Carried, Note, Sink, SuiteFormat};
use crate::edge::yaml::{ordered, to_yaml};

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
    /// Rows that could not be read.
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

/// Examples shown without writing them.
const SHOWN: usize = 3;

/// The file of a workspace's settings.
const SETTINGS: &str = "karat.yaml";

/// Kinds of redacted data that are secrets wherever they are; an address in a prompt may be meant to be there.
const SECRETS: [RedactionKind; 6] = [
    RedactionKind::PrivateKey,
    RedactionKind::ApiKey,
    RedactionKind::Jwt,
    RedactionKind::BearerToken,
    RedactionKind::UrlCredentials,
    RedactionKind::Password,
];

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
    let mut draft = Draft::new()?;
    format.read(path, &mut draft)?;
    draft.check_rows(path, options.max_bad)?;
    draft.write_settings(path, format, options)?;
    draft.check_loads(format)?;
    draft.place(options)
}

/// The files of a workspace in a temporary folder.
struct Draft {
    folder: TempDir,
    redactor: Redactor,
    endpoints: BTreeMap<String, Map<String, Value>>,
    suites: BTreeMap<String, Map<String, Value>>,
    examples: BTreeMap<String, BufWriter<fs::File>>,
    cards: BTreeMap<String, Map<String, Value>>,
    rows: u64,
    failed: Option<Failure>,
    result: SuiteImport,
}

fn cannot_write(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::other("cannot write temporary files")
        .hint("is there enough space for temporary files? TMPDIR names another folder")
        .caused_by(error)
}

impl Draft {
    fn new() -> Result<Self, Failure> {
        let redactor = Redactor::new()
            .map_err(|error| Failure::other("cannot set up the redaction of personal data").caused_by(error))?;
        Ok(Self {
            folder: tempfile::tempdir().map_err(cannot_write)?,
            redactor,
            endpoints: BTreeMap::new(),
            suites: BTreeMap::new(),
            examples: BTreeMap::new(),
            cards: BTreeMap::new(),
            rows: 0,
            failed: None,
            result: SuiteImport::default(),
        })
    }

    /// A name that is not taken yet, or is taken by the same thing.
    fn free<T: PartialEq>(name: &str, value: &T, taken: &BTreeMap<String, T>) -> String {
        let names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
        let mut names = names.filter(|name| taken.get(name).is_none_or(|other| other == value));
        names.next().unwrap_or_else(|| name.to_owned())
    }

    /// Replaces secrets in settings, and counts them.
    fn without_secrets(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text_without_secrets(text)),
            Value::Array(items) => items.into_iter().map(|item| self.without_secrets(item)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (key, self.without_secrets(value))).collect::<Map<_, _>>().into()
            }
            other => other,
        }
    }

    fn text_without_secrets(&mut self, mut text: String) -> String {
        for (kind, found) in self.redactor.find(&text) {
            // A reference is not a secret.
            if SECRETS.contains(&kind) && !found.contains("${") {
                text = text.replace(&found, kind.placeholder());
                self.result.redactions.record(kind);
            }
        }
        text
    }

    fn write_file(&mut self, path: &Path, content: &[u8]) {
        let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
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

    fn check_rows(&mut self, path: &Path, max_bad: f64) -> Result<(), Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let bad = self.result.bad_rows.len();
        let rows = self.rows + bad as u64;
        if bad as f64 <= max_bad * rows as f64 {
            return Ok(());
        }
        let line = |(file, line, reason): &(PathBuf, u64, String)| format!("{}:{line}: {reason}", file.display());
        let mut details: Vec<String> = self.result.bad_rows.iter().take(LISTED).map(line).collect();
        if bad > LISTED {
            details.push(format!("… and {} more", bad - LISTED));
        }
        Err(Failure::data(format!("{bad} of {rows} rows of {} cannot be read; nothing was imported", path.display()))
            .details(details)
            .hint("fix the rows, or accept them with --max-bad 0.1"))
    }

    /// Writes suites, cards and `karat.yaml`.
    fn write_settings(
        &mut self,
        path: &Path,
        format: &dyn SuiteFormat,
        options: &SuiteImportOptions,
    ) -> Result<(), Failure> {
        let origin = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let header = format!("# Imported from {origin} ({}) by `karat import`.\n", format.name());
        for (name, mut examples) in std::mem::take(&mut self.examples) {
            examples.flush().map_err(cannot_write)?;
            let card = self.cards.remove(&name).unwrap_or_default();
            self.write_file(
                &Path::new("datasets").join(&name).join("dataset.yaml"),
                (header.clone() + &to_yaml(&card)).as_bytes(),
            );
        }
        for (name, suite) in std::mem::take(&mut self.suites) {
            let text = format!("{header}{}", to_yaml(&suite));
            self.write_file(&Path::new("suites").join(format!("{name}.yaml")), text.as_bytes());
            self.result.suites.push(name);
        }
        self.result.endpoints = self.endpoints.keys().cloned().collect();
        let settings = settings(&header, &std::mem::take(&mut self.endpoints), &options.root)?;
        self.write_file(Path::new(SETTINGS), settings.as_bytes());
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Loads what was written, so that no workspace is left with files that karat cannot read.
    fn check_loads(&self, format: &dyn SuiteFormat) -> Result<(), Failure> {
        let root = self.folder.path();
        let check = || -> Result<(), Failure> {
            load_workspace(root)?;
            for name in &self.result.suites {
                load_suite(&root.join("suites").join(format!("{name}.yaml")))?;
            }
            for name in self.result.datasets.keys() {
                let folder = root.join("datasets").join(name);
                let path = folder.join("dataset.yaml");
                let card = Card::try_from(read_yaml::<CardFile>(&path)?)
                    .map_err(|problem| Failure::data(format!("{}: {problem}", path.display())))?;
                read_examples(&examples_file(&folder)?, name, card)?.complete()?;
            }
            Ok(())
        };
        check().map_err(|failure| {
            let relative = failure.message.replace(&format!("{}/", root.display()), "");
            Failure::data(format!("what was made of it cannot be used: {relative}"))
                .details(failure.details)
                .hint(format!("nothing was written; change this in the {} file, or report it as a bug", format.name()))
        })
    }

    /// Moves the files into the workspace.
    fn place(mut self, options: &SuiteImportOptions) -> Result<SuiteImport, Failure> {
        let mut files = Vec::new();
        collect(self.folder.path(), Path::new(""), &mut files).map_err(cannot_write)?;
        files.sort();
        let mut differing = Vec::new();
        for file in &files {
            let target = options.root.join(file);
            let state = match fs::read(&target) {
                Err(_) => FileState::Created,
                Ok(present) if present == fs::read(self.folder.path().join(file)).map_err(cannot_write)? => {
                    FileState::Unchanged
                }
                Ok(_) => FileState::Changed,
            };
            // Endpoints are only added to the settings.
            if state == FileState::Changed && file != Path::new(SETTINGS) {
                differing.push(target.display().to_string());
            }
            self.result.files.insert(file.clone(), state);
        }
        if !differing.is_empty() && !options.force {
            let several = differing.len();
            differing.truncate(LISTED);
            return Err(Failure::data(format!("{several} files exist already and are different; nothing was written"))
                .details(differing)
                .hint("import into another folder with --into, or replace them with --force"));
        }
        if options.dry_run {
            self.show_first()?;
            return Ok(self.result);
        }
        for (file, state) in &self.result.files {
            if *state != FileState::Unchanged {
                let content = fs::read(self.folder.path().join(file)).map_err(cannot_write)?;
                write_atomic(&options.root.join(file), &content)?;
            }
        }
        super::init::ignore(&options.root)?;
        Ok(self.result)
    }

    fn show_first(&mut self) -> Result<(), Failure> {
        for name in self.result.datasets.keys() {
            let path = self.folder.path().join("datasets").join(name).join("examples.jsonl");
            let text = io::BufRead::lines(io::BufReader::new(fs::File::open(path).map_err(cannot_write)?));
            for line in text.take(SHOWN) {
                self.result.first.push((name.clone(), line.map_err(cannot_write)?));
            }
        }
        Ok(())
    }
}

impl Sink for Draft {
    fn endpoint(&mut self, name: &str, definition: Map<String, Value>) -> String {
        let definition = match self.without_secrets(Value::Object(definition)) {
            Value::Object(definition) => definition,
            _ => Map::new(),
        };
        let name = Self::free(name, &definition, &self.endpoints);
        self.endpoints.insert(name.clone(), definition);
        name
    }

    fn suite(&mut self, name: &str, suite: Map<String, Value>) -> String {
        let suite = match self.without_secrets(Value::Object(suite)) {
            Value::Object(suite) => suite,
            _ => Map::new(),
        };
        let name = Self::free(name, &suite, &self.suites);
        self.suites.insert(name.clone(), suite);
        name
    }

    fn dataset(&mut self, name: &str, card: Map<String, Value>) -> String {
        let taken: BTreeMap<String, ()> = self.result.datasets.keys().map(|name| (name.clone(), ())).collect();
        let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
        let name = names.find(|name| !taken.contains_key(name)).unwrap_or_default();
        let path = Path::new("datasets").join(&name).join("examples.jsonl");
        self.write_file(&path, b"");
        match fs::File::create(self.folder.path().join(&path)) {
            Ok(file) => drop(self.examples.insert(name.clone(), BufWriter::new(file))),
            Err(error) => drop(self.failed.get_or_insert(cannot_write(error))),
        }
        self.cards.insert(name.clone(), card);
        self.result.datasets.insert(name.clone(), 0);
        name
    }

    fn example(&mut self, dataset: &str, _: u64, row: Map<String, Value>) -> Result<(), Failure> {
        let (row, found) = self.redactor.redact_json(&Value::Object(row));
        self.result.redactions.merge(&found);
        self.rows += 1;
        *self.result.datasets.entry(dataset.to_owned()).or_default() += 1;
        let Some(file) = self.examples.get_mut(dataset) else { return Ok(()) };
        let line = match &row {
            Value::Object(row) => json_line(row),
            other => other.to_string(),
        };
        writeln!(file, "{line}").map_err(cannot_write)
    }

    fn bad_row(&mut self, file: &Path, line: u64, reason: String) {
        self.result.bad_rows.push((file.to_owned(), line, reason));
    }

    fn file(&mut self, path: PathBuf, content: Vec<u8>) {
        let content = match String::from_utf8(content) {
            Ok(text) => self.text_without_secrets(text).into_bytes(),
            Err(error) => error.into_bytes(),
        };
        self.write_file(&path, &content);
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

/// Fields that come first in a row, in this order.
const ROW: [&str; 8] = ["id", "input", "turns", "expected", "context", "metadata", "tags", "assert"];

/// A row as a line of JSON, with its fields in the order in which a person would write them.
fn json_line(row: &Map<String, Value>) -> String {
    let mut entries = ordered(row);
    entries.sort_by_key(|(key, _)| ROW.iter().position(|first| first == key).unwrap_or(ROW.len()));
    let entry = |(key, value): &(&String, &Value)| format!("{}: {value}", Value::String((*key).clone()));
    format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let path = folder.join(entry?.file_name());
        if root.join(&path).is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// `karat.yaml` with the endpoints: a new one, or the present one with those that it lacks.
fn settings(header: &str, endpoints: &BTreeMap<String, Map<String, Value>>, root: &Path) -> Result<String, Failure> {
    let path = root.join(SETTINGS);
    if !path.exists() {
        let all: Map<String, Value> =
            endpoints.iter().map(|(name, definition)| (name.clone(), Value::Object(definition.clone()))).collect();
        let endpoints = Map::from_iter([("endpoints".to_owned(), Value::Object(all))]);
        return Ok(format!(
            "{header}# `karat schema workspace` prints the JSON Schema of this file.\n\n{}",
            to_yaml(&endpoints)
        ));
    }
    let present = fs::read_to_string(&path)
        .map_err(|error| Failure::data(format!("cannot read {}", path.display())).caused_by(error))?;
    let (config, _) = load_workspace(root)?;
    let missing: BTreeSet<&String> = endpoints.keys().filter(|name| !config.endpoints.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(present);
    }
    let added: Map<String, Value> = endpoints
        .iter()
        .filter(|(name, _)| missing.contains(name))
        .map(|(name, definition)| (name.clone(), Value::Object(definition.clone())))
        .collect();
    with_endpoints(&present, &added).ok_or_else(|| {
        let text = to_yaml(&Map::from_iter([("endpoints".to_owned(), Value::Object(added))]));
        Failure::data(format!("cannot add endpoints to {}", path.display()))
            .details(text.lines().map(str::to_owned).collect())
            .hint("write these endpoints into it by hand, then import again")
    })
}

/// Adds endpoints below the line `endpoints:`, and leaves every other byte as it is; `None` if there is no such line.
fn with_endpoints(present: &str, added: &Map<String, Value>) -> Option<String> {
    let entries: String = to_yaml(added).lines().map(|line| format!("  {line}\n")).collect();
    let line = |line: &&str| line.trim_end().split(" #").next().map(str::trim_end) == Some("endpoints:");
    match present.split_inclusive('\n').find(line) {
        Some(line) => {
            let at = line.as_ptr() as usize - present.as_ptr() as usize + line.len();
            let (before, after) = present.split_at_checked(at)?;
            // Entries must be indented alike.
            let indent = after.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
            let width = indent.map_or(2, |line| line.len() - line.trim_start().len());
            let pad = " ".repeat(width.saturating_sub(2));
            if width < 2 {
                return None;
            }
            let entries: String = entries.lines().map(|line| format!("{pad}{line}\n")).collect();
            let newline = if before.ends_with('\n') { "" } else { "\n" };
            Some(format!("{before}{newline}{entries}{after}"))
        }
        None if present.lines().any(|line| line.starts_with("endpoints")) => None,
        None => Some(format!("{}\nendpoints:\n{entries}", present.trim_end_matches('\n'))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Hands over what a test wants.
    struct Made(fn(&mut dyn Sink));

    impl SuiteFormat for Made {
        fn name(&self) -> &'static str {
            "made"
        }

        fn reads(&self) -> &'static str {
            ""
        }

        fn read(&self, _: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
            (self.0)(out);
            Ok(())
        }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn small(out: &mut dyn Sink) {
        let endpoint =
            out.endpoint("gpt", map(json!({"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"})));
        let dataset = out.dataset("faq", map(json!({"description": "Questions."})));
        let row = json!({"input": {"topic": "write to jane.roe@example.org"}, "expected": "x"});
        out.example(&dataset, 3, map(row)).unwrap();
        out.suite(
            "faq",
            map(json!({"dataset": dataset, "endpoints": [endpoint], "scorers": ["exact"], "prompt": "{{ topic }}"})),
        );
        out.file("prompts/a.txt".into(), b"key sk-abcdefghijklmnopqrstuvwxyz123456 ${OPENAI_API_KEY}\n".to_vec());
        out.carried("equals", Carried::Directly);
    }

    fn run(read: fn(&mut dyn Sink), options: &SuiteImportOptions) -> Result<SuiteImport, Failure> {
        import_suites(&Made(read), Path::new("config.yaml"), options, &|_| {})
    }

    #[test]
    fn a_workspace_is_written_whole_redacted_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SuiteImportOptions { root: folder.path().to_owned(), max_bad: 0.01, ..SuiteImportOptions::default() };
        let dry = run(small, &SuiteImportOptions { dry_run: true, ..options.clone() }).unwrap();
        assert!(dry.first[0].1.contains("[redacted:email]"), "{:?}", dry.first);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written");

        let done = run(small, &options).unwrap();
        assert_eq!(done.files.len(), 5);
        assert!(done.files.values().all(|state| *state == FileState::Created));
        let examples = fs::read_to_string(folder.path().join("datasets/faq/examples.jsonl")).unwrap();
        assert_eq!(examples, "{\"input\": {\"topic\":\"write to [redacted:email]\"}, \"expected\": \"x\"}\n");
        let prompt = fs::read_to_string(folder.path().join("prompts/a.txt")).unwrap();
        assert_eq!(prompt, "key [redacted:api_key] ${OPENAI_API_KEY}\n");
        load_suite(&folder.path().join("suites/faq.yaml")).unwrap();

        let again = run(small, &options).unwrap();
        assert!(again.files.values().all(|state| *state == FileState::Unchanged), "{:?}", again.files);
        fs::write(folder.path().join("suites/faq.yaml"), "dataset: faq\n").unwrap();
        assert!(run(small, &options).unwrap_err().message.contains("1 files exist already"));
        assert_eq!(
            run(small, &SuiteImportOptions { force: true, ..options }).unwrap().files[Path::new("suites/faq.yaml")],
            FileState::Changed
        );
    }

    #[test]
    fn endpoints_are_added_to_a_workspace_and_every_other_byte_stays() {
        let added = map(json!({"new": {"type": "baseline"}}));
        let cases = [
            (
                "a: 1\nendpoints: # mine\n    old: {type: x}\n# end\n",
                Some("a: 1\nendpoints: # mine\n    new: {type: baseline}\n    old: {type: x}\n# end\n"),
            ),
            ("decay: {}", Some("decay: {}\nendpoints:\n  new: {type: baseline}\n")),
            ("endpoints: {old: {type: x}}\n", None),
        ];
        for (present, expected) in cases {
            assert_eq!(with_endpoints(present, &added).as_deref(), expected, "{present}");
        }
    }

    #[test]
    fn what_karat_could_not_load_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SuiteImportOptions { root: folder.path().to_owned(), max_bad: 0.01, ..SuiteImportOptions::default() };
        let broken = |out: &mut dyn Sink| {
            out.suite("s", map(json!({"dataset": "d", "endpoints": ["e"], "scorers": [{"type": "nothing"}]})));
        };
        let failure = run(broken, &options).unwrap_err();
        assert!(failure.message.contains("what was made of it cannot be used: suites/s.yaml:"), "{failure:?}");
        let bad = |out: &mut dyn Sink| out.bad_row(Path::new("a.jsonl"), 7, "no input".to_owned());
        assert!(run(bad, &options).unwrap_err().details[0].contains("a.jsonl:7: no input"));
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
