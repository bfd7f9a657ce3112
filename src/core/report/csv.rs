//! Flagged examples for a spreadsheet.

use super::words::line;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::{for_spreadsheet, for_terminal};
use crate::core::view::{DecayView, ExampleView, Report};

const HEADER: [&str; 9] = ["dataset", "id", "status", "cluster", "code", "score", "threshold", "evidence", "input"];

/// One row a flagged example, with its strongest reason; the header alone where none is flagged.
///
/// Text that a spreadsheet would take for a formula is defused, control characters are made visible, and every cell is
/// one line.
///
/// # Errors
/// A failure of the encoder, which writes to memory, is passed on.
pub fn csv(report: &Report) -> FlowResult<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(failed)?;
    for view in &report.decay {
        for example in &view.examples {
            writer.write_record(record(view, example)).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(failed)?;
    String::from_utf8(bytes).map_err(failed)
}

fn record(view: &DecayView, example: &ExampleView) -> [String; 9] {
    let reason = example.reasons.first();
    [
        cell(&view.dataset),
        cell(&example.id),
        cell(example.status.name()),
        cell(example.cluster.as_deref().unwrap_or_default()),
        cell(reason.map_or("", |reason| reason.code.name())),
        reason.map_or_else(String::new, |reason| number(reason.score)),
        reason.map_or_else(String::new, |reason| number(reason.threshold)),
        cell(reason.map_or("", |reason| &reason.evidence)),
        cell(&example.input),
    ]
}

fn cell(text: &str) -> String {
    for_spreadsheet(&for_terminal(&line(text, 2_000))).into_owned()
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { String::new() }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::other("the flagged examples could not be written as CSV").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{empty, rich};
    use super::*;

    #[test]
    fn the_csv_form_of_a_rich_report() {
        insta::assert_snapshot!(csv(&rich()).unwrap());
    }

    #[test]
    fn no_flagged_example_leaves_the_header() {
        assert_eq!(csv(&empty()).unwrap(), format!("{}\n", HEADER.join(",")));
    }

    #[test]
    fn no_cell_starts_a_formula_and_every_example_has_one_row() {
        let report = rich();
        let text = csv(&report).unwrap();
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), report.decay.iter().map(|view| view.examples.len()).sum::<usize>());
        for cell in rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert!(!cell.contains(char::is_control), "{cell}");
        }
    }
}
