//! Golden sets on disk: `datasets/NAME/examples.jsonl` (or `.csv`), its card, and `karat.lock`.

mod scan;
mod sorted_hash;

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::domain::{Card, Dataset, Example, Failure, did_you_mean};
use crate::core::golden::{Fingerprint, RowError, dataset_version, example_from_row, finish_ids};
use crate::core::tabular::{Format, rows};

pub use scan::{Scan, scan_examples};

/// The path of the examples file in a dataset folder.
///
/// # Errors
/// A data failure if the folder has no examples file, or several.
pub fn examples_file(folder: &Path) -> Result<PathBuf, Failure> {
    let candidates = ["examples.jsonl", "examples.csv"].map(|name| folder.join(name));
    let mut present: Vec<_> = candidates.iter().filter(|path| path.is_file()).collect();
    match (present.pop(), present.is_empty()) {
        (Some(path), true) => Ok(path.clone()),
        (None, _) if !folder.is_dir() => Err(unknown_dataset(folder)),
        (None, _) => Err(Failure::data(format!("{} has no examples", folder.display()))
            .hint("add an examples.jsonl or examples.csv")),
        (Some(_), false) => {
            Err(Failure::data(format!("{} has both examples.jsonl and examples.csv", folder.display()))
                .hint("remove one of them"))
        }
    }
}

fn unknown_dataset(folder: &Path) -> Failure {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let names = folder.parent().map(dataset_names).unwrap_or_default();
    let hint = match names.as_slice() {
        [] => format!("create {} with an examples.jsonl", folder.display()),
        names => did_you_mean(&name, names, "there are"),
    };
    Failure::data(format!("there is no dataset \"{name}\" ({} does not exist)", folder.display())).hint(hint)
}

/// The names of the datasets in a folder, sorted.
pub fn dataset_names(datasets: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(datasets).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir() && examples_file(&entry.path()).is_ok())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A golden set with the rows that could not be read.
#[derive(Debug)]
pub struct ReadDataset {
    /// The examples that could be read.
    pub dataset: Dataset,
    /// The rows that could not be read, sorted by line.
    pub bad_rows: Vec<RowError>,
    /// The path of the file.
    pub path: PathBuf,
}

impl ReadDataset {
    /// Returns the dataset if all rows could be read and there is at least one.
    ///
    /// # Errors
    /// A data failure that lists every bad row.
    pub fn complete(self) -> Result<Dataset, Failure> {
        if !self.bad_rows.is_empty() {
            let count = self.bad_rows.len();
            let details =
                self.bad_rows.iter().map(|row| format!("{}:{}: {}", self.path.display(), row.line, row.message));
            return Err(Failure::data(format!(
                "{} has {count} bad row{}",
                self.path.display(),
                if count == 1 { "" } else { "s" }
            ))
            .details(details.collect())
            .hint("fix or remove these rows; a golden set is used whole or not at all"));
        }
        if self.dataset.examples.is_empty() {
            return Err(Failure::data(format!("{} contains no examples", self.path.display()))
                .hint("add lines such as {\"input\": \"where is my parcel\", \"expected\": \"track_order\"}"));
        }
        Ok(self.dataset)
    }
}

/// Reads the examples of a file; the card is read separately.
///
/// # Errors
/// A data failure if the file cannot be read at all.
pub fn read_examples(path: &Path, name: &str, card: Card) -> Result<ReadDataset, Failure> {
    let format = format_of(path)?;
    let file = std::fs::File::open(path).map_err(|error| cannot_read(path).caused_by(error))?;
    parse_examples(BufReader::new(file), format, path, name, card)
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let format = path.extension().and_then(|extension| Format::of_extension(&extension.to_string_lossy()));
    format.ok_or_else(|| Failure::data(format!("{} is neither .jsonl nor .csv", path.display())))
}

fn cannot_read(path: &Path) -> Failure {
    Failure::data(format!("cannot read {}", path.display())).hint("check the path and its permissions")
}

/// Reads examples from another source than a file, such as a git revision.
///
/// # Errors
/// A data failure if they cannot be read at all.
pub fn parse_examples(
    reader: impl std::io::BufRead,
    format: Format,
    path: &Path,
    name: &str,
    card: Card,
) -> Result<ReadDataset, Failure> {
    let (mut examples, mut bad_rows): (Vec<Example>, Vec<RowError>) = (Vec::new(), Vec::new());
    for row in rows(reader, format) {
        let row = row.map_err(|error| cannot_read(path).caused_by(error))?;
        let line = row.line;
        let fields = row.fields.map_err(|message| RowError { line, message });
        match fields.and_then(|fields| example_from_row(line, fields)) {
            Ok(example) => examples.push(example),
            Err(error) => bad_rows.push(error),
        }
    }
    bad_rows.extend(repeated_ids(&examples));
    bad_rows.sort_by_key(|row| row.line);
    finish_ids(&mut examples);
    let version = dataset_version(&examples);
    let dataset = Dataset { name: name.to_owned(), version, card, examples };
    Ok(ReadDataset { dataset, bad_rows, path: path.to_owned() })
}

