//! Finds out in which format a file is.

use serde_json::{Map, Value};

use super::format::TrafficFormat;
use super::formats::{ALL, ROWS};
use crate::core::domain::{Failure, did_you_mean};
use crate::core::json_rows::json_rows;
use crate::core::tabular::{Format, rows};
use crate::edge::input::{Content, Opened};
use crate::edge::parquet;

/// Rows that are looked at.
const SAMPLE: usize = 200;

/// The format with a name; `None` for rows with a field map.
///
/// # Errors
/// A usage failure if there is no such format.
pub fn named(name: &str) -> Result<Option<&'static dyn TrafficFormat>, Failure> {
    if name == ROWS {
        return Ok(None);
    }
    let found = ALL.iter().find(|format| format.name() == name).copied();
    found.map(Some).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|format| format.name()).chain([ROWS]).collect();
        Failure::usage(format!("unknown format of traffic \"{name}\"")).hint(did_you_mean(name, &names, "there are"))
    })
}

/// The format that recognizes most of the first rows; `None` if none does.
pub fn recognized(opened: &Opened) -> Option<&'static dyn TrafficFormat> {
    let known = match &opened.content {
        Content::Lines(_) | Content::Document(_) => None,
        Content::Csv(_) => {
            let read = rows(opened.beginning.as_slice(), Format::Csv).map_while(Result::ok);
            Some(read.filter_map(|row| row.fields.ok()).take(SAMPLE).collect::<Vec<_>>())
        }
        Content::Parquet(file) => {
            let file = file.try_clone().ok()?;
            let read = parquet::rows(file).ok()?.map_while(Result::ok);
            Some(read.filter_map(|row| row.fields.ok()).take(SAMPLE).collect())
        }
    };
    let score = |format: &&'static dyn TrafficFormat| match &known {
        Some(rows) => most(rows.iter().filter(|row| format.recognizes(row, &[])).count(), rows.len()),
        None => recognized_in(*format, &opened.beginning),
    };
    // The first one if several recognize the same number.
    let best = ALL.iter().map(|format| (score(format), format)).rev().max_by_key(|(score, _)| *score)?;
    (best.0 > 0).then_some(*best.1)
}

fn recognized_in(format: &dyn TrafficFormat, beginning: &[u8]) -> usize {
    let (mut count, mut seen, mut is_listed) = (0, 0, false);
    let mut each = |_: u64, row: Result<Map<String, Value>, String>, around: &[Map<String, Value>]| {
        seen += 1;
        let is_known = row.is_ok_and(|row| format.recognizes(&row, around));
        count += usize::from(is_known);
        is_listed |= is_known && !around.is_empty();
        if seen < SAMPLE { Ok(()) } else { Err(Failure::other("enough")) }
    };
    // The beginning may end within a row, or contain a broken line.
    let _ = json_rows(beginning, format.lists(), &mut each);
    if is_listed { count } else { most(count, seen) }
}

/// The number of rows recognized, if they are most of them: a few rows of plain data may look like those of a format. In the lists
/// of a format, such as the spans of a trace, most may be something else.
fn most(count: usize, seen: usize) -> usize {
    if count * 2 > seen { count } else { 0 }
}
