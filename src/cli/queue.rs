//! `karat queue list|show|resolve|undo|log|export|import`

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

use super::arguments::{Format, Now};
use super::context::Context;
use super::exit::Exit;
use super::labelling::{EXPORT_EXAMPLES, ExportArgs, IMPORT_EXAMPLES, ImportArgs, run_export, run_import};
use crate::core::domain::{Failure, ReasonCode, parse_span};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::queue::{Decision, FlagRow, QueueState, ranked};
use crate::core::report::{queue_example_text, queue_log_text, queue_text};
use crate::core::view::{QueueLogView, QueueRow, QueueView, count_of};
use crate::edge::git::user_name;
use crate::flow::Workspace;
use crate::flow::queue::{self, Resolution, Resolved, Undoing};

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
    /// Decide about a flagged example; relabelling and retiring change its line of the dataset
    #[command(after_help = RESOLVE_EXAMPLES)]
    Resolve(ResolveArgs),
    /// Undo the latest decision about an example: its flags and its line become what they were
    #[command(
        after_help = "Example:\n  karat queue undo support-intents track_order-12 --reason \"the rename was taken back\""
    )]
    Undo(UndoArgs),
    /// Show every step of the queue: flags, decisions, who decided and why
    #[command(
        after_help = "Examples:\n  karat queue log support-intents\n  karat queue log support-intents track_order-12 --format json"
    )]
    Log {
        /// Dataset name.
        dataset: String,
        /// Example id. Default: all examples.
        example: Option<String>,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write label tasks: flagged examples, candidates and a random slice of traffic
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Take labels back, into the dataset's file and the queue
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
}

const RESOLVE_EXAMPLES: &str = "Examples:
  karat queue resolve support-intents track_order-12 --relabel order_status --reason \"renamed in March\"
  karat queue resolve support-intents store_hours-3 --flag traffic-vanished --snooze 30d
  karat queue resolve support-intents paper_catalogue-1 --retire --reason \"no longer printed\"";

#[derive(Debug, clap::Args)]
struct ResolveArgs {
    /// Dataset name.
    dataset: String,
    /// Example id.
    example: String,
    #[command(flatten)]
    decision: DecisionArgs,
    /// Decide only about this flag, such as traffic-vanished. Default: all open flags of the example.
    #[arg(long, value_name = "CODE", value_parser = reason_code)]
    flag: Option<ReasonCode>,
    #[command(flatten)]
    record: RecordArgs,
}

