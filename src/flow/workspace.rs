//! An opened workspace: settings, secrets, database and embedder, and how the things in it are found by name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::{Event, Events};
use crate::core::domain::{Card, Dataset, Embedder, Failure, Suite, did_you_mean};
use crate::core::vector::{Vectors, dot};
use crate::edge::config::{CardFile, Secrets, WorkspaceConfig, load_suite, load_workspace, read_yaml};
use crate::edge::dataset::{LockedEmbedder, ReadDataset, examples_file, read_examples, read_lock};
use crate::edge::embed::Prepared;
use crate::edge::store::Store;

/// An opened workspace.
pub struct Workspace {
    /// Its settings.
    pub config: WorkspaceConfig,
    /// Its secrets.
    pub secrets: Arc<Secrets>,
    /// Its database.
    pub store: Arc<Store>,
    /// What makes its space.
    pub embedder: Arc<Prepared>,
    /// Name of the embedder.
    pub embedder_name: String,
    /// What karat.lock says of its space.
    pub pinned: Option<LockedEmbedder>,
    /// Whether a server that makes the vectors was found to be the one it was, in this process.
    checked: OnceLock<()>,
}

/// Texts embedded and kept at a time: what an interruption can cost.
const BATCH: usize = 512;

/// Texts whose vectors tell whether a server still has the model it had. They must never change.
const PROBES: [&str; 3] = [
    "Where is the parcel I ordered last week?",
    "The committee postponed its decision until the budget is known.",
    "How do I convert 12 miles to kilometres?",
];

/// Similarity of a probe's vectors, then and now, below which the model is another one. Servers that compute the same
/// model in another batch or on another card differ by less than 0.0005.
const SAME_MODEL: f32 = 0.999;

/// Components of the first probe kept in karat.lock.
const SKETCHED: usize = 16;

/// How far a component of a sketch may be from the one in karat.lock.
const SKETCH_TOLERANCE: f32 = 0.01;

