//! Rows of datasets on their way to `examples.jsonl`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::edge::yaml::ordered;

/// Fields that come first in a row, in this order.
const ROW: [&str; 8] = ["id", "input", "turns", "expected", "context", "metadata", "tags", "assert"];

/// The path of a dataset's rows within a workspace.
pub(super) fn examples_path(dataset: &str) -> PathBuf {
    Path::new("datasets").join(dataset).join("examples.jsonl")
}

/// Appends rows to the files of datasets. Only the file of the dataset at hand is open, since a registry has hundreds of
/// datasets, and systems limit how many files a program has open.
#[derive(Debug, Default)]
pub(super) struct Rows {
    open: Option<(String, BufWriter<File>)>,
}

impl Rows {
    /// Appends a row to a dataset in the workspace at `root`.
    pub(super) fn append(&mut self, root: &Path, dataset: &str, row: &Map<String, Value>) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(name, _)| name != dataset) {
            self.close()?;
            let file = File::options().append(true).create(true).open(root.join(examples_path(dataset)))?;
            self.open = Some((dataset.to_owned(), BufWriter::new(file)));
        }
        match &mut self.open {
            Some((_, file)) => writeln!(file, "{}", json_line(row)),
            None => Ok(()),
        }
    }

    /// Completes the file that is open.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |(_, mut file)| file.flush())
    }
}

/// A row as a line of JSON, with its fields in the order in which a person would write them.
fn json_line(row: &Map<String, Value>) -> String {
    let mut entries = ordered(row);
    entries.sort_by_key(|(key, _)| ROW.iter().position(|first| first == key).unwrap_or(ROW.len()));
    let entry = |(key, value): &(&String, &Value)| format!("{}: {value}", Value::String((*key).clone()));
    format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}
