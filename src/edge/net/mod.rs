//! HTTP for the other edges: one client, one attempt of a JSON POST, and retries around attempts.

mod client;
#[cfg(test)]
pub(crate) mod fault_server;
mod post;
mod redact;
mod retry;

#[cfg(test)]
pub(crate) use client::direct_client;
pub use client::{ClientOptions, client};
pub use post::{DEFAULT_MAX_BODY, post_json};
pub use redact::{Redactor, is_credential_name};
pub use retry::{RetryPolicy, with_retry};
