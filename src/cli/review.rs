//! `karat review`

use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use crate::core::domain::Failure;
use crate::core::view::count_of;
use crate::flow::review::{ReviewOptions, serve};

/// The port if none is given.
const PORT: u16 = 8738;

/// Work through the review queue on a local page, with the keyboard.
///
/// Serves a page on 127.0.0.1 until Ctrl-C, and prints its address, which contains a secret. The page shows one flagged example at a
/// time, with its flags, the nearest traffic and what models answered. Decisions are those of `karat queue resolve`. Several people
/// may work at once, each in their own browser, on the same server or on several; nothing is sent to any other host.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat review\n  karat review support-intents --open\n  karat review --port 9000\n\nFrom another machine: ssh -L 8738:127.0.0.1:8738 HOST, then open the address that was printed there."
)]
pub(super) struct Args {
    /// Datasets to review. Default: all with flags.
    datasets: Vec<String>,

    /// Port on 127.0.0.1. Default: 8738, or any free one if that is taken.
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// Also open the page in the browser.
    #[arg(long)]
    open: bool,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let options =
        ReviewOptions { datasets: args.datasets, port: args.port.unwrap_or(PORT), any_port: args.port.is_none() };
    let output = context.output;
    let decided = interrupt::run_until_interrupted(output, async |stop| {
        serve(workspace, options, stop, |url| {
            // The address is the result: a script reads it from stdout.
            let _ = output.data(&format!("{url}\n"));
            output.say("open this address in a browser on this machine; press Ctrl-C to stop");
            if args.open && !open_browser(url) {
                output.say("warning: no browser could be opened");
            }
        })
        .await
    })?;
    let total: usize = decided.iter().map(|(_, count)| count).sum();
    let kinds: Vec<String> = decided.iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
    output.say(&match total {
        0 => "nothing was decided".to_owned(),
        total => format!("{} decided: {}", count_of(total, "example"), kinds.join(", ")),
    });
    Ok(Exit::Success)
}

/// Opens an address in the user's browser, and tells whether that could be started.
fn open_browser(url: &str) -> bool {
    use std::process::{Command, Stdio};
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        // "start" is built into the shell; its first quoted argument is a title.
        let mut shell = Command::new("cmd");
        shell.args(["/C", "start", ""]);
        shell
    } else {
        Command::new("xdg-open")
    };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}
