//! Changes fields of rows in the text of a golden set, and leaves every other byte as it is: a reviewer's diff shows
//! nothing but what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::core::domain::fields::{EXPECTED, INPUT};
use crate::core::tabular::{Format, uncounted_lines};

/// New values of one row's fields.
#[derive(Debug, Clone, PartialEq)]
pub struct RowEdit {
    /// The line on which the row starts, counting from 1.
    pub line: u64,
    /// Field names with their new values. `expected` also finds the field under its other names.
    pub fields: Vec<(&'static str, Value)>,
}

/// The fields of a new row, in the order in which they are written.
pub type NewRow = Vec<(String, Value)>;

/// Why a row cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text has no row on that line.
    #[error("line {0} has no row")]
    NoRow(u64),
    /// A CSV file has no column for the field.
    #[error("there is no column \"{0}\"")]
    NoColumn(&'static str),
    /// The row could not be read.
    #[error("line {0}: {1}")]
    Unreadable(u64, String),
}

/// Returns the text with the rows changed. Fields that are missing from a JSON row are added at its end; in CSV, a missing
/// column is an error, because adding it would change every row.
///
/// # Errors
/// The first row that cannot be edited.
pub fn edit_rows(text: &str, format: Format, edits: &[RowEdit]) -> Result<String, EditError> {
    match format {
        Format::Jsonl => edit_json_lines(text, edits),
        Format::Csv => edit_csv(text, edits),
    }
}

/// Where the row that starts on this line is in the text, without its line end.
///
/// # Errors
/// If no row starts there, or the text could not be read.
pub fn row_at(text: &str, format: Format, line: u64) -> Result<Range<usize>, EditError> {
    row_places(text, format, &BTreeSet::from([line])).remove(&line).ok_or(EditError::NoRow(line))
}

/// Where the rows that start on these lines are in the text, without their line ends. Lines on which no row starts are left out.
pub fn row_places(text: &str, format: Format, lines: &BTreeSet<u64>) -> BTreeMap<u64, Range<usize>> {
    let mut places = match format {
        Format::Jsonl => json_rows(text, lines),
        Format::Csv => csv_rows(text, lines),
    };
    places.retain(|_, place| place.start < place.end);
    places
}

fn json_rows(text: &str, lines: &BTreeSet<u64>) -> BTreeMap<u64, Range<usize>> {
    let mut places = BTreeMap::new();
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if lines.contains(&number) {
            places.insert(number, start..start + line.trim_end_matches(['\r', '\n']).len());
        }
        start += line.len();
    }
    places
}

fn csv_rows(text: &str, lines: &BTreeSet<u64>) -> BTreeMap<u64, Range<usize>> {
    let mut places = BTreeMap::new();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let uncounted = uncounted_lines(text.as_bytes());
    while matches!(reader.read_record(&mut record), Ok(true)) {
        let line = record.position().map_or(0, csv::Position::line) + uncounted;
        if lines.contains(&line) {
            let (start, end) = row_place(text, &record, reader.position());
            places.insert(line, start..end);
        }
    }
    places
}

/// Whether rows of this text can have the field: always in JSON, only if there is a column in CSV.
pub fn has_field(text: &str, format: Format, field: &str) -> bool {
    format == Format::Jsonl || csv_columns(text).iter().any(|column| column == field)
}

/// Returns the text with rows added at its end, in the same style: with the names that the file has for `input` and `expected`,
/// and with its line ends. A CSV file has no other columns than before: fields without a column are left out, see [`has_field`].
///
/// # Errors
/// If a CSV file has no column for the input or for the accepted answers.
pub fn append_rows(text: &str, format: Format, rows: &[NewRow]) -> Result<String, EditError> {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut appended = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') && !rows.is_empty() {
        appended.push_str(line_end);
    }
    let columns = match format {
        Format::Csv => csv_columns(text),
        Format::Jsonl => json_names(text),
    };
    for row in rows {
        let row: Vec<(&str, &Value)> = row.iter().map(|(name, value)| (name_in_file(name, &columns), value)).collect();
        let line = match format {
            Format::Jsonl => json_row(&row, text),
            Format::Csv => new_csv_row(&row, &columns)?,
        };
        appended.push_str(&line);
        appended.push_str(line_end);
    }
    Ok(appended)
}

/// The name that a file has for a field.
fn name_in_file<'a>(name: &'a str, columns: &'a [String]) -> &'a str {
    let aliases = match name {
        "input" => INPUT,
        "expected" => EXPECTED,
        _ => return name,
    };
    let present = |alias: &&&str| columns.iter().any(|column| column == **alias);
    aliases.iter().find(present).copied().unwrap_or(name)
}

