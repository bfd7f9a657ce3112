//! Tests: written in the configuration, in files, and as scenarios; merged with the defaults, and one for each
//! combination of their variables.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::assertions::{ATTACK, Assertion};
use super::desk::Desk;
use super::files::{extension, is_script, path_and_function};
use super::rows;
use super::templates::{is_template, render};
use super::tree::{Item, Kind, References};

/// Keys of a test.
pub(super) const KEYS: [&str; 13] = [
    "description",
    "vars",
    "provider",
    "providers",
    "prompts",
    "providerOutput",
    "assert",
    "assertScoringFunction",
    "options",
    "threshold",
    "metadata",
    "path",
    "config",
];

/// Keys that make a mapping a test rather than a row of variables.
const OF_TEST: [&str; 8] =
    ["vars", "assert", "options", "metadata", "provider", "providerOutput", "threshold", "description"];

/// Options of a test.
const OPTIONS: [&str; 12] = [
    "prefix",
    "suffix",
    "provider",
    "rubricPrompt",
    "factuality",
    "transform",
    "postprocess",
    "disableVarExpansion",
    "disableConversationVar",
    "runSerially",
    "disableDefaultAsserts",
    "prompt",
];

/// How many tests one may become by the values of its variables.
const MAX_COMBINATIONS: usize = 10_000;

/// How many tests an import may have.
const MAX_CASES: usize = 500_000;

/// Why a list of tests that a program makes is not read.
const PROGRAM: &str = "a program makes these tests; let it write a CSV, JSON or YAML file and name that";

/// A test, merged with the defaults and with one value for each variable.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Its place, without what is there.
    pub(super) at: Item,
    /// What it is called.
    pub(super) description: Option<String>,
    /// Its variables.
    pub(super) vars: Map<String, Value>,
    /// The assertions of all tests.
    pub(super) common: Vec<Rc<Assertion>>,
    /// Its own assertions.
    pub(super) own: Vec<Rc<Assertion>>,
    /// From which mean score on it passes. With one of 0, every answer passes.
    pub(super) threshold: Option<f64>,
    /// Its metadata.
    pub(super) metadata: Map<String, Value>,
    /// What is sent before and after the prompt.
    pub(super) around: (String, String),
    /// Its own provider.
    pub(super) provider: Option<Item>,
    /// The providers and prompts that it is for; all if empty.
    pub(super) only: [Vec<String>; 2],
    /// The answer that is scored without asking a provider.
    pub(super) output: Option<String>,
    /// Whether it is the first of the tests that one became.
    pub(super) first: bool,
}

/// Reads tests and scenarios.
pub(super) struct Reading<'d, 'a> {
    /// Files and notes.
    pub(super) desk: &'d mut Desk<'a>,
    /// The defaults.
    pub(super) default: Option<Rc<Item>>,
    /// How the providers change answers, if all do the same.
    pub(super) before: Option<Item>,
    /// The tests.
    pub(super) cases: Vec<Case>,
    common: BTreeMap<String, Vec<Rc<Assertion>>>,
}

impl<'d, 'a> Reading<'d, 'a> {
    /// A reader of tests with these defaults.
    pub(super) fn new(desk: &'d mut Desk<'a>, default: Option<Item>, before: Option<Item>) -> Self {
        Self { desk, default: default.map(Rc::new), before, cases: Vec::new(), common: BTreeMap::new() }
    }

    /// Reads tests.
    pub(super) fn tests(&mut self, tests: &Item) {
        for test in self.loaded(tests, 0) {
            self.test(&test, None);
        }
    }

    /// Reads scenarios: every set of values with every test.
    pub(super) fn scenarios(&mut self, scenarios: &Item, depth: usize) {
        for scenario in scenarios.items() {
            if let Some(reference) = scenario.text().filter(|_| depth < 3) {
                for loaded in self.files(scenario, reference) {
                    self.scenarios(&loaded, depth + 1);
                }
                continue;
            }
            self.desk.unknown(scenario, &["description", "config", "tests"], "a scenario");
            let tests = scenario.get("tests").map(|tests| self.loaded(tests, 0));
            let tests = tests.unwrap_or_else(|| vec![scenario.at(Kind::Map(Vec::new()))]);
            let empty = || vec![scenario.at(Kind::Map(Vec::new()))];
            let configs = scenario.get("config").map_or_else(empty, |config| self.loaded(config, 0));
            for config in &configs {
                self.desk.unknown(config, &KEYS, "the config of a scenario");
                for test in &tests {
                    self.test(test, Some(config));
                }
            }
        }
    }

