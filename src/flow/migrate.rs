//! Moves a workspace to another embedding space the way a database is migrated: embed in shadow, compare, and cut over
//! on request.
//!
//! The embedding space in use is a single entry of karat.lock, replaced as a whole; vectors, clusters and results are
//! stored per embedding space. So a migration interrupted at any moment leaves the old space in use, and the vectors it
//! has already stored are reused.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use jiff::Timestamp;

use super::decay::{DecayOptions, measure_unsaved, texts_of};
use super::sets::named_or_all;
use super::{Event, Events, Workspace};
use crate::core::agreement::{Overlap, neighbour_overlap};
use crate::core::cluster::adjusted_rand_index;
use crate::core::decay::Measured;
use crate::core::domain::{Embedder, EmbeddingSpace, Failure, FailureKind, ReasonCode};
use crate::core::queue::QueueState;
use crate::core::view::{AgreementView, MigrationView, SpaceName};
use crate::edge::dataset::{read_lock, write_lock};
use crate::edge::store::EmbeddingSpaceRow;

/// Neighbours compared per text.
const NEIGHBOURS: usize = 10;

/// Maximum number of texts whose neighbours are compared. Each is compared with all the others.
const COMPARED: usize = 2000;

/// Options for a migration.
#[derive(Debug, Clone)]
pub struct MigrateOptions {
    /// Name of the embedder to move to.
    pub to: String,
    /// Datasets to compare; all of them if empty.
    pub datasets: Vec<String>,
    /// Whether to use the new embedder from then on.
    pub cut_over: bool,
    /// Seed of the random generator.
    pub seed: u64,
}

