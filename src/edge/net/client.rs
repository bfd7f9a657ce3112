//! The HTTP client that all edges share.

use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use crate::core::domain::Failure;

/// The settings of an HTTP client.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Time limit for a connection, including name lookup and TLS handshake.
    pub connect_timeout: Duration,
    /// Value of the `User-Agent` header; must be visible ASCII.
    pub user_agent: String,
    /// Whether to use HTTP/2 without negotiation, for plain `http` servers that support it. Over `https` it is
    /// negotiated anyway.
    pub http2: bool,
}

impl ClientOptions {
    /// Options with karat's user agent and a connection timeout of ten seconds, or `timeout` if that is shorter.
    pub fn for_attempts_of(timeout: Duration) -> Self {
        Self {
            connect_timeout: Duration::from_secs(10).min(timeout),
            user_agent: concat!("karat/", env!("CARGO_PKG_VERSION")).to_owned(),
            http2: false,
        }
    }
}

/// Creates a client for the calls to one server; it contains the connection pool.
///
/// - TLS is rustls with the `ring` provider and the system's trusted certificates (`SSL_CERT_FILE` and
///   `SSL_CERT_DIR` are honoured). The provider is installed once per process, by the first thread that gets here; a
///   provider installed before is left in place.
/// - Redirects are never followed, so that no credential reaches a host that the user did not configure.
/// - Proxies are taken from the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`), except for hosts in `NO_PROXY`.
///   A server on a loopback address is always reached directly.
/// - For a server reached over plain `http`, no certificates are loaded.
///
/// # Errors
/// A failure if TLS cannot be set up (no trusted certificates on the system) or `user_agent` is not a valid header
/// value.
pub fn client(options: &ClientOptions, base_url: &str) -> Result<Client, Failure> {
    let mut builder = builder(options);
    let url = reqwest::Url::parse(base_url).ok();
    if url.as_ref().is_some_and(is_loopback) {
        builder = builder.no_proxy();
    }
    if url.is_some_and(|url| url.scheme() == "http") {
        builder = builder.tls_certs_only(std::iter::empty());
    }
    build(builder)
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A client that ignores any proxy set in the environment of a test.
#[cfg(test)]
pub(crate) fn direct_client() -> Client {
    let options =
        ClientOptions { connect_timeout: Duration::from_secs(2), user_agent: "karat-test".into(), http2: false };
    build(builder(&options).no_proxy()).unwrap()
}

fn builder(options: &ClientOptions) -> ClientBuilder {
    install_tls_provider();
    let builder = Client::builder()
        .connect_timeout(options.connect_timeout)
        .user_agent(options.user_agent.as_str())
        .redirect(Policy::none());
    if options.http2 { builder.http2_prior_knowledge() } else { builder }
}

fn build(builder: ClientBuilder) -> Result<Client, Failure> {
    builder.build().map_err(|error| {
        Failure::other("cannot set up the HTTP client")
            .hint("check that the system has CA certificates (or set SSL_CERT_FILE) and that the user agent is plain ASCII")
            .caused_by(error)
    })
}

fn install_tls_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error only means that a provider has been installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(user_agent: &str) -> ClientOptions {
        ClientOptions { connect_timeout: Duration::from_secs(1), user_agent: user_agent.into(), http2: false }
    }

    #[test]
    fn many_threads_may_create_their_first_client_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(client(&options("karat/0"), "https://example.org").is_ok()));
            }
        });
    }

    #[test]
    fn a_user_agent_that_is_not_a_header_value_is_a_failure() {
        let failure = client(&options("two\nlines"), "http://localhost").unwrap_err();
        assert!(failure.hint.unwrap().contains("user agent"));
    }
}