    /// The tests of an item: itself, or those in the files that it names.
    fn loaded(&mut self, item: &Item, depth: usize) -> Vec<Item> {
        if depth > 4 {
            return Vec::new();
        }
        match &item.kind {
            Kind::List(items) => items.iter().flat_map(|one| self.loaded(one, depth + 1)).collect(),
            Kind::Text(reference) => self.files(item, reference),
            Kind::Map(_) => match item.get("path").and_then(Item::text) {
                Some(path) if item.get("vars").is_none() && item.get("assert").is_none() => self.files(item, path),
                _ => vec![item.clone()],
            },
            Kind::Null => Vec::new(),
            _ => {
                self.desk.note(item, "tests", "it is neither a test nor a file; remove it");
                Vec::new()
            }
        }
    }

    /// The tests in the files that a reference names.
    fn files(&mut self, at: &Item, reference: &str) -> Vec<Item> {
        let remote = ["http://", "https://", "huggingface://", "s3://", "gs://", "az://"];
        if let Some(start) = remote.iter().find(|start| reference.starts_with(**start)) {
            let why = format!("tests at {start} are not fetched; save them as a CSV, JSON or YAML file and name that");
            self.desk.note(at, "tests", why);
            return Vec::new();
        }
        let (path, _) = path_and_function(reference);
        let kind = extension(path);
        if is_script(&kind) || kind == "py" {
            self.desk.note(at, "tests", PROGRAM);
            return Vec::new();
        }
        let found = match self.desk.files.matching(path) {
            Ok(found) if found.is_empty() => Err("no file has such a name".to_owned()),
            other => other,
        };
        match found {
            Ok(found) => found.iter().flat_map(|path| self.file(at, path)).collect(),
            Err(why) => {
                self.desk.note(at, "tests", format!("the file {path} is not read: {why}"));
                Vec::new()
            }
        }
    }

    fn file(&mut self, at: &Item, path: &Path) -> Vec<Item> {
        let shown = self.desk.files.shown(path);
        let kind = extension(&shown.to_string_lossy());
        let read = match kind.as_str() {
            "csv" | "tsv" | "jsonl" | "ndjson" => self.desk.files.read(path).map(|text| match kind.as_str() {
                "csv" => rows::csv(&text, &shown, b','),
                "tsv" => rows::csv(&text, &shown, b'\t'),
                _ => rows::json_lines(&text, &shown),
            }),
            "json" | "yaml" | "yml" => self.desk.parse(path).map(|item| vec![Ok(self.dereferenced(&item))]),
            "xlsx" | "xls" => Err("spreadsheets are not read; save it as CSV and name that".to_owned()),
            _ if is_script(&kind) || kind == "py" => Err(PROGRAM.to_owned()),
            _ => Err("files of this kind are not read; save it as CSV, JSON or YAML".to_owned()),
        };
        let mut tests = Vec::new();
        match read {
            Ok(read) => {
                for row in read {
                    match row {
                        Ok(item) => tests.extend(item.items().iter().cloned().map(as_test)),
                        Err((line, why)) => self.desk.out.bad_row(&shown, line, why),
                    }
                }
            }
            Err(why) => self.desk.note(at, "tests", format!("{}: {why}", shown.display())),
        }
        tests
    }

    fn dereferenced(&mut self, item: &Item) -> Item {
        let desk = &mut *self.desk;
        let mut load = |at: &Item, path: &str| desk.load(at, path).ok();
        References::new(item, &mut load).resolve(item, 0)
    }

