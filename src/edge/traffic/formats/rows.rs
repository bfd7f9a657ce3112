//! Rows of JSONL, CSV or Parquet whose fields are found by their usual names or by a map.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::format::{Found, Request, TrafficFormat};
use super::super::plain_text;
use crate::core::domain::{Failure, at_path, canonical_json, fields, parse_timestamp};

/// The paths of a record's fields in a row.
#[derive(Debug, Clone, Default)]
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

    /// Whether no path is given.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
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

/// Rows with a field map.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    map: FieldMap,
}

impl Rows {
    /// Creates the format with a map.
    pub fn new(map: FieldMap) -> Self {
        Self { map }
    }

    fn time(&self, row: &Map<String, Value>) -> Result<Option<jiff::Timestamp>, String> {
        let Some(value) = self.map.find(row, "ts") else { return Ok(None) };
        let time = parse_timestamp(&plain_text(value));
        time.map(Some).ok_or_else(|| "the time is neither a date nor a Unix time".to_owned())
    }

    fn sample_rate(&self, row: &Map<String, Value>) -> Result<Option<f64>, String> {
        let Some(value) = self.map.find(row, "p") else { return Ok(None) };
        let number = plain_text(value).parse().ok();
        number.map(Some).ok_or_else(|| "the sample rate must be above 0 and at most 1".to_owned())
    }
}

impl TrafficFormat for Rows {
    fn name(&self) -> &'static str {
        super::ROWS
    }

    fn reads(&self) -> &'static str {
        "JSONL, JSON, CSV and Parquet; fields by their usual names or by --map"
    }

    fn recognizes(&self, _: &Map<String, Value>, _: &[Map<String, Value>]) -> bool {
        false
    }

    fn identity(&self, row: &Map<String, Value>) -> Option<String> {
        let has_id = self.map.find(row, "id").is_some();
        (!has_id).then(|| canonical_json(&Value::Object(row.clone())))
    }

    fn missing_time(&self) -> String {
        format!("no time; looked for {} (--at sets one for all rows)", self.map.name("ts"))
    }

    fn read(&self, row: Map<String, Value>, _: &[Map<String, Value>]) -> Result<Found, String> {
        let input =
            self.map.find(&row, "input").ok_or_else(|| format!("no input; looked for {}", self.map.name("input")))?;
        let text = |field| self.map.find(&row, field).map(plain_text);
        Ok(Found::Request(Box::new(Request {
            id: text("id"),
            input: input.clone(),
            output: self.map.find(&row, "output").cloned(),
            at: self.time(&row)?,
            user: text("user"),
            model: text("model"),
            sample_rate: self.sample_rate(&row)?,
            span: None,
        })))
    }
}
