//! `karat report`

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::arguments::{Now, report_path};
use super::context::Context;
use super::exit::Exit;
use super::run::step_summary;
use crate::core::domain::Failure;
use crate::core::report::{FORMATS, Format};
use crate::flow::report::{stored_report, write_reports};

/// Write a report on a run, or on a dataset: its latest decay measurement and runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat report support-intents -o reports/support.html -o reports/support.md\n  karat report 0199a2 --format junit > junit.xml"
)]
pub(super) struct Args {
    /// Dataset name, or the beginning of a run id.
    #[arg(value_name = "RUN|DATASET")]
    what: String,

    /// Print the report to stdout in this format.
    #[arg(long, value_parser = format_name())]
    format: Option<&'static Format>,

    /// Write the report to a file; the extension sets the format: .html .md .json .xml .csv (repeatable).
    #[arg(short, long = "output", value_name = "FILE", value_parser = report_path)]
    output: Vec<(PathBuf, &'static Format)>,

    #[command(flatten)]
    now: Now,
}

fn format_name() -> impl TypedValueParser<Value = &'static Format> {
    PossibleValuesParser::new(FORMATS.iter().map(|format| format.name))
        .try_map(|name| Format::named(&name).ok_or("no such format"))
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let report = stored_report(&context.workspace()?, &args.what, args.now.get())?;
    let format = args.format.or_else(|| FORMATS.first().filter(|_| args.output.is_empty()));
    if let Some(format) = format {
        context.output.data(&format.render(&report)?)?;
    }
    write_reports(&report, &args.output)?;
    for (path, _) in &args.output {
        context.output.say(&format!("wrote {}", path.display()));
    }
    step_summary(&report)?;
    Ok(Exit::Success)
}