/// Embeds every text of the datasets and their traffic with another embedder, compares it with the one in use, and, if
/// requested, uses it from then on.
///
/// # Errors
/// A data failure if an embedder or dataset cannot be used; a store failure. Vectors computed so far stay stored.
pub fn migrate(
    root: &Path,
    options: &MigrateOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<MigrationView, Failure> {
    let serving = Workspace::open_unpinned(root)?;
    let next = serving.with_embedder(&options.to)?;
    let from = serving.pinned.as_ref().map_or_else(
        || name_of(&serving),
        |pinned| SpaceName { embedder: pinned.name.clone(), space: pinned.space.clone() },
    );
    let to = name_of(&next);
    let mut notes = serving.store.notes().to_vec();
    let names = named_or_all(root, &options.datasets)?;
    let decay = DecayOptions { seed: options.seed, ..DecayOptions::default() };
    let (texts, embedded) = embed_all(&next, &names, &decay, events)?;
    let mut datasets = Vec::new();
    if serving.embedder.space() != from.space {
        notes.push(format!(
            "the embedder \"{}\" no longer produces the embedding space {}, so nothing can be compared with it",
            from.embedder, from.space
        ));
    } else if from.space == to.space {
        notes.push("that embedding model is already in use".to_owned());
    } else {
        for name in &names {
            match agreement(&serving, &next, name, &decay, now, events) {
                Ok(view) => datasets.push(view),
                Err(failure) if failure.kind == FailureKind::Data => {
                    notes.push(format!("{name} was not compared: {failure}"));
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    if options.cut_over {
        cut_over(&next)?;
        let named = serving.config.embedder.as_ref();
        if let Some(named) = named.filter(|named| !serving.config.is_same_embedder(named, &options.to)) {
            notes.push(format!("set \"embedder: {}\" in karat.yaml, which still names \"{named}\"", options.to));
        }
    }
    let schema = "karat.embedder-migration/1".to_owned();
    Ok(MigrationView { schema, from, to, texts, embedded, datasets, cut_over: options.cut_over, notes })
}

fn name_of(workspace: &Workspace) -> SpaceName {
    SpaceName { embedder: workspace.embedder_name.clone(), space: workspace.embedder.space().to_owned() }
}

/// Embeds every text. Returns how many texts there are, and how many of them had no vector before.
fn embed_all(
    workspace: &Workspace,
    names: &[String],
    options: &DecayOptions,
    events: Events<'_>,
) -> Result<(usize, usize), Failure> {
    let mut texts = Vec::new();
    for name in names {
        texts.extend(texts_of(workspace, name, options)?);
    }
    texts.sort();
    texts.dedup();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let before = workspace.store.count_vectors(workspace.embedder.space(), &texts)?;
    workspace.embed(&texts, events)?;
    Ok((texts.len(), texts.len() - before))
}

fn agreement(
    serving: &Workspace,
    next: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<AgreementView, Failure> {
    let before = measure_unsaved(serving, dataset, options, now, events)?;
    let after = measure_unsaved(next, dataset, options, now, events)?;
    let texts = texts_of(serving, dataset, options)?;
    let step = texts.len().div_ceil(COMPARED).max(1);
    let texts: Vec<&str> = texts.iter().map(String::as_str).step_by(step).collect();
    let (labels_before, labels_after) = (labels(&before), labels(&after));
    let clustered = |labels: &[usize]| labels.iter().filter(|label| **label > 0).collect::<HashSet<_>>().len();
    let comparable = labels_before.len() == labels_after.len() && clustered(&labels_before) > 0;
    Ok(AgreementView {
        dataset: dataset.to_owned(),
        compared: texts.len(),
        neighbour_overlap: neighbour_overlap(&serving.embed(&texts, events)?, &next.embed(&texts, events)?, NEIGHBOURS),
        cluster_agreement: comparable.then(|| adjusted_rand_index(&labels_before, &labels_after)),
        clusters: (clustered(&labels_before), clustered(&labels_after)),
        coverage: (before.view.coverage, after.view.coverage),
        flags: Overlap::of(&flags(&before), &flags(&after)),
    })
}

/// The cluster of each record in the window, numbered from 1; 0 for none.
fn labels(measured: &Measured) -> Vec<usize> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let clusters = measured.records.iter().map(|record| record.cluster.as_deref());
    clusters
        .map(|cluster| {
            let next = numbers.len() + 1;
            cluster.map_or(0, |cluster| *numbers.entry(cluster).or_insert(next))
        })
        .collect()
}

/// The flags queued for review.
fn flags(measured: &Measured) -> HashSet<(&str, ReasonCode)> {
    let queued = measured.changes.iter().filter(|change| change.to == QueueState::Queued);
    queued.map(|change| (change.flag.example_id.as_str(), change.flag.code)).collect()
}

/// Pins the new embedding space in karat.lock. The file is replaced as a whole, so either the old or the new space is
/// in use at any time.
fn cut_over(next: &Workspace) -> Result<(), Failure> {
    let root = &next.config.root;
    let mut lock = read_lock(root)?;
    lock.embedder = Some(next.to_pin()?);
    write_lock(root, &lock)
}

/// The embedding space in use, and all embedding spaces with stored data.
#[derive(Debug, Clone)]
pub struct Spaces {
    /// Name of the embedder in use.
    pub name: String,
    /// Its embedding space, with the parts of the fingerprint.
    pub serving: EmbeddingSpace,
    /// Whether it is pinned in karat.lock.
    pub pinned: bool,
    /// The embedding spaces with stored data, oldest first.
    pub stored: Vec<EmbeddingSpaceRow>,
}

/// Returns the embedding spaces of a workspace.
///
/// # Errors
/// A store failure.
pub fn spaces(workspace: &Workspace) -> Result<Spaces, Failure> {
    Ok(Spaces {
        name: workspace.embedder_name.clone(),
        serving: workspace.embedder.description().clone(),
        pinned: workspace.pinned.is_some(),
        stored: workspace.store.spaces()?,
    })
}

/// Removes the vectors of an embedding space that is not in use, named by its fingerprint or its embedder. Returns its
/// fingerprint and the number of vectors removed.
///
/// # Errors
/// A data failure if the space is in use, or has no stored data; a store failure.
pub fn retire(workspace: &Workspace, which: &str, events: Events<'_>) -> Result<(String, usize), Failure> {
    let stored = workspace.store.spaces()?;
    let serving = workspace.embedder.space();
    let others: Vec<&EmbeddingSpaceRow> = stored.iter().filter(|row| row.space.id != serving).collect();
    let named: Vec<&&EmbeddingSpaceRow> =
        others.iter().filter(|row| row.space.id == which || row.name == which).collect();
    let row = match named.as_slice() {
        [row] => **row,
        [] if which == serving || which == workspace.embedder_name => {
            return Err(Failure::data(format!("the embedding model \"{which}\" is in use and cannot be retired"))
                .hint("cut over to another one first: `karat embedder migrate NAME --cut-over`"));
        }
        several => {
            let names: Vec<&str> = others.iter().map(|row| row.space.id.as_str()).collect();
            let what = if several.is_empty() { "nothing is stored in" } else { "several embedding models are called" };
            let hint = if names.is_empty() {
                "there is no other embedding model".to_owned()
            } else {
                format!("the others are {}", names.join(", "))
            };
            return Err(Failure::data(format!("{what} \"{which}\"")).hint(hint));
        }
    };
    let removed = workspace.store.retire_space(&row.space.id)?;
    events(Event::Note(format!("clusters and measurements of {} remain as history", row.space.id)));
    Ok((row.space.id.clone(), removed))
}
