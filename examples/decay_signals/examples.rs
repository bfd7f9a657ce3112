//! Golden examples, as they are read from a file.

use karat::signals::{Example, example_from_row};
use serde_json::json;

/// The id of the example at this place.
pub fn id(at: usize) -> String {
    format!("e{at:05}")
}

/// One example per text, with the label that it is given.
pub fn examples(texts: &[&str], label: impl Fn(usize) -> String) -> Option<Vec<Example>> {
    let example = |(at, text): (usize, &&str)| {
        let row = json!({"id": id(at), "input": text, "label": label(at)});
        example_from_row(at as u64 + 1, row.as_object()?.clone()).ok()
    };
    texts.iter().enumerate().map(example).collect()
}
