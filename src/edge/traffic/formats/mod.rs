//! The formats of traffic, one file each. To add one, write the file and list it in [`ALL`].

mod gen_ai;
mod helicone;
mod langfuse;
mod litellm;
mod openai_batch;
mod openai_completions;
mod openinference;
mod otlp;
mod phoenix;
mod rows;
mod spans;
#[cfg(test)]
mod tests;

pub use rows::{FieldMap, Rows};

use super::format::TrafficFormat;

/// All formats that are recognized, the strictest first. Rows of JSONL, CSV and Parquet with a field map are what remains.
pub const ALL: &[&dyn TrafficFormat] = &[
    &phoenix::Phoenix,
    &openinference::OpenInference,
    &otlp::Otlp,
    &langfuse::Langfuse,
    &litellm::LiteLlm,
    &helicone::Helicone,
    &openai_batch::OpenAiBatch,
    &openai_completions::OpenAiCompletions,
];

/// The name of [`Rows`] for `--from`.
pub const ROWS: &str = "rows";
