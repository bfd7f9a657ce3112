//! inspect_ai: logs (`.eval` archives and JSON) and datasets (JSON, JSON Lines, CSV).

mod archive;
mod log;
mod messages;
mod scorers;
mod solvers;

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value, json};

use self::archive::Archive;
use self::log::Log;
use self::messages::{chat, resolved};
use super::draft::{Dataset, Draft, MAX_CHOICES, Seen, is_absent, is_chat, letter, take, text_of};
use super::records::{self, Elements, beginning, header, open, text, unreadable};
use super::{Sink, SuiteFormat};
use crate::core::domain::Failure;
use crate::core::tabular::Row;

/// Logs and datasets of inspect_ai.
pub struct Inspect;

/// The parts of a log before its samples that are read.
const HEADER: [&str; 5] = ["version", "status", "eval", "plan", "results"];

/// The fields of a logged sample that are read. Messages, events and the model's output are skipped.
const SAMPLE: [&str; 11] = [
    "id",
    "epoch",
    "input",
    "choices",
    "target",
    "description",
    "metadata",
    "files",
    "sandbox",
    "setup",
    "attachments",
];

/// Why a sandbox is not carried over.
const NO_SANDBOX: &str = "karat starts no sandbox; an agent with one runs behind an exec or http endpoint";

impl SuiteFormat for Inspect {
    fn name(&self) -> &'static str {
        "inspect"
    }

    fn reads(&self) -> &'static str {
        "inspect_ai 0.3 (checked with 0.3.100 and 0.3.285): logs of version 2, as .eval (deflate or zstd, samples \
         whole or in chunks) or .json; datasets as JSON, JSON Lines or CSV with input, target, choices, id and metadata"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        if path.is_dir() {
            let failure = Failure::data(format!("{} is a folder, not a log", path.display()));
            return Err(failure.hint("name one file: a log that ends in .eval or .json, or a dataset"));
        }
        let mut start = [0; 2];
        let read = open(path)?.read(&mut start).map_err(|error| unreadable(path, error))?;
        if read == 2 && start == *b"PK" {
            return archive(path, out);
        }
        match start_of_log(path)? {
            Some(Start { header, is_whole }) => document(path, Log::new(path, header), is_whole, out),
            None => dataset(path, out),
        }
    }
}

/// What a log says beside its samples.
struct Start {
    header: Map<String, Value>,
    /// Whether the document has its end.
    is_whole: bool,
}

/// Reads what a log says beside its samples; `None` if the file is no log.
fn start_of_log(path: &Path) -> Result<Option<Start>, Failure> {
    let is_log = |header: &Map<String, Value>| header.get("eval").is_some_and(Value::is_object);
    // Parquet is no text, and no log.
    let Ok(reader) = text(path) else { return Ok(None) };
    if let Ok(header) = header(reader, &HEADER) {
        return Ok(is_log(&header).then_some(Start { header, is_whole: true }));
    }
    let Ok(header) = beginning(text(path)?, &HEADER) else { return Ok(None) };
    if is_log(&header) {
        return Ok(Some(Start { header, is_whole: false }));
    }
    match header.contains_key("version") && header.contains_key("status") {
        true => Err(cut_off(path)),
        false => Ok(None),
    }
}

fn cut_off(path: &Path) -> Failure {
    Failure::data(format!("{}: the log is cut off before its first sample", path.display()))
        .hint("copy it again, or import the dataset of the task")
}

/// Reads a log that is one JSON document.
fn document(path: &Path, mut log: Log, is_whole: bool, out: &mut dyn Sink) -> Result<(), Failure> {
    let mut dataset = log.start(out);
    let found = Elements::find(text(path)?, &["samples"], Some(&SAMPLE));
    for row in found.map_err(|error| unreadable(path, error))?.into_iter().flatten() {
        match row {
            Ok(row) => log.sample(row, &mut dataset)?,
            Err(error) => {
                dataset.bad(0, format!("the log ends early: {error}"));
                break;
            }
        }
    }
    if !is_whole && dataset.seen.rows == 0 {
        return Err(cut_off(path));
    }
    log.finish(&mut dataset)
}

/// Reads a log that is a ZIP archive.
fn archive(path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(path)?;
    let (header, finished) = archive.header(path)?;
    let mut log = Log::new(path, header);
    let mut dataset = log.start(out);
    for place in archive.samples() {
        dataset.enter(path.join(&place.name));
        let fields = archive.sample(&place, &SAMPLE).map_err(|error| format!("this sample cannot be read: {error}"));
        log.sample(Row { line: 1, fields }, &mut dataset)?;
    }
    dataset.enter(path.to_owned());
    if !finished {
        dataset.note(0, "header.json", "the run did not finish; samples that it did not log are missing");
    }
    log.finish(&mut dataset)
}

/// Reads a dataset.
fn dataset(path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
    let rows = records::rows(path, &["samples", "data"])?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let card = json!({"description": "Samples of an inspect_ai dataset.", "source": "inspect_ai"});
    let mut dataset = Dataset::start(out, path.to_owned(), &name, card);
    for row in rows {
        let row = row.map_err(|error| unreadable(path, error))?;
        match row.fields.and_then(|fields| with_columns(row.line, fields, &mut dataset)) {
            Ok(draft) => dataset.add(row.line, draft)?,
            Err(reason) => dataset.bad(row.line, reason),
        }
    }
    if dataset.is_empty() {
        return Err(Failure::data(format!("{} contains no samples", path.display())));
    }
    dataset.usual_suite("The samples of an inspect_ai dataset; its scorers are in the task's code.");
    if dataset.seen.rows > 0 {
        dataset.note(
            0,
            "scorer",
            "a dataset does not say how it is scored; the suite has scorers that fit its targets",
        );
    }
    Ok(())
}

