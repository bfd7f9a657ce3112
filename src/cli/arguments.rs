//! Arguments that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::core::domain::parse_timestamp;
use crate::core::report::{FORMATS, Format as ReportFormat};
use crate::flow::decay::DecayOptions;
use crate::flow::run::{Resume, RunOptions};

/// How a command prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; fields are only ever added.
    Json,
}

/// How suites are run.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Call this endpoint instead of the suite's (repeatable): a name in karat.yaml, or an id such as
    /// openai:chat:MODEL or anthropic/MODEL.
    #[arg(short, long = "endpoint", value_name = "NAME")]
    pub endpoints: Vec<String>,

    /// Run only this prompt of a suite that has several (repeatable).
    #[arg(long = "prompt", value_name = "NAME")]
    pub prompts: Vec<String>,

    /// Maximum concurrent requests per host, up to 512; fewer if a server says it is too much.
    #[arg(short = 'j', long = "jobs", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: u16,

    /// Trials of each example. Default: the suite's number, or else 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: Option<u32>,

    /// Resume an unfinished run, the latest or the one with this id, instead of starting a new one.
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<String>>,

    /// Run again what ended in an error in the latest run (or the one of --resume), and finish it.
    #[arg(long)]
    pub retry_errors: bool,

    /// Only the first N examples.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Only examples with this tag (tag=…), id (id=…) or metadata value (KEY=VALUE); repeatable.
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = key_value)]
    pub filters: Vec<(String, String)>,

    /// Ignore cached responses.
    #[arg(long)]
    pub no_cache: bool,

    /// Stop before a run costs more, in the currency of the endpoints' prices. --resume continues it.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub max_cost: Option<f64>,

    /// Stop after so many seconds. --resume continues it.
    #[arg(long, value_name = "SECONDS", value_parser = amount)]
    pub max_seconds: Option<f64>,

    /// Write requests and answers to a cassette, which an endpoint of type replay answers from.
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
            limit: self.limit,
            filters: self.filters.clone(),
            repeats: self.repeat,
            cache: !self.no_cache,
            max_cost: self.max_cost,
            max_time: self.max_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            record: self.record.clone(),
            fixed_id: false,
        }
    }
}

/// Reads an amount above zero.
fn amount(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| "write a number".to_owned())?;
    if amount > 0.0 && amount.is_finite() { Ok(amount) } else { Err("must be above 0".to_owned()) }
}

/// How decay is measured.
#[derive(Debug, Args)]
pub(super) struct DecayArgs {
    /// The window measured: 30d (up to the last record), 2026-09, 2026-09-14, or FROM..TO.
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,

    /// The window it is compared with. Default: the card's, or else the earliest of the same length.
    #[arg(long, value_name = "WINDOW")]
    pub reference: Option<String>,

    /// The traffic source. Default: the card's "traffic", or else "default".
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Seed of everything random; the same seed gives the same figures.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    #[command(flatten)]
    pub now: Now,
}

/// The current time, if it is not that of the clock.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Now {
    /// Use this as the current time: the same input then gives the same bytes.
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Timestamp>,
}

impl Now {
    /// The time given, or that of the clock.
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
        }
    }
}

/// Reads a time argument.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    parse_timestamp(text).ok_or_else(|| format!("\"{text}\" is not a time; write 2026-09-14 or 2026-09-14T08:30:00Z"))
}

/// Reads KEY=VALUE.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// A file to write a report to, its format told by the extension.
pub(super) fn report_path(text: &str) -> Result<(PathBuf, &'static ReportFormat), String> {
    let path = PathBuf::from(text);
    let format = ReportFormat::of_path(&path);
    format.map(|format| (path, format)).ok_or_else(|| {
        let known = FORMATS.iter().filter_map(|format| format.extensions.first());
        format!("the name must end in one of .{}", known.copied().collect::<Vec<_>>().join(", ."))
    })
}
