//! Configurations of promptfoo.

mod apis;
mod assertions;
mod cases;
mod checks;
mod desk;
mod files;
mod formats;
mod groups;
mod http;
mod imports;
mod javascript;
mod judges;
mod patterns;
mod placing;
mod programs;
mod prompts;
mod providers;
mod rows;
mod settings;
mod templates;
#[cfg(test)]
mod tests;
mod trajectory;
mod tree;
mod values;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::cases::Case;
use self::checks::Checks;
use self::desk::Desk;
use self::groups::{Parts, Writer};
use self::providers::Provider;
use self::tree::{Item, Kind, References};
use super::draft::{baseline, slug};
use super::{Sink, SuiteFormat};
use crate::core::domain::Failure;

/// The names of a configuration in a folder.
const NAMES: [&str; 3] = ["promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json"];

/// Keys of a configuration that are read.
const READ: [&str; 12] = [
    "description",
    "providers",
    "targets",
    "prompts",
    "tests",
    "scenarios",
    "defaultTest",
    "evaluateOptions",
    "redteam",
    "$schema",
    "tags",
    "commandLineOptions",
];

/// Keys that have no counterpart, and what to do.
const OTHER: [(&str, &str); 9] = [
    ("env", "variables are not carried over, since they may be secret; set them in the environment or in .env"),
    ("outputPath", "results are stored; write a report with `karat report`, or export them with `karat export`"),
    ("sharing", "results stay on this machine; remove it"),
    ("writeLatestResults", "results are always stored; remove it"),
    ("derivedMetrics", "metrics made of others have no counterpart; combine scorers with mean"),
    ("extensions", "hooks have no counterpart; run such programs before or after karat"),
    ("nunjucksFilters", "filters of your own have no counterpart; write the changed values"),
    ("metadata", "metadata of the whole configuration has no counterpart; write it into dataset.yaml"),
    ("tracing", "karat receives no traces; remove it"),
];

/// promptfoo's configurations.
#[derive(Debug, Clone, Copy)]
pub struct Promptfoo;

impl SuiteFormat for Promptfoo {
    fn name(&self) -> &'static str {
        "promptfoo"
    }

    fn reads(&self) -> &'static str {
        "configurations of promptfoo 0.118 to 0.123 in YAML or JSON with their prompts, tests (CSV, JSON, JSON Lines, \
         YAML), providers and scripts; a file, or a folder with promptfooconfig.yaml"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        let config = config_file(path)?;
        let text = std::fs::read_to_string(&config)
            .map_err(|error| Failure::data(format!("cannot read {}", config.display())).caused_by(error))?;
        let root = tree::parse(text, &config)?;
        if !root.is_map() || !root.entries().iter().any(|(key, _)| READ.contains(&key.as_str()) && key != "$schema") {
            let what = "it is no configuration of promptfoo: it has neither providers, prompts nor tests; if a \
                        configuration refers to it, import that one";
            return Err(Failure::data(format!("{}: {what}", config.display())));
        }
        let desk = Desk::new(out, &config);
        Import { desk, config: &config }.run(&root)
    }
}

/// The configuration that a path names.
fn config_file(path: &Path) -> Result<PathBuf, Failure> {
    let fail = |what: &str| Err(Failure::data(format!("{}: {what}", path.display())));
    if path.is_dir() {
        return match NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
            Some(file) => Ok(file),
            None => fail("there is no promptfooconfig.yaml in this folder; name the file"),
        };
    }
    match files::is_script(&files::extension(&path.to_string_lossy())) {
        true => fail("a configuration that is a program is not run; write it as YAML"),
        false => Ok(path.to_owned()),
    }
}

struct Import<'a> {
    desk: Desk<'a>,
    config: &'a Path,
}

