//! Measures the decay of a golden set against its traffic: loads the inputs, lets the core measure, and saves the
//! result.

mod exposure;
mod gate;
mod history;
pub(in crate::flow) mod inputs;
mod recent;
mod reviews;
mod runs;
mod slice;
mod sources;

use jiff::Timestamp;

use super::stored_dataset::parts_of;
use super::{Event, Events, Workspace};
use crate::core::decay::{Inputs, KnownClusters, Measured, MeasuredClustering, Wording, measure, rewordings};
use crate::core::domain::{Dataset, Failure};
use crate::core::new_clusters::ClusterBook;
use crate::core::wording::Reworded;
use crate::edge::store::{DecaySave, MeasurementRow, StoredClustering};
use inputs::Loaded;

pub use inputs::{DecayOptions, texts_of};
pub use recent::{RecentRequest, RecentTraffic};
pub(super) use runs::primary_scorer;
pub(super) use sources::present_hashes;

/// Measures the decay of a dataset and saves the result, its clusters and its flags in one transaction.
///
/// # Errors
/// A data failure if the dataset or window cannot be used; a store failure.
pub fn measure_decay(
    workspace: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Measured, Failure> {
    let loaded = Loaded::new(workspace, dataset, options, now, events)?;
    let measured = measure_loaded(workspace, &loaded, options, now, events)?;
    workspace.store.save_decay(to_save(&loaded.dataset, &measured, now)?)?;
    Ok(measured)
}

/// Like [`measure_decay`], but saves only vectors: no result, no clusters, no flags.
///
/// # Errors
/// As [`measure_decay`].
pub(super) fn measure_unsaved(
    workspace: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Measured, Failure> {
    let loaded = Loaded::new(workspace, dataset, options, now, events)?;
    measure_loaded(workspace, &loaded, options, now, events)
}

fn measure_loaded(
    workspace: &Workspace,
    loaded: &Loaded,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Measured, Failure> {
    let step = || events(Event::Advanced { steps: 1, errors: 0 });
    events(Event::Began { what: format!("decay of {}", loaded.dataset.label()), total: 2, done: 0 });
    let mut inputs = inputs(workspace, loaded, options, now)?;
    add_wording(workspace, &mut inputs, events)?;
    step();
    let measured = measure(inputs)?;
    step();
    events(Event::Ended);
    Ok(measured)
}

/// Adds examples in the wording of each window. Their vectors are not stored: every window has other copies.
fn add_wording(workspace: &Workspace, inputs: &mut Inputs<'_>, events: Events<'_>) -> Result<(), Failure> {
    let embedded = |reworded: Reworded| -> Result<Wording, Failure> {
        let texts: Vec<&str> = reworded.texts.iter().map(String::as_str).collect();
        Ok(Wording { vectors: workspace.embed_once(&texts, events)?, reworded })
    };
    let (now, reference) = rewordings(inputs);
    inputs.now.wording = Some(embedded(now)?);
    if let Some((window, reworded)) = inputs.reference.as_mut().zip(reference) {
        window.wording = Some(embedded(reworded)?);
    }
    Ok(())
}

/// The inputs of a measurement: what was loaded, and what the database knows about the dataset.
fn inputs<'a>(
    workspace: &'a Workspace,
    loaded: &'a Loaded,
    options: &DecayOptions,
    at: Timestamp,
) -> Result<Inputs<'a>, Failure> {
    let Loaded { dataset, source, texts, golden, now, reference, notes } = loaded;
    let settings = gate::settings(workspace, dataset, options, now.span)?;
    let (exposed, unsearched) = exposure::exposed(workspace, dataset)?;
    let (run, scorer) = runs::latest_complete(workspace, dataset)?.unzip();
    let hashes = present_hashes(workspace, dataset)?;
    let unchecked = sources::unchecked_note(dataset, &hashes);
    let formed_on = reference.as_ref().unwrap_or(now).span.label();
    Ok(Inputs {
        dataset,
        texts,
        golden,
        space: workspace.space(),
        now: now.as_input(),
        reference: reference.as_ref().map(inputs::LoadedWindow::as_input),
        known_clusters: known_clusters(workspace, &dataset.name, &formed_on)?,
        flags: workspace.store.flags(&dataset.name)?,
        passes: runs::passes(workspace, dataset)?,
        answered: history::answered(workspace, dataset)?,
        exposed,
        hashes,
        voices: runs::voices(workspace, dataset)?,
        slice: slice::slice_scores(workspace, dataset, source, scorer.as_ref(), now.records())?,
        run,
        run_pairs: history::run_pairs(workspace, dataset)?,
        earlier: reviews::earlier_version(workspace, dataset, reference.as_ref().map(|window| window.span))?,
        settings,
        source,
        looks: workspace.store.looks(&dataset.name, workspace.space(), source)?,
        notes: notes.iter().cloned().chain(unsearched).chain(unchecked).collect(),
        at,
        seed: options.seed,
    })
}

/// The stored clusters that were formed on the window with this label.
fn known_clusters(workspace: &Workspace, dataset: &str, label: &str) -> Result<KnownClusters, Failure> {
    let read = |stored: &StoredClustering| -> Result<ClusterBook, Failure> {
        serde_json::from_str(&stored.content).map_err(|error| {
            Failure::store(format!("the stored clusters {} cannot be read", stored.version)).caused_by(error)
        })
    };
    let stored = workspace.store.clusterings(dataset, workspace.space())?;
    let mut known = KnownClusters::default();
    if let Some(stored) = stored.iter().find(|stored| stored.reference == label) {
        known.book = Some((read(stored)?, stored.version.clone()));
        return Ok(known);
    }
    for stored in &stored {
        known.next_number = known.next_number.max(read(stored)?.next_number());
    }
    Ok(known)
}

fn to_save(dataset: &Dataset, measured: &Measured, now: Timestamp) -> Result<DecaySave, Failure> {
    let store = |clustering: &MeasuredClustering| {
        let content = serde_json::to_string(&clustering.book)
            .map_err(|error| Failure::other("cannot write the clusters as JSON").caused_by(error))?;
        Ok(StoredClustering {
            version: clustering.version.clone(),
            reference: clustering.book.reference().to_owned(),
            parent: clustering.parent.clone(),
            content,
        })
    };
    Ok(DecaySave {
        parts: parts_of(dataset),
        clustering: measured.clustering.as_ref().map(store).transpose()?,
        changes: measured.changes.clone(),
        measurement: MeasurementRow {
            measurement_id: uuid::Uuid::now_v7().to_string(),
            measured_at: now.to_string(),
            view: measured.view.clone(),
        },
    })
}
