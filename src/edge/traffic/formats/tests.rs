//! All formats on the files in `tests/fixtures/traffic`, each of which is named after its format, and what the tests of single
//! formats share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::format::TrafficFormat;
use super::super::reader::{ReadRow, RowContent};
use super::super::{FileCounts, ReadOptions, Spans, Staging, TrafficReader, recognized};
use super::ALL;
use crate::core::domain::{Failure, TrafficRecord, canonical_json, input_text};
use crate::core::json_rows::json_rows;
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::{RedactionCounts, Redactor};
use crate::core::tabular::{Format, rows};
use crate::edge::input::{Input, Opened, open};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new().unwrap());

/// The key with which the tests hide users.
pub fn key() -> UserKey {
    UserKey::new([7; 32])
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traffic")
}

/// The content of a fixture.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What an import of files hands over to be stored.
#[derive(Debug)]
pub struct Imported {
    /// The records.
    pub records: Vec<TrafficRecord>,
    /// The counts of each file.
    pub counts: Vec<FileCounts>,
    /// Why rows cannot be read.
    pub bad: Vec<String>,
    /// What was redacted.
    pub redactions: RedactionCounts,
}

/// Reads files together as an import does.
pub fn imported(format: &dyn TrafficFormat, files: &[(&str, &[u8])], spans: Spans) -> Result<Imported, Failure> {
    let staging = Staging::new(spans, 1.0)?;
    let (mut counts, mut redactions) = (vec![FileCounts::default(); files.len()], RedactionCounts::default());
    for (index, (name, content)) in files.iter().enumerate() {
        staging.begin_file()?;
        read(format, name, content, &mut |rows| {
            rows.iter().for_each(|row| redactions.merge(&row.redactions));
            staging.add(index, rows, &mut counts[index])
        })?;
    }
    let mut records = Vec::new();
    staging.records(Some(&mut counts), &|_| format.missing_time(), &mut |_, record| {
        records.push(record);
        Ok(())
    })?;
    let mut bad = Vec::new();
    for index in 0..files.len() {
        bad.extend(staging.bad_rows(index, None)?.into_iter().map(|(_, reason)| reason));
    }
    Ok(Imported { records, counts, bad, redactions })
}

/// A record as it is expected: of messages, with a user, that all requests were sampled of.
pub fn record(id: &str, at: &str, messages: &Value, output: Option<&str>, user: &str, model: &str) -> TrafficRecord {
    TrafficRecord {
        record_id: id.to_owned(),
        at: at.parse().unwrap(),
        input: input_text(messages),
        structure: (!messages.is_string()).then(|| canonical_json(messages)),
        output: output.map(str::to_owned),
        group: Some(key().user(user)),
        sample_rate: 1.0,
        model: Some(model.to_owned()),
    }
}

/// The messages of a request in the fixtures of `tools/traffic_fixtures/gateways.py`: the system's, and turns from the user's
/// on.
pub fn shop(turns: &[&str]) -> Value {
    let system = json!({"role": "system", "content": "You are the support assistant of a shop."});
    let role = |turn: usize| if turn.is_multiple_of(2) { "user" } else { "assistant" };
    let turns = turns.iter().enumerate().map(|(turn, text)| json!({"role": role(turn), "content": text}));
    std::iter::once(system).chain(turns).collect()
}

/// The first five requests in those fixtures, which succeeded: their messages, answers and users.
pub fn shop_requests() -> [(Value, &'static str, &'static str); 5] {
    let mut picture = shop(&["Is this shoe worn?"]);
    picture[1]["content"] = json!([{"type": "text", "text": "Is this shoe worn?"}, {"type": "image_url"}]);
    let call = r#"[{"function":{"arguments":"{\"id\":\"1001\"}","name":"get_order"},"type":"function"}]"#;
    let secret = "I wrote to [redacted:email] about [redacted:api_key].";
    [
        (shop(&["Can I return shoes?"]), "Yes, for 30 days.", "user-1"),
        (shop(&["Can I return shoes?", "Yes, for 30 days.", "Even worn ones?"]), "No, only unworn ones.", "user-1"),
        (shop(&["Where is order 1001?"]), call, "user-2"),
        (picture, "Yes, at the heel.", "user-2"),
        (shop(&["My key is [redacted:api_key], write to [redacted:email]."]), secret, "canary.person@example.org"),
    ]
}

/// Opens content under a name, from whose extension the kind of a file follows.
fn with_opened<T>(name: &str, content: &[u8], then: impl FnOnce(&Input, Opened) -> T) -> Result<T, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let input = Input::File(path);
    let opened = open(&input, &AtomicU64::new(0).into())?;
    Ok(then(&input, opened))
}

type EachRows<'a> = dyn FnMut(Vec<ReadRow>) -> Result<(), Failure> + 'a;

fn read(format: &dyn TrafficFormat, name: &str, content: &[u8], each: &mut EachRows<'_>) -> Result<(), Failure> {
    let options = ReadOptions::default();
    let reader = TrafficReader::new(format, &options, &REDACTOR, key());
    with_opened(name, content, |input, opened| reader.read(input, opened, each))?
}

