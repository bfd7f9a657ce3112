//! The pages of a column, each checked before it is decoded: neither its sizes nor the counts in it make memory grow
//! without a limit. Brotli and the older form of LZ4 are not read, since the `parquet` crate decompresses them to their
//! end whatever a page says.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{CompressionCodec, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::serialized_reader::SerializedPageReader;

use super::thrift::{Compact, kind};

/// Maximum size of a page after decompression, in bytes.
const MAX_PAGE: u64 = 256 << 20;

/// Maximum size of the pages of all columns that are needed at the same time, in bytes.
const MAX_HELD: u64 = 512 << 20;

/// Maximum number of values of a dictionary.
const MAX_VALUES: u64 = 4 << 20;

/// Maximum number of values of a row in a column of lists.
const MAX_LENGTH: u64 = 1 << 20;

/// Maximum number of rows of a column of lists of which the values are read together.
pub(super) const LIST_ROWS: usize = 4;

/// The size of a value with its levels in memory, in bytes.
const VALUE: u64 = 40;

/// Maximum size of the header of a page, in bytes.
const MAX_HEADER: u64 = 16 << 20;

const WAY_OUT: &str = "write the file with zstd, snappy, gzip or lz4";

const HEADER: [u8; 8] =
    [kind::I32, kind::I32, kind::I32, kind::I32, kind::STRUCT, kind::STRUCT, kind::STRUCT, kind::STRUCT];
const DATA: [u8; 5] = [kind::I32, kind::I32, kind::I32, kind::I32, kind::STRUCT];
const DICTIONARY: [u8; 3] = [kind::I32, kind::I32, kind::BOOL];
const DATA_V2: [u8; 8] = [kind::I32, kind::I32, kind::I32, kind::I32, kind::I32, kind::I32, kind::BOOL, kind::STRUCT];

/// What the pages of all columns take.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: AtomicU64,
}

/// What the pages of one column take.
#[derive(Debug)]
pub(super) struct Taken {
    all: Arc<Held>,
    dictionary: AtomicU64,
    last: AtomicU64,
    bytes: AtomicU64,
}

impl Taken {
    /// For a column of a file.
    pub(super) fn of(all: &Arc<Held>) -> Self {
        let [dictionary, last, bytes] = [const { AtomicU64::new(0) }; 3];
        Self { all: Arc::clone(all), dictionary, last, bytes }
    }

    /// To call before more rows are read: of the pages until now, only the dictionary and the last one are still
    /// needed.
    pub(super) fn start_rows(&self) {
        let needed = self.dictionary.load(Ordering::Relaxed) + self.last.load(Ordering::Relaxed);
        let before = self.bytes.swap(needed, Ordering::Relaxed);
        self.all.bytes.fetch_sub(before.saturating_sub(needed), Ordering::Relaxed);
    }

