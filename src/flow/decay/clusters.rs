//! The clusters of an assay: those kept from earlier, fitted or joined by new ones where needed.

use super::inputs::{Embedded, Inputs, WindowRecords};
use crate::core::coverage::CoverageMeasurement;
use crate::core::domain::Failure;
use crate::core::new_clusters::{ClusterBook, Window};
use crate::core::vector::Vectors;
use crate::edge::store::StoredClustering;
use crate::flow::Workspace;

/// Clusters, and who is in them.
pub(super) struct Clusters {
    pub book: Option<ClusterBook>,
    /// Its version.
    pub version: Option<String>,
    /// Cluster of every record of the window.
    pub now: Vec<Option<usize>>,
    /// Cluster of every record of the reference window.
    pub reference: Option<Vec<Option<usize>>>,
    /// Cluster of every example: the nearest one, as an example is not a sample of traffic.
    pub golden: Vec<Option<usize>>,
}

impl Clusters {
    /// The clusters, and the version of them to keep.
    pub fn build(
        workspace: &Workspace,
        inputs: &Inputs,
        embedded: &Embedded,
        measured: Option<&CoverageMeasurement>,
        seed: u64,
    ) -> Result<(Self, Option<StoredClustering>), Failure> {
        let policy = &workspace.config.decay.policy;
        let Some((mut book, stored)) = Self::book(workspace, inputs, embedded, seed)? else {
            let nothing = |rows: usize| vec![None; rows];
            let none = Self {
                book: None,
                version: None,
                now: nothing(embedded.now.len()),
                reference: embedded.reference.as_ref().map(|vectors| nothing(vectors.len())),
                golden: nothing(embedded.golden.len()),
            };
            return Ok((none, None));
        };
        if let Some((then, vectors)) = inputs.reference.as_ref().zip(embedded.reference.as_ref())
            && let Some(measured) = measured
        {
            let unrepresented: Vec<bool> =
                measured.now.records.iter().map(|record| record.p_represented < 0.5).collect();
            let (texts_now, texts_then) = (inputs.now.texts(), then.texts());
            let (label_now, label_then) = (inputs.now.window.label(), then.window.label());
            let now = window(&inputs.now, &embedded.now, &texts_now, &label_now);
            book.search(now, window(then, vectors, &texts_then, &label_then), &unrepresented, policy, seed);
        }
        let unsaved = |error| Failure::other("the clusters cannot be kept").caused_by(error);
        let version = book.version().map_err(unsaved)?;
        let clustering = StoredClustering {
            parent: stored.filter(|stored| *stored != version),
            content: serde_json::to_string(&book).map_err(unsaved)?,
            reference: book.reference.clone(),
            version: version.clone(),
        };
        let membership = policy.membership;
        let clusters = Self {
            now: book.place(&embedded.now, membership),
            reference: embedded.reference.as_ref().map(|vectors| book.place(vectors, membership)),
            golden: book.place(&embedded.golden, 0.0),
            book: Some(book),
            version: Some(version),
        };
        Ok((clusters, Some(clustering)))
    }

    /// The kept clusters, where they were formed on the same reference window; else new ones. With the version kept.
    fn book(
        workspace: &Workspace,
        inputs: &Inputs,
        embedded: &Embedded,
        seed: u64,
    ) -> Result<Option<(ClusterBook, Option<String>)>, Failure> {
        let (records, vectors) = match inputs.reference.as_ref().zip(embedded.reference.as_ref()) {
            Some(reference) => reference,
            None => (&inputs.now, &embedded.now),
        };
        let label = records.window.label();
        let read = |stored: &StoredClustering| -> Result<ClusterBook, Failure> {
            serde_json::from_str(&stored.content).map_err(|error| {
                Failure::store(format!("the kept clusters {} cannot be read", stored.version)).caused_by(error)
            })
        };
        let stored = workspace.store.clusterings(&inputs.dataset.name, workspace.space())?;
        if let Some(stored) = stored.iter().find(|stored| stored.reference == label) {
            return Ok(Some((read(stored)?, Some(stored.version.clone()))));
        }
        // Clusters of another reference window keep their ids: new ones are numbered after them.
        let mut first = 1;
        for stored in &stored {
            first = first.max(read(stored)?.next_number());
        }
        let texts = records.texts();
        let fitted =
            ClusterBook::fit(window(records, vectors, &texts, &label), first, &workspace.config.decay.policy, seed);
        Ok(fitted.map(|book| (book, None)))
    }
}

fn window<'a>(records: &'a WindowRecords, vectors: &'a Vectors, texts: &'a [&'a str], label: &'a str) -> Window<'a> {
    Window { label, vectors, weights: &records.weights, texts, groups: &records.groups }
}