impl Workspace {
    /// Opens the workspace in `root`, with its database, in the space that karat.lock pins, or else in that of the
    /// embedder karat.yaml names.
    ///
    /// # Errors
    /// A data failure for its files, or for an embedder that no longer makes the space pinned; a store failure for its
    /// database.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let workspace = Self::open_unpinned(root)?;
        let Some(pinned) = &workspace.pinned else { return Ok(workspace) };
        let found = workspace.embedder.description();
        if pinned.space == found.id {
            return Ok(workspace);
        }
        let stored = workspace.store.spaces()?.into_iter().find(|row| row.space.id == pinned.space);
        let details = stored.map(|row| row.space.differences(found)).unwrap_or_default();
        let details = details.into_iter().map(|(part, then, now)| format!("{part}: {then} then, {now} now")).collect();
        let name = &pinned.name;
        Err(Failure::data(format!(
            "the embedder \"{name}\" makes the space {}, but karat.lock pins {}: figures of two spaces are never compared",
            found.id, pinned.space
        ))
        .details(details)
        .hint(format!(
            "put the model and its settings back as they were, or take the new space with `karat embedder migrate {name} --cut-over`"
        )))
    }

    /// Opens the workspace even where its embedder no longer makes the space that is pinned.
    ///
    /// # Errors
    /// As [`Self::open`], otherwise.
    pub fn open_unpinned(root: &Path) -> Result<Self, Failure> {
        let (config, secrets) = load_workspace(root)?;
        let secrets = Arc::new(secrets);
        let pinned = read_lock(root)?.embedder;
        let name = pinned.as_ref().map_or(&config.embedder, |pinned| &pinned.name).clone();
        let embedder = super::embedders::build(&config, &secrets, &name)?;
        let store = Arc::new(Store::open(&config.store)?);
        Ok(Self {
            config,
            secrets,
            store,
            embedder: Arc::new(embedder),
            embedder_name: name,
            pinned,
            checked: OnceLock::new(),
        })
    }

    /// The name of its space.
    pub fn space(&self) -> &str {
        self.embedder.space()
    }

    /// The same workspace and database, in the space of another embedder.
    ///
    /// # Errors
    /// A data failure for an embedder that is not defined or cannot be used.
    pub fn with_embedder(&self, name: &str) -> Result<Self, Failure> {
        Ok(Self {
            config: self.config.clone(),
            secrets: Arc::clone(&self.secrets),
            store: Arc::clone(&self.store),
            embedder: Arc::new(super::embedders::build(&self.config, &self.secrets, name)?),
            embedder_name: name.to_owned(),
            pinned: self.pinned.clone(),
            checked: OnceLock::new(),
        })
    }

    /// What a person should know before reading figures of this workspace.
    pub fn warning(&self) -> Option<String> {
        let pinned = self.pinned.as_ref()?;
        let wanted = &self.config.embedder;
        (*wanted != pinned.name).then(|| {
            format!(
                "karat.yaml names the embedder \"{wanted}\", but karat.lock pins \"{}\", which still serves; \
                 `karat embedder migrate {wanted}` compares the two",
                pinned.name
            )
        })
    }

    /// The folder of a dataset.
    pub fn dataset_folder(&self, name: &str) -> PathBuf {
        self.config.root.join("datasets").join(name)
    }

    /// Reads a dataset with its card; bad rows are listed in the result.
    ///
    /// # Errors
    /// A data failure where it cannot be read at all.
    pub fn read_dataset(&self, name: &str) -> Result<ReadDataset, Failure> {
        read_dataset(&self.config.root, name)
    }

    /// A dataset in which every row could be read.
    ///
    /// # Errors
    /// A data failure.
    pub fn dataset(&self, name: &str) -> Result<Dataset, Failure> {
        self.read_dataset(name)?.complete()
    }

    /// The card of a dataset; an empty one where it has none.
    ///
    /// # Errors
    /// A data failure where it cannot be read.
    pub fn card(&self, name: &str) -> Result<Card, Failure> {
        read_card(&self.dataset_folder(name))
    }

    /// A suite by name, or by path.
    ///
    /// # Errors
    /// A data failure; for a name without a suite, with the nearest one.
    pub fn suite(&self, name: &str) -> Result<Suite, Failure> {
        let named = self.config.root.join("suites").join(format!("{name}.yaml"));
        let given = Path::new(name);
        if named.is_file() {
            return load_suite(&named);
        }
        if given.extension().is_some() && given.is_file() {
            return load_suite(given);
        }
        let names = self.suite_names();
        let hint =
            if names.is_empty() { "suites/ is empty".to_owned() } else { did_you_mean(name, &names, "there are") };
        Err(Failure::data(format!("there is no suite \"{name}\" ({} does not exist)", named.display())).hint(hint))
    }

    /// The suites of the workspace, by name.
    pub fn suite_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.config.root.join("suites")).into_iter().flatten().flatten();
        let stems = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "yaml"));
        let mut names: Vec<String> = stems
            .filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }

    /// One unit vector a text, in order; each text is embedded once and then kept, a batch at a time.
    ///
    /// # Errors
    /// A failure of the embedder or the store; what was embedded before it is kept.
    pub fn embed(&self, texts: &[&str], events: Events<'_>) -> Result<Vectors, Failure> {
        let space = self.embedder.space();
        let mut known = self.store.vectors(space, texts)?;
        let missing: Vec<usize> = (0..texts.len()).filter(|position| !known.contains_key(position)).collect();
        if !missing.is_empty() {
            self.check_server()?;
            let what = format!("embedding with {}", self.embedder_name);
            events(Event::Began { what, total: missing.len() as u64, done: 0 });
            for batch in missing.chunks(BATCH) {
                self.embed_batch(texts, batch, &mut known)?;
                events(Event::Advanced { steps: batch.len() as u64, errors: 0 });
            }
            events(Event::Ended);
        }
        let dim = known.values().map(Vec::len).max().unwrap_or_else(|| self.embedder.dim());
        let mut vectors = Vectors::with_capacity(dim, texts.len());
        (0..texts.len()).for_each(|position| vectors.push(known.get(&position).map_or(&[], Vec::as_slice)));
        Ok(vectors)
    }

    fn embed_batch(
        &self,
        texts: &[&str],
        batch: &[usize],
        known: &mut HashMap<usize, Vec<f32>>,
    ) -> Result<(), Failure> {
        let new = self.embedder.embed(&batch.iter().map(|position| texts[*position]).collect::<Vec<_>>())?;
        let mut rows = Vec::new();
        for (position, vector) in batch.iter().zip(new) {
            // What a server would not embed today it may embed tomorrow.
            if !self.embedder.may_change() || vector.iter().any(|component| *component != 0.0) {
                rows.push((texts[*position].to_owned(), vector.clone()));
            }
            known.insert(*position, vector);
        }
        self.store.save_vectors(self.embedder.space(), rows)
    }

    /// Notes the space, and makes sure that a server behind it still gives the vectors it gave.
    ///
    /// # Errors
    /// A data failure where it does not; a failure of the embedder or the store.
    pub fn check_server(&self) -> Result<(), Failure> {
        if self.checked.get().is_some() {
            return Ok(());
        }
        let space = self.embedder.description();
        self.store.save_space(space, &self.embedder_name, Timestamp::now())?;
        if self.embedder.may_change() {
            let now = unit_rows(&self.embedder.embed(&PROBES)?);
            match self.store.probes(&space.id, now.dim())? {
                Some(then) => self.compare_probes(&unit_rows(&then), &now)?,
                None => self.store.save_probes(&space.id, &now.rows().map(<[f32]>::to_vec).collect::<Vec<_>>())?,
            }
            let pinned = self.pinned.as_ref().filter(|pinned| pinned.space == space.id);
            let sketch = pinned.map(|pinned| pinned.probe.as_slice()).unwrap_or_default();
            let far = sketch.iter().zip(now.row(0)).any(|(then, now)| (then - now).abs() > SKETCH_TOLERANCE);
            if far {
                return Err(self.changed("the vector of a probe text is not the one in karat.lock"));
            }
        }
        let _ = self.checked.set(());
        Ok(())
    }

    fn compare_probes(&self, then: &Vectors, now: &Vectors) -> Result<(), Failure> {
        if then.dim() != now.dim() || then.len() != now.len() {
            let what = format!("its vectors had {} components and now have {}", then.dim(), now.dim());
            return Err(self.changed(&what));
        }
        let similarity = then.rows().zip(now.rows()).map(|(a, b)| dot(a, b)).fold(1.0, f32::min);
        if similarity < SAME_MODEL {
            return Err(
                self.changed(&format!("a probe text's similarity to its own vector of then is {similarity:.3}"))
            );
        }
        Ok(())
    }

    fn changed(&self, what: &str) -> Failure {
        let name = &self.embedder_name;
        Failure::data(format!("the server behind the embedder \"{name}\" no longer gives the vectors it gave: {what}"))
            .hint(format!(
                "set \"revision\" under embedders.{name} to a new value, so that its vectors get a space of their own, then \
                 compare the two with `karat embedder migrate {name}`"
            ))
    }

    /// What karat.lock says of this space once it is pinned.
    ///
    /// # Errors
    /// A failure of a server that is asked for its probes.
    pub fn to_pin(&self) -> Result<LockedEmbedder, Failure> {
        self.check_server()?;
        let probe = if self.embedder.may_change() {
            let probes = unit_rows(&self.embedder.embed(&PROBES[..1])?);
            probes.row(0).iter().take(SKETCHED).copied().collect()
        } else {
            Vec::new()
        };
        Ok(LockedEmbedder { name: self.embedder_name.clone(), space: self.embedder.space().to_owned(), probe })
    }
}

fn unit_rows(vectors: &[Vec<f32>]) -> Vectors {
    let mut rows = Vectors::new(vectors.first().map_or(0, Vec::len));
    vectors.iter().for_each(|vector| rows.push(vector));
    rows
}

/// Reads a dataset of the workspace in `root`.
///
/// # Errors
/// A data failure where it cannot be read at all.
pub fn read_dataset(root: &Path, name: &str) -> Result<ReadDataset, Failure> {
    let folder = root.join("datasets").join(name);
    let examples = examples_file(&folder)?;
    read_examples(&examples, name, read_card(&folder)?)
}

fn read_card(folder: &Path) -> Result<Card, Failure> {
    let card = folder.join("dataset.yaml");
    if card.exists() { Ok(read_yaml::<CardFile>(&card)?.into()) } else { Ok(Card::default()) }
}
