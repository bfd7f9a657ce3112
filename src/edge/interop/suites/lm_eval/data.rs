//! The local files of a task.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::folders::{self, Limits};
use super::super::records::{self, extension};
use super::super::{Note, Sink};
use super::config::Config;
use crate::core::domain::Failure;

/// Keys of JSON documents that contain rows.
const LISTS: &[&str] = &["data", "rows", "examples", "questions", "items", "instances"];

/// Loaders of local files.
const LOADERS: [&str; 3] = ["json", "csv", "parquet"];

/// How many files a folder or a split may have.
const FILES: Limits = Limits { depth: 0, most: 10_000 };

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

/// The rows of a file of the task. `dataset_kwargs.field` names the key of a JSON document that contains them.
///
/// # Errors
/// A data failure if the file cannot be opened.
pub(super) fn rows(config: &Config, file: &Path) -> Result<records::Rows, Failure> {
    match kwarg(config, "field").and_then(Value::as_str) {
        Some(field) => records::rows(file, &[field]),
        None => records::rows(file, LISTS),
    }
}

fn kwarg<'a>(config: &'a Config, key: &str) -> Option<&'a Value> {
    config.get("dataset_kwargs").and_then(|setting| setting.value.get(key)).filter(|value| !value.is_null())
}

/// The files of a split.
///
/// # Errors
/// A data failure if the data are elsewhere, or are not found.
pub(super) fn files(config: &Config, split: &str, out: &mut dyn Sink) -> Result<Vec<PathBuf>, Failure> {
    let path = config
        .text("dataset_path")
        .ok_or_else(|| config.fail("dataset_path", "is missing, so there are no rows to read"))?;
    let folder = kwarg(config, "data_dir").and_then(Value::as_str);
    if let Some(files) = kwarg(config, "data_files") {
        return listed(config, files, folder, split, out);
    }
    let is_loader = LOADERS.contains(&path);
    let (start, inner) = match folder {
        Some(folder) if is_loader => (folder, ""),
        None if is_loader => {
            return Err(config.fail("dataset_path", "needs dataset_kwargs with data_files, which name local files"));
        }
        other => (path, other.unwrap_or_default()),
    };
    let mut places = starts(config).into_iter().take(2).map(|folder| folder.join(start)).enumerate();
    match places.find(|(_, path)| path.exists()) {
        Some((at, found)) => {
            note_place(config, "dataset_path", start, at, &found, out);
            if found.is_dir() { in_folder(config, &found.join(inner), split, out) } else { Ok(vec![found]) }
        }
        None => Err(remote(config, start)),
    }
}

/// Says what a relative path was taken for, unless it is in the task's own folder, which is the first place.
fn note_place(config: &Config, key: &str, name: &str, at: usize, found: &Path, out: &mut dyn Sink) {
    if let Some(setting) = config.get(key).filter(|_| at > 0) {
        let why = format!("is taken to be {}, since the task's own folder does not contain it", found.display());
        out.note(Note { file: setting.file.clone(), line: setting.line, what: format!("{key}: {name}"), why });
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
fn listed(
    config: &Config,
    files: &Value,
    folder: Option<&str>,
    split: &str,
    out: &mut dyn Sink,
) -> Result<Vec<PathBuf>, Failure> {
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
        let matched = matching(config, &name, out);
        if matched.is_empty() {
            return Err(config.fail("dataset_kwargs", &format!("names the file {name}, which is not found")));
        }
        found.extend(matched);
    }
    Ok(found)
}

/// Folders from which relative paths may start: that of the task, the present one, and those above the task, since
/// lm-eval takes them from where it is started.
fn starts(config: &Config) -> Vec<PathBuf> {
    let file = config.get("dataset_path").map_or(&config.file, |setting| &setting.file);
    let own = file.parent().unwrap_or(Path::new("")).to_owned();
    let above = fs::canonicalize(&own).unwrap_or_else(|_| own.clone());
    let above = above.ancestors().skip(1).take(MAX_ABOVE).map(Path::to_owned).collect::<Vec<_>>();
    [own, PathBuf::new()].into_iter().chain(above).collect()
}

/// The files that a name or a pattern such as `part-*.jsonl` matches.
fn matching(config: &Config, name: &str, out: &mut dyn Sink) -> Vec<PathBuf> {
    let is_pattern = name.contains(['*', '?', '[']);
    let of = |start: &Path| {
        let path = start.join(name);
        if !is_pattern {
            return if path.is_file() { vec![path] } else { Vec::new() };
        }
        let escaped = glob::Pattern::escape(&start.to_string_lossy());
        let pattern = if escaped.is_empty() { name.to_owned() } else { format!("{escaped}/{name}") };
        let paths = glob::glob(&pattern).ok().into_iter().flatten().flatten();
        paths.filter(|path| path.is_file()).take(FILES.most + 1).collect::<Vec<_>>()
    };
    let mut places = starts(config).into_iter().map(|start| of(&start)).enumerate();
    let Some((at, mut files)) = places.find(|(_, files)| !files.is_empty()) else { return Vec::new() };
    if let Some(first) = files.first() {
        note_place(config, "dataset_kwargs", name, at, first, out);
    }
    if files.len() > FILES.most
        && let Some(setting) = config.get("dataset_kwargs")
    {
        files.truncate(FILES.most);
        let why = format!("matches more than {} files, and only the first ones are read", FILES.most);
        out.note(Note { file: setting.file.clone(), line: setting.line, what: format!("data_files: {name}"), why });
    }
    files
}

/// The files of a split in a folder: those whose names begin with it.
fn in_folder(config: &Config, folder: &Path, split: &str, out: &mut dyn Sink) -> Result<Vec<PathBuf>, Failure> {
    let is_of_split = |path: &Path| {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_rows = ["jsonl", "ndjson", "json", "csv", "parquet"].contains(&extension(path).as_str());
        is_rows && path.is_file() && stem.split(['-', '_', '.']).next() == Some(split)
    };
    for folder in [folder.to_owned(), folder.join("data")] {
        let Ok(found) = folders::files(&folder, FILES, &is_of_split) else { continue };
        if !found.files.is_empty() {
            return Ok(found.noted(out));
        }
    }
    Err(config.fail("dataset_path", &format!("is a folder without a file whose name begins with \"{split}\"")))
}