/// The example of a row. Columns that a sample has no field for are metadata, as in inspect_ai if a task names them.
fn with_columns(line: u64, mut fields: Map<String, Value>, dataset: &mut Dataset<'_>) -> Result<Draft, String> {
    let known = |name: &str| SAMPLE.contains(&name) && !["epoch", "attachments"].contains(&name);
    let names: Vec<String> = fields.keys().filter(|name| !known(name)).cloned().collect();
    let columns: Vec<(String, Value)> =
        names.into_iter().filter_map(|name| Some((name.clone(), fields.remove(&name)?))).collect();
    let mut draft = draft(line, &mut fields, dataset)?;
    for (name, value) in columns {
        let is_taken = draft.metadata.contains_key(&name);
        draft.metadata.insert(if is_taken { format!("column_{name}") } else { name }, value);
    }
    Ok(draft)
}

/// The example of a sample, in a log or a dataset.
fn draft(line: u64, fields: &mut Map<String, Value>, dataset: &mut Dataset<'_>) -> Result<Draft, String> {
    let choices = choices(fields.remove("choices"))?;
    let attachments = fields.remove("attachments").unwrap_or_default();
    let input = match fields.remove("input").unwrap_or_default() {
        messages if is_chat(&messages) => chat(messages, &attachments, line, dataset),
        other => resolved(other, &attachments),
    };
    let mut metadata = match fields.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|_| "metadata is not a JSON object")?,
        Some(Value::Null) | None => Map::new(),
        Some(_) => return Err("metadata is not an object".to_owned()),
    };
    for (key, why) in [
        ("files", "files of a sandbox are not carried over; put what the model needs into the input"),
        ("sandbox", NO_SANDBOX),
        ("setup", "setup scripts of a sandbox are not carried over"),
    ] {
        if take(fields, &[key]).is_some() {
            dataset.note_once(line, key, why);
        }
    }
    let target = fields.remove("target");
    let expected =
        if choices.is_empty() { target } else { target.map(|target| letters(target, choices.len(), line, dataset)) };
    for (key, value) in [("choices", json!(choices)), ("description", fields.remove("description").unwrap_or_default())]
    {
        if !is_absent(&value) && metadata.insert(key.to_owned(), value).is_some() {
            dataset.note_once(
                line,
                &format!("metadata.{key}"),
                "is replaced by the field of the sample with this name",
            );
        }
    }
    Ok(Draft { id: take(fields, &["id"]), input, expected, metadata, ..Draft::default() })
}

/// Choices as a list, or separated by commas or white space. An empty one stays, or those behind it would have other
/// letters than the target names.
fn choices(value: Option<Value>) -> Result<Vec<String>, String> {
    let choices: Vec<String> = match value {
        Some(Value::Array(items)) => items.iter().map(|item| text_of(item).unwrap_or_default()).collect(),
        Some(Value::String(text)) => {
            let parts: Vec<&str> = match text.contains(',') {
                true => text.split(',').collect(),
                false => text.split_whitespace().collect(),
            };
            parts.into_iter().map(|part| part.trim().to_owned()).collect()
        }
        Some(Value::Null) | None => Vec::new(),
        Some(_) => return Err("choices is not a list".to_owned()),
    };
    if choices.len() > MAX_CHOICES {
        return Err(format!("choices has {} items, but only {MAX_CHOICES} can be lettered", choices.len()));
    }
    Ok(choices)
}

/// The target of a question with choices: a letter. Several right letters are one answer, since all must be chosen.
/// Anything else than letters of choices stays as it is.
fn letters(target: Value, choices: usize, line: u64, dataset: &mut Dataset<'_>) -> Value {
    let texts: Vec<String> = match &target {
        Value::Array(items) => items.iter().filter_map(text_of).collect(),
        other => text_of(other).into_iter().collect(),
    };
    let parts = texts.iter().flat_map(|text| text.split([',', ' '])).flat_map(str::chars);
    let mut letters: Vec<String> = parts.map(|c| c.to_uppercase().collect()).collect();
    letters.sort();
    letters.dedup();
    let known = |part: &String| (0..choices).any(|index| letter(index).as_ref() == Some(part));
    if letters.is_empty() || !letters.iter().all(known) {
        return target;
    }
    if letters.len() > 1 {
        dataset.note_once(
            line,
            "choice: several right answers",
            "the letters are one accepted answer, such as \"A, C\", and have to be given in this form and order",
        );
    }
    json!(letters.join(", "))
}

/// Whether all examples have text as their input, so that a prompt can be built around it.
fn only_texts(seen: &Seen) -> bool {
    seen.chats == 0 && seen.objects == 0
}

/// Whether the value of an option is set.
fn is_set(options: &Map<String, Value>, key: &str) -> bool {
    options.get(key).is_some_and(|value| !is_absent(value) && *value != json!(false))
}

#[cfg(test)]
mod tests;
