//! Langfuse: items of datasets, as its pages export them and as its API returns them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::draft::{Dataset, Draft, is_absent, take, text_of};
use super::folders::{self, Limits};
use super::records::{self, extension, header, open, unreadable};
use super::{Note, Sink, SuiteFormat};
use crate::core::domain::{Failure, parse_timestamp};

/// Datasets of Langfuse.
pub struct Langfuse;

/// Keys of JSON documents that contain items: a page of the API, or a dataset with its items.
const LISTS: &[&str] = &["data", "items"];

/// Columns that are of no use outside of Langfuse.
const OF_LANGFUSE: [&str; 7] =
    ["projectId", "datasetId", "htmlSourcePath", "sysId", "validFrom", "isDeleted", "mediaReferences"];

/// The most datasets in one export.
const MAX_DATASETS: usize = 100;

/// How many pages a folder may have.
const PAGES: Limits = Limits { depth: 0, most: 10_000 };

/// How a reference to a picture or sound begins.
const MEDIA: &str = "@@@langfuseMedia:";

impl SuiteFormat for Langfuse {
    fn name(&self) -> &'static str {
        "langfuse"
    }

    fn reads(&self) -> &'static str {
        "items of datasets: the table exported as CSV, JSON or JSON Lines, and answers of /api/public/dataset-items, \
         one page or a folder of pages (checked with the models of the Python SDK 5.0.4)"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        let files = files(path, out)?;
        let names = names(&files)?;
        if let [file] = files.as_slice() {
            note_pages(file, out);
        }
        let stem = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let stem = stem.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let first = files.first().cloned().unwrap_or_else(|| path.to_owned());
        for (pass, name) in names.into_iter().enumerate() {
            let shown =
                name.as_ref().and_then(|name| text_of(&out.redact(json!(name)))).unwrap_or_else(|| stem.clone());
            let card = json!({"description": format!("Items of the Langfuse dataset {shown}."), "source": "Langfuse"});
            let mut dataset = Dataset::start(out, first.clone(), &shown, card);
            for file in &files {
                dataset.enter(file.clone());
                items(file, name.as_deref(), pass == 0, &mut dataset)?;
            }
            dataset.enter(first.clone());
            if dataset.seen.rows > 0 {
                dataset.note(
                    0,
                    "evaluators",
                    "items do not say how they are scored; the suite has scorers that fit the expected outputs",
                );
            }
            dataset.usual_suite(&format!("The Langfuse dataset {shown}, with scorers that fit its expected outputs."));
        }
        Ok(())
    }
}

/// The file, or the files of a folder, sorted by name.
fn files(path: &Path, out: &mut dyn Sink) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let is_page =
        |path: &Path| path.is_file() && ["json", "jsonl", "ndjson", "csv"].contains(&extension(path).as_str());
    let files = folders::files(path, PAGES, &is_page)?.noted(out);
    match files.is_empty() {
        true => Err(Failure::data(format!("{} contains no items as JSON, JSON Lines or CSV", path.display()))),
        false => Ok(files),
    }
}

/// The names of the datasets to which items belong; `None` for items without a name.
fn names(files: &[PathBuf]) -> Result<BTreeSet<Option<String>>, Failure> {
    let (mut names, mut rows) = (BTreeSet::new(), 0_u64);
    for file in files {
        for row in records::rows(file, LISTS)? {
            rows += 1;
            let Ok(mut fields) = row.map_err(|error| unreadable(file, error))?.fields else { continue };
            unquote(file, &mut fields);
            names.insert(dataset_name(&fields));
            if names.len() > MAX_DATASETS {
                let message = format!("{}: items of more than {MAX_DATASETS} datasets", file.display());
                return Err(Failure::data(message).hint("export the datasets one by one"));
            }
        }
    }
    if rows == 0 {
        let path = files.first().map(|file| file.display().to_string()).unwrap_or_default();
        return Err(Failure::data(format!("{path} contains no items")));
    }
    if names.is_empty() {
        names.insert(None);
    }
    Ok(names)
}

fn dataset_name(fields: &Map<String, Value>) -> Option<String> {
    ["datasetName", "dataset_name"].iter().find_map(|key| fields.get(*key).and_then(text_of))
}

/// Says if a file is one of several pages.
fn note_pages(file: &Path, out: &mut dyn Sink) {
    if !["json", ""].contains(&extension(file).as_str()) {
        return;
    }
    let Ok(meta) =
        open(file).and_then(|file| header(file, &["meta"]).map_err(|error| unreadable(Path::new(""), error)))
    else {
        return;
    };
    let number = |key: &str| meta.get("meta").and_then(|meta| meta.get(key)).and_then(Value::as_u64).unwrap_or(0);
    if number("totalPages") > 1 {
        let why = format!(
            "the file is page {} of {}; store all pages in one folder and import that",
            number("page"),
            number("totalPages")
        );
        out.note(Note { file: file.to_owned(), line: 0, what: "meta: totalPages".to_owned(), why });
    }
}

