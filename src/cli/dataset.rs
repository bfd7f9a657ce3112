//! `karat dataset lint|lock|diff`

use clap::Subcommand;
use serde::Serialize;

use super::arguments::Format;
use super::{Context, Exit};
use crate::core::domain::Failure;
use crate::core::golden::{ChangeKind, DatasetDiff, Finding, FindingKind, lint};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::report::to_json;
use crate::edge::store::Store;
use crate::flow::sets::{compare, lock, named_or_all};
use crate::flow::workspace::read_dataset;

/// Look after golden sets.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every row: bad rows, duplicates, conflicting answers, labels the card does not know
    #[command(
        after_help = "Exits with 3 where rows are bad or answers conflict.\n\nExample:\n  karat dataset lint support-intents"
    )]
    Lint {
        /// Datasets. Default: all.
        datasets: Vec<String>,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the versions of datasets to karat.lock, which belongs into git
    Lock {
        /// Datasets. Default: all.
        datasets: Vec<String>,
    },
    /// Tell what changed: added, removed, edited, relabelled
    #[command(
        after_help = "Each version is \"files\" (as they stand), \"lock\", a path, a version that was run, or a git revision.\n\nExamples:\n  karat dataset diff support-intents                 karat.lock against the files\n  karat dataset diff support-intents main            main against the files\n  karat dataset diff support-intents v3 v4"
    )]
    Diff {
        /// The dataset.
        dataset: String,
        /// The first version.
        #[arg(default_value = "lock")]
        before: String,
        /// The second version.
        #[arg(default_value = "files")]
        after: String,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Lint { datasets, format } => run_lint(context, &datasets, format),
        Command::Lock { datasets } => run_lock(context, &datasets),
        Command::Diff { dataset, before, after, format } => run_diff(context, &dataset, &before, &after, format),
    }
}

#[derive(Serialize)]
struct LintView {
    schema: &'static str,
    datasets: Vec<LintedView>,
}

#[derive(Serialize)]
struct LintedView {
    dataset: String,
    version: String,
    examples: usize,
    bad_rows: Vec<BadRow>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct BadRow {
    line: u64,
    message: String,
}

fn run_lint(context: &Context, names: &[String], format: Format) -> Result<Exit, Failure> {
    let root = context.root()?;
    let mut views = Vec::new();
    for name in named_or_all(&root, names)? {
        let read = read_dataset(&root, &name)?;
        let findings = lint(&read.dataset.examples, &read.dataset.card.labels);
        views.push((
            read.path.display().to_string(),
            LintedView {
                dataset: name,
                version: read.dataset.version.clone(),
                examples: read.dataset.examples.len(),
                bad_rows: read
                    .bad_rows
                    .into_iter()
                    .map(|row| BadRow { line: row.line, message: row.message })
                    .collect(),
                findings,
            },
        ));
    }
    let serious = |view: &LintedView| {
        !view.bad_rows.is_empty()
            || view.examples == 0
            || view.findings.iter().any(|finding| finding.kind == FindingKind::Conflicting)
    };
    let exit = if views.iter().any(|(_, view)| serious(view)) { Exit::Data } else { Exit::Success };
    match format {
        Format::Json => {
            let datasets = views.into_iter().map(|(_, view)| view).collect();
            context.output.data(&to_json(&LintView { schema: "karat.lint/1", datasets })?)?;
        }
        Format::Table => views.iter().try_for_each(|(path, view)| context.output.data(&lint_text(path, view)))?,
    }
    Ok(exit)
}

fn lint_text(path: &str, view: &LintedView) -> String {
    let mut text = String::new();
    for row in &view.bad_rows {
        text.push_str(&format!("{path}:{}: bad row: {}\n", row.line, for_terminal(&row.message)));
    }
    for finding in &view.findings {
        let lines: Vec<_> = finding.lines.iter().map(u64::to_string).collect();
        let ids = finding.ids.join(", ");
        let message = format!("{} ({ids})", finding.message);
        text.push_str(&format!("{path}:{}: {}: {}\n", lines.join(","), finding.kind.name(), for_terminal(&message)));
    }
    let problems = view.bad_rows.len() + view.findings.len();
    let said = match problems {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    let version = crate::core::domain::short(&view.version, 6);
    text.push_str(&format!("{}@{version}: {} examples, {said}\n", view.dataset, view.examples));
    text
}

fn run_lock(context: &Context, names: &[String]) -> Result<Exit, Failure> {
    for locked in lock(&context.root()?, names)? {
        let said = match &locked.changes {
            None => "locked for the first time".to_owned(),
            Some(changes) if changes.changes.is_empty() => "unchanged".to_owned(),
            Some(changes) => summary(changes),
        };
        context.output.data(&format!(
            "{}: {} examples, {said}\n",
            locked.dataset.label(),
            locked.dataset.examples.len()
        ))?;
    }
    Ok(Exit::Success)
}

fn summary(diff: &DatasetDiff) -> String {
    let kinds = [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Relabelled, ChangeKind::Edited];
    let counts: Vec<_> = kinds.iter().map(|kind| format!("{} {}", diff.count(*kind), kind.name())).collect();
    counts.join(", ")
}

#[derive(Serialize)]
struct DiffView<'a> {
    schema: &'static str,
    dataset: &'a str,
    before: String,
    after: String,
    #[serde(flatten)]
    diff: DatasetDiff,
}

fn run_diff(context: &Context, dataset: &str, before: &str, after: &str, format: Format) -> Result<Exit, Failure> {
    let root = context.root()?;
    let (workspace, _) = crate::edge::config::load_workspace(&root)?;
    // Versions that were run are in the database; a comparison alone does not make one.
    let store = workspace.store.exists().then(|| Store::open(&workspace.store)).transpose()?;
    let compared = compare(&root, store.as_ref(), dataset, before, after)?;
    if format == Format::Json {
        let view = DiffView {
            schema: "karat.diff/1",
            dataset,
            before: compared.before,
            after: compared.after,
            diff: compared.diff,
        };
        context.output.data(&to_json(&view)?)?;
        return Ok(Exit::Success);
    }
    let mut text = format!("{} → {}\n", compared.before, compared.after);
    for change in &compared.diff.changes {
        text.push_str(&format!("  {:<11} {}\n", change.kind.name(), for_terminal(&change.id)));
    }
    text.push_str(&format!("{}, {} unchanged\n", summary(&compared.diff), compared.diff.unchanged));
    context.output.data(&text)?;
    Ok(Exit::Success)
}
