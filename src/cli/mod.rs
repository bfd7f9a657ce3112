//! The command line: one file a command, errors and hints, exit codes. The only writer of stdout and stderr.

mod arguments;
mod cache;
mod check;
mod completions;
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
use crate::core::privacy::sanitize::for_terminal;
use crate::flow::Workspace;
use exit::Exit;
use output::Output;

/// A golden-dataset evaluation harness with decay tracking.
///
/// karat runs your eval suites, and measures how much of today's traffic your golden set still stands for.
#[derive(Debug, Parser)]
#[command(name = "karat", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The workspace, a folder with a karat.yaml. Default: the nearest one upwards.
    #[arg(short = 'C', long = "workspace", global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,

    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Say on stderr what is done, line by line.
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
    /// Make a workspace: karat.yaml, an example dataset and suite, .gitignore
    Init(init::Args),
    /// See it all at work on data written for it, without network or keys
    Demo(demo::Args),
    /// Check that everything a run needs is there, answers, and is sound
    Doctor(doctor::Args),
    /// Run suites, measure decay, and report: the nightly command
    Check(check::Args),
    /// Run suites on endpoints
    Run(run::Args),
    /// Measure how much of today's traffic a golden set represents, and flag what decayed
    Decay(decay::Args),
    /// Look after golden sets: lint, lock, diff
    Dataset(dataset::Args),
    /// Bring in sampled production traffic
    Traffic(traffic::Args),
    /// The examples that wait for a person
    Queue(queue::Args),
    /// Answers that serve again for the same request: how many there are, and how to be rid of them
    Cache(cache::Args),
    /// The space texts are compared in: show it, move to another one, retire an old one
    Embedder(embedder::Args),
    /// Write a report of a run or a dataset
    Report(report::Args),
    /// List datasets, suites, endpoints and runs
    List(list::Args),
    /// Show a run, or what was last measured of a dataset
    Show(show::Args),
    /// Print the JSON Schema of a file you write
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// What commands share.
struct Context {
    workspace: Option<PathBuf>,
    output: Output,
}

impl Context {
    /// The folder of the workspace.
    fn root(&self) -> Result<PathBuf, Failure> {
        match &self.workspace {
            Some(folder) if folder.join("karat.yaml").is_file() => Ok(folder.clone()),
            Some(folder) => Err(Failure::data(format!("there is no karat.yaml in {}", folder.display()))
                .hint("run `karat init` there, or name another folder with -C")),
            None => {
                let here = std::env::current_dir()
                    .map_err(|error| Failure::other("the current folder is gone").caused_by(error))?;
                crate::edge::config::find_workspace(&here)
            }
        }
    }

    fn workspace(&self) -> Result<Workspace, Failure> {
        let workspace = Workspace::open(&self.root()?)?;
        for note in workspace.store.notes() {
            self.output.say(&format!("note: {note}"));
        }
        if let Some(warning) = workspace.warning() {
            self.output.say(&format!("warning: {}", for_terminal(&warning)));
        }
        Ok(workspace)
    }
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
