//! `karat decay`

use std::path::PathBuf;

use super::arguments::{DecayArgs, Format, report_path};
use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use super::run::step_summary;
use crate::core::domain::Failure;
use crate::core::report::{Format as ReportFormat, terminal_decay};
use crate::core::view::{RecordRow, Report};
use crate::edge::files::write_atomic;
use crate::flow::decay::measure_decay;
use crate::flow::report::write_reports;

/// Measure how much of today's traffic a golden set represents, and flag the examples that decayed.
///
/// The alarm is raised if what people ask about moved, not if only their wording did. Look as often as you like: the
/// level of each look depends on the looks before it, so that at most alarm_level (0.05) false alarms are expected per
/// alarm_period (90 days). Both can be set under decay.policy in karat.yaml.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat decay support-intents --window 2026-09 --reference 2026-06\n  karat decay support-intents -o decay.html -o decay.md\n  karat decay support-intents --records records.jsonl --format json"
)]
pub(super) struct Args {
    /// Dataset name (a folder in datasets/).
    dataset: String,

    #[command(flatten)]
    decay: DecayArgs,

    /// Write one row per record in the window (JSONL): its cluster, nearest example and p_represented.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,

    /// Write a report to a file; the extension sets the format: .html .md .json .xml .csv (repeatable).
    #[arg(short, long = "output", value_name = "FILE", value_parser = report_path)]
    output: Vec<(PathBuf, &'static ReportFormat)>,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let now = args.decay.now.get();
    let events = listener(&context.output);
    let done = measure_decay(&workspace, &args.dataset, &args.decay.options(), now, &events)?;
    if let Some(path) = &args.records {
        write_atomic(path, record_lines(&done.records)?.as_bytes())?;
    }
    context.output.show(args.format, &done.view, terminal_decay)?;
    let report = Report::new(args.dataset, now.to_string(), None, vec![done.view]);
    write_reports(&report, &args.output)?;
    step_summary(&report)?;
    Ok(Exit::of_verdicts(None, Some(report.verdict)))
}

fn record_lines(records: &[RecordRow]) -> Result<String, Failure> {
    let mut text = String::new();
    for record in records {
        text.push_str(
            &serde_json::to_string(record)
                .map_err(|error| Failure::other("cannot write a record as JSON").caused_by(error))?,
        );
        text.push('\n');
    }
    Ok(text)
}
