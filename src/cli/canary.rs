//! `karat canary`

use super::arguments::{Format, Now, amount, key_value};
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use super::run::say_unfinished;
use crate::core::canary::{Decision, Rule};
use crate::core::domain::Failure;
use crate::core::report::canary_text;
use crate::flow::run::{CanaryOptions, run_canary};
use crate::flow::stored_dataset::Selection;

/// Decide whether a candidate endpoint may replace another, with as few requests as possible.
///
/// Examples are drawn at random with the weights of today's traffic, and sent to both endpoints. After every pair karat
/// looks whether the evidence is enough to promote the candidate (it is not worse by the margin) or to roll it back (it is
/// worse). Looking after every pair costs nothing in error rate.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 promote · 100 roll back · 103 the budget is spent without a decision · 4 interrupted\n\nExamples:\n  karat canary support --baseline gpt-small --candidate gpt-large\n  karat canary support --baseline a --candidate b --margin 0.02 --budget 5000 --max-cost 10\n  karat canary support --baseline a --candidate b --resume"
)]
pub(super) struct Args {
    /// The suite, by name (suites/NAME.yaml) or path.
    #[arg(value_name = "SUITE")]
    suite: String,

    /// The endpoint in use.
    #[arg(long, value_name = "ENDPOINT")]
    baseline: String,

    /// The endpoint that may replace it.
    #[arg(long, value_name = "ENDPOINT")]
    candidate: String,

    /// The prompt, if the suite has several.
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,

    /// How much lower the candidate's mean score may be, above 0 and up to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    margin: f64,

    /// Largest probability of each wrong decision.
    #[arg(long, value_name = "P", default_value_t = Rule::LEVEL)]
    level: f64,

    /// Maximum number of pairs; each is one request per endpoint.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    budget: usize,

    /// Seed of the random draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Pairs in flight.
    #[arg(short = 'j', long = "jobs", value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Draw only examples with this tag (tag=…), id (id=…) or metadata value (KEY=VALUE); repeatable.
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = key_value)]
    filters: Vec<(String, String)>,

    /// Stop before the total cost exceeds this, in the currency of the endpoints' prices. --resume continues.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    max_cost: Option<f64>,

    /// Continue the latest unfinished canary of the same endpoints, rule and versions.
    #[arg(long)]
    resume: bool,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    now: Now,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suite = workspace.suite(&args.suite)?;
    let options = CanaryOptions {
        baseline: args.baseline,
        candidate: args.candidate,
        prompt: args.prompt,
        rule: Rule { level: args.level, margin: args.margin, budget: args.budget },
        seed: args.seed,
        concurrency: usize::from(args.jobs),
        selection: Selection { filters: args.filters, limit: None },
        resume: args.resume,
        max_cost: args.max_cost,
    };
    let events = listener(&context.output);
    let now = args.now.get();
    let (view, stopped) = interrupt::run_until_interrupted(context.output, async |stop| {
        run_canary(&workspace, &suite, &options, now, stop, &events).await
    })?;
    context.output.show(args.format, &view, canary_text)?;
    let command =
        format!("karat canary {} --baseline {} --candidate {}", args.suite, options.baseline, options.candidate);
    say_unfinished(context, stopped.as_ref(), &command);
    Ok(match view.decision {
        _ if stopped.is_some() => Exit::Incomplete,
        Decision::Promote => Exit::Success,
        Decision::RollBack => Exit::QualityFailed,
        Decision::BudgetSpent | Decision::Continue => Exit::Inconclusive,
    })
}
