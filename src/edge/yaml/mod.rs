//! Reads YAML files into types. Errors name the file, the line, the key, what was found, what was expected, and the
//! nearest known name.

mod about;
mod fault;
mod tree;
mod write;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Error, Spanned};

use self::about::description;
pub(super) use self::about::schema_of;
pub(super) use self::fault::Fault;
use self::tree::Node;
pub(super) use self::tree::{Mapping, Reader, keys_of};
pub use self::write::{ordered, to_yaml};
use crate::core::domain::{Failure, did_you_mean};

/// Keys of other tools, and the corresponding keys here.
const ELSEWHERE: [(&str, &str); 10] = [
    ("providers", "endpoints"),
    ("provider", "endpoints"),
    ("models", "endpoints"),
    ("model", "endpoints"),
    ("solver", "endpoints"),
    ("tests", "dataset"),
    ("data", "dataset"),
    ("assert", "scorers"),
    ("metrics", "scorers"),
    ("threshold", "min"),
];

/// Reads a YAML file.
///
/// # Errors
/// A data failure if the file is missing or unreadable, is not valid YAML, or contains an unknown key or an invalid
/// value.
pub fn read_yaml<T: for<'de> Deserialize<'de> + JsonSchema>(path: &Path) -> Result<T, Failure> {
    let document = Document::open(path)?;
    document.root().read().map_err(|fault| document.failure::<T>(&fault))
}

/// A YAML file in memory.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    source: String,
    root: Spanned<Node>,
}

impl Document {
    /// Reads a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let source = std::fs::read_to_string(path).map_err(|error| {
            let failure = Failure::data(format!("cannot read {}", path.display())).caused_by(error);
            failure.hint("check the path and its permissions; `karat init` creates a workspace")
        })?;
        Self::parse(source, path)
    }

    pub(super) fn parse(source: String, path: &Path) -> Result<Self, Failure> {
        // One anchor may have many aliases, such as the context of all tests; how much they expand to is limited anyway.
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false } };
        match serde_saphyr::from_str_with_options(&source, options) {
            Ok(root) => Ok(Self { path: path.to_owned(), root, source }),
            Err(error) => Err(no_yaml(error.without_snippet(), &source, path)),
        }
    }

    /// A reader of the whole document.
    pub(super) fn root(&self) -> Reader<'_> {
        Reader { node: &self.root, source: &self.source }
    }

    /// The failure for a fault in this file of type `T`; its hint describes the key.
    pub(super) fn failure<T: JsonSchema>(&self, fault: &Fault) -> Failure {
        let place = match fault.place {
            Some((line, column)) => format!("{}:{line}:{column}", self.path.display()),
            None => self.path.display().to_string(),
        };
        let failure = Failure::data(format!("{place}: {fault}"));
        let about = || description::<T>(&fault.steps());
        let hint = match (&fault.hint, fault.unknown(), fault.missing_key()) {
            (Some(hint), ..) => Some(hint.to_string()),
            (None, Some((name, known)), _) => Some(unknown_hint(name, known)),
            (None, None, Some(key)) => Some(match about() {
                Some(about) => format!("add \"{key}: …\": {about}"),
                None => format!("add \"{key}: …\""),
            }),
            (None, None, None) => about(),
        };
        failure.hint(hint.unwrap_or_else(|| "`karat schema` prints the JSON Schema of each file".to_owned()))
    }
}

fn unknown_hint(name: &str, known: &[&'static str]) -> String {
    let elsewhere = ELSEWHERE.iter().find(|(theirs, ours)| *theirs == name && known.contains(ours));
    did_you_mean(elsewhere.map_or(name, |(_, ours)| ours), known, "known here:")
}

/// The failure for text that is not valid YAML, with a hint about the most likely cause.
fn no_yaml(error: &Error, source: &str, path: &Path) -> Failure {
    let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
    let place = match error.location() {
        Some(location) => format!("{}:{}:{}", path.display(), location.line(), location.column()),
        None => path.display().to_string(),
    };
    let around = |line: usize| source.lines().skip(line.saturating_sub(2)).take(2);
    let written = |part: &str| line.is_some_and(|line| around(line).any(|text| text.contains(part)));
    let (what, hint) = match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(String::new, |key| format!(" \"{key}\""));
            (format!("the key{key} appears twice"), "remove one of them".to_owned())
        }
        Error::MultipleDocuments { .. } => {
            ("a second document starts".to_owned(), "remove the line \"---\"".to_owned())
        }
        _ if written("{{") => (
            "is not valid YAML".to_owned(),
            "quote text that contains a template: prompt: \"{{ input }}\", or write it below \"prompt: |\"".to_owned(),
        ),
        _ if written("${") => {
            ("is not valid YAML".to_owned(), "quote references inside {…}: {api_key: \"${KEY}\"}".to_owned())
        }
        _ if written("\t") => ("is not valid YAML".to_owned(), "indent with spaces, not with tabs".to_owned()),
        other => {
            let said = other.to_string();
            let said = said.lines().next().unwrap_or_default().split(" at line ").next().unwrap_or_default();
            let hint = "quote text that contains \": \", \"#\" or quotes, and check brackets and indentation";
            (format!("is not valid YAML: {said}"), hint.to_owned())
        }
    };
    Failure::data(format!("{place}: {what}")).hint(hint)
}

#[cfg(test)]
mod tests;
