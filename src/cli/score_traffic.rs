//! `karat score-traffic`

use super::arguments::{Format, Now, amount};
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::traffic_scores_text;
use crate::flow::score_traffic::{ScoreTrafficOptions, score_traffic};

/// Score production's answers with the scorers of a suite that need no accepted answer.
///
/// A sample of the stored traffic is scored, and shown by cluster and by month beside the golden set's scores from the latest
/// run of the suite. This is a measurement: it never makes a label, a flag or an example. Scores are stored, so that an
/// interrupted command continues where it stopped, and the same command again asks no judge twice.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 scored · 3 no scorer or no record can be used · 4 interrupted, out of budget, or more errors than the suite tolerates\n\nExamples:\n  karat score-traffic support                        the last 30 days, 500 records\n  karat score-traffic support --window 2026-08 --sample 2000\n  karat score-traffic support --scorer no_pii --scorer polite --max-cost 2.50\n  karat score-traffic support --format json | jq '.scorers[].clusters[] | select(.verdict == \"lower\")'"
)]
pub(super) struct Args {
    /// The suite, by name (suites/NAME.yaml) or path.
    #[arg(value_name = "SUITE")]
    suite: String,

    /// Traffic source. Default: "traffic" in the dataset's card, the only one with traffic, or "default".
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Window to score: 30d (up to the last record), 2026-09, 2026-09-14, or FROM..TO. Default: decay.window, or 30d.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,

    /// Number of records to draw from those with an output; frequent requests are more likely to be drawn.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample: u32,

    /// Seed of the sample; the same seed draws the same records.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Use only this scorer of the suite (repeatable). Default: all that need no accepted answer.
    #[arg(long = "scorer", value_name = "NAME")]
    scorers: Vec<String>,

    /// Maximum concurrent requests to judges, servers and programs, up to 512.
    #[arg(short = 'j', long = "jobs", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: u16,

    /// Stop before judges cost more than this, in the currency of the endpoints' prices. The same command continues.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    max_cost: Option<f64>,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    now: Now,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suite = workspace.suite(&args.suite)?;
    let options = ScoreTrafficOptions {
        source: args.source,
        window: args.window,
        sample: usize::try_from(args.sample).unwrap_or(usize::MAX),
        seed: args.seed,
        scorers: args.scorers,
        concurrency: usize::from(args.jobs),
        max_cost: args.max_cost,
    };
    let events = listener(&context.output);
    let now = args.now.get();
    let done = interrupt::run_until_interrupted(context.output, async |stop| {
        score_traffic(&workspace, &suite, &options, now, stop, &events).await
    })?;
    context.output.show(args.format, &done.view, traffic_scores_text)?;
    if let Some(stopped) = &done.stopped {
        context.output.say(&format!(
            "unfinished ({}): finished scores are stored; the same command continues with the rest",
            stopped.sentence()
        ));
    }
    let is_complete = done.stopped.is_none() && !done.too_many_errors;
    Ok(if is_complete { Exit::Success } else { Exit::Incomplete })
}
