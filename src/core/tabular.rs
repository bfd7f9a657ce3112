//! Reads rows of JSONL and CSV one at a time. A row that cannot be read yields an item with its line number and does
//! not end the iteration.

use std::cell::Cell;
use std::io::{self, BufRead};
use std::rc::Rc;

use serde_json::{Map, Value};

/// Maximum length of a line in a JSONL file, in bytes. A longer line is a bad row.
const MAX_LINE: u64 = 64 << 20;

/// A file format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// RFC 4180 with a header line.
    Csv,
}

impl Format {
    /// The format for a file name extension: `jsonl`, `ndjson`, `json` (one object per line) or `csv`.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// One row: its line number and its fields, or the reason why they could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line on which the row starts, counting from 1.
    pub line: u64,
    /// Fields by name.
    pub fields: Result<Map<String, Value>, String>,
}

/// Iterates over the rows of `reader`. Blank lines are skipped, and a byte order mark is dropped.
///
/// In CSV, a cell that is a JSON list or object is parsed; every other cell is text.
///
/// # Errors
/// I/O errors of the reader are returned as items and end the iteration.
pub fn rows<'a>(reader: impl BufRead + 'a, format: Format) -> Box<dyn Iterator<Item = io::Result<Row>> + 'a> {
    match format {
        Format::Jsonl => Box::new(json_lines(reader)),
        Format::Csv => csv_rows(reader),
    }
}

/// A line of a file: its number, counted from 1, and its bytes without a byte order mark, or the reason why it is not read.
pub type Line = (u64, Result<Vec<u8>, String>);

/// Iterates over the lines of `reader` that are not blank.
///
/// # Errors
/// I/O errors of the reader are returned as items and end the iteration.
pub fn lines(reader: impl BufRead) -> impl Iterator<Item = io::Result<Line>> {
    Lines { reader, line: 0, ended: false }
}

struct Lines<R> {
    reader: R,
    line: u64,
    ended: bool,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let mut bytes = Vec::new();
            match io::Read::take(&mut self.reader, MAX_LINE).read_until(b'\n', &mut bytes) {
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Ok(0) => return None,
                Ok(_) => self.line += 1,
            }
            let cut = bytes.len() as u64 == MAX_LINE && !bytes.ends_with(b"\n");
            if cut && let Err(error) = self.reader.skip_until(b'\n') {
                self.ended = true;
                return Some(Err(error));
            }
            if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let line = if cut { Err("the line is longer than 64 MiB".to_owned()) } else { Ok(bytes) };
            return Some(Ok((self.line, line)));
        }
        None
    }
}

fn json_lines(reader: impl BufRead) -> impl Iterator<Item = io::Result<Row>> {
    lines(reader).map(|line| {
        let (line, bytes) = line?;
        Ok(Row { line, fields: bytes.and_then(|bytes| json_object(&bytes)) })
    })
}

fn json_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes.trim_ascii_end())
        .map_err(|error| format!("not UTF-8 (byte {})", error.valid_up_to() + 1))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("invalid JSON at column {}: {}", error.column(), plain(&error))),
    }
}

/// The parser's message without "at line 1 column 7", since the line of the row is reported separately.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// What to add to the line numbers of the `csv` crate, given the beginning of the text: a record starts behind the carriage
/// return of the one before, so where lines end in `\r\n`, the line feed between them is not counted yet.
pub fn uncounted_lines(start: &[u8]) -> u64 {
    let end = start.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    u64::from(end.is_some_and(|end| start[end..].starts_with(b"\r\n")))
}

