//! Reads files of sampled traffic: streams JSONL and CSV with a field map, and redacts every record before returning
//! it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::core::domain::{Failure, TrafficRecord, at_path, canonical_json, fields, input_text, parse_timestamp};
use crate::core::privacy::UserKey;
use crate::core::privacy::redact::{RedactionCounts, Redactor};
use crate::core::tabular::{Format, rows};

/// The paths of a record's fields in a row.
#[derive(Debug, Clone)]
pub struct FieldMap {
    paths: BTreeMap<&'static str, String>,
}

impl FieldMap {
    /// Creates a map from pairs such as `("input", "body.text")`; other fields are found under their usual names.
    ///
    /// # Errors
    /// A usage failure for an unknown field.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Failure> {
        let mut paths = BTreeMap::new();
        for (field, path) in pairs {
            let known = fields::TRAFFIC.iter().find(|(name, _)| *name == field);
            let Some((name, _)) = known else {
                let names: Vec<_> = fields::TRAFFIC.iter().map(|(name, _)| *name).collect();
                return Err(Failure::usage(format!("unknown field \"{field}\" in the field map"))
                    .hint(format!("the fields are {}", names.join(", "))));
            };
            paths.insert(*name, path.to_owned());
        }
        Ok(Self { paths })
    }

    fn find<'r>(&self, row: &'r Map<String, Value>, field: &str) -> Option<&'r Value> {
        let present = |value: &&Value| !value.is_null() && value.as_str() != Some("");
        if let Some(path) = self.paths.get(field) {
            return at_path(row, path).filter(present);
        }
        let (_, names) = fields::TRAFFIC.iter().find(|(name, _)| *name == field)?;
        names.iter().find_map(|name| row.get(*name).filter(present))
    }

    fn name(&self, field: &str) -> String {
        let usual = fields::TRAFFIC
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, names)| names.join(", "))
            .unwrap_or_default();
        self.paths.get(field).cloned().unwrap_or(usual)
    }
}

/// Values for rows that do not give them.
#[derive(Debug, Clone, Copy)]
pub struct RowDefaults {
    /// Time of records without a time.
    pub at: Option<Timestamp>,
    /// Sample rate of records without one.
    pub sample_rate: f64,
}

/// One row of a traffic file.
pub enum TrafficRow {
    /// A redacted record.
    Record(TrafficRecord),
    /// The line number and the reason why the row could not be read, without its text.
    Bad(u64, String),
}

/// Reads traffic files.
pub struct TrafficReader {
    map: FieldMap,
    defaults: RowDefaults,
    redactor: Redactor,
    key: UserKey,
    /// How often a row without an id was seen, by hash; two equal rows are two requests.
    seen: HashMap<String, u32>,
    /// Counts of what was redacted.
    pub redactions: RedactionCounts,
}

/// Opens a file and determines its format from its extension.
///
/// # Errors
/// A data failure that names the file.
pub fn open(path: &Path) -> Result<(BufReader<File>, Format), Failure> {
    let format =
        path.extension().and_then(|extension| Format::of_extension(&extension.to_string_lossy())).ok_or_else(|| {
            Failure::data(format!("the name of {} does not say whether it is JSONL or CSV", path.display()))
                .hint("rename it to end in .jsonl or .csv")
        })?;
    let file = File::open(path).map_err(|error| {
        Failure::data(format!("cannot read {}", path.display()))
            .hint("check the path and its permissions")
            .caused_by(error)
    })?;
    Ok((BufReader::with_capacity(1 << 16, file), format))
}

impl TrafficReader {
    /// Creates a reader with a field map and the key that hides the identity of users.
    ///
    /// # Errors
    /// A failure if the redactor cannot be created; nothing is ever read without it.
    pub fn new(map: FieldMap, defaults: RowDefaults, key: UserKey) -> Result<Self, Failure> {
        let redactor = Redactor::new()
            .map_err(|error| Failure::other("cannot set up the redaction of personal data").caused_by(error))?;
        Ok(Self { map, defaults, redactor, key, seen: HashMap::new(), redactions: RedactionCounts::default() })
    }

    /// Reads `path` and calls `each` with every row.
    ///
    /// # Errors
    /// A data failure if the file cannot be read, or the first failure of `each`.
    pub fn read(
        &mut self,
        path: &Path,
        mut each: impl FnMut(TrafficRow) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (reader, format) = open(path)?;
        for row in rows(reader, format) {
            let row = row.map_err(|error| Failure::data(format!("cannot read {}", path.display())).caused_by(error))?;
            let record = row.fields.and_then(|fields| self.record(&fields));
            each(match record {
                Ok(record) => TrafficRow::Record(record),
                Err(reason) => TrafficRow::Bad(row.line, reason),
            })?;
        }
        Ok(())
    }

    fn record(&mut self, row: &Map<String, Value>) -> Result<TrafficRecord, String> {
        let input =
            self.map.find(row, "input").ok_or_else(|| format!("no input; looked for {}", self.map.name("input")))?;
        let output = self.map.find(row, "output");
        let at = self.time(row)?;
        let sample_rate = self.probability(row)?;
        // Users are told apart by pseudonyms; their identity is never stored.
        let group = self.map.find(row, "user").map(|user| self.key.user(&plain_text(user)));
        let record_id = match self.map.find(row, "id") {
            Some(id) => self.public_id(id),
            None => self.row_id(row),
        };
        let input = redact(&self.redactor, &mut self.redactions, input);
        let output = output.map(|output| plain_text(&redact(&self.redactor, &mut self.redactions, output)));
        let structure = (input.is_object() || input.is_array()).then(|| canonical_json(&input));
        Ok(TrafficRecord { record_id, at, input: input_text(&input), structure, output, group, sample_rate })
    }

