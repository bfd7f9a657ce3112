//! The checks of every request. The server listens on loopback only, but every page in the user's browser can send requests
//! there: so the address contains a secret, `Host` must be the server's own (a name that was rebound to loopback is another),
//! and what changes something must be JSON sent by the page itself.

use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};

/// The header in which browsers tell where a request is from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What requests are checked against.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    port: u16,
    token: blake3::Hash,
}

impl Guard {
    pub fn new(port: u16, token: &str) -> Self {
        Self { port, token: blake3::hash(token.as_bytes()) }
    }

    /// The path below the secret part of the address, such as `/api/queue`.
    ///
    /// # Errors
    /// The status and the reason for which the request is refused.
    pub fn admit<'a>(
        &self,
        method: &Method,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Result<&'a str, (StatusCode, &'static str)> {
        if !self.is_own_host(headers) {
            return Err((StatusCode::FORBIDDEN, "the Host header is not this server's address"));
        }
        let (token, rest) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or(("", ""));
        // Hashes are compared in constant time, whatever the token's length.
        if blake3::hash(token.as_bytes()) != self.token {
            return Err((StatusCode::NOT_FOUND, "there is nothing here; open the address that karat review printed"));
        }
        if rest.starts_with("api/") && !self.is_own_page(headers) {
            return Err((StatusCode::FORBIDDEN, "the request is from another site"));
        }
        if !matches!(*method, Method::GET | Method::POST) {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET and POST are served"));
        }
        if method == Method::POST && !is_json(headers) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
        }
        Ok(rest)
    }

    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        self.own_names().iter().any(|name| host.as_bytes() == name.as_bytes())
    }

    /// Whether the request was sent by the page, or by a program that is not a browser.
    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let own = |origin: &[u8]| {
            self.own_names()
                .iter()
                .any(|name| origin.strip_prefix(b"http://").is_some_and(|host| host == name.as_bytes()))
        };
        headers.get_all(ORIGIN).iter().all(|origin| own(origin.as_bytes()))
            && headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin")
    }

    fn own_names(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = |value: &str| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// Method, path, headers, and what comes of it.
    type Case<'a> = (&'a Method, &'a str, &'a [(&'static str, &'a str)], Result<&'a str, u16>);

    #[test]
    fn only_requests_of_the_page_itself_are_admitted() {
        let guard = Guard::new(8000, "secret");
        let own = ("host", "127.0.0.1:8000");
        let (json, local) = (("content-type", "application/json"), ("host", "localhost:8000"));
        let (get, post) = (Method::GET, Method::POST);
        let cases: &[Case] = &[
            (&get, "/secret/", &[own], Ok("")),
            (&get, "/secret/api/queue", &[local], Ok("api/queue")),
            (&get, "/secret/api/queue", &[own, ("sec-fetch-site", "same-origin")], Ok("api/queue")),
            (&get, "/secret/api/queue", &[own, ("sec-fetch-site", "cross-site")], Err(403)),
            (&get, "/secret/", &[own, ("sec-fetch-site", "cross-site")], Ok("")),
            (&get, "/secret/", &[], Err(403)),
            (&get, "/secret/", &[("host", "127.0.0.1:8001")], Err(403)),
            (&get, "/secret/", &[("host", "127.0.0.1")], Err(403)),
            (&get, "/secret/", &[("host", "evil.example:8000")], Err(403)),
            (&get, "/secret/", &[("host", "localhost:8000.evil.example")], Err(403)),
            (&get, "/secre/", &[own], Err(404)),
            (&get, "/secrets/", &[own], Err(404)),
            (&get, "/secret", &[own], Err(404)),
            (&get, "/", &[own], Err(404)),
            (&get, "", &[own], Err(404)),
            (&get, "//secret/", &[own], Err(404)),
            (&post, "/secret/api/undo", &[own, json], Ok("api/undo")),
            (&post, "/secret/api/undo", &[own, ("content-type", "application/json; charset=utf-8")], Ok("api/undo")),
            (&post, "/secret/api/undo", &[own], Err(415)),
            (&post, "/secret/api/undo", &[own, ("content-type", "text/plain")], Err(415)),
            (&post, "/secret/api/undo", &[own, json, ("origin", "http://127.0.0.1:8000")], Ok("api/undo")),
            (&post, "/secret/api/undo", &[own, json, ("origin", "http://localhost:8000")], Ok("api/undo")),
            (&post, "/secret/api/undo", &[own, json, ("origin", "http://127.0.0.1:8001")], Err(403)),
            (&post, "/secret/api/undo", &[own, json, ("origin", "https://127.0.0.1:8000")], Err(403)),
            (&post, "/secret/api/undo", &[own, json, ("origin", "null")], Err(403)),
            (&post, "/secret/api/undo", &[own, json, ("sec-fetch-site", "same-site")], Err(403)),
            (&post, "/secret/api/undo", &[own, json, ("sec-fetch-site", "none")], Err(403)),
            (&Method::DELETE, "/secret/", &[own], Err(405)),
        ];
        for (method, path, given, expected) in cases {
            let found = guard.admit(method, path, &headers(given)).map_err(|(status, _)| status.as_u16());
            assert_eq!(found, *expected, "{method} {path} {given:?}");
        }
        let mut twice = headers(&[own]);
        twice.append(HOST, "evil.example".parse().unwrap());
        assert!(guard.admit(&Method::GET, "/secret/", &twice).is_err(), "two Host headers");
    }
}
