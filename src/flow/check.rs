//! The nightly command: run, decay and report in one.

use jiff::Timestamp;
use tokio::sync::watch;

use super::assay::{AssayOptions, Assayed, assay};
use super::run::{RunOptions, run_suite};
use super::{Events, Workbench};
use crate::core::domain::{Failure, Suite};
use crate::core::view::{Report, RunsView};

/// Runs suites and assays their datasets, each once, and puts all of it into one report. Where `stop` turned true,
/// nothing is assayed.
///
/// # Errors
/// The first failure of a run or an assay.
pub async fn check(
    bench: &Workbench,
    suites: &[Suite],
    run: &RunOptions,
    decay: &AssayOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<Report, Failure> {
    let mut runs = Vec::new();
    for suite in suites {
        if !*stop.borrow() {
            runs.extend(run_suite(bench, suite, run, now, stop.clone(), events).await?);
        }
    }
    let mut assayed: Vec<Assayed> = Vec::new();
    for suite in suites {
        let seen = assayed.iter().any(|done| done.view.dataset == suite.dataset);
        if !seen && !*stop.borrow() {
            assayed.push(assay(bench, &suite.dataset, decay, now, events)?);
        }
    }
    let title = suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
    let views = assayed.iter().map(|done| done.view.clone()).collect();
    Ok(Report::new(title, now.to_string(), Some(RunsView::new(runs)), views))
}
