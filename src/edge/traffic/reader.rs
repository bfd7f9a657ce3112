//! Reads the rows of a file in a format, and redacts them.

use std::io::{self, BufRead};

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::format::{EXCLUDED, Found, Part, Request, Span, TrafficFormat};
use super::plain_text;
use super::staging::StagedRecord;
use crate::core::domain::{Failure, canonical_json, input_text, short};
use crate::core::json_rows::{Stopped, json_rows, json_rows_of_line};
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::{RedactionCounts, Redactor};
use crate::core::tabular::{Format, Row, lines, rows};
use crate::edge::input::{Content, Input, Opened};
use crate::edge::parquet;

/// Rows, or lines, that are processed together.
const BATCH: usize = 512;

/// Bytes of rows that are processed together.
const BATCH_BYTES: usize = 8 << 20;

/// Digits of a pseudonym that tell the turns of a session apart.
const TURN_DIGITS: usize = 12;

/// Requests that are left out because of what a field of their row contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The path of the field.
    pub path: String,
    /// The value with which a row is left out.
    pub value: String,
}

/// How rows are read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Time of requests without a time.
    pub at: Option<Timestamp>,
    /// Sample rate of requests without one.
    pub sample_rate: Option<f64>,
    /// Rows that are left out.
    pub exclude: Vec<Exclusion>,
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRow {
    /// Its line, counted from 1; in Parquet, its number.
    pub line: u64,
    /// What it contains.
    pub content: RowContent,
    /// What was redacted in it.
    pub redactions: RedactionCounts,
}

/// What a row contains, redacted.
#[derive(Debug, Clone, PartialEq)]
pub enum RowContent {
    /// A request.
    Record {
        /// The request; without an id if it has none of its own.
        record: Box<StagedRecord>,
        /// What identifies it if it has no id, as a pseudonym.
        identity: Option<String>,
        /// Where it is in a trace.
        position: Option<Box<Position>>,
    },
    /// A message that was recorded apart from its span.
    Part {
        /// Id of the trace.
        trace: String,
        /// Id of the span.
        span: String,
        /// When, in microseconds since 1970.
        at: Option<i64>,
        /// The message as JSON.
        message: String,
        /// Whether it is the answer.
        is_output: bool,
    },
    /// Not a request.
    Other {
        /// Why.
        reason: &'static str,
        /// Where it is in a trace.
        position: Option<Box<Position>>,
    },
    /// The reason why it cannot be read, without its text.
    Bad(String),
}

/// The place of a request in a trace, with ids that contain no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Id of the trace.
    pub trace: String,
    /// Id of the span.
    pub span: String,
    /// Id of the span it is within.
    pub parent: Option<String>,
    /// When it ended, in microseconds since 1970.
    pub end: Option<i64>,
}

/// Reads files of one format.
pub struct TrafficReader<'r> {
    format: &'r dyn TrafficFormat,
    options: &'r ReadOptions,
    redactor: &'r Redactor,
    key: UserKey,
}

/// A row before it is redacted.
enum Raw {
    /// A line with JSON that is not parsed yet.
    Line(u64, Result<Vec<u8>, String>),
    /// A row that was read, and its size in bytes.
    Read(Box<RawRow>, usize),
}

/// A row that was read but not redacted yet.
struct RawRow {
    line: u64,
    /// What identifies it if it has no id.
    identity: Option<String>,
    /// Where it is in a trace, if it is no request.
    place: Option<Span>,
    found: Result<Found, String>,
}

impl<'r> TrafficReader<'r> {
    /// Creates a reader with the key that hides the identity of users.
    pub fn new(format: &'r dyn TrafficFormat, options: &'r ReadOptions, redactor: &'r Redactor, key: UserKey) -> Self {
        Self { format, options, redactor, key }
    }

