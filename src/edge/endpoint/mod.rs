//! Things that answer requests: an OpenAI-compatible server, and the nearest-neighbour baseline.

mod baseline;
mod openai;

pub use baseline::{Baseline, BaselineMemory};
pub use openai::{OpenAiEndpoint, OpenAiSettings};
