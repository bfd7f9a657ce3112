//! The clusters of a measurement: known ones or, without any, newly fitted ones, extended by the new topics of the
//! window.

use super::inputs::{Inputs, KnownClusters, TrafficWindow};
use crate::core::coverage::CoverageMeasurement;
use crate::core::domain::{ClusterIdx, ExampleIdx, Failure};
use crate::core::new_clusters::ClusterBook;

/// Clusters and their contents.
pub(super) struct Clusters {
    /// `None` if there are too few records to form any.
    pub book: Option<ClusterBook>,
    /// Its version.
    pub version: Option<String>,
    /// The cluster of each record in the window.
    pub now: Vec<Option<ClusterIdx>>,
    /// The cluster of each record in the reference window.
    pub reference: Option<Vec<Option<ClusterIdx>>>,
    /// The cluster of each example. This is always the nearest one, since examples are not a sample of traffic.
    pub golden: Vec<Option<ClusterIdx>>,
}

impl Clusters {
    /// Builds the clusters. Also returns the version they were derived from, if they changed.
    pub fn build(
        inputs: &Inputs<'_>,
        known: KnownClusters,
        coverage: Option<&CoverageMeasurement>,
    ) -> Result<(Self, Option<String>), Failure> {
        let (policy, seed) = (inputs.settings.policy, inputs.seed);
        let Some((mut book, stored)) = book(inputs, known) else { return Ok((Self::none(inputs), None)) };
        if let Some((then, coverage)) = inputs.reference.as_ref().zip(coverage) {
            let unrepresented: Vec<bool> =
                coverage.now.records.iter().map(|record| record.p_represented < 0.5).collect();
            let label = inputs.now.span.label();
            book.search(&label, &inputs.now.records, &then.records, &unrepresented, policy, seed);
        }
        let version =
            book.version().map_err(|error| Failure::other("could not serialize the clusters").caused_by(error))?;
        let place = |window: &TrafficWindow<'_>| book.place(window.records.vectors(), policy.membership);
        let clusters = Self {
            now: place(&inputs.now),
            reference: inputs.reference.as_ref().map(place),
            golden: book.place(inputs.golden, 0.0),
            version: Some(version.clone()),
            book: Some(book),
        };
        Ok((clusters, stored.filter(|stored| *stored != version)))
    }

    fn none(inputs: &Inputs<'_>) -> Self {
        let (now, golden) = (vec![None; inputs.now.records.len()], vec![None; inputs.golden.len()]);
        let reference = inputs.reference.as_ref().map(|window| vec![None; window.records.len()]);
        Self { book: None, version: None, now, reference, golden }
    }

    /// The id of a cluster.
    pub fn id(&self, cluster: Option<ClusterIdx>) -> Option<String> {
        self.book.as_ref().zip(cluster).map(|(book, cluster)| book.get(cluster).id.to_owned())
    }

    /// The cluster of an example.
    pub fn of_example(&self, example: ExampleIdx) -> Option<ClusterIdx> {
        self.golden[example.0]
    }
}

/// The known clusters with their version, or else new ones, fitted on the reference window if there is one.
fn book(inputs: &Inputs<'_>, known: KnownClusters) -> Option<(ClusterBook, Option<String>)> {
    if let Some((book, version)) = known.book {
        return Some((book, Some(version)));
    }
    let window = inputs.reference.as_ref().unwrap_or(&inputs.now);
    let (label, policy) = (window.span.label(), inputs.settings.policy);
    let fitted = ClusterBook::fit(&label, &window.records, known.next_number, policy, inputs.seed);
    fitted.map(|book| (book, None))
}