    /// Reads an opened input and hands over its rows in order, some hundreds at a time.
    ///
    /// # Errors
    /// A data failure if the input cannot be read, or the first failure of `each`.
    pub fn read(
        &self,
        input: &Input,
        opened: Opened,
        each: &mut dyn FnMut(Vec<ReadRow>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let cannot_read = |error: io::Error| Failure::data(format!("cannot read {input}")).caused_by(error);
        let mut batch = Batch { reader: self, raw: Vec::new(), bytes: 0, each };
        match opened.content {
            Content::Lines(reader) => {
                for line in lines(reader) {
                    let (number, line) = line.map_err(cannot_read)?;
                    batch.add(Raw::Line(number, line))?;
                }
            }
            Content::Csv(reader) => self.read_rows(rows(reader, Format::Csv), &mut batch, cannot_read)?,
            Content::Parquet(file) => {
                let rows = parquet::rows(file)
                    .map_err(|reason| Failure::data(format!("cannot read {input} as Parquet: {reason}")))?;
                self.read_rows(rows, &mut batch, cannot_read)?;
            }
            Content::Document(reader) => self.read_document(input, reader, &mut batch)?,
        }
        batch.flush()
    }

    fn read_rows(
        &self,
        rows: impl Iterator<Item = io::Result<Row>>,
        batch: &mut Batch<'_, '_>,
        cannot_read: impl Fn(io::Error) -> Failure,
    ) -> Result<(), Failure> {
        for row in rows {
            let Row { line, fields } = row.map_err(&cannot_read)?;
            let size = fields.as_ref().map_or(0, size_of_fields);
            batch.add(Raw::Read(Box::new(self.found(line, fields, &[])), size))?;
        }
        Ok(())
    }

    fn read_document(&self, input: &Input, reader: impl BufRead, batch: &mut Batch<'_, '_>) -> Result<(), Failure> {
        let each = &mut |line: u64, fields: Result<_, String>, around: &[Map<String, Value>]| {
            let size = fields.as_ref().map_or(0, size_of_fields);
            batch.add(Raw::Read(Box::new(self.found(line, fields, around)), size))
        };
        json_rows(skip_mark(reader), self.format.lists(), each).map_err(|stopped| match stopped {
            Stopped::Failed(failure) => failure,
            Stopped::Io(error) => Failure::data(format!("cannot read {input}")).caused_by(error),
            Stopped::Invalid { line, column, message } => {
                Failure::data(format!("{input}:{line}:{column}: invalid JSON: {message}"))
                    .hint("nothing was imported; is the file complete?")
            }
        })
    }

    /// Reads a row in the format.
    fn found(&self, line: u64, fields: Result<Map<String, Value>, String>, around: &[Map<String, Value>]) -> RawRow {
        let fields = match fields {
            Ok(fields) => fields,
            Err(reason) => return RawRow { line, identity: None, place: None, found: Err(reason) },
        };
        let (identity, place) = (self.format.identity(&fields), self.format.place(&fields));
        let is_excluded = self.is_excluded(&fields, around);
        let found = if is_excluded { Ok(Found::Other(EXCLUDED)) } else { self.format.read(fields, around) };
        RawRow { line, identity, place, found }
    }

    fn is_excluded(&self, fields: &Map<String, Value>, around: &[Map<String, Value>]) -> bool {
        let matches = |exclusion: &Exclusion| {
            let value = self.format.field(fields, around, &exclusion.path);
            value.is_some_and(|value| plain_text(&value) == exclusion.value)
        };
        self.options.exclude.iter().any(matches)
    }

    /// Parses and redacts a row; a line may contain several.
    fn finish(&self, raw: Raw) -> Vec<ReadRow> {
        match raw {
            Raw::Read(row, _) => vec![self.redacted(*row)],
            Raw::Line(line, Err(reason)) => vec![self.bad(line, &reason)],
            Raw::Line(line, Ok(text)) => {
                let mut rows = Vec::new();
                let each = &mut |line: u64, fields: Result<_, String>, around: &[Map<String, Value>]| {
                    rows.push(self.redacted(self.found(line, fields, around)));
                    Ok(())
                };
                let read = json_rows_of_line(&text, line, self.format.lists(), each);
                if let Err(Stopped::Invalid { column, message, .. }) = read {
                    rows.push(self.bad(line, &format!("invalid JSON at column {column}: {message}")));
                }
                rows
            }
        }
    }

    fn redacted(&self, row: RawRow) -> ReadRow {
        let RawRow { line, identity, place, found } = row;
        let mut redactions = RedactionCounts::default();
        let content = match found {
            Err(reason) => return self.bad(line, &reason),
            Ok(Found::Other(reason)) => {
                RowContent::Other { reason, position: place.map(|place| Box::new(self.position(&place))) }
            }
            Ok(Found::Part(part)) => self.part(*part, &mut redactions),
            Ok(Found::Request(request)) => {
                self.record(*request, identity, &mut redactions).unwrap_or_else(RowContent::Bad)
            }
        };
        ReadRow { line, content, redactions }
    }

    /// A row that cannot be read. The reason may name a column, which is a cell of the first row if there is no header.
    fn bad(&self, line: u64, reason: &str) -> ReadRow {
        let reason = self.redactor.redact(reason).text.into_owned();
        ReadRow { line, content: RowContent::Bad(reason), redactions: RedactionCounts::default() }
    }

    fn part(&self, part: Part, counts: &mut RedactionCounts) -> RowContent {
        let message = self.redact(counts, &part.message);
        RowContent::Part {
            trace: self.public_id(&part.trace),
            span: self.public_id(&part.span),
            at: part.at.map(Timestamp::as_microsecond),
            message: message.to_string(),
            is_output: part.is_output,
        }
    }

    fn record(
        &self,
        request: Request,
        identity: Option<String>,
        counts: &mut RedactionCounts,
    ) -> Result<RowContent, String> {
        let Request { id, input, output, at, user, model, sample_rate, span } = request;
        let is_empty = input.is_null() || input.as_str() == Some("");
        if span.is_none() && is_empty {
            return Err("no input".to_owned());
        }
        let sample_rate = sample_rate.or(self.options.sample_rate).unwrap_or(1.0);
        if !(sample_rate > 0.0 && sample_rate <= 1.0) {
            return Err("the sample rate must be above 0 and at most 1".to_owned());
        }
        // The parts of a span may still supply its time.
        let at = at.or(self.options.at.filter(|_| span.is_none()));
        if at.is_none() && span.is_none() {
            return Err(self.format.missing_time());
        }
        let record_id = id.map(|id| self.public_id(&id)).unwrap_or_default();
        let identity = (record_id.is_empty() && span.is_none()).then(|| {
            let content =
                || canonical_json(&serde_json::json!([input, output, at.map(|at| at.to_string()), user, model]));
            self.key.record(&identity.unwrap_or_else(content))
        });
        let input = self.redact(counts, &input);
        let output = output.filter(|output| !output.is_null());
        let output = output.map(|output| plain_text(&self.redact(counts, &output)));
        let model = model.map(|model| plain_text(&self.redact(counts, &Value::String(model))));
        let record = StagedRecord {
            record_id,
            at: at.map(Timestamp::as_microsecond),
            structure: (input.is_object() || input.is_array()).then(|| canonical_json(&input)),
            input: (!is_empty).then(|| input_text(&input)),
            output,
            // Users are told apart by pseudonyms; their identity is never stored.
            group: user.filter(|user| !user.is_empty()).map(|user| self.key.user(&user)),
            sample_rate,
            model,
        };
        let position = span.map(|span| Box::new(self.position(&span)));
        Ok(RowContent::Record { record: Box::new(record), identity, position })
    }

    fn position(&self, span: &Span) -> Position {
        Position {
            trace: match &span.turn {
                None => self.public_id(&span.trace),
                Some(turn) => format!("{}/{}", self.public_id(&span.trace), short(&self.key.record(turn), TURN_DIGITS)),
            },
            span: self.public_id(&span.id),
            parent: span.parent.as_deref().map(|parent| self.public_id(parent)),
            end: span.end.map(Timestamp::as_microsecond),
        }
    }

    /// Redacts a field, whether text or structure, by its keys and its content, and counts what was redacted. Every field
    /// enters a record this way.
    fn redact(&self, counts: &mut RedactionCounts, value: &Value) -> Value {
        let (redacted, found) = self.redactor.redact_json(value);
        counts.merge(&found);
        redacted
    }

    /// Replaces an id that contains personal data with a pseudonym, which still tells records apart.
    fn public_id(&self, id: &str) -> String {
        let is_public = match serde_json::from_str::<Value>(id) {
            // The id of a row may be an object.
            Ok(value @ (Value::Object(_) | Value::Array(_))) => self.redactor.redact_json(&value).1.is_empty(),
            _ => self.redactor.redact(id).counts.is_empty(),
        };
        if is_public { id.to_owned() } else { self.key.record(id) }
    }
}

/// The size of a row in memory, roughly, in bytes.
pub(super) fn size_of_fields(fields: &Map<String, Value>) -> usize {
    fields.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size_of_value).sum(),
            Value::Object(fields) => size_of_fields(fields),
            _ => 0,
        }
}

/// Skips a byte order mark.
pub(super) fn skip_mark(mut reader: impl BufRead) -> impl BufRead {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if reader.fill_buf().is_ok_and(|start| start.starts_with(MARK)) {
        reader.consume(MARK.len());
    }
    reader
}

/// Rows that are processed together, on all cores.
struct Batch<'b, 'r> {
    reader: &'b TrafficReader<'r>,
    raw: Vec<Raw>,
    bytes: usize,
    each: &'b mut dyn FnMut(Vec<ReadRow>) -> Result<(), Failure>,
}

impl Batch<'_, '_> {
    fn add(&mut self, raw: Raw) -> Result<(), Failure> {
        self.bytes += match &raw {
            Raw::Line(_, line) => line.as_ref().map_or(0, Vec::len),
            Raw::Read(_, size) => *size,
        };
        self.raw.push(raw);
        if self.raw.len() >= BATCH || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let raw = std::mem::take(&mut self.raw);
        self.bytes = 0;
        let rows: Vec<Vec<ReadRow>> = raw.into_par_iter().map(|raw| self.reader.finish(raw)).collect();
        (self.each)(rows.into_iter().flatten().collect())
    }
}
