//! Rows in the style of Hugging Face data sets, whose columns are recognised by their usual names.

mod columns;
mod features;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::columns::{Kind, Layout};
use self::features::Labels;
use super::draft::{Dataset, Suite, baseline, text_of};
use super::folders::{self, Limits};
use super::records::{self, extension, unreadable};
use super::{Note, Sink, SuiteFormat};
use crate::core::domain::Failure;

/// Data sets in the style of Hugging Face.
pub struct HuggingFace;

/// Splits, the one to take first.
const SPLITS: [&[&str]; 3] = [&["test"], &["validation", "valid", "val", "dev"], &["train"]];

/// How far a folder is searched.
const LIMITS: Limits = Limits { depth: 4, most: 10_000 };

/// Extensions of files of rows.
const EXTENSIONS: [&str; 5] = ["jsonl", "ndjson", "json", "csv", "parquet"];

/// Files that describe a data set.
const INFO: [&str; 5] = ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"];

/// Keys of JSON documents that contain rows.
const LISTS: &[&str] = &["data", "rows", "examples"];

impl SuiteFormat for HuggingFace {
    fn name(&self) -> &'static str {
        "huggingface"
    }

    fn reads(&self) -> &'static str {
        "rows as JSON Lines, JSON, CSV or Parquet, or a folder with splits, with the usual columns (question and \
         answer, instruction and output, prompt and completion, messages, text and label, SQuAD, choices); names of \
         labels from Parquet, dataset_info.json or README.md, as datasets 5.2 writes them"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        let files = if path.is_dir() { split(path, out)? } else { vec![path.to_owned()] };
        let Some(first) = files.first().cloned() else { return Ok(()) };
        let labels = Labels::beside(&first);
        let name = name(path);
        let layout = layout(&files)?;
        let known = layout.label.and_then(|column| labels.of(column)).cloned().unwrap_or_default();
        let known = shown(known, out);
        let mut card = json!({
            "description": format!("Rows of {name}."),
            "source": "a data set in the style of Hugging Face",
        });
        if !known.is_empty() {
            card["labels"] = json!(known);
        }
        if let Some(license) = features::license(&first) {
            card["license"] = json!(license);
        }
        let mut dataset = Dataset::start(out, first.clone(), &name, card);
        let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
        for file in &files {
            dataset.enter(file.clone());
            rows(file, &labels, &mut dataset, &mut kinds)?;
        }
        dataset.enter(first);
        let kind = kinds.iter().max_by_key(|(_, rows)| **rows).map(|(kind, _)| *kind);
        finish(kind, layout, known, &mut dataset, &name);
        Ok(())
    }
}

/// Labels as they may stand in a card and in a prompt: redacted like the answers in the rows, which are the same texts.
fn shown(labels: Vec<String>, out: &mut dyn Sink) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let labels = match out.redact(json!(labels)) {
        Value::Array(labels) => labels,
        _ => Vec::new(),
    };
    labels.iter().filter_map(text_of).filter(|label| seen.insert(label.clone())).collect()
}

/// The layout of the first row that can be read.
fn layout(files: &[PathBuf]) -> Result<Layout, Failure> {
    for file in files {
        for row in records::rows(file, LISTS)? {
            let row = row.map_err(|error| unreadable(file, error))?;
            if let Ok(fields) = row.fields {
                return Layout::of(&fields).ok_or_else(|| unknown_columns(file, &fields));
            }
        }
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).take(3).collect();
    Err(Failure::data(format!("{} contains no row that can be read", names.join(", "))))
}

/// The name of a file or folder, without its extension and the number of a shard.
fn name(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let shown = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let full = shown(&path);
    if path.is_dir() {
        return full;
    }
    let stem = EXTENSIONS
        .iter()
        .find_map(|known| full.split_once(&format!(".{known}")))
        .map_or(full.as_str(), |(stem, _)| stem);
    let plain = stem.split("-00000-of-").next().unwrap_or(stem);
    let is_split = SPLITS.iter().any(|names| names.contains(&plain));
    let mut parents = path.ancestors().skip(1).map(shown).filter(|_| is_split);
    parents.find(|name| name != "data" && !name.is_empty()).unwrap_or_else(|| plain.to_owned())
}

/// The files of the split to take from a folder: test, or else validation, or else train.
fn split(folder: &Path, out: &mut dyn Sink) -> Result<Vec<PathBuf>, Failure> {
    let fail = |message: &str| Failure::data(format!("{}: {message}", folder.display()));
    let found = folders::files(folder, LIMITS, &is_rows)?;
    if let Some(full) = &found.full {
        let message = format!("{} has more than {} entries", full.display(), LIMITS.most);
        return Err(Failure::data(message).hint("name one of the files"));
    }
    let all = found.noted(out);
    for names in SPLITS {
        let found: Vec<&PathBuf> = all.iter().filter(|file| is_of_split(folder, file, names)).collect();
        let Some(first) = found.first() else { continue };
        let alike = |file: &PathBuf| file.parent() == first.parent() && extension(file) == extension(first);
        let taken: Vec<PathBuf> = found.into_iter().filter(|file| alike(file)).cloned().collect();
        for (what, why) in left_over(folder, &all, &taken, names) {
            out.note(Note { file: folder.to_owned(), line: 0, what: what.to_owned(), why });
        }
        return Ok(taken);
    }
    match all.as_slice() {
        [only] => Ok(vec![only.clone()]),
        [] => Err(fail("contains no rows as JSON Lines, JSON, CSV or Parquet")
            .hint("Arrow files, as save_to_disk writes them, are not read: use Dataset.to_json(\"rows.jsonl\")")),
        _ => Err(fail("contains several files, none of which is named test, validation or train")
            .hint("name one of the files")),
    }
}

