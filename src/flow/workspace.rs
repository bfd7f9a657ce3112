//! Workspaces: their settings, secrets, database and embedder, and lookup of datasets and suites by name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;

use super::{Event, Events};
use crate::core::domain::{Card, Dataset, Embedder, Failure, Suite, did_you_mean};
use crate::core::vector::{Vectors, dot};
use crate::edge::config::{
    CardFile, DEFAULT_EMBEDDER, Secrets, WorkspaceConfig, load_suite, load_workspace, read_yaml,
};
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
    /// The embedder in use.
    pub embedder: Arc<Prepared>,
    /// Name of the embedder in use.
    pub embedder_name: String,
    /// The embedder pinned in karat.lock, if any.
    pub pinned: Option<LockedEmbedder>,
    /// Set once [`Self::check_server`] succeeded in this process.
    checked: OnceLock<()>,
    /// The latest vectors of [`Self::embed_once`], by text.
    once: Mutex<HashMap<String, Vec<f32>>>,
}

/// Maximum number of vectors remembered by [`Workspace::embed_once`].
const REMEMBERED: usize = 10_000;

/// Texts embedded and stored at a time: at most this many are lost to an interruption.
const BATCH: usize = 512;

/// Texts whose vectors show whether a server still has the same model. They must never change.
const PROBES: [&str; 3] = [
    "Where is the parcel I ordered last week?",
    "The committee postponed its decision until the budget is known.",
    "How do I convert 12 miles to kilometres?",
];

/// Cosine similarity of a probe's vectors, then and now, below which the model counts as changed. The same model in
/// another batch or on another card differs by less than 0.0005.
const SAME_MODEL: f32 = 0.999;

/// Components of the first probe stored in karat.lock.
const SKETCHED: usize = 16;

/// Tolerated difference between a component and the one stored in karat.lock.
const SKETCH_TOLERANCE: f32 = 0.01;

impl Workspace {
    /// The traffic source of a dataset with this card: the given one, that of the card, the only one with traffic, or
    /// "default".
    ///
    /// # Errors
    /// A store failure.
    pub fn traffic_source(&self, given: Option<&str>, card: &Card) -> Result<String, Failure> {
        if let Some(source) = given.or(card.traffic.as_deref()) {
            return Ok(source.to_owned());
        }
        let sources = self.store.traffic_sources()?;
        Ok(<[String; 1]>::try_from(sources).map_or_else(|_| "default".to_owned(), |[only]| only))
    }