impl Import<'_> {
    fn run(mut self, written: &Item) -> Result<(), Failure> {
        let root = self.resolved(written);
        let default = self.default_test(&root);
        let providers = self.providers(&root);
        let before = self.before(&providers);
        let prompts = root.get("prompts").map(|prompts| prompts::read(&mut self.desk, prompts)).unwrap_or_default();
        let cases = self.cases(&root, default, before)?;
        self.options(&root);
        let tools = providers.iter().flat_map(|provider| provider.tools.iter().cloned()).collect();
        let mut checks = Checks::new(tools);
        let description = root.get("description").and_then(Item::scalar);
        let prompted = root.get("prompts").is_some();
        let parts = Parts { name: self.name(), description, repeat: self.repeat(&root), providers, prompts, prompted };
        Writer::new(&mut self.desk, &mut checks, &parts).write(&cases)?;
        self.desk.finish();
        Ok(())
    }

    /// The configuration with its references resolved.
    fn resolved(&mut self, root: &Item) -> Item {
        let desk = &mut self.desk;
        let mut load = |at: &Item, path: &str| desk.load(at, path).ok();
        let mut references = References::new(root, &mut load);
        let resolved = references.resolve(root, 0);
        let (used, broken) = (std::mem::take(&mut references.used), std::mem::take(&mut references.broken));
        for (line, reference) in broken {
            let at = Item { line, ..root.at(Kind::Null) };
            self.desk.note(&at, "$ref", format!("{reference} refers to nothing, so it is left out; correct it"));
        }
        for (name, value) in resolved.entries() {
            if let Some((_, why)) = OTHER.iter().find(|(key, _)| key == name) {
                if !value.is_null() {
                    self.desk.note(value, name, *why);
                }
            } else if !READ.contains(&name.as_str()) && !used.contains(name) && !name.starts_with("x-") {
                self.desk.note(
                    value,
                    name,
                    "this key of a configuration is not known, so it is left out; check its spelling",
                );
            }
        }
        resolved
    }

    /// The name of suite and dataset: of the file, or of its folder.
    fn name(&self) -> String {
        let stem = self.config.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let own = stem.replace("promptfooconfig", "").replace("promptfoo", "");
        let own = own.trim_matches(['.', '-', '_']).to_owned();
        let folder = || self.desk.files.base.file_name().map(|name| name.to_string_lossy().into_owned());
        slug(&if own.is_empty() { folder().unwrap_or_default() } else { own })
    }

    fn default_test(&mut self, root: &Item) -> Option<Item> {
        let default = root.get("defaultTest")?;
        let loaded = match default.text() {
            Some(reference) => match self.desk.load(default, reference) {
                Ok(loaded) => loaded,
                Err(why) => {
                    self.desk.note(default, "defaultTest", why);
                    return None;
                }
            },
            None => default.clone(),
        };
        if !loaded.is_map() {
            self.desk.note(
                default,
                "defaultTest",
                "it is no mapping, so it is left out; write one, such as {assert: […]}",
            );
            return None;
        }
        self.desk.unknown(&loaded, &cases::KEYS, "defaultTest");
        Some(loaded)
    }

    fn providers(&mut self, root: &Item) -> Vec<Provider> {
        let listed = root.get("providers").or_else(|| root.get("targets"));
        listed.map(|listed| providers::read(&mut self.desk, listed)).unwrap_or_default()
    }

    /// How all providers change answers.
    fn before(&mut self, providers: &[Provider]) -> Option<Item> {
        let first = providers.first()?.transform.clone();
        let value = |transform: &Option<Item>| transform.as_ref().map(Item::value);
        if providers.iter().all(|provider| value(&provider.transform) == value(&first)) {
            return first;
        }
        for transform in providers.iter().filter_map(|provider| provider.transform.as_ref()) {
            let why = "it is left out, since the providers change answers in different ways; import each in a \
                       configuration of its own";
            self.desk.note(transform, "transform", why);
        }
        None
    }

    fn cases(&mut self, root: &Item, default: Option<Item>, before: Option<Item>) -> Result<Vec<Case>, Failure> {
        let mut reading = cases::Reading::new(&mut self.desk, default, before);
        let (tests, scenarios) = (root.get("tests"), root.get("scenarios"));
        if let Some(tests) = tests {
            reading.tests(tests);
        }
        if let Some(scenarios) = scenarios {
            reading.scenarios(scenarios, 0);
        }
        let listed = [tests, scenarios].into_iter().flatten().find(|listed| !listed.items().is_empty());
        let redteam = root.get("redteam");
        if listed.is_none() && redteam.is_none() && root.get("prompts").is_some() {
            // Without tests, promptfoo sends every prompt as it is.
            reading.tests(&root.at(Kind::Map(vec![("vars".to_owned(), root.at(Kind::Map(Vec::new())))])));
        }
        let cases = reading.cases;
        if let Some(redteam) = redteam {
            let why = "promptfoo generates attacks with models; generate them (promptfoo redteam generate) and import \
                       the file with the tests";
            self.desk.note(redteam, "redteam", why);
        }
        match (cases.is_empty(), listed, redteam) {
            (false, ..) => Ok(cases),
            (true, Some(listed), _) => Err(self.nothing(listed, "none of its tests can be imported")),
            (true, None, Some(redteam)) => Err(self.nothing(
                redteam,
                "there are no tests, only settings of attacks that promptfoo generates with models; generate them \
                 (promptfoo redteam generate), and import the file that it writes",
            )),
            (true, None, None) => Err(self.nothing(root, "it has neither prompts nor tests to import")),
        }
    }

    /// The failure of an import that has nothing to write.
    fn nothing(&self, at: &Item, why: &str) -> Failure {
        let place = format!("{}:{}", self.config.display(), at.line.max(1));
        Failure::data(format!("{place}: {why}")).details(self.desk.reasons.clone())
    }

    /// Options that have no counterpart.
    fn options(&mut self, root: &Item) {
        for key in ["evaluateOptions", "commandLineOptions"] {
            for (name, value) in root.get(key).map(Item::entries).unwrap_or_default() {
                let why = match name.as_str() {
                    "repeat" => continue,
                    "maxConcurrency" => "write -j of `karat run`",
                    "cache" => "answers are cached as karat.yaml says; write --no-cache to ask again",
                    "delay" => "write requests_per_minute of the endpoint",
                    _ => "this option has no counterpart; see `karat run --help`",
                };
                self.desk.note(value, &format!("{key}: {name}"), why);
            }
        }
        for (_, value) in root.get("tags").map(Item::entries).unwrap_or_default() {
            self.desk.note_once(
                value,
                "tags",
                "tags of the whole configuration have no counterpart; write them into the description",
            );
        }
    }

    fn repeat(&self, root: &Item) -> u64 {
        let options = |key: &str| root.get(key).and_then(|options| options.get("repeat")).and_then(Item::number);
        let repeat = options("evaluateOptions").or_else(|| options("commandLineOptions")).unwrap_or(1.0);
        if repeat.is_finite() { repeat.clamp(1.0, 1000.0) as u64 } else { 1 }
    }
}

/// The endpoints of a suite: those of its providers, or the nearest-neighbour baseline if there are none.
fn endpoints(desk: &mut Desk<'_>, providers: &[&Provider]) -> Value {
    let names: Vec<String> = providers.iter().map(|provider| provider.endpoint.clone()).collect();
    match names.is_empty() {
        true => json!([baseline(desk.out)]),
        false => {
            let mut distinct = Vec::new();
            names.into_iter().for_each(|name| {
                if !distinct.contains(&name) {
                    distinct.push(name)
                }
            });
            json!(distinct)
        }
    }
}
