//! The YAML files of a registry.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::folders::{self, Limits, is_yaml};
use super::super::records::{open, unreadable};
use super::super::{Note, Sink};
use crate::core::domain::Failure;
use crate::edge::yaml::{Document, Mapping};

/// How many files a folder of a registry may have.
const FILES: Limits = Limits { depth: 0, most: 10_000 };

/// How many folders above a file may be the registry.
const MAX_ABOVE: usize = 4;

/// Maximum size of a YAML file.
const MAX_BYTES: u64 = 16 << 20;

/// An eval of a registry.
#[derive(Debug, Clone)]
pub(super) struct Eval {
    /// Its full name, such as spam.dev.v0.
    pub(super) name: String,
    /// The file that defines it.
    pub(super) file: PathBuf,
    /// The name of its class without the module.
    pub(super) class_name: String,
    /// The line of its class.
    pub(super) class_line: u64,
    /// What it is for.
    pub(super) description: Option<String>,
    /// Its arguments with their lines.
    pub(super) args: BTreeMap<String, (u64, Value)>,
}

impl Eval {
    /// An argument that is text.
    pub(super) fn text(&self, key: &str) -> Option<(u64, &str)> {
        self.args.get(key).and_then(|(line, value)| Some((*line, value.as_str()?)))
    }

    /// An argument that is a number.
    pub(super) fn number(&self, key: &str) -> Option<(u64, u64)> {
        self.args.get(key).and_then(|(line, value)| Some((*line, value.as_u64()?)))
    }

    /// The folders in which the registry may be. A relative path such as `spam.yaml` does not name them all.
    fn registries(&self) -> Vec<PathBuf> {
        let above = |file: &Path| file.ancestors().skip(1).take(MAX_ABOVE).map(Path::to_owned).collect::<Vec<_>>();
        let absolute = fs::canonicalize(&self.file).map(|file| above(&file)).unwrap_or_default();
        [above(&self.file), absolute].concat()
    }

    /// A file that an argument names.
    pub(super) fn data_file(&self, named: &str) -> Option<PathBuf> {
        let of = |folder: PathBuf| [folder.join("data").join(named), folder.join(named)];
        self.registries().into_iter().flat_map(of).find(|path| path.is_file())
    }

    /// The file and the content of a specification of the registry's folder `modelgraded`.
    pub(super) fn model_graded_spec(&self, name: &str, out: &mut dyn Sink) -> Option<(PathBuf, Value)> {
        let mut places = self.registries().into_iter().map(|folder| folder.join("modelgraded"));
        let folder = places.find(|folder| folder.is_dir())?;
        folders::files(&folder, FILES, &is_yaml).ok()?.noted(out).into_iter().find_map(|file| {
            let document = document(&file).ok()?;
            let spec = document.root().mapping()?.get(name)?.read::<Value>().ok()?;
            Some((file, spec))
        })
    }
}

/// Whether a file is what Git LFS puts in place of a large one.
pub(super) fn is_pointer(path: &Path) -> bool {
    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
    let mut start = Vec::new();
    let read = open(path).map(|file| file.take(POINTER.len() as u64).read_to_end(&mut start));
    matches!(read, Ok(Ok(_))) && start == POINTER
}

fn document(file: &Path) -> Result<Document, Failure> {
    let size = fs::metadata(file).map_err(|error| unreadable(file, error))?.len();
    if size > MAX_BYTES {
        return Err(Failure::data(format!("{} is larger than 16 MiB", file.display())));
    }
    Document::open(file)
}

/// The evals of a file, of a folder of files, or of a registry.
pub(super) fn evals(path: &Path, out: &mut dyn Sink) -> Result<Vec<Eval>, Failure> {
    if !path.is_dir() {
        return of_file(path);
    }
    let inner = ["evals/registry/evals", "registry/evals", "evals"]
        .map(|inner| path.join(inner))
        .into_iter()
        .find(|folder| folder.is_dir());
    let folder = inner.unwrap_or_else(|| path.to_owned());
    let files = folders::files(&folder, FILES, &is_yaml)?.noted(out);
    if files.is_empty() {
        let failure = Failure::data(format!("{} contains no YAML files", folder.display()));
        return Err(
            failure.hint("name a registry (the folder with evals/ and data/), a YAML file in it, or a file of samples")
        );
    }
    let mut all = Vec::new();
    for file in files {
        match of_file(&file) {
            Ok(evals) => all.extend(evals),
            // One broken file of a large registry is no reason to read none.
            Err(failure) => out.note(Note { file, line: 0, what: "file".to_owned(), why: failure.message }),
        }
    }
    Ok(all)
}

fn of_file(file: &Path) -> Result<Vec<Eval>, Failure> {
    let document = document(file)?;
    let Some(entries) = document.root().mapping() else {
        return Err(Failure::data(format!("{} is not a mapping of names to evals", file.display())));
    };
    let specs = entries.iter().filter_map(|(name, spec)| Some((name, spec.mapping()?)));
    let described = |name: &str| {
        let base = entries
            .iter()
            .filter_map(|(_, spec)| spec.mapping())
            .find(|base| base.get("id").and_then(|id| id.text()) == Some(name));
        base.and_then(|base| base.get("description")).and_then(|text| text.read::<String>().ok())
    };
    Ok(specs.filter_map(|(name, spec)| eval(file, name, spec, described(name))).collect())
}

/// An eval, if the entry has a class; entries without one only give an eval another name.
fn eval(file: &Path, name: &str, spec: Mapping<'_>, description: Option<String>) -> Option<Eval> {
    let class = spec.get("class")?;
    let class_name = class.text()?.rsplit([':', '.']).next().unwrap_or_default().trim().to_owned();
    let args = spec.get("args").and_then(|args| args.mapping());
    let args = args.into_iter().flat_map(Mapping::iter);
    let args = args.filter_map(|(key, value)| Some((key.to_owned(), (value.line(), value.read().ok()?)))).collect();
    let own = spec.get("description").and_then(|text| text.read::<String>().ok());
    Some(Eval {
        name: name.to_owned(),
        file: file.to_owned(),
        class_name,
        class_line: class.line(),
        description: own.or(description),
        args,
    })
}
