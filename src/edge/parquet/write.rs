//! Writes outcomes, one row each.
//!
//! The columns are those of [`crate::core::export::csv`], with types: times are timestamps in milliseconds UTC,
//! `expected` and `tags` are lists of text, `input_json`, `tool_calls`, `metadata` and `turns` are JSON, and everything
//! that is not known is null. An accepted answer that is not a text is its JSON. Texts are unchanged, since no terminal
//! and no spreadsheet program interprets them. The metadata of the file has the keys `karat.version` and
//! `karat.exported_at`.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;

use crate::core::export::{ExportedOutcome, ExportedRun, ExportedScore, Exporter, Header, Summary, run_of};

/// Maximum number of outcomes in a row group.
const MAX_ROWS: usize = 20_000;

/// The size of the texts of a row group, in bytes, from which it is written.
const FULL: usize = 64 << 20;

/// The columns before those of the scorers.
const COLUMNS: [(&str, Kind); 30] = [
    ("run_id", Kind::Text),
    ("suite", Kind::Text),
    ("suite_version", Kind::Text),
    ("dataset", Kind::Text),
    ("dataset_version", Kind::Text),
    ("endpoint", Kind::Text),
    ("prompt", Kind::Text),
    ("started_at", Kind::Time),
    ("example_id", Kind::Text),
    ("trial", Kind::Integer),
    ("answered_at", Kind::Time),
    ("model", Kind::Text),
    ("input", Kind::Text),
    ("input_json", Kind::Json),
    ("expected", Kind::Texts),
    ("output", Kind::Text),
    ("tool_calls", Kind::Json),
    ("finish_reason", Kind::Text),
    ("error_kind", Kind::Text),
    ("error_message", Kind::Text),
    ("attempts", Kind::Integer),
    ("latency_ms", Kind::Number),
    ("ttft_ms", Kind::Number),
    ("prompt_tokens", Kind::Integer),
    ("completion_tokens", Kind::Integer),
    ("cost", Kind::Number),
    ("cached", Kind::Flag),
    ("tags", Kind::Texts),
    ("metadata", Kind::Json),
    ("turns", Kind::Json),
];

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
    Texts,
    Time,
    Integer,
    Number,
    Flag,
}

/// A cell, in the type of its column.
enum Cell {
    Text(Option<String>),
    Texts(Vec<String>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Flag(bool),
}

/// The values of a column that are not written yet, and their levels.
enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Flag(Vec<bool>),
}

struct Column {
    values: Values,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Column {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Json | Kind::Texts => Values::Text(Vec::new()),
            Kind::Time | Kind::Integer => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Self { values, defined: Vec::new(), repeated: Vec::new() }
    }

    /// Adds a cell and returns the size of its text.
    fn push(&mut self, cell: Cell) -> usize {
        match (&mut self.values, cell) {
            (Values::Text(values), Cell::Texts(texts)) => {
                let size = texts.iter().map(String::len).sum();
                self.defined.extend(texts.iter().map(|_| 1).chain(texts.is_empty().then_some(0)));
                self.repeated.extend((0..texts.len().max(1)).map(|at| i16::from(at > 0)));
                values.extend(texts.into_iter().map(|text| ByteArray::from(text.into_bytes())));
                return size;
            }
            (Values::Text(values), Cell::Text(Some(text))) => {
                let size = text.len();
                values.push(ByteArray::from(text.into_bytes()));
                self.defined.push(1);
                return size;
            }
            (Values::Integer(values), Cell::Integer(Some(number))) => values.push(number),
            (Values::Number(values), Cell::Number(Some(number))) => values.push(number),
            (Values::Flag(values), Cell::Flag(flag)) => values.push(flag),
            _ => {
                self.defined.push(0);
                return 0;
            }
        }
        self.defined.push(1);
        0
    }

    /// Writes the values and forgets them.
    fn write(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let defined = Some(self.defined.as_slice());
        let repeated = (!self.repeated.is_empty()).then_some(self.repeated.as_slice());
        match &mut self.values {
            Values::Text(values) => {
                to.typed::<ByteArrayType>().write_batch(values, defined, repeated)?;
                values.clear();
            }
            Values::Integer(values) => {
                to.typed::<Int64Type>().write_batch(values, defined, repeated)?;
                values.clear();
            }
            Values::Number(values) => {
                to.typed::<DoubleType>().write_batch(values, defined, repeated)?;
                values.clear();
            }
            Values::Flag(values) => {
                to.typed::<BoolType>().write_batch(values, defined, repeated)?;
                values.clear();
            }
        }
        self.defined.clear();
        self.repeated.clear();
        Ok(())
    }
}

