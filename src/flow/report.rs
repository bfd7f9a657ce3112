//! Builds a report from stored results, and writes it in any format.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Workspace;
use super::run::{stored_view, suite_of_run};
use crate::core::domain::Failure;
use crate::core::report::{Format, step_summary};
use crate::core::verdict::Verdict;
use crate::core::view::{Report, RunView, RunsView};
use crate::edge::files::{append, write_atomic};
use crate::edge::store::RunHeader;

/// Returns the report on a run (named by the beginning of its id) or on a dataset (its latest decay measurement and the
/// latest runs of the version measured).
///
/// # Errors
/// A data failure if there is no such run or dataset; a store failure.
pub fn stored_report(workspace: &Workspace, what: &str, now: Timestamp) -> Result<Report, Failure> {
    if workspace.dataset_folder(what).is_dir() {
        return dataset_report(workspace, what, now);
    }
    let run = workspace.store.run(what)?.ok_or_else(|| {
        Failure::data(format!("there is no dataset or run \"{what}\"")).hint("`karat list` lists datasets and runs")
    })?;
    let view = stored_run_view(workspace, &run.header)?;
    let title = format!("{} on {}", run.header.suite, run.header.endpoint);
    Ok(Report::new(title, now.to_string(), Some(RunsView::new(vec![view])), Vec::new()))
}

fn dataset_report(workspace: &Workspace, name: &str, now: Timestamp) -> Result<Report, Failure> {
    let measurement = workspace.store.measurements(name, workspace.space(), 1)?.pop();
    let version = match &measurement {
        Some(row) => row.view.dataset_version.clone(),
        None => workspace.dataset(name)?.version,
    };
    let mut runs = workspace.store.latest_runs_of_dataset(name, &version)?;
    runs.sort_by(|a, b| a.header.run_id.cmp(&b.header.run_id));
    let views = runs.iter().map(|run| stored_run_view(workspace, &run.header)).collect::<Result<Vec<RunView>, _>>()?;
    if views.is_empty() && measurement.is_none() {
        return Err(Failure::data(format!("nothing was measured for {name} yet"))
            .hint(format!("run a suite with `karat run`, or measure decay with `karat decay {name}`")));
    }
    let runs = (!views.is_empty()).then(|| RunsView::new(views));
    Ok(Report::new(name.to_owned(), now.to_string(), runs, measurement.into_iter().map(|row| row.view).collect()))
}

/// The view of a run, with the suite and dataset as they were then.
fn stored_run_view(workspace: &Workspace, run: &RunHeader) -> Result<RunView, Failure> {
    let suite = suite_of_run(&workspace.store, run)?;
    stored_view(workspace, &suite, &run.run_id)
}

/// Writes a report to files, each in its format. If a file cannot be written, the others still are.
///
/// # Errors
/// The first failure, after every file was tried.
pub fn write_reports(report: &Report, paths: &[(PathBuf, &'static Format)]) -> Result<(), Failure> {
    let results: Vec<Result<(), Failure>> = paths
        .iter()
        .map(|(path, format)| format.render(report).and_then(|text| write_atomic(path, text.as_bytes())))
        .collect();
    results.into_iter().collect()
}

/// Appends a summary to the job summary file of the CI system, if there is one.
///
/// # Errors
/// A failure that names the file.
pub fn append_step_summary(report: &Report, path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| append(path, &step_summary(report)))
}

/// Returns the verdicts on quality and on decay, which decide the exit code.
pub fn verdicts(report: &Report) -> (Option<Verdict>, Option<Verdict>) {
    let decay = report.decay.iter().map(|view| view.verdict).reduce(Verdict::and);
    (report.quality.as_ref().map(|runs| runs.verdict), decay)
}
