//! Text for a terminal of a given width.

mod canary;
mod judge_validation;
mod labelling;
mod layout;
mod listings;
mod suite_import;
mod text;
mod traffic_scores;

use super::table::Table;
use super::tables;
use crate::core::view::{
    Cell, CompareView, DecayView, PlanView, PowerView, RunsView, count_of, phrase, summary_phrase,
};
pub use canary::canary_text;
pub use judge_validation::judge_validation_text;
pub use labelling::label_import_text;
use layout::table_text;
pub use listings::{
    added_text, cache_text, dataset_log_text, diff_text, doctor_text, embedder_text, history_text, import_text,
    lint_text, list_text, lock_text, migration_text, months_text, queue_example_text, queue_log_text, queue_text,
    traffic_text,
};
pub use suite_import::suite_import_text;
pub use text::{Screen, terminal_headline};
use text::{labelled, paragraph};
pub use traffic_scores::traffic_scores_text;

/// Maximum number of rows shown of a table. Formats that are written to files show more.
const ROWS: usize = 10;

/// Renders the quality half as tables.
pub fn terminal_runs(view: &RunsView, screen: Screen) -> String {
    let columns = [
        "Endpoint",
        "Verdict",
        "Examples",
        "Scored",
        "Errors",
        "Unscored",
        "Skipped",
        "p50",
        "p95",
        "First token",
        "Cost",
        "Cached",
    ];
    let slices = ["Endpoint", "Slice", "Mean", "95 % interval", "Scored", "p (adjusted)", "Than rest"];
    let tables = [
        tables::matrix(view),
        tables::scores(view),
        tables::slice_scores(view, ROWS).only(&slices),
        tables::parity(view).only(&["Endpoint", "Measure", "Verdict", "Difference", "95 % interval"]),
        tables::claims(view).only(&[
            "Endpoint",
            "Scorer",
            "Claimed",
            "Measured",
            "95 % interval",
            "The claim is",
            "Source",
        ]),
        tables::labels(view, ROWS).only(&["Endpoint", "Label", "Examples", "Precision", "Recall", "F1"]),
        tables::confusions(view, 5),
        tables::run_gates(view),
        tables::outcomes(view).only(&columns),
        tables::judges(view).only(&[
            "Endpoint",
            "Judge",
            "Calls",
            "Cached",
            "Errors",
            "No verdict",
            "Cost",
            "Agrees with people",
            "Corrected",
        ]),
        tables::position(view),
        tables::errors(view),
        tables::scorer_errors(view),
        tables::misses(view, 5).only(&["Endpoint", "Example", "Input", "Expected", "Answered"]),
    ];
    blocks(&tables, screen)
}

/// Renders how many examples a suite needs.
pub fn power_text(view: &PowerView, screen: Screen) -> String {
    let mut out = blocks(&[tables::power(view)], screen);
    for note in &view.notes {
        out.push_str(&labelled("- ", Cell::line(note, 300), screen, 2));
    }
    out
}

/// Renders the comparison of two runs.
pub fn terminal_compare(view: &CompareView, screen: Screen) -> String {
    let scores = ["Scorer", "Verdict", "Base", "Candidate", "Points", "95 % interval", "p", "Detectable"];
    let scores = tables::compared_scores(view).only(&scores);
    let requests = ["What", "Base", "Candidate", "Difference", "95 % interval"];
    let requests = tables::compared_requests(view).only(&requests);
    let slices =
        tables::compared_slices(view, ROWS).only(&["Slice", "Verdict", "n", "Points", "95 % interval", "p (adjusted)"]);
    let flips = ["Example", "Score", "Input", "Expected", "Base answered", "Candidate answered"];
    let mut out = format!("{}\n", paragraph(tables::compare_sentence(view), screen));
    out.push_str(&blocks(&[scores, slices, requests], screen));
    for note in tables::compare_notes(view) {
        out.push_str(&labelled("- ", Cell::line(&note, 400), screen, 2));
    }
    let second = blocks(
        &[
            tables::contract(view, ROWS).only(&["Path", "Change", "Breaks", "Base", "Candidate"]),
            tables::new_failures(view, ROWS).only(&flips),
            tables::fixed(view, 3).only(&flips),
        ],
        screen,
    );
    out.push_str(&if second.is_empty() { second } else { format!("\n{second}") });
    if let Some(gate) = &view.gate {
        let text = phrase![gate.verdict, format!(" {} ({})", gate.name, gate.detail)];
        out.push('\n');
        out.push_str(&labelled("gate: ", text, screen, 2));
    }
    out
}

