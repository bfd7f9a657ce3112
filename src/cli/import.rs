//! `karat import`

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::arguments::{Format, share};
use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::suite_import_text;
use crate::core::view::{
    BadSourceRowView, CarriedView, FirstExampleView, ImportedDatasetView, NoteView, SuiteImportView, WrittenFileView,
};
use crate::edge::interop::suites::{Carried, FORMATS, Note, format_named};
use crate::flow::import_suites::{FileState, SuiteImport, SuiteImportOptions, import_suites};

/// Import suites and datasets of another tool.
///
/// They become the files of an ordinary workspace: karat.yaml, suites/, datasets/. What cannot be carried over is listed
/// with its line. Secrets and personal data in examples are redacted. Importing again changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat import promptfoo promptfooconfig.yaml\n  karat import inspect logs/2026-09-14.eval --into evals\n  karat import langfuse dataset-items.jsonl --dry-run\n  karat import huggingface data/test.parquet"
)]
pub(super) struct Args {
    /// The tool or format.
    #[arg(value_name = "FORMAT", value_parser = PossibleValuesParser::new(format_names()))]
    from: String,

    /// Its file or folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Workspace to import into; created if it is missing. Default: the current workspace, or else the current folder.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Replaces files that exist and are different.
    #[arg(long)]
    force: bool,

    /// Maximum share of bad rows; above it, nothing is imported.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    max_bad: f64,

    /// Shows what would be written, and writes nothing.
    #[arg(long)]
    dry_run: bool,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The names of the formats, with what each one reads.
pub(super) fn format_names() -> Vec<PossibleValue> {
    FORMATS.iter().map(|format| PossibleValue::new(format.name()).help(format.reads())).collect()
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = match args.into {
        Some(folder) => folder,
        None if context.workspace.is_some() => context.root()?,
        None => context.root().unwrap_or_else(|_| PathBuf::from(".")),
    };
    let (force, dry_run, max_bad) = (args.force, args.dry_run, args.max_bad);
    let options = SuiteImportOptions { root, force, dry_run, max_bad, has_flags: true };
    import(context, &args.from, &args.file, &options, args.format)
}

/// Imports a file and shows the result.
pub(super) fn import(
    context: &Context,
    from: &str,
    file: &Path,
    options: &SuiteImportOptions,
    format: Format,
) -> Result<Exit, Failure> {
    let done = import_suites(format_named(from)?, file, options, &listener(&context.output))?;
    let next = next_steps(&done, &options.root);
    context.output.show(format, &view(done, from, file, options), suite_import_text)?;
    if !options.dry_run {
        context.output.say(&next);
    }
    Ok(Exit::Success)
}

fn next_steps(done: &SuiteImport, root: &Path) -> String {
    let place = if root == Path::new(".") { String::new() } else { format!(" -C {}", root.display()) };
    let suite = done.suites.first().map(String::as_str).unwrap_or_default();
    let run = if suite.is_empty() { "dataset lint".to_owned() } else { format!("run {suite}") };
    format!("\nNext:\n  karat{place} doctor\n  karat{place} {run}")
}

fn view(done: SuiteImport, from: &str, file: &Path, options: &SuiteImportOptions) -> SuiteImportView {
    let count = |counts: &std::collections::BTreeMap<Carried, u64>, how| counts.get(&how).copied().unwrap_or(0);
    SuiteImportView {
        schema: "karat.suite_import/1",
        format: from.to_owned(),
        file: file.display().to_string(),
        workspace: options.root.display().to_string(),
        dry_run: options.dry_run,
        suites: done.suites,
        endpoints: done.endpoints,
        datasets: done.datasets.into_iter().map(|(name, examples)| ImportedDatasetView { name, examples }).collect(),
        checks: done
            .carried
            .into_iter()
            .map(|(check, counts)| CarriedView {
                check,
                by_scorer: count(&counts, Carried::Directly),
                by_program: count(&counts, Carried::ByProgram),
                not: count(&counts, Carried::Not),
            })
            .collect(),
        notes: done.notes.into_iter().map(note).collect(),
        rejected: done
            .bad_rows
            .into_iter()
            .map(|(file, line, reason)| BadSourceRowView { file: file.display().to_string(), line, reason })
            .collect(),
        redacted: done.redactions.iter().collect(),
        files: done
            .files
            .into_iter()
            .map(|(path, state)| WrittenFileView { path: path.display().to_string(), state: state_name(state) })
            .collect(),
        first: done.first.into_iter().map(|(dataset, line)| FirstExampleView { dataset, line }).collect(),
    }
}

fn note(note: Note) -> NoteView {
    let line = (note.line > 0).then_some(note.line);
    NoteView { file: note.file.display().to_string(), line, what: note.what, why: note.why }
}

fn state_name(state: FileState) -> &'static str {
    match state {
        FileState::Created => "created",
        FileState::Changed => "changed",
        FileState::Unchanged => "unchanged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::traffic::{FORMATS as TRAFFIC, Rows};

    #[test]
    fn the_readme_lists_every_format_with_what_it_reads() {
        let readme = include_str!("../../README.md");
        let suites = FORMATS.iter().map(|format| (format.name(), format.reads()));
        let rows: &dyn crate::edge::traffic::TrafficFormat = &Rows::default();
        let traffic = TRAFFIC.iter().chain([&rows]).map(|format| (format.name(), format.reads()));
        for (name, reads) in suites.chain(traffic) {
            let row = format!("\n| `{name}` | {reads} |\n");
            assert!(readme.contains(&row), "README.md lacks the row{row}");
        }
    }
}
