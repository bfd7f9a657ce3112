//! Rows within JSON documents, one at a time: objects in a list, in nested lists, or one after the other. A document is never
//! in memory as a whole.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::domain::Failure;

/// Maximum size of a row within a document, in bytes.
const MAX_ROW: u64 = 64 << 20;

/// Lists in which rows are, each as keys from the outermost list to the innermost.
pub type Lists<'a> = &'a [&'a [&'a str]];

/// Receives a row: the line on which it starts, its fields or what is wrong with it, and the objects in which its lists are,
/// without the lists, outermost first.
pub type EachRow<'a> =
    dyn FnMut(u64, Result<Map<String, Value>, String>, &[Map<String, Value>]) -> Result<(), Failure> + 'a;

/// Why reading stopped before the end.
#[derive(Debug)]
pub enum Stopped {
    /// The document is not valid JSON from this line and column on.
    Invalid {
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1.
        column: u64,
        /// What is wrong there.
        message: String,
    },
    /// The file cannot be read.
    Io(io::Error),
    /// The receiver of the rows failed.
    Failed(Failure),
}

/// Reads the rows of a document: the items of `lists`, or else those of a list at the top, or else the document itself.
/// Several documents may follow one another.
///
/// # Errors
/// Why reading stopped; the rows before have been handed over.
pub fn json_rows(reader: impl BufRead, lists: Lists<'_>, each: &mut EachRow<'_>) -> Result<(), Stopped> {
    let place = Rc::new(Place::default());
    let mut walk = Walk { around: Vec::new(), place: Rc::clone(&place), each, failed: None };
    let mut documents = serde_json::Deserializer::from_reader(Counted { reader, place });
    // The end is looked for without consuming anything.
    while documents.end().is_err() {
        let result = Here { walk: &mut walk, lists: lists.to_vec() }.deserialize(&mut documents);
        finish(result, walk.failed.take())?;
    }
    Ok(())
}

/// Reads the rows of a document in memory that is on one line of a file.
///
/// # Errors
/// As [`json_rows`]; the line is that of the file.
pub fn json_rows_of_line(text: &[u8], line: u64, lists: Lists<'_>, each: &mut EachRow<'_>) -> Result<(), Stopped> {
    let place = Rc::new(Place { line: Cell::new(line), ..Place::default() });
    let mut walk = Walk { around: Vec::new(), place, each, failed: None };
    let mut document = serde_json::Deserializer::from_slice(text);
    let result =
        Here { walk: &mut walk, lists: lists.to_vec() }.deserialize(&mut document).and_then(|()| document.end());
    finish(result, walk.failed.take()).map_err(|stopped| match stopped {
        Stopped::Invalid { column, message, .. } => Stopped::Invalid { line, column, message },
        other => other,
    })
}

fn finish(result: Result<(), serde_json::Error>, failed: Option<Failure>) -> Result<(), Stopped> {
    match (failed, result) {
        (Some(failure), _) => Err(Stopped::Failed(failure)),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(Stopped::Io(error.into())),
        (None, Err(error)) => {
            let (line, column) = (error.line() as u64, error.column() as u64);
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            Err(Stopped::Invalid { line, column, message })
        }
    }
}

/// How far a document has been read.
struct Place {
    line: Cell<u64>,
    /// Bytes since the last row.
    since_row: Cell<u64>,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: Cell::new(1), since_row: Cell::new(0) }
    }
}

/// Counts the lines that the parser consumes; it reads byte by byte.
struct Counted<R> {
    reader: R,
    place: Rc<Place>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.reader.fill_buf()?;
        let count = available.len().min(buffer.len());
        let (Some(from), Some(to)) = (available.get(..count), buffer.get_mut(..count)) else { return Ok(0) };
        to.copy_from_slice(from);
        let lines = from.iter().filter(|byte| **byte == b'\n').count();
        self.reader.consume(count);
        self.place.line.set(self.place.line.get() + lines as u64);
        self.place.since_row.set(self.place.since_row.get() + count as u64);
        if self.place.since_row.get() > MAX_ROW {
            return Err(io::Error::other("a row is larger than 64 MiB"));
        }
        Ok(count)
    }
}

struct Walk<'e, 'f> {
    around: Vec<Map<String, Value>>,
    place: Rc<Place>,
    each: &'e mut EachRow<'f>,
    failed: Option<Failure>,
}

impl Walk<'_, '_> {
    fn row<E: serde::de::Error>(&mut self, line: u64, value: Value) -> Result<(), E> {
        let fields = match value {
            Value::Object(fields) => Ok(fields),
            _ => Err("not a JSON object".to_owned()),
        };
        self.place.since_row.set(0);
        (self.each)(line, fields, &self.around).map_err(|failure| {
            self.failed = Some(failure);
            E::custom("stopped")
        })
    }
}

/// A document, an item of a list at its top, or an object that contains one of the lists.
struct Here<'w, 'e, 'f, 'l> {
    walk: &'w mut Walk<'e, 'f>,
    lists: Vec<&'l [&'l str]>,
}

impl<'de> DeserializeSeed<'de> for Here<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Visits scalars as [`Value`]s.
macro_rules! scalars {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method<E: serde::de::Error>(self, value: $type) -> Result<Self::Value, E> {
            self.scalar(Value::from(value))
        })*

        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            self.scalar(Value::Null)
        }
    };
}

impl Here<'_, '_, '_, '_> {
    fn scalar<E: serde::de::Error>(self, value: Value) -> Result<(), E> {
        // Within a container, only objects can contain further lists.
        if !self.walk.around.is_empty() {
            return Ok(());
        }
        let line = self.walk.place.line.get();
        self.walk.row(line, value)
    }
}

