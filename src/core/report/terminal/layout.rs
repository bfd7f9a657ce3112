//! Lays a table out in columns.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle, Width};

use super::wrap::{NARROWEST, columns, wrapped};
use crate::core::privacy::sanitize::{for_terminal, truncate_chars};
use crate::core::report::tables::{Kind, Table};

/// Lines a row may take before it ends in `…`.
const LINES: usize = 3;
/// Characters of a cell before it ends in `…`.
const CHARS: usize = 120;
/// Spaces between columns.
const GAP: usize = 2;
/// Columns that text which wraps needs at least.
const TEXT: usize = 12;

/// A rule under the head and no other line: quiet, and easy to copy from.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The title, the rows, how many rows were left out, and the note. Where the columns do not fit side by side, each row
/// becomes a list.
pub(super) fn table_text(table: &Table, width: usize) -> String {
    let width = width.clamp(NARROWEST, usize::from(u16::MAX));
    let mut shown = table.clone();
    for cell in shown.rows.iter_mut().flatten() {
        *cell = truncate_chars(&for_terminal(cell), CHARS).into_owned();
    }
    let rows = if needed(&shown, width) <= width { side_by_side(&shown, width) } else { listed(&shown, width) };
    let after = table.more().into_iter().chain(table.note.clone()).map(|text| wrapped(&text, width, 0));
    let title = if table.title.is_empty() { String::new() } else { wrapped(&table.title, width, 0) };
    title + &rows + &after.collect::<String>()
}

/// Columns the longest cell of a column takes, its heading included.
fn content_width(table: &Table, place: usize) -> usize {
    let head = table.columns.get(place).map_or(0, |(name, _)| columns(name));
    table.rows.iter().filter_map(|row| row.get(place)).map(|cell| columns(cell)).fold(head, usize::max)
}

/// Whether a column never wraps: figures, verdicts, ids, and names that are short.
fn is_rigid(table: &Table, place: usize, width: usize) -> bool {
    match table.columns.get(place) {
        Some((_, Kind::Number | Kind::Verdict | Kind::Id)) => true,
        Some((_, Kind::Name)) => content_width(table, place) <= width / 4,
        Some((_, Kind::Prose)) | None => false,
    }
}

/// Columns the table needs at least.
fn needed(table: &Table, width: usize) -> usize {
    let least = |place| {
        let content = content_width(table, place);
        GAP + if is_rigid(table, place, width) { content } else { content.min(TEXT) }
    };
    (0..table.columns.len()).map(least).sum()
}

fn side_by_side(table: &Table, width: usize) -> String {
    let mut out = comfy_table::Table::new();
    // Whether there is a terminal is the caller's business: nothing here asks for one.
    out.force_no_tty().load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    out.set_width(u16::try_from(width).unwrap_or(u16::MAX)).set_truncation_indicator("…");
    out.set_header(table.columns.iter().map(|(name, kind)| Cell::new(name).set_alignment(alignment(*kind))));
    for cells in &table.rows {
        let cells =
            cells.iter().zip(&table.columns).map(|(text, (_, kind))| Cell::new(text).set_alignment(alignment(*kind)));
        let mut row = Row::from(cells.collect::<Vec<_>>());
        row.max_height(LINES);
        out.add_row(row);
    }
    for place in 0..table.columns.len() {
        if let Some(column) = out.column_mut(place) {
            column.set_padding((0, GAP as u16));
            let least = Width::Fixed(content_width(table, place).min(TEXT) as u16 + GAP as u16);
            let rigid = is_rigid(table, place, width);
            column.set_constraint(if rigid {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(least)
            });
        }
    }
    out.lines().map(|text| format!("{}\n", text.trim_end())).collect()
}

fn alignment(kind: Kind) -> CellAlignment {
    if kind == Kind::Number { CellAlignment::Right } else { CellAlignment::Left }
}

fn listed(table: &Table, width: usize) -> String {
    let head = table.columns.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    let mut out = String::new();
    for cells in &table.rows {
        out.push_str(&format!("{}\n", "─".repeat(width)));
        for (text, (name, _)) in cells.iter().zip(&table.columns) {
            out.push_str(&wrapped(&format!("{name:<head$}  {text}"), width, head + 2));
        }
    }
    out
}
