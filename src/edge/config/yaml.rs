//! YAML files read into types, with errors that name the file, the line, the key and the nearest known one.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::Error;

use crate::core::domain::{Failure, nearest};

/// Reads a YAML file.
///
/// # Errors
/// A data failure: the file is missing or unreadable, is no YAML, or has a key or value that does not belong there.
pub fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::data(format!("cannot read {}", path.display())).caused_by(error);
        failure.hint("check the path and its permissions; `karat init` makes a workspace")
    })?;
    parse_yaml(&text, path)
}

fn parse_yaml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Failure> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = match error.location() {
            Some(location) => format!("{}:{}:{}", path.display(), location.line(), location.column()),
            None => path.display().to_string(),
        };
        describe(error.without_snippet(), &place)
    })
}

fn describe(error: &Error, place: &str) -> Failure {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown(place, "key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown(place, "value", variant, expected),
        Error::SerdeMissingField { field, .. } => {
            Failure::data(format!("{place}: the key \"{field}\" is missing")).hint(format!("add \"{field}: …\" there"))
        }
        other => {
            let text = other.to_string();
            let message = text.lines().next().unwrap_or("cannot be read").trim_start_matches("error: ").to_owned();
            Failure::data(format!("{place}: {message}")).hint("`karat schema` prints the JSON Schema of each file")
        }
    }
}

fn unknown(place: &str, what: &str, found: &str, known: &[&'static str]) -> Failure {
    let failure = Failure::data(format!("{place}: unknown {what} \"{found}\""));
    match nearest(found, known) {
        Some(nearest) => failure.hint(format!("did you mean \"{nearest}\"? Known here: {}", known.join(", "))),
        None => failure.hint(format!("known here: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::config::WorkspaceFile;

    fn failure(text: &str) -> (String, String) {
        let failure = parse_yaml::<WorkspaceFile>(text, Path::new("karat.yaml")).unwrap_err();
        (failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
        let (message, hint) = failure("store: a.db\nendpoints:\n  m:\n    type: openai\n    base_ulr: http://x\n");
        assert_eq!(message, "karat.yaml:5:5: unknown key \"base_ulr\"");
        assert!(hint.starts_with("did you mean \"base_url\"?"), "{hint}");
    }

    #[test]
    fn a_wrong_value_and_broken_yaml_are_told_with_their_place() {
        let (message, hint) = failure("endpoints:\n  m:\n    type: opnai\n");
        assert_eq!(message, "karat.yaml:3:11: unknown value \"opnai\"");
        assert!(hint.contains("\"openai\""), "{hint}");
        assert!(failure("store: [\n").0.starts_with("karat.yaml:"));
        assert!(failure("decay:\n  min_karats: many\n").0.starts_with("karat.yaml:2:15: "));
    }
}
