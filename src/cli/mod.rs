//! The command line: one file per command, errors and hints, exit codes. The only writer of stdout and stderr.

mod arguments;
mod cache;
mod check;
mod completions;
mod context;
mod dataset;
mod decay;
mod demo;
mod doctor;
mod embedder;
mod exit;
mod failure;
mod init;
mod interrupt;
mod list;
mod listen;
mod logging;
mod output;
mod progress;
mod queue;
mod report;
mod run;
mod schema;
mod show;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::core::domain::Failure;
use context::Context;
use exit::Exit;
use output::Output;

/// A golden-dataset evaluation harness with decay tracking.
///
/// karat runs your eval suites, and measures how much of today's traffic your golden set still covers.
#[derive(Debug, Parser)]
#[command(name = "karat", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The workspace, a folder with a karat.yaml. Default: this folder or the nearest one above it.
    #[arg(short = 'C', long = "workspace", global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,

    /// Print nothing on stderr but errors.
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Log each step on stderr.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all gates pass · 100 quality gate failed · 102 decay gate failed · 103 inconclusive or
nothing measured · 2 usage · 3 bad configuration or data · 4 run incomplete · 5 database · 1 anything else.
When several hold, the first of 5, 3, 4, 100, 102, 103 counts.

Try `karat demo` first: it needs no network and no key.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a workspace: karat.yaml, an example dataset and suite, .gitignore
    Init(init::Args),
    /// See everything on data written for it, without network or keys
    Demo(demo::Args),
    /// Check configuration, endpoints and database
    Doctor(doctor::Args),
    /// Run suites, measure decay, and report: the nightly command
    Check(check::Args),
    /// Run suites on endpoints
    Run(run::Args),
    /// Measure how much of today's traffic a golden set represents, and flag what decayed
    Decay(decay::Args),
    /// Lint, lock and diff golden sets
    Dataset(dataset::Args),
    /// Import sampled production traffic
    Traffic(traffic::Args),
    /// List flagged examples for review
    Queue(queue::Args),
    /// Show or clear the response cache
    Cache(cache::Args),
    /// The embedding model texts are compared with: show it, move to another one, retire an old one
    Embedder(embedder::Args),
    /// Write a report of a run or a dataset
    Report(report::Args),
    /// List datasets, suites, endpoints and runs
    List(list::Args),
    /// Show a run, or the last measurement of a dataset
    Show(show::Args),
    /// Print the JSON Schema of a file you write
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Parses the command line, runs the command, prints its error, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a closed pipe ends either quietly.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    if cli.verbose {
        logging::show();
    }
    let mut context = Context { workspace: cli.workspace, output: Output::new(cli.quiet) };
    let result = dispatch(&mut context, cli.command);
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure::print(&failure, context.output.colour_errors());
            Exit::of(&failure).into()
        }
    }
}

fn dispatch(context: &mut Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Demo(args) => demo::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Check(args) => check::run(context, args),
        Command::Run(args) => run::run(context, args),
        Command::Decay(args) => decay::run(context, args),
        Command::Dataset(args) => dataset::run(context, args),
        Command::Traffic(args) => traffic::run(context, args),
        Command::Queue(args) => queue::run(context, args),
        Command::Cache(args) => cache::run(context, args),
        Command::Embedder(args) => embedder::run(context, args),
        Command::Report(args) => report::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Schema(args) => schema::run(context, args),
        Command::Completions(args) => completions::run(context, args, Cli::command()),
    }
}