fn csv_rows<'a>(mut reader: impl BufRead + 'a) -> Box<dyn Iterator<Item = io::Result<Row>> + 'a> {
    let uncounted = match reader.fill_buf() {
        Ok(start) => uncounted_lines(start),
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    let left = Rc::new(Cell::new(MAX_LINE));
    let bounded = Bounded { reader, left: Rc::clone(&left) };
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(bounded);
    let header = match csv.byte_headers() {
        Ok(header) => header.clone(),
        Err(error) => return Box::new(std::iter::once(Err(io_error(error)))),
    };
    let names: Vec<String> = header
        .iter()
        .map(|cell| String::from_utf8_lossy(cell).trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    if let Some(problem) = header_problem(&names) {
        return Box::new(std::iter::once(Ok(Row { line: 1, fields: Err(problem) })));
    }
    let rows = csv.into_byte_records().map(move |record| {
        let record = record.map_err(io_error)?;
        left.set(MAX_LINE);
        let line = record.position().map_or(0, csv::Position::line) + uncounted;
        Ok(Row { line, fields: csv_fields(&names, &record) })
    });
    // A row of empty cells counts as a blank line.
    Box::new(rows.filter(|row| !matches!(row, Ok(Row { fields: Ok(fields), .. }) if fields.is_empty())))
}

/// A reader that fails if a row of CSV does not end: the rest of the file would be read into memory as one row.
struct Bounded<R> {
    reader: R,
    /// Bytes that the row may still have.
    left: Rc<Cell<u64>>,
}

impl<R: BufRead> io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        let left = left.ok_or_else(|| io::Error::other("a row is longer than 64 MiB; is a quotation mark missing?"))?;
        self.left.set(left);
        Ok(read)
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn header_problem(names: &[String]) -> Option<String> {
    let twice = names.iter().enumerate().find(|(i, name)| !name.is_empty() && names[..*i].contains(name));
    twice.map(|(_, name)| format!("the header has the column \"{name}\" twice; rename one of them"))
}

fn csv_fields(names: &[String], record: &csv::ByteRecord) -> Result<Map<String, Value>, String> {
    if record.len() != names.len() {
        return Err(format!("the header has {1} cells, but this row has {0}", record.len(), names.len()));
    }
    let mut fields = Map::new();
    for (name, cell) in names.iter().zip(record) {
        let text = std::str::from_utf8(cell).map_err(|_| format!("column \"{name}\" is not UTF-8"))?;
        if !text.trim().is_empty() && !name.is_empty() {
            fields.insert(name.clone(), cell_value(text));
        }
    }
    Ok(fields)
}

/// The value of a cell: a list or object if it is one in JSON, or else the text.
pub fn cell_value(text: &str) -> Value {
    let structured = text.starts_with(['[', '{']).then(|| serde_json::from_str(text).ok()).flatten();
    structured.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &[u8], format: Format) -> Vec<(u64, Result<Value, String>)> {
        rows(text, format).map(|row| row.unwrap()).map(|row| (row.line, row.fields.map(Value::Object))).collect()
    }

    #[test]
    fn a_quotation_mark_that_is_missing_does_not_read_the_rest_of_the_file_into_one_row() {
        let begun = io::Cursor::new(b"a,b\n1,2\n\"3,4\n".to_vec());
        let endless = io::BufReader::new(io::Read::chain(begun, io::Read::take(io::repeat(b'x'), MAX_LINE * 4)));
        let mut read = rows(endless, Format::Csv);
        assert!(read.next().unwrap().unwrap().fields.is_ok());
        assert!(read.next().unwrap().unwrap_err().to_string().contains("quotation mark"));
    }

    #[test]
    fn a_broken_line_is_reported_with_its_number_and_the_rest_is_read() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\n{\"a\":\n[1]\n\xff\n{\"a\":2}";
        let found = read(text, Format::Jsonl);
        assert_eq!(found[0], (1, Ok(json!({"a": 1}))));
        assert_eq!(found[1], (3, Err("invalid JSON at column 5: EOF while parsing a value".into())));
        assert_eq!(found[2], (4, Err("not a JSON object".into())));
        assert_eq!(found[3], (5, Err("not UTF-8 (byte 1)".into())));
        assert_eq!(found[4], (6, Ok(json!({"a": 2}))));
    }

    #[test]
    fn csv_cells_are_text_unless_they_are_json_lists_or_objects() {
        let text = "\u{feff}input,expected,meta\n\"a\nb\",5,\"{\"\"k\"\":1}\"\n,,\nx\ny,\"[\"\"p\"\",\"\"q\"\"]\",\n";
        let found = read(text.as_bytes(), Format::Csv);
        assert_eq!(found[0], (2, Ok(json!({"input": "a\nb", "expected": "5", "meta": {"k": 1}}))));
        assert_eq!(found[1], (5, Err("the header has 3 cells, but this row has 1".into())));
        assert_eq!(found[2], (6, Ok(json!({"input": "y", "expected": ["p", "q"]}))));
    }

    #[test]
    fn the_lines_of_a_csv_file_are_counted_alike_whatever_ends_them() {
        let text = "a,b\n1,2\n\"x\ny\",3\n4,5\n";
        for ending in ["\n", "\r\n"] {
            let found = read(text.replace('\n', ending).as_bytes(), Format::Csv);
            assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5], "{ending:?}");
        }
    }

    #[test]
    fn a_header_with_a_duplicate_column_is_rejected() {
        let found = read(b"a,b,a\n1,2,3\n", Format::Csv);
        assert_eq!(found, [(1, Err("the header has the column \"a\" twice; rename one of them".into()))]);
    }

    #[test]
    fn an_empty_file_has_no_rows() {
        assert!(read(b"", Format::Jsonl).is_empty() && read(b"", Format::Csv).is_empty());
    }
}