/// What the queue's log records about a decision.
#[derive(Debug, clap::Args)]
struct RecordArgs {
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who decides. Default: user.name of git, or the login name.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    now: Now,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct UndoArgs {
    /// Dataset name.
    dataset: String,
    /// Example id.
    example: String,
    #[command(flatten)]
    record: RecordArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct DecisionArgs {
    /// Replace the accepted answer: text, or a JSON list or object (repeatable: any of them is accepted).
    #[arg(long, value_name = "VALUE", value_parser = answer)]
    relabel: Vec<String>,
    /// The problem is real, and will be fixed later; an example with a wrong answer no longer counts as live.
    #[arg(long)]
    confirm: bool,
    /// Nothing is wrong. The flag returns only if its evidence changes.
    #[arg(long)]
    dismiss: bool,
    /// Set the status to retired: neither run nor counted, but still in the file.
    #[arg(long)]
    retire: bool,
    /// Set the status to regression-only: run, but not counted as representing traffic.
    #[arg(long)]
    regression_only: bool,
    /// Review later, after 30d, 12h or 4w.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    snooze: Option<SignedDuration>,
}

impl DecisionArgs {
    fn decision(&self, now: Timestamp) -> Result<Decision, Failure> {
        if let Some(span) = self.snooze {
            let until = now.checked_add(span);
            return until
                .map(Decision::Snooze)
                .map_err(|error| Failure::usage("--snooze is too long").caused_by(error));
        }
        let given = [
            (self.confirm, Decision::Confirm),
            (self.dismiss, Decision::Dismiss),
            (self.retire, Decision::Retire),
            (self.regression_only, Decision::RegressionOnly),
        ];
        Ok(given.into_iter().find(|(given, _)| *given).map_or(Decision::Relabel, |(_, decision)| decision))
    }
}

pub(super) fn reason_code(text: &str) -> Result<ReasonCode, String> {
    let names: Vec<_> = ReasonCode::ALL.iter().map(|code| code.name()).collect();
    ReasonCode::from_name(text).ok_or_else(|| format!("the flags are {}", names.join(", ")))
}

fn answer(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("an answer cannot be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn span(text: &str) -> Result<SignedDuration, String> {
    parse_span(text).ok_or_else(|| format!("\"{text}\" is not a span of time; use 30d, 12h or 4w"))
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    match args.command {
        Command::List { datasets, state, format } => list(context, &workspace, datasets, &state, format),
        Command::Show { dataset, example, format } => show(context, &workspace, &dataset, &example, format),
        Command::Resolve(args) => resolve(context, &workspace, args),
        Command::Undo(args) => undo(context, &workspace, args),
        Command::Log { dataset, example, format } => log(context, &workspace, &dataset, example.as_deref(), format),
        Command::Export(args) => run_export(context, &workspace, args),
        Command::Import(args) => run_import(context, &workspace, args),
    }
}

fn resolve(context: &Context, workspace: &Workspace, args: ResolveArgs) -> Result<Exit, Failure> {
    let ResolveArgs { dataset, example, decision, flag, record: RecordArgs { reason, by, now, format } } = args;
    let now = now.get();
    let by = name_of(workspace, by)?;
    let resolution = Resolution {
        example_id: example,
        code: flag,
        decision: decision.decision(now)?,
        answers: decision.relabel,
        why: reason,
        by,
    };
    show_resolved(context, format, queue::resolve(workspace, &dataset, &resolution, now)?)
}

fn undo(context: &Context, workspace: &Workspace, args: UndoArgs) -> Result<Exit, Failure> {
    let UndoArgs { dataset, example, record: RecordArgs { reason, by, now, format } } = args;
    let undoing = Undoing { example_id: example, decision: None, by: name_of(workspace, by)?, why: reason };
    show_resolved(context, format, queue::undo(workspace, &dataset, &undoing, now.get())?)
}

/// The name given, or that of the user.
fn name_of(workspace: &Workspace, given: Option<String>) -> Result<String, Failure> {
    given
        .filter(|by| !by.trim().is_empty())
        .or_else(|| user_name(&workspace.config.root))
        .ok_or_else(|| Failure::usage("it is not known who decides").hint("pass --by NAME, or set user.name in git"))
}

fn show_resolved(context: &Context, format: Format, resolved: Resolved) -> Result<Exit, Failure> {
    context.output.show(format, &QueueLogView::new(resolved.steps), queue_log_text)?;
    for note in &resolved.notes {
        context.output.say(&format!("note: {}", for_terminal(note)));
    }
    if let Some((path, line)) = resolved.edited {
        context.output.say(&format!("changed line {line} of {}", for_terminal(&path)));
    }
    Ok(Exit::Success)
}

fn log(
    context: &Context,
    workspace: &Workspace,
    dataset: &str,
    example: Option<&str>,
    format: Format,
) -> Result<Exit, Failure> {
    let steps = workspace.store.queue_steps(dataset, example)?;
    if steps.is_empty() && !workspace.store.flagged_datasets()?.iter().any(|flagged| flagged == dataset) {
        // A name with neither steps nor a folder is a typo.
        workspace.read_dataset(dataset)?;
    }
    if steps.is_empty() && format == Format::Table {
        context.output.say("the queue's log is empty");
        return Ok(Exit::Success);
    }
    context.output.show(format, &QueueLogView::new(steps), queue_log_text)?;
    Ok(Exit::Success)
}

/// The flags of a dataset, those of the examples with the most traffic and the strongest reasons first.
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
            traffic_share: row.traffic_share,
            snoozed_until: row.snoozed_until.map(|time| time.to_string()),
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            input: example.map(|example| example.text()).unwrap_or_default(),
            expected: example.map(|example| example.expected_texts().join(" | ")).unwrap_or_default(),
            example_id: row.flag.example_id,
        }
    };
    Ok(ranked(flags.into_iter().filter(|flag| keep(flag)).collect()).into_iter().map(row).collect())
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
