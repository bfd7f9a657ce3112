//! Adds examples to a golden set: rows of a file, records of traffic, or candidates of the latest decay measurement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Workspace;
use super::labelling::record;
use super::queue::{
    answers_value, cannot_edit, format_of, hash, lock, read_text, recover, refuse_other_changes, replace, unknown_label,
};
use crate::core::domain::fields::{EXPECTED, INPUT};
use crate::core::domain::{Dataset, Example, Failure, canonical_json, input_text};
use crate::core::golden::{NewRow, append_rows, example_from_row, has_field, input_id};
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::queue::Decisions;
use crate::core::tabular::{Format, rows};
use crate::core::view::{AddedExample, AddedView, count_of};

/// What to add.
#[derive(Debug, Clone)]
pub struct AddOptions {
    /// Files with rows like those of a golden set.
    pub files: Vec<PathBuf>,
    /// Ids of records of traffic.
    pub records: Vec<String>,
    /// Number of candidates of the latest decay measurement.
    pub candidates: usize,
    /// The source of the records; `None` for the card's, or else `default`.
    pub source: Option<String>,
    /// The accepted answers of records and candidates; empty if they are not labelled yet.
    pub expected: Vec<String>,
    /// Who labelled them.
    pub by: Option<String>,
}

/// A row to add.
struct New {
    row: NewRow,
    example: Example,
    /// Where it was given, for messages.
    place: String,
}

/// Number of characters shown of an input.
const SHOWN: usize = 200;

/// Adds examples. An input that the set already has is not added again.
///
/// # Errors
/// A data failure that lists everything that cannot be added; a store failure. Nothing is changed then.
pub fn add(workspace: &Workspace, dataset: &str, options: &AddOptions, now: Timestamp) -> Result<AddedView, Failure> {
    let _lock = lock(workspace)?;
    let mut notes = recover(workspace)?;
    let read = workspace.read_dataset(dataset)?;
    let path = read.path.clone();
    let set = read.complete()?;
    let mut new = Vec::new();
    for file in &options.files {
        new.extend(rows_of(file, now)?);
    }
    new.extend(from_traffic(workspace, &set, options, now)?);
    let (added, known) = without_known(new, &set)?;
    let text = read_text(&path)?;
    let format = format_of(&path);
    let rows = with_columns(&added, (&text, format), &path, &mut notes);
    let after = if rows.is_empty() {
        set.clone()
    } else {
        let edited = append_rows(&text, format, &rows).map_err(|error| cannot_edit(&path, &error))?;
        let after = refuse_other_changes(workspace, &set, (&[], rows.len()), (&path, format), &edited)?;
        replace(workspace, &path, &edited, hash(text.as_bytes()), Decisions::default())?;
        after
    };
    let unlabelled = added.iter().filter(|new| new.example.expected.is_empty()).count();
    if unlabelled > 0 {
        let what = count_of(unlabelled, "new example");
        notes.push(format!("{what} without an accepted answer: scorers that need one skip it"));
    }
    Ok(AddedView {
        schema: "karat.dataset-add/1",
        dataset: set.name.clone(),
        version_before: set.version.clone(),
        version_after: after.version,
        added: added.iter().map(|new| shown(&new.example, &new.example.id)).collect(),
        known,
        notes,
    })
}

fn shown(example: &Example, id: &str) -> AddedExample {
    AddedExample {
        example_id: id.to_owned(),
        input: truncate_chars(&input_text(&example.input), SHOWN).into_owned(),
        answers: example.expected_texts(),
    }
}

