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

/// Maximum size of what row groups say about their columns, in bytes in memory.
const MAX_CHUNKS: u64 = 128 << 20;

/// The size of what a row group says about one column, in bytes in memory. In the file it may be 20.
const CHUNK: u64 = 512;

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

const KEY_VALUE: [u8; 2] = [kind::BINARY, kind::BINARY];

const SORTING_COLUMN: [u8; 3] = [kind::I32, kind::BOOL, kind::BOOL];

/// The orders of values are structures without fields.
const COLUMN_ORDER: [u8; 3] = [kind::STRUCT; 3];

const LOGICAL_TYPE: [u8; 19] = [kind::STRUCT; 19];

/// Units of time are structures without fields.
const TIME_UNIT: [u8; 3] = [kind::STRUCT; 3];

const GEOSPATIAL: [u8; 2] = [kind::STRUCT, kind::LIST];

const BOUNDING_BOX: [u8; 8] = [kind::DOUBLE; 8];

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
    let (mut limit, mut has_schema, mut size) = (None, false, 0);
    let read = Compact::new(bytes).structure(&FILE, &mut |thrift, number| {
        match number {
            2 => {
                schema(thrift, &mut limit)?;
                has_schema = true;
            }
            4 => {
                let groups = thrift.structures()?;
                (0..groups).try_for_each(|_| row_group(thrift, &mut size, &mut limit))?;
            }
            5 => thrift.skip_structures(&KEY_VALUE)?,
            7 => thrift.skip_structures(&COLUMN_ORDER)?,
            _ => return Some(false),
        }
        Some(true)
    });
    match (read, limit) {
        (_, Some(limit)) => Err(limit.to_owned()),
        (Some(()), None) if has_schema => Ok(()),
        _ => Err(DAMAGED.to_owned()),
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
        let (name, children) = element(thrift)?;
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

/// The length of the name of an element of the schema, and the number of its children.
fn element(thrift: &mut Compact<'_>) -> Option<(u64, i64)> {
    let (mut name, mut children) = (0, 0);
    thrift.structure(&ELEMENT, &mut |thrift, number| {
        match number {
            4 => name = thrift.binary()?.len() as u64,
            5 => children = thrift.integer()?,
            10 => logical_type(thrift)?,
            _ => return Some(false),
        }
        Some(true)
    })?;
    Some((name, children))
}

/// The `parquet` crate reads these structures by the numbers of their fields and not by their types, so the types have
/// to be right.
fn logical_type(thrift: &mut Compact<'_>) -> Option<()> {
    thrift.structure(&LOGICAL_TYPE, &mut |thrift, number| {
        match number {
            // A decimal number.
            5 => thrift.skip_structure(&[kind::I32, kind::I32])?,
            // A time of the day, and a timestamp.
            7 | 8 => thrift.structure(&[kind::BOOL, kind::STRUCT], &mut |thrift, number| {
                if number == 2 {
                    thrift.skip_structure(&TIME_UNIT)?;
                }
                Some(number == 2)
            })?,
            // An integer.
            10 => thrift.skip_structure(&[kind::BYTE, kind::BOOL])?,
            // A variant, and shapes on a plane and on a globe.
            16 => thrift.skip_structure(&[kind::BYTE])?,
            17 => thrift.skip_structure(&[kind::BINARY])?,
            18 => thrift.skip_structure(&[kind::BINARY, kind::I32])?,
            _ => return Some(false),
        }
        Some(true)
    })
}

/// Adds what the columns take in memory to `size`.
fn row_group(thrift: &mut Compact<'_>, size: &mut u64, limit: &mut Option<&'static str>) -> Option<()> {
    thrift.structure(&ROW_GROUP, &mut |thrift, number| {
        match number {
            1 => {
                let columns = thrift.structures()?;
                for _ in 0..columns {
                    *size += CHUNK + column(thrift)?;
                    if *size > MAX_CHUNKS {
                        *limit = Some("what the row groups say about their columns takes more than 128 MiB");
                        return None;
                    }
                }
            }
            4 => thrift.skip_structures(&SORTING_COLUMN)?,
            _ => return Some(false),
        }
        Some(true)
    })
}

/// What a column takes in memory in addition to what every column does.
fn column(thrift: &mut Compact<'_>) -> Option<u64> {
    let mut size = 0;
    thrift.structure(&COLUMN, &mut |thrift, number| {
        if number != 3 {
            return Some(false);
        }
        thrift.structure(&COLUMN_DATA, &mut |thrift, number| {
            if number == 17 {
                size = geospatial(thrift)?;
            }
            Some(number == 17)
        })?;
        Some(true)
    })?;
    Some(size)
}

/// What the statistics of shapes take in memory. Unlike other statistics they cannot be left out.
fn geospatial(thrift: &mut Compact<'_>) -> Option<u64> {
    let mut size = 256;
    thrift.structure(&GEOSPATIAL, &mut |thrift, number| {
        match number {
            1 => thrift.skip_structure(&BOUNDING_BOX)?,
            2 => size += thrift.skip_integers()?.saturating_mul(4),
            _ => return Some(false),
        }
        Some(true)
    })?;
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with one column, which has further fields after the one with number 5, and with these row groups.
    fn footer(fields: &[u8], row_groups: &[u8]) -> Vec<u8> {
        // The version, a list of one structure, its name and the number of its children.
        let start = [0x15, 2, 0x19, 0x1c, 0x48, 1, b'a', 0x15, 0];
        [&start[..], fields, &[0, 0x16, 0, 0x19], row_groups].concat()
    }

    fn is_damaged(bytes: &[u8]) -> bool {
        match check(bytes) {
            Ok(()) => false,
            Err(reason) => {
                assert_eq!(reason, DAMAGED);
                true
            }
        }
    }

    #[test]
    fn a_footer_that_hides_bytes_from_one_of_two_readers_is_damaged() {
        let with = |fields: &[u8]| is_damaged(&footer(fields, &[0x0c, 0]));
        assert!(!with(&[]));
        // Field 11 is a list, and then a map, of integers or of flags.
        assert!(!with(&[0x69, 0x23, 1, 1]) && with(&[0x69, 0x21, 1, 1]) && with(&[0x69, 0x22, 1, 1]));
        assert!(!with(&[0x6b, 1, 0x33, 1, 1]) && with(&[0x6b, 1, 0x11, 1, 1]));
        // A decimal number is a structure of two integers, and not bytes.
        assert!(!with(&[0x5c, 0x5c, 0x15, 4, 0x15, 18, 0, 0]));
        assert!(with(&[0x5c, 0x58, 5, 0x15, 4, 0x15, 18, 0, 0]));
        assert!(with(&[0x5c, 0x5c, 0x18, 1, 0, 0, 0]));
        // A timestamp has a flag and a structure with a structure in it.
        assert!(!with(&[0x5c, 0x8c, 0x11, 0x1c, 0x1c, 0, 0, 0, 0]));
        assert!(with(&[0x5c, 0x8c, 0x11, 0x1c, 0x18, 1, 0, 0, 0, 0]));
        // An integer has a byte and a flag.
        assert!(!with(&[0x5c, 0xac, 0x13, 8, 0x11, 0, 0]) && with(&[0x5c, 0xac, 0x18, 1, 8, 0x11, 0, 0]));
        // The schema, and a name in it, are there twice.
        assert!(with(&[0x08, 8, 1, b'b']));
        assert!(is_damaged(&footer(&[], &[0x0c, 0x09, 4, 0x0c, 0])));
    }

    #[test]
    fn lists_after_the_row_groups_have_the_fields_that_parquet_defines() {
        let with = |fields: &[u8]| is_damaged(&footer(&[], &[&[0x0c][..], fields, &[0]].concat()));
        // A key without and with a value, and one that is no text.
        assert!(!with(&[0x19, 0x1c, 0x18, 1, b'k', 0]) && !with(&[0x19, 0x1c, 0x18, 1, b'k', 0x18, 1, b'v', 0]));
        assert!(with(&[0x19, 0x1c, 0x15, 2, 0]));
        // The order of a column.
        assert!(!with(&[0x39, 0x1c, 0x1c, 0, 0]) && with(&[0x39, 0x1c, 0x18, 1, 0, 0]));
    }

    #[test]
    fn a_footer_without_a_schema_is_damaged() {
        assert!(is_damaged(&[0x15, 2, 0x26, 0, 0x19, 0x0c, 0]));
        assert!(is_damaged(&[0]));
    }

    #[test]
    fn the_columns_of_all_row_groups_take_a_limited_size() {
        let groups = |count: u8, columns: &[u8]| {
            let group = [&[0x19][..], columns, &[0]].concat();
            check(&footer(&[], &[vec![count << 4 | 0x0c], group.repeat(usize::from(count)), vec![0]].concat()))
        };
        // 100,000 columns without anything.
        let many = [vec![0xfc, 0xa0, 0x8d, 0x06], vec![0; 100_000]].concat();
        assert_eq!(groups(2, &many), Ok(()));
        assert!(groups(3, &many).is_err_and(|reason| reason.contains("takes more than 128 MiB")));
        // A column with the numbers of 20,000,000 shapes.
        let count = [0x80, 0xda, 0xc4, 0x09];
        let column = [&[0x1c, 0x3c, 0x0c, 34, 0x29, 0xf5][..], &count].concat();
        let shapes = [column, vec![0; 20_000_000], vec![0; 3]].concat();
        assert_eq!(groups(1, &shapes), Ok(()));
        assert!(groups(2, &shapes).is_err_and(|reason| reason.contains("takes more than 128 MiB")));
    }

    #[test]
    fn what_a_row_group_says_about_a_column_takes_no_more_than_assumed() {
        let size = size_of::<parquet::file::metadata::ColumnChunkMetaData>() as u64;
        assert!(size <= CHUNK, "{size}");
    }
}
