//! The endpoints that answer requests: model APIs in their dialects, programs, cassettes, and the nearest-neighbour
//! baseline.

mod anthropic;
mod api;
mod baseline;
mod cassette;
mod chat_form;
mod exec;
mod gemini;
mod http;
mod openai_chat;
mod openai_responses;
mod replay;
#[cfg(test)]
#[path = "tests/support.rs"]
mod test_support;

pub use anthropic::Anthropic;
pub use api::{ApiEndpoint, ApiSettings, Dialect};
pub use baseline::{Baseline, BaselineMemory, LabelledExample};
pub use cassette::{CassetteEntry, CassetteHeader, CassetteWriter};
pub use exec::{ExecEndpoint, ExecSettings};
pub use gemini::Gemini;
pub use http::{HttpApi, HttpTemplate};
pub use openai_chat::OpenAiChat;
pub use openai_responses::OpenAiResponses;
pub use replay::Replay;
