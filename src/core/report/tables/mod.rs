//! The tables of a report. They are built once; each format renders them in its own syntax.

mod canary;
mod compare;
mod decay;
mod fine_print;
mod listings;
mod power;
mod runs;
mod scoring;
mod traffic_scores;

use super::table::{Kind, Table};

pub(super) use canary::{canary_notes, canary_sentence, canary_sides};
pub(super) use compare::{
    compare_notes, compare_sentence, compared_requests, compared_runs, compared_scores, compared_slices, contract,
    fixed, new_failures,
};
pub(super) use decay::{
    candidates, clusters, coverage, drift, estimates, exemplars, first_reasons, flagged, flagged_for, flagged_sheet,
    gates, kinds_of_drift, moved, represented, shift, unrepresented,
};
pub(super) use fine_print::{METHOD, fine_print, runs_fine_print};
pub(super) use listings::{
    agreement, checks, dataset_log, day, history, months, queue, queue_log, relabelled, runs, sources, spaces, ties,
};
pub(super) use power::power;
pub(super) use runs::{
    claims, errors, groups, matrix, misses, outcomes, parity, plan, run_gates, run_names, scores, slice_scores,
};
pub(super) use scoring::{confusion_matrices, confusions, judges, labels, position, scorer_errors};
pub(super) use traffic_scores::{not_for_traffic, traffic_clusters, traffic_months, traffic_notes, traffic_scorers};
