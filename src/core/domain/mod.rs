//! The shared types of karat, and the two traits that the edges implement: [`Endpoint`] and [`Embedder`].

mod canonical;
mod embedder;
mod embedding_space;
mod endpoint;
mod example;
mod failure;
mod fence;
pub mod fields;
mod flag;
mod index;
mod json_path;
mod nearest;
mod outcome;
pub mod scorer;
mod source;
mod suite;
mod text_rule;
mod time;
mod traffic;

pub use canonical::{ContentHasher, canonical_json, content_hash, content_hash_bytes, fingerprint, short};
pub use embedder::Embedder;
pub use embedding_space::EmbeddingSpace;
pub use endpoint::{CallError, CallErrorKind, Endpoint, EndpointFuture, Message, Request, RequestKey, Response, Usage};
pub use example::{Card, CardSource, Dataset, Example, ExampleStatus, Turn};
pub use failure::{Failure, FailureKind, Outcome as FlowResult};
pub use fence::unfenced;
pub use flag::{Flag, ReasonCode};
pub use index::{ClusterIdx, ExampleIdx, LiveIdx, RecordIdx};
pub use json_path::{JsonPath, at_path};
pub use nearest::{did_you_mean, nearest};
pub use outcome::{Outcome, OutcomeResult, RecordedOutcome, RunId, Score};
pub use scorer::text::Normalization;
pub use scorer::{Reducer, Scorer, ScorerKind};
pub use source::{HashKind, Source, SourceHash, SourcePlace};
pub use suite::{
    Gate, GateLimit, GateMeasure, KaratGate, NamedPrompt, ParitySettings, Percentile, Prompt, PromptMessage, SliceBy,
    SliceFamily, Suite, TurnScoring,
};
#[cfg(test)]
pub use text_rule::Turns;
pub use text_rule::{TextRule, input_text};
pub use time::{Window, parse_span, parse_timestamp};
pub use traffic::{TrafficRecord, WindowSummary};