    fn add(&self, bytes: u64, is_dictionary: bool) -> bool {
        let place = if is_dictionary { &self.dictionary } else { &self.last };
        place.store(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= MAX_HELD
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    length: u64,
    kind: i64,
    uncompressed: u64,
    compressed: u64,
    values: u64,
    /// The size of levels that are not compressed with the values.
    levels: u64,
    /// Whether the values are compressed, if those of its column are.
    is_compressed: bool,
}

const DICTIONARY_PAGE: i64 = 2;

impl Header {
    /// `None` if `bytes` do not begin with a whole header.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut sizes, mut kind, mut values) = ([None; 2], None, 0);
        let (mut levels, mut is_compressed) = (0, true);
        let mut thrift = Compact::new(bytes);
        thrift.structure(&HEADER, &mut |thrift, number| {
            let fields: &[u8] = match number {
                1 => {
                    kind = Some(thrift.integer()?);
                    return Some(true);
                }
                2 | 3 => {
                    let size = u64::try_from(thrift.integer()?).ok()?;
                    *sizes.get_mut(usize::from(number == 3))? = Some(size);
                    return Some(true);
                }
                5 => &DATA,
                7 => &DICTIONARY,
                8 => &DATA_V2,
                _ => return Some(false),
            };
            let is_second = number == 8;
            thrift.structure(fields, &mut |thrift, number| {
                match number {
                    1 => values = u64::try_from(thrift.integer()?).ok()?.max(values),
                    5 | 6 if is_second => levels += u64::try_from(thrift.integer()?).ok()?.min(MAX_PAGE),
                    7 if is_second => is_compressed = thrift.flag(),
                    _ => return Some(false),
                }
                Some(true)
            })?;
            Some(true)
        })?;
        let [uncompressed, compressed] = sizes;
        Some(Self {
            length: thrift.at() as u64,
            kind: kind?,
            uncompressed: uncompressed?,
            compressed: compressed?,
            values,
            levels,
            is_compressed,
        })
    }

    /// The size of the page in memory. A page that is not compressed is as long as it is in the file, even if it says
    /// that it is shorter.
    fn held(&self) -> u64 {
        self.uncompressed.max(self.compressed)
    }
}

/// The pages of a column in a row group.
pub(super) struct Pages {
    inner: SerializedPageReader<File>,
    file: Arc<File>,
    at: u64,
    left: u64,
    /// The header of the page at `at`, if it is read and checked.
    next: Option<Header>,
    codec: CompressionCodec,
    levels: [bool; 2],
    /// The size of a repetition level, in bits.
    bits: usize,
    /// The number of values of the row that the last page ends with.
    length: u64,
    /// The size of values of a fixed size.
    width: u64,
    taken: Arc<Taken>,
}

impl Pages {
    /// Opens a column.
    ///
    /// # Errors
    /// If the column is not within the file, or is compressed in a way that is not read.
    pub(super) fn open(file: &Arc<File>, column: &ColumnChunkMetaData, taken: &Arc<Taken>) -> Result<Self> {
        let mut column = Cow::Borrowed(column);
        // Older writers say that the dictionary is at 0 if there is none; the `parquet` crate would read from there.
        if column.dictionary_page_offset() == Some(0) {
            column = Cow::Owned(column.into_owned().into_builder().set_dictionary_page_offset(None).build()?);
        }
        let (at, left) = column.byte_range();
        let length = file.metadata()?.len();
        if at.checked_add(left).is_none_or(|end| end > length) {
            return Err(damaged("a column is not within the file"));
        }
        let codec = column.compression_codec();
        match codec {
            CompressionCodec::BROTLI => return Err(limit(format!("Brotli is not read; {WAY_OUT}"))),
            CompressionCodec::LZO => return Err(limit(format!("LZO is not read; {WAY_OUT}"))),
            _ => {}
        }
        // The older form of LZ4 would be decompressed without a limit.
        let properties = ReaderProperties::builder()
            .set_backward_compatible_lz4(false)
            .set_read_page_statistics(false)
            .set_read_bloom_filter(false)
            .build();
        let inner =
            SerializedPageReader::new_with_properties(Arc::clone(file), &column, 0, None, Arc::new(properties))?;
        let about = column.column_descr();
        let levels = [about.max_rep_level() > 0, about.max_def_level() > 0];
        let width = match about.physical_type() {
            parquet::basic::Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(about.type_length()).unwrap_or(u64::MAX),
            _ => 0,
        };
        let bits = (i16::BITS - about.max_rep_level().leading_zeros()) as usize;
        Ok(Self {
            inner,
            file: Arc::clone(file),
            at,
            left,
            next: None,
            codec,
            levels,
            bits,
            length: 0,
            width,
            taken: Arc::clone(taken),
        })
    }

    /// The header of the next page, checked. The page stays the next one.
    fn header(&mut self) -> Result<Header> {
        if let Some(header) = self.next {
            return Ok(header);
        }
        let mut size = 4096;
        let header = loop {
            let size_now = self.left.min(size);
            match Header::parse(&self.bytes(self.at, size_now)?) {
                Some(header) => break header,
                None if size_now == self.left || size >= MAX_HEADER => return Err(damaged("the header of a page")),
                None => size *= 16,
            }
        };
        self.check(&header)?;
        self.next = Some(header);
        Ok(header)
    }

    /// Checks the next page, as far as that is possible before it is read, and moves behind it.
    fn next_header(&mut self) -> Result<Header> {
        let header = self.header()?;
        self.next = None;
        let end = header.length.saturating_add(header.compressed);
        self.left = self.left.checked_sub(end).ok_or_else(|| damaged("a page is longer than its column"))?;
        if self.codec == CompressionCodec::GZIP {
            self.check_gzip(&header)?;
        }
        self.at += end;
        Ok(header)
    }