/// Adds the items of a file that belong to a dataset. Rows that cannot be read belong to none, and are reported in the
/// first pass over the file only.
fn items(file: &Path, name: Option<&str>, is_first: bool, dataset: &mut Dataset<'_>) -> Result<(), Failure> {
    for row in records::rows(file, LISTS)? {
        let row = row.map_err(|error| unreadable(file, error))?;
        let mut fields = match row.fields {
            Ok(fields) => fields,
            Err(reason) => {
                if is_first {
                    dataset.bad(row.line, reason);
                }
                continue;
            }
        };
        unquote(file, &mut fields);
        if dataset_name(&fields).as_deref() != name {
            continue;
        }
        match draft(row.line, fields, dataset) {
            Ok(draft) => dataset.add(row.line, draft)?,
            Err(reason) => dataset.bad(row.line, reason),
        }
    }
    Ok(())
}

/// Removes the quotes of JSON from the cells of a CSV file, where older versions of Langfuse write all cells as JSON.
fn unquote(file: &Path, fields: &mut Map<String, Value>) {
    let is_quoted = |text: &str| text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    let id = ["id", "status"].iter().find_map(|key| fields.get(*key).and_then(Value::as_str));
    if extension(file) != "csv" || id.is_some_and(|id| !is_quoted(id)) {
        return;
    }
    for value in fields.values_mut() {
        let inner =
            value.as_str().filter(|text| is_quoted(text)).and_then(|text| serde_json::from_str::<String>(text).ok());
        if let Some(inner) = inner {
            *value = Value::String(inner);
        }
    }
}

fn draft(line: u64, mut fields: Map<String, Value>, dataset: &mut Dataset<'_>) -> Result<Draft, String> {
    if !["input", "expectedOutput", "expected_output"].iter().any(|key| fields.contains_key(*key)) {
        return Err("an item of a Langfuse dataset has the fields input and expectedOutput, and this row has neither"
            .to_owned());
    }
    let input = fields.remove("input").unwrap_or_default();
    let expected = take(&mut fields, &["expectedOutput", "expected_output"]).map(|value| answer(value, line, dataset));
    for value in [Some(&input), expected.as_ref()].into_iter().flatten() {
        if value.to_string().contains(MEDIA) {
            let why = "the export has a reference in place of the picture, sound or document, and it is sent as it is";
            dataset.note_once(line, "media", why);
        }
    }
    let mut draft = Draft { id: take(&mut fields, &["id"]), input, expected, ..Draft::default() };
    match fields.remove("metadata") {
        Some(Value::Object(metadata)) => draft.metadata = metadata,
        Some(Value::Null) | None => {}
        other => {
            draft.metadata.extend(other.filter(|value| !is_absent(value)).map(|value| ("metadata".to_owned(), value)))
        }
    }
    draft.further = status(&mut fields)?;
    let created = take(&mut fields, &["createdAt", "created_at"]);
    let time = created.as_ref().and_then(Value::as_str).and_then(parse_timestamp);
    match time {
        Some(time) => drop(draft.further.insert("created_at".to_owned(), json!(time.to_string()))),
        None => draft.metadata.extend(created.map(|created| ("createdAt".to_owned(), created))),
    }
    keep(line, fields, &mut draft.metadata, dataset);
    Ok(draft)
}

/// Keeps everything else of an item as metadata.
fn keep(line: u64, mut fields: Map<String, Value>, metadata: &mut Map<String, Value>, dataset: &mut Dataset<'_>) {
    fields.remove("datasetName");
    fields.remove("dataset_name");
    fields.retain(|name, value| !OF_LANGFUSE.contains(&name.as_str()) && !is_absent(value));
    for (name, value) in fields {
        if metadata.contains_key(&name) {
            let why = "is a key of the item's metadata as well, which is kept; the item's own value is not";
            dataset.note_once(line, &name, why);
        } else {
            metadata.insert(name, value);
        }
    }
}

/// What an example's status is in karat. Archived items are kept, and not run.
fn status(fields: &mut Map<String, Value>) -> Result<Map<String, Value>, String> {
    match take(fields, &["status"]).as_ref().and_then(text_of).as_deref() {
        None | Some("ACTIVE") => Ok(Map::new()),
        Some("ARCHIVED") => Ok(Map::from_iter([
            ("status".to_owned(), json!("retired")),
            ("retired_reason".to_owned(), json!("archived in Langfuse")),
        ])),
        Some(_) => Err("status is neither ACTIVE nor ARCHIVED".to_owned()),
    }
}

/// The accepted answer: the text of a chat message, or the value itself. A list is one answer, since Langfuse has
/// only one.
fn answer(value: Value, line: u64, dataset: &mut Dataset<'_>) -> Value {
    let message = match &value {
        Value::Array(items) if super::draft::is_chat(&value) => items.last(),
        Value::Object(fields) if fields.get("role").is_some_and(Value::is_string) => Some(&value),
        _ => None,
    };
    let content = message.and_then(|message| message.get("content")).filter(|content| !is_absent(content));
    if value.as_array().is_some_and(|items| items.len() > 1 && content.is_some()) {
        dataset.note_once(line, "expectedOutput: messages", "the last of several messages is the accepted answer");
    }
    let content = content.cloned();
    match (content, value) {
        (Some(content), _) => content,
        (None, Value::Array(items)) => json!([items]),
        (None, value) => value,
    }
}

#[cfg(test)]
mod tests;