/// What to say about the files that are not taken.
fn left_over(folder: &Path, all: &[PathBuf], taken: &[PathBuf], names: &[&str]) -> Vec<(&'static str, String)> {
    let taken: BTreeSet<&PathBuf> = taken.iter().collect();
    let rest: Vec<&PathBuf> = all.iter().filter(|file| !taken.contains(file)).collect();
    let count = |of: &dyn Fn(&Path) -> bool| rest.iter().filter(|file| of(file)).count();
    let is_same = |file: &Path| is_of_split(folder, file, names);
    let is_other = |file: &Path| !is_same(file) && SPLITS.iter().any(|names| is_of_split(folder, file, names));
    let split = names.first().copied().unwrap_or_default();
    let wanted = "import them one by one if they are wanted";
    [
        ("splits", count(&is_other), format!("files of other splits than {split}")),
        ("configurations", count(&is_same), format!("files of the split {split} in other folders or forms")),
        ("files", count(&|file: &Path| !is_same(file) && !is_other(file)), "files of no split".to_owned()),
    ]
    .into_iter()
    .filter(|(_, count, _)| *count > 0)
    .map(|(what, count, which)| (what, format!("{which} are not read: {count}; {wanted}")))
    .collect()
}

/// Whether a word in the name of a file is the name of a split, or the folder that it is in, unless that is the imported
/// folder: a data set may be named "test".
fn is_of_split(root: &Path, file: &Path, names: &[&str]) -> bool {
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let folder = file.strip_prefix(root).ok().and_then(Path::parent).map(name).unwrap_or_default();
    name(file).split(['-', '_', '.', ' ']).any(|word| names.contains(&word)) || names.contains(&folder.as_str())
}

fn is_rows(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    EXTENSIONS.contains(&extension(path).as_str()) && !INFO.contains(&name.as_str())
}

fn rows(
    file: &Path,
    labels: &Labels,
    dataset: &mut Dataset<'_>,
    kinds: &mut BTreeMap<Kind, u64>,
) -> Result<(), Failure> {
    for row in records::rows(file, LISTS)? {
        let row = row.map_err(|error| unreadable(file, error))?;
        let fields = match row.fields {
            Ok(fields) => fields,
            Err(reason) => {
                dataset.bad(row.line, reason);
                continue;
            }
        };
        match columns::draft(row.line, fields, labels, dataset) {
            Ok((kind, draft)) => {
                *kinds.entry(kind).or_default() += 1;
                dataset.add(row.line, draft)?;
            }
            Err(reason) => dataset.bad(row.line, reason),
        }
    }
    Ok(())
}

fn unknown_columns(file: &Path, fields: &Map<String, Value>) -> Failure {
    let names: Vec<&str> = fields.keys().map(String::as_str).take(20).collect();
    let message = format!("{}: no column is known as the input; the columns are {}", file.display(), names.join(", "));
    Failure::data(message)
        .hint("rename them, such as to \"input\" and \"expected\"; karat reads rows with these names as they are")
}

/// Adds the suite that fits the kind of the rows.
fn finish(kind: Option<Kind>, layout: Layout, known: Vec<String>, dataset: &mut Dataset<'_>, name: &str) {
    let description = format!("The data set {name}, with a prompt and scorers that fit its columns.");
    let (prompt, scorers) = match kind {
        Some(Kind::Labels) if dataset.seen.answered > 0 => {
            let known = if known.is_empty() { shown(dataset.seen.labels(), dataset.out()) } else { known };
            let names = match known.is_empty() {
                true => String::new(),
                false => format!(": {}", super::draft::literal(&known.join(", "))),
            };
            let text = layout.text_template();
            let prompt = format!("Give the label of this text{names}. Reply with the label alone.\n\n{text}");
            let scorer = match known.is_empty() {
                true => json!({"type": "exact"}),
                false => json!({"type": "classification", "labels": known}),
            };
            (Some(json!(prompt)), vec![scorer])
        }
        Some(Kind::Passage) => (dataset.seen.prompt(), vec![json!({"type": "token_f1"}), json!({"type": "exact"})]),
        _ => (dataset.seen.prompt(), dataset.seen.scorers()),
    };
    if dataset.seen.rows > 0 {
        dataset.note(0, "scorer", "rows do not say how they are scored; the suite has scorers that fit the answers");
    }
    let endpoints = vec![baseline(dataset.out())];
    dataset.suite(Suite { description, prompt, endpoints, scorers, repeat: 1 });
}

#[cfg(test)]
mod tests;
