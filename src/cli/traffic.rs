//! `karat traffic import|stats`

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser};
use jiff::Timestamp;

use super::arguments::{Format, key_value, share, time};
use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use crate::core::domain::{Failure, TrafficRecord};
use crate::core::report::{import_text, traffic_text};
use crate::core::view::{FirstRecordView, ImportView, ImportedView, RejectView, SourceView, TrafficView};
use crate::edge::input::expand;
use crate::edge::traffic::{Exclusion, FORMATS, Rows, Spans, TrafficFormat};
use crate::flow::import_traffic::{ImportOptions, ImportedFile, import_traffic};

/// Characters shown of a text.
const SHOWN: usize = 200;

/// Import sampled production traffic, or show what is stored.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import traces, logs and exports; secrets and personal data are redacted before anything is stored
    #[command(
        after_help = "The format is recognized by the content, or named by --from. In plain rows, fields are recognized by their usual names (input, text, question …; ts, created_at …; user, session_id …), or by --map. The spans of a trace become one record. Importing a file again changes nothing.\n\nExamples:\n  karat traffic import traces/ --source production\n  karat traffic import \"export-*.jsonl.gz\" --from langfuse --dry-run\n  karat traffic import logs.jsonl --map input=body.text,ts=created_at,user=meta.uid\n  karat traffic import day.csv --at 2026-09-14 --sample-rate 0.05\n  zcat log.jsonl.gz | karat traffic import -"
    )]
    Import(Box<ImportArgs>),
    /// Show what is stored for each source
    Stats {
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Files, folders or patterns such as "logs/*.jsonl.gz"; - is standard input. JSONL, JSON, CSV or Parquet, also
    /// compressed with gzip or zstd.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Format of the files. Default: recognized by their content.
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(format_names()))]
    from: Option<String>,

    /// Source to import into.
    #[arg(long, value_name = "NAME", default_value = "default")]
    source: String,

    /// Paths of the fields id, input, output, ts, user, model and p; dots reach into objects (repeatable).
    #[arg(long = "map", value_name = "FIELD=PATH,…", value_delimiter = ',', value_parser = key_value)]
    map: Vec<(String, String)>,

    /// Which requests of a trace are records: the root, or the request nearest to it; or all.
    #[arg(long, value_enum, default_value_t, hide_possible_values = false)]
    spans: SpansArg,

    /// Leaves out rows with this value in a field, such as environment=staging (repeatable).
    #[arg(long, value_name = "PATH=VALUE", value_parser = key_value)]
    exclude: Vec<(String, String)>,

    /// Time of records without one.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    /// Share of requests that were sampled, for records without a sample rate.
    #[arg(long, alias = "inclusion-probability", value_name = "RATE", value_parser = probability)]
    sample_rate: Option<f64>,

    /// Maximum share of bad rows in a file; above it, nothing is imported.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    max_bad: f64,

    /// Shows the first records as karat reads them, and stores nothing.
    #[arg(long)]
    dry_run: bool,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which requests of a trace are records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum SpansArg {
    /// The root, or the request nearest to it.
    #[default]
    Root,
    /// All requests.
    All,
}

fn format_names() -> Vec<PossibleValue> {
    let rows: &dyn TrafficFormat = &Rows::default();
    let value = |format: &dyn TrafficFormat| PossibleValue::new(format.name()).help(format.reads());
    FORMATS.iter().map(|format| value(*format)).chain([value(rows)]).collect()
}

fn probability(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "it must be above 0 and at most 1".to_owned())
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Import(args) => run_import(context, *args),
        Command::Stats { format } => run_stats(context, format),
    }
}

fn imported(source: &str, file: ImportedFile) -> ImportedView {
    ImportedView {
        file: file.file,
        source: source.to_owned(),
        format: file.format.to_owned(),
        rows: file.rows,
        new: file.new,
        known: file.known,
        merged: file.merged,
        other: file.other.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        rejected: file
            .rejects
            .into_iter()
            .map(|reject| RejectView { line: reject.line, reason: reject.reason })
            .collect(),
        redacted: file.redactions.iter().collect(),
    }
}

fn first_record(record: TrafficRecord) -> FirstRecordView {
    FirstRecordView {
        record_id: record.record_id,
        at: record.at.to_string(),
        user: record.group,
        model: record.model,
        sample_rate: record.sample_rate,
        input: beginning(&record.input),
        output: record.output.map(|output| beginning(&output)),
    }
}

fn beginning(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    cut.map_or_else(|| text.to_owned(), |at| format!("{}…", &text[..at]))
}

fn run_import(context: &Context, args: ImportArgs) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let inputs = expand(&args.files)?;
    let options = ImportOptions {
        source: args.source,
        from: args.from,
        map: args.map,
        spans: match args.spans {
            SpansArg::Root => Spans::Root,
            SpansArg::All => Spans::All,
        },
        exclude: args.exclude.into_iter().map(|(path, value)| Exclusion { path, value }).collect(),
        at: args.at,
        sample_rate: args.sample_rate,
        max_bad: args.max_bad,
        dry_run: args.dry_run,
    };
    let done = import_traffic(&workspace, &inputs, &options, &listener(&context.output))?;
    let files = done.files.into_iter().map(|file| imported(&options.source, file)).collect();
    let first = done.first.into_iter().map(first_record).collect();
    context.output.show(args.format, &ImportView::new(options.dry_run, files, first), import_text)?;
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
            models: s.models,
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
