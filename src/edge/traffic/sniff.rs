//! Finds out in which format a file is.

use std::io;

use serde_json::{Map, Value};

use super::format::TrafficFormat;
use super::formats::{ALL, ROWS};
use super::reader::{size_of_fields, skip_mark};
use crate::core::domain::{Failure, did_you_mean};
use crate::core::json_rows::{Stopped, json_rows, json_rows_of_line};
use crate::core::tabular::{Format, Row, lines, rows};
use crate::edge::input::{Content, Opened};
use crate::edge::parquet;

/// Rows that are looked at.
const SAMPLE: usize = 200;

/// Bytes of rows that are looked at.
const SAMPLE_BYTES: usize = 8 << 20;

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
        Content::Lines(_) | Content::Document(_) => {
            let is_lines = matches!(opened.content, Content::Lines(_));
            return best(|format| recognized_in(format, &opened.beginning, is_lines));
        }
        Content::Csv(_) => sample(rows(opened.beginning.as_slice(), Format::Csv)),
        Content::Parquet(file) => {
            let file = file.try_clone().ok()?;
            sample(parquet::rows(file).ok()?)
        }
    };
    best(|format| most(known.iter().filter(|row| format.recognizes(row, &[])).count(), known.len()))
}

/// The format with the highest score; the first one if several have the same.
fn best(score: impl Fn(&'static dyn TrafficFormat) -> usize) -> Option<&'static dyn TrafficFormat> {
    let best = ALL.iter().map(|format| (score(*format), format)).rev().max_by_key(|(score, _)| *score)?;
    (best.0 > 0).then_some(*best.1)
}

/// The first rows that can be read.
fn sample(rows: impl Iterator<Item = io::Result<Row>>) -> Vec<Map<String, Value>> {
    let (mut sample, mut size) = (Vec::new(), 0);
    for fields in rows.map_while(Result::ok).filter_map(|row| row.fields.ok()) {
        size += size_of_fields(&fields);
        sample.push(fields);
        if sample.len() == SAMPLE || size > SAMPLE_BYTES {
            break;
        }
    }
    sample
}

fn recognized_in(format: &dyn TrafficFormat, beginning: &[u8], is_lines: bool) -> usize {
    let (mut count, mut seen, mut is_listed) = (0, 0, false);
    let mut each = |_: u64, row: Result<Map<String, Value>, String>, around: &[Map<String, Value>]| {
        let Ok(row) = row else { return Ok(()) };
        seen += 1;
        let is_known = format.recognizes(&row, around);
        count += usize::from(is_known);
        is_listed |= is_known && !around.is_empty();
        if seen < SAMPLE { Ok(()) } else { Err(Failure::other("enough")) }
    };
    // The beginning may end within a row, or contain broken lines.
    if is_lines {
        for (line, text) in lines(beginning).map_while(Result::ok) {
            let read = text.map(|text| json_rows_of_line(&text, line, format.lists(), &mut each));
            if matches!(read, Ok(Err(Stopped::Failed(_)))) {
                break;
            }
        }
    } else {
        let _ = json_rows(skip_mark(beginning), format.lists(), &mut each);
    }
    if is_listed { count } else { most(count, seen) }
}

/// The number of rows recognized, if they are most of them: a few rows of plain data may look like those of a format. In the lists
/// of a format, such as the spans of a trace, most may be something else.
fn most(count: usize, seen: usize) -> usize {
    if count * 2 > seen { count } else { 0 }
}