/// The names of the members of the first row.
fn json_names(text: &str) -> Vec<String> {
    let first = text.lines().find(|line| !line.trim_start_matches('\u{feff}').trim().is_empty()).unwrap_or_default();
    let members = serde_json::from_str::<Members<'_>>(first.trim_start_matches('\u{feff}').trim());
    members.map(|Members(members)| members.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// A JSON row with spaces where the first row of the file has them.
fn json_row(row: &[(&str, &Value)], text: &str) -> String {
    let spaced = text.is_empty() || text.lines().next().is_some_and(|line| line.contains("\": "));
    let (colon, comma) = if spaced { (": ", ", ") } else { (":", ",") };
    let members: Vec<String> =
        row.iter().map(|(name, value)| format!("{}{colon}{value}", Value::from(*name))).collect();
    format!("{{{}}}", members.join(comma))
}

fn new_csv_row(row: &[(&str, &Value)], columns: &[String]) -> Result<String, EditError> {
    for (wanted, aliases) in [("input", INPUT), ("expected", EXPECTED)] {
        if !columns.iter().any(|column| aliases.contains(&column.as_str())) {
            return Err(EditError::NoColumn(wanted));
        }
    }
    let value = |column: &String| row.iter().find(|(name, _)| name == column).map(|(_, value)| cell_text(value));
    let cells: Vec<String> = columns.iter().map(|column| value(column).unwrap_or_default()).collect();
    csv_row(&cells).map_err(|error| EditError::Unreadable(0, error))
}

fn edit_json_lines(text: &str, edits: &[RowEdit]) -> Result<String, EditError> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for edit in edits {
        let number = usize::try_from(edit.line).ok().and_then(|line| line.checked_sub(1));
        let line = number.and_then(|number| lines.get_mut(number)).ok_or(EditError::NoRow(edit.line))?;
        for (name, value) in &edit.fields {
            *line = with_member(line, name, value).map_err(|error| EditError::Unreadable(edit.line, error))?;
        }
    }
    Ok(lines.concat())
}

/// A member of a JSON object: its name, and where its value is in the text.
struct Member {
    name: String,
    value: Range<usize>,
}

/// The line with a member of its object set to a value.
fn with_member(line: &str, name: &str, value: &Value) -> Result<String, String> {
    let start = line.find('{').ok_or("not a JSON object")?;
    let Members(members) =
        serde_json::from_str(line[start..].trim_end()).map_err(|error| format!("invalid JSON: {error}"))?;
    // A slice of the text tells where it is by its address.
    let place = |raw: &str| {
        let at = raw.as_ptr() as usize - line.as_ptr() as usize;
        at..at + raw.len()
    };
    let members: Vec<Member> =
        members.iter().map(|(name, raw)| Member { name: name.clone(), value: place(raw.get()) }).collect();
    let found = members.iter().rev().find(|member| member.name == name);
    let alias = || members.iter().rev().find(|member| name == "expected" && EXPECTED.contains(&member.name.as_str()));
    if let Some(member) = found.or_else(alias) {
        let Member { value: place, .. } = member;
        return Ok(format!("{}{value}{}", &line[..place.start], &line[place.end..]));
    }
    let end = line.rfind('}').ok_or("not a JSON object")?;
    let after_value = members.last().map_or(end, |member| member.value.end);
    let separator = if members.is_empty() { "" } else { separator(line, &members) };
    let colon = if separator.ends_with(' ') { ": " } else { ":" };
    let key = Value::from(name);
    Ok(format!("{}{separator}{key}{colon}{value}{}", &line[..after_value], &line[after_value..]))
}

/// What stands between two members of the line.
fn separator(line: &str, members: &[Member]) -> &'static str {
    let spaced = match members {
        [first, _, ..] => line[first.value.end..].trim_start().starts_with(", "),
        _ => members.first().is_some_and(|only| line[..only.value.start].ends_with(' ')),
    };
    if spaced { ", " } else { "," }
}

/// The members of an object in the order of the text, with the text of each value.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn csv_columns(text: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    header.iter().map(|cell| cell.trim_start_matches('\u{feff}').trim().to_owned()).collect()
}

