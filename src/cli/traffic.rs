//! `karat traffic import|stats`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;

use super::arguments::{Format, key_value, time};
use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::{imported_text, to_json, traffic_text};
use crate::core::view::{ImportView, ImportedView, RejectView, SourceView, TrafficView};
use crate::flow::import::{ImportOptions, Imported, import};

/// Import sampled production traffic, or show what is stored.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import JSONL or CSV files; secrets and personal data are redacted before anything is stored
    #[command(
        after_help = "Fields are recognized by their usual names (input, text, question …; ts, created_at …; user, session_id …), or by --map. Importing a file again changes nothing.\n\nExamples:\n  karat traffic import sample.jsonl\n  karat traffic import logs.jsonl --source support --map input=body.text,ts=created_at,user=meta.uid\n  karat traffic import day.csv --at 2026-09-14 --sample-rate 0.05"
    )]
    Import(ImportArgs),
    /// Show what is stored for each source
    Stats {
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Files to import (.jsonl, .ndjson, .json with one object per line, .csv).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Source to import into.
    #[arg(long, value_name = "NAME", default_value = "default")]
    source: String,

    /// Paths of the fields id, input, output, ts, user and p; dots reach into objects (repeatable).
    #[arg(long = "map", value_name = "FIELD=PATH,…", value_delimiter = ',', value_parser = key_value)]
    map: Vec<(String, String)>,

    /// Time of records without one.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    /// Share of requests that were sampled, for records without a sample rate.
    #[arg(long, alias = "inclusion-probability", value_name = "RATE", value_parser = probability)]
    sample_rate: Option<f64>,

    /// Maximum share of bad rows; above it, nothing is imported from the file.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    max_bad: f64,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn probability(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "it must be above 0 and at most 1".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it must be between 0 and 1".to_owned())
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Import(args) => run_import(context, &args),
        Command::Stats { format } => run_stats(context, format),
    }
}

fn imported(file: &Path, imported: Imported) -> ImportedView {
    let rejected = imported.rejects.into_iter();
    ImportedView {
        file: file.display().to_string(),
        source: imported.source,
        rows: imported.rows,
        new: imported.new,
        known: imported.known,
        rejected: rejected.map(|reject| RejectView { line: reject.line, reason: reject.reason }).collect(),
        redacted: imported.redactions.iter().collect(),
    }
}

fn run_import(context: &Context, args: &ImportArgs) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let options = ImportOptions {
        source: args.source.clone(),
        map: args.map.clone(),
        at: args.at,
        sample_rate: args.sample_rate,
        max_bad: args.max_bad,
    };
    let events = listener(&context.output);
    let mut files = Vec::new();
    for file in &args.files {
        let view = imported(file, import(&workspace, file, &options, &events)?);
        if args.format == Format::Table {
            context.output.data(&imported_text(&view))?;
        }
        files.push(view);
    }
    if args.format == Format::Json {
        context.output.data(&to_json(&ImportView::new(files))?)?;
    }
    Ok(Exit::Success)
}

fn run_stats(context: &Context, format: Format) -> Result<Exit, Failure> {
    let stats = context.workspace()?.store.traffic_stats()?;
    let sources: Vec<SourceView> = stats
        .into_iter()
        .map(|s| SourceView {
            source: s.source,
            records: s.records,
            weight: s.weight,
            distinct_inputs: s.distinct,
            groups: s.groups,
            with_output: s.with_output,
            first: s.first.to_string(),
            last: s.last.to_string(),
            rejected: s.rejected,
        })
        .collect();
    if format == Format::Table && sources.is_empty() {
        context.output.say("no traffic yet; import some with `karat traffic import FILE`");
        return Ok(Exit::Success);
    }
    context.output.show(format, &TrafficView::new(sources), traffic_text)?;
    Ok(Exit::Success)
}
