//! Logs that are ZIP archives. Entries are unpacked one at a time and never written; their names are compared, and not
//! used as paths.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};
use zip::{CompressionMethod, ZipArchive};

use super::super::records::{self, open};
use super::HEADER;
use crate::core::domain::Failure;

/// Maximum size of an entry when unpacked, in bytes.
const MAX_ENTRY: u64 = 2 << 30;

/// Maximum size of all entries when unpacked, in bytes.
const MAX_UNPACKED: u64 = 64 << 30;

/// The most pieces of attachments that are unpacked for a sample.
const MAX_PIECES: usize = 100;

/// How a text refers to an attachment.
pub(super) const ATTACHMENT: &str = "attachment://";

/// A log in an archive.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    left: u64,
}

/// Where a sample is in an archive.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    epoch: u64,
    /// The id, with zeros before a number so that numbers are in their order.
    id: String,
    /// The name of its entry.
    pub(super) name: String,
    /// The folder of its parts, if it is stored in chunks.
    folder: Option<String>,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// A data failure if it is not a whole archive.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| {
            Failure::data(format!("{}: is not a complete ZIP archive, as a finished log is", path.display()))
                .hint("a log of a run that was killed may be cut off; `inspect log recover` restores it")
                .caused_by(error)
        };
        Ok(Self { zip: ZipArchive::new(open(path)?).map_err(failed)?, left: MAX_UNPACKED })
    }

    /// The parts of the log before its samples; whether the run finished.
    ///
    /// # Errors
    /// A data failure if there is none that can be read.
    pub(super) fn header(&mut self, path: &Path) -> Result<(Map<String, Value>, bool), Failure> {
        let mut problem = None;
        // A log without a header is of a run that did not finish.
        for name in ["header.json", "_journal/start.json"] {
            match self.fields(name, &HEADER) {
                Ok(fields) if fields.get("eval").is_some_and(Value::is_object) => {
                    return Ok((fields, name == "header.json"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => problem = problem.or(Some((name, error))),
            }
        }
        let failure = |what: &str| Failure::data(format!("{}: {what}", path.display()));
        Err(match problem {
            Some((name, error)) => failure(&format!("its {name} cannot be read")).caused_by(error),
            None => failure("contains neither header.json nor _journal/start.json with the settings of a run"),
        })
    }

    /// The samples, in the order in which inspect_ai lists them.
    pub(super) fn samples(&self) -> BTreeSet<Place> {
        let name = |index| self.zip.name_for_index(index)?.ok();
        (0..self.zip.len()).filter_map(|index| place(&name(index)?)).collect()
    }

    /// The wanted fields of a sample.
    ///
    /// # Errors
    /// If it cannot be unpacked or is not JSON.
    pub(super) fn sample(&mut self, place: &Place, wanted: &[&str]) -> io::Result<Map<String, Value>> {
        let mut fields = self.fields(&place.name, wanted)?;
        let Some(folder) = &place.folder else { return Ok(fields) };
        match self.unpack(&format!("{folder}/metadata.json"), |reader| records::value(reader)) {
            Ok(metadata) => drop(fields.insert("metadata".to_owned(), metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut indices = BTreeSet::new();
        if let Some(input) = fields.get("input") {
            referred(input, &mut indices);
        }
        let attachments = self.attachments(folder, indices)?;
        fields.insert("attachments".to_owned(), Value::Object(attachments));
        Ok(fields)
    }

    /// The attachments with these numbers. Each piece begins with the number in its name.
    fn attachments(&mut self, folder: &str, mut wanted: BTreeSet<u64>) -> io::Result<Map<String, Value>> {
        let mut found = Map::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let inside = format!("{folder}/attachments/");
        let start = |name: &str| name.strip_prefix(&inside)?.strip_suffix(".json")?.parse::<u64>().ok();
        let starts: BTreeSet<u64> = self.zip.file_names().filter_map(|name| start(&name.ok()?)).collect();
        for _ in 0..MAX_PIECES {
            let Some(first) = wanted.first().copied() else { break };
            let Some(at) = starts.range(..=first).next_back() else { break };
            let piece = self.unpack(&format!("{inside}{at}.json"), |reader| records::value(reader))?;
            let texts = piece.as_array().map(Vec::as_slice).unwrap_or_default();
            for (number, text) in (*at..).zip(texts) {
                if wanted.remove(&number) {
                    found.insert(number.to_string(), text.clone());
                }
            }
            wanted.remove(&first);
        }
        Ok(found)
    }

    fn fields(&mut self, name: &str, wanted: &[&str]) -> io::Result<Map<String, Value>> {
        self.unpack(name, |reader| records::header(reader, wanted))
    }

    /// Reads an entry, which may be stored, deflated, or compressed with zstd, as inspect_ai does today.
    fn unpack<T>(&mut self, name: &str, read: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        let index = self.zip.index_for_name(name).ok_or(io::ErrorKind::NotFound)?;
        let raw = self.zip.by_index_raw(index)?;
        let by_zstd = raw.compression() == CompressionMethod::ZSTD && !raw.encrypted();
        drop(raw);
        let unpacked: Box<dyn Read + '_> = match by_zstd {
            true => Box::new(zstd::stream::read::Decoder::new(self.zip.by_index_raw(index)?)?),
            false => Box::new(self.zip.by_index(index)?),
        };
        let limit = MAX_ENTRY.min(self.left);
        let mut bounded = unpacked.take(limit);
        let result = read(&mut bounded);
        let rest = bounded.limit();
        drop(bounded);
        self.left = self.left.saturating_sub(limit - rest);
        match result {
            Err(_) if rest == 0 => Err(io::Error::other("it is larger than 2 GiB when unpacked")),
            other => other,
        }
    }
}

/// The numbers of the attachments that a value refers to.
fn referred(value: &Value, numbers: &mut BTreeSet<u64>) {
    match value {
        Value::String(text) => {
            numbers.extend(text.strip_prefix(ATTACHMENT).and_then(|number| number.parse::<u64>().ok()))
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, numbers)),
        Value::Object(fields) => fields.values().for_each(|field| referred(field, numbers)),
        _ => {}
    }
}

/// The sample that an entry is: `samples/ID_epoch_N.json`, or in chunks `samples/ID_epoch_N/sample.json`.
fn place(name: &str) -> Option<Place> {
    let (id, end) = name.strip_prefix("samples/")?.rsplit_once("_epoch_")?;
    let (epoch, chunked) = match end.strip_suffix("/sample.json") {
        Some(epoch) => (epoch, true),
        None => (end.strip_suffix(".json")?, false),
    };
    let folder = chunked.then(|| name.strip_suffix("/sample.json")).flatten().map(str::to_owned);
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let id = if is_number { format!("{id:0>20}") } else { id.to_owned() };
    Some(Place { epoch: epoch.parse().ok()?, id, name: name.to_owned(), folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_whole_and_in_chunks_and_their_parts_are_not_samples() {
        let names = [
            "samples/b/c_epoch_1.json",
            "samples/10_epoch_1.json",
            "samples/9_epoch_2/sample.json",
            "samples/9_epoch_1.json",
            "samples/9_epoch_2/events/0.json",
            "samples/9_epoch_2/metadata.json",
            "samples/notes.json",
            "header.json",
        ];
        let places: BTreeSet<Place> = names.iter().filter_map(|name| place(name)).collect();
        let order: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        assert_eq!(order, [names[3], names[1], names[0], names[2]]);
        assert_eq!(places.last().unwrap().folder.as_deref(), Some("samples/9_epoch_2"));
    }
}
