//! `karat queue list|show|export`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::arguments::Format;
use super::{Context, Exit};
use crate::core::domain::Failure;
use crate::core::privacy::sanitize::{for_spreadsheet, for_terminal};
use crate::core::queue::QueueState;
use crate::core::report::{plain_table, to_json};
use crate::edge::files::write_atomic;
use crate::edge::store::FlagRow;
use crate::flow::Workspace;

/// The examples that wait for a person.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List flags, the strongest first
    #[command(after_help = "Examples:\n  karat queue list\n  karat queue list support-intents --state dismissed")]
    List {
        /// Datasets. Default: all with flags.
        datasets: Vec<String>,
        /// Only flags that stand here; "all" for every one.
        #[arg(long, default_value = "queued")]
        state: String,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show one example with its reasons
    Show {
        /// The dataset.
        dataset: String,
        /// The example's id.
        example: String,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the waiting examples to a file to work through (.csv or .jsonl)
    #[command(after_help = "Example:\n  karat queue export support-intents -o relabel.csv")]
    Export {
        /// The dataset.
        dataset: String,
        /// The file; its extension tells the format. Default: stdout, JSONL.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The format, where the file does not tell.
        #[arg(long, value_enum)]
        format: Option<ExportFormat>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    Csv,
    Jsonl,
}

/// One flag as printed and exported.
#[derive(Debug, Serialize)]
struct QueueRow {
    dataset: String,
    example_id: String,
    state: String,
    code: String,
    score: f64,
    threshold: f64,
    evidence: String,
    first_seen: String,
    last_seen: String,
    input: String,
    expected: String,
}

#[derive(Serialize)]
struct QueueView {
    schema: &'static str,
    flags: Vec<QueueRow>,
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
    // A set that was moved away still has its flags.
    let there = workspace.dataset_folder(dataset).is_dir();
    let examples = if there { workspace.read_dataset(dataset)?.dataset.examples } else { Vec::new() };
    let row = |row: FlagRow| {
        let example = examples.iter().find(|example| example.id == row.flag.example_id);
        QueueRow {
            dataset: dataset.to_owned(),
            state: row.state.name().to_owned(),
            code: row.flag.code.name().to_owned(),
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
        Failure::usage(format!("\"{state}\" is not a state")).hint(format!("states are all, {}", names.join(", ")))
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
    // A name that has neither flags nor a folder is a slip of the hand, not an empty queue.
    for unflagged in datasets.iter().filter(|name| !flagged.contains(name)) {
        workspace.read_dataset(unflagged)?;
    }
    let datasets = if datasets.is_empty() { flagged } else { datasets };
    let mut flags = Vec::new();
    for dataset in datasets {
        flags.extend(rows(workspace, &dataset, |row| state.is_none_or(|state| row.state == state))?);
    }
    match format {
        Format::Json => context.output.data(&to_json(&QueueView { schema: "karat.queue/1", flags })?)?,
        Format::Table if flags.is_empty() => {
            context.output.say("nothing waits; `karat decay DATASET` measures and flags")
        }
        Format::Table => {
            let table: Vec<Vec<String>> = flags
                .iter()
                .map(|row| {
                    vec![
                        row.dataset.clone(),
                        row.example_id.clone(),
                        row.code.clone(),
                        format!("{:.2}", row.score),
                        row.input.clone(),
                    ]
                })
                .collect();
            context.output.data(&plain_table(
                &["dataset", "example", "reason", "score", "input"],
                table,
                context.output.width(),
            ))?;
            context
                .output
                .say(&format!("{} flags; `karat queue show DATASET EXAMPLE` gives the evidence", flags.len()));
        }
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
    let Some(first) = flags.first() else {
        return Err(Failure::data(format!("no flag of {dataset} is about the example \"{example}\""))
            .hint("`karat queue list` shows the flags"));
    };
    if format == Format::Json {
        context.output.data(&to_json(&QueueView { schema: "karat.queue/1", flags })?)?;
        return Ok(Exit::Success);
    }
    let mut text = format!("{dataset} / {}\n", for_terminal(&first.example_id));
    text.push_str(&format!(
        "  input     {}\n  expected  {}\n",
        for_terminal(&first.input),
        for_terminal(&first.expected)
    ));
    for row in &flags {
        text.push_str(&format!(
            "  {} ({}, score {:.2}, flagged from {:.2}, since {})\n    {}\n",
            row.code,
            row.state,
            row.score,
            row.threshold,
            row.first_seen.get(..10).unwrap_or_default(),
            for_terminal(&row.evidence)
        ));
    }
    context.output.data(&text)?;
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
    let flags = rows(workspace, dataset, |row| row.state == QueueState::Queued)?;
    let extension =
        path.as_ref().and_then(|path| path.extension()).map(|extension| extension.to_string_lossy().to_lowercase());
    let format = match (format, extension.as_deref()) {
        (Some(format), _) => format,
        (None, None | Some("jsonl")) => ExportFormat::Jsonl,
        (None, Some("csv")) => ExportFormat::Csv,
        (None, Some(other)) => {
            return Err(Failure::usage(format!("\"{other}\" is not a format of the queue"))
                .hint("name the file .csv or .jsonl, or pass --format"));
        }
    };
    let text = match format {
        ExportFormat::Jsonl => jsonl(&flags)?,
        ExportFormat::Csv => csv_text(&flags)?,
    };
    match path {
        None => context.output.data(&text)?,
        Some(path) => {
            write_atomic(&path, text.as_bytes())?;
            context.output.say(&format!("{} flags written to {}", flags.len(), path.display()));
        }
    }
    Ok(Exit::Success)
}

fn jsonl(flags: &[QueueRow]) -> Result<String, Failure> {
    let lines: Result<Vec<String>, _> = flags.iter().map(serde_json::to_string).collect();
    let mut text = lines.map_err(|error| Failure::other("the queue cannot be written").caused_by(error))?.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

fn csv_text(flags: &[QueueRow]) -> Result<String, Failure> {
    let fail = |error: csv::Error| Failure::other("the queue cannot be written").caused_by(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "dataset",
        "example_id",
        "state",
        "code",
        "score",
        "threshold",
        "evidence",
        "first_seen",
        "last_seen",
        "input",
        "expected",
    ];
    writer.write_record(header).map_err(fail)?;
    for row in flags {
        let (score, threshold) = (row.score.to_string(), row.threshold.to_string());
        let cells = [
            &row.dataset,
            &row.example_id,
            &row.state,
            &row.code,
            &score,
            &threshold,
            &row.evidence,
            &row.first_seen,
            &row.last_seen,
            &row.input,
            &row.expected,
        ];
        writer.write_record(cells.map(|cell| for_spreadsheet(&for_terminal(cell)).into_owned())).map_err(fail)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Failure::other("the queue cannot be written").caused_by(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
