//! Reads the footer of a file, and checks the counts in it before the `parquet` crate allocates by them or recurses.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::thrift::{Compact, kind};

/// Maximum size of a footer, in bytes.
const MAX_FOOTER: u64 = 64 << 20;

/// Maximum depth of a schema. Lists and maps count as three.
const MAX_DEPTH: usize = 96;

/// Maximum length of the names of all columns with those of the groups around them, in bytes.
const MAX_NAMES: u64 = 64 << 20;

const DAMAGED: &str = "the footer is damaged";

const FILE: [u8; 9] =
    [kind::I32, kind::LIST, kind::I64, kind::LIST, kind::LIST, kind::BINARY, kind::LIST, kind::STRUCT, kind::BINARY];

const ELEMENT: [u8; 10] = [
    kind::I32,
    kind::I32,
    kind::I32,
    kind::BINARY,
    kind::I32,
    kind::I32,
    kind::I32,
    kind::I32,
    kind::I32,
    kind::STRUCT,
];

const ROW_GROUP: [u8; 7] = [kind::LIST, kind::I64, kind::I64, kind::LIST, kind::I64, kind::I64, kind::I16];

const COLUMN: [u8; 9] =
    [kind::BINARY, kind::I64, kind::STRUCT, kind::I64, kind::I32, kind::I64, kind::I32, kind::STRUCT, kind::BINARY];

const COLUMN_DATA: [u8; 17] = [
    kind::I32,
    kind::LIST,
    kind::LIST,
    kind::I32,
    kind::I64,
    kind::I64,
    kind::I64,
    kind::LIST,
    kind::I64,
    kind::I64,
    kind::I64,
    kind::STRUCT,
    kind::LIST,
    kind::I64,
    kind::I32,
    kind::STRUCT,
    kind::STRUCT,
];

/// Reads the metadata of a file.
///
/// # Errors
/// The reason why the file is not one that can be read.
pub(super) fn read(mut file: &File) -> Result<ParquetMetaData, String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let Some(tail_at) = length.checked_sub(8).filter(|at| *at >= 4) else {
        return Err("the file is too short".to_owned());
    };
    let mut tail = [0_u8; 8];
    file.seek(SeekFrom::Start(tail_at)).and_then(|_| file.read_exact(&mut tail)).map_err(unreadable)?;
    let [a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PAR1" => {}
        b"PARE" => return Err("the file is encrypted".to_owned()),
        _ => return Err("it does not end like a Parquet file; is it complete?".to_owned()),
    }
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    if size > MAX_FOOTER {
        return Err(format!("the footer is larger than {} MiB", MAX_FOOTER >> 20));
    }
    let start = tail_at.checked_sub(size).filter(|start| *start >= 4).ok_or(DAMAGED)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).and_then(|_| file.take(size).read_to_end(&mut bytes)).map_err(unreadable)?;
    check(&bytes)?;
    let mut options = ParquetMetaDataOptions::new();
    options.set_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
    options.set_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    options.set_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    // The message may quote the file.
    ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options)).map_err(|_| DAMAGED.to_owned())
}

/// Checks the counts of a footer.
fn check(bytes: &[u8]) -> Result<(), String> {
    let mut limit = None;
    let read = Compact::new(bytes).structure(&FILE, &mut |thrift, number| match number {
        2 => {
            schema(thrift, &mut limit)?;
            Some(true)
        }
        4 => {
            let groups = thrift.structures()?;
            (0..groups).try_for_each(|_| row_group(thrift))?;
            Some(true)
        }
        _ => Some(false),
    });
    match (read, limit) {
        (_, Some(limit)) => Err(limit.to_owned()),
        (None, None) => Err(DAMAGED.to_owned()),
        (Some(()), None) => Ok(()),
    }
}

/// A group of the schema whose children are not all read yet.
struct Open {
    children: u64,
    /// The length of its name and of those around it.
    names: u64,
}

fn schema(thrift: &mut Compact<'_>, limit: &mut Option<&'static str>) -> Option<()> {
    let elements = thrift.structures()?;
    let (mut open, mut names): (Vec<Open>, u64) = (Vec::new(), 0);
    for _ in 0..elements {
        let (mut name, mut children) = (0, 0);
        thrift.structure(&ELEMENT, &mut |thrift, number| {
            match number {
                4 => name = thrift.binary()?.len() as u64,
                5 => children = thrift.integer()?,
                _ => return Some(false),
            }
            Some(true)
        })?;
        let children = u64::try_from(children).ok().filter(|children| *children <= elements)?;
        while open.last().is_some_and(|group| group.children == 0) {
            open.pop();
        }
        let around = open.last().map_or(0, |group| group.names);
        let length = around.saturating_add(name).saturating_add(24);
        names = names.saturating_add(length);
        if names > MAX_NAMES {
            *limit = Some("the names of the columns are too long");
            return None;
        }
        if let Some(group) = open.last_mut() {
            group.children -= 1;
        }
        if children > 0 {
            open.push(Open { children, names: length });
        }
        if open.len() > MAX_DEPTH {
            *limit = Some("the columns are nested too deeply");
            return None;
        }
    }
    Some(())
}

fn row_group(thrift: &mut Compact<'_>) -> Option<()> {
    thrift.structure(&ROW_GROUP, &mut |thrift, number| {
        if number != 1 {
            return Some(false);
        }
        let columns = thrift.structures()?;
        (0..columns).try_for_each(|_| column(thrift))?;
        Some(true)
    })
}

fn column(thrift: &mut Compact<'_>) -> Option<()> {
    thrift.structure(&COLUMN, &mut |thrift, number| {
        if number != 3 {
            return Some(false);
        }
        thrift.structure(&COLUMN_DATA, &mut |_, _| Some(false))?;
        Some(true)
    })
}
