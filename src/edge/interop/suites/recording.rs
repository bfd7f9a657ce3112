//! A sink for tests: remembers what it receives, and checks that karat can load it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Carried, Note, Sink, SuiteFormat};
use crate::core::domain::{Card, Example, Failure, Message, Score, Suite};
use crate::core::golden::example_from_row;
use crate::core::prompt::CompiledPrompt;
use crate::core::scoring::{Answer, SuiteScorers};
use crate::edge::config::{CardFile, example_scorers, load_suite, load_workspace, read_yaml};
use crate::edge::dataset::read_examples;
use crate::edge::yaml::to_yaml;

/// What an importer handed over.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) endpoints: BTreeMap<String, Map<String, Value>>,
    pub(super) suites: BTreeMap<String, Map<String, Value>>,
    pub(super) cards: BTreeMap<String, Map<String, Value>>,
    pub(super) examples: Vec<(String, u64, Map<String, Value>)>,
    pub(super) bad: Vec<(u64, String)>,
    pub(super) carried: Vec<(String, Carried)>,
    pub(super) notes: Vec<Note>,
}

impl Recorded {
    /// Reads a file or folder.
    pub(super) fn read(format: &dyn SuiteFormat, path: &Path) -> Result<Self, Failure> {
        let mut recorded = Self::default();
        format.read(path, &mut recorded)?;
        Ok(recorded)
    }

    /// Reads text as a file of this name in a folder of its own.
    pub(super) fn of_text(format: &dyn SuiteFormat, name: &str, text: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Self::read(format, &path)
    }

    /// Reads a fixture of the repository.
    pub(super) fn fixture(format: &dyn SuiteFormat, name: &str) -> Self {
        let path = Path::new("tests/fixtures/import").join(name);
        let recorded = Self::read(format, &path).unwrap();
        recorded.assert_loads();
        recorded
    }

    /// The examples of a dataset.
    pub(super) fn rows(&self, dataset: &str) -> Vec<Value> {
        let of =
            |(name, _, row): &(String, u64, Map<String, Value>)| (name == dataset).then(|| Value::Object(row.clone()));
        self.examples.iter().filter_map(of).collect()
    }

    /// A suite as a value.
    pub(super) fn suite(&self, name: &str) -> Value {
        let names = || self.suites.keys().cloned().collect::<Vec<_>>().join(", ");
        Value::Object(self.suites.get(name).unwrap_or_else(|| panic!("no suite {name}, but {}", names())).clone())
    }

    /// Lines and names of the notes.
    pub(super) fn noted(&self) -> Vec<(u64, &str)> {
        self.notes.iter().map(|note| (note.line, note.what.as_str())).collect()
    }

    /// A suite and one of its examples, as karat loads them.
    fn loaded(&self, suite: &str, row: usize) -> (Suite, Example) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.yaml");
        fs::write(&path, to_yaml(&super::draft::object(self.suite(suite)))).unwrap();
        let suite = load_suite(&path).unwrap();
        let row = super::draft::object(self.rows(&suite.dataset)[row].clone());
        (suite, example_from_row(1, row).unwrap())
    }

    /// How the scorers of a suite score an answer to one of its examples; `None` where they do not.
    pub(super) fn scores(&self, suite: &str, row: usize, output: &str) -> Vec<Option<f64>> {
        let (suite, example) = self.loaded(suite, row);
        let scorers = SuiteScorers::new(&suite.scorers, &suite.vars, example_scorers).unwrap();
        let scores = scorers.of(&example).score(&Answer::text(output), &example, &[]);
        let value = |score: (String, Score)| match score.1 {
            Score::Value(value, _) => Some(value),
            Score::Skipped(_) => None,
            Score::Failed(reason) => panic!("{}: {reason}", score.0),
        };
        scores.into_iter().map(value).collect()
    }

    /// The messages that a suite sends for one of its examples, as role and text.
    pub(super) fn sent(&self, suite: &str, row: usize) -> Vec<(String, String)> {
        let (suite, example) = self.loaded(suite, row);
        let prompt = CompiledPrompt::compile(&suite.prompts[0].prompt, &[], &suite.vars).unwrap();
        let message = |message: Message| (message.role, message.content.as_str().unwrap().to_owned());
        prompt.render(&example).unwrap().into_iter().map(message).collect()
    }

    /// Writes a workspace and loads all of it.
    pub(super) fn assert_loads(&self) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: PathBuf, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let endpoints = self.endpoints.iter().map(|(name, keys)| (name.clone(), Value::Object(keys.clone()))).collect();
        let settings = Map::from_iter([("endpoints".to_owned(), Value::Object(endpoints))]);
        write("karat.yaml".into(), &to_yaml(&settings));
        let (config, _) = load_workspace(folder.path()).unwrap();
        for (name, suite) in &self.suites {
            let path = Path::new("suites").join(format!("{name}.yaml"));
            write(path.clone(), &to_yaml(suite));
            let suite = load_suite(&folder.path().join(path)).unwrap();
            assert!(suite.endpoints.iter().all(|name| config.endpoints.contains_key(name)), "{:?}", suite.endpoints);
            assert!(self.cards.contains_key(&suite.dataset), "{}", suite.dataset);
        }
        for (name, card) in &self.cards {
            let of = Path::new("datasets").join(name);
            write(of.join("dataset.yaml"), &to_yaml(card));
            let lines: Vec<String> = self.rows(name).iter().map(Value::to_string).collect();
            write(of.join("examples.jsonl"), &lines.join("\n"));
            let card = read_yaml::<CardFile>(&folder.path().join(of.join("dataset.yaml"))).unwrap();
            let read =
                read_examples(&folder.path().join(of.join("examples.jsonl")), name, Card::try_from(card).unwrap());
            let read = read.unwrap();
            // A dataset without examples is refused as a whole, with a message that is enough.
            if !lines.is_empty() {
                read.complete().unwrap_or_else(|failure| panic!("{failure:?}"));
            }
        }
    }
}

/// A name that is not taken yet, or is taken by the same thing.
fn free<T: PartialEq>(name: &str, value: &T, taken: &BTreeMap<String, T>) -> String {
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    names.find(|name| taken.get(name).is_none_or(|other| other == value)).unwrap_or_default()
}

impl Sink for Recorded {
    fn endpoint(&mut self, name: &str, definition: Map<String, Value>) -> String {
        let name = free(name, &definition, &self.endpoints);
        self.endpoints.insert(name.clone(), definition);
        name
    }

    fn suite(&mut self, name: &str, suite: Map<String, Value>) -> String {
        let name = free(name, &suite, &self.suites);
        self.suites.insert(name.clone(), suite);
        name
    }

    fn dataset(&mut self, name: &str, card: Map<String, Value>) -> String {
        let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
        let name = names.find(|name| !self.cards.contains_key(name)).unwrap_or_default();
        self.cards.insert(name.clone(), card);
        name
    }

    fn example(&mut self, dataset: &str, line: u64, row: Map<String, Value>) -> Result<(), Failure> {
        self.examples.push((dataset.to_owned(), line, row));
        Ok(())
    }

    fn bad_row(&mut self, _: &Path, line: u64, reason: String) {
        self.bad.push((line, reason));
    }

    fn file(&mut self, path: PathBuf, _: Vec<u8>) {
        panic!("{} is not expected", path.display());
    }

    fn check_scorer(&self, scorer: &Map<String, Value>) -> Result<(), String> {
        example_scorers(&Value::Array(vec![Value::Object(scorer.clone())])).map(drop)
    }

    fn carried(&mut self, kind: &str, how: Carried) {
        self.carried.push((kind.to_owned(), how));
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
