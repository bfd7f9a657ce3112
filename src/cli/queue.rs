//! `karat queue list|show|export`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::core::queue::{FlagRow, QueueState};
use crate::core::report::{queue_csv, queue_example_text, queue_text};
use crate::core::view::{QueueRow, QueueView, count_of};
use crate::edge::files::write_atomic;
use crate::flow::Workspace;

/// List flagged examples for review.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List flagged examples with their reasons, strongest first
    #[command(after_help = "Examples:\n  karat queue list\n  karat queue list support-intents --state dismissed")]
    List {
        /// Datasets to list. Default: all with flags.
        datasets: Vec<String>,
        /// List only flags in this state, or "all".
        #[arg(long, default_value = "queued")]
        state: String,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show why an example was flagged
    Show {
        /// Dataset name.
        dataset: String,
        /// Example id.
        example: String,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the queued examples to a file for review (.csv or .jsonl)
    #[command(after_help = "Example:\n  karat queue export support-intents -o relabel.csv")]
    Export {
        /// Dataset name.
        dataset: String,
        /// File to write; the extension sets the format. Default: JSONL on stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Format to write. Default: from the file extension.
        #[arg(long, value_enum)]
        format: Option<ExportFormat>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    Csv,
    Jsonl,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    match args.command {
        Command::List { datasets, state, format } => list(context, &workspace, datasets, &state, format),
        Command::Show { dataset, example, format } => show(context, &workspace, &dataset, &example, format),
        Command::Export { dataset, output, format } => export(context, &workspace, &dataset, output, format),
    }
}

fn rows(workspace: &Workspace, dataset: &str, keep: impl Fn(&FlagRow) -> bool) -> Result<Vec<QueueRow>, Failure> {
    let flags = workspace.store.flags(dataset)?;
    // A dataset whose folder was removed still has its flags.
    let there = workspace.dataset_folder(dataset).is_dir();
    let examples = if there { workspace.read_dataset(dataset)?.dataset.examples } else { Vec::new() };
    let row = |row: FlagRow| {
        let example = examples.iter().find(|example| example.id == row.flag.example_id);
        QueueRow {
            dataset: dataset.to_owned(),
            state: row.state,
            code: row.flag.code,
            score: row.flag.score,
            threshold: row.flag.threshold,
            evidence: row.flag.evidence,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            input: example.map(|example| example.text()).unwrap_or_default(),
            expected: example.map(|example| example.expected_texts().join(" | ")).unwrap_or_default(),
            example_id: row.flag.example_id,
        }
    };
    Ok(flags.into_iter().filter(|flag| keep(flag)).map(row).collect())
}

fn wanted(state: &str) -> Result<Option<QueueState>, Failure> {
    if state == "all" {
        return Ok(None);
    }
    let names: Vec<_> = QueueState::ALL.iter().map(|state| state.name()).collect();
    QueueState::from_name(state).map(Some).ok_or_else(|| {
        Failure::usage(format!("there is no queue state \"{state}\""))
            .hint(format!("the states are all, {}", names.join(", ")))
    })
}

fn list(
    context: &Context,
    workspace: &Workspace,
    datasets: Vec<String>,
    state: &str,
    format: Format,
) -> Result<Exit, Failure> {
    let state = wanted(state)?;
    let flagged = workspace.store.flagged_datasets()?;
    // A name with neither flags nor a folder is a typo, not an empty queue.
    for unflagged in datasets.iter().filter(|name| !flagged.contains(name)) {
        workspace.read_dataset(unflagged)?;
    }
    let datasets = if datasets.is_empty() { flagged } else { datasets };
    let mut flags = Vec::new();
    for dataset in datasets {
        flags.extend(rows(workspace, &dataset, |row| state.is_none_or(|state| row.state == state))?);
    }
    let (view, table) = (QueueView::new(flags), format == Format::Table);
    if table && view.flags.is_empty() {
        context.output.say("the review queue is empty; `karat decay DATASET` measures decay and flags examples");
        return Ok(Exit::Success);
    }
    context.output.show(format, &view, queue_text)?;
    if table {
        let count = count_of(view.flags.len(), "flag");
        context.output.say(&format!("{count}; `karat queue show DATASET EXAMPLE` shows the evidence"));
    }
    Ok(Exit::Success)
}

fn show(
    context: &Context,
    workspace: &Workspace,
    dataset: &str,
    example: &str,
    format: Format,
) -> Result<Exit, Failure> {
    let flags = rows(workspace, dataset, |row| row.flag.example_id == example)?;
    if flags.is_empty() {
        return Err(Failure::data(format!("the example \"{example}\" of {dataset} is not flagged"))
            .hint("`karat queue list` lists the flagged examples"));
    }
    context.output.show(format, &QueueView::new(flags), |view, _| queue_example_text(view))?;
    Ok(Exit::Success)
}

fn export(
    context: &Context,
    workspace: &Workspace,
    dataset: &str,
    path: Option<PathBuf>,
    format: Option<ExportFormat>,
) -> Result<Exit, Failure> {
    if !workspace.dataset_folder(dataset).is_dir() {
        workspace.read_dataset(dataset)?;
    }
    let view = QueueView::new(rows(workspace, dataset, |row| row.state == QueueState::Queued)?);
    let extension =
        path.as_ref().and_then(|path| path.extension()).map(|extension| extension.to_string_lossy().to_lowercase());
    let format = match (format, extension.as_deref()) {
        (Some(format), _) => format,
        (None, None | Some("jsonl")) => ExportFormat::Jsonl,
        (None, Some("csv")) => ExportFormat::Csv,
        (None, Some(other)) => {
            return Err(Failure::usage(format!("the queue cannot be exported as \"{other}\""))
                .hint("name the file .csv or .jsonl, or pass --format"));
        }
    };
    let text = match format {
        ExportFormat::Jsonl => jsonl(&view.flags)?,
        ExportFormat::Csv => queue_csv(&view)?,
    };
    match path {
        None => context.output.data(&text)?,
        Some(path) => {
            write_atomic(&path, text.as_bytes())?;
            context.output.say(&format!("wrote {} to {}", count_of(view.flags.len(), "flag"), path.display()));
        }
    }
    Ok(Exit::Success)
}

fn jsonl(flags: &[QueueRow]) -> Result<String, Failure> {
    let lines: Result<Vec<String>, _> = flags.iter().map(serde_json::to_string).collect();
    let mut text = lines.map_err(|error| Failure::other("cannot write the queue as JSON").caused_by(error))?.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}