fn read_rows(format: &dyn TrafficFormat, name: &str, content: &[u8]) -> Vec<ReadRow> {
    let mut found = Vec::new();
    let each = &mut |rows: Vec<ReadRow>| {
        found.extend(rows);
        Ok(())
    };
    read(format, name, content, each).unwrap();
    found
}

/// The name and the content of every fixture of a format.
fn fixtures(format: &dyn TrafficFormat) -> Vec<(String, Vec<u8>)> {
    let names = names().into_iter().filter(|name| format_of(name) == Some(format.name()));
    names.map(|name| (name.clone(), fixture(&name))).collect()
}

fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".md")).collect()
}

/// Fixtures of another format than that of the tool that wrote them: Phoenix also returns OTLP.
const READ_AS: [(&str, &str); 1] = [("phoenix-otlp.jsonl", "openinference-")];

/// The format with the longest name with which the name of the file begins.
fn format_of(file: &str) -> Option<&'static str> {
    let file = READ_AS.iter().find(|(name, _)| *name == file).map_or(file, |(_, format)| *format);
    let is_named = |name: &&str| file.strip_prefix(*name).is_some_and(|rest| rest.starts_with('-'));
    ALL.iter().map(|format| format.name()).filter(is_named).max_by_key(|name| name.len())
}

/// The documents of a file: its lines, or the only one, or in CSV its rows.
fn documents(name: &str, content: &[u8]) -> Vec<Value> {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let fields = |row: std::io::Result<crate::core::tabular::Row>| Value::Object(row.unwrap().fields.unwrap());
            rows(content, Format::Csv).map(fields).collect()
        }
        Some("json" | "jsonl") => {
            serde_json::Deserializer::from_slice(content).into_iter().collect::<Result<_, _>>().unwrap()
        }
        other => panic!("{name}: the tests do not read files of the kind {other:?}"),
    }
}

/// The rows of a file that a format recognizes, and all rows.
fn recognized_in(format: &dyn TrafficFormat, documents: &[Value]) -> (usize, usize) {
    let (mut count, mut all) = (0, 0);
    for document in documents {
        let text = document.to_string();
        let each = &mut |_: u64, row: Result<Map<String, Value>, String>, around: &[Map<String, Value>]| {
            all += 1;
            count += usize::from(row.is_ok_and(|row| format.recognizes(&row, around)));
            Ok(())
        };
        json_rows(text.as_bytes(), format.lists(), each).unwrap();
    }
    (count, all)
}

