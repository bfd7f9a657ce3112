//! `karat init`

use std::path::PathBuf;

use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;

/// Create a workspace: karat.yaml, an example dataset and suite, and .gitignore.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  karat init\n  karat init evals && cd evals && karat run example")]
pub(super) struct Args {
    /// Folder to create the workspace in. Default: the current folder.
    dir: Option<PathBuf>,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = args.dir.or_else(|| context.workspace.clone()).unwrap_or_else(|| PathBuf::from("."));
    for path in crate::flow::init::init(&root)? {
        context.output.data(&format!("{}\n", path.display()))?;
    }
    let place = if root == std::path::Path::new(".") { String::new() } else { format!(" -C {}", root.display()) };
    context.output.say(&format!(
        "\nNext:\n  karat{place} run example          run the built-in baseline\n  edit karat.yaml               add your own endpoint\n  karat{place} traffic import FILE --source production\n  karat{place} decay example        measure how much of today's traffic the set represents"
    ));
    Ok(Exit::Success)
}