/// Writes Parquet, compressed with Zstandard, in row groups of at most 20,000 outcomes. No more than one row group is
/// in memory.
pub struct ParquetWriter<W: Write + Send> {
    out: Option<W>,
    file: Option<SerializedFileWriter<W>>,
    runs: Vec<ExportedRun>,
    scorers: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
    size: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Writes to `out`.
    ///
    /// # Errors
    /// None; only a build without Parquet cannot write it.
    pub fn new(out: W) -> Result<Self, String> {
        Ok(Self {
            out: Some(out),
            file: None,
            runs: Vec::new(),
            scorers: Vec::new(),
            columns: Vec::new(),
            rows: 0,
            size: 0,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let file = self.file.as_mut().ok_or_else(not_begun)?;
        let mut group = file.next_row_group().map_err(io_error)?;
        for column in &mut self.columns {
            let Some(mut to) = group.next_column().map_err(io_error)? else { break };
            column.write(&mut to).map_err(io_error)?;
            to.close().map_err(io_error)?;
        }
        group.close().map_err(io_error)?;
        (self.rows, self.size) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> Exporter for ParquetWriter<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let out = self.out.take().ok_or_else(|| io::Error::other("the export has already begun"))?;
        self.runs.clone_from(&header.runs);
        self.scorers.clone_from(&header.scorers);
        let columns = columns(&header.scorers);
        self.columns = columns.iter().map(|(_, kind)| Column::new(*kind)).collect();
        let schema = schema(&columns).map_err(io_error)?;
        let about = vec![
            KeyValue::new("karat.version".to_owned(), header.karat_version.clone()),
            KeyValue::new("karat.exported_at".to_owned(), header.exported_at.to_string()),
        ];
        let properties = WriterProperties::builder()
            .set_created_by(format!("karat version {}", header.karat_version))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(io_error)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_key_value_metadata(Some(about))
            .build();
        self.file = Some(SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(io_error)?);
        Ok(())
    }

    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()> {
        if self.file.is_none() {
            return Err(not_begun());
        }
        let cells = cells(run_of(&self.runs, outcome)?, outcome);
        let scores = self.scorers.iter().flat_map(|name| score_cells(outcome.score(name)));
        let sizes =
            self.columns.iter_mut().zip(cells.into_iter().chain(scores)).map(|(column, cell)| column.push(cell));
        self.size = self.size.saturating_add(sizes.sum());
        self.rows += 1;
        if self.rows >= MAX_ROWS || self.size >= FULL { self.flush() } else { Ok(()) }
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        self.flush()?;
        let file = self.file.as_mut().ok_or_else(not_begun)?;
        file.finish().map_err(io_error)?;
        file.inner_mut().flush()
    }
}

fn not_begun() -> io::Error {
    io::Error::other("the export has not begun")
}

fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

fn columns(scorers: &[String]) -> Vec<(String, Kind)> {
    let of_scorers = scorers.iter().flat_map(|name| {
        [("score", Kind::Number), ("state", Kind::Text), ("reason", Kind::Text)]
            .map(|(what, kind)| (format!("{what}.{name}"), kind))
    });
    COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).chain(of_scorers).collect()
}

fn schema(columns: &[(String, Kind)]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new)).collect::<Result<_, _>>()?;
    Type::group_type_builder("outcomes").with_fields(fields).build().map(Arc::new)
}

fn field(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let value = |name: &str, physical, logical, repetition| {
        Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition).build()
    };
    let optional = |physical, logical| value(name, physical, logical, Repetition::OPTIONAL);
    match kind {
        Kind::Text => optional(Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => optional(Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        Kind::Time => optional(Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        Kind::Integer => optional(Physical::INT64, None),
        Kind::Number => optional(Physical::DOUBLE, None),
        Kind::Flag => optional(Physical::BOOLEAN, None),
        Kind::Texts => {
            let element = value("element", Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED)?;
            let list = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![Arc::new(element)])
                .build()?;
            Type::group_type_builder(name)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::List))
                .with_fields(vec![Arc::new(list)])
                .build()
        }
    }
}

fn cells(run: &ExportedRun, outcome: &ExportedOutcome) -> Vec<Cell> {
    let error = outcome.error.as_ref();
    vec![
        text(&run.run_id),
        text(&run.suite),
        text(&run.suite_version),
        text(&run.dataset),
        text(&run.dataset_version),
        text(&run.endpoint),
        optional(run.prompt.as_deref()),
        time(Some(run.started_at)),
        text(&outcome.example_id),
        Cell::Integer(Some(i64::from(outcome.trial))),
        time(outcome.answered_at),
        optional(outcome.model.as_deref()),
        text(&outcome.input_text),
        Cell::Text((!outcome.input.is_string()).then(|| outcome.input.to_string())),
        Cell::Texts(outcome.expected.iter().map(answer).collect()),
        optional(outcome.output.as_deref()),
        Cell::Text(outcome.tool_calls.as_ref().map(Value::to_string)),
        optional(outcome.finish_reason.as_deref()),
        optional(error.map(|(kind, _)| kind.as_str())),
        optional(error.map(|(_, message)| message.as_str())),
        Cell::Integer(Some(i64::from(outcome.attempts))),
        number(outcome.latency_ms),
        number(outcome.ttft_ms),
        Cell::Integer(outcome.prompt_tokens.and_then(|count| i64::try_from(count).ok())),
        Cell::Integer(outcome.completion_tokens.and_then(|count| i64::try_from(count).ok())),
        number(outcome.cost),
        Cell::Flag(outcome.cached),
        Cell::Texts(outcome.tags.clone()),
        Cell::Text(Some(Value::Object(outcome.metadata.clone()).to_string())),
        // Texts and JSON always serialize.
        Cell::Text(outcome.turns.as_ref().and_then(|turns| serde_json::to_string(turns).ok())),
    ]
}

fn score_cells(score: Option<&ExportedScore>) -> [Cell; 3] {
    [
        Cell::Number(score.and_then(ExportedScore::number)),
        optional(score.map(|score| score.state.name())),
        optional(score.and_then(|score| score.reason.as_deref())),
    ]
}

fn answer(answer: &Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

fn optional(text: Option<&str>) -> Cell {
    Cell::Text(text.map(str::to_owned))
}

fn time(at: Option<Timestamp>) -> Cell {
    Cell::Integer(at.map(Timestamp::as_millisecond))
}

fn number(number: Option<f64>) -> Cell {
    Cell::Number(number.filter(|number| number.is_finite()))
}