    fn check(&self, header: &Header) -> Result<()> {
        let is_dictionary = header.kind == DICTIONARY_PAGE;
        if !matches!(header.kind, 0 | DICTIONARY_PAGE | 3) {
            return Err(damaged("a page of an unknown type"));
        }
        if header.uncompressed > MAX_PAGE || header.compressed > MAX_PAGE {
            return Err(limit(format!("a page is larger than {} MiB", MAX_PAGE >> 20)));
        }
        if is_dictionary && header.values > MAX_VALUES {
            return Err(limit(format!("a dictionary has more than {MAX_VALUES} values")));
        }
        if is_dictionary && header.values > header.uncompressed {
            return Err(damaged("a dictionary has more values than bytes"));
        }
        Ok(())
    }

    /// Gzip is decompressed to its end, whatever the header says, so this counts first.
    fn check_gzip(&self, header: &Header) -> Result<()> {
        // What is not compressed is not decompressed, and neither are no values.
        if !header.is_compressed || header.uncompressed == header.levels {
            return Ok(());
        }
        let Some(compressed) = header.compressed.checked_sub(header.levels) else {
            return Err(damaged("the levels of a page"));
        };
        let bytes = self.bytes(self.at + header.length + header.levels, compressed)?;
        let mut inflated = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(header.uncompressed + 1);
        let length = io::copy(&mut inflated, &mut io::sink()).map_err(|_| damaged("a page that is not gzip"))?;
        if length > header.uncompressed { Err(damaged("a page is larger than it says")) } else { Ok(()) }
    }

    /// Counts what a page takes.
    fn hold(&mut self, page: &Page, header: &Header, more: u64) -> Result<()> {
        let is_dictionary = matches!(page, Page::DictionaryPage { .. });
        let length = if is_dictionary { 0 } else { self.longest_row(page, header)? };
        if length > MAX_LENGTH {
            return Err(limit(format!("a row has more than {MAX_LENGTH} values in its lists")));
        }
        let size = header.held().saturating_add(more).saturating_add(length * LIST_ROWS as u64 * VALUE);
        if !self.taken.add(size, is_dictionary) {
            return Err(limit(format!("the pages of a few rows take more than {} MiB", MAX_HELD >> 20)));
        }
        Ok(())
    }

    /// The number of values of the longest row in a page of a column of lists.
    fn longest_row(&mut self, page: &Page, header: &Header) -> Result<u64> {
        if !self.levels[0] {
            return Ok(0);
        }
        let bytes = page.buffer();
        let levels = match page {
            Page::DataPageV2 { rep_levels_byte_len, .. } => bytes.get(..*rep_levels_byte_len as usize),
            Page::DataPage { rep_level_encoding: Encoding::RLE, .. } => {
                levels_length(bytes, [true, false], [Encoding::RLE; 2])
                    .and_then(|end| bytes.get(4..usize::try_from(end).ok()?))
            }
            _ => None,
        };
        let longest = levels.and_then(|levels| longest(levels, self.bits, header.values, self.length));
        let (longest, last) = longest.ok_or_else(|| damaged("the levels of a page"))?;
        self.length = last;
        Ok(longest)
    }

    fn bytes(&self, from: u64, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(from))?;
        file.take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Checks the counts within a page. Returns the size of what is made from it.
    fn check_page(&self, page: &Page, header: &Header) -> Result<u64> {
        let (encoding, levels) = match page {
            Page::DictionaryPage { num_values, .. } => {
                let same = u64::from(*num_values) == header.values;
                let size = header.values.saturating_mul(VALUE);
                return if same { Ok(size) } else { Err(damaged("a dictionary")) };
            }
            Page::DataPage { buf, encoding, def_level_encoding, rep_level_encoding, .. } => {
                let with_length = [*rep_level_encoding, *def_level_encoding];
                (*encoding, levels_length(buf, self.levels, with_length))
            }
            Page::DataPageV2 { encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                (*encoding, Some(u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len)))
            }
        };
        let at = levels.and_then(|levels| usize::try_from(levels).ok());
        let values = || at.and_then(|at| page.buffer().get(at..)).ok_or_else(|| damaged("the levels of a page"));
        match encoding {
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE | Encoding::RLE_DICTIONARY => Ok(0),
            Encoding::DELTA_BINARY_PACKED => Ok(0),
            Encoding::BYTE_STREAM_SPLIT => {
                let bytes = header.values.saturating_mul(self.width);
                if bytes > MAX_PAGE {
                    Err(limit("values of a fixed size take too much memory".to_owned()))
                } else {
                    Ok(bytes)
                }
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                let start = Deltas::start(values()?, header.values).ok_or_else(|| damaged("the lengths of a page"))?;
                Ok(start.count.saturating_mul(4))
            }
            Encoding::DELTA_BYTE_ARRAY => {
                let values = values()?;
                prefixes(values, header.values).ok_or_else(|| damaged("the lengths of a page"))
            }
            _ => Err(limit("it uses an encoding that is not supported".to_owned())),
        }
    }
}

