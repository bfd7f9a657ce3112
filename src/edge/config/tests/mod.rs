//! Tests of the files a user writes: short forms, mistakes, and JSON Schemas.

mod mistakes;
mod short_forms;

use std::path::Path;

use super::*;
use crate::core::domain::Failure;

/// A file a user writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Workspace,
    Suite,
    Card,
}

use File::{Card, Suite, Workspace};

/// The fragment, completed to a whole file by the required keys of a suite.
fn completed(file: File, fragment: &str) -> String {
    if file != Suite {
        return fragment.to_owned();
    }
    let base = [("dataset", "d"), ("endpoints", "[m]"), ("scorers", "[exact]")];
    let missing = base.iter().filter(|(key, _)| !fragment.lines().any(|line| line.starts_with(&format!("{key}:"))));
    missing.map(|(key, value)| format!("{key}: {value}\n")).chain([fragment.to_owned()]).collect()
}

/// Loads a fragment and returns the result as debug output.
fn load(folder: &Path, file: File, fragment: &str) -> Result<String, Failure> {
    let path = folder.join(match file {
        Workspace => "karat.yaml",
        Suite => "s.yaml",
        Card => "dataset.yaml",
    });
    std::fs::write(folder.join("p.txt"), "Label: {{ input }}\n").unwrap();
    std::fs::write(&path, completed(file, fragment)).unwrap();
    match file {
        Workspace => load_workspace(folder).map(|(workspace, _)| format!("{workspace:#?}")),
        Suite => load_suite(&path).map(|suite| format!("{suite:#?}")),
        Card => read_yaml::<CardFile>(&path).map(|card| format!("{card:#?}")),
    }
}
