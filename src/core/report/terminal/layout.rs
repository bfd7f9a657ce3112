//! Lays out a table in columns.

use comfy_table::{
    Cell as Shown, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle, Width,
};
use unicode_width::UnicodeWidthStr;

use super::text::{NARROWEST, Screen, labelled, paragraph, shown};
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::report::table::{Kind, Table};
use crate::core::verdict::Verdict;
use crate::core::view::Cell;

/// Maximum number of lines per row; a longer row ends in `…`.
const LINES: usize = 3;
/// Maximum number of characters per cell; a longer cell ends in `…`.
const CHARS: usize = 120;
/// Number of spaces between columns.
const GAP: usize = 2;
/// Minimum width of a column whose text wraps.
const TEXT: usize = 12;

/// A rule under the header and no other lines, which makes text easy to copy.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Renders the title, the rows, the number of omitted rows, and the note. If the columns do not fit side by side, each
/// row becomes a list.
pub(super) fn table_text(table: &Table, screen: Screen) -> String {
    let screen = Screen { width: screen.width.clamp(NARROWEST, usize::from(u16::MAX)), ..screen };
    let layout = Layout::new(table, screen);
    let rows = if layout.needed() <= screen.width { layout.side_by_side() } else { layout.listed() };
    let title = if table.title.is_empty() { String::new() } else { paragraph(table.title.as_str(), screen) };
    let after = table.more().map(Cell::from).into_iter().chain(table.note.clone());
    title + &rows + &after.map(|text| paragraph(text, screen)).collect::<String>()
}

/// The table, or only these of its columns if all of them do not fit side by side.
pub(super) fn fitted(table: &Table, narrow: &[&str], screen: Screen) -> Table {
    if Layout::new(table, screen).needed() <= screen.width { table.clone() } else { table.only(narrow) }
}

struct Layout<'a> {
    table: &'a Table,
    screen: Screen,
    /// The text of the cells, without colour.
    rows: Vec<Vec<String>>,
    /// Width of the longest cell of each column, its heading included.
    widths: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn new(table: &'a Table, screen: Screen) -> Self {
        let cell = |cell: &Cell| truncate_chars(&shown(cell, false), CHARS).into_owned();
        let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let width = |(place, head): (usize, usize)| {
            rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.width()).fold(head, usize::max)
        };
        let widths = table.columns.iter().map(|column| column.name.width()).enumerate().map(width).collect();
        Self { table, screen, rows, widths }
    }

    /// The kind of each column, the width it needs, and whether it never wraps, as is the case for numbers, verdicts,
    /// ids and short names.
    fn columns(&self) -> impl Iterator<Item = (Kind, usize, bool)> {
        self.table.columns.iter().zip(&self.widths).map(|(column, width)| {
            let rigid = match column.kind {
                Kind::Number | Kind::Verdict | Kind::Id => true,
                Kind::Name => *width <= self.screen.width / 4,
                Kind::Prose => false,
            };
            (column.kind, GAP + if rigid { *width } else { (*width).min(TEXT) }, rigid)
        })
    }

    /// Minimum width of the table.
    fn needed(&self) -> usize {
        self.columns().map(|(_, least, _)| least).sum()
    }

    fn side_by_side(&self) -> String {
        let mut out = comfy_table::Table::new();
        // The caller decides whether there is a terminal; nothing here checks for one.
        out.style_text_only();
        out.force_no_tty().load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
        if self.screen.colour {
            out.enforce_styling();
        }
        out.set_width(u16::try_from(self.screen.width).unwrap_or(u16::MAX)).set_truncation_indicator("…");
        out.set_header(self.table.columns.iter().map(|column| aligned(&column.name, column.kind)));
        for (texts, cells) in self.rows.iter().zip(&self.table.rows) {
            let columns = texts.iter().zip(cells).zip(&self.table.columns);
            let cells = columns.map(|((text, cell), column)| coloured(aligned(text, column.kind), cell));
            let mut row = Row::from(cells.collect::<Vec<_>>());
            row.max_height(LINES);
            out.add_row(row);
        }
        for (column, (_, least, rigid)) in out.column_iter_mut().zip(self.columns()) {
            column.set_padding((0, GAP as u16));
            let least = ColumnConstraint::LowerBoundary(Width::Fixed(least as u16));
            column.set_constraint(if rigid { ColumnConstraint::ContentWidth } else { least });
        }
        out.lines().map(|text| format!("{}\n", text.trim_end())).collect()
    }

    fn listed(&self) -> String {
        let head = self.table.columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
        let mut out = String::new();
        for (texts, cells) in self.rows.iter().zip(&self.table.rows) {
            out.push_str(&format!("{}\n", "─".repeat(self.screen.width)));
            for ((text, cell), column) in texts.iter().zip(cells).zip(&self.table.columns) {
                let label = format!("{}{}  ", column.name, " ".repeat(head - column.name.width()));
                let cell = if matches!(cell, Cell::Verdict(_)) { cell.clone() } else { text.as_str().into() };
                out.push_str(&labelled(&label, cell, self.screen, head + 2));
            }
        }
        out
    }
}

fn aligned(text: &str, kind: Kind) -> Shown {
    Shown::new(text).set_alignment(if kind == Kind::Number { CellAlignment::Right } else { CellAlignment::Left })
}

fn coloured(shown: Shown, cell: &Cell) -> Shown {
    let Cell::Verdict(verdict) = cell else { return shown };
    shown.fg(match verdict {
        Verdict::Pass => comfy_table::Color::DarkGreen,
        Verdict::Fail => comfy_table::Color::DarkRed,
        Verdict::Inconclusive => comfy_table::Color::DarkYellow,
        Verdict::Incomplete => comfy_table::Color::DarkMagenta,
    })
}
