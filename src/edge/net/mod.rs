//! HTTP for the other edges: the client, a single JSON request, retries, and limits per host.

mod client;
mod events;
#[cfg(test)]
#[path = "tests/fault_server.rs"]
pub(crate) mod fault_server;
mod hints;
mod limiter;
mod post;
mod redact;
mod retry;

#[cfg(test)]
pub(crate) use client::direct_client;
pub use client::{ClientOptions, client};
pub use events::{EventReader, Step};
pub use limiter::{HostLimiter, Limiters, Pace};
pub use post::{Complete, DEFAULT_MAX_BODY, Exchange, StatusRules, Streamed};
pub use retry::{RetryPolicy, with_retry};
