//! `karat show`

use jiff::Timestamp;

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::report::{Screen, terminal_decay, terminal_headline, terminal_runs};
use crate::core::view::Report;
use crate::flow::report::stored_report;

/// Show the summary of a run, or the latest results for a dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  karat show support-intents\n  karat show 0199a2")]
pub(super) struct Args {
    /// Dataset name, or the beginning of a run id.
    #[arg(value_name = "RUN|DATASET")]
    what: String,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let report = stored_report(&context.workspace()?, &args.what, Timestamp::now())?;
    context.output.show(args.format, &report, whole_report)?;
    Ok(Exit::Success)
}

/// Renders both halves of a report, then its headline.
pub(super) fn whole_report(report: &Report, screen: Screen) -> String {
    let quality = report.quality.iter().map(|runs| terminal_runs(runs, screen));
    let decay = report.decay.iter().map(|view| terminal_decay(view, screen));
    let halves: String = quality.chain(decay).collect();
    format!("{halves}\n{}", terminal_headline(&report.headline, screen))
}
