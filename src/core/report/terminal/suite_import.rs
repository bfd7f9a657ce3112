//! An import of suites.

use unicode_width::UnicodeWidthStr;

use super::layout::table_text;
use super::text::{Screen, paragraph};
use crate::core::privacy::sanitize::{for_terminal, truncate_chars};
use crate::core::report::table::Table;
use crate::core::view::{NoteView, SuiteImportView, count_of};

/// Maximum number of notes, and of rows, that are listed; JSON has all of them.
const LISTED: usize = 50;

/// The widest column of paths.
const WIDEST: usize = 60;

/// Maximum number of characters of an example.
const SHOWN: usize = 300;

/// Renders the result of an import of suites.
pub fn suite_import_text(view: &SuiteImportView, screen: Screen) -> String {
    let mut text = head(view);
    let width = view.files.iter().map(|file| for_terminal(&file.path).width()).max().unwrap_or(0).min(WIDEST);
    for file in &view.files {
        let state = if view.dry_run && file.state != "unchanged" { "would be " } else { "" };
        let path = for_terminal(&file.path);
        let gap = " ".repeat(width.saturating_sub(path.width()));
        text.push_str(&format!("  {path}{gap}  {state}{}\n", file.state));
    }
    if !view.checks.is_empty() {
        text.push('\n');
        text.push_str(&checks(view, screen));
    }
    text.push_str(&notes(view, screen));
    for row in view.rejected.iter().take(LISTED) {
        text.push_str(&format!("{}:{}: rejected: {}\n", for_terminal(&row.file), row.line, for_terminal(&row.reason)));
    }
    text.push_str(&more(view.rejected.len()));
    if view.dry_run {
        text.push_str("\nThe first examples as they would be written:\n");
        for example in &view.first {
            let line = truncate_chars(&example.line, SHOWN);
            text.push_str(&paragraph(format!("{}: {line}", example.dataset).as_str(), screen));
        }
        text.push_str("\nnothing was written (--dry-run)\n");
    }
    text
}

fn head(view: &SuiteImportView) -> String {
    let examples: u64 = view.datasets.iter().map(|dataset| dataset.examples).sum();
    let counts = [
        count_of(view.suites.len(), "suite"),
        count_of(view.datasets.len(), "dataset"),
        count_of(examples, "example"),
        count_of(view.endpoints.len(), "endpoint"),
    ];
    let mut head = format!("{} ({}): {}", for_terminal(&view.file), view.format, counts.join(", "));
    if !view.redacted.is_empty() {
        let kinds = view.redacted.iter().map(|(kind, count)| format!("{count} {}", kind.as_str().replace('_', " ")));
        head.push_str(&format!("; redacted {}", kinds.collect::<Vec<_>>().join(", ")));
    }
    head + "\n"
}

fn checks(view: &SuiteImportView, screen: Screen) -> String {
    let blank = |count: u64| if count == 0 { String::new() } else { count.to_string() };
    let table = Table::of("Checks carried over", &view.checks, usize::MAX)
        .name("Check", |check| check.check.as_str())
        .number("By a scorer", |check| blank(check.by_scorer))
        .number("By a program", |check| blank(check.by_program))
        .number("Not", |check| blank(check.not))
        .table();
    table_text(&table.without_empty_columns(), screen)
}

fn notes(view: &SuiteImportView, screen: Screen) -> String {
    if view.notes.is_empty() {
        return String::new();
    }
    let line = |note: &NoteView| {
        let line = note.line.map_or_else(String::new, |line| format!(":{line}"));
        paragraph(format!("{}{line}: {}: {}", note.file, note.what, note.why).as_str(), screen)
    };
    let listed: String = view.notes.iter().take(LISTED).map(line).collect();
    format!("\nNot carried over, or not exactly:\n{listed}{}", more(view.notes.len()))
}

fn more(count: usize) -> String {
    match count.saturating_sub(LISTED) {
        0 => String::new(),
        left => format!("… and {left} more; --format json lists all\n"),
    }
}
