//! The report as Markdown.

use super::Format;
use super::meaning::meaning;
use super::table::{Kind, Table};
use super::tables::{self, METHOD};
use crate::core::privacy::sanitize::{for_markdown, for_terminal};
use crate::core::view::{CompareView, DecayView, HeadlineLine, Report, line};

pub(super) const FORMAT: Format =
    Format { name: "md", extensions: &["md", "markdown"], render: |report| Ok(markdown(report)) };

/// Maximum number of rows shown of a table.
const ROWS: usize = 50;

/// Renders the whole report as GitHub-flavoured Markdown, most important parts first.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = format!("# {}\n\n", inline(&line(&report.title, 200)));
    out.push_str(&format!("**Verdict: {}**\n\n", report.verdict.name()));
    for sentence in meaning(report) {
        out.push_str(&format!("{}\n\n", inline(&sentence.to_string())));
    }
    out.push_str(&code_block(report.headline.iter().map(HeadlineLine::to_string)));
    for view in &report.decay {
        decay(&mut out, view);
    }
    if report.quality.is_some() || report.decay.iter().any(|view| view.estimate.is_some()) {
        out.push_str("\n## Quality\n");
        quality(&mut out, report);
    }
    for view in &report.comparisons {
        comparison(&mut out, view);
    }
    shift(&mut out, &report.decay);
    fine_print(&mut out, report);
    out
}

fn comparison(out: &mut String, view: &CompareView) {
    let (base, candidate) = (line(&view.base.named, 40), line(&view.candidate.named, 40));
    out.push_str(&format!("\n## {} against {}: {}\n\n", inline(&candidate), inline(&base), view.verdict.name()));
    out.push_str(&format!("{}\n", inline(&tables::compare_sentence(view).to_string())));
    push(out, &tables::compared_scores(view));
    push(out, &tables::compared_slices(view, ROWS));
    push(out, &tables::compared_requests(view));
    push(out, &tables::contract(view, ROWS));
    push(out, &tables::new_failures(view, ROWS));
    push(out, &tables::fixed(view, ROWS));
    push(out, &tables::compared_runs(view));
    out.push('\n');
    for note in tables::compare_notes(view) {
        out.push_str(&format!("- {}\n", inline(&note)));
    }
}

fn decay(out: &mut String, view: &DecayView) {
    out.push_str(&format!("\n## {}: {}\n", inline(&line(&view.dataset, 80)), view.verdict.name()));
    push(out, &tables::unrepresented(view, ROWS));
    push(out, &tables::coverage(view));
    push(out, &tables::moved(view));
    push(out, &tables::kinds_of_drift(view));
    if !view.notes.is_empty() {
        out.push('\n');
        for note in &view.notes {
            out.push_str(&format!("- {}\n", inline(&line(note, 300))));
        }
    }
    push(out, &tables::flagged(view, ROWS));
    push(out, &tables::candidates(view, ROWS));
    push(out, &tables::gates(view));
}

fn quality(out: &mut String, report: &Report) {
    if let Some(runs) = &report.quality {
        push(out, &tables::matrix(runs));
        push(out, &tables::scores(runs));
        push(out, &tables::slice_scores(runs, ROWS));
        push(out, &tables::claims(runs));
        push(out, &tables::parity(runs));
        push(out, &tables::groups(runs));
        push(out, &tables::labels(runs, usize::MAX));
        for matrix in &tables::confusion_matrices(runs) {
            push(out, matrix);
        }
        push(out, &tables::confusions(runs, ROWS));
    }
    push(out, &tables::estimates(&report.decay));
    if let Some(runs) = &report.quality {
        push(out, &tables::run_gates(runs));
        push(out, &tables::outcomes(runs));
        push(out, &tables::judges(runs));
        push(out, &tables::position(runs));
        push(out, &tables::errors(runs));
        push(out, &tables::scorer_errors(runs));
        push(out, &tables::misses(runs, ROWS));
    }
}

fn shift(out: &mut String, decay: &[DecayView]) {
    if decay.iter().all(|view| view.shift.is_empty()) {
        return;
    }
    out.push_str("\n## Shift tests\n");
    for view in decay.iter().filter(|view| !view.shift.is_empty()) {
        push(out, &tables::shift(view).titled(format!("{}: has traffic changed?", view.dataset)));
    }
}

fn fine_print(out: &mut String, report: &Report) {
    out.push_str("\n## Fine print\n");
    for view in &report.decay {
        push(out, &tables::fine_print(view));
        push(out, &tables::clusters(view, ROWS));
    }
    if let Some(runs) = &report.quality {
        push(out, &tables::runs_fine_print(runs));
    }
    out.push('\n');
    for sentence in METHOD {
        out.push_str(&format!("- {sentence}\n"));
    }
    out.push_str(&format!("\nGenerated {}.\n", inline(&report.generated_at)));
}

/// Appends a table under a heading. Does nothing for a table without rows.
fn push(out: &mut String, table: &Table) {
    if !table.rows.is_empty() {
        out.push_str(&format!("\n### {}\n\n{}", inline(&table.title), table_text(table)));
    }
}

/// A pipe table, preceded by its note and followed by the number of omitted rows.
pub(super) fn table_text(table: &Table) -> String {
    let mut out = String::new();
    if let Some(note) = &table.note {
        out.push_str(&format!("{}\n\n", inline(&note.to_string())));
    }
    out.push_str(&row(table.columns.iter().map(|column| inline(&column.name))));
    out.push_str(&row(table.columns.iter().map(|column| match column.kind {
        Kind::Number => "---:".to_owned(),
        _ => "---".to_owned(),
    })));
    for cells in &table.rows {
        out.push_str(&row(cells.iter().map(|cell| inline(&cell.to_string()))));
    }
    if let Some(more) = table.more() {
        out.push_str(&format!("\n{more}.\n"));
    }
    out
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// Text escaped so that Markdown shows it verbatim. All text outside of code blocks goes through this function.
fn inline(text: &str) -> String {
    for_markdown(&line(text, 2_000)).into_owned()
}

/// A code block whose fence is longer than any run of backticks within it.
pub(super) fn code_block(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<_> = lines.into_iter().map(|text| for_terminal(&text).into_owned()).collect();
    let longest = lines.iter().map(|text| longest_run(text, '`')).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_no_control, assert_no_link, assert_no_markup, empty, rich};
    use super::*;

    #[test]
    fn the_markdown_form_of_a_rich_report() {
        insta::assert_snapshot!(markdown(&rich()));
    }

    #[test]
    fn the_markdown_form_of_an_empty_report() {
        insta::assert_snapshot!(markdown(&empty()));
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = markdown(&rich());
        assert_no_markup(&text);
        assert_no_link(&text);
        assert_no_control(&text);
    }

    #[test]
    fn every_row_of_a_table_has_as_many_pipes_as_its_head() {
        let text = markdown(&rich());
        let mut head = None;
        for row in text.lines() {
            let pipes = row.replace("\\|", "").matches('|').count();
            match head.filter(|_| row.starts_with('|')) {
                Some(wanted) => assert_eq!(pipes, wanted, "{row}"),
                None => head = row.starts_with('|').then_some(pipes),
            }
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(code_block(["a ```` b".to_owned()]), "`````text\na ```` b\n`````\n");
    }
}