impl<'de> Visitor<'de> for Here<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Here { walk: &mut *self.walk, lists: self.lists.clone() })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let line = self.walk.place.line.get();
        let (mut own, mut has_list) = (Map::new(), false);
        while let Some(key) = entries.next_key::<String>()? {
            let deeper: Vec<&[&str]> = self
                .lists
                .iter()
                .filter_map(|list| list.split_first().filter(|(first, _)| **first == key).map(|(_, rest)| rest))
                .collect();
            if deeper.is_empty() {
                own.insert(key, entries.next_value()?);
                continue;
            }
            self.walk.around.push(std::mem::take(&mut own));
            let other = entries.next_value_seed(List { walk: &mut *self.walk, lists: deeper });
            own = self.walk.around.pop().unwrap_or_default();
            match other? {
                Some(value) => drop(own.insert(key, value)),
                None => has_list = true,
            }
        }
        if has_list || !self.walk.around.is_empty() { Ok(()) } else { self.walk.row(line, Value::Object(own)) }
    }

    scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
}

/// A value where a list of rows, or of objects that contain them, is expected; any other value is returned.
struct List<'w, 'e, 'f, 'l> {
    walk: &'w mut Walk<'e, 'f>,
    lists: Vec<&'l [&'l str]>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_, '_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl List<'_, '_, '_, '_> {
    fn scalar<E: serde::de::Error>(self, value: Value) -> Result<Option<Value>, E> {
        Ok(Some(value))
    }
}

impl<'de> Visitor<'de> for List<'_, '_, '_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        if self.lists.iter().any(|list| list.is_empty()) {
            while items.next_element_seed(Item(&mut *self.walk))?.is_some() {}
        } else {
            while items.next_element_seed(Here { walk: &mut *self.walk, lists: self.lists.clone() })?.is_some() {}
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Option<Value>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(entries)).map(Some)
    }

    scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
}

/// A row in a list.
struct Item<'w, 'e, 'f>(&'w mut Walk<'e, 'f>);

impl<'de> DeserializeSeed<'de> for Item<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let line = self.0.place.line.get();
        let value = Value::deserialize(deserializer)?;
        self.0.row(line, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Seen = Vec<(u64, Value, Vec<Value>)>;

    fn read(text: &str, lists: Lists<'_>) -> (Seen, Option<String>) {
        let mut seen = Vec::new();
        let stopped = json_rows(text.as_bytes(), lists, &mut |line, row, around| {
            let around = around.iter().cloned().map(Value::Object).collect();
            seen.push((line, row.map_or_else(Value::String, Value::Object), around));
            Ok(())
        });
        (seen, stopped.err().map(|stopped| format!("{stopped:?}")))
    }

    const OTLP: &[&[&str]] = &[&["resourceSpans", "scopeSpans", "spans"], &["resourceLogs", "scopeLogs", "logRecords"]];

    #[test]
    fn rows_are_found_in_nested_lists_with_what_is_around_them() {
        let text = "{\"resourceSpans\": [\n {\"resource\": {\"a\": 1}, \"scopeSpans\": [{\"scope\": 2, \"spans\": [{\"n\": 1},\n {\"n\": 2}]}, {\"spans\": []}]}],\n \
                    \"resourceLogs\": [{\"scopeLogs\": [{\"logRecords\": [{\"n\": 3}, 4]}]}]}";
        let (seen, stopped) = read(text, OTLP);
        let resource = vec![json!({}), json!({"resource": {"a": 1}}), json!({"scope": 2})];
        assert_eq!(seen[0], (2, json!({"n": 1}), resource.clone()));
        assert_eq!(seen[1], (3, json!({"n": 2}), resource));
        assert_eq!((seen[2].0, &seen[2].1), (4, &json!({"n": 3})));
        assert_eq!(seen[3].1, json!("not a JSON object"));
        assert_eq!((seen.len(), stopped), (4, None));
    }

    #[test]
    fn a_document_without_these_lists_is_a_row_and_a_list_at_the_top_has_rows() {
        assert_eq!(read("{\"a\": 1}\n{\"a\": 2}", &[]).0.len(), 2, "documents may follow one another");
        assert_eq!(read("[{\"a\": 1}, {\"a\": 2},\n{\"a\": 3}]", &[]).0[2], (2, json!({"a": 3}), vec![]));
        assert_eq!(read("{\"data\": {\"x\": 1}}", &[&["data"]]).0[0].1, json!({"data": {"x": 1}}));
        assert_eq!(read("[{\"data\": [{\"x\": 1}]}, {\"y\": 1}]", &[&["data"]]).0.len(), 2);
        assert_eq!(read("", &[]), (vec![], None));
        assert_eq!(read("7", &[]).0[0].1, json!("not a JSON object"));
    }

    #[test]
    fn rows_before_a_mistake_are_handed_over_and_the_mistake_has_its_line() {
        let (seen, stopped) = read("[{\"a\": 1},\n{\"a\": }]", &[]);
        assert_eq!(seen.len(), 1);
        assert!(stopped.unwrap().contains("line: 2"));
        let deep = "[".repeat(100_000);
        assert!(read(&deep, &[]).1.unwrap().contains("recursion"));
    }

    #[test]
    fn a_line_is_read_like_a_document_and_keeps_its_number() {
        let mut lines = Vec::new();
        let line = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"n":1},{"n":2}]}]}]}"#;
        json_rows_of_line(line, 7, OTLP, &mut |line, row, _| {
            lines.push((line, row.is_ok()));
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, [(7, true), (7, true)]);
        let stopped = json_rows_of_line(b"{\"a\": 1} x", 7, &[], &mut |_, _, _| Ok(())).unwrap_err();
        assert!(matches!(stopped, Stopped::Invalid { line: 7, .. }), "{stopped:?}");
    }
}
