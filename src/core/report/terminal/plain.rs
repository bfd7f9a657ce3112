//! A table of any rows, for the small listings of the command line.

use super::layout::table_text;
use crate::core::report::tables::{Kind, Table};
use crate::core::report::words::{NOTHING, line};

/// Rows under `header`, no wider than `width` columns (at least 40); nothing but the header where there are no rows.
///
/// A column of figures stands to the right; one whose cells hold no space is never wrapped, so that ids can be copied.
/// Where the columns do not fit side by side, each row becomes a list. Control characters are made visible.
pub fn plain_table(header: &[&'static str], rows: Vec<Vec<String>>, width: usize) -> String {
    let kinds = header.iter().enumerate().map(|(place, name)| {
        let cells: Vec<_> = rows.iter().filter_map(|row| row.get(place)).map(String::as_str).collect();
        (*name, kind(&cells))
    });
    let columns: Vec<_> = kinds.collect();
    let row = |cells: Vec<String>| cells.iter().take(columns.len()).map(|cell| line(cell, 300)).collect();
    table_text(&Table::new("", &columns).rows(rows, usize::MAX, row), width)
}

fn kind(cells: &[&str]) -> Kind {
    let says = |cell: &&&str| !cell.is_empty() && **cell != NOTHING;
    if cells.iter().any(|cell| says(&cell)) && cells.iter().filter(says).all(|cell| is_figure(cell)) {
        Kind::Number
    } else if cells.iter().all(|cell| !cell.contains(char::is_whitespace)) {
        Kind::Id
    } else {
        Kind::Name
    }
}

/// `12`, `1,234`, `+6.2`, `91.2 %`, but not `2026-09` and not `5 of 7`.
fn is_figure(text: &str) -> bool {
    let unsigned = text.trim_start_matches(['+', '-', '−', '<', ' ']);
    let number = unsigned.strip_suffix('%').unwrap_or(unsigned).trim_end();
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
}

#[cfg(test)]
mod tests {
    use super::super::wrap::columns;
    use super::*;

    fn rows(input: &str) -> Vec<Vec<String>> {
        let row = |id: &str, n: &str| [id, "2026-09", n, input].map(str::to_owned).to_vec();
        vec![row("0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21", "1,204"), row("b", NOTHING)]
    }

    #[test]
    fn figures_stand_right_and_ids_stay_whole() {
        let text = plain_table(&["id", "month", "size", "input"], rows("Where is my parcel? \u{1b}[31m"), 80);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn columns_that_do_not_fit_become_lists() {
        let text = plain_table(&["id", "month", "size", "input"], rows("Where is my parcel, and who has it?"), 50);
        assert!(text.contains("id     0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21\n"), "{text}");
        assert!(text.lines().all(|line| columns(line) <= 50), "{text}");
    }

    #[test]
    fn no_rows_leave_the_header_and_a_short_row_is_kept() {
        assert_eq!(plain_table(&["a", "b"], Vec::new(), 80).lines().next(), Some("a  b"));
        assert!(plain_table(&["a", "b"], vec![vec!["x".into()]], 80).contains('x'));
    }

    #[test]
    fn dates_and_ratios_are_no_figures() {
        for (text, figure) in [
            ("12", true),
            ("1,234", true),
            ("−6.2", true),
            ("91.2 %", true),
            ("2026-09", false),
            ("5/7", false),
            ("", false),
        ] {
            assert_eq!(is_figure(text), figure, "{text}");
        }
    }
}
