//! `karat show`

use jiff::Timestamp;

use super::arguments::Format;
use super::{Context, Exit};
use crate::core::domain::Failure;
use crate::core::report as render;
use crate::flow::report::stored_report;

/// Show a run, or what was last measured of a dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  karat show support-intents\n  karat show 0199a2")]
pub(super) struct Args {
    /// A dataset's name, or the beginning of a run's id.
    #[arg(value_name = "RUN|DATASET")]
    what: String,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let report = stored_report(&context.workspace()?, &args.what, Timestamp::now())?;
    if args.format == Format::Json {
        context.output.data(&render::json(&report)?)?;
        return Ok(Exit::Success);
    }
    let (width, colour) = (context.output.width(), context.output.colour());
    if let Some(runs) = &report.quality {
        context.output.data(&render::terminal_runs(runs, width, colour))?;
    }
    for view in &report.decay {
        context.output.data(&render::terminal_decay(view, width, colour))?;
    }
    context.output.data(&format!("\n{}", render::terminal_headline(&report.headline, width, colour)))?;
    Ok(Exit::Success)
}
