//! `karat.yaml` and `.gitignore` of the workspace that is imported into.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use serde_json::{Map, Value};

use crate::core::domain::Failure;
use crate::core::privacy::sanitize::truncate_chars;
use crate::edge::config::{load_workspace, read_yaml};
use crate::edge::yaml::to_yaml;
use crate::flow::init::with_ignored;

/// The file of a workspace's settings.
pub(super) const SETTINGS: &str = "karat.yaml";

/// Keys of an endpoint that do not decide what it answers. People add them to an imported endpoint, which is still the same
/// one when more is imported.
const OF_THE_WORKSPACE: [&str; 9] = [
    "price",
    "eol",
    "claims",
    "timeout",
    "max_retries",
    "requests_per_minute",
    "tokens_per_minute",
    "workers",
    "http2",
];

/// How many differences of two endpoints are named, and how much of a value is shown.
const DIFFERENCES: usize = 4;
const SHOWN: usize = 60;

/// What the workspace has already.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The path of karat.yaml.
    path: PathBuf,
    /// The text of karat.yaml, if there is one.
    settings: Option<String>,
    /// The endpoints, as written.
    endpoints: Map<String, Value>,
    /// The new `.gitignore`, if it lacks lines.
    pub(super) gitignore: Option<String>,
}

impl Present {
    /// Reads the workspace at `root`, if there is one.
    ///
    /// # Errors
    /// A data failure if its settings are wrong, or a file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let gitignore = with_ignored(root)?;
        let path = root.join(SETTINGS);
        if !path.exists() {
            return Ok(Self { path, gitignore, ..Self::default() });
        }
        load_workspace(root)?;
        let settings = fs::read_to_string(&path)
            .map_err(|error| Failure::data(format!("cannot read {}", path.display())).caused_by(error))?;
        let endpoints = match read_yaml::<BTreeMap<String, Value>>(&path)?.remove("endpoints") {
            Some(Value::Object(endpoints)) => endpoints,
            _ => Map::new(),
        };
        Ok(Self { path, settings: Some(settings), endpoints, gitignore })
    }

    /// How the endpoint of this name differs from a definition; `None` if there is no such endpoint, or it answers alike.
    pub(super) fn difference(&self, name: &str, definition: &Map<String, Value>) -> Option<String> {
        let known = self.endpoints.get(name)?;
        let Value::Object(known) = known else {
            return Some(format!("it is {} in {SETTINGS}", shown(Some(known))));
        };
        let mut differences = Vec::new();
        differ("", known, definition, &mut differences);
        differences.retain(|(key, ..)| !OF_THE_WORKSPACE.contains(&key.split('.').next().unwrap_or(key)));
        let more = differences.len().saturating_sub(DIFFERENCES);
        let named = differences.iter().take(DIFFERENCES);
        let named: Vec<String> =
            named.map(|(key, here, new)| format!("{key} is {here} in {SETTINGS} and {new} in the import")).collect();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
    }

    /// `karat.yaml` with the endpoints: a new one, or the present one with those that it lacks.
    ///
    /// # Errors
    /// A data failure if there is no place for them.
    pub(super) fn with(
        &self,
        header: &str,
        endpoints: &BTreeMap<String, Map<String, Value>>,
    ) -> Result<String, Failure> {
        let missing = endpoints.iter().filter(|(name, _)| !self.endpoints.contains_key(*name));
        let added: Map<String, Value> =
            missing.map(|(name, definition)| (name.clone(), Value::Object(definition.clone()))).collect();
        let all = |added| to_yaml(&Map::from_iter([("endpoints".to_owned(), Value::Object(added))]));
        match &self.settings {
            None => {
                let about = "# `karat schema workspace` prints the JSON Schema of this file.";
                Ok(format!("{header}{about}\n\n{}", all(added)))
            }
            Some(present) if added.is_empty() => Ok(present.clone()),
            Some(present) => with_endpoints(present, &added).ok_or_else(|| {
                Failure::data(format!("cannot add endpoints to {}; nothing was written", self.path.display()))
                    .details(all(added).lines().map(str::to_owned).collect())
                    .hint("write these endpoints into it by hand, then import again")
            }),
        }
    }
}

/// The keys in which two mappings differ, with both values. Within mappings, the keys of these.
fn differ(
    of: &str,
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    differences: &mut Vec<(String, String, String)>,
) {
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    for key in keys {
        let name = if of.is_empty() { key.clone() } else { format!("{of}.{key}") };
        match (one.get(key), other.get(key)) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => differ(&name, one, other, differences),
            (one, other) if alike(one, other) => {}
            (one, other) => differences.push((name, shown(one), shown(other))),
        }
    }
}

/// Whether two values are the same; a number may be written as 0 or 0.0.
fn alike(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            one.len() == other.len() && iter::zip(one, other).all(|(one, other)| alike(Some(one), Some(other)))
        }
        _ => one == other,
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| truncate_chars(&value.to_string(), SHOWN).to_string())
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

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
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
    fn endpoints_differ_by_what_decides_their_answers() {
        let folder = tempfile::tempdir().unwrap();
        let settings = "endpoints:\n  short: openai:gpt-4o\n  gpt: {type: openai, base_url: http://h/v1, model: m, \
                        params: {temperature: 0.0, stop: [a]}, price: {input: 1, output: 2}, timeout: 9s}\n";
        fs::write(folder.path().join(SETTINGS), settings).unwrap();
        let present = Present::read(folder.path()).unwrap();
        let definition =
            |params: Value| map(json!({"type": "openai", "base_url": "http://h/v1", "model": "m", "params": params}));
        let same = definition(json!({"temperature": 0, "stop": ["a"]}));
        assert_eq!(present.difference("gpt", &same), None);
        assert_eq!(present.difference("new", &same), None);
        let other = definition(json!({"temperature": 0.7, "seed": 1, "stop": ["a"]}));
        let expected = "params.temperature is 0.0 in karat.yaml and 0.7 in the import, \
                        params.seed is not set in karat.yaml and 1 in the import";
        assert_eq!(present.difference("gpt", &other).as_deref(), Some(expected));
        assert!(present.difference("short", &same).unwrap().contains("openai:gpt-4o"));
    }
}
