//! `karat list`

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::report::list_text;
use crate::core::view::{EndpointRow, ListView, RunRow};
use crate::edge::dataset::dataset_names;
use crate::edge::store::PastRun;

/// List datasets, suites, endpoints and runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Maximum number of runs to list, newest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    runs: usize,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let endpoints = workspace.config.endpoints.iter();
    let endpoints =
        endpoints.map(|(name, endpoint)| EndpointRow { name: name.clone(), r#type: endpoint.r#type.name() });
    let tags = workspace.store.run_tags()?;
    let runs = workspace.store.recent_runs(args.runs)?.into_iter().map(|run| {
        let tags = tags.iter().filter(|tag| tag.run_id == run.header.run_id).map(|tag| tag.tag.clone()).collect();
        Ok(run_row(workspace.store.past_run(run)?, tags))
    });
    let view = ListView::new(
        dataset_names(&workspace.config.root.join("datasets")),
        workspace.suite_names(),
        endpoints.collect(),
        runs.collect::<Result<_, Failure>>()?,
    );
    context.output.show(args.format, &view, list_text)?;
    Ok(Exit::Success)
}

fn run_row(past: PastRun, tags: Vec<String>) -> RunRow {
    let PastRun { run, verdict, score, .. } = past;
    RunRow {
        run_id: run.header.run_id.into(),
        suite: run.header.suite,
        endpoint: run.header.endpoint,
        prompt: run.header.prompt,
        repeats: run.header.repeats,
        dataset: run.header.dataset,
        dataset_version: run.header.dataset_version,
        started_at: run.header.started_at.to_string(),
        finished: run.finished_at.is_some(),
        done: run.done,
        total: run.header.total,
        score: score.and_then(|score| score.mean),
        verdict,
        tags,
    }
}
