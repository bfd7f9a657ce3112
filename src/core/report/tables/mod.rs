//! The tables of a report, built once and put into each format's syntax by that format.

mod decay;
mod fine_print;
mod runs;
mod table;

pub(super) use decay::{
    candidates, clusters, coverage, drift, estimates, first_reasons, flagged, flagged_for, gates, shift, unrepresented,
};
pub(super) use fine_print::{METHOD, fine_print, runs_fine_print};
pub(super) use runs::{errors, matrix, misses, outcomes, plan, run_gates, run_names, scores};
pub(super) use table::{Kind, Table};
