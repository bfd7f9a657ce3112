//! CSV for spreadsheets: the flagged examples of a report.

use super::Format;
use super::table::Table;
use super::tables;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::{for_spreadsheet, for_terminal};
use crate::core::view::{Cell, Report};

pub(super) const FORMAT: Format = Format { name: "csv", extensions: &["csv"], render: csv };

/// One row per flagged example, with its strongest reason. Only the header if no example is flagged.
fn csv(report: &Report) -> FlowResult<String> {
    sheet(&tables::flagged_sheet(&report.decay))
}

fn sheet(table: &Table) -> FlowResult<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| &column.name)).map_err(failed)?;
    for row in &table.rows {
        writer.write_record(row.iter().map(cell)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(failed)?;
    String::from_utf8(bytes).map_err(failed)
}

/// Renders a cell. Text that a spreadsheet would interpret as a formula is escaped, control characters are made
/// visible, and missing measurements are empty.
fn cell(cell: &Cell) -> String {
    match cell {
        Cell::NotMeasured => String::new(),
        Cell::Number(value, _) if !value.is_finite() => String::new(),
        Cell::Text(text) => for_spreadsheet(&for_terminal(text)).into_owned(),
        _ => cell.to_string(),
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::other("could not write the table as CSV").caused_by(error)
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
    fn only_the_header_remains_without_flagged_examples() {
        assert_eq!(csv(&empty()).unwrap(), "dataset,id,status,cluster,code,score,threshold,evidence,input\n");
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
