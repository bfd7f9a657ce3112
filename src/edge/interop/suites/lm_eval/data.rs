//! The local files of a task.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::records::extension;
use super::super::{Note, Sink};
use super::config::Config;
use crate::core::domain::Failure;

/// Keys of JSON documents that contain rows.
pub(super) const LISTS: &[&str] = &["data", "rows", "examples", "questions", "items", "instances"];

/// Loaders of local files.
const LOADERS: [&str; 3] = ["json", "csv", "parquet"];

/// The most files of a split or folder.
const MAX_FILES: usize = 10_000;

/// How many folders above a task's file paths may start from.
const MAX_ABOVE: usize = 6;

/// The split that is evaluated: test, or else validation, as in lm-eval.
///
/// # Errors
/// A data failure if there is neither.
pub(super) fn split(config: &Config, out: &mut dyn Sink) -> Result<String, Failure> {
    let found = ["test_split", "validation_split"].into_iter().find_map(|key| Some((key, config.text(key)?)));
    let Some((key, written)) = found else {
        return Err(Failure::data(format!(
            "{}: the task has neither test_split nor validation_split",
            config.file.display()
        )));
    };
    let name = written.split('[').next().unwrap_or(written).trim();
    if name != written
        && let Some(setting) = config.get(key)
    {
        let why = "is a part of a split, and the whole split is taken";
        out.note(Note {
            file: setting.file.clone(),
            line: setting.line,
            what: format!("{key}: {written}"),
            why: why.to_owned(),
        });
    }
    Ok(name.to_owned())
}

/// The files of a split.
///
/// # Errors
/// A data failure if the data are elsewhere, or are not found.
pub(super) fn files(config: &Config, split: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = config
        .text("dataset_path")
        .ok_or_else(|| config.fail("dataset_path", "is missing, so there are no rows to read"))?;
    let kwargs = config.get("dataset_kwargs").map(|setting| &setting.value);
    let kwarg = |key: &str| kwargs.and_then(|kwargs| kwargs.get(key)).filter(|value| !value.is_null());
    if let Some(field) = kwarg("field").and_then(Value::as_str).filter(|field| !LISTS.contains(field)) {
        let why = format!("has rows under the key {field}; write them as JSON Lines");
        return Err(config.fail("dataset_kwargs", &why));
    }
    let folder = kwarg("data_dir").and_then(Value::as_str);
    if let Some(files) = kwarg("data_files") {
        return listed(config, files, folder, split);
    }
    let is_loader = LOADERS.contains(&path);
    let (start, inner) = match folder {
        Some(folder) if is_loader => (folder, ""),
        None if is_loader => {
            return Err(config.fail("dataset_path", "needs dataset_kwargs with data_files, which name local files"));
        }
        other => (path, other.unwrap_or_default()),
    };
    match starts(config).into_iter().take(2).map(|folder| folder.join(start)).find(|path| path.exists()) {
        Some(folder) if folder.is_dir() => in_folder(config, &folder.join(inner), split),
        Some(file) => Ok(vec![file]),
        None => Err(remote(config, start)),
    }
}

fn remote(config: &Config, path: &str) -> Failure {
    let why = format!(
        "is {path}, which is no local file or folder: karat downloads no data sets, and runs no code that loads them"
    );
    config.fail("dataset_path", &why).hint(
        "write its rows as JSON Lines with datasets.load_dataset(…)[SPLIT].to_json(FILE), and name them with \
         dataset_path: json and dataset_kwargs: {data_files: {SPLIT: FILE}}",
    )
}

/// The files that `data_files` lists for a split: one mapping for all splits, or files of the only split.
fn listed(config: &Config, files: &Value, folder: Option<&str>, split: &str) -> Result<Vec<PathBuf>, Failure> {
    let of_split = match files {
        Value::Object(splits) => splits.get(split).ok_or_else(|| {
            let known: Vec<&str> = splits.keys().map(String::as_str).collect();
            config.fail(
                "dataset_kwargs",
                &format!("names no data_files of the split {split}, but of {}", known.join(", ")),
            )
        })?,
        other => other,
    };
    let names: Vec<&str> = match of_split {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    if names.is_empty() {
        return Err(config.fail("dataset_kwargs", "has data_files that are no file names"));
    }
    let mut found = Vec::new();
    for name in names {
        if name.contains("://") {
            return Err(remote(config, name));
        }
        let name = folder.map_or_else(|| PathBuf::from(name), |folder| Path::new(folder).join(name));
        let name = name.to_string_lossy();
        let matched = matching(config, &name);
        if matched.is_empty() {
            return Err(config.fail("dataset_kwargs", &format!("names the file {name}, which is not found")));
        }
        found.extend(matched);
    }
    Ok(found)
}

/// Folders from which relative paths may start: that of the task, the present one, and those above the task, since
/// lm-eval
/// takes them from where it is started.
fn starts(config: &Config) -> Vec<PathBuf> {
    let file = config.get("dataset_path").map_or(&config.file, |setting| &setting.file);
    let own = file.parent().unwrap_or(Path::new("")).to_owned();
    let above = fs::canonicalize(&own).unwrap_or_else(|_| own.clone());
    let above = above.ancestors().skip(1).take(MAX_ABOVE).map(Path::to_owned).collect::<Vec<_>>();
    [own, PathBuf::new()].into_iter().chain(above).collect()
}

/// The files that a name or a pattern such as `part-*.jsonl` matches.
fn matching(config: &Config, name: &str) -> Vec<PathBuf> {
    if !name.contains(['*', '?', '[']) {
        return starts(config)
            .into_iter()
            .map(|start| start.join(name))
            .find(|path| path.is_file())
            .into_iter()
            .collect();
    }
    let of = |start: PathBuf| {
        let escaped = glob::Pattern::escape(&start.to_string_lossy());
        let pattern = if escaped.is_empty() { name.to_owned() } else { format!("{escaped}/{name}") };
        let paths = glob::glob(&pattern).ok().into_iter().flatten().flatten();
        paths.filter(|path| path.is_file()).take(MAX_FILES).collect::<Vec<_>>()
    };
    starts(config).into_iter().map(of).find(|files| !files.is_empty()).unwrap_or_default()
}

/// The files of a split in a folder: those whose names begin with it.
fn in_folder(config: &Config, folder: &Path, split: &str) -> Result<Vec<PathBuf>, Failure> {
    let is_of_split = |path: &PathBuf| {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_rows = ["jsonl", "ndjson", "json", "csv", "parquet"].contains(&extension(path).as_str());
        is_rows && path.is_file() && stem.split(['-', '_', '.']).next() == Some(split)
    };
    for folder in [folder.to_owned(), folder.join("data")] {
        let entries = fs::read_dir(&folder).into_iter().flatten().take(MAX_FILES).filter_map(Result::ok);
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_of_split).collect();
        files.sort();
        if !files.is_empty() {
            return Ok(files);
        }
    }
    Err(config.fail("dataset_path", &format!("is a folder without a file whose name begins with \"{split}\"")))
}
