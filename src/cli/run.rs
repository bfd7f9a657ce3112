//! `karat run`

use jiff::Timestamp;

use super::arguments::{Format, Now, RunArgs};
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use crate::core::domain::{Failure, Suite};
use crate::core::report::{terminal_plan, terminal_runs};
use crate::core::view::{PlanView, Report, RunsView};
use crate::flow::Workspace;
use crate::flow::run::{RunOptions, Stopped, dry_run, run_suites};

/// Run suites on endpoints.
///
/// Outcomes are stored as they arrive; an error never counts as a wrong answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat run support                      every prompt on every endpoint of the suite\n  karat run support -e my-model -j 32\n  karat run support -e openai:chat:gpt-x --repeat 5\n  karat run support --dry-run            show what would be sent and its estimated cost\n  karat run support --max-cost 2.50      stop before it costs more than that\n  karat run support --resume             finish an interrupted run\n  karat run support --retry-errors       retry failed requests\n  karat run support --record support.cassette.jsonl\n  karat run support --format json | jq .verdict"
)]
pub(super) struct Args {
    /// Suites, by name (suites/NAME.yaml) or path.
    #[arg(required = true, value_name = "SUITE")]
    suites: Vec<String>,

    #[command(flatten)]
    run: RunArgs,

    /// Render and price every request, but send nothing.
    #[arg(long, conflicts_with_all = ["resume", "retry_errors", "record", "max_cost", "max_seconds"])]
    dry_run: bool,

    #[command(flatten)]
    now: Now,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suites = load(&workspace, &args.suites)?;
    let now = args.now.get();
    let options = RunOptions { fixed_id: args.now.is_given(), ..args.run.options() };
    if args.dry_run {
        return plan(context, &workspace, &suites, &options, now, args.format);
    }
    let events = listener(&context.output);
    let (views, stopped) = interrupt::run_until_interrupted(context.output, async |stop| {
        run_suites(&workspace, &suites, &options, now, stop, &events).await
    })?;
    let runs = RunsView::new(views);
    context.output.show(args.format, &runs, terminal_runs)?;
    say_unfinished(context, stopped.as_ref(), &format!("karat run {}", args.suites.join(" ")));
    let report = Report::new(args.suites.join(", "), now.to_string(), Some(runs), Vec::new());
    step_summary(&report)?;
    Ok(if stopped.is_some() { Exit::Incomplete } else { Exit::of_verdicts(Some(report.verdict), None) })
}

/// Prints why a run ended early, and how to resume it.
pub(super) fn say_unfinished(context: &Context, stopped: Option<&Stopped>, command: &str) {
    if let Some(stopped) = stopped {
        context.output.say(&format!(
            "unfinished ({}): finished outcomes are stored; continue with `{command} --resume`",
            stopped.sentence()
        ));
    }
}

fn plan(
    context: &Context,
    workspace: &Workspace,
    suites: &[Suite],
    options: &RunOptions,
    now: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let events = listener(&context.output);
    let mut entries = Vec::new();
    for suite in suites {
        entries.extend(dry_run(workspace, suite, options, now, &events)?);
    }
    let plan = PlanView::new(entries);
    context.output.show(format, &plan, terminal_plan)?;
    Ok(Exit::Success)
}

/// Appends the report to the job summary of GitHub Actions, if there is one.
pub(super) fn step_summary(report: &Report) -> Result<(), Failure> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
    crate::flow::report::append_step_summary(report, path.as_deref())
}

/// Loads the named suites, all of them before anything is sent.
pub(super) fn load(workspace: &Workspace, names: &[String]) -> Result<Vec<Suite>, Failure> {
    names.iter().map(|name| workspace.suite(name)).collect()
}