/// The bytes that values take together with what they share with the value before. `None` if they are damaged.
fn prefixes(bytes: &[u8], values: u64) -> Option<u64> {
    let mut prefixes = Deltas::start(bytes, values)?;
    let shared = prefixes.sum()?;
    let suffixes = Deltas::start(bytes.get(prefixes.input.at()..)?, values)?;
    Some(shared.saturating_add(suffixes.count.saturating_mul(8)))
}

/// The length of the levels before the values of a page of the first version; `None` if they are not known.
fn levels_length(bytes: &[u8], levels: [bool; 2], encodings: [Encoding; 2]) -> Option<u64> {
    let mut length = 0_u64;
    for (is_there, encoding) in levels.into_iter().zip(encodings) {
        if !is_there {
            continue;
        }
        if encoding != Encoding::RLE {
            return None;
        }
        let at = usize::try_from(length).ok()?;
        let [a, b, c, d] = *bytes.get(at..)?.first_chunk::<4>()?;
        length = length.checked_add(4 + u64::from(u32::from_le_bytes([a, b, c, d])))?;
    }
    Some(length)
}

/// The number of values of the longest row, and of the last one, from repetition levels in runs, of which 0 begins a
/// row. `length` is that of the row that goes on. `None` if there are fewer than `count` levels.
fn longest(bytes: &[u8], width: usize, count: u64, mut length: u64) -> Option<(u64, u64)> {
    let (mut runs, mut left, mut longest) = (Compact::new(bytes), count, length);
    let mut add = |level: i32, count: u64| {
        length = if level == 0 { 1 } else { length.saturating_add(count) };
        longest = longest.max(length);
    };
    while left > 0 {
        let header = runs.unsigned()?;
        if header & 1 == 0 {
            let run = (header >> 1).min(left);
            let level = runs.take(width.div_ceil(8) as u64)?.iter().any(|byte| *byte > 0);
            if run > 0 {
                add(i32::from(level), run);
            }
            left -= run;
            continue;
        }
        let packed = runs.take((header >> 1).checked_mul(width as u64)?)?;
        let values = (header >> 1).checked_mul(8)?.min(left);
        for index in 0..usize::try_from(values).ok()? {
            add(bits(packed, index * width, width)?, 1);
        }
        left -= values;
    }
    Some((longest, length))
}

/// Integers as differences, packed in bits.
struct Deltas<'a> {
    input: Compact<'a>,
    per_block: usize,
    blocks: usize,
    count: u64,
    first: i32,
}

impl<'a> Deltas<'a> {
    /// Reads the header; `None` if it is damaged, or there are more than `max` integers.
    fn start(bytes: &'a [u8], max: u64) -> Option<Self> {
        let mut input = Compact::new(bytes);
        let size = usize::try_from(input.unsigned()?).ok()?;
        let blocks = usize::try_from(input.unsigned()?).ok()?;
        let count = input.unsigned()?;
        let first = i32::try_from(input.integer()?).ok()?;
        let per_block = size.checked_div(blocks)?;
        let is_usual = (1..=1 << 20).contains(&size) && per_block.is_multiple_of(32) && per_block > 0;
        (is_usual && count <= max).then_some(Self { input, per_block, blocks, count, first })
    }

