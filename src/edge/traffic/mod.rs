//! Traffic in the formats of many tools: reads it row by row, and redacts every request before anything else sees it.

mod format;
mod formats;
mod messages;
mod reader;
mod sniff;
mod staging;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::core::domain::canonical_json;

pub use format::{EXCLUDED, TrafficFormat};
pub use formats::{ALL as FORMATS, FieldMap, ROWS, Rows};
pub use reader::{Exclusion, ReadOptions, TrafficReader};
pub use sniff::{named, recognized};
pub use staging::{FileCounts, Spans, Staging};

/// The text of a value: itself if it is text, else JSON.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => canonical_json(other),
    }
}
