//! Tables and lines for a terminal of a given width.

mod layout;
mod plain;
mod wrap;

use super::tables::{self, Table};
use super::words::{count, count_of, line};
use crate::core::view::{DecayView, PlanView, RunsView, summary};
use layout::table_text;
pub use plain::plain_table;
use wrap::{coloured, wrapped};

/// Rows shown of a long table; every format that goes to a file shows more.
const ROWS: usize = 10;

/// The quality half as tables no wider than `width` columns (at least 40), without escape sequences unless `colour`.
pub fn terminal_runs(view: &RunsView, width: usize, colour: bool) -> String {
    let columns = [
        "Endpoint",
        "Verdict",
        "Examples",
        "Scored",
        "Errors",
        "Skipped",
        "p50",
        "p95",
        "First token",
        "Cost",
        "Cached",
    ];
    let outcomes = tables::outcomes(view).only(&columns);
    let misses = tables::misses(view, 5).only(&["Endpoint", "Example", "Input", "Expected", "Answered"]);
    let first = [tables::matrix(view), tables::scores(view), tables::run_gates(view)];
    let second = [outcomes, tables::errors(view), misses];
    blocks(&[first.as_slice(), second.as_slice()].concat(), width, colour)
}

/// What a run would ask, as a table no wider than `width` columns (at least 40).
pub fn terminal_plan(view: &PlanView, width: usize) -> String {
    blocks(&[tables::plan(view)], width, false)
}

/// The decay half as tables no wider than `width` columns (at least 40), without escape sequences unless `colour`.
pub fn terminal_decay(view: &DecayView, width: usize, colour: bool) -> String {
    let unrepresented =
        tables::unrepresented(view, ROWS).only(&["Cluster", "Share", "Represented", "Live", "Typical requests"]);
    let flagged = tables::flagged(view, ROWS).only(&["Example", "Reason", "Score", "Input", "Evidence"]);
    let candidates = tables::candidates(view, 5).only(&["Gain", "Cluster", "Request"]);
    let first = [unrepresented, tables::coverage(view)];
    let second = [flagged, candidates, tables::gates(view), tables::shift(view)];
    let mut out = format!("{}\n", wrapped(&line(&summary(view), 600), width, 0));
    out.push_str(&blocks(&first, width, colour));
    let flags = format!("{} of {} live.", count(view.live), count_of(view.golden, "example"));
    for note in std::iter::once(&flags).chain(&view.notes) {
        out.push_str(&wrapped(&format!("- {}", line(note, 300)), width, 2));
    }
    let second = blocks(&second, width, colour);
    if second.is_empty() { out } else { format!("{out}\n{second}") }
}

/// The headline, long lines wrapped at `width` columns (at least 40) under their text; verdicts coloured if `colour`.
pub fn terminal_headline(lines: &[String], width: usize, colour: bool) -> String {
    let text: String = lines.iter().map(|text| wrapped(text, width, wrap::LABEL)).collect();
    if colour { coloured(&text) } else { text }
}

fn blocks(tables: &[Table], width: usize, colour: bool) -> String {
    let shown: Vec<_> =
        tables.iter().filter(|table| !table.rows.is_empty()).map(|table| table_text(table, width)).collect();
    let text = shown.join("\n");
    if colour { coloured(&text) } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_no_control, empty, rich};
    use super::wrap::columns;
    use super::*;

    fn everything(width: usize, colour: bool) -> String {
        let mut out = String::new();
        for report in [rich(), empty()] {
            out.push_str(&terminal_headline(&report.headline, width, colour));
            out.push('\n');
            out.extend(report.quality.iter().map(|runs| terminal_runs(runs, width, colour)));
            out.push('\n');
            out.extend(report.decay.iter().map(|view| terminal_decay(view, width, colour)));
        }
        out
    }

    #[test]
    fn the_headline_in_a_terminal() {
        insta::assert_snapshot!(terminal_headline(&rich().headline, 80, false));
    }

    #[test]
    fn runs_in_a_terminal() {
        insta::assert_snapshot!(terminal_runs(&rich().quality.unwrap(), 80, false));
    }

    #[test]
    fn decay_in_a_terminal() {
        insta::assert_snapshot!(terminal_decay(&rich().decay[0], 80, false));
    }

    #[test]
    fn decay_in_a_wide_terminal() {
        insta::assert_snapshot!(terminal_decay(&rich().decay[0], 140, false));
    }

    #[test]
    fn nothing_measured_in_a_terminal() {
        insta::assert_snapshot!(terminal_decay(&empty().decay[0], 80, false));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 100, 200] {
            for text in everything(width, false).lines() {
                assert!(columns(text) <= width, "{width}: {} {text}", columns(text));
            }
        }
    }

    #[test]
    fn nothing_in_the_text_steers_the_terminal() {
        assert_no_control(&everything(80, false));
    }

    #[test]
    fn colour_adds_nothing_but_colour_to_verdicts() {
        let plain = everything(80, false);
        let colourful = everything(80, true);
        assert!(colourful.contains("\u{1b}[31mFAIL\u{1b}[0m"));
        let codes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        assert_eq!(codes.replace_all(&colourful, ""), plain);
    }
}
