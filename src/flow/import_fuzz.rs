//! Every reader of files of other tools, on broken files: none may panic, hang, or fill the memory.
//!
//! A case is a file of the repository's fixtures with a few changes, which shrink to the fewest that still fail. By default each reader gets
//! some dozens of them; `KARAT_FUZZ_SECONDS` makes it that many seconds, `KARAT_FUZZ` names the only reader, and `KARAT_FUZZ_SEED` changes the
//! cases.

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use super::import_suites::{SuiteImportOptions, import_suites};
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::Redactor;
use crate::edge::input::{expand, open};
use crate::edge::interop::suites::{FORMATS as SUITES, SuiteFormat};
use crate::edge::traffic::{
    FORMATS as TRAFFIC, FileCounts, ReadOptions, Rows, Spans, Staging, TrafficFormat, TrafficReader, recognized,
};

/// Cases of each reader by default.
const CASES: u32 = 40;

/// The longest that a file may take. The largest are some hundred kilobytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most memory that the process may have used, in kilobytes.
const MEMORY: u64 = 2_000_000;

/// Largest size of a broken file.
const LARGEST: usize = 1 << 19;

/// What is inserted where bytes of JSON, YAML and CSV may be.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\"\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "-9223372036854775809",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\r\n",
    "{{ x }}",
    "{% for i in range(9) %}",
    "&a [*a]",
    "<<: *a",
    "!!binary",
    "file://../../x",
    "- {type: not-regex, value: '(?<=a)b'}",
];

/// A change of a file: what is done, where, over how many bytes, and with what.
type Change = (u8, u32, u16, u32);

enum Reader {
    Traffic(&'static dyn TrafficFormat),
    Suites(&'static dyn SuiteFormat),
}

impl Reader {
    fn name(&self) -> String {
        match self {
            Self::Traffic(format) => format!("traffic/{}", format.name()),
            Self::Suites(format) => format!("import/{}", format.name()),
        }
    }

    fn read(&self, path: &Path) {
        match self {
            Self::Traffic(format) => read_traffic(*format, path),
            Self::Suites(format) => {
                let root = path.with_file_name("no workspace");
                let options = SuiteImportOptions { root, max_bad: 1.0, dry_run: true, ..SuiteImportOptions::default() };
                let _ = import_suites(*format, path, &options, &|_| {});
            }
        }
    }
}

fn read_traffic(format: &dyn TrafficFormat, path: &Path) {
    let redactor = Redactor::new().unwrap();
    let staging = Staging::new(Spans::Root, 1.0).unwrap();
    let mut counts = [FileCounts::default()];
    let Ok(inputs) = expand(&[path.to_owned()]) else { return };
    let Some(input) = inputs.first() else { return };
    if let Ok(opened) = open(input, &Arc::default()) {
        let _ = recognized(&opened);
    }
    let Ok(opened) = open(input, &Arc::default()) else { return };
    let options = ReadOptions::default();
    let reader = TrafficReader::new(format, &options, &redactor, UserKey::new([1; 32]));
    let _ = reader.read(input, opened, &mut |rows| staging.add(0, rows, &mut counts[0]));
    staging.records(Some(&mut counts), &|_| "no time".to_owned(), &mut |_, _| Ok(())).unwrap();
    staging.records(None, &|_| String::new(), &mut |_, _| Ok(())).unwrap();
}

/// A file that is changed, and the folder it comes from if others belong to it.
struct Seed {
    file: PathBuf,
    folder: Option<PathBuf>,
    content: Vec<u8>,
}

/// The fixtures of a reader: files `NAME-*`, and all files in folders of that name.
fn seeds(name: &str) -> Vec<Seed> {
    let (kind, format) = name.split_once('/').unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut entries: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let of_format = |path: &&PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        file.starts_with(&format!("{format}-")) || file.starts_with("parquet-")
    };
    let mut seeds = Vec::new();
    for entry in entries.iter().filter(of_format) {
        if entry.is_dir() {
            let mut files = Vec::new();
            files_in(entry, &mut files);
            let seed = |file: PathBuf| Seed { content: fs::read(&file).unwrap(), folder: Some(entry.clone()), file };
            seeds.extend(files.into_iter().map(seed));
        } else {
            seeds.push(Seed { content: fs::read(entry).unwrap(), folder: None, file: entry.clone() });
        }
    }
    if format == "rows" {
        let rows = b"{\"id\": \"1\", \"text\": \"where is it\", \"ts\": \"2026-09-01\", \"p\": 0.5}\n{\"messages\": [], \"ts\": 1}\n";
        seeds.push(Seed { file: root.join("rows-a.jsonl"), folder: None, content: rows.to_vec() });
        let csv = b"id,text,ts\n1,\"where, \"\"is\"\" it\",2026-09-01\n2,b,soon\n";
        seeds.push(Seed { file: root.join("rows-a.csv"), folder: None, content: csv.to_vec() });
    }
    seeds
}

fn files_in(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() { files_in(&entry, files) } else { files.push(entry) }
    }
}

