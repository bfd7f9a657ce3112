//! Opens an input: decompresses it and finds out what kind of file it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::expand::{Input, extension};
use crate::core::domain::Failure;

/// How much is read to find out what kind of file it is, in bytes.
const BEGINNING: usize = 1 << 20;

/// An opened input.
pub struct Opened {
    /// What it contains.
    pub content: Content,
    /// The first bytes after decompression, at most 1 MiB; empty for Parquet.
    pub beginning: Vec<u8>,
}

/// The kind of a file, and where to read it.
pub enum Content {
    /// One JSON object per line.
    Lines(Box<dyn BufRead + Send>),
    /// JSON documents.
    Document(Box<dyn BufRead + Send>),
    /// Comma-separated values with a header.
    Csv(Box<dyn BufRead + Send>),
    /// Parquet.
    Parquet(File),
}

/// Opens an input. Files compressed with gzip or zstd are recognized by their content. The kind follows from the extension,
/// or else from the content. `read` counts the bytes read from the file itself.
///
/// # Errors
/// A data failure if it cannot be read, or its kind cannot be told.
pub fn open(input: &Input, read: &Arc<AtomicU64>) -> Result<Opened, Failure> {
    let cannot_read = |error: io::Error| {
        Failure::data(format!("cannot read {input}")).hint("check the path and its permissions").caused_by(error)
    };
    let (raw, name): (Box<dyn Read + Send>, Option<String>) = match input {
        Input::Stdin => (Box::new(io::stdin()), None),
        Input::File(path) => (Box::new(File::open(path).map_err(cannot_read)?), extension(path)),
    };
    let counted = BufReader::with_capacity(1 << 16, Counted { raw, read: Arc::clone(read) });
    let mut reader = decompressed(counted).map_err(cannot_read)?;
    let mut beginning = Vec::new();
    reader.by_ref().take(BEGINNING as u64).read_to_end(&mut beginning).map_err(cannot_read)?;
    let kind = kind(name.as_deref(), &beginning).ok_or_else(|| unknown(input))?;
    let whole = Cursor::new(beginning.clone()).chain(reader);
    let content = match kind {
        Kind::Lines => Content::Lines(Box::new(whole)),
        Kind::Document => Content::Document(Box::new(whole)),
        Kind::Csv => Content::Csv(Box::new(whole)),
        Kind::Parquet => {
            beginning.clear();
            Content::Parquet(seekable(input, whole).map_err(cannot_read)?)
        }
    };
    Ok(Opened { content, beginning })
}

fn unknown(input: &Input) -> Failure {
    Failure::data(format!("{input} is neither JSON, CSV nor Parquet"))
        .hint("name it .jsonl, .json, .csv or .parquet, followed by .gz or .zst if it is compressed")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Document,
    Csv,
    Parquet,
}

fn kind(extension: Option<&str>, beginning: &[u8]) -> Option<Kind> {
    if beginning.starts_with(b"PAR1") {
        return Some(Kind::Parquet);
    }
    match extension {
        Some("jsonl" | "ndjson") => return Some(Kind::Lines),
        Some("csv") => return Some(Kind::Csv),
        _ => {}
    }
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        Some(b'[') => Some(Kind::Document),
        // Lines can be read one by one, and a broken one is not the end.
        Some(b'{') if is_line(text) => Some(Kind::Lines),
        Some(b'{') => Some(Kind::Document),
        None => Some(Kind::Lines),
        Some(_) if extension == Some("json") => Some(Kind::Lines),
        Some(_) if text.split(|byte| *byte == b'\n').next()?.contains(&b',') => Some(Kind::Csv),
        Some(_) => None,
    }
}

/// Whether the first line is a whole object.
fn is_line(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| *byte == b'\n');
    let line = match end {
        Some(end) => text.get(..end).unwrap_or_default(),
        // A single line without an end may go on behind the beginning.
        None if text.len() < BEGINNING / 2 => text,
        None => return false,
    };
    serde_json::from_slice::<Value>(line).is_ok_and(|value| value.is_object())
}

