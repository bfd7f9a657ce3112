//! `karat compare`

use std::path::PathBuf;

use super::arguments::{Format, Now, ScopeArgs, report_path};
use super::context::Context;
use super::exit::Exit;
use super::run::step_summary;
use crate::core::domain::{Failure, SliceBy};
use crate::core::report::{Format as ReportFormat, terminal_compare};
use crate::core::verdict::GateResult;
use crate::core::view::Report;
use crate::flow::compare::{CompareOptions, MARGIN, compare_runs};
use crate::flow::report::write_reports;

/// Compare two runs on their common examples: is the candidate better, worse, or the same?
///
/// BASE and CANDIDATE name a run by its id, a tag such as main, `last`, `last-pass`, an endpoint, a prompt, a suite, or a
/// version of a suite or dataset (NAME@VERSION). The latest finished run is meant.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat compare main last\n  karat compare gpt-small gpt-large --suite support\n  karat compare support@3f9a1c support@77d0be --slice tag --margin 0.01\n  karat compare main last --gate -o reports/compare.html"
)]
pub(super) struct Args {
    /// The run to compare with.
    #[arg(value_name = "BASE")]
    base: String,

    /// The run that may replace it.
    #[arg(value_name = "CANDIDATE")]
    candidate: String,

    #[command(flatten)]
    scope: ScopeArgs,

    /// Differences of scores up to this count as the same, between 0 and 1.
    #[arg(long, value_name = "SHARE", default_value_t = MARGIN, value_parser = share)]
    margin: f64,

    /// Compare slices, too: tag, source, label, critical, length, language, cluster or a metadata field (repeatable).
    #[arg(long = "slice", value_name = "BY")]
    slices: Vec<String>,

    /// Count clusters instead of examples, such as those made from one template: source, cluster or a metadata field.
    #[arg(long, value_name = "BY")]
    cluster_by: Option<String>,

    /// Exit with 100 if the candidate is worse by more than the margin, and with 103 if that cannot be decided.
    #[arg(long)]
    gate: bool,

    /// Maximum number of changed examples to list in each direction.
    #[arg(long, value_name = "N", default_value_t = 20)]
    examples: usize,

    /// Write the comparison to a file; the extension sets the format: .html .md .json (repeatable).
    #[arg(short, long = "output", value_name = "FILE", value_parser = report_path)]
    output: Vec<(PathBuf, &'static ReportFormat)>,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    now: Now,
}

/// Parses a share between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must be between 0 and 1".to_owned()) }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let options = CompareOptions {
        scope: args.scope.scope(),
        margin: args.margin,
        slices: args.slices.into_iter().map(SliceBy::from).collect(),
        cluster_by: args.cluster_by.map(SliceBy::from),
        gate: args.gate,
        flips: args.examples,
    };
    let view = compare_runs(&workspace, &args.base, &args.candidate, &options)?;
    context.output.show(args.format, &view, terminal_compare)?;
    let verdict = view.gate.as_ref().map(GateResult::counted);
    let report = Report::of_comparison(view, args.now.get().to_string());
    write_reports(&report, &args.output)?;
    for (path, _) in &args.output {
        context.output.say(&format!("wrote {}", path.display()));
    }
    step_summary(&report)?;
    Ok(Exit::of_verdicts(verdict, None))
}