fn changed(seed: &Seed, others: &[Seed], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.content.clone();
    for change in changes {
        apply(&mut bytes, others, *change);
        bytes.truncate(LARGEST);
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, others: &[Seed], (what, at, over, with): Change) {
    let at = at as usize % (bytes.len() + 1);
    let end = (at + usize::from(over)).min(bytes.len());
    match what % 12 {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend_from_within(at..end),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => bytes[at..end.min(at + 4)].iter_mut().for_each(|byte| *byte ^= 1 << (with % 8)),
        5 => bytes[at..end.min(at + 8)].copy_from_slice(
            &u64::from(with).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..end.min(at + 8) - at],
        ),
        6 => drop(bytes.splice(at..at, TOKENS[with as usize % TOKENS.len()].bytes())),
        7 => drop(bytes.splice(at..at, TOKENS[with as usize % 4].repeat(usize::from(over)).into_bytes())),
        8 if !others.is_empty() => {
            let other = &others[with as usize % others.len()].content;
            let from = over as usize % (other.len() + 1);
            bytes.splice(at.., other[from..].iter().copied());
        }
        9 => drop(bytes.splice(at..end, [with as u8])),
        10 => change_json(bytes, at, with),
        _ => change_json(bytes, at, with.rotate_left(7)),
    }
}

/// Replaces a value of a line, or of the document, by another kind of value.
fn change_json(bytes: &mut Vec<u8>, at: usize, with: u32) {
    let (start, end) = if serde_json::from_slice::<Value>(bytes).is_ok() {
        (0, bytes.len())
    } else {
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
        (start, bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| at + found))
    };
    let Ok(mut document) = serde_json::from_slice::<Value>(&bytes[start..end]) else { return };
    let mut left = with as usize % count(&document).max(1);
    replace(&mut document, &mut left, with);
    bytes.splice(start..end, document.to_string().into_bytes());
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::String(text) => serde_json::from_str::<Value>(text).map_or(0, |inner| count(&inner)),
        _ => 0,
    }
}

/// Replaces the value with the number `left`, counted from the outermost, also within JSON in text.
fn replace(value: &mut Value, left: &mut usize, with: u32) -> bool {
    if *left == 0 {
        *value = odd(std::mem::take(value), with);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Value::Object(fields) => fields.values_mut().any(|item| replace(item, left, with)),
        Value::String(text) => serde_json::from_str::<Value>(text).is_ok_and(|mut inner| {
            let done = replace(&mut inner, left, with);
            *text = inner.to_string();
            done
        }),
        _ => false,
    }
}

fn odd(value: Value, with: u32) -> Value {
    let deep = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    match with % 16 {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(""),
        4 => json!(-1),
        5 => json!(1e300),
        6 => json!(u64::MAX),
        7 => json!([value]),
        8 => json!({"content": value}),
        9 => json!({"role": "assistant", "content": [{"type": "text", "text": value}]}),
        10 => Value::String(value.to_string()),
        11 => deep(100),
        12 => json!("\u{0}\u{202e}💥".repeat(50)),
        13 => json!(true),
        14 => json!([value.clone(), value.clone(), value]),
        _ => Value::Object((0..30).map(|n| (n.to_string(), value.clone())).collect::<Map<_, _>>()),
    }
}

