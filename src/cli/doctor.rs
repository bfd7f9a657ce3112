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

/// Check configuration, endpoints and database.
///
/// No suite is run, and no secret is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 3 if something will not work, 0 if there are only warnings.\n\nExamples:\n  karat doctor\n  karat doctor --offline             send no requests\n  karat doctor --format json | jq '.checks[] | select(.state != \"ok\")'"
)]
pub(super) struct Args {
    /// Send no requests to servers.
    #[arg(long)]
    offline: bool,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = context.root()?;
    let events = listener(&context.output);
    let view = interrupt::run_until_interrupted(context.output, async |_stop| {
        Ok(doctor(&root, args.offline, Timestamp::now(), &events).await)
    })?;
    context.output.show(args.format, &view, doctor_text)?;
    Ok(if view.state == CheckState::Failure { Exit::Data } else { Exit::Success })
}
