//! The clusters of traffic that examples belong to, for slices and for intervals.

use std::collections::HashMap;

use super::Workspace;
use crate::core::domain::{ClusterIdx, Example, Failure, SliceBy, Suite};
use crate::core::new_clusters::ClusterBook;

/// The name of the cluster of each example, by example id, where the suite asks for clusters and decay was measured; empty
/// otherwise.
///
/// # Errors
/// A failure to embed, or of the store.
pub(super) fn traffic_clusters(
    workspace: &Workspace,
    suite: &Suite,
    examples: &[Example],
) -> Result<HashMap<String, String>, Failure> {
    let asked = suite.slices.iter().any(|family| family.by == SliceBy::Cluster);
    if !asked && suite.cluster_by != Some(SliceBy::Cluster) {
        return Ok(HashMap::new());
    }
    cluster_names(workspace, &suite.dataset, examples)
}

/// The name of the cluster of each example in the latest clustering of a dataset, by example id; empty if there is none.
///
/// # Errors
/// A failure to embed, or of the store.
pub(super) fn cluster_names(
    workspace: &Workspace,
    dataset: &str,
    examples: &[Example],
) -> Result<HashMap<String, String>, Failure> {
    let named = |PlacedExample { id, cluster, name }| (id, format!("{cluster} {name}"));
    Ok(placed_examples(workspace, dataset, examples)?.into_iter().map(named).collect())
}

/// The latest clustering of a dataset with its version; `None` if decay was not measured.
///
/// # Errors
/// A store failure.
pub(super) fn latest_clusters(workspace: &Workspace, dataset: &str) -> Result<Option<(String, ClusterBook)>, Failure> {
    let stored = workspace.store.clusterings(dataset, workspace.space())?;
    let Some(stored) = stored.into_iter().next() else { return Ok(None) };
    let book: ClusterBook = serde_json::from_str(&stored.content).map_err(|error| {
        Failure::store(format!("cannot read the clustering {} of {dataset}", stored.version)).caused_by(error)
    })?;
    Ok(Some((stored.version, book)))
}

/// An example in a cluster of traffic.
pub(super) struct PlacedExample {
    /// Its id.
    pub id: String,
    /// The id of the cluster.
    pub cluster: String,
    /// The name of the cluster.
    pub name: String,
}

/// The examples that are in a cluster of the latest clustering of a dataset; none if there is no clustering.
///
/// # Errors
/// A failure to embed, or of the store.
pub(super) fn placed_examples(
    workspace: &Workspace,
    dataset: &str,
    examples: &[Example],
) -> Result<Vec<PlacedExample>, Failure> {
    let Some((_, book)) = latest_clusters(workspace, dataset)? else { return Ok(Vec::new()) };
    let texts: Vec<String> = examples.iter().map(Example::text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = workspace.embed(&texts, &|_| ())?;
    let placed = |(example, cluster): (&Example, Option<ClusterIdx>)| {
        let known = book.get(cluster?);
        Some(PlacedExample { id: example.id.clone(), cluster: known.id.to_owned(), name: known.cluster.name.clone() })
    };
    Ok(examples.iter().zip(book.place(&vectors, 0.0)).filter_map(placed).collect())
}
