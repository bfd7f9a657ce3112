//! Golden sets as files under version control: locks them, and compares their versions.

use std::collections::BTreeMap;
use std::path::Path;

use super::workspace::{Workspace, read_dataset};
use crate::core::domain::{Card, Dataset, Example, Failure};
use crate::core::golden::{DatasetDiff, Fingerprint, diff, fingerprints};
use crate::core::tabular::Format;
use crate::core::view::{ChangeCounts, LoggedVersion};
use crate::edge::dataset::{
    LockedDataset, dataset_names, examples_file, parse_examples, read_examples, read_lock, write_lock,
};
use crate::edge::git::file_at;
use crate::edge::store::Store;

/// Returns the datasets named, or all datasets of the workspace if none is.
///
/// # Errors
/// A data failure if the workspace has no datasets.
pub fn named_or_all(root: &Path, names: &[String]) -> Result<Vec<String>, Failure> {
    if !names.is_empty() {
        return Ok(names.to_vec());
    }
    let all = dataset_names(&root.join("datasets"));
    if all.is_empty() {
        return Err(Failure::data(format!("there are no datasets in {}", root.join("datasets").display()))
            .hint("create datasets/NAME/examples.jsonl, or run `karat init`"));
    }
    Ok(all)
}

/// A locked dataset, and what changed.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The dataset at its new version.
    pub dataset: Dataset,
    /// Changes since it was last locked; `None` if it was not locked before.
    pub changes: Option<DatasetDiff>,
}

/// Writes dataset versions to `karat.lock`, and pins the embedding space in use if none is pinned.
///
/// # Errors
/// A data failure if a dataset has bad rows or cannot be read.
pub fn lock(root: &Path, names: &[String]) -> Result<Vec<Locked>, Failure> {
    let mut lock = read_lock(root)?;
    let mut locked = Vec::new();
    for name in named_or_all(root, names)? {
        let dataset = read_dataset(root, &name)?.complete()?;
        let examples = fingerprints(&dataset.examples);
        let entry = LockedDataset { version: dataset.version.clone(), examples: examples.clone() };
        let before = lock.datasets.insert(name, entry);
        locked.push(Locked { dataset, changes: before.map(|before| diff(&before.examples, &examples)) });
    }
    if lock.embedder.is_none() {
        lock.embedder = Some(Workspace::open(root)?.to_pin()?);
    }
    write_lock(root, &lock)?;
    Ok(locked)
}

/// Two versions of a dataset, and the changes from the first to the second.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Name of the first version.
    pub before: String,
    /// Name of the second version.
    pub after: String,
    /// The changes.
    pub diff: DatasetDiff,
}

/// Compares two versions of the dataset `name`.
///
/// A version is `files` (as they are now), `lock`, the path of an examples file, the beginning of the hash of a version
/// that was run, or a git revision.
///
/// # Errors
/// A data failure if a version cannot be found or read.
pub fn compare(root: &Path, store: Option<&Store>, name: &str, before: &str, after: &str) -> Result<Compared, Failure> {
    let (before_name, first) = version(root, store, name, before)?;
    let (after_name, second) = version(root, store, name, after)?;
    Ok(Compared { before: before_name, after: after_name, diff: diff(&first, &second) })
}

/// The versions of a dataset that were run or measured, oldest first, and that of the files if it is another one than the
/// last of these.
///
/// # Errors
/// A data failure if the files cannot be read; a store failure.
pub fn log(root: &Path, store: Option<&Store>, name: &str) -> Result<Vec<LoggedVersion>, Failure> {
    let files = read_dataset(root, name)?.complete()?;
    let mut logged: Vec<LoggedVersion> = Vec::new();
    let mut before: Option<Fingerprints> = None;
    let mut add = |version: String, first_seen: Option<String>, examples: &[Example]| {
        let after = fingerprints(examples);
        let changes = before.as_ref().map(|before| ChangeCounts::of(&diff(before, &after)));
        logged.push(LoggedVersion { version, first_seen, examples: examples.len(), changes });
        before = Some(after);
    };
    let stored = store.map_or(Ok(Vec::new()), |store| store.dataset_versions(name))?;
    let is_stored = stored.last().is_some_and(|(version, _)| *version == files.version);
    for (version, first_seen) in stored {
        if let Some(examples) = stored_version(store, name, &version)? {
            add(version, Some(first_seen), &examples);
        }
    }
    if !is_stored {
        add(files.version.clone(), None, &files.examples);
    }
    Ok(logged)
}

type Fingerprints = BTreeMap<String, Fingerprint>;

fn version(root: &Path, store: Option<&Store>, name: &str, which: &str) -> Result<(String, Fingerprints), Failure> {
    match which {
        "files" => {
            let dataset = read_dataset(root, name)?.complete()?;
            return Ok((dataset.label(), fingerprints(&dataset.examples)));
        }
        "lock" => {
            let locked = read_lock(root)?.datasets.remove(name);
            let locked = locked.ok_or_else(|| {
                Failure::data(format!("{name} is not in karat.lock"))
                    .hint(format!("run `karat dataset lock {name}` first"))
            })?;
            return Ok((format!("karat.lock ({})", crate::core::domain::short(&locked.version, 6)), locked.examples));
        }
        _ => {}
    }
    let path = Path::new(which);
    if path.is_file() {
        let dataset = read_examples(path, name, Card::default())?.complete()?;
        return Ok((which.to_owned(), fingerprints(&dataset.examples)));
    }
    if let Some(examples) = stored_version(store, name, which)? {
        return Ok((format!("{name}@{which}"), fingerprints(&examples)));
    }
    git_version(root, name, which)
}

/// Examples of a version that was run, by the beginning of its hash: at least 6 digits, so that a short word is still
/// taken for a git revision.
fn stored_version(store: Option<&Store>, name: &str, which: &str) -> Result<Option<Vec<Example>>, Failure> {
    let is_hash = which.len() >= 6 && which.chars().all(|c| c.is_ascii_hexdigit());
    match store.filter(|_| is_hash) {
        Some(store) => store.stored_examples(name, which)?.map(Iterator::collect).transpose(),
        None => Ok(None),
    }
}

fn git_version(root: &Path, name: &str, revision: &str) -> Result<(String, Fingerprints), Failure> {
    let folder = root.join("datasets").join(name);
    let current = examples_file(&folder)?;
    // The dataset may have been in another format then.
    for file in [current, folder.join("examples.jsonl"), folder.join("examples.csv")] {
        let Some(bytes) = file_at(revision, &file)? else { continue };
        let format = file.extension().and_then(|extension| Format::of_extension(&extension.to_string_lossy()));
        let shown = Path::new(revision).join(file.file_name().unwrap_or_default());
        let read = parse_examples(bytes.as_slice(), format.unwrap_or(Format::Jsonl), &shown, name, Card::default())?;
        return Ok((format!("{revision} ({})", read.dataset.label()), fingerprints(&read.complete()?.examples)));
    }
    Err(Failure::data(format!("the revision {revision} contains no examples of {name}")))
}
