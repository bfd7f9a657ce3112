//! `karat show`

use jiff::Timestamp;

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::report::{Screen, history_text, terminal_compare, terminal_decay, terminal_headline, terminal_runs};
use crate::core::view::Report;
use crate::flow::history::history;
use crate::flow::report::stored_report;

/// Show the summary of a run, the latest results for a dataset, or the history of a suite.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat show support-intents\n  karat show 0199a2\n  karat show --suite support --runs 60"
)]
pub(super) struct Args {
    /// Dataset name, the beginning of a run id, or the name of a suite that is not a dataset's, too.
    #[arg(value_name = "RUN|DATASET|SUITE", required_unless_present = "suite")]
    what: Option<String>,

    /// Show the history of this suite: its runs, the nights on which the score changed, and what changed then.
    #[arg(long, value_name = "NAME", conflicts_with = "what")]
    suite: Option<String>,

    /// Maximum number of runs of a history, per endpoint and prompt.
    #[arg(long, value_name = "N", default_value_t = 30)]
    runs: usize,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let what = args.what.unwrap_or_default();
    let is_suite = || !workspace.dataset_folder(&what).is_dir() && workspace.suite_names().contains(&what);
    let suite = args.suite.or_else(|| is_suite().then(|| what.clone()));
    if let Some(suite) = suite {
        context.output.show(args.format, &history(&workspace, &suite, args.runs)?, history_text)?;
        return Ok(Exit::Success);
    }
    let report = stored_report(&workspace, &what, Timestamp::now())?;
    context.output.show(args.format, &report, whole_report)?;
    Ok(Exit::Success)
}

/// Renders both halves of a report, then its headline.
pub(super) fn whole_report(report: &Report, screen: Screen) -> String {
    let quality = report.quality.iter().map(|runs| terminal_runs(runs, screen));
    let decay = report.decay.iter().map(|view| terminal_decay(view, screen));
    let compared = report.comparisons.iter().map(|view| terminal_compare(view, screen));
    let halves: String = quality.chain(decay).chain(compared).collect();
    format!("{halves}\n{}", terminal_headline(&report.headline, screen))
}
