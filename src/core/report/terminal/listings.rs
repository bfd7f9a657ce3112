//! The short listings of the command line.

use super::layout::{fitted, table_text};
use super::tables;
use super::text::{Screen, paragraph};
use crate::core::domain::short;
use crate::core::golden::{ChangeKind, DatasetDiff};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::{
    AddedExample, AddedView, CacheView, Cell, CheckState, DatasetLogView, DecayView, DiffView, DoctorView,
    EmbedderView, FirstRecordView, HistoryView, ImportView, ImportedView, LintedView, ListView, MigrationView,
    QueueLogView, QueueView, TrafficView, count_of,
};

/// One line with a label and its value, such as `datasets   support`.
fn fact(label: &str, value: &str) -> String {
    format!("{label:<10} {}\n", for_terminal(value))
}

/// Renders the contents of a workspace.
pub fn list_text(view: &ListView, screen: Screen) -> String {
    let or_none = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let endpoints = view.endpoints.iter().map(|endpoint| format!("{} ({})", endpoint.name, endpoint.r#type));
    let head = fact("datasets", &or_none(&view.datasets))
        + &fact("suites", &or_none(&view.suites))
        + &fact("endpoints", &or_none(&endpoints.collect::<Vec<_>>()));
    let narrow = ["run", "suite", "endpoint", "started", "examples", "score", "verdict", "tags"];
    let runs = fitted(&tables::runs(view), &narrow, screen);
    head + &if view.runs.is_empty() { fact("runs", "none") } else { table_text(&runs, screen) }
}

/// Renders the history of a suite.
pub fn history_text(view: &HistoryView, screen: Screen) -> String {
    let narrow = ["Started", "Mean", "95 % interval", "Verdict", "Change", "What changed", "Tags"];
    let shown = |line| table_text(&fitted(&tables::history(line), &narrow, screen), screen);
    view.lines.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// Renders the review queue.
pub fn queue_text(view: &QueueView, screen: Screen) -> String {
    table_text(&tables::queue(view), screen)
}

/// Renders the steps of the review queue.
pub fn queue_log_text(view: &QueueLogView, screen: Screen) -> String {
    table_text(&tables::queue_log(view), screen)
}

/// Renders the flags of one example; empty if there are none.
pub fn queue_example_text(view: &QueueView) -> String {
    let Some(first) = view.flags.first() else { return String::new() };
    let mut text = format!(
        "{} / {}\n  input     {}\n  expected  {}\n",
        for_terminal(&first.dataset),
        for_terminal(&first.example_id),
        for_terminal(&first.input),
        for_terminal(&first.expected)
    );
    if let Some(share) = first.traffic_share {
        text.push_str(&format!("  traffic   {}\n", Cell::Share(share, 2)));
    }
    for flag in &view.flags {
        let until = flag.snoozed_until.as_deref().map(|until| format!(" until {}", tables::day(until)));
        text.push_str(&format!(
            "  {} ({}{}, score {:.2}, threshold {:.2}, since {})\n    {}\n",
            flag.code.name(),
            flag.state.name(),
            until.unwrap_or_default(),
            flag.score,
            flag.threshold,
            tables::day(&flag.first_seen),
            for_terminal(&flag.evidence)
        ));
    }
    text
}

/// Renders the state of the response cache.
pub fn cache_text(view: &CacheView) -> String {
    let span = match (&view.oldest, &view.newest) {
        (Some(oldest), Some(newest)) => format!(", given from {oldest} to {newest}"),
        _ => String::new(),
    };
    let CacheView { answers, serving, ttl_seconds, .. } = view;
    let answers = count_of(*answers, "response");
    format!("{answers}{span}; {serving} of them recent enough to be reused (cache.ttl is {ttl_seconds} s)\n")
}

/// Renders the embedder in use and what is stored for each embedding space.
pub fn embedder_text(view: &EmbedderView, screen: Screen) -> String {
    let pinned = if view.pinned { "pinned in karat.lock" } else { "not pinned; `karat dataset lock` pins it" };
    let mut text = fact("embedder", &view.embedder);
    text.push_str(&fact("model", &format!("{} ({pinned})", view.space.id)));
    for (part, value) in &view.space.parts {
        text.push_str(&fact("", &format!("{part}: {value}")));
    }
    text + &if view.stored.is_empty() {
        fact("stored", "none")
    } else {
        format!("\n{}", table_text(&tables::spaces(view), screen))
    }
}

/// Renders a migration to another embedding model.
pub fn migration_text(view: &MigrationView, screen: Screen) -> String {
    let (from, to) = (&view.from, &view.to);
    let mut text = fact("from", &format!("{} ({})", from.embedder, from.space));
    text.push_str(&fact("to", &format!("{} ({})", to.embedder, to.space)));
    text.push_str(&fact("texts", &format!("{}, {} of them embedded now", view.texts, view.embedded)));
    for dataset in &view.datasets {
        text.push_str(&format!("\n{}\n", for_terminal(&dataset.dataset)));
        text.push_str(&table_text(&tables::agreement(dataset), screen));
    }
    for note in &view.notes {
        text.push_str(&format!("\nnote: {}\n", for_terminal(note)));
    }
    let used = if view.cut_over { to } else { from };
    text.push_str(&format!("\n{} is in use ({})\n", for_terminal(&used.embedder), used.space));
    if !view.cut_over && from.space != to.space {
        text.push_str(&format!("switch with `karat embedder migrate {} --cut-over`\n", for_terminal(&to.embedder)));
    }
    text
}

/// Renders the sources of traffic.
pub fn traffic_text(view: &TrafficView, screen: Screen) -> String {
    table_text(&tables::sources(view), screen)
}

/// Renders the result of an import.
pub fn import_text(view: &ImportView, screen: Screen) -> String {
    let mut text: String = view.files.iter().map(|file| imported_text(file, view.dry_run)).collect();
    if view.dry_run {
        if !view.first.is_empty() {
            text.push_str("\nThe first records as they would be stored:\n");
        }
        view.first.iter().for_each(|record| text.push_str(&first_record_text(record, screen)));
        text.push_str("\nnothing was stored (--dry-run)\n");
    }
    text
}

fn first_record_text(record: &FirstRecordView, screen: Screen) -> String {
    let mut about = vec![record.at.clone()];
    about.extend(record.user.as_deref().map(|user| format!("user {}", short(user, 6))));
    about.extend(record.model.clone());
    about.push(format!("sampled {}", record.sample_rate));
    about.push(format!("id {}", record.record_id));
    let mut text = format!("\n{}\n", for_terminal(&about.join(" · ")));
    for (name, value) in [("input", Some(&record.input)), ("output", record.output.as_ref())] {
        let Some(value) = value else { continue };
        let options = textwrap::Options::new(screen.width).initial_indent("").subsequent_indent("          ");
        let line = format!("  {name:<6}  {}", for_terminal(value));
        text.push_str(&textwrap::fill(&line, options));
        text.push('\n');
    }
    text
}

fn imported_text(view: &ImportedView, dry_run: bool) -> String {
    let ImportedView { file, source, format, rows, new, known, .. } = view;
    let (file, source) = (for_terminal(file), for_terminal(source));
    let would_be = if dry_run { " would be" } else { "" };
    let mut text = format!(
        "{file} ({format}): {} into \"{source}\": {new}{would_be} new, {known} already stored",
        count_of(*rows, "row")
    );
    if view.merged > 0 {
        text.push_str(&format!(", {} merged into others", view.merged));
    }
    if !view.other.is_empty() {
        let reasons = view.other.iter().map(|(reason, count)| format!("{} ({count})", for_terminal(reason)));
        text.push_str(&format!("; left out: {}", reasons.collect::<Vec<_>>().join(", ")));
    }
    if !view.redacted.is_empty() {
        let kinds = view.redacted.iter().map(|(kind, count)| format!("{count} {}", kind.as_str().replace('_', " ")));
        text.push_str(&format!("; redacted {}", kinds.collect::<Vec<_>>().join(", ")));
    }
    text.push('\n');
    for reject in &view.rejected {
        text.push_str(&format!("  {file}:{}: rejected: {}\n", reject.line, for_terminal(&reject.reason)));
    }
    text
}

/// Renders the findings in one dataset.
pub fn lint_text(view: &LintedView) -> String {
    let path = for_terminal(&view.path);
    let mut text = String::new();
    for row in &view.bad_rows {
        text.push_str(&format!("{path}:{}: bad row: {}\n", row.line, for_terminal(&row.message)));
    }
    for finding in &view.findings {
        let lines: Vec<_> = finding.lines.iter().map(u64::to_string).collect();
        let message = format!("{} ({})", finding.message, finding.ids.join(", "));
        text.push_str(&format!("{path}:{}: {}: {}\n", lines.join(","), finding.kind.name(), for_terminal(&message)));
    }
    let found = match view.bad_rows.len() + view.findings.len() {
        0 => "no findings".to_owned(),
        problems => count_of(problems, "finding"),
    };
    let version = short(&view.version, 6);
    text + &format!("{}@{version}: {}, {found}\n", view.dataset, count_of(view.examples, "example"))
}

/// Renders the changes made by locking a dataset. `changes` is `None` if it was not locked before.
pub fn lock_text(label: &str, examples: usize, changes: Option<&DatasetDiff>) -> String {
    let said = match changes {
        None => "locked for the first time".to_owned(),
        Some(changes) if changes.changes.is_empty() => "unchanged".to_owned(),
        Some(changes) => change_counts(changes),
    };
    format!("{}: {}, {said}\n", for_terminal(label), count_of(examples, "example"))
}

fn change_counts(diff: &DatasetDiff) -> String {
    let kinds = [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Relabelled, ChangeKind::Edited];
    kinds.map(|kind| format!("{} {}", diff.count(kind), kind.name())).join(", ")
}

/// Renders which examples were added to a dataset.
pub fn added_text(view: &AddedView) -> String {
    let mut text = String::new();
    let mut list = |what: &str, examples: &[AddedExample]| {
        for AddedExample { example_id, input, answers } in examples {
            let line = format!("  {what:<9} {example_id}: {} → {}", input, answers.join(" | "));
            text.push_str(&for_terminal(line.trim_end_matches(" → ")));
            text.push('\n');
        }
    };
    list("added", &view.added);
    list("known as", &view.known);
    let (before, after) = (short(&view.version_before, 6), short(&view.version_after, 6));
    let versions = if before == after { after.to_owned() } else { format!("{before} → {after}") };
    let dataset = for_terminal(&view.dataset);
    text + &format!("{dataset}@{versions}: {} added\n", count_of(view.added.len(), "example"))
}

/// Renders the versions of a dataset.
pub fn dataset_log_text(view: &DatasetLogView, screen: Screen) -> String {
    table_text(&tables::dataset_log(view), screen)
}

/// Renders the changes between two versions of a dataset.
pub fn diff_text(view: &DiffView) -> String {
    let mut text = format!("{} → {}\n", for_terminal(&view.before), for_terminal(&view.after));
    for change in &view.diff.changes {
        text.push_str(&format!("  {:<11} {}\n", change.kind.name(), for_terminal(&change.id)));
    }
    text + &format!("{}, {} unchanged\n", change_counts(&view.diff), view.diff.unchanged)
}

/// Renders the results of checking the workspace.
pub fn doctor_text(view: &DoctorView, screen: Screen) -> String {
    let count = |state: CheckState| view.checks.iter().filter(|check| check.state == state).count();
    let counts = [
        count_of(view.checks.len(), "check"),
        count_of(count(CheckState::Warning), "warning"),
        count_of(count(CheckState::Failure), "failure"),
    ]
    .join(", ");
    format!("{}\n{}", table_text(&tables::checks(view), screen), paragraph(counts, screen))
}

/// Renders the decay of one dataset, window by window.
pub fn months_text(views: &[DecayView], screen: Screen) -> String {
    table_text(&tables::months(views), screen)
}
