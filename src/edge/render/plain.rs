//! What commands print beside reports: a value as JSON, rows as a table.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::core::domain::Failure;
use crate::core::privacy::neutralise::{for_terminal, truncate_chars};

/// A value as indented JSON with a closing newline.
///
/// # Errors
/// A failure where the value cannot be written.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::other("the result cannot be written as JSON").caused_by(error))?;
    text.push('\n');
    Ok(text)
}

/// Characters of a cell that are shown.
const CELL: usize = 120;

/// Rows under a header, within `width` columns, one line break a row at most where they fit.
pub fn plain_table(header: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| truncate_chars(&for_terminal(cell), CELL).into_owned()).collect::<Vec<_>>());
    }
    format!("{}\n", table.trim_fmt())
}
