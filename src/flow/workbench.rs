//! An opened workspace: settings, secrets, database and embedder, and how the things in it are found by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::domain::{Card, Dataset, Embedder, Failure, Suite, nearest};
use crate::core::vector::Vectors;
use crate::edge::config::{CardFile, Secrets, Workspace, load_suite, load_workspace, read_yaml};
use crate::edge::dataset::{ReadDataset, examples_file, read_examples};
use crate::edge::embed::HashedNgrams;
use crate::edge::store::Store;

/// An opened workspace.
pub struct Workbench {
    /// Its settings.
    pub workspace: Workspace,
    /// Its secrets.
    pub secrets: Secrets,
    /// Its database.
    pub store: Arc<Store>,
    /// Its space.
    pub embedder: Arc<dyn Embedder>,
}

impl Workbench {
    /// Opens the workspace in `root`, with its database.
    ///
    /// # Errors
    /// A data failure for its files, a store failure for its database.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let (workspace, secrets) = load_workspace(root)?;
        let store = Arc::new(Store::open(&workspace.store)?);
        Ok(Self { workspace, secrets, store, embedder: Arc::new(HashedNgrams) })
    }

    /// The folder of a dataset.
    pub fn dataset_folder(&self, name: &str) -> PathBuf {
        self.workspace.root.join("datasets").join(name)
    }

    /// Reads a dataset with its card; bad rows are listed in the result.
    ///
    /// # Errors
    /// A data failure where it cannot be read at all.
    pub fn read_dataset(&self, name: &str) -> Result<ReadDataset, Failure> {
        read_dataset(&self.workspace.root, name)
    }

    /// A dataset in which every row could be read.
    ///
    /// # Errors
    /// A data failure.
    pub fn dataset(&self, name: &str) -> Result<Dataset, Failure> {
        self.read_dataset(name)?.complete()
    }

    /// A suite by name, or by path.
    ///
    /// # Errors
    /// A data failure; for a name without a suite, with the nearest one.
    pub fn suite(&self, name: &str) -> Result<Suite, Failure> {
        let named = self.workspace.root.join("suites").join(format!("{name}.yaml"));
        let given = Path::new(name);
        if named.is_file() {
            return load_suite(&named);
        }
        if given.extension().is_some() && given.is_file() {
            return load_suite(given);
        }
        let names = self.suite_names();
        let hint = match nearest(name, &names) {
            Some(nearest) => format!("did you mean \"{nearest}\"? There are {}", names.join(", ")),
            None if names.is_empty() => "suites/ is empty".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        Err(Failure::data(format!("there is no suite \"{name}\" ({} does not exist)", named.display())).hint(hint))
    }

    /// The suites of the workspace, by name.
    pub fn suite_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.workspace.root.join("suites")).into_iter().flatten().flatten();
        let stems = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "yaml"));
        let mut names: Vec<String> = stems
            .filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }

    /// One unit vector a text, in order; each text is embedded once and then kept.
    ///
    /// # Errors
    /// A failure of the embedder or the store.
    pub fn embed(&self, texts: &[&str]) -> Result<Vectors, Failure> {
        let mut known = self.store.vectors(self.embedder.space(), texts)?;
        let missing: Vec<usize> = (0..texts.len()).filter(|position| !known.contains_key(position)).collect();
        let new = self.embedder.embed(&missing.iter().map(|position| texts[*position]).collect::<Vec<_>>())?;
        let mut rows = Vec::new();
        for (position, vector) in missing.into_iter().zip(new) {
            rows.push((texts[position].to_owned(), vector.clone()));
            known.insert(position, vector);
        }
        self.store.keep_vectors(self.embedder.space(), rows)?;
        let mut vectors = Vectors::with_capacity(self.embedder.dim(), texts.len());
        (0..texts.len()).for_each(|position| vectors.push(known.get(&position).map_or(&[], Vec::as_slice)));
        Ok(vectors)
    }
}

/// Reads a dataset of the workspace in `root`.
///
/// # Errors
/// A data failure where it cannot be read at all.
pub fn read_dataset(root: &Path, name: &str) -> Result<ReadDataset, Failure> {
    let folder = root.join("datasets").join(name);
    let examples = examples_file(&folder)?;
    let card = folder.join("dataset.yaml");
    let card: Card = if card.exists() { read_yaml::<CardFile>(&card)?.into() } else { Card::default() };
    read_examples(&examples, name, card)
}
