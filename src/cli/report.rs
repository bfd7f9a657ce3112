//! `karat report`

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::Timestamp;

use super::arguments::report_path;
use super::run::step_summary;
use super::{Context, Exit};
use crate::core::domain::Failure;
use crate::flow::report::{ReportFormat, stored_report, write_reports};

/// Write a report of a run, or of a dataset: its latest assay and runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat report support-intents -o reports/support.html -o reports/support.md\n  karat report 0199a2 --format junit > junit.xml"
)]
pub(super) struct Args {
    /// A dataset's name, or the beginning of a run's id.
    #[arg(value_name = "RUN|DATASET")]
    what: String,

    /// Print to stdout in this format.
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write to a file; the extension tells the format: .html .md .json .xml .csv (repeatable).
    #[arg(short, long = "output", value_name = "FILE", value_parser = report_path)]
    output: Vec<(PathBuf, ReportFormat)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Md,
    Html,
    Json,
    Junit,
    Csv,
}

impl From<Format> for ReportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Md => Self::Md,
            Format::Html => Self::Html,
            Format::Json => Self::Json,
            Format::Junit => Self::Junit,
            Format::Csv => Self::Csv,
        }
    }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let report = stored_report(&context.workspace()?, &args.what, Timestamp::now())?;
    let format = args.format.map(ReportFormat::from).or_else(|| args.output.is_empty().then_some(ReportFormat::Md));
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
