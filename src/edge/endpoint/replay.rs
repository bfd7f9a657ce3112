//! An endpoint that answers from a cassette, so that a run can be repeated without sending anything.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::cassette::{CassetteEntry, CassetteHeader, FORMAT};
use crate::core::domain::{CallError, CallErrorKind, Endpoint, EndpointFuture, Failure, Request, RequestKey, Response};

/// The maximum length of a line in bytes, so that a file without line breaks cannot fill the memory.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// The place of an entry in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: RequestKey,
    offset: u64,
    length: usize,
}

/// Answers requests with the answers of a recorded run. Only an index of the cassette is in memory; entries are read
/// when needed.
pub struct Replay {
    name: String,
    fingerprint: String,
    path: PathBuf,
    file: Mutex<File>,
    by_example: HashMap<(String, u32), Place>,
    by_key: HashMap<RequestKey, Place>,
}

impl Replay {
    /// Opens a cassette and checks every line. The endpoint's fingerprint is the content hash of the file, under the
    /// label `cassette`.
    ///
    /// # Errors
    /// A data failure that names the file, and the line if one is invalid.
    pub fn open(name: String, path: &Path) -> Result<Self, Failure> {
        let fail = |error: io::Error| unreadable(path, error);
        let mut lines = Lines::new(File::open(path).map_err(fail)?);
        match lines.next(path)? {
            Some(_) => check_header(path, &lines.line)?,
            None => return Err(Failure::data(format!("the cassette {} is empty", path.display())).hint(RECORD_AGAIN)),
        };
        let (mut by_example, mut by_key) = (HashMap::new(), HashMap::new());
        while let Some(offset) = lines.next(path)? {
            if lines.line.trim_ascii().is_empty() {
                continue;
            }
            let Checked { id, trial, is_later_turn, key, .. } =
                checked(&lines.line).map_err(|what| lines.fault(path, &what))?;
            let place = Place { key, offset, length: lines.line.len() };
            if !is_later_turn && by_example.contains_key(&(id.clone(), trial)) {
                return Err(lines.fault(path, &format!("example {id}, trial {trial} appears twice")));
            }
            if !is_later_turn {
                by_example.insert((id, trial), place);
            }
            by_key.entry(key).or_insert(place);
        }
        let fingerprint = lines.hasher.finalize().to_hex().to_string();
        let file = Mutex::new(lines.reader.into_inner());
        Ok(Self { name, fingerprint, path: path.to_owned(), file, by_example, by_key })
    }

    /// The number of recorded outcomes.
    pub fn entries(&self) -> usize {
        self.by_example.len()
    }

    fn answer(&self, request: &Request) -> Result<Response, CallError> {
        let key = request.key;
        let (id, trial) = (&request.example_id, request.trial);
        let own = self.by_example.get(&(id.clone(), trial));
        let place = own.filter(|place| place.key == key).or_else(|| self.by_key.get(&key));
        if let Some(place) = place {
            let entry = self.read(place).ok_or_else(|| {
                let message = format!("the cassette {} has changed since it was opened", self.path.display());
                CallError::new(CallErrorKind::Internal, message)
            })?;
            return entry;
        }
        let file = self.path.display();
        let message = match own {
            None => format!("the cassette {file} has no answer for example {id}, trial {trial}; record it again"),
            Some(_) => format!(
                "the cassette {file} has no answer for example {id}, trial {trial}: the request for example {id} is \
                 not the recorded one, because the prompt or the input has changed; record it again"
            ),
        };
        Err(CallError::new(CallErrorKind::Refused, message))
    }

    /// Reads the entry at `place`; `None` if the file has changed.
    fn read(&self, place: &Place) -> Option<Result<Response, CallError>> {
        let mut line = vec![0; place.length];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(place.offset)).ok()?;
            file.read_exact(&mut line).ok()?;
        }
        checked(&line).ok().filter(|entry| entry.key == place.key).map(|entry| entry.result)
    }
}

impl Endpoint for Replay {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn is_cacheable(&self) -> bool {
        false
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(async move { self.answer(request) })
    }
}

const RECORD_AGAIN: &str = "record the cassette again, or restore it";

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let failure = if error.kind() == io::ErrorKind::NotFound {
        Failure::data(format!("there is no cassette {}", path.display())).hint("check the path, or record one first")
    } else {
        Failure::data(format!("cannot read the cassette {}", path.display())).hint("check the path and its permissions")
    };
    failure.caused_by(error)
}

fn check_header(path: &Path, line: &[u8]) -> Result<(), Failure> {
    let fault = |what: String| Failure::data(format!("{}, line 1: {what}", path.display())).hint(RECORD_AGAIN);
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    match value.get("cassette").and_then(Value::as_str) {
        Some(FORMAT) => serde_json::from_value::<CassetteHeader>(value)
            .map(drop)
            .map_err(|error| fault(format!("the header is invalid: {error}"))),
        Some(other) => Err(fault(format!("the cassette has the format \"{other}\", but this karat reads {FORMAT}"))),
        None => Err(fault(format!("this is not a cassette: its first line does not name the format ({FORMAT})"))),
    }
}

/// A valid entry.
struct Checked {
    id: String,
    trial: u32,
    /// Whether it is a later turn of a conversation, which is only found by its request.
    is_later_turn: bool,
    key: RequestKey,
    result: Result<Response, CallError>,
}

fn checked(line: &[u8]) -> Result<Checked, String> {
    let entry: CassetteEntry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let key = entry.key().ok_or("request is not 32 hex digits")?;
    let is_later_turn = entry.turn.is_some();
    Ok(Checked { id: entry.id.clone(), trial: entry.trial, is_later_turn, key, result: entry.into_result()? })
}

/// Reads and hashes a file line by line.
struct Lines {
    reader: BufReader<File>,
    hasher: blake3::Hasher,
    line: Vec<u8>,
    number: usize,
    offset: u64,
}

impl Lines {
    fn new(file: File) -> Self {
        let mut hasher = blake3::Hasher::new();
        // The same hash as content_hash, which needs the whole content in memory.
        hasher.update(b"cassette\0");
        Self { reader: BufReader::with_capacity(1 << 16, file), hasher, line: Vec::new(), number: 0, offset: 0 }
    }

    /// Reads the next line and returns its offset; `None` at the end of the file.
    fn next(&mut self, path: &Path) -> Result<Option<u64>, Failure> {
        self.line.clear();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| unreadable(path, error))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read > MAX_LINE {
            return Err(self.fault(path, &format!("the line is longer than {} MiB", MAX_LINE / (1024 * 1024))));
        }
        self.hasher.update(&self.line);
        let start = self.offset;
        self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(Some(start))
    }

    fn fault(&self, path: &Path, what: &str) -> Failure {
        Failure::data(format!("{}, line {}: {what}", path.display(), self.number)).hint(RECORD_AGAIN)
    }
}

#[cfg(test)]
#[path = "tests/replay.rs"]
mod tests;