    /// The sum of the integers that are positive. Moves behind them.
    fn sum(&mut self) -> Option<u64> {
        let Some(mut left) = self.count.checked_sub(1) else { return Some(0) };
        let mut value = self.first;
        let mut sum = u64::try_from(value).unwrap_or(0);
        while left > 0 {
            let least = i32::try_from(self.input.integer()?).ok()?;
            let widths = self.input.take(self.blocks as u64)?;
            for width in widths.iter().map(|width| usize::from(*width)) {
                if left == 0 {
                    break;
                }
                let packed = self.input.take((width * self.per_block / 8) as u64)?;
                for index in 0..self.per_block.min(usize::try_from(left).unwrap_or(usize::MAX)) {
                    value = value.wrapping_add(least).wrapping_add(bits(packed, index * width, width)?);
                    sum = sum.saturating_add(u64::try_from(value).unwrap_or(0));
                    left -= 1;
                }
            }
        }
        Some(sum)
    }
}

/// The integer of `width` bits that begins at a bit.
fn bits(bytes: &[u8], at: usize, width: usize) -> Option<i32> {
    if width == 0 {
        return Some(0);
    }
    if width > 32 {
        return None;
    }
    let mut word = [0_u8; 8];
    let from = bytes.get(at / 8..)?;
    word.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    let value = u64::from_le_bytes(word) >> (at % 8) & (u64::MAX >> (64 - width));
    Some((value as u32).cast_signed())
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while self.left > 0 {
            let header = self.next_header()?;
            let Some(page) = self.inner.get_next_page().map_err(|error| reason(self.codec, error))? else {
                return Ok(None);
            };
            let more = self.check_page(&page, &header)?;
            if more > MAX_PAGE {
                return Err(limit("values of a page take too much memory".to_owned()));
            }
            let is_dictionary = matches!(page, Page::DictionaryPage { .. });
            self.hold(&page, &header, more)?;
            // The `parquet` crate takes a page without values for the last one.
            if is_dictionary || header.values > 0 {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        if self.left > 0 {
            self.header()?;
        }
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.get_next_page().map(drop)
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The start of messages that are shown; those of the `parquet` crate may quote the file.
pub(super) const OWN: &str = "karat: ";

/// An error of a file that contradicts itself.
pub(super) fn damaged(what: &str) -> ParquetError {
    ParquetError::General(format!("{OWN}the file is damaged: {what}"))
}

/// An error of a file that is larger, or other, than what is read.
pub(super) fn limit(what: String) -> ParquetError {
    ParquetError::General(format!("{OWN}{what}"))
}

/// Why a page cannot be decompressed.
fn reason(codec: CompressionCodec, error: ParquetError) -> ParquetError {
    match codec {
        // Both forms of LZ4 have the same number.
        CompressionCodec::LZ4 => {
            limit(format!("a page is damaged, or in the older form of LZ4, which is not read; {WAY_OUT}"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` equal integers.
    fn equal(count: u64, integer: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x01, 4];
        let mut rest = count;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.extend([rest as u8, integer * 2]);
        // Every block has the least difference 0 and four packs of no bits.
        bytes.extend([0; 5].repeat(usize::try_from(count.min(100_000)).unwrap() / 128 + 1));
        bytes
    }

    #[test]
    fn the_sum_of_packed_integers_is_found_without_storing_them() {
        assert_eq!(Deltas::start(&equal(1000, 60), 1000).unwrap().sum(), Some(60_000));
        assert_eq!(Deltas::start(&equal(1, 60), 1000).unwrap().sum(), Some(60));
        assert_eq!(Deltas::start(&equal(0, 60), 1000).unwrap().sum(), Some(0));
        // 7, then differences of 1 to 3 in two bits: 1 + 0, 1 + 1, 1 + 2.
        let packed = [&[0x80, 0x01, 4, 4, 14, 2, 2, 0, 0, 0][..], &[0b10_01_00, 0, 0, 0, 0, 0, 0, 0]].concat();
        let mut deltas = Deltas::start(&packed, 4).unwrap();
        assert_eq!((deltas.sum(), deltas.input.at()), (Some(7 + 8 + 10 + 13), packed.len()));
    }

    #[test]
    fn more_integers_than_values_are_damage() {
        assert!(Deltas::start(&equal(1000, 1), 999).is_none());
        assert!(Deltas::start(&equal(u64::MAX >> 1, 1), 1000).is_none());
        assert!(Deltas::start(&equal(100_000_000, 1), u64::MAX).unwrap().sum().is_none());
    }

    #[test]
    fn shared_prefixes_count_as_often_as_they_are_copied() {
        let bytes = [equal(100, 50), equal(100, 1)].concat();
        let first = equal(100, 50);
        assert_eq!(prefixes(&first, 100), None);
        assert_eq!(prefixes(&bytes, 99), None);
        let (exact, suffixes) = (&bytes[..6 + 5], equal(100, 1));
        assert_eq!(prefixes(&[exact, &suffixes].concat(), 100), Some(100 * 50 + 100 * 8));
    }

    #[test]
    fn the_counts_in_the_header_of_a_page_are_found() {
        // A dictionary page of 20 bytes, 10 compressed, with 3 values.
        let dictionary = [0x15, 4, 0x15, 40, 0x15, 20, 0x4c, 0x15, 6, 0x15, 0, 0, 0];
        let header =
            Header { length: 13, kind: 2, uncompressed: 20, compressed: 10, values: 3, levels: 0, is_compressed: true };
        assert_eq!(Header::parse(&dictionary), Some(header));
        (0..dictionary.len()).for_each(|end| assert_eq!(Header::parse(&dictionary[..end]), None));
        let negative = [0x15, 4, 0x15, 41, 0x15, 20, 0];
        assert_eq!(Header::parse(&negative), None);
    }

    /// A page of the second version of 30 bytes, 20 compressed, with these fields after the first four of its own.
    fn second(fields: &[u8]) -> Vec<u8> {
        let start = [0x15, 6, 0x15, 60, 0x15, 40, 0x5c, 0x15, 2, 0x15, 0, 0x15, 2, 0x15, 0];
        [&start[..], fields, &[0, 0]].concat()
    }

    #[test]
    fn the_levels_of_a_page_and_whether_it_is_compressed_are_found() {
        let found = |fields: &[u8]| Header::parse(&second(fields)).map(|header| (header.levels, header.is_compressed));
        assert_eq!(found(&[0x15, 8, 0x15, 4]), Some((6, true)));
        assert_eq!(found(&[0x15, 8, 0x15, 4, 0x11]), Some((6, true)));
        assert_eq!(found(&[0x15, 8, 0x15, 4, 0x12]), Some((6, false)));
        // A length that is there twice would be added up here and replaced there.
        assert_eq!(found(&[0x15, 8, 0x05, 10, 4, 0x15, 4]), None);
        assert_eq!(found(&[0x15, 8, 0x15, 4, 0x12, 0x01, 14]), None);
    }

    #[test]
    fn a_page_takes_the_larger_one_of_its_sizes() {
        let header = Header::parse(&second(&[])).unwrap();
        assert_eq!(header.held(), 30);
        assert_eq!(Header { uncompressed: 1, ..header }.held(), 20);
    }

    #[test]
    fn the_longest_row_is_found_from_its_levels() {
        // A row of 1, three rows of 1, five more values of the last one, then 0 1 1 0 1 1 1 1 packed.
        let levels = [2, 0, 6, 0, 10, 1, 3, 0b1111_0110];
        assert_eq!(longest(&levels, 1, 17, 0), Some((6, 5)));
        assert_eq!(longest(&levels, 1, 12, 0), Some((6, 3)));
        // Values at the start of a page belong to the row before.
        assert_eq!(longest(&[200, 1, 1], 1, 100, 7), Some((107, 107)));
        assert_eq!(longest(&levels, 1, 18, 0), None);
        assert_eq!(longest(&[0, 0, 0, 0], 1, 1, 0), None);
        assert_eq!(
            longest(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], 1, 1 << 31, 0),
            Some((1 << 31, 1 << 31))
        );
    }

    #[test]
    fn levels_are_as_long_as_they_say() {
        let bytes = [2, 0, 0, 0, 9, 9, 1, 0, 0, 0, 9, 5];
        assert_eq!(levels_length(&bytes, [true, true], [Encoding::RLE; 2]), Some(11));
        assert_eq!(levels_length(&bytes, [false, true], [Encoding::RLE; 2]), Some(6));
        assert_eq!(levels_length(&bytes, [true, true], [Encoding::PLAIN; 2]), None);
        assert_eq!(levels_length(&bytes[..8], [true, true], [Encoding::RLE; 2]), None);
    }
}
