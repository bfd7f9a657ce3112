//! The values of one column, and rows that are put together from the columns.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use serde_json::{Map, Value};

use super::pages::{Held, LIST_ROWS, Pages, Taken, damaged, limit};
use super::schema::{Kind, Node, Shape};
use super::value::{ENTRY, LIST, MAP, Raw, VALUE, size, value};

/// Maximum number of rows of which the values are read together.
const ROWS: usize = 256;

/// The size of values to read together, in bytes, if they are as long as others of their column.
const SIZE: u64 = 4 << 20;

/// Maximum size of a row in memory, in bytes. A file can have a text once and refer to it from many values, each of
/// which is a text of its own in a row.
const MAX_ROW: u64 = 64 << 20;

/// The day of 1970-01-01 in Julian days.
const EPOCH: i64 = 2_440_588;

/// Values of one type.
trait Values {
    /// Replaces the values with those of the next rows. Returns the number of rows and of levels.
    fn read(&mut self, rows: usize, defined: &mut Vec<i16>, repeated: &mut Vec<i16>) -> Result<(usize, usize)>;

    /// One of the values read.
    fn raw(&self, at: usize) -> Option<Raw<'_>>;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
}

trait AsRaw {
    fn as_raw(&self) -> Raw<'_>;
}

macro_rules! as_raw {
    ($($type:ty => |$value:ident| $raw:expr),*) => {
        $(impl AsRaw for $type {
            fn as_raw(&self) -> Raw<'_> {
                let $value = self;
                $raw
            }
        })*
    };
}

as_raw! {
    bool => |value| Raw::Bool(*value),
    i32 => |value| Raw::I32(*value),
    i64 => |value| Raw::I64(*value),
    f32 => |value| Raw::F32(*value),
    f64 => |value| Raw::F64(*value),
    Int96 => |value| julian(value.data()),
    ByteArray => |value| Raw::Bytes(value.data()),
    FixedLenByteArray => |value| Raw::Bytes(value.data())
}

/// The nanoseconds of the day in two words, and the day.
fn julian(words: &[u32]) -> Raw<'_> {
    match words {
        [low, high, day] => {
            let nanoseconds = (u64::from(*high) << 32 | u64::from(*low)).cast_signed();
            Raw::Day(i64::from(day.cast_signed()) - EPOCH, nanoseconds)
        }
        _ => Raw::Day(0, 0),
    }
}

impl<T: DataType> Values for Typed<T>
where
    T::T: AsRaw,
{
    fn read(&mut self, rows: usize, defined: &mut Vec<i16>, repeated: &mut Vec<i16>) -> Result<(usize, usize)> {
        self.values.clear();
        let (rows, _, levels) = self.reader.read_records(rows, Some(defined), Some(repeated), &mut self.values)?;
        Ok((rows, levels))
    }

    fn raw(&self, at: usize) -> Option<Raw<'_>> {
        self.values.get(at).map(AsRaw::as_raw)
    }
}

fn typed(reader: ColumnReader) -> Box<dyn Values> {
    fn of<T: DataType>(reader: ColumnReaderImpl<T>) -> Box<dyn Values>
    where
        T::T: AsRaw,
    {
        Box::new(Typed { reader, values: Vec::new() })
    }
    match reader {
        ColumnReader::BoolColumnReader(reader) => of(reader),
        ColumnReader::Int32ColumnReader(reader) => of(reader),
        ColumnReader::Int64ColumnReader(reader) => of(reader),
        ColumnReader::Int96ColumnReader(reader) => of(reader),
        ColumnReader::FloatColumnReader(reader) => of(reader),
        ColumnReader::DoubleColumnReader(reader) => of(reader),
        ColumnReader::ByteArrayColumnReader(reader) => of(reader),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => of(reader),
    }
}

/// One column of a row group.
pub(super) struct Column {
    values: Box<dyn Values>,
    kind: Kind,
    max_defined: i16,
    max_repeated: i16,
    /// Number of rows to read together.
    rows: usize,
    taken: Arc<Taken>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    levels: usize,
    /// The next level, and the next value.
    at: usize,
    value_at: usize,
    ended: bool,
}

impl Column {
    /// Opens a column.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn open(
        file: &Arc<File>,
        about: &ColumnChunkMetaData,
        kind: Kind,
        rows: u64,
        held: &Arc<Held>,
    ) -> Result<Self> {
        let taken = Arc::new(Taken::of(held));
        let pages = Pages::open(file, about, &taken)?;
        let descriptor = about.column_descr_ptr();
        let size = u64::try_from(about.uncompressed_size()).unwrap_or(0).max(1);
        let fitting = usize::try_from(SIZE.saturating_mul(rows) / size).unwrap_or(ROWS);
        let most = if descriptor.max_rep_level() > 0 { LIST_ROWS } else { ROWS };
        Ok(Self {
            kind,
            max_defined: descriptor.max_def_level(),
            max_repeated: descriptor.max_rep_level(),
            values: typed(get_column_reader(descriptor, Box::new(pages))),
            rows: fitting.clamp(1, most),
            taken,
            defined: Vec::new(),
            repeated: Vec::new(),
            levels: 0,
            at: 0,
            value_at: 0,
            ended: false,
        })
    }

    /// The definition and repetition level at this place; `None` at the end.
    fn level(&mut self) -> Result<Option<(i16, i16)>> {
        while self.at >= self.levels && !self.ended {
            self.defined.clear();
            self.repeated.clear();
            self.taken.start_rows();
            let (rows, levels) = self.values.read(self.rows, &mut self.defined, &mut self.repeated)?;
            (self.levels, self.at, self.value_at) = (levels, 0, 0);
            self.ended = rows == 0 && levels == 0;
        }
        if self.ended {
            return Ok(None);
        }
        let level = |max: i16, levels: &[i16]| if max == 0 { Some(0) } else { levels.get(self.at).copied() };
        let defined = level(self.max_defined, &self.defined);
        let level = defined.zip(level(self.max_repeated, &self.repeated));
        level.map(Some).ok_or_else(|| damaged("a column has too few levels"))
    }

    /// Moves on by one level.
    fn advance(&mut self) -> Result<()> {
        let (defined, _) = self.level()?.ok_or_else(ends_early)?;
        self.value_at += usize::from(defined == self.max_defined);
        self.at += 1;
        Ok(())
    }
}

