//! `karat dataset lint|lock|diff|log`

use std::path::Path;

use clap::Subcommand;

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::golden::lint;
use crate::core::report::{dataset_log_text, diff_text, lint_text, lock_text};
use crate::core::view::{BadRowView, DatasetLogView, DiffView, LintView, LintedView};
use crate::edge::store::Store;
use crate::flow::sets::{compare, lock, log, named_or_all};
use crate::flow::workspace::read_dataset;

/// Lint, lock, diff and log golden sets.
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

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Lint { datasets, format } => run_lint(context, &datasets, format),
        Command::Lock { datasets } => run_lock(context, &datasets),
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
