//! The nightly job: run, decay and report in one.

use jiff::Timestamp;
use tokio::sync::watch;

use super::decay::{DecayOptions, measure_decay};
use super::run::{RunOptions, Stopped, run_suites};
use super::{Events, Workspace};
use crate::core::domain::{Failure, Suite};
use crate::core::view::{DecayView, Report, RunsView};

/// Runs suites, measures the decay of each of their datasets once, and puts all of it into one report.
///
/// If a run stopped early, no decay is measured, and the reason is returned beside the report.
///
/// # Errors
/// The first failure of a run or a measurement.
pub async fn check(
    workspace: &Workspace,
    suites: &[Suite],
    run: &RunOptions,
    decay: &DecayOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<(Report, Option<Stopped>), Failure> {
    let (runs, stopped) = run_suites(workspace, suites, run, now, stop, events).await?;
    let mut views: Vec<DecayView> = Vec::new();
    for suite in suites {
        let seen = views.iter().any(|view| view.dataset == suite.dataset);
        if !seen && stopped.is_none() {
            views.push(measure_decay(workspace, &suite.dataset, decay, now, events)?.view);
        }
    }
    let title = suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
    Ok((Report::new(title, now.to_string(), Some(RunsView::new(runs)), views), stopped))
}
