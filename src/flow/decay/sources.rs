//! Reads the present hashes of the documents that answers depend on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::core::domain::{Dataset, Failure, HashKind, SourceHash, SourcePlace};
use crate::core::signals::{PresentHashes, sources_of};
use crate::core::view::count_of;
use crate::edge::config::SourceCopy;
use crate::edge::files::hash_file;
use crate::flow::Workspace;

/// The present hash of every document that the examples or the card of a dataset name: files of the workspace, and documents
/// elsewhere for which `decay.sources` gives a copy or a hash. Nothing is fetched.
///
/// # Errors
/// A data failure if a file cannot be read, or is outside of the workspace.
pub fn present_hashes(workspace: &Workspace, dataset: &Dataset) -> Result<PresentHashes, Failure> {
    let mut present = PresentHashes::new();
    let root = &workspace.config.root;
    for (place, kind) in sources_of(dataset) {
        let found = match &place {
            SourcePlace::File(file) => hash(&within(root, file)?, kind, file)?,
            SourcePlace::Url(url) => match workspace.config.decay.sources.get(url) {
                Some(SourceCopy { file: Some(file), .. }) => hash(&root.join(file), kind, &file.display().to_string())?,
                Some(SourceCopy { hash: Some(hash), .. }) if hash.kind == kind => Some(hash.clone()),
                _ => continue,
            },
        };
        present.insert((place, kind), found);
    }
    Ok(present)
}

/// The path of a file that a dataset names. It must not be a link to something outside of the workspace: the dataset may be somebody
/// else's.
fn within(root: &Path, file: &str) -> Result<PathBuf, Failure> {
    let path = root.join(file);
    let Ok((real, real_root)) = path.canonicalize().and_then(|real| Ok((real, root.canonicalize()?))) else {
        return Ok(path);
    };
    if real.starts_with(&real_root) {
        return Ok(path);
    }
    Err(Failure::data(format!("the source {file} is a link to a file outside of the workspace"))
        .hint("replace it by a copy, or name the document by a url and its copy under decay.sources in karat.yaml"))
}

/// The hash of a file; `None` if there is none.
fn hash(path: &Path, kind: HashKind, name: &str) -> Result<Option<SourceHash>, Failure> {
    match hash_file(path, kind) {
        Ok(hash) => Ok(Some(hash)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Failure::data(format!("cannot read the source {name}"))
            .hint("a source must be a readable file; paths are relative to karat.yaml")
            .caused_by(error)),
    }
}

/// Tells how many documents were not compared.
pub(super) fn unchecked_note(dataset: &Dataset, present: &PresentHashes) -> Option<String> {
    let unchecked = sources_of(dataset).into_iter().filter(|source| !present.contains_key(source)).count();
    (unchecked > 0).then(|| {
        format!(
            "{} of answers at URLs {} not compared: decay.sources in karat.yaml gives neither a copy nor a hash of the same kind",
            count_of(unchecked, "source"),
            if unchecked == 1 { "was" } else { "were" }
        )
    })
}
