//! Suites and datasets of other tools, read into the files of a workspace.

mod deepeval;
mod draft;
mod extraction;
mod folders;
mod format_strings;
mod hugging_face;
mod inspect;
mod langfuse;
mod lm_eval;
mod models;
mod openai_evals;
mod promptfoo;
#[cfg(test)]
mod recording;
mod records;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::core::domain::{Failure, did_you_mean};
use crate::core::privacy::redact::Redactor;

/// The formats, one file or folder each. To add one, write it and list it here.
pub static FORMATS: &[&dyn SuiteFormat] = &[
    &promptfoo::Promptfoo,
    &inspect::Inspect,
    &openai_evals::OpenAiEvals,
    &lm_eval::LmEval,
    &langfuse::Langfuse,
    &deepeval::DeepEval,
    &hugging_face::HuggingFace,
];

/// The format with a name.
///
/// # Errors
/// A usage failure if there is none.
pub fn format_named(name: &str) -> Result<&'static dyn SuiteFormat, Failure> {
    FORMATS.iter().find(|format| format.name() == name).copied().ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
        Failure::usage(format!("unknown format \"{name}\"")).hint(did_you_mean(name, &names, "there are"))
    })
}

/// A tool whose suites or datasets are read. Writing of files, names, redaction and counting are shared.
pub trait SuiteFormat: Sync {
    /// The name on the command line, such as "promptfoo".
    fn name(&self) -> &'static str;

    /// What it reads, in which versions, for the table of formats.
    fn reads(&self) -> &'static str;

    /// Reads the file or folder at `path` and hands what it contains to `out`.
    ///
    /// # Errors
    /// A data failure if it cannot be read at all. What cannot be carried over is reported to `out` instead.
    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure>;
}

/// Receives what an importer reads. Mappings keep the order of their keys, which is the order in the file.
pub trait Sink {
    /// Adds an endpoint, as in `karat.yaml` under `endpoints`. A second one with the same name is ignored if it is equal,
    /// else renamed. Returns its name.
    fn endpoint(&mut self, name: &str, definition: Map<String, Value>) -> String;

    /// Adds a suite, as in `suites/NAME.yaml`. Returns its name.
    fn suite(&mut self, name: &str, suite: Map<String, Value>) -> String;

    /// Starts a dataset with its card, as in `dataset.yaml`. Returns its name.
    fn dataset(&mut self, name: &str, card: Map<String, Value>) -> String;

    /// Adds an example to a dataset, as in `examples.jsonl`; `line` is its line in the file it comes from. Rows are
    /// redacted and written as they come.
    ///
    /// # Errors
    /// A failure if it cannot be written.
    fn example(&mut self, dataset: &str, line: u64, row: Map<String, Value>) -> Result<(), Failure>;

    /// Reports a row of a dataset that cannot be read.
    fn bad_row(&mut self, file: &Path, line: u64, reason: String);

    /// Replaces secrets and personal data in a value from rows that becomes part of a suite or card, such as an example in a
    /// prompt or the name of a label. Rows themselves are redacted where they are written.
    fn redact(&mut self, value: Value) -> Value {
        redacted(&value)
    }

    /// Adds a file beside the suites: a prompt, a schema, a program. The path is relative to the workspace, without `..`.
    fn file(&mut self, path: PathBuf, content: Vec<u8>);

    /// Checks that karat can read a scorer, as an example may list it under `assert`.
    ///
    /// # Errors
    /// Why it cannot.
    fn check_scorer(&self, scorer: &Map<String, Value>) -> Result<(), String>;

    /// Counts something carried over by its name in the other tool, such as ("llm-rubric", Carried::Directly).
    fn carried(&mut self, kind: &str, how: Carried);

    /// Reports something that is not carried over, or not exactly: `what` by its name in the other tool, and why.
    fn note(&mut self, note: Note);
}

/// A value with placeholders for secrets and personal data.
fn redacted(value: &Value) -> Value {
    static REDACTOR: LazyLock<Option<Redactor>> = LazyLock::new(|| Redactor::new().ok());
    // Nothing passes without a redactor.
    REDACTOR.as_ref().map_or(Value::Null, |redactor| redactor.redact_json(value).0)
}

/// How something of another tool was carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carried {
    /// By a scorer of karat.
    Directly,
    /// By a program that a scorer or endpoint starts.
    ByProgram,
    /// Not at all; a note says why.
    Not,
}

/// Something that is not carried over, or not exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file it is in.
    pub file: PathBuf,
    /// Its line, counted from 1; 0 if it is about the file.
    pub line: u64,
    /// Its name in the other tool, such as "assert: perplexity".
    pub what: String,
    /// Why it is not carried over, or how it differs, and what to do.
    pub why: String,
}
