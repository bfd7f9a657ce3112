//! `karat traffic import|stats`

use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use super::arguments::{Format, key_value, time};
use super::listen::listener;
use super::{Context, Exit};
use crate::core::domain::Failure;
use crate::core::report::{plain_table, to_json};
use crate::flow::import::{ImportOptions, Imported, import};

/// Bring in sampled production traffic.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import JSONL or CSV files; secrets and personal data are redacted before anything is kept
    #[command(
        after_help = "Fields are found by their usual names (input, text, question …; ts, created_at …; user, session_id …), or by\n--map. Importing a file again changes nothing.\n\nExamples:\n  karat traffic import sample.jsonl\n  karat traffic import logs.jsonl --source support --map input=body.text,ts=created_at,user=meta.uid\n  karat traffic import day.csv --at 2026-09-14 --sample-rate 0.05"
    )]
    Import(ImportArgs),
    /// What every source holds
    Stats {
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The files (.jsonl, .ndjson, .json with one object a line, .csv).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The source they belong to.
    #[arg(long, value_name = "NAME", default_value = "default")]
    source: String,

    /// Where fields stand: id, input, output, ts, user, p; dots reach into objects (repeatable).
    #[arg(long = "map", value_name = "FIELD=PATH,…", value_delimiter = ',', value_parser = key_value)]
    map: Vec<(String, String)>,

    /// Time of records that carry none.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    /// Share of requests that were sampled, for records without a rate.
    #[arg(long, alias = "inclusion-probability", value_name = "RATE", value_parser = probability)]
    sample_rate: Option<f64>,

    /// Largest share of rows that may be unreadable; above it nothing of the file is imported.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    max_bad: f64,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn probability(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "it must lie above 0 and up to 1".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it must lie between 0 and 1".to_owned())
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Import(args) => run_import(context, &args),
        Command::Stats { format } => run_stats(context, format),
    }
}

#[derive(Serialize)]
struct ImportView {
    schema: &'static str,
    files: Vec<ImportedView>,
}

#[derive(Serialize)]
struct ImportedView {
    file: String,
    source: String,
    rows: usize,
    new: usize,
    known: usize,
    rejected: Vec<RejectView>,
    redacted: std::collections::BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct RejectView {
    line: u64,
    reason: String,
}

impl ImportedView {
    fn new(file: &std::path::Path, imported: Imported) -> Self {
        let named = |kind: crate::core::privacy::redact::RedactionKind| {
            serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
        };
        Self {
            file: file.display().to_string(),
            source: imported.source,
            rows: imported.rows,
            new: imported.new,
            known: imported.known,
            rejected: imported
                .rejects
                .into_iter()
                .map(|reject| RejectView { line: reject.line, reason: reject.reason })
                .collect(),
            redacted: imported.redactions.iter().map(|(kind, count)| (named(kind), count)).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} rows into \"{}\": {} new, {} known already",
            self.file, self.rows, self.source, self.new, self.known
        );
        if !self.redacted.is_empty() {
            let kinds: Vec<_> =
                self.redacted.iter().map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
            text.push_str(&format!("; redacted {}", kinds.join(", ")));
        }
        text.push('\n');
        for reject in &self.rejected {
            text.push_str(&format!("  {}:{}: kept apart: {}\n", self.file, reject.line, reject.reason));
        }
        text
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
        let view = ImportedView::new(file, import(&workspace, file, &options, &events)?);
        if args.format == Format::Table {
            context.output.data(&view.text())?;
        }
        files.push(view);
    }
    if args.format == Format::Json {
        context.output.data(&to_json(&ImportView { schema: "karat.import/1", files })?)?;
    }
    Ok(Exit::Success)
}

#[derive(Serialize)]
struct StatsView {
    schema: &'static str,
    sources: Vec<SourceView>,
}

#[derive(Serialize)]
struct SourceView {
    source: String,
    records: usize,
    weight: f64,
    distinct_inputs: usize,
    groups: usize,
    with_output: usize,
    first: String,
    last: String,
    rejected: usize,
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
    match format {
        Format::Json => context.output.data(&to_json(&StatsView { schema: "karat.traffic/1", sources })?)?,
        Format::Table if sources.is_empty() => {
            context.output.say("no traffic yet; import some with `karat traffic import FILE`")
        }
        Format::Table => {
            let header = ["source", "records", "requests", "distinct", "users", "first", "last", "rejected"];
            let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
            let rows = sources.iter().map(|s| {
                let counts =
                    [s.records, s.weight.round() as usize, s.distinct_inputs, s.groups].map(|count| count.to_string());
                let mut row = vec![s.source.clone()];
                row.extend(counts);
                row.extend([day(&s.first), day(&s.last), s.rejected.to_string()]);
                row
            });
            context.output.data(&plain_table(&header, rows.collect(), context.output.width()))?;
        }
    }
    Ok(Exit::Success)
}