fn edit_csv(text: &str, edits: &[RowEdit]) -> Result<String, EditError> {
    let columns = csv_columns(text);
    let column = |name: &'static str| {
        let aliases: &[&str] = if name == "expected" { EXPECTED } else { &[] };
        let at = |wanted: &str| columns.iter().position(|column| column == wanted);
        at(name).or_else(|| aliases.iter().find_map(|alias| at(alias))).ok_or(EditError::NoColumn(name))
    };
    let mut edited = String::with_capacity(text.len());
    let mut copied = 0;
    let mut waiting: Vec<&RowEdit> = edits.iter().collect();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let uncounted = uncounted_lines(text.as_bytes());
    loop {
        let position = reader.position().clone();
        let more = reader
            .read_record(&mut record)
            .map_err(|error| EditError::Unreadable(position.line(), error.to_string()))?;
        if !more {
            break;
        }
        let line = record.position().map_or(0, csv::Position::line) + uncounted;
        let Some(at) = waiting.iter().position(|edit| edit.line == line) else { continue };
        let edit = waiting.remove(at);
        let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
        for (name, value) in &edit.fields {
            let cell = cells.get_mut(column(name)?).ok_or(EditError::NoRow(line))?;
            *cell = cell_text(value);
        }
        let (start, end) = row_place(text, &record, reader.position());
        edited.push_str(&text[copied..start]);
        edited.push_str(&csv_row(&cells).map_err(|error| EditError::Unreadable(line, error))?);
        copied = end;
    }
    if let Some(edit) = waiting.first() {
        return Err(EditError::NoRow(edit.line));
    }
    edited.push_str(&text[copied..]);
    Ok(edited)
}

/// Where a row is in the text, without blank lines before it and the line end after it.
fn row_place(text: &str, record: &csv::StringRecord, next: &csv::Position) -> (usize, usize) {
    let byte = |position: &csv::Position| usize::try_from(position.byte()).unwrap_or(text.len());
    let (from, to) = (record.position().map_or(0, byte), byte(next).min(text.len()));
    let row = &text[from..to];
    let start = from + row.len() - row.trim_start_matches(['\r', '\n']).len();
    (start, from + row.trim_end_matches(['\r', '\n']).len())
}

/// A value as the reader of CSV would read it back.
fn cell_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.len() == 1 => cell_text(&items[0]),
        other => other.to_string(),
    }
}

