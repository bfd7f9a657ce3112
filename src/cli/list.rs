//! `karat list`

use serde::Serialize;

use super::arguments::Format;
use super::{Context, Exit};
use crate::core::domain::{Failure, short};
use crate::core::report::{plain_table, to_json};
use crate::edge::dataset::dataset_names;

/// List datasets, suites, endpoints and runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Runs listed, newest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    runs: usize,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Characters of a run's id that are shown: its time and enough of its random part to tell runs apart. Every command
/// takes the beginning of an id.
const RUN_ID: usize = 18;

#[derive(Serialize)]
struct ListView {
    schema: &'static str,
    datasets: Vec<String>,
    suites: Vec<String>,
    endpoints: Vec<EndpointView>,
    runs: Vec<RunRow>,
}

#[derive(Serialize)]
struct EndpointView {
    name: String,
    r#type: &'static str,
}

#[derive(Serialize)]
struct RunRow {
    run_id: String,
    suite: String,
    endpoint: String,
    prompt: Option<String>,
    repeats: u32,
    dataset: String,
    dataset_version: String,
    started_at: String,
    finished: bool,
    done: usize,
    total: usize,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let endpoints = workspace.config.endpoints.iter();
    let endpoints =
        endpoints.map(|(name, endpoint)| EndpointView { name: name.clone(), r#type: endpoint.r#type.name() });
    let runs = workspace.store.recent_runs(args.runs)?.into_iter().map(|run| RunRow {
        run_id: run.header.run_id,
        suite: run.header.suite,
        endpoint: run.header.endpoint,
        prompt: run.header.prompt,
        repeats: run.header.repeats,
        dataset: run.header.dataset,
        dataset_version: run.header.dataset_version,
        started_at: run.header.started_at,
        finished: run.finished_at.is_some(),
        done: run.done,
        total: run.header.total,
    });
    let view = ListView {
        schema: "karat.list/1",
        datasets: dataset_names(&workspace.config.root.join("datasets")),
        suites: workspace.suite_names(),
        endpoints: endpoints.collect(),
        runs: runs.collect(),
    };
    if args.format == Format::Json {
        context.output.data(&to_json(&view)?)?;
        return Ok(Exit::Success);
    }
    let or_none = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let endpoints: Vec<String> =
        view.endpoints.iter().map(|endpoint| format!("{} ({})", endpoint.name, endpoint.r#type)).collect();
    let mut text = format!(
        "datasets   {}\nsuites     {}\nendpoints  {}\n",
        or_none(&view.datasets),
        or_none(&view.suites),
        or_none(&endpoints)
    );
    if view.runs.is_empty() {
        text.push_str("runs       none\n");
    } else {
        let rows = view.runs.iter().map(|run| {
            let version = format!("{}@{}", run.dataset, short(&run.dataset_version, 6));
            let state =
                if run.finished { run.total.to_string() } else { format!("{}/{} unfinished", run.done, run.total) };
            let started = run.started_at.get(..16).unwrap_or(&run.started_at).replace('T', " ");
            vec![
                short(&run.run_id, RUN_ID).to_owned(),
                run.suite.clone(),
                run.prompt
                    .as_ref()
                    .map_or_else(|| run.endpoint.clone(), |prompt| format!("{} · {prompt}", run.endpoint)),
                version,
                started,
                state,
            ]
        });
        text.push_str(&plain_table(
            &["run", "suite", "endpoint", "dataset", "started", "examples"],
            rows.collect(),
            context.output.width(),
        ));
    }
    context.output.data(&text)?;
    Ok(Exit::Success)
}