    /// Adds a test, with the values of a scenario.
    fn test(&mut self, test: &Item, scenario: Option<&Item>) {
        if self.cases.len() >= MAX_CASES {
            return self.desk.note_once(test, "tests", "there are more than 500,000 tests; the rest is left out");
        }
        if let Some(reference) = test.text() {
            for loaded in self.files(test, reference) {
                if loaded.is_map() {
                    self.test(&loaded, scenario);
                }
            }
            return;
        }
        if !test.is_map() {
            return self.desk.note(test, "tests", "it is no test; remove it");
        }
        self.desk.unknown(test, &KEYS, "a test");
        self.check_columns(test);
        let default = self.default.clone();
        let layers: Vec<&Item> = [default.as_deref(), scenario, Some(test)].into_iter().flatten().collect();
        let options = merged(test, &layers, "options");
        self.check_options(&options);
        let expand = !options.get("disableVarExpansion").is_some_and(Item::is_true);
        let vars = self.vars(test, &layers, expand);
        let case = self.case(test, scenario, &layers, &options);
        let combinations = combinations(&vars, expand);
        if combinations.len() >= MAX_COMBINATIONS {
            self.desk.note(test, "vars", "its variables have more than 10,000 combinations; the rest is left out");
        }
        for (number, vars) in combinations.into_iter().enumerate() {
            let vars = self.filled(test, vars);
            self.cases.push(Case { vars, first: number == 0, ..case.clone() });
        }
    }

    /// Everything of a test but its variables.
    fn case(&mut self, test: &Item, scenario: Option<&Item>, layers: &[&Item], options: &Item) -> Case {
        let last = |key: &str| layers.iter().rev().find_map(|layer| layer.get(key)).cloned();
        let text = |key: &str| options.get(key).and_then(Item::scalar).unwrap_or_default();
        let names = |key: &str| {
            last(key).map(|names| names.items().iter().filter_map(Item::scalar).collect()).unwrap_or_default()
        };
        let only = [names("providers"), names("prompts")];
        if let Some(function) = last("assertScoringFunction") {
            let why = "a program combines the scores, but here all assertions have to pass; write an exec scorer if \
                       that differs";
            self.desk.note_once(&function, "assertScoringFunction", why);
        }
        let own: Vec<Rc<Assertion>> =
            [scenario, Some(test)].into_iter().flatten().flat_map(|layer| self.assertions(layer, options)).collect();
        let defaults = !options.get("disableDefaultAsserts").is_some_and(Item::is_true);
        let output = last("providerOutput");
        Case {
            at: test.at(Kind::Null),
            description: test.get("description").or_else(|| scenario?.get("description")).and_then(Item::scalar),
            vars: Map::new(),
            common: if defaults { self.common(options) } else { Vec::new() },
            own,
            threshold: last("threshold").and_then(|threshold| threshold.number()).map(|threshold| threshold.max(0.0)),
            metadata: merged(test, layers, "metadata").value().as_object().cloned().unwrap_or_default(),
            around: (text("prefix"), text("suffix")),
            provider: last("provider"),
            only,
            output: output.map(|output| output.scalar().unwrap_or_else(|| output.value().to_string())),
            first: true,
        }
    }

    /// The assertions of the defaults under these options.
    fn common(&mut self, options: &Item) -> Vec<Rc<Assertion>> {
        let key = options.value().to_string();
        if let Some(known) = self.common.get(&key) {
            return known.clone();
        }
        let default = self.default.clone();
        let read = default.map(|default| self.assertions(&default, options)).unwrap_or_default();
        self.common.insert(key, read.clone());
        read
    }

    fn assertions(&mut self, test: &Item, options: &Item) -> Vec<Rc<Assertion>> {
        let Some(listed) = test.get("assert") else { return Vec::new() };
        let mut read = Vec::new();
        for item in listed.items() {
            let loaded = match item.text() {
                Some(reference) if reference.starts_with("file://") => match self.desk.load(item, reference) {
                    Ok(loaded) => loaded,
                    Err(why) => {
                        self.desk.note(item, "assert", why);
                        continue;
                    }
                },
                _ => item.clone(),
            };
            for one in loaded.items() {
                match Assertion::read(&with_goal(one, test), Some(options), self.before.as_ref(), 0) {
                    Some(assertion) => read.push(Rc::new(assertion)),
                    None => self.desk.note(one, "assert", "it has no type; add one, such as contains"),
                }
            }
        }
        read
    }

    /// Reports columns of tables that set something of assertions other than their threshold.
    fn check_columns(&mut self, test: &Item) {
        let columns = test.get("config").map(Item::entries).unwrap_or_default();
        for (column, cell) in columns.iter().filter(|(column, _)| column.starts_with(rows::CONFIG)) {
            let why = "of such columns, only those of thresholds are read, and only numbers in them; write this into the \
                       assertion";
            self.desk.note_once(cell, column, why);
        }
    }