/// Compresses a file, or packs it, in some of the cases.
fn packed(content: Vec<u8>, name: &str, how: u8) -> (Vec<u8>, String) {
    match how % 8 {
        0 => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(&content).unwrap();
            (packer.finish().unwrap(), format!("{name}.gz"))
        }
        1 => (zstd::encode_all(content.as_slice(), 1).unwrap(), format!("{name}.zst")),
        _ => (content, name.to_owned()),
    }
}

/// Reads one broken file.
fn check(
    reader: &Reader,
    seeds: &[Seed],
    (which, how, changes): &(usize, u8, Vec<Change>),
) -> Result<(), TestCaseError> {
    let seed = &seeds[which % seeds.len()];
    let content = changed(seed, seeds, changes);
    let place = tempfile::tempdir().unwrap();
    let path = match &seed.folder {
        None => {
            let (content, name) = packed(content, seed.file.file_name().unwrap().to_str().unwrap(), *how);
            let path = place.path().join(name);
            fs::write(&path, content).unwrap();
            path
        }
        Some(folder) => {
            let mut files = Vec::new();
            files_in(folder, &mut files);
            for file in files {
                let target = place.path().join("in").join(file.strip_prefix(folder).unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                let content = if file == seed.file { content.clone() } else { fs::read(&file).unwrap() };
                fs::write(target, content).unwrap();
            }
            place.path().join("in")
        }
    };
    let started = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| reader.read(&path)));
    let file = seed.file.display();
    prop_assert!(done.is_ok(), "a panic: {} on {file} after {changes:?}", reader.name());
    prop_assert!(started.elapsed() < PATIENCE, "{} took {:?} for {file}", reader.name(), started.elapsed());
    prop_assert!(memory() < MEMORY, "{} used {} kB for {file}", reader.name(), memory());
    Ok(())
}

/// The most memory that this process has used, in kilobytes; 0 where the system does not tell.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn no_reader_panics_hangs_or_fills_the_memory_on_broken_files() {
    static ROWS: std::sync::LazyLock<Rows> = std::sync::LazyLock::new(Rows::default);
    let rows: &'static dyn TrafficFormat = &*ROWS;
    let only = variable("KARAT_FUZZ");
    let seconds = variable("KARAT_FUZZ_SECONDS").map(|text| text.parse().unwrap());
    let seed: u64 = variable("KARAT_FUZZ_SEED").map_or(1, |text| text.parse().unwrap());
    let traffic = TRAFFIC.iter().copied().chain([rows]).map(Reader::Traffic);
    let readers: Vec<Reader> = traffic.chain(SUITES.iter().copied().map(Reader::Suites)).collect();
    let chosen = |reader: &&Reader| only.as_ref().is_none_or(|only| *only == reader.name());
    let readers: Vec<&Reader> = readers.iter().filter(chosen).collect();
    assert!(!readers.is_empty(), "there is no such reader");
    // Threads of their own: one of rayon that waits for rows would take another reader's files meanwhile, and seem to hang.
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(reader) = readers.get(next.fetch_add(1, Ordering::Relaxed)) {
            fuzz(reader, seed, seconds);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// Gives a reader broken files for this many seconds, or else some.
fn fuzz(reader: &Reader, seed: u64, seconds: Option<u64>) {
    let seeds = seeds(&reader.name());
    assert!(!seeds.is_empty(), "{} has no fixtures", reader.name());
    let change = (any::<u8>(), any::<u32>(), 0..600_u16, any::<u32>());
    let cases = (0..seeds.len(), any::<u8>(), prop::collection::vec(change, 1..8));
    let (started, mut total, mut round) = (Instant::now(), 0, 0);
    loop {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            rng_algorithm: RngAlgorithm::ChaCha,
            rng_seed: RngSeed::Fixed(seed.wrapping_add(round)),
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&cases, |case| check(reader, &seeds, &case));
        assert!(result.is_ok(), "{}: {}", reader.name(), result.unwrap_err());
        (total, round) = (total + CASES, round + 1);
        if seconds.is_none_or(|seconds| started.elapsed() >= Duration::from_secs(seconds)) {
            break;
        }
    }
    if seconds.is_some() {
        println!("{}: {total} files in {:?}, peak {} MB", reader.name(), started.elapsed(), memory() / 1000);
    }
}
