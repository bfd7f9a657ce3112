//! `karat dataset lint|lock|diff|log|add`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::arguments::{Format, Now};
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::golden::lint;
use crate::core::privacy::sanitize::for_terminal;
use crate::core::report::{added_text, dataset_log_text, diff_text, lint_text, lock_text};
use crate::core::view::{BadRowView, DatasetLogView, DiffView, LintView, LintedView};
use crate::edge::git::user_name;
use crate::edge::store::Store;
use crate::flow::dataset_add::{AddOptions, add};
use crate::flow::sets::{compare, lock, log, named_or_all};
use crate::flow::workspace::read_dataset;

/// Lint, lock, diff, log and extend golden sets.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every row for mistakes, duplicates, conflicting answers and labels missing from the card
    #[command(
        after_help = "Exit code 3 if there are bad rows or conflicting answers.\n\nExample:\n  karat dataset lint support-intents"
    )]
    Lint {
        /// Datasets to check. Default: all.
        datasets: Vec<String>,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write dataset versions to karat.lock, to be committed to git
    Lock {
        /// Datasets to lock. Default: all.
        datasets: Vec<String>,
    },
    /// Show the versions that were run or measured, and how many examples changed in each
    #[command(after_help = "Example:\n  karat dataset log support-intents")]
    Log {
        /// Dataset name.
        dataset: String,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Add examples: rows of a file, records of traffic, or candidates
    #[command(after_help = ADD_EXAMPLES)]
    Add(AddArgs),
    /// Show which examples were added, removed, edited or relabelled between two versions
    #[command(
        after_help = "A version is \"files\" (as they are now), \"lock\" (karat.lock), a path, the hash of a version that was run, or a git revision.\n\nExamples:\n  karat dataset diff support-intents                 karat.lock against the files\n  karat dataset diff support-intents main            main against the files\n  karat dataset diff support-intents v3 v4"
    )]
    Diff {
        /// Dataset name.
        dataset: String,
        /// Version to compare from.
        #[arg(default_value = "lock")]
        before: String,
        /// Version to compare to.
        #[arg(default_value = "files")]
        after: String,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

const ADD_EXAMPLES: &str = "Examples:
  karat dataset add support-intents --file new.jsonl
  karat dataset add support-intents --record 2026-09-00012 --expected locker_code
  karat dataset add support-intents --candidates 20      unlabelled; `karat queue export` has them labelled first

Rows are appended to the dataset's file, and no other byte of it changes. An input that the set already has is not added again.";

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Dataset name.
    dataset: String,
    #[command(flatten)]
    what: AddWhat,
    /// The accepted answer of the records or candidates (repeatable: any of them is accepted).
    #[arg(long, value_name = "VALUE")]
    expected: Vec<String>,
    /// Traffic source of the records. Default: that of the candidates, the card's, the only one with traffic,
    /// or "default".
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Who labelled them. Default: user.name of git, or the login name.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    now: Now,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct AddWhat {
    /// File with rows like those of a dataset (.jsonl or .csv; repeatable).
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Id of a record of traffic (repeatable).
    #[arg(long = "record", value_name = "ID")]
    records: Vec<String>,
    /// Add the first N candidates of the latest decay measurement.
    #[arg(long, value_name = "N", default_value_t = 0)]
    candidates: usize,
}

fn run_add(context: &Context, args: AddArgs) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let AddWhat { files, records, candidates } = args.what;
    let by = args.by.or_else(|| user_name(&workspace.config.root));
    let options = AddOptions { files, records, candidates, source: args.source, expected: args.expected, by };
    let view = add(&workspace, &args.dataset, &options, args.now.get())?;
    context.output.show(args.format, &view, |view, _| added_text(view))?;
    for note in &view.notes {
        context.output.say(&format!("note: {}", for_terminal(note)));
    }
    Ok(Exit::Success)
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Lint { datasets, format } => run_lint(context, &datasets, format),
        Command::Lock { datasets } => run_lock(context, &datasets),
        Command::Add(args) => run_add(context, args),
        Command::Log { dataset, format } => run_log(context, dataset, format),
        Command::Diff { dataset, before, after, format } => run_diff(context, &dataset, &before, &after, format),
    }
}

fn run_lint(context: &Context, names: &[String], format: Format) -> Result<Exit, Failure> {
    let root = context.root()?;
    let mut views = Vec::new();
    for name in named_or_all(&root, names)? {
        let read = read_dataset(&root, &name)?;
        let findings = lint(&read.dataset.examples, &read.dataset.card.labels);
        views.push(LintedView {
            path: read.path.display().to_string(),
            dataset: name,
            version: read.dataset.version.clone(),
            examples: read.dataset.examples.len(),
            bad_rows: read
                .bad_rows
                .into_iter()
                .map(|row| BadRowView { line: row.line, message: row.message })
                .collect(),
            findings,
        });
    }
    let view = LintView::new(views);
    context.output.show(format, &view, |view, _| view.datasets.iter().map(lint_text).collect())?;
    Ok(if view.datasets.iter().any(LintedView::is_serious) { Exit::Data } else { Exit::Success })
}

fn run_lock(context: &Context, names: &[String]) -> Result<Exit, Failure> {
    for locked in lock(&context.root()?, names)? {
        let (label, examples) = (locked.dataset.label(), locked.dataset.examples.len());
        context.output.data(&lock_text(&label, examples, locked.changes.as_ref()))?;
    }
    Ok(Exit::Success)
}

fn run_log(context: &Context, dataset: String, format: Format) -> Result<Exit, Failure> {
    let root = context.root()?;
    let versions = log(&root, stored(&root)?.as_ref(), &dataset)?;
    context.output.show(format, &DatasetLogView::new(dataset, versions), dataset_log_text)?;
    Ok(Exit::Success)
}

/// The workspace's database, if there is one: a look at versions does not create it.
fn stored(root: &Path) -> Result<Option<Store>, Failure> {
    let (workspace, _) = crate::edge::config::load_workspace(root)?;
    workspace.store.exists().then(|| Store::open(&workspace.store)).transpose()
}

fn run_diff(context: &Context, dataset: &str, before: &str, after: &str, format: Format) -> Result<Exit, Failure> {
    let root = context.root()?;
    let compared = compare(&root, stored(&root)?.as_ref(), dataset, before, after)?;
    let view = DiffView::new(dataset.to_owned(), compared.before, compared.after, compared.diff);
    context.output.show(format, &view, |view, _| diff_text(view))?;
    Ok(Exit::Success)
}