    fn check_options(&mut self, options: &Item) {
        for (name, value) in options.entries() {
            let why = match name.as_str() {
                "transformVars" => "variables are not changed before they are used; write the changed values",
                "storeOutputAs" => "answers to earlier tests are not available; write a conversation with turns",
                "repeat" if value.number() == Some(1.0) => continue,
                "repeat" => "one test is not repeated by itself; write repeat into the suite, for all tests of it",
                name if OPTIONS.contains(&name) => continue,
                _ => {
                    "this option has no counterpart; if it is a setting of the model, write it under params of the \
                     endpoint"
                }
            };
            self.desk.note_once(value, &format!("options: {name}"), why);
        }
    }

    /// The variables of all layers, with the values that are in files.
    fn vars(&mut self, test: &Item, layers: &[&Item], expand: bool) -> Vec<(String, Item)> {
        let mut vars: Vec<(String, Item)> = Vec::new();
        for layer in layers {
            let Some(own) = layer.get("vars") else { continue };
            let own = match &own.kind {
                Kind::Map(_) => vec![own.clone()],
                Kind::Text(_) | Kind::List(_) => {
                    let texts: Vec<String> = own.items().iter().filter_map(Item::scalar).collect();
                    texts.iter().flat_map(|reference| self.var_files(own, reference)).collect()
                }
                _ => Vec::new(),
            };
            for (name, value) in own.iter().flat_map(|own| own.entries()) {
                vars.retain(|(known, _)| known != name);
                vars.push((name.clone(), value.clone()));
            }
        }
        for (name, value) in &mut vars {
            if refers_to_file(value) {
                *value = self.var_file(test, name, value);
            } else if expands(value, expand) && value.items().iter().any(refers_to_file) {
                *value = self.var_list(test, name, value);
            }
        }
        vars
    }

    /// A list of values, of which some are in files.
    fn var_list(&mut self, test: &Item, name: &str, list: &Item) -> Item {
        let mut values = Vec::new();
        for value in list.items() {
            match refers_to_file(value) {
                true => values.extend(self.var_file(test, name, value).items().iter().cloned()),
                false => values.push(value.clone()),
            }
        }
        list.at(Kind::List(values))
    }

    fn var_files(&mut self, at: &Item, reference: &str) -> Vec<Item> {
        let (path, _) = path_and_function(reference);
        match self.desk.files.matching(path) {
            Ok(found) if !found.is_empty() => {
                let mut read = Vec::new();
                for path in &found {
                    match self.desk.parse(path) {
                        Ok(item) => read.push(item),
                        Err(why) => self.desk.note(at, "vars", why),
                    }
                }
                read
            }
            _ => {
                self.desk.note(at, "vars", format!("there is no file {path}; copy it there"));
                Vec::new()
            }
        }
    }

    /// The value of a variable that is in a file, or one for each file.
    fn var_file(&mut self, test: &Item, name: &str, value: &Item) -> Item {
        let reference = value.text().unwrap_or_default().to_owned();
        let found = self.desk.files.matching(&reference);
        let mut read = Vec::new();
        let fail = |why: String| format!("the value of {name} is not read: {why}; the reference is kept in its place");
        match found {
            Ok(found) => {
                for path in &found {
                    match self.var_text(path) {
                        Ok(text) => read.push(value.at(Kind::Text(text))),
                        Err(why) => self.desk.note(test, "vars", fail(why)),
                    }
                }
            }
            Err(why) => self.desk.note(test, "vars", fail(why)),
        }
        match read.len() {
            0 => value.clone(),
            1 => read.remove(0),
            _ => value.at(Kind::List(read)),
        }
    }

    fn var_text(&mut self, path: &Path) -> Result<String, String> {
        let kind = extension(&path.to_string_lossy());
        match kind.as_str() {
            "yaml" | "yml" => self.desk.parse(path).map(|item| item.value().to_string()),
            kind if is_script(kind) || kind == "py" => Err("a program gives it".to_owned()),
            "pdf" | "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "svg" | "mp3" | "wav" | "mp4" | "docx"
            | "xlsx" => Err(format!("{kind} files are not text")),
            _ => self.desk.files.read(path).map(|text| text.trim().to_owned()),
        }
    }

