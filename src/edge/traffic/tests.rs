//! Tests of whole files, as an import reads them.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{Exclusion, FieldMap, FileCounts, ReadOptions, Rows, Spans, Staging, TrafficFormat, TrafficReader};
use crate::core::domain::TrafficRecord;
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::Redactor;
use crate::edge::input::{expand, open};

/// What was read of files.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) records: Vec<TrafficRecord>,
    pub(super) bad: Vec<(u64, String)>,
    pub(super) counts: FileCounts,
}

/// Reads one file.
pub(super) fn read_path(format: &dyn TrafficFormat, path: &Path, spans: Spans, options: &ReadOptions) -> Read {
    let redactor = Redactor::new().unwrap();
    let staging = Staging::new(spans, 1.0).unwrap();
    let mut counts = [FileCounts::default()];
    let input = expand(&[path.to_owned()]).unwrap().remove(0);
    let opened = open(&input, &Arc::default()).unwrap();
    let reader = TrafficReader::new(format, options, &redactor, UserKey::new([1; 32]));
    reader.read(&input, opened, &mut |rows| staging.add(0, rows, &mut counts[0])).unwrap();
    let mut records = Vec::new();
    let missing = |_| "no time".to_owned();
    if staging.has_parts().unwrap() {
        staging.records(Some(&mut counts), &missing, &mut |_, _| Ok(())).unwrap();
    }
    let mut each = |_, record| {
        records.push(record);
        Ok(())
    };
    staging.records(None, &missing, &mut each).unwrap();
    let [counts] = counts;
    Read { records, bad: staging.bad_rows(0, None).unwrap(), counts }
}

/// Reads a text as a file of this name.
pub(super) fn read_text(format: &dyn TrafficFormat, name: &str, text: impl AsRef<[u8]>, options: &ReadOptions) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    read_path(format, &path, Spans::Root, options)
}

fn rows(name: &str, text: &str, pairs: &[(&str, &str)]) -> Read {
    let map = FieldMap::new(pairs.iter().copied()).unwrap();
    read_text(&Rows::new(map), name, text, &ReadOptions::default())
}

#[test]
fn a_field_map_reaches_into_nested_rows() {
    let row = json!({
        "body": {"messages": [{"role": "user", "content": "where is it"}]},
        "meta": [{"t": 1_789_374_600}], "uid": 7, "rate": "0.1", "llm": "m-1"
    });
    let pairs = [("input", "body.messages"), ("ts", "meta.0.t"), ("user", "uid"), ("p", "rate"), ("model", "llm")];
    let read = rows("a.jsonl", &row.to_string(), &pairs);
    assert!(read.bad.is_empty(), "{:?}", read.bad);
    let record = &read.records[0];
    assert_eq!(record.input, "where is it");
    assert_eq!(record.at.to_string(), "2026-09-14T08:30:00Z");
    assert_eq!(record.model.as_deref(), Some("m-1"));
    assert!((record.weight() - 10.0).abs() < 1e-9);
    assert_ne!(record.group.as_deref(), Some("7"), "users are stored as hashes");
}

#[test]
fn bad_rows_are_reported_with_their_line_and_without_their_text() {
    let read = rows("a.csv", "text,ts\nfine,2026-09-01\n,2026-09-01\nsecret words,soon\n", &[]);
    assert_eq!((read.records.len(), read.counts.rows, read.counts.bad), (1, 3, 2));
    let looked = "no input; looked for input, inputs, question, prompt, query, text, message, messages";
    assert_eq!(read.bad[0], (3, looked.to_owned()));
    assert_eq!(read.bad[1], (4, "the time is neither a date nor a Unix time".to_owned()));
}

#[test]
fn equal_rows_without_an_id_are_two_requests_with_stable_ids() {
    let text = "{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n";
    let (first, again) = (rows("a.jsonl", text, &[]), rows("b.jsonl", text, &[]));
    assert_ne!(first.records[0].record_id, first.records[1].record_id);
    assert_eq!(first, again);
}

#[test]
fn personal_data_never_leaves_the_reader() {
    let text = json!({
        "id": "jane@example.org", "text": "mail jane@example.org", "output": "key sk-abcdefghijklmnopqrstuvwxyz123456",
        "ts": "2026-09-01", "user": "jane@example.org", "model": "jane@example.org"
    });
    let read = rows("a.jsonl", &text.to_string(), &[]);
    let all = format!("{read:?}");
    assert!(!all.contains("jane@") && !all.contains("sk-abc"), "{all}");
    assert_eq!(read.records[0].input, "mail [redacted:email]");
}

#[test]
fn an_unknown_field_in_a_map_is_refused() {
    assert!(FieldMap::new([("inptu", "x")]).unwrap_err().hint.unwrap().contains("input"));
}

#[test]
fn rows_with_an_excluded_value_are_counted_apart() {
    let text = "{\"text\":\"a\",\"ts\":\"2026-09-01\",\"env\":{\"name\":\"staging\"}}\n{\"text\":\"b\",\"ts\":\"2026-09-01\"}\n";
    let exclude = vec![Exclusion { path: "env.name".to_owned(), value: "staging".to_owned() }];
    let read = read_text(&Rows::default(), "a.jsonl", text, &ReadOptions { exclude, ..ReadOptions::default() });
    assert_eq!(read.records.len(), 1);
    assert_eq!(read.counts.other.into_iter().collect::<Vec<_>>(), [("left out by --exclude", 1)]);
}
