//! A record of traffic as an example.

use serde_json::Value;

use crate::edge::store::StoredRecord;

/// The input: its structure if it has one, or else its text.
pub(in crate::flow) fn input(stored: &StoredRecord) -> Value {
    let structure = stored.record.structure.as_deref().and_then(|structure| serde_json::from_str(structure).ok());
    structure.unwrap_or_else(|| Value::from(stored.record.input.clone()))
}

/// The id of the example.
pub(in crate::flow) fn example_id(source: &str, record_id: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    format!("{source}-{record_id}").chars().map(plain).collect()
}

/// Where the example came from, as its `source`.
pub(in crate::flow) fn provenance(source: &str, record_id: &str) -> String {
    format!("traffic {source}/{record_id}")
}