/// Any JSON whose objects have some of these keys.
pub(super) fn json_with(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[\\PC\"{\\[.]{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(keys).prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn every_format_has_fixtures_and_every_fixture_a_format() {
    let of_files: BTreeSet<&str> =
        names().iter().map(|name| format_of(name).unwrap_or_else(|| panic!("{name} has no format"))).collect();
    let of_formats: BTreeSet<&str> = ALL.iter().map(|format| format.name()).collect();
    assert_eq!(of_files, of_formats);
    assert_eq!(of_formats.len(), ALL.len(), "two formats have the same name");
}

#[test]
fn every_fixture_is_recognized_as_its_own_format_and_no_other_format_recognizes_more_of_it() {
    for format in ALL {
        for (name, content) in fixtures(*format) {
            let found = with_opened(&name, &content, |_, opened| recognized(&opened)).unwrap();
            assert_eq!(found.map(TrafficFormat::name), Some(format.name()), "{name}");
            let documents = documents(&name, &content);
            let (own, _) = recognized_in(*format, &documents);
            for other in ALL.iter().filter(|other| other.name() != format.name()) {
                let (count, all) = recognized_in(*other, &documents);
                assert!(
                    count <= own,
                    "{name}: {} recognizes {count} of {all} rows, its own format {own}",
                    other.name()
                );
            }
        }
    }
}

/// A key, an address and a number that must not be stored.
const CANARIES: [&str; 3] = ["sk-canary9876543210zyxwvutsrqponm", "hidden.person@example.org", "+1 415 555 2671"];

/// Adds the canaries to the texts whose numbers are chosen, also to those in JSON within a text, and counts all texts.
fn add_canaries(value: &mut Value, count: &mut usize, is_chosen: &dyn Fn(usize) -> bool) {
    match value {
        Value::String(text) => match json_in(text) {
            Some((mut inner, is_doubled)) => {
                add_canaries(&mut inner, count, is_chosen);
                let json = inner.to_string();
                *text = if is_doubled { json.replace('"', "\"\"") } else { json };
            }
            None => {
                if is_chosen(*count) {
                    text.push_str(&format!(" {}", CANARIES.join(" ")));
                }
                *count += 1;
            }
        },
        Value::Array(items) => items.iter_mut().for_each(|item| add_canaries(item, count, is_chosen)),
        Value::Object(fields) => fields.values_mut().for_each(|field| add_canaries(field, count, is_chosen)),
        _ => {}
    }
}

/// The object or list in a text, and whether its quotes are doubled, as one tool does in CSV.
fn json_in(text: &str) -> Option<(Value, bool)> {
    let is_doubled = text.starts_with("{\"\"");
    let json = if is_doubled { text.replace("\"\"", "\"") } else { text.to_owned() };
    let value: Value = serde_json::from_str(&json).ok()?;
    (value.is_object() || value.is_array()).then_some((value, is_doubled))
}

fn texts(document: &Value) -> usize {
    let mut count = 0;
    add_canaries(&mut document.clone(), &mut count, &|_| false);
    count
}

fn marked(document: &Value, is_chosen: &dyn Fn(usize) -> bool) -> Value {
    let mut marked = document.clone();
    add_canaries(&mut marked, &mut 0, is_chosen);
    marked
}

fn lines(documents: &[Value]) -> Vec<u8> {
    documents.iter().map(|document| format!("{document}\n")).collect::<String>().into_bytes()
}

fn assert_hides_canaries(what: &dyn std::fmt::Debug, name: &str) {
    let text = format!("{what:?}");
    for canary in CANARIES {
        assert!(!text.contains(canary), "{name}: {canary} is in {text}");
    }
}

/// What the rows of each line became: requests, messages, or neither.
fn kinds(rows: &[ReadRow]) -> BTreeMap<u64, Vec<u8>> {
    let mut kinds: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for row in rows {
        let kind = match &row.content {
            RowContent::Record { .. } => 0,
            RowContent::Part { .. } => 1,
            RowContent::Other { .. } => 2,
            RowContent::Bad(_) => 3,
        };
        kinds.entry(row.line).or_default().push(kind);
    }
    kinds
}

/// A fixture in which every text has canaries without which its rows would be read as before: no id, time or type. That each
/// text alone keeps its canaries out is checked on the way.
fn with_all_canaries(format: &dyn TrafficFormat, name: &str, content: &[u8]) -> Vec<u8> {
    let documents = documents(name, content);
    let as_is = kinds(&read_rows(format, "a.jsonl", &lines(&documents)));
    let places: Vec<(usize, usize)> =
        documents.iter().enumerate().flat_map(|(index, one)| (0..texts(one)).map(move |text| (index, text))).collect();
    let variants: Vec<Value> =
        places.iter().map(|(index, text)| marked(&documents[*index], &|number| number == *text)).collect();
    let rows = read_rows(format, "a.jsonl", &lines(&variants));
    rows.iter().for_each(|row| assert_hides_canaries(row, name));
    let now = kinds(&rows);
    let lines_of: BTreeMap<(usize, usize), u64> = places.into_iter().zip(1..).collect();
    let is_free = |index: usize, text: usize| now.get(&lines_of[&(index, text)]) == as_is.get(&(index as u64 + 1));
    let all: Vec<Value> =
        documents.iter().enumerate().map(|(index, one)| marked(one, &|text| is_free(index, text))).collect();
    lines(&all)
}

#[test]
fn no_secret_in_any_text_of_a_fixture_is_stored() {
    for format in ALL {
        let files = fixtures(*format);
        let marked: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|(name, content)| (format!("{name}.jsonl"), with_all_canaries(*format, name, content)))
            .collect();
        let import = |files: &[(String, Vec<u8>)], spans| {
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
            imported(*format, &files, spans).unwrap()
        };
        for spans in [Spans::Root, Spans::All] {
            let (before, after) = (import(&files, spans), import(&marked, spans));
            assert_hides_canaries(&after, format.name());
            assert!(!before.records.is_empty(), "{}: no record", format.name());
            assert!(!after.records.is_empty(), "{}: no record with canaries", format.name());
            assert!(after.redactions.total() > before.redactions.total(), "{}: nothing hidden", format.name());
        }
    }
}

/// Numbers that look random and are always the same.
fn noise(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    })
}

#[test]
fn cut_and_garbled_fixtures_are_errors_or_bad_rows_but_never_panic() {
    // How many rows were read.
    let attempt = |format: &dyn TrafficFormat, name: &str, content: &[u8]| {
        drop(with_opened(name, content, |_, opened| recognized(&opened).map(TrafficFormat::name)));
        imported(format, &[(name, content)], Spans::Root).map_or(0, |imported| imported.counts[0].rows)
    };
    for format in ALL {
        for (name, content) in fixtures(*format) {
            let whole = attempt(*format, &name, &content);
            for cut in (0..content.len()).step_by(content.len() / 13 + 1) {
                let rows = attempt(*format, &name, &content[..cut]);
                // The rows of a line, and that it breaks off.
                assert!(rows <= whole + 1, "{name}: the first {cut} bytes have more rows than all");
            }
            for seed in 0..12 {
                let mut garbled = content.clone();
                let mut random = noise(seed);
                for _ in 0..=seed {
                    let (Some(place), Some(byte)) = (random.next(), random.next()) else { break };
                    let length = garbled.len();
                    // Often a character that has a meaning.
                    let marks = b"\"{}[]:,\\\n0e-";
                    garbled[place % length] = if byte % 3 == 0 { (byte / 3) as u8 } else { marks[byte % marks.len()] };
                }
                attempt(*format, &name, &garbled);
            }
        }
    }
}
