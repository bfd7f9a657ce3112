//! The command line: one file per command, the exit codes, and how errors are printed. Only this module writes to
//! stdout and stderr.

mod arguments;
mod cache;
mod canary;
mod check;
mod compare;
mod completions;
mod context;
mod dataset;
mod decay;
mod demo;
mod doctor;
mod embedder;
mod exit;
mod export;
mod failure;
mod import;
mod init;
mod interrupt;
mod judge;
mod labelling;
mod list;
mod listen;
mod logging;
mod output;
mod power;
mod progress;
mod queue;
mod report;
mod review;
mod run;
mod schema;
mod score_traffic;
mod show;
mod tag;
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
/// karat runs your eval suites and measures how much of today's traffic your golden set still covers.
#[derive(Debug, Parser)]
#[command(name = "karat", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// Workspace folder, containing karat.yaml. Default: the current folder or its nearest parent with one.
    #[arg(short = 'C', long = "workspace", global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,

    /// Print only errors on stderr.
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Log each step on stderr.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all gates pass · 100 quality gate failed · 102 decay gate failed · 103 inconclusive or nothing \
measured · 2 usage · 3 bad configuration or data · 4 run incomplete · 5 database · 1 anything else.
When several apply, the first of 5, 3, 4, 100, 102, 103 wins.

Try `karat demo` first: it needs no network and no API key.";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Import(import::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Check(check::Args),
    Run(run::Args),
    Compare(compare::Args),
    Tag(tag::Args),
    Canary(canary::Args),
    Power(power::Args),
    Judge(judge::Args),
    Decay(decay::Args),
    Dataset(dataset::Args),
    Traffic(traffic::Args),
    ScoreTraffic(score_traffic::Args),
    Queue(queue::Args),
    Review(review::Args),
    Cache(cache::Args),
    Embedder(embedder::Args),
    Report(report::Args),
    Export(export::Args),
    List(list::Args),
    Show(show::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Runs the command given on the command line and returns its exit code.
///
/// Errors are printed to stderr.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version are not errors. A closed pipe is ignored.
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
        Command::Import(args) => import::run(context, args),
        Command::Demo(args) => demo::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Check(args) => check::run(context, args),
        Command::Run(args) => run::run(context, args),
        Command::Compare(args) => compare::run(context, args),
        Command::Tag(args) => tag::run(context, args),
        Command::Canary(args) => canary::run(context, args),
        Command::Power(args) => power::run(context, args),
        Command::Judge(args) => judge::run(context, args),
        Command::Decay(args) => decay::run(context, args),
        Command::Dataset(args) => dataset::run(context, args),
        Command::Traffic(args) => traffic::run(context, args),
        Command::ScoreTraffic(args) => score_traffic::run(context, args),
        Command::Queue(args) => queue::run(context, args),
        Command::Review(args) => review::run(context, args),
        Command::Cache(args) => cache::run(context, args),
        Command::Embedder(args) => embedder::run(context, args),
        Command::Report(args) => report::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Schema(args) => schema::run(context, args),
        Command::Completions(args) => completions::run(context, args, Cli::command()),
    }
}
