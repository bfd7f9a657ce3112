//! `karat doctor`

use jiff::Timestamp;

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::doctor_text;
use crate::core::view::CheckState;
use crate::flow::doctor::doctor;

/// Check that everything a run needs is there, answers, and is sound. Nothing is run, and no secret is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 3 where something will not work; warnings alone exit 0.\n\nExamples:\n  karat doctor\n  karat doctor --offline             ask no server\n  karat doctor --format json | jq '.checks[] | select(.state != \"ok\")'"
)]
pub(super) struct Args {
    /// Ask no server.
    #[arg(long)]
    offline: bool,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = context.root()?;
    let events = listener(&context.output);
    let view = interrupt::run_until_interrupted(
        |_| (),
        async |_stop| Ok(doctor(&root, args.offline, Timestamp::now(), &events).await),
    )?;
    context.output.show(args.format, &view, doctor_text)?;
    Ok(if view.state == CheckState::Failure { Exit::Data } else { Exit::Success })
}
