//! Assays a golden set against its traffic: embed → cluster → coverage, shift, signals, estimate → flags.

mod clusters;
mod inputs;
mod queue;
mod repeats;
mod result;

use jiff::Timestamp;

use super::{Event, Events, Workspace};
use crate::core::coverage::{self, CoverageMeasurement, GoldenPoints, Sample};
use crate::core::domain::{Failure, Flag, ReasonCode};
use crate::core::signals::{dated_flags, flaky_flags, local_share, rank, repeated_flags, vanished_flags};
use crate::core::view::DecayView;
use crate::edge::store::MeasurementRow;
use clusters::Clusters;
use inputs::{Embedded, Inputs, WindowRecords};

pub use inputs::{DecayOptions, texts_of};
pub use result::RecordRow;

/// An assay: its view, and a row for every record of the window.
#[derive(Debug, Clone)]
pub struct DecayMeasurement {
    /// What is printed, kept and gated.
    pub view: DecayView,
    /// One row a record of the window, by time.
    pub records: Vec<RecordRow>,
}

/// Bootstrap replicates behind every interval.
const REPLICATES: usize = 1000;

/// Measures the decay of a dataset, queues its flags and keeps the result.
///
/// # Errors
/// A data failure for a dataset or window that cannot be used; a store failure.
pub fn measure_decay(
    workspace: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<DecayMeasurement, Failure> {
    measure_all(workspace, dataset, options, now, Keep::Everything, events)
}

/// Measures as [`assay`] does, but keeps only vectors: no result, no clusters, no flag.
///
/// # Errors
/// As [`assay`].
pub(super) fn measure_unsaved(
    workspace: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<DecayMeasurement, Failure> {
    measure_all(workspace, dataset, options, now, Keep::Vectors, events)
}

/// What of an assay is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Everything,
    Vectors,
}

fn measure_all(
    workspace: &Workspace,
    dataset: &str,
    options: &DecayOptions,
    now: Timestamp,
    keep: Keep,
    events: Events<'_>,
) -> Result<DecayMeasurement, Failure> {
    let steps = |done| events(Event::Advanced { steps: done, errors: 0 });
    let inputs = Inputs::load(workspace, dataset, options, now)?;
    let embedded = Embedded::new(workspace, &inputs, events)?;
    events(Event::Began { what: format!("assay of {}", inputs.dataset.label()), total: 3, done: 0 });
    if keep == Keep::Everything {
        super::stored_dataset::save_dataset(&workspace.store, &inputs.dataset, now)?;
    }
    let golden = embedded.live.select_from(&embedded.golden);
    let topics = inputs::topics(&inputs, &embedded, options.seed);
    let points = GoldenPoints { vectors: &golden, topics: &topics };
    let measured = measure(workspace, &inputs, &embedded, points, options.seed);
    steps(1);
    let (clusters, clustering) = Clusters::build(workspace, &inputs, &embedded, measured.as_ref(), options.seed)?;
    if let Some(clustering) = clustering.filter(|_| keep == Keep::Everything) {
        workspace.store.save_clustering(&inputs.dataset.name, workspace.space(), clustering, &now.to_string())?;
    }
    steps(1);
    let repeats = repeats::passes(workspace, &inputs.dataset)?;
    let mut flags = flags(workspace, &inputs, &embedded, &topics, measured.as_ref(), now);
    flags.extend(flaky_flags(&inputs.dataset.examples, &repeats, workspace.config.decay.policy.flaky_score));
    let is_measured = |code| match code {
        ReasonCode::TrafficVanished => measured.is_some() && inputs.reference.is_some(),
        ReasonCode::Flaky => !repeats.is_empty(),
        _ => true,
    };
    let (queued, updates) = queue::evaluate(workspace, &inputs, rank(flags), &is_measured)?;
    if keep == Keep::Everything {
        workspace.store.update_flags(&inputs.dataset.name, updates, &now.to_string())?;
    }
    let measured = measured.as_ref();
    let (view, records) = result::assemble(workspace, &inputs, &embedded, &topics, measured, &clusters, &queued)?;
    if keep == Keep::Everything {
        workspace.store.save_measurement(&MeasurementRow {
            measurement_id: uuid::Uuid::now_v7().to_string(),
            measured_at: now.to_string(),
            view: view.clone(),
        })?;
    }
    steps(1);
    events(Event::Ended);
    Ok(DecayMeasurement { view, records })
}

fn flags(
    workspace: &Workspace,
    inputs: &Inputs,
    embedded: &Embedded,
    topics: &[usize],
    measured: Option<&CoverageMeasurement>,
    now: Timestamp,
) -> Vec<Flag> {
    let policy = &workspace.config.decay.policy;
    let examples = &inputs.dataset.examples;
    let cadence = inputs.dataset.card.review_every_days.or(policy.review_every_days);
    let mut flags = dated_flags(examples, cadence, now);
    flags.extend(repeated_flags(examples, &embedded.golden, policy.duplicate_similarity));
    let windows = measured.and_then(|m| m.reference.as_ref().map(|reference| (m, reference)));
    if let Some((measured, then)) = windows
        && let Some((records, vectors)) = inputs.reference.as_ref().zip(embedded.reference.as_ref())
    {
        let represented =
            |coverage: &coverage::Coverage| coverage.records.iter().map(|r| r.p_represented).collect::<Vec<_>>();
        let live = embedded.live.select_from(&embedded.golden);
        let before = local_share(&live, topics, vectors, &records.weights, &represented(then), policy.neighbours);
        let after = local_share(
            &live,
            topics,
            &embedded.now,
            &inputs.now.weights,
            &represented(&measured.now),
            policy.neighbours,
        );
        let live_examples: Vec<_> = embedded.live.rows.iter().map(|row| examples[*row].clone()).collect();
        flags.extend(vanished_flags(&live_examples, &before, &after, policy));
    }
    flags
}

fn measure(
    workspace: &Workspace,
    inputs: &Inputs,
    embedded: &Embedded,
    golden: GoldenPoints<'_>,
    seed: u64,
) -> Option<CoverageMeasurement> {
    let policy = &workspace.config.decay.policy;
    let reference = inputs.reference.as_ref().zip(embedded.reference.as_ref());
    coverage::measure(
        golden,
        Sample { vectors: &embedded.now, weights: &inputs.now.weights, groups: &inputs.now.groups },
        reference.map(|(records, vectors)| Sample { vectors, weights: &records.weights, groups: &records.groups }),
        coverage::Options {
            seed,
            replicates: REPLICATES,
            duplicate_similarity: policy.duplicate_similarity,
            tolerated_gap: policy.tolerated_gap,
        },
    )
}
