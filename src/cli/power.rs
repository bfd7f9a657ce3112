//! `karat power`

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::report::power_text;
use crate::flow::power::plan_power;

/// Show how many examples or repeats a suite needs to find a difference.
///
/// The variance is that of the suite's latest stored run, and of its difference to another run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  karat power support\n  karat power support --effect 0.02 --power 0.9")]
pub(super) struct Args {
    /// The suite, by name (suites/NAME.yaml) or path.
    #[arg(value_name = "SUITE")]
    suite: String,

    /// The difference to be found, between 0 and 1: 0.03 is three points.
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = share)]
    effect: f64,

    /// The probability with which it should be found.
    #[arg(long, value_name = "P", default_value_t = 0.8, value_parser = share)]
    power: f64,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Parses a number above 0 and below 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("must be above 0 and below 1".to_owned()) }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suite = workspace.suite(&args.suite)?;
    let view = plan_power(&workspace, &suite, args.effect, args.power)?;
    context.output.show(args.format, &view, power_text)?;
    Ok(Exit::Success)
}
