//! The nightly job: run, decay and report in one.

use jiff::Timestamp;
use tokio::sync::watch;

use super::compare::baseline::{LAST_PASS, last_pass};
use super::compare::{CompareOptions, NamedRun, compare_stored};
use super::decay::{DecayOptions, measure_decay};
use super::run::{RunOptions, Stopped, run_suites};
use super::{Events, Workspace};
use crate::core::domain::{Failure, Suite};
use crate::core::view::{CompareView, DecayView, Report, RunView, RunsView};

/// Number of earlier runs searched for one that passed.
const EARLIER: usize = 60;

/// Largest number of changed examples listed in each direction.
const FLIPS: usize = 10;

/// Runs suites, compares each run with the last one that passed, measures the decay of each of their datasets once, and puts
/// all of it into one report.
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
    let comparisons = runs.iter().filter(|run| run.finished).map(|run| with_last_pass(workspace, run));
    let comparisons = comparisons.collect::<Result<Vec<_>, Failure>>()?;
    let mut views: Vec<DecayView> = Vec::new();
    for suite in suites {
        let seen = views.iter().any(|view| view.dataset == suite.dataset);
        if !seen && stopped.is_none() {
            let karats = suites.iter().filter(|other| other.dataset == suite.dataset).filter_map(|other| other.karats);
            let karats = karats.max_by(|a, b| a.min.total_cmp(&b.min));
            let options = DecayOptions { karats, ..decay.clone() };
            views.push(measure_decay(workspace, &suite.dataset, &options, now, events)?.view);
        }
    }
    let title = suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
    let report = Report::new(title, now.to_string(), Some(RunsView::new(runs)), views);
    Ok((Report { comparisons: comparisons.into_iter().flatten().collect(), ..report }, stopped))
}

/// Compares a run with the latest one before it that passed; `None` if there is none.
fn with_last_pass(workspace: &Workspace, run: &RunView) -> Result<Option<CompareView>, Failure> {
    let store = &workspace.store;
    let Some(run) = store.run(&run.run_id)? else { return Ok(None) };
    let Some(base) = last_pass(&store.runs_before(&run, EARLIER)?) else { return Ok(None) };
    let options = CompareOptions { flips: FLIPS, ..CompareOptions::default() };
    let candidate = NamedRun { named: run.header.endpoint.clone(), run };
    compare_stored(workspace, &NamedRun { run: base, named: LAST_PASS.to_owned() }, &candidate, &options).map(Some)
}
