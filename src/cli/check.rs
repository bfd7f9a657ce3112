//! `karat check`

use std::path::PathBuf;

use super::arguments::{DecayArgs, Format, RunArgs, report_path};
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use super::run::{load, say_unfinished, step_summary};
use super::show::whole_report;
use crate::core::domain::Failure;
use crate::core::report::Format as ReportFormat;
use crate::flow::check::check;
use crate::flow::report::{verdicts, write_reports};

/// Run suites, measure the decay of their datasets and report on both (for nightly jobs).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat check support -o reports/support.html -o reports/junit.xml\n  karat check support billing --window 7d --format json"
)]
pub(super) struct Args {
    /// Suites, by name (suites/NAME.yaml) or path.
    #[arg(required = true, value_name = "SUITE")]
    suites: Vec<String>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    decay: DecayArgs,

    /// Write a report to a file; the extension sets the format: .html .md .json .xml .csv (repeatable).
    #[arg(short, long = "output", value_name = "FILE", value_parser = report_path)]
    output: Vec<(PathBuf, &'static ReportFormat)>,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suites = load(&workspace, &args.suites)?;
    let now = args.decay.now.get();
    let events = listener(&context.output);
    let (run, decay) = (args.run.options(), args.decay.options());
    let (report, stopped) = interrupt::run_until_interrupted(context.output, async |stop| {
        check(&workspace, &suites, &run, &decay, now, stop, &events).await
    })?;
    context.output.show(args.format, &report, whole_report)?;
    write_reports(&report, &args.output)?;
    step_summary(&report)?;
    say_unfinished(context, stopped.as_ref(), &format!("karat check {}", args.suites.join(" ")));
    let (quality, decay) = verdicts(&report);
    Ok(if stopped.is_some() { Exit::Incomplete } else { Exit::of_verdicts(quality, decay) })
}
