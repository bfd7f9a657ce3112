//! Arguments shared by several commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::core::domain::parse_timestamp;
use crate::core::report::{FORMATS, Format as ReportFormat};
use crate::flow::compare::Scope;
use crate::flow::decay::DecayOptions;
use crate::flow::run::{Resume, RunOptions};
use crate::flow::stored_dataset::Selection;

/// The output format of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs; fields are only ever added.
    Json,
}

/// Options for running suites.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Call this endpoint instead of the suite's: a name from karat.yaml, or an id such as openai:chat:MODEL or
    /// anthropic/MODEL (repeatable).
    #[arg(short, long = "endpoint", value_name = "NAME")]
    pub endpoints: Vec<String>,

    /// Run only the prompt with this name, if the suite has several (repeatable).
    #[arg(long = "prompt", value_name = "NAME")]
    pub prompts: Vec<String>,

    /// Maximum concurrent requests per host, up to 512; lowered when a server reports overload.
    #[arg(short = 'j', long = "jobs", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: u16,

    /// Trials per example. Default: "repeat" in the suite, or 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: Option<u32>,

    /// Resume the latest run, or the run with this id, instead of starting a new one.
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<String>>,

    /// Retry the errors of the latest run (or of the run given with --resume), and finish it.
    #[arg(long)]
    pub retry_errors: bool,

    /// Run only the first N examples.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Run only examples with this tag (tag=…), id (id=…) or metadata value (KEY=VALUE); repeatable.
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = key_value)]
    pub filters: Vec<(String, String)>,

    /// Ignore cached responses.
    #[arg(long)]
    pub no_cache: bool,

    /// Stop before the total cost exceeds this, in the currency of the endpoints' prices. --resume continues.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub max_cost: Option<f64>,

    /// Stop after this many seconds. --resume continues.
    #[arg(long, value_name = "SECONDS", value_parser = amount)]
    pub max_seconds: Option<f64>,

    /// Give the finished runs this name, such as main, for gates and `karat compare`.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,

    /// Record requests and responses to a cassette, for an endpoint of type replay.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

impl RunArgs {
    pub fn options(&self) -> RunOptions {
        RunOptions {
            endpoints: self.endpoints.clone(),
            prompts: self.prompts.clone(),
            concurrency: usize::from(self.jobs),
            resume: self.resume.clone().map(|id| id.map_or(Resume::Latest, Resume::Run)),
            retry_errors: self.retry_errors,
            selection: Selection { filters: self.filters.clone(), limit: self.limit },
            repeats: self.repeat,
            cache: !self.no_cache,
            max_cost: self.max_cost,
            max_time: self.max_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            record: self.record.clone(),
            tag: self.tag.clone(),
            fixed_id: false,
        }
    }
}

/// Which runs the name of a run may refer to.
#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    /// Only runs of this suite.
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,

    /// Only runs on this endpoint.
    #[arg(short, long, value_name = "NAME")]
    endpoint: Option<String>,

    /// Only runs of this prompt.
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
}

impl ScopeArgs {
    pub fn scope(self) -> Scope {
        Scope { suite: self.suite, endpoint: self.endpoint, prompt: self.prompt }
    }
}

/// Parses an amount above zero.
pub(super) fn amount(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if amount > 0.0 && amount.is_finite() { Ok(amount) } else { Err("must be above 0".to_owned()) }
}

/// Options for measuring decay.
#[derive(Debug, Args)]
pub(super) struct DecayArgs {
    /// Window to measure: 30d (up to the last record), 2026-09, 2026-09-14, or FROM..TO.
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,

    /// Reference window to compare with. Default: the card's, or the earliest window of the same length.
    #[arg(long, value_name = "WINDOW")]
    pub reference: Option<String>,

    /// Traffic source. Default: "traffic" in the card, the only one with traffic, or "default".
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Random seed; the same seed gives the same figures.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    #[command(flatten)]
    pub now: Now,
}

/// The current time, which a command may override.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Now {
    /// Use this as the current time, so that the same input gives the same bytes.
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Timestamp>,
}

impl Now {
    /// Returns the time given, or the clock's.
    pub fn get(self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    /// Whether a time was given.
    pub fn is_given(self) -> bool {
        self.now.is_some()
    }
}

impl DecayArgs {
    pub fn options(&self) -> DecayOptions {
        DecayOptions {
            window: self.window.clone(),
            reference: self.reference.clone(),
            source: self.source.clone(),
            seed: self.seed,
            karats: None,
        }
    }
}

/// Parses a time argument.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    parse_timestamp(text).ok_or_else(|| format!("\"{text}\" is not a time; use 2026-09-14 or 2026-09-14T08:30:00Z"))
}

/// Parses KEY=VALUE.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Parses the path of a report; the extension sets the format.
pub(super) fn report_path(text: &str) -> Result<(PathBuf, &'static ReportFormat), String> {
    let path = PathBuf::from(text);
    let format = ReportFormat::of_path(&path);
    format.map(|format| (path, format)).ok_or_else(|| {
        let known = FORMATS.iter().filter_map(|format| format.extensions.first());
        format!("the file name must end in one of .{}", known.copied().collect::<Vec<_>>().join(", ."))
    })
}

/// A share in [0, 1].
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it must be between 0 and 1".to_owned())
}