fn day(now: Timestamp) -> String {
    now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// The rows of a file, all of which must be valid.
fn rows_of(file: &Path, now: Timestamp) -> Result<Vec<New>, Failure> {
    let text = read_text(file)?;
    let (mut new, mut bad) = (Vec::new(), Vec::new());
    for row in rows(text.as_bytes(), format_of(file)) {
        let row = row.map_err(|error| Failure::data(format!("cannot read {}", file.display())).caused_by(error))?;
        let place = format!("{}:{}", file.display(), row.line);
        let read = row.fields.and_then(|fields| {
            let example = example_from_row(row.line, fields.clone()).map_err(|error| error.message)?;
            Ok((fields, example))
        });
        match read {
            Ok((fields, example)) => new.push(New { row: new_row(fields, &example, now), example, place }),
            Err(problem) => bad.push(format!("{place}: {problem}")),
        }
    }
    if !bad.is_empty() {
        return Err(Failure::data(format!(
            "{} has {}; nothing was added",
            file.display(),
            count_of(bad.len(), "bad row")
        ))
        .details(bad)
        .hint("a row looks like {\"input\": \"where is my parcel\", \"expected\": \"track_order\"}"));
    }
    Ok(new)
}

/// The fields of a row, with the id, the input and the answers first, and with a date.
fn new_row(mut fields: Map<String, Value>, example: &Example, now: Timestamp) -> NewRow {
    let mut row: NewRow = Vec::new();
    let mut take = |name: &str, aliases: &[&str]| {
        let found = std::iter::once(&name).chain(aliases).find_map(|alias| fields.remove(*alias));
        row.extend(found.map(|value| (name.to_owned(), value)));
    };
    take("id", &[]);
    take("input", INPUT);
    take("expected", EXPECTED);
    row.extend(fields);
    if example.last_dated().is_none() {
        row.push(("created_at".to_owned(), json!(day(now))));
    }
    row
}

/// Records given by id, and candidates.
fn from_traffic(
    workspace: &Workspace,
    set: &Dataset,
    options: &AddOptions,
    now: Timestamp,
) -> Result<Vec<New>, Failure> {
    let (mut ids, mut measured) = (options.records.clone(), None);
    if options.candidates > 0 {
        let latest = workspace.store.measurements(&set.name, workspace.space(), 1)?.pop();
        let view = latest.map(|row| row.view).ok_or_else(|| {
            Failure::data(format!("decay of {} was not measured yet, so there are no candidates", set.name))
                .hint(format!("run `karat decay {}` first", set.name))
        })?;
        ids.extend(view.candidates.into_iter().take(options.candidates).map(|candidate| candidate.record_id));
        measured = view.look.map(|look| look.source);
    }
    let source = workspace.traffic_source(options.source.as_deref().or(measured.as_deref()), &set.card)?;
    let mut new = Vec::new();
    for id in ids {
        let stored = workspace.store.traffic_record(&source, &id)?.ok_or_else(|| {
            Failure::data(format!("the source \"{source}\" has no record \"{id}\""))
                .hint("`karat decay NAME --records FILE` lists the records of a window; --source names another source")
        })?;
        let mut row: NewRow = vec![
            ("id".to_owned(), json!(record::example_id(&source, &id))),
            ("input".to_owned(), record::input(&stored)),
        ];
        if options.expected.is_empty() {
            row.push(("created_at".to_owned(), json!(day(now))));
        } else {
            row.push(("expected".to_owned(), answers_value(&options.expected)));
            row.push(("labeled_at".to_owned(), json!(day(now))));
            row.extend(options.by.iter().map(|by| ("labeled_by".to_owned(), json!(by))));
        }
        row.push(("source".to_owned(), json!(record::provenance(&source, &id))));
        let example = example_from_row(0, row.iter().cloned().collect())
            .map_err(|error| Failure::data(format!("the record \"{id}\" cannot be an example: {}", error.message)))?;
        new.push(New { row, example, place: format!("record {id}") });
    }
    Ok(new)
}

/// Separates rows with inputs that the set already has, or an earlier row.
///
/// # Errors
/// A data failure that lists unknown labels, and ids that are taken.
fn without_known(new: Vec<New>, set: &Dataset) -> Result<(Vec<New>, Vec<AddedExample>), Failure> {
    let mut by_input: BTreeMap<String, String> =
        set.examples.iter().map(|example| (canonical_json(&example.input), example.id.clone())).collect();
    let mut ids: BTreeSet<String> = set.examples.iter().map(|example| example.id.clone()).collect();
    let (mut added, mut known, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for mut new in new {
        if new.example.id.is_empty() {
            new.example.id = input_id(&new.example);
        }
        let input = canonical_json(&new.example.input);
        if let Some(id) = by_input.get(&input) {
            known.push(shown(&new.example, id));
            continue;
        }
        if let Some((problem, hint)) = unknown_label(&set.name, &set.card.labels, &new.example.expected_texts()) {
            problems.push(format!("{}: {problem}; {hint}", new.place));
        } else if !ids.insert(new.example.id.clone()) {
            problems.push(format!("{}: the id \"{}\" is taken", new.place, new.example.id));
        }
        by_input.insert(input, new.example.id.clone());
        added.push(new);
    }
    if problems.is_empty() {
        return Ok((added, known));
    }
    Err(Failure::data(format!("{} cannot be added; nothing was changed", count_of(problems.len(), "example")))
        .details(problems)
        .hint("correct them; a new label is first added to \"labels\" in dataset.yaml"))
}

/// The fields of the rows that the file has columns for; a note names the others.
fn with_columns(added: &[New], (text, format): (&str, Format), path: &Path, notes: &mut Vec<String>) -> Vec<NewRow> {
    let there = |name: &str| matches!(name, "input" | "expected") || has_field(text, format, name);
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    missing.extend(added.iter().flat_map(|new| &new.row).map(|(name, _)| name.as_str()).filter(|name| !there(name)));
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().copied().collect();
        notes.push(format!("{} has no column {}; left out", path.display(), names.join(" and ")));
    }
    let fields = |new: &New| new.row.iter().filter(|(name, _)| there(name)).cloned().collect();
    added.iter().map(fields).collect()
}