    fn time(&self, row: &Map<String, Value>) -> Result<Timestamp, String> {
        match self.map.find(row, "ts") {
            Some(value) => {
                let text = plain_text(value);
                parse_timestamp(&text).ok_or_else(|| "the time is neither a date nor a Unix time".to_owned())
            }
            None => self
                .defaults
                .at
                .ok_or_else(|| format!("no time; looked for {} (--at sets one for all rows)", self.map.name("ts"))),
        }
    }

    fn probability(&self, row: &Map<String, Value>) -> Result<f64, String> {
        let Some(value) = self.map.find(row, "p") else { return Ok(self.defaults.sample_rate) };
        let number: Option<f64> = plain_text(value).parse().ok();
        number
            .filter(|p| *p > 0.0 && *p <= 1.0)
            .ok_or_else(|| "the sample rate must be above 0 and at most 1".to_owned())
    }

    /// Replaces an id that contains personal data with a pseudonym, which still tells records apart.
    fn public_id(&self, id: &Value) -> String {
        let text = plain_text(id);
        if self.redactor.redact_json(id).1.is_empty() { text } else { self.key.record(&text) }
    }

    fn row_id(&mut self, row: &Map<String, Value>) -> String {
        let base = self.key.record(&canonical_json(&Value::Object(row.clone())));
        let seen = self.seen.entry(base.clone()).or_insert(0);
        *seen += 1;
        if *seen == 1 { base } else { format!("{base}-{seen}") }
    }
}

/// Redacts a field, whether text or structure, by its keys and its content, and counts what was redacted. Every field
/// enters a record this way.
fn redact(redactor: &Redactor, counts: &mut RedactionCounts, value: &Value) -> Value {
    let (redacted, found) = redactor.redact_json(value);
    counts.merge(&found);
    redacted
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => canonical_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, pairs: &[(&str, &str)]) -> (Vec<TrafficRecord>, Vec<(u64, String)>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let map = FieldMap::new(pairs.iter().copied()).unwrap();
        let mut reader =
            TrafficReader::new(map, RowDefaults { at: None, sample_rate: 1.0 }, UserKey::new([1; 32])).unwrap();
        let (mut records, mut bad) = (Vec::new(), Vec::new());
        let each = |row| {
            match row {
                TrafficRow::Record(record) => records.push(record),
                TrafficRow::Bad(line, reason) => bad.push((line, reason)),
            }
            Ok(())
        };
        reader.read(&path, each).unwrap();
        (records, bad)
    }

    #[test]
    fn a_field_map_reaches_into_nested_rows() {
        let text = r#"{"body":{"messages":[{"role":"user","content":"where is it"}]},"meta":[{"t":1789374600}],"uid":7,"rate":"0.1"}"#;
        let (records, bad) =
            read("a.jsonl", text, &[("input", "body.messages"), ("ts", "meta.0.t"), ("user", "uid"), ("p", "rate")]);
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(records[0].input, "where is it");
        assert_eq!(records[0].at.to_string(), "2026-09-14T08:30:00Z");
        assert!((records[0].weight() - 10.0).abs() < 1e-9);
        assert_ne!(records[0].group.as_deref(), Some("7"), "users are stored as hashes");
    }

    #[test]
    fn bad_rows_are_reported_with_their_line_and_without_their_text() {
        let text = "text,ts\nfine,2026-09-01\n,2026-09-01\nsecret words,soon\n";
        let (records, bad) = read("a.csv", text, &[]);
        assert_eq!(records.len(), 1);
        assert_eq!(
            bad[0],
            (3, "no input; looked for input, inputs, question, prompt, query, text, message, messages".into())
        );
        assert_eq!(bad[1], (4, "the time is neither a date nor a Unix time".into()));
    }

    #[test]
    fn equal_rows_without_an_id_are_two_requests_with_stable_ids() {
        let text = "{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n{\"text\":\"a\",\"ts\":\"2026-09-01\"}\n";
        let (first, _) = read("a.jsonl", text, &[]);
        let (again, _) = read("b.jsonl", text, &[]);
        assert_ne!(first[0].record_id, first[1].record_id);
        assert_eq!(first, again);
    }

    #[test]
    fn personal_data_never_leaves_the_reader() {
        let text = r#"{"id":"jane@example.org","text":"mail jane@example.org","output":"key sk-abcdefghijklmnopqrstuvwxyz123456","ts":"2026-09-01","user":"jane@example.org"}"#;
        let (records, _) = read("a.jsonl", text, &[]);
        let all = format!("{records:?}");
        assert!(!all.contains("jane@") && !all.contains("sk-abc"), "{all}");
        assert_eq!(records[0].input, "mail [redacted:email]");
    }

    #[test]
    fn an_unknown_field_in_a_map_is_refused() {
        assert!(FieldMap::new([("inptu", "x")]).unwrap_err().hint.unwrap().contains("input"));
    }
}
