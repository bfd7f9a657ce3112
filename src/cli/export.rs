//! `karat export`

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::export::ExportFormat;
use crate::core::view::count_of;
use crate::flow::export::{Target, export};

/// Export the outcomes of runs for other tools.
///
/// A row per outcome: what was asked, what was accepted, the answer, every score with its reason, tokens and cost. Outcomes
/// without an answer, and scores that could not be given, are marked as such and are never zeros.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat export last -o outcomes.parquet\n  karat export 0199a2 nightly -o outcomes.csv\n  karat export last -o results.promptfoo.json\n  karat export last --format otlp | while IFS= read -r line; do\n    printf %s \"$line\" | curl -H 'Content-Type: application/json' \\\n      --data-binary @- \"$COLLECTOR/v1/logs\"\n  done"
)]
pub(super) struct Args {
    /// The beginning of a run id, a tag, an endpoint, a prompt, a suite, or last; the latest run is meant among several.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// File to write. Default: standard output. The name sets the format: .parquet, .csv, .jsonl, .otlp.jsonl,
    /// .promptfoo.json.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Format of the export.
    #[arg(long, value_name = "FORMAT", value_parser = format_name())]
    format: Option<ExportFormat>,
}

fn format_name() -> impl TypedValueParser<Value = ExportFormat> {
    PossibleValuesParser::new(ExportFormat::ALL.map(ExportFormat::name))
        .try_map(|name| ExportFormat::ALL.into_iter().find(|format| format.name() == name).ok_or("no such format"))
}

fn format_of(args: &Args) -> Result<ExportFormat, Failure> {
    let named = || {
        let name = args.output.as_ref()?.file_name()?.to_str()?;
        ExportFormat::of_file_name(name)
    };
    match (args.format.or_else(named), &args.output) {
        (Some(ExportFormat::Parquet), None) => {
            Err(Failure::usage("Parquet is written to a file only").hint("name one, such as -o outcomes.parquet"))
        }
        (Some(format), _) => Ok(format),
        (None, None) => Ok(ExportFormat::Jsonl),
        (None, Some(path)) => {
            let names = ExportFormat::ALL.map(ExportFormat::name).join(", ");
            Err(Failure::usage(format!("the name {} does not tell the format", path.display()))
                .hint(format!("add --format with one of {names}")))
        }
    }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let format = format_of(&args)?;
    let workspace = context.workspace()?;
    let mut stdout = context.output.stream();
    let target = match &args.output {
        Some(path) => Target::File(path),
        None => Target::Stream(&mut stdout),
    };
    let done = export(&workspace, &args.runs, format, target, Timestamp::now(), &listener(&context.output))?;
    if let Some(path) = &args.output {
        let errors = if done.errors == 0 { String::new() } else { format!(", {} without an answer", done.errors) };
        context.output.say(&format!("wrote {}: {}{errors}", path.display(), count_of(done.outcomes, "outcome")));
    }
    Ok(Exit::Success)
}
