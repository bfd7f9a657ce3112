//! The rows of a file.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};

use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::columns::{self, Column};
use super::footer;
use super::pages::{Held, OWN};
use super::schema::{self, Kind, Node};
use crate::core::tabular::Row;

const DAMAGED: &str = "the file is damaged";

/// The rows of a file, in their order. A value that is not what its type says makes a bad row; a file that is damaged
/// ends the rows with an error.
pub struct Rows {
    file: Arc<File>,
    metadata: ParquetMetaData,
    fields: Vec<Node>,
    kinds: Vec<Kind>,
    held: Arc<Held>,
    columns: Vec<Column>,
    group: usize,
    left: u64,
    line: u64,
    ended: bool,
}

/// Reads the rows of a file. The line of a row is its number, counted from 1.
///
/// Groups and maps become objects, and lists become lists. Dates, times and timestamps become text, where timestamps
/// are UTC in RFC 3339, also those without a time zone. Numbers that JSON does not have become null, and so do dates and
/// timestamps outside of the years from -9999 to 9999. A decimal number becomes text if it has too many digits for a JSON
/// number. Bytes that are not text become Base64 up to 64 bytes, and null beyond. A row that takes more than 64 MiB in
/// memory ends the rows with an error.
///
/// # Errors
/// The reason why the file cannot be read.
pub fn rows(file: File) -> Result<Rows, String> {
    quietly(|| {
        let metadata = footer::read(&file)?;
        let (fields, kinds) = schema::fields(metadata.file_metadata().schema())?;
        Ok(Rows {
            file: Arc::new(file),
            fields,
            ended: kinds.is_empty(),
            kinds,
            metadata,
            held: Arc::default(),
            columns: Vec::new(),
            group: 0,
            left: 0,
            line: 0,
        })
    })
    .unwrap_or_else(|()| Err(DAMAGED.to_owned()))
}

/// A value of the file's own metadata by its key, such as `huggingface`, under which Hugging Face's `datasets`
/// describes the columns in JSON.
///
/// # Errors
/// The reason why the file cannot be read.
pub fn metadata_value(file: &File, key: &str) -> Result<Option<String>, String> {
    quietly(|| {
        let metadata = footer::read(file)?;
        let pairs = metadata.file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        Ok(pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()))
    })
    .unwrap_or_else(|()| Err(DAMAGED.to_owned()))
}

impl Rows {
    fn step(&mut self) -> Result<Option<Row>, String> {
        while self.left == 0 {
            if !self.open_group()? {
                return Ok(None);
            }
        }
        self.left -= 1;
        self.line += 1;
        let fields = columns::row(&self.fields, &mut self.columns).map_err(|error| self.reason(&error))?;
        Ok(Some(Row { line: self.line, fields }))
    }

    /// Opens the next row group; false if there is none.
    fn open_group(&mut self) -> Result<bool, String> {
        self.columns.clear();
        let Some(group) = self.metadata.row_groups().get(self.group) else { return Ok(false) };
        self.group += 1;
        self.left = u64::try_from(group.num_rows()).map_err(|_| format!("row group {}: {DAMAGED}", self.group))?;
        if group.columns().len() != self.kinds.len() {
            return Err(format!("row group {} has another number of columns than the file", self.group));
        }
        if self.left > 0 {
            let columns = group.columns().iter().zip(&self.kinds);
            let open = columns.map(|(about, kind)| Column::open(&self.file, about, *kind, self.left, &self.held));
            self.columns = open.collect::<Result<_, _>>().map_err(|error| self.reason(&error))?;
        }
        Ok(true)
    }

    /// Why a row group cannot be read. The messages of the `parquet` crate may quote the file.
    fn reason(&self, error: &ParquetError) -> String {
        let own = match error {
            ParquetError::General(message) => message.strip_prefix(OWN),
            _ => None,
        };
        format!("row group {}: {}", self.group, own.unwrap_or(DAMAGED))
    }
}

impl Iterator for Rows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = quietly(|| self.step()).unwrap_or_else(|()| Err(format!("row group {}: {DAMAGED}", self.group)));
        self.ended = !matches!(step, Ok(Some(_)));
        if self.ended {
            self.columns.clear();
        }
        step.map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason)).transpose()
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of the `parquet` crate, which panics on some damaged files, without a message of the panic hook.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, ()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(before);
    done.map_err(drop)
}