fn ends_early() -> ParquetError {
    damaged("a column has fewer rows than the others")
}

/// Puts a row together.
pub(super) struct Assembly<'a> {
    columns: &'a mut [Column],
    /// The first value that is not what its kind says.
    bad: Option<String>,
    /// What the rest of the row may take in memory.
    left: u64,
}

/// The fields of the next row, or why it cannot be read though further ones can.
///
/// # Errors
/// If the file is damaged, or the row takes too much memory.
pub(super) fn row(fields: &[Node], columns: &mut [Column]) -> Result<std::result::Result<Map<String, Value>, String>> {
    let mut assembly = Assembly { columns, bad: None, left: MAX_ROW };
    let row = assembly.group(fields)?;
    for column in assembly.columns.iter_mut().filter(|column| column.max_repeated > 0) {
        if column.level()?.is_some_and(|(_, repeated)| repeated > 0) {
            return Err(damaged("the levels of a column do not fit"));
        }
    }
    Ok(assembly.bad.map_or(Ok(row), Err))
}

impl Assembly<'_> {
    fn group(&mut self, fields: &[Node]) -> Result<Map<String, Value>> {
        take(&mut self.left, MAP)?;
        let fields = fields.iter().map(|field| {
            take(&mut self.left, ENTRY + field.name.len() as u64)?;
            Ok((field.name.clone(), self.node(field)?))
        });
        fields.collect()
    }

    fn column(&mut self, at: usize) -> Result<&mut Column> {
        self.columns.get_mut(at).ok_or_else(|| damaged("a column is missing"))
    }

    fn advance(&mut self, columns: &Range<usize>) -> Result<()> {
        columns.clone().try_for_each(|at| self.column(at)?.advance())
    }

    fn node(&mut self, node: &Node) -> Result<Value> {
        take(&mut self.left, VALUE)?;
        if node.columns.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let (defined, _) = self.column(node.columns.start)?.level()?.ok_or_else(ends_early)?;
        if defined < node.present {
            self.advance(&node.columns)?;
            return Ok(Value::Null);
        }
        match &node.shape {
            Shape::Value => self.value(node),
            Shape::Group(fields) => Ok(Value::Object(self.group(fields)?)),
            Shape::Repeated { inside, .. } if defined < *inside => {
                self.advance(&node.columns)?;
                Ok(if is_map(node) { Value::Object(Map::new()) } else { Value::Array(Vec::new()) })
            }
            Shape::Repeated { level, element, value: None, .. } => {
                let mut list = Vec::new();
                take(&mut self.left, LIST)?;
                self.each(element, *level, &mut |assembly| {
                    list.push(assembly.node(element)?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Shape::Repeated { level, element, value: Some(value), .. } => {
                let mut map = Map::new();
                take(&mut self.left, MAP)?;
                self.each(element, *level, &mut |assembly| {
                    let (key, value) = (assembly.node(element)?, assembly.node(value)?);
                    let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                    take(&mut assembly.left, ENTRY + key.len() as u64)?;
                    map.insert(key, value);
                    Ok(())
                })?;
                Ok(Value::Object(map))
            }
        }
    }

    /// Calls `add` for every element of a list that is not empty.
    fn each(&mut self, element: &Node, level: i16, add: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            add(self)?;
            match self.column(element.columns.start)?.level()? {
                Some((_, repeated)) if repeated == level => {}
                Some((_, repeated)) if repeated > level => return Err(damaged("the levels of a column do not fit")),
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self, node: &Node) -> Result<Value> {
        let column = self.columns.get_mut(node.columns.start).ok_or_else(|| damaged("a column is missing"))?;
        let raw = column.values.raw(column.value_at).ok_or_else(|| damaged("a column has too few values"))?;
        take(&mut self.left, size(column.kind, raw))?;
        let read = value(column.kind, raw);
        column.advance()?;
        Ok(read.unwrap_or_else(|reason| {
            self.bad.get_or_insert_with(|| format!("column \"{}\": {reason}", node.name));
            Value::Null
        }))
    }
}

/// Takes bytes from what the rest of a row may take.
fn take(left: &mut u64, bytes: u64) -> Result<()> {
    let rest = left.checked_sub(bytes);
    *left = rest.ok_or_else(|| limit(format!("a row takes more than {} MiB in memory", MAX_ROW >> 20)))?;
    Ok(())
}

fn is_map(node: &Node) -> bool {
    matches!(&node.shape, Shape::Repeated { value: Some(_), .. })
}
