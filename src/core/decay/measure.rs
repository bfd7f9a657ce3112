//! The measurement.

use super::clusters::Clusters;
use super::findings::Findings;
use super::flags::{self, changes, flags};
use super::inputs::{Inputs, Live, TrafficWindow};
use super::view::{record_rows, view};
use crate::core::coverage::{self, Copies, CoverageMeasurement, GoldenPoints, WindowPoints};
use crate::core::domain::Failure;
use crate::core::new_clusters::ClusterBook;
use crate::core::queue::FlagChange;
use crate::core::unrepresented::{Covered, Unrepresented, unrepresented};
use crate::core::view::{DecayView, RecordRow};
use crate::core::wording::OtherLanguages;

/// Number of bootstrap replicates for every interval.
const REPLICATES: usize = 1000;

/// The result of a decay measurement.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The view that is printed, saved and gated.
    pub view: DecayView,
    /// One row per record of the window, ordered by time.
    pub records: Vec<RecordRow>,
    /// The clusters; `None` if there were too few records to form any.
    pub clustering: Option<MeasuredClustering>,
    /// The changes to the relabel queue.
    pub changes: Vec<FlagChange>,
}

/// The clusters of a measurement.
#[derive(Debug, Clone)]
pub struct MeasuredClustering {
    /// Version: the hash of their content.
    pub version: String,
    /// The version they were derived from.
    pub parent: Option<String>,
    /// The clusters.
    pub book: ClusterBook,
}

/// Measures the decay of a golden set.
///
/// # Errors
/// Returns an error if the clusters cannot be serialized.
pub fn measure(mut inputs: Inputs<'_>) -> Result<Measured, Failure> {
    let known = std::mem::take(&mut inputs.known_clusters);
    let live = Live::of(&inputs);
    let other_languages = live.other_languages(&inputs, &inputs.now);
    let coverage = measure_coverage(&inputs, &live, &other_languages);
    let (clusters, parent) = Clusters::build(&inputs, known, coverage.as_ref())?;
    let unrepresented =
        coverage.as_ref().map(|coverage| find_unrepresented(&inputs, &live, coverage)).unwrap_or_default();
    let covered = coverage.as_ref().map(|coverage| flags::Covered::new(&inputs, &live, coverage));
    let changes = changes(&inputs, &live, flags(&inputs, &live, covered.as_ref()), covered.as_ref());
    let findings = Findings { inputs, live, coverage, other_languages, clusters, unrepresented, changes };
    let (view, records) = (view(&findings), record_rows(&findings));
    let Clusters { book, version, .. } = findings.clusters;
    let clustering = book.zip(version).map(|(book, version)| MeasuredClustering { version, parent, book });
    Ok(Measured { view, records, clustering, changes: findings.changes })
}

fn find_unrepresented(inputs: &Inputs<'_>, live: &Live<'_>, coverage: &CoverageMeasurement) -> Unrepresented {
    let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
    let now = Covered { records: &inputs.now.records, coverage: &coverage.now.records };
    let reference = inputs.reference.as_ref().zip(coverage.reference.as_ref());
    let reference = reference.map(|(window, found)| Covered { records: &window.records, coverage: &found.records });
    unrepresented(now, reference, golden, inputs.settings.policy.min_groups)
}

fn measure_coverage(inputs: &Inputs<'_>, live: &Live<'_>, other: &OtherLanguages) -> Option<CoverageMeasurement> {
    let policy = inputs.settings.policy;
    let then = inputs.reference.as_ref();
    let other_then = then.map(|window| live.other_languages(inputs, window)).unwrap_or_default();
    coverage::measure(
        GoldenPoints { vectors: &live.vectors, topics: &live.topics },
        points(&inputs.now, other),
        then.map(|window| points(window, &other_then)),
        coverage::Options {
            seed: inputs.seed,
            replicates: REPLICATES,
            duplicate_similarity: policy.duplicate_similarity,
            tolerated_gap: policy.tolerated_gap,
        },
    )
}

/// The records of a window, and the examples in its wording.
fn points<'a>(window: &'a TrafficWindow<'_>, other: &'a OtherLanguages) -> WindowPoints<'a> {
    let copies = window.wording.as_ref();
    let copies = copies.map(|wording| Copies { rows: &wording.reworded.rows, vectors: &wording.vectors });
    WindowPoints { records: &window.records, copies, other_language: &other.requests }
}