    /// The variables with the templates in them filled in.
    fn filled(&mut self, test: &Item, mut vars: Map<String, Value>) -> Map<String, Value> {
        for value in vars.values_mut() {
            match value {
                Value::Null => *value = Value::String(String::new()),
                Value::String(text) if text.ends_with('\n') => drop(text.pop()),
                _ => {}
            }
        }
        // A value may contain another one, which contains another one.
        for _ in 0..3 {
            let before = vars.clone();
            for (name, value) in &mut vars {
                let Value::String(text) = value else { continue };
                if !is_template(text) {
                    continue;
                }
                match render(text, &before) {
                    Ok(filled) => *text = filled,
                    Err(why) => {
                        let why = format!(
                            "the value of {name} is a template that is not filled in: {why}; write the value itself"
                        );
                        self.desk.note_once(test, "vars", why);
                    }
                }
            }
            if vars == before {
                break;
            }
        }
        vars
    }
}

/// A row of a file as a test: a mapping without any key of tests has variables only.
fn as_test(item: Item) -> Item {
    let is_test = item.entries().iter().any(|(name, _)| OF_TEST.contains(&name.as_str()) || name == "path");
    match &item.kind {
        Kind::Map(entries) if !is_test && !entries.is_empty() => rows::test_of_row(&item, entries),
        _ => item,
    }
}

/// An assertion on an attack, with what it is about, which is in the metadata of its test.
fn with_goal(assertion: &Item, test: &Item) -> Item {
    let Some(attack) = assertion.get("type").and_then(Item::text).and_then(|kind| kind.split(ATTACK).nth(1)) else {
        return assertion.clone();
    };
    let key = if attack == "policy" { "policy" } else { "goal" };
    let about =
        test.get("metadata").and_then(|metadata| metadata.get(key)).filter(|_| assertion.get("value").is_none());
    let mut entries = assertion.entries().to_vec();
    entries.extend(about.map(|about| ("value".to_owned(), about.clone())));
    assertion.at(Kind::Map(entries))
}

/// A mapping that several layers have, the last one first in case of doubt.
fn merged(at: &Item, layers: &[&Item], key: &str) -> Item {
    let mut entries: BTreeMap<String, Item> = BTreeMap::new();
    for (name, value) in layers.iter().filter_map(|layer| layer.get(key)).flat_map(|item| item.entries()) {
        entries.insert(name.clone(), value.clone());
    }
    at.at(Kind::Map(entries.into_iter().collect()))
}

fn refers_to_file(value: &Item) -> bool {
    value.text().is_some_and(|text| text.starts_with("file://"))
}

/// Whether each item of a value is a value of its own, for a test of its own.
fn expands(value: &Item, expand: bool) -> bool {
    let first = matches!(value.kind, Kind::List(_)).then(|| value.items().first()).flatten();
    expand && first.is_some_and(|first| first.text().is_some())
}

/// Every combination of the values of variables that are lists of texts.
fn combinations(vars: &[(String, Item)], expand: bool) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for (name, value) in vars {
        let values: Vec<Value> = match expands(value, expand) {
            true => value.items().iter().map(Item::value).collect(),
            false => vec![value.value()],
        };
        let with = |done: &Map<String, Value>, value: &Value| {
            let mut next = done.clone();
            next.insert(name.clone(), value.clone());
            next
        };
        let next = all.iter().flat_map(|done| values.iter().map(move |value| with(done, value)));
        all = next.take(MAX_COMBINATIONS).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::Recorded;
    use super::super::tree;
    use super::*;

    #[test]
    fn the_tests_that_one_becomes_do_not_copy_what_it_says() {
        let mut out = Recorded::default();
        let config = Path::new("promptfooconfig.yaml");
        let mut desk = Desk::new(&mut out, config);
        let tests = "- vars: {q: [a, b]}\n  assert: [{type: is-json}]\n";
        let mut reading = Reading::new(&mut desk, None, None);
        reading.tests(&tree::parse(tests.to_owned(), config).unwrap());
        let places: Vec<_> = reading.cases.iter().map(|case| (case.at.line, case.at.is_null())).collect();
        assert_eq!(places, [(1, true), (1, true)]);
    }
}