/// Renders the requests that a run would send as a table.
pub fn terminal_plan(view: &PlanView, screen: Screen) -> String {
    blocks(&[tables::plan(view)], screen)
}

/// Renders the decay half as tables.
pub fn terminal_decay(view: &DecayView, screen: Screen) -> String {
    let unrepresented =
        tables::unrepresented(view, ROWS).only(&["Cluster", "Share", "Represented", "Live", "Typical requests"]);
    let flagged = tables::flagged(view, ROWS).only(&["Example", "Reason", "Score", "Input", "Evidence"]);
    let candidates = tables::candidates(view, 5).only(&["Gain", "Why", "Cluster", "Request"]);
    let mut out = format!("{}\n", paragraph(summary_phrase(view), screen));
    let moved = tables::moved(view).only(&["What", "Moved", "Points", "p", "Carried by"]);
    let drift = tables::kinds_of_drift(view).only(&["What", "Changed", "Effect", "p (Holm)", "In words"]);
    out.push_str(&blocks(&[unrepresented, tables::coverage(view), moved, drift], screen));
    let flags = format!("{} of {} live.", Cell::from(view.live), count_of(view.golden, "example"));
    let sentences = view.moved.iter().flat_map(|moved| [&moved.topics.sentence, &moved.wording.sentence]);
    for note in sentences.chain([&flags]).chain(&view.notes) {
        out.push_str(&labelled("- ", Cell::line(note, 400), screen, 2));
    }
    let second = blocks(&[flagged, candidates, tables::gates(view), tables::shift(view)], screen);
    if second.is_empty() { out } else { format!("{out}\n{second}") }
}

fn blocks(tables: &[Table], screen: Screen) -> String {
    let shown: Vec<_> =
        tables.iter().filter(|table| !table.rows.is_empty()).map(|table| table_text(table, screen)).collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::super::fixture::{assert_no_control, empty, rich};
    use super::*;

    fn plain(width: usize) -> Screen {
        Screen { width, colour: false }
    }

    fn everything(screen: Screen) -> String {
        let mut out = String::new();
        for report in [rich(), empty()] {
            out.push_str(&terminal_headline(&report.headline, screen));
            out.push('\n');
            out.extend(report.quality.iter().map(|runs| terminal_runs(runs, screen)));
            out.push('\n');
            out.extend(report.decay.iter().map(|view| terminal_decay(view, screen)));
            out.extend(report.comparisons.iter().map(|view| terminal_compare(view, screen)));
        }
        out
    }

    #[test]
    fn the_headline_in_a_terminal() {
        insta::assert_snapshot!(terminal_headline(&rich().headline, plain(80)));
    }

    #[test]
    fn runs_in_a_terminal() {
        insta::assert_snapshot!(terminal_runs(&rich().quality.unwrap(), plain(80)));
    }

    #[test]
    fn a_comparison_in_a_terminal() {
        insta::assert_snapshot!(terminal_compare(&rich().comparisons[0], plain(80)));
    }

    #[test]
    fn decay_in_a_terminal() {
        insta::assert_snapshot!(terminal_decay(&rich().decay[0], plain(80)));
    }

    #[test]
    fn decay_in_a_wide_terminal() {
        insta::assert_snapshot!(terminal_decay(&rich().decay[0], plain(140)));
    }

    #[test]
    fn nothing_measured_in_a_terminal() {
        insta::assert_snapshot!(terminal_decay(&empty().decay[0], plain(80)));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 100, 200] {
            for text in everything(plain(width)).lines() {
                assert!(text.width() <= width, "{width}: {} {text}", text.width());
            }
        }
    }

    #[test]
    fn the_text_contains_no_terminal_control_characters() {
        assert_no_control(&everything(plain(80)));
    }

    #[test]
    fn only_verdicts_are_coloured_and_no_words_from_a_model() {
        let mut runs = rich().quality.unwrap();
        runs.runs[0].misses[0].output = "PASS or FAIL".into();
        runs.runs[0].notes = vec!["the model said FAIL".into()];
        let text = terminal_runs(&runs, Screen { width: 160, colour: true });
        assert!(text.contains("PASS or FAIL") && text.contains("said FAIL"), "{text}");
    }

    #[test]
    fn colour_changes_nothing_but_the_colour_of_verdicts() {
        let codes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        for width in [40, 80, 160] {
            let colourful = everything(Screen { width, colour: true });
            assert!(colourful.contains("\u{1b}[31mFAIL\u{1b}[0m"));
            assert_eq!(codes.replace_all(&colourful, ""), everything(plain(width)));
            assert_eq!(codes.find_iter(&colourful).count() % 2, 0);
        }
    }
}
