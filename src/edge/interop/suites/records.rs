//! Rows of files of other tools, one at a time: JSON Lines, CSV, Parquet, and JSON documents of any size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::core::domain::Failure;
use crate::core::tabular::{self, Format, Row};
use crate::edge::input::{self, Content, Input};

/// Rows as they are read.
pub(super) type Rows = Box<dyn Iterator<Item = io::Result<Row>>>;

/// Maximum length of one value of a JSON document, in bytes. A longer one is a bad row.
const MAX_VALUE: usize = 64 << 20;

/// Rows of a file, which may be compressed with gzip or zstd, by its extension or content. A JSON file may be a list of
/// objects, an object that contains the list under one of `lists`, one object, or an object per line.
///
/// # Errors
/// A data failure if the file cannot be opened.
pub(super) fn rows(path: &Path, lists: &[&str]) -> Result<Rows, Failure> {
    match content(path)? {
        Content::Csv(reader) => Ok(tabular::rows(reader, Format::Csv)),
        Content::Parquet(file) => parquet(path, file),
        Content::Lines(reader) if matches!(extension(path).as_str(), "jsonl" | "ndjson") => {
            Ok(tabular::rows(reader, Format::Jsonl))
        }
        Content::Lines(_) | Content::Document(_) => json_rows(path, lists),
    }
}

fn content(path: &Path) -> Result<Content, Failure> {
    Ok(input::open(&Input::File(path.to_owned()), &Arc::default())?.content)
}

/// The text of a file, which may be compressed.
///
/// # Errors
/// A data failure if it cannot be opened, or is Parquet.
pub(super) fn text(path: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    match content(path)? {
        Content::Lines(reader) | Content::Document(reader) | Content::Csv(reader) => Ok(reader),
        Content::Parquet(_) => Err(Failure::data(format!("{} is Parquet, not text", path.display()))),
    }
}

fn parquet(path: &Path, file: File) -> Result<Rows, Failure> {
    let rows = crate::edge::parquet::rows(file)
        .map_err(|problem| Failure::data(format!("cannot read {}: {problem}", path.display())))?;
    Ok(Box::new(rows))
}

/// The extension of a path in lower case, without that of a compression; empty if there is none.
pub(super) fn extension(path: &Path) -> String {
    let last = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match last(path).as_deref() {
        Some("gz" | "zst" | "zstd") => path.file_stem().and_then(|stem| last(Path::new(stem))).unwrap_or_default(),
        other => other.unwrap_or_default().to_owned(),
    }
}

/// A buffered reader of a file.
///
/// # Errors
/// A data failure that names the file.
pub(super) fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path).map(BufReader::new).map_err(|error| unreadable(path, error))
}

/// The failure for a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::data(format!("cannot read {}", path.display())).caused_by(error)
}

fn json_rows(path: &Path, lists: &[&str]) -> Result<Rows, Failure> {
    // What kind of document it is shows only further on, so it may have to be read again from its beginning.
    let failed = |error: io::Error| unreadable(path, error);
    if let Some(elements) = Elements::find(text(path)?, lists, None).map_err(failed)? {
        return Ok(Box::new(elements));
    }
    let mut scanner = Scanner::new(text(path)?);
    scanner.space().map_err(failed)?;
    let first = scanner.value(true).map_err(failed)?;
    if scanner.space().map_err(failed)?.is_some() {
        return Ok(tabular::rows(text(path)?, Format::Jsonl));
    }
    let row = (!first.text.is_empty()).then(|| Ok(first.row()));
    Ok(Box::new(row.into_iter()))
}

/// The value that a JSON document is.
///
/// # Errors
/// If it cannot be read, is longer than 64 MiB, or is not JSON.
pub(super) fn value(reader: impl Read) -> io::Result<Value> {
    let mut scanner = Scanner::new(reader);
    scanner.space()?;
    scanner.value(true)?.parse().map_err(invalid)
}

/// The values of `wanted` keys of the object that a JSON document is; all others are skipped without being stored.
///
/// # Errors
/// If it cannot be read or is not one object.
pub(super) fn header(reader: impl Read, wanted: &[&str]) -> io::Result<Map<String, Value>> {
    let mut scanner = Scanner::new(reader);
    match scanner.space()? {
        Some(b'{') => scanner.object(wanted)?.map_err(invalid),
        _ => Err(invalid("not a JSON object")),
    }
}

