//! `karat run`

use jiff::Timestamp;

use super::arguments::{Format, RunArgs};
use super::progress::Progress;
use super::{Context, Exit, interrupt};
use crate::core::domain::{Failure, Suite};
use crate::core::view::{Report, RunsView};
use crate::edge::render;
use crate::flow::Workbench;
use crate::flow::run::run_suite;

/// Run suites on endpoints. Outcomes are kept as they come; an error is never a wrong answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat run support                      every endpoint of the suite\n  karat run support -e my-model -j 32\n  karat run support --resume             finish what was interrupted\n  karat run support --format json | jq .verdict"
)]
pub(super) struct Args {
    /// Suites by name (suites/NAME.yaml) or path.
    #[arg(required = true, value_name = "SUITE")]
    suites: Vec<String>,

    #[command(flatten)]
    run: RunArgs,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let bench = context.bench()?;
    let suites = load(&bench, &args.suites)?;
    let options = args.run.options();
    let progress = Progress::new(&context.output);
    let talkative = context.output.talkative();
    let (runs, interrupted) = interrupt::run_until_interrupted(say(talkative), async |stop| {
        let mut runs = Vec::new();
        for suite in &suites {
            if !*stop.borrow() {
                runs.extend(
                    run_suite(&bench, suite, &options, Timestamp::now(), stop.clone(), &|event| progress.show(event))
                        .await?,
                );
            }
        }
        let interrupted = *stop.borrow();
        Ok((RunsView::new(runs), interrupted))
    })?;
    match args.format {
        Format::Json => context.output.data(&render::to_json(&runs)?)?,
        Format::Table => {
            context.output.data(&render::terminal_runs(&runs, context.output.width(), context.output.colour()))?;
        }
    }
    if interrupted {
        context.output.say(&format!("unfinished: continue with `karat run {} --resume`", args.suites.join(" ")));
    }
    let report = Report::new(args.suites.join(", "), Timestamp::now().to_string(), Some(runs), Vec::new());
    step_summary(&report)?;
    Ok(if interrupted { Exit::Incomplete } else { Exit::of_verdicts(Some(report.verdict), None) })
}

/// Appends to the summary that GitHub shows, where there is one.
pub(super) fn step_summary(report: &Report) -> Result<(), Failure> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
    crate::flow::report::append_step_summary(report, path.as_deref())
}

/// Every suite named, read before anything is sent.
pub(super) fn load(bench: &Workbench, names: &[String]) -> Result<Vec<Suite>, Failure> {
    names.iter().map(|name| bench.suite(name)).collect()
}

/// Says something on stderr from another thread.
pub(super) fn say(talkative: bool) -> impl Fn(&str) + Send + 'static {
    move |text| {
        if talkative {
            use std::io::Write;
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
