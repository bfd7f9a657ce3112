//! `karat completions`

use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;

/// Print a shell completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  karat completions bash > ~/.local/share/bash-completion/completions/karat")]
pub(super) struct Args {
    /// Shell to complete for.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn run(context: &mut Context, args: Args, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "karat", &mut script);
    context.output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