    /// Opens the workspace in `root` with its database, in the embedding space pinned in karat.lock, or else in that of
    /// the embedder named in karat.yaml.
    ///
    /// # Errors
    /// A data failure if its files cannot be used, or if the embedder no longer produces the pinned space; a store
    /// failure if its database cannot be opened.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let workspace = Self::open_unpinned(root)?;
        let Some(pinned) = &workspace.pinned else { return Ok(workspace) };
        let found = workspace.embedder.description();
        if pinned.space == found.id {
            return Ok(workspace);
        }
        let stored = workspace.store.spaces()?.into_iter().find(|row| row.space.id == pinned.space);
        let details = stored.map(|row| row.space.differences(found)).unwrap_or_default();
        let details = details.into_iter().map(|(part, then, now)| format!("{part}: was {then}, is {now}")).collect();
        let name = &pinned.name;
        Err(Failure::data(format!(
            "the embedder \"{name}\" produces the embedding space {}, but karat.lock pins {}; figures of two spaces are never compared",
            found.id, pinned.space
        ))
        .details(details)
        .hint(format!(
            "restore the model and its settings, or switch to the new space with `karat embedder migrate {name} --cut-over`"
        )))
    }

    /// Opens the workspace even if its embedder no longer produces the pinned embedding space.
    ///
    /// # Errors
    /// Otherwise as [`Self::open`].
    pub fn open_unpinned(root: &Path) -> Result<Self, Failure> {
        let (config, secrets) = load_workspace(root)?;
        let secrets = Arc::new(secrets);
        let pinned = read_lock(root)?.embedder;
        let name = pinned.as_ref().map(|pinned| &pinned.name).or(config.embedder.as_ref());
        let name = name.map_or_else(|| DEFAULT_EMBEDDER.to_owned(), Clone::clone);
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
            once: Mutex::default(),
        })
    }

    /// Returns the fingerprint of its embedding space.
    pub fn space(&self) -> &str {
        self.embedder.space()
    }

    /// Returns the same workspace and database, in the embedding space of another embedder.
    ///
    /// # Errors
    /// A data failure if the embedder is not defined or cannot be used.
    pub fn with_embedder(&self, name: &str) -> Result<Self, Failure> {
        Ok(Self {
            config: self.config.clone(),
            secrets: Arc::clone(&self.secrets),
            store: Arc::clone(&self.store),
            embedder: Arc::new(super::embedders::build(&self.config, &self.secrets, name)?),
            embedder_name: name.to_owned(),
            pinned: self.pinned.clone(),
            checked: OnceLock::new(),
            once: Mutex::default(),
        })
    }

    /// Returns a warning if karat.yaml names another embedder than karat.lock.
    pub fn warning(&self) -> Option<String> {
        let pinned = self.pinned.as_ref()?;
        let wanted = self.config.embedder.as_ref()?;
        (!self.config.is_same_embedder(wanted, &pinned.name)).then(|| {
            format!(
                "karat.yaml names the embedder \"{wanted}\", but karat.lock pins \"{}\", which is still in use; \
                 `karat embedder migrate {wanted}` compares the two",
                pinned.name
            )
        })
    }

    /// Returns the folder of a dataset.
    pub fn dataset_folder(&self, name: &str) -> PathBuf {
        self.config.root.join("datasets").join(name)
    }

    /// Reads a dataset with its card; bad rows are listed in the result.
    ///
    /// # Errors
    /// A data failure if it cannot be read at all.
    pub fn read_dataset(&self, name: &str) -> Result<ReadDataset, Failure> {
        read_dataset(&self.config.root, name)
    }

    /// Reads a dataset in which every row must be good.
    ///
    /// # Errors
    /// A data failure if it cannot be read or has bad rows.
    pub fn dataset(&self, name: &str) -> Result<Dataset, Failure> {
        self.read_dataset(name)?.complete()
    }

    /// Reads the card of a dataset; an empty one if it has none.
    ///
    /// # Errors
    /// A data failure if it cannot be read.
    pub fn card(&self, name: &str) -> Result<Card, Failure> {
        read_card(&self.dataset_folder(name))
    }

    /// Reads a suite, given by name or path.
    ///
    /// # Errors
    /// A data failure if it cannot be read; for an unknown name, the hint suggests the nearest one.
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

    /// Returns the names of the suites in the workspace, sorted.
    pub fn suite_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.config.root.join("suites")).into_iter().flatten().flatten();
        let stems = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "yaml"));
        let mut names: Vec<String> = stems
            .filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }

    /// Returns one unit vector per text, in order.
    ///
    /// A text is embedded once and its vector stored, a batch at a time.
    ///
    /// # Errors
    /// A failure of the embedder or the store; batches embedded before it stay stored.
    pub fn embed(&self, texts: &[&str], events: Events<'_>) -> Result<Vectors, Failure> {
        self.embed_texts(texts, true, events)
    }

    /// Like [`Self::embed`], but stores no vector, and only remembers the latest: for texts that no other process will
    /// see again.
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embed_once(&self, texts: &[&str], events: Events<'_>) -> Result<Vectors, Failure> {
        self.embed_texts(texts, false, events)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, Vec<f32>>> {
        self.once.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn embed_texts(&self, texts: &[&str], save: bool, events: Events<'_>) -> Result<Vectors, Failure> {
        let space = self.embedder.space();
        let mut known = self.store.vectors(space, texts)?;
        if !save {
            let remembered = self.remembered();
            for (position, vector) in
                texts.iter().enumerate().filter_map(|(at, text)| Some((at, remembered.get(*text)?)))
            {
                known.entry(position).or_insert_with(|| vector.clone());
            }
        }
        let missing: Vec<usize> = (0..texts.len()).filter(|position| !known.contains_key(position)).collect();
        if !missing.is_empty() {
            self.check_server()?;
            let what = format!("embedding with {}", self.embedder_name);
            events(Event::Began { what, total: missing.len() as u64, done: 0 });
            for batch in missing.chunks(BATCH) {
                self.embed_batch(texts, batch, save, &mut known)?;
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
        save: bool,
        known: &mut HashMap<usize, Vec<f32>>,
    ) -> Result<(), Failure> {
        let new = self.embedder.embed(&batch.iter().map(|position| texts[*position]).collect::<Vec<_>>())?;
        let mut rows = Vec::new();
        for (position, vector) in batch.iter().zip(new) {
            // A text that a server could not embed today may work tomorrow, so a zero vector is not stored.
            if save && (!self.embedder.may_change() || vector.iter().any(|component| *component != 0.0)) {
                rows.push((texts[*position].to_owned(), vector.clone()));
            }
            known.insert(*position, vector);
        }
        if !save {
            let mut remembered = self.remembered();
            if remembered.len() > REMEMBERED {
                remembered.clear();
            }
            let new = batch.iter().filter_map(|at| Some((texts[*at].to_owned(), known.get(at)?.clone())));
            remembered.extend(new);
        }
        if rows.is_empty() { Ok(()) } else { self.store.save_vectors(self.embedder.space(), rows) }
    }

    /// Saves the embedding space, and checks that a server behind it still returns the same vectors as before.
    ///
    /// # Errors
    /// A data failure if it does not; a failure of the embedder or the store.
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
                return Err(self.changed("the vector of a probe text differs from the one in karat.lock"));
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
                self.changed(&format!("the similarity of a probe text's vectors then and now is {similarity:.3}"))
            );
        }
        Ok(())
    }

    fn changed(&self, what: &str) -> Failure {
        let name = &self.embedder_name;
        Failure::data(format!("the server behind the embedder \"{name}\" no longer returns the same vectors: {what}"))
            .hint(format!(
                "set \"revision\" under embedders.{name} to a new value, so that its vectors get a new embedding space, then \
                 compare the two with `karat embedder migrate {name}`"
            ))
    }

    /// Returns the entry that pins this embedding space in karat.lock.
    ///
    /// # Errors
    /// A failure of the embedder, whose server is sent the probes, or of the store.
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
/// A data failure if it cannot be read at all.
pub fn read_dataset(root: &Path, name: &str) -> Result<ReadDataset, Failure> {
    let folder = root.join("datasets").join(name);
    let examples = examples_file(&folder)?;
    read_examples(&examples, name, read_card(&folder)?)
}

fn read_card(folder: &Path) -> Result<Card, Failure> {
    let card = folder.join("dataset.yaml");
    if !card.exists() {
        return Ok(Card::default());
    }
    let checked = Card::try_from(read_yaml::<CardFile>(&card)?);
    checked.map_err(|problem| Failure::data(format!("{}: {problem}", card.display())))
}
