//! The HTTP client every edge shares.

use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use crate::core::domain::Failure;

/// How the client introduces itself and how long it tries to connect.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Longest wait for one connection, name lookup and TLS handshake included.
    pub connect_timeout: Duration,
    /// Value of the `User-Agent` header; visible ASCII.
    pub user_agent: String,
    /// Whether HTTP/2 is spoken without negotiation, for plain `http` servers that know it. Over `https` it is
    /// negotiated anyway.
    pub http2: bool,
}

impl ClientOptions {
    /// karat's own name, and at most ten seconds for a connection, or the `timeout` of an attempt where that is shorter.
    pub fn for_attempts_of(timeout: Duration) -> Self {
        Self {
            connect_timeout: Duration::from_secs(10).min(timeout),
            user_agent: concat!("karat/", env!("CARGO_PKG_VERSION")).to_owned(),
            http2: false,
        }
    }
}

/// Makes a client for the calls to one server (it holds the pool of open connections).
///
/// - TLS is rustls with the `ring` provider and the certificates the system trusts (`SSL_CERT_FILE` and
///   `SSL_CERT_DIR` are honoured). The provider is installed once per process, whichever thread comes first; one that
///   the program installed before is kept.
/// - Redirects are never followed, so that no credential reaches a host the user did not name.
/// - Proxies are those of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`), but for hosts in `NO_PROXY`.
///   A server on a loopback address is always reached directly.
/// - A server reached by plain `http` needs no certificates, so none are looked for.
///
/// # Errors
/// Where TLS cannot be set up (no trusted certificates on the system) or `user_agent` is no header value.
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

/// The same client, whatever proxies the environment of a test names.
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
        Failure::other("the HTTP client cannot be set up")
            .hint("check that the system has CA certificates (or set SSL_CERT_FILE) and that the user agent is plain ASCII")
            .caused_by(error)
    })
}

fn install_tls_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error only says that the program has chosen a provider already, which is as good.
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
    fn many_threads_may_make_their_first_client_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(client(&options("karat/0"), "https://example.org").is_ok()));
            }
        });
    }

    #[test]
    fn a_user_agent_that_is_no_header_value_is_a_failure() {
        let failure = client(&options("two\nlines"), "http://localhost").unwrap_err();
        assert!(failure.hint.unwrap().contains("user agent"));
    }
}
