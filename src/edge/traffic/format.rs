//! What a format of traffic files has to say: how its rows are recognized, and how one becomes a request.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::core::domain::at_path;

/// A format of traffic files. Reading of files, streaming, redaction, counting and grouping by trace are shared by all
/// formats; a format only turns one row into a request.
pub trait TrafficFormat: Sync {
    /// The name for `--from`.
    fn name(&self) -> &'static str;

    /// What it reads, in which versions, for the table of formats.
    fn reads(&self) -> &'static str;

    /// Lists within a JSON document in which its rows are, as keys from the outermost list to the innermost, such as
    /// `["resourceSpans", "scopeSpans", "spans"]`. A document without any of these lists is a row itself.
    fn lists(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    /// Whether a row is of this format, without any doubt; `around` are the objects in which its lists are, without the
    /// lists, outermost first.
    fn recognizes(&self, row: &Map<String, Value>, around: &[Map<String, Value>]) -> bool;

    /// What identifies a row that has no id of its own, so that it is recognized when it is imported again; `None` if
    /// rows always have one.
    fn identity(&self, row: &Map<String, Value>) -> Option<String> {
        let _ = row;
        None
    }

    /// The place of a row in a trace, also if the row is no request: what is within a span that is left out is left out too.
    fn place(&self, row: &Map<String, Value>) -> Option<Span> {
        let _ = row;
        None
    }

    /// The value of a field for `--exclude`, by its path: in the row, or in the objects around its list, innermost first.
    fn field(&self, row: &Map<String, Value>, around: &[Map<String, Value>], path: &str) -> Option<Value> {
        std::iter::once(row).chain(around.iter().rev()).find_map(|fields| at_path(fields, path)).cloned()
    }

    /// What to say of a row without a time.
    fn missing_time(&self) -> String {
        "no time (--at sets one for all rows)".to_owned()
    }

    /// Reads one row.
    ///
    /// # Errors
    /// Why the row cannot be read, without its text.
    fn read(&self, row: Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String>;
}

/// What a row contains.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A request.
    Request(Box<Request>),
    /// A part of a request: a message that was recorded apart from its span.
    Part(Box<Part>),
    /// Not a request, and why, such as "spans without a request". Neither bad nor imported, but counted. With a reason of
    /// [`WITH_ALL_WITHIN`], nor is what is within the span.
    Other(&'static str),
}

/// A production request as a row describes it, not redacted yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Its id, stable when the row is exported again. Without one, a hash of [`TrafficFormat::identity`], or else of the
    /// request.
    pub id: Option<String>,
    /// Its text, its chat messages as a list of `{role, content}`, or an object; null if a span was recorded without, which
    /// its parts may supply.
    pub input: Value,
    /// Production's answer: text if it is one, or an object.
    pub output: Option<Value>,
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// The user, or else the session or conversation.
    pub user: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The probability, in (0, 1], with which it was sampled.
    pub sample_rate: Option<f64>,
    /// Its place in a trace, if it is part of one.
    pub span: Option<Span>,
}

/// The place of a request in a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Id of the trace.
    pub trace: String,
    /// Id of the span.
    pub id: String,
    /// Id of the span in which it was made; `None` for the root.
    pub parent: Option<String>,
    /// When it ended. Tells apart spans that started at the same time.
    pub end: Option<Timestamp>,
    /// What tells apart the requests of a trace that contains several, such as the turns of a session; kept as a pseudonym.
    pub turn: Option<String>,
}

/// A message of a request that was recorded apart from its span.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Id of the trace.
    pub trace: String,
    /// Id of the span.
    pub span: String,
    /// When it was recorded.
    pub at: Option<Timestamp>,
    /// The message as `{role, content}`.
    pub message: Value,
    /// Whether it is the answer.
    pub is_output: bool,
}

/// Rows that karat's own runs caused, as the traces of a production system show them.
pub const OWN: &str = "karat's own requests";

/// Runs of evaluators and experiments.
pub const EVALUATION: &str = "evaluation runs";

/// Rows that are left out by a user's choice.
pub const EXCLUDED: &str = "left out by --exclude";

/// The reasons for which a span is left out with all spans within it.
pub const WITH_ALL_WITHIN: [&str; 3] = [OWN, EVALUATION, EXCLUDED];

/// Rows without a request to a model.
pub const NO_REQUEST: &str = "spans without a request";

/// Whether a value of a row, such as a user agent or the name of a service, is karat's own.
pub fn is_own(value: &str) -> bool {
    value == "karat" || value.starts_with("karat/")
}