/// The cells as a row, without a line end.
fn csv_row(cells: &[String]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| error.to_string())?;
    let row = writer.into_inner().map_err(|error| error.to_string())?;
    let mut row = String::from_utf8(row).map_err(|error| error.to_string())?;
    row.truncate(row.trim_end_matches('\n').len());
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tabular::rows;
    use proptest::prelude::*;
    use serde_json::json;

    fn relabel(line: u64, label: &str) -> RowEdit {
        RowEdit { line, fields: vec![("expected", json!(label)), ("labeled_by", json!("ada"))] }
    }

    #[test]
    fn only_the_changed_values_of_a_json_row_differ() {
        let text = "\u{feff}{\"id\": \"a\",  \"label\":\"x\", \"n\": 1.50}\r\n\n{\"input\":\"b\",\"expected\":[\"y\",\"z\"]}\n{ }";
        let edited = edit_rows(text, Format::Jsonl, &[relabel(1, "new"), relabel(3, "q\"")]).unwrap();
        let expected = "\u{feff}{\"id\": \"a\",  \"label\":\"new\", \"n\": 1.50, \"labeled_by\": \"ada\"}\r\n\n{\"input\":\"b\",\"expected\":\"q\\\"\",\"labeled_by\":\"ada\"}\n{ }";
        assert_eq!(edited, expected);
        let empty = edit_rows(text, Format::Jsonl, &[relabel(4, "new")]).unwrap();
        assert!(empty.ends_with("{ \"expected\":\"new\",\"labeled_by\":\"ada\"}"), "{empty}");
    }

    #[test]
    fn only_the_changed_rows_of_a_csv_file_differ() {
        let text = "id,\"input\",label,labeled_by\r\n1,\"a, \"\"b\"\"\nc\",x,\r\n\r\n2, d ,y,bo\r\n3,e,z,\r\n";
        let edited = edit_rows(text, Format::Csv, &[relabel(2, "new"), relabel(6, "p,q")]).unwrap();
        let expected =
            "id,\"input\",label,labeled_by\r\n1,\"a, \"\"b\"\"\nc\",new,ada\r\n\r\n2, d ,y,bo\r\n3,e,\"p,q\",ada\r\n";
        assert_eq!(edited, expected);
        let missing = edit_rows("input,label\na,b\n", Format::Csv, &[relabel(2, "c")]).unwrap_err();
        assert_eq!(missing, EditError::NoColumn("labeled_by"));
        assert!(has_field("\u{feff}id,status\n", Format::Csv, "id") && !has_field("id\n", Format::Csv, "status"));
    }

    #[test]
    fn a_row_is_found_by_the_line_on_which_it_starts() {
        let json = "\u{feff}{\"a\":1}\r\n\n{\"b\":2}";
        let csv = "id,input\r\n1,\"a\nb\"\r\n\r\n2,c";
        let cases = [
            (json, Format::Jsonl, 1, Some("\u{feff}{\"a\":1}")),
            (json, Format::Jsonl, 2, None),
            (json, Format::Jsonl, 3, Some("{\"b\":2}")),
            (json, Format::Jsonl, 4, None),
            (json, Format::Jsonl, 0, None),
            (csv, Format::Csv, 1, None),
            (csv, Format::Csv, 2, Some("1,\"a\nb\"")),
            (csv, Format::Csv, 3, None),
            // The reader counts blank lines before a row as part of it.
            (csv, Format::Csv, 4, Some("2,c")),
            (csv, Format::Csv, 5, None),
            ("", Format::Jsonl, 1, None),
            ("", Format::Csv, 2, None),
        ];
        for (text, format, line, row) in cases {
            assert_eq!(row_at(text, format, line).ok().map(|place| &text[place]), row, "{format:?} line {line}");
        }
    }

    #[test]
    fn new_rows_take_the_names_and_the_style_of_the_file() {
        let row = [
            ("id", json!("n")),
            ("input", json!("hi, \"you\"")),
            ("expected", json!(["a", "b"])),
            ("labeled_by", json!("ada")),
        ];
        let rows = [row.map(|(name, value)| (name.to_owned(), value)).to_vec()];
        let cases = [
            (
                "{\"text\": \"a\", \"label\": \"x\"}",
                "{\"text\": \"a\", \"label\": \"x\"}\n{\"id\": \"n\", \"text\": \"hi, \\\"you\\\"\", \"label\": [\"a\",\"b\"], \"labeled_by\": \"ada\"}\n",
            ),
            (
                "\u{feff}{\"input\":\"a\"}\r\n",
                "\u{feff}{\"input\":\"a\"}\r\n{\"id\":\"n\",\"input\":\"hi, \\\"you\\\"\",\"expected\":[\"a\",\"b\"],\"labeled_by\":\"ada\"}\r\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(append_rows(text, Format::Jsonl, &rows).unwrap(), expected);
        }
        let csv = append_rows("label,question,note\r\nx,a,\r\n", Format::Csv, &rows).unwrap();
        assert_eq!(csv, "label,question,note\r\nx,a,\r\n\"[\"\"a\"\",\"\"b\"\"]\",\"hi, \"\"you\"\"\",\r\n");
        assert_eq!(append_rows("input\na\n", Format::Csv, &rows), Err(EditError::NoColumn("expected")));
        assert_eq!(append_rows("anything", Format::Jsonl, &[]).unwrap(), "anything");
    }

    #[test]
    fn a_row_that_is_not_there_is_an_error() {
        for line in [0, 2, 9] {
            let edit = [relabel(line, "x")];
            assert!(edit_rows("{\"input\":\"a\"}\n", Format::Jsonl, &edit).is_err(), "{line}");
            assert!(edit_rows("input,label,labeled_by\na,b,c\n", Format::Csv, &[relabel(7, "x")]).is_err());
        }
    }

    proptest! {
        #[test]
        fn an_edited_row_reads_back_with_the_new_value_and_its_other_fields(
            note in "\\PC{0,12}", label in "\\PC{1,12}", csv in any::<bool>(),
        ) {
            prop_assume!(!label.trim().is_empty() && !label.starts_with(['[', '{']));
            let (format, text) = match csv {
                false => (Format::Jsonl, format!("{}\n{}\n", json!({"input": "a", "note": note, "label": "x"}), json!({"input": "b"}))),
                true => (Format::Csv, format!("input,note,label\n{}\nb,,\n", csv_row(&["a".into(), note.clone(), "x".into()]).unwrap())),
            };
            let line = rows(text.as_bytes(), format).next().unwrap().unwrap().line;
            let edit = RowEdit { line, fields: vec![("expected", json!(label))] };
            let edited = edit_rows(&text, format, &[edit]).unwrap();
            let read = |text: &str| -> Vec<_> { rows(text.as_bytes(), format).map(|row| row.unwrap().fields.unwrap()).collect() };
            let (before, after) = (read(&text), read(&edited));
            prop_assert_eq!(after[0]["label"].as_str(), Some(label.as_str()));
            prop_assert_eq!(before[0].get("note"), after[0].get("note"));
            prop_assert_eq!(&before[1..], &after[1..]);
            let place = row_at(&edited, format, line).unwrap();
            let row = &text[row_at(&text, format, line).unwrap()];
            prop_assert_eq!([&edited[..place.start], row, &edited[place.end..]].concat(), text);
        }
    }
}