fn repeated_ids(examples: &[Example]) -> Vec<RowError> {
    let mut first: HashMap<&str, u64> = HashMap::new();
    let named = examples.iter().filter(|example| !example.id.is_empty());
    named
        .filter_map(|example| {
            let line = *first.entry(&example.id).or_insert(example.line);
            let message = format!("the id \"{}\" is already on line {line}; ids must be unique", example.id);
            (line != example.line).then_some(RowError { line: example.line, message })
        })
        .collect()
}

/// The content of `karat.lock`: the state of the workspace when it was last locked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// `karat.lock/1`.
    pub schema: String,
    /// The embedding space in use, if one is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<LockedEmbedder>,
    /// Locked datasets by name.
    pub datasets: BTreeMap<String, LockedDataset>,
}

/// The embedding space of a lock, in which all figures of the workspace are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedEmbedder {
    /// Name of the embedder in karat.yaml.
    pub name: String,
    /// Fingerprint of its embedding space.
    pub space: String,
    /// The first components of its probe vectors, for remote embedders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe: Vec<f32>,
}

/// A dataset in a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedDataset {
    /// Its version.
    pub version: String,
    /// Fingerprints of its examples by id, so that changes can be listed without the old file.
    pub examples: BTreeMap<String, Fingerprint>,
}

/// Reads `karat.lock`; an empty lock if there is none.
///
/// # Errors
/// A data failure if the file exists but cannot be read.
pub fn read_lock(root: &Path) -> Result<Lock, Failure> {
    let path = root.join("karat.lock");
    if !path.exists() {
        return Ok(Lock { schema: "karat.lock/1".into(), ..Lock::default() });
    }
    let fail = || {
        Failure::data(format!("cannot read {}", path.display()))
            .hint("restore it from git, or remove it and run `karat dataset lock`")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| fail().caused_by(error))?;
    serde_json::from_str(&text).map_err(|error| fail().caused_by(error))
}

/// Writes `karat.lock`, one line per example, so that a pull request shows what changed.
///
/// # Errors
/// A failure that names the file.
pub fn write_lock(root: &Path, lock: &Lock) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(lock)
        .map_err(|error| Failure::other("cannot serialize karat.lock").caused_by(error))?;
    text.push('\n');
    super::files::write_atomic(&root.join("karat.lock"), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, format: Format) -> ReadDataset {
        parse_examples(text.as_bytes(), format, Path::new("examples.jsonl"), "d", Card::default()).unwrap()
    }

    #[test]
    fn the_version_is_the_same_for_jsonl_and_csv_and_for_any_order_of_lines() {
        let jsonl = "{\"input\":\"a\",\"expected\":5,\"tags\":[\"x\"]}\n{\"label\":[\"p\",\"q\"],\"input\":\"b\"}\n";
        let csv = "expected,input,tags\r\n\"[\"\"p\"\",\"\"q\"\"]\",b,\r\n5,a,x\r\n";
        let (a, b) = (parse(jsonl, Format::Jsonl), parse(csv, Format::Csv));
        assert!(a.bad_rows.is_empty() && b.bad_rows.is_empty());
        assert_eq!(a.dataset.version, b.dataset.version);
    }

    #[test]
    fn all_bad_rows_are_listed_and_a_set_with_bad_rows_is_refused() {
        let read = parse(
            "{\"id\":\"1\",\"input\":\"a\"}\n{\"id\":\"1\",\"input\":\"b\"}\nnonsense\n{\"x\":1}\n",
            Format::Jsonl,
        );
        let lines: Vec<_> = read.bad_rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 3, 4]);
        let failure = read.complete().unwrap_err();
        assert_eq!(failure.message, "examples.jsonl has 3 bad rows");
        assert_eq!(failure.details[0], "examples.jsonl:2: the id \"1\" is already on line 1; ids must be unique");
    }

    #[test]
    fn an_empty_set_is_refused() {
        let failure = parse("\n", Format::Jsonl).complete().unwrap_err();
        assert_eq!(failure.message, "examples.jsonl contains no examples");
    }
}
