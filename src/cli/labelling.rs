//! `karat queue export` and `karat queue import`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::arguments::{Format, Now};
use super::context::Context;
use super::exit::Exit;
use super::queue::reason_code;
use crate::core::domain::{Failure, ReasonCode};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::report::label_import_text;
use crate::core::view::count_of;
use crate::edge::files::write_atomic;
use crate::edge::git::user_name;
use crate::edge::interop::{TaskFormat, write_tasks};
use crate::flow::Workspace;
use crate::flow::labelling::{ExportOptions, LabelImportOptions, export, import_labels};

pub(super) const EXPORT_EXAMPLES: &str = "Examples:
  karat queue export support-intents -o tasks.csv
  karat queue export support-intents -o tasks.json --format label-studio
  karat queue export support-intents --candidates 40 --random 50 --flag label-disputed -o tasks.jsonl

The order of the tasks is random, and no task tells whether it is a flagged example, a candidate or part of the random slice, unless \
--with-reasons is given.";

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Dataset name.
    dataset: String,
    /// File to write. Default: stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format to write. Default: csv or jsonl, from the file extension; jsonl on stdout.
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Export examples flagged for this reason (repeatable). Default: the reasons that a label settles.
    #[arg(long = "flag", value_name = "CODE", value_parser = reason_code)]
    flags: Vec<ReasonCode>,
    /// Maximum number of flagged examples, those first in the queue. Default: all.
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// Maximum number of candidates, records of traffic to add to the set. Default: all that `karat decay` lists.
    #[arg(long, value_name = "N")]
    candidates: Option<usize>,
    /// Number of records drawn at random from the window measured last, by which the golden set's score is checked.
    #[arg(long, value_name = "N", default_value_t = 20)]
    random: usize,
    /// Seed of the random draw; a larger draw with the same seed contains the smaller one.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Show annotators the present answer and why it is asked for.
    #[arg(long)]
    with_reasons: bool,
    #[command(flatten)]
    now: Now,
}

pub(super) const IMPORT_EXAMPLES: &str = "Examples:
  karat queue import tasks.csv
  karat queue import ann.csv bo.csv --min-labels 2
  karat queue import project-7-at-2026-10-02.json --format json

Reads what `karat queue export` wrote once the labels are filled in, JSON exported by Label Studio, and records of Argilla. The most \
frequent label of a task counts; ties wait for another label. Importing the same file twice changes nothing.";

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Files with labels (.csv, .jsonl or .json).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Who gave the labels that name nobody. Default: user.name of git, or the login name.
    #[arg(long, value_name = "NAME")]
    annotator: Option<String>,
    /// Number of annotators a task needs before its label counts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_labels: usize,
    /// Refuse the whole import if the annotators of a task are tied.
    #[arg(long)]
    refuse_ties: bool,
    /// Seed of the intervals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    now: Now,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One row per task, for a spreadsheet.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Tasks of Label Studio; the labelling configuration is written next to them.
    LabelStudio,
    /// Records of Argilla; the settings of their dataset are written next to them.
    Argilla,
}

impl ExportArgs {
    fn format(&self) -> Result<TaskFormat, Failure> {
        let extension = self.output.as_deref().and_then(Path::extension);
        let extension = extension.map(|extension| extension.to_string_lossy().to_lowercase());
        match (self.format, extension.as_deref()) {
            (Some(ExportFormat::Csv), _) | (None, Some("csv")) => Ok(TaskFormat::Csv),
            (Some(ExportFormat::Jsonl), _) | (None, None | Some("jsonl")) => Ok(TaskFormat::Jsonl),
            (Some(ExportFormat::LabelStudio), _) => Ok(TaskFormat::LabelStudio),
            (Some(ExportFormat::Argilla), _) => Ok(TaskFormat::Argilla),
            (None, Some(other)) => Err(Failure::usage(format!("the format of a .{other} file is not known"))
                .hint("name the file .csv or .jsonl, or pass --format label-studio or --format argilla")),
        }
    }
}

pub(super) fn run_export(context: &Context, workspace: &Workspace, args: ExportArgs) -> Result<Exit, Failure> {
    let format = args.format()?;
    let options = ExportOptions {
        codes: (!args.flags.is_empty()).then_some(args.flags),
        examples: args.examples,
        candidates: args.candidates,
        slice: args.random,
        seed: args.seed,
        with_reasons: args.with_reasons,
    };
    let exported = export(workspace, &args.dataset, &options, args.now.get())?;
    let files = write_tasks(format, &exported.sheets, &exported.labels)?;
    for note in &exported.notes {
        context.output.say(&format!("note: {}", for_terminal(note)));
    }
    let Some(path) = args.output else {
        context.output.data(&files.tasks)?;
        return Ok(Exit::Success);
    };
    write_atomic(&path, files.tasks.as_bytes())?;
    context.output.say(&format!(
        "wrote {} to {}: {}, {}, {} drawn at random",
        count_of(exported.sheets.len(), "task"),
        for_terminal(&path.display().to_string()),
        count_of(exported.examples, "flagged example"),
        count_of(exported.candidates, "candidate"),
        count_of(exported.slice, "record"),
    ));
    if let Some((ending, settings)) = files.settings {
        let beside = path.with_extension("").into_os_string().into_string();
        let beside = PathBuf::from(beside.unwrap_or_else(|_| "tasks".to_owned()) + ending);
        write_atomic(&beside, settings.as_bytes())?;
        context.output.say(&format!(
            "wrote the configuration of the labelling project to {}",
            for_terminal(&beside.display().to_string())
        ));
    }
    context.output.say("import the labels with `karat queue import FILE`");
    Ok(Exit::Success)
}

pub(super) fn run_import(context: &Context, workspace: &Workspace, args: ImportArgs) -> Result<Exit, Failure> {
    let ImportArgs { files, annotator, min_labels, refuse_ties, seed, now, format } = args;
    let annotator = annotator.filter(|name| !name.trim().is_empty()).or_else(|| user_name(&workspace.config.root));
    let options = LabelImportOptions { files, annotator, min_labels, refuse_ties, seed };
    let view = import_labels(workspace, &options, now.get())?;
    context.output.show(format, &view, label_import_text)?;
    for note in &view.notes {
        context.output.say(&format!("note: {}", for_terminal(note)));
    }
    if view.version_before != view.version_after {
        context.output.say(&format!("`karat decay {}` measures the new version", for_terminal(&view.dataset)));
    }
    Ok(Exit::Success)
}