/// The values of `wanted` keys of an object, as far as the document goes: it may be cut off, and a value that is not
/// whole is left out.
///
/// # Errors
/// If it cannot be read or does not begin with an object.
pub(super) fn beginning(reader: impl Read, wanted: &[&str]) -> io::Result<Map<String, Value>> {
    let mut scanner = Scanner::new(reader);
    if scanner.space()? != Some(b'{') {
        return Err(invalid("not a JSON object"));
    }
    scanner.bump();
    let mut fields = Map::new();
    while let Ok(true) = scanner.has_entry() {
        let Ok(key) = scanner.key() else { break };
        let is_wanted = wanted.contains(&key.as_str());
        let Ok(part) = scanner.value(is_wanted) else { break };
        if let Some(value) = part.parse().ok().filter(|_| is_wanted) {
            fields.insert(key, value);
        }
    }
    Ok(fields)
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// The objects of a list in a JSON document, each read on its own.
pub(super) struct Elements<R> {
    scanner: Scanner<R>,
    /// The keys of each object to read; `None` for all.
    wanted: Option<&'static [&'static str]>,
    /// Whether the list is in an object.
    inside: bool,
    ended: bool,
}

impl<R: Read> Elements<R> {
    /// Goes to the list that the document is, or that is under one of `lists` in the object that it is. `None` if there
    /// is no such list.
    ///
    /// # Errors
    /// I/O errors of the reader.
    pub(super) fn find(reader: R, lists: &[&str], wanted: Option<&'static [&'static str]>) -> io::Result<Option<Self>> {
        let mut scanner = Scanner::new(reader);
        let (found, inside) = match scanner.space()? {
            Some(b'[') => (true, false),
            Some(b'{') => (scanner.enter(lists)?, true),
            _ => (false, false),
        };
        if found {
            scanner.bump();
        }
        Ok(found.then_some(Self { scanner, wanted, inside, ended: false }))
    }

    fn element(&mut self, first: u8) -> io::Result<Row> {
        let line = self.scanner.line;
        match self.wanted.filter(|_| first == b'{') {
            Some(wanted) => Ok(Row { line, fields: self.scanner.object(wanted)? }),
            None => Ok(self.scanner.value(true)?.row()),
        }
    }

    fn step(&mut self) -> io::Result<Option<Row>> {
        let row = match self.scanner.space()? {
            Some(b']') => return self.end(),
            Some(first) => self.element(first)?,
            None => return Err(invalid("the file ends within a list")),
        };
        match self.scanner.space()? {
            Some(b',') => self.scanner.bump(),
            Some(b']') => {}
            Some(_) => return Err(invalid("two values of a list have no comma between them")),
            None => return Err(invalid("the file ends within a list")),
        }
        Ok(Some(row))
    }

    /// Looks for something behind the list that would else be lost.
    fn end(&mut self) -> io::Result<Option<Row>> {
        self.ended = true;
        self.scanner.bump();
        if self.inside {
            self.scanner.rest_of_object()?;
        }
        let row = |line| Row { line, fields: Err("there is more behind the first JSON document".to_owned()) };
        Ok(self.scanner.space()?.map(|_| row(self.scanner.line)))
    }
}

impl<R: Read> Iterator for Elements<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step().transpose();
        self.ended |= !matches!(step, Some(Ok(_)));
        step
    }
}

/// A value as written, not parsed yet.
struct Part {
    line: u64,
    text: Vec<u8>,
    cut: bool,
}

impl Part {
    fn parse(&self) -> Result<Value, String> {
        if self.cut {
            return Err("the value is longer than 64 MiB".to_owned());
        }
        serde_json::from_slice(&self.text).map_err(|error| {
            let text = error.to_string();
            format!("invalid JSON: {}", text.split(" at line ").next().unwrap_or(&text))
        })
    }

    fn row(&self) -> Row {
        let fields = match self.parse() {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err("not a JSON object".to_owned()),
            Err(reason) => Err(reason),
        };
        Row { line: self.line, fields }
    }
}

/// Finds the values of a JSON document by brackets and quotes, without storing the document. Python's `NaN` and
/// `Infinity` are read as null.
struct Scanner<R> {
    reader: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    line: u64,
}