fn decompressed(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    // A pipe may deliver its first bytes one at a time; compressed files begin with two to four fixed ones.
    let mut magic = [0_u8; 4];
    let count = fill(&mut reader, &mut magic)?;
    let magic = magic.get(..count).unwrap_or_default().to_vec();
    let is_gzip = magic.starts_with(b"\x1f\x8b");
    let is_zstd = magic == b"\x28\xb5\x2f\xfd";
    let whole = Cursor::new(magic).chain(reader);
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(1 << 16, zstd::stream::read::Decoder::with_buffer(whole)?))
    } else {
        Box::new(whole)
    })
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// A file in which Parquet's reader can move about: the input itself, or a temporary copy.
fn seekable(input: &Input, mut content: impl Read) -> io::Result<File> {
    if let Input::File(path) = input
        && begins_with_magic(path)?
    {
        return File::open(path);
    }
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut content, &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

fn begins_with_magic(path: &Path) -> io::Result<bool> {
    let mut magic = [0_u8; 4];
    let count = fill(&mut File::open(path)?, &mut magic)?;
    Ok(count == magic.len() && magic == *b"PAR1")
}

struct Counted<R> {
    raw: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn opened(name: &str, content: &[u8]) -> Result<(Kind, String), Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let read = Arc::new(AtomicU64::new(0));
        let opened = open(&Input::File(path), &read)?;
        let mut text = String::new();
        let kind = match opened.content {
            Content::Lines(mut reader) => (Kind::Lines, reader.read_to_string(&mut text)).0,
            Content::Document(mut reader) => (Kind::Document, reader.read_to_string(&mut text)).0,
            Content::Csv(mut reader) => (Kind::Csv, reader.read_to_string(&mut text)).0,
            Content::Parquet(mut file) => (Kind::Parquet, file.read_to_string(&mut text)).0,
        };
        assert_eq!(read.load(Ordering::Relaxed), content.len() as u64);
        Ok((kind, text))
    }

    #[test]
    fn the_kind_of_a_file_follows_from_its_name_or_its_content() {
        let line = "{\"a\":1}\n{\"a\":2}\n";
        let two = [gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n")].concat();
        let cases: [(&str, &[u8], Kind, &str); 12] = [
            ("a.jsonl", b"broken\n", Kind::Lines, "broken\n"),
            ("a.json", line.as_bytes(), Kind::Lines, line),
            ("a.json", b"[{\"a\":1}]", Kind::Document, "[{\"a\":1}]"),
            ("a.json", b"\xef\xbb\xbf {\n\"a\":1}", Kind::Document, "\u{feff} {\n\"a\":1}"),
            ("a.json", b"{\"a\":1}", Kind::Lines, "{\"a\":1}"),
            ("a.csv", b"a\n1\n", Kind::Csv, "a\n1\n"),
            ("a", b"a,b\n1,2\n", Kind::Csv, "a,b\n1,2\n"),
            ("a", line.as_bytes(), Kind::Lines, line),
            ("a.jsonl.gz", &two, Kind::Lines, line),
            ("a.gz", &gzip(b"a,b\n"), Kind::Csv, "a,b\n"),
            ("a.json.zst", &zstd::encode_all(line.as_bytes(), 1).unwrap(), Kind::Lines, line),
            ("a.bin", b"PAR1", Kind::Parquet, "PAR1"),
        ];
        for (name, content, kind, text) in cases {
            assert_eq!(opened(name, content).unwrap(), (kind, text.to_owned()), "{name}");
        }
        assert_eq!(opened("a.jsonl", b"").unwrap().0, Kind::Lines);
        assert!(opened("a.txt", b"one word").unwrap_err().message.contains("neither JSON, CSV nor Parquet"));
    }

    #[test]
    fn a_long_single_line_is_read_as_a_document() {
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(BEGINNING));
        assert_eq!(opened("a.json", long.as_bytes()).unwrap().0, Kind::Document);
    }
}