impl<R: Read> Scanner<R> {
    fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; 64 << 10].into_boxed_slice(), at: 0, end: 0, line: 1 }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.at == self.end {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => (self.at, self.end) = (0, read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.get(self.at).copied())
    }

    fn bump(&mut self) {
        self.line += u64::from(self.buffer.get(self.at) == Some(&b'\n'));
        self.at = (self.at + 1).min(self.end);
    }

    /// Skips white space, and a byte order mark.
    fn space(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => self.bump(),
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }

    /// Reads one value and keeps its text if it is to be parsed.
    fn value(&mut self, keep: bool) -> io::Result<Part> {
        let mut part = Part { line: self.line, text: Vec::new(), cut: false };
        let (mut depth, mut quoted, mut escaped) = (0_u64, false, false);
        while let Some(byte) = self.peek()? {
            if quoted {
                self.take(byte, keep, &mut part);
                (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
                if !quoted && depth == 0 {
                    break;
                }
                continue;
            }
            match byte {
                b'N' | b'I' => {
                    self.constant(keep, &mut part)?;
                    continue;
                }
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
                b'"' => quoted = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.take(byte, keep, &mut part);
            if depth == 0 && matches!(byte, b'}' | b']') {
                break;
            }
        }
        Ok(part)
    }

    fn take(&mut self, byte: u8, keep: bool, part: &mut Part) {
        self.bump();
        if keep {
            part.cut |= part.text.len() >= MAX_VALUE;
            if !part.cut {
                part.text.push(byte);
            }
        }
    }

    /// Reads a word outside of quotes that begins like `NaN` or `Infinity`.
    fn constant(&mut self, keep: bool, part: &mut Part) -> io::Result<()> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek()?.filter(u8::is_ascii_alphabetic) {
            self.bump();
            if word.len() < 16 {
                word.push(byte);
            }
        }
        if !keep || part.cut {
            return Ok(());
        }
        if matches!(word.as_slice(), b"NaN" | b"Infinity") {
            if part.text.last() == Some(&b'-') {
                part.text.pop();
            }
            word = b"null".to_vec();
        }
        part.text.extend(word);
        Ok(())
    }

    /// Reads the key at this place and the colon behind it.
    fn key(&mut self) -> io::Result<String> {
        let key = self.value(true)?;
        let Ok(Value::String(key)) = key.parse() else { return Err(invalid("a key of an object is not text")) };
        if self.space()? != Some(b':') {
            return Err(invalid("a key of an object has no value"));
        }
        self.bump();
        self.space()?;
        Ok(key)
    }

    /// Reads the object at this place. The inner error is a value of a wanted key that cannot be read.
    fn object(&mut self, wanted: &[&str]) -> io::Result<Result<Map<String, Value>, String>> {
        self.bump();
        let mut fields = Ok(Map::new());
        while self.has_entry()? {
            let key = self.key()?;
            let part = self.value(wanted.contains(&key.as_str()))?;
            if !wanted.contains(&key.as_str()) {
                continue;
            }
            fields = fields.and_then(|mut fields| {
                let value = part.parse().map_err(|reason| format!("{key}: {reason}"))?;
                fields.insert(key, value);
                Ok(fields)
            });
        }
        Ok(fields)
    }

    /// Whether the object has another entry; its end is consumed.
    fn has_entry(&mut self) -> io::Result<bool> {
        loop {
            match self.space()? {
                Some(b',') => self.bump(),
                Some(b'}') => {
                    self.bump();
                    return Ok(false);
                }
                Some(_) => return Ok(true),
                None => return Err(invalid("the file ends within an object")),
            }
        }
    }

    /// Skips the entries up to the end of the object.
    fn rest_of_object(&mut self) -> io::Result<()> {
        while self.has_entry()? {
            self.key()?;
            self.value(false)?;
        }
        Ok(())
    }

    /// Goes to the list under one of `lists` in the object at this place.
    fn enter(&mut self, lists: &[&str]) -> io::Result<bool> {
        self.bump();
        loop {
            match self.space()? {
                Some(b'"') => {}
                Some(b',') => {
                    self.bump();
                    continue;
                }
                _ => return Ok(false),
            }
            let Ok(key) = self.key() else { return Ok(false) };
            if lists.contains(&key.as_str()) && self.peek()? == Some(b'[') {
                return Ok(true);
            }
            self.value(false)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Lines and values of the rows of a file; the last one is the error that ended them.
    fn read(name: &str, text: &str) -> Vec<(u64, Value)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let value = |row: io::Result<Row>| match row {
            Ok(row) => (row.line, row.fields.map_or_else(Value::String, Value::Object)),
            Err(error) => (0, Value::String(error.to_string())),
        };
        rows(&path, &["samples", "data"]).unwrap().map(value).collect()
    }

    #[test]
    fn the_form_of_a_json_file_is_found_out() {
        let two = vec![(1, json!({"a": 1})), (2, json!({"a": 2}))];
        for text in
            ["[{\"a\": 1},\n{\"a\": 2}]", "{\"n\": {\"data\": 1}, \"data\": [{\"a\": 1},\n{\"a\": 2}], \"m\": 2}"]
        {
            assert_eq!(read("a.json", text), two, "{text}");
        }
        assert_eq!(read("a.json", "{\"a\": 1}\n{\"a\": 2}\n"), two);
        assert_eq!(read("a.jsonl", "{\"a\": 1}\n{\"a\": 2}\n"), two);
        assert_eq!(read("a.json", "{\n\"a\": 1}"), [(1, json!({"a": 1}))]);
        assert_eq!(read("a.jsonl", "{\"data\": [{\"a\": 1}]}"), [(1, json!({"data": [{"a": 1}]}))]);
        assert_eq!(read("a.csv", "a,b\n1,\n"), [(2, json!({"a": "1"}))]);
        assert_eq!(read("a.json", ""), []);
    }

    #[test]
    fn numbers_that_only_python_writes_are_null() {
        let text = r#"[{"a": NaN, "b": -Infinity, "c": "NaN", "d": [Infinity, "I"]}, {"a": Nothing}]"#;
        let rows = read("a.json", text);
        assert_eq!(rows[0], (1, json!({"a": null, "b": null, "c": "NaN", "d": [null, "I"]})));
        assert!(rows[1].1.as_str().unwrap().starts_with("invalid JSON"), "{:?}", rows[1]);
    }

    #[test]
    fn what_is_behind_or_missing_is_reported() {
        let last = |text: &str| read("a.json", text).pop().unwrap().1;
        assert_eq!(last("[{\"a\": 1}] 7"), json!("there is more behind the first JSON document"));
        assert_eq!(last("[{\"a\": 1} {\"a\": 2}]"), json!("two values of a list have no comma between them"));
        assert_eq!(last("[{\"a\": 1},"), json!("the file ends within a list"));
        assert_eq!(last("{\"data\": [{\"a\": 1}], "), json!("the file ends within an object"));
        assert_eq!(last("[7]"), json!("not a JSON object"));
        assert_eq!(last("[,]"), json!("invalid JSON: EOF while parsing a value"));
    }

    #[test]
    fn only_wanted_fields_are_kept() {
        let text = r#"{"skip": {"deep": [1, "]}"]}, "keep": [1], "more": "\"}"}"#;
        assert_eq!(
            header(text.as_bytes(), &["keep", "none"]).unwrap(),
            json!({"keep": [1]}).as_object().cloned().unwrap()
        );
        assert!(header("[]".as_bytes(), &["keep"]).is_err());
        assert!(header("{\"keep\": [1}".as_bytes(), &["keep"]).is_err());
        let cut = r#"{"keep": [1], "skip": {}, "more": 2, "last": [3, "#;
        let begun = beginning(cut.as_bytes(), &["keep", "more", "last"]).unwrap();
        assert_eq!(Value::Object(begun), json!({"keep": [1], "more": 2}));
        assert!(beginning("[{".as_bytes(), &["keep"]).is_err());
        let elements = Elements::find("[{\"a\": 1, \"b\": 2}]".as_bytes(), &[], Some(&["b"])).unwrap().unwrap();
        let rows: Vec<_> = elements.map(|row| row.unwrap().fields).collect();
        assert_eq!(rows, [Ok(json!({"b": 2}).as_object().cloned().unwrap())]);
    }
}
