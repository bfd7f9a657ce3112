//! The server itself: one router below the secret path, and the headers of every response.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
};
use axum::http::header::{ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::guard::Guard;
use super::{Refusal, ReviewDesk};
use crate::core::domain::{Failure, FailureKind};
use crate::core::view::shown;

/// Bytes of randomness in the address.
const TOKEN_BYTES: usize = 24;
/// Maximum size of a request's body.
const BODY_LIMIT: usize = 64 * 1024;
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in progress may take once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);

/// The files of the page: path, content type, content.
const FILES: [(&str, &str, &str); 4] = [
    ("", "text/html; charset=utf-8", include_str!("../../../templates/review/page.html")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("../../../templates/review/page.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("../../../templates/review/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../../templates/review/icon.svg")),
];

/// Only the page's own files and its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// Headers of every response.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A listening server.
pub struct ReviewServer {
    listener: TcpListener,
    port: u16,
    token: String,
}

impl ReviewServer {
    /// Listens on the loopback address at `port`. If `any` is set and that port is taken, listens at any free port.
    ///
    /// # Errors
    /// A failure if no port is available, or the system provides no random numbers.
    pub async fn bind(port: u16, any: bool) -> Result<Self, Failure> {
        let mut bound = TcpListener::bind(("127.0.0.1", port)).await;
        if bound.is_err() && any {
            bound = TcpListener::bind(("127.0.0.1", 0)).await;
        }
        let fail = |error: std::io::Error| {
            Failure::other(format!("cannot listen on 127.0.0.1:{port}"))
                .hint("choose another port with --port; 0 takes any free one")
                .caused_by(error)
        };
        let listener = bound.map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::other("the system provides no random numbers").caused_by(error))?;
        Ok(Self { listener, port, token: URL_SAFE_NO_PAD.encode(bytes) })
    }

    /// The address of the page, with its secret.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// Answers requests until `stop` becomes true, and then those in progress.
    ///
    /// # Errors
    /// A failure if the listener fails.
    pub async fn serve(self, desk: Arc<dyn ReviewDesk>, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let state = Arc::new(Served { guard: Guard::new(self.port, &self.token), desk });
        let app = Router::new().fallback(respond).with_state(state);
        let mut stopping = stop.clone();
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        let serve = axum::serve(self.listener, app).with_graceful_shutdown(stopped).into_future();
        // A browser may hold a connection open without a request.
        let late = async move {
            drop(stopping.wait_for(|stop| *stop).await);
            sleep(GRACE).await;
        };
        tokio::select! {
            served = serve => served.map_err(|error| Failure::other("the review page's server stopped").caused_by(error)),
            () = late => Ok(()),
        }
    }
}

struct Served {
    guard: Guard,
    desk: Arc<dyn ReviewDesk>,
}

async fn respond(State(served): State<Arc<Served>>, request: Request) -> Response {
    let mut response = answer(served, request).await.unwrap_or_else(IntoResponse::into_response);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answer(served: Arc<Served>, request: Request) -> Result<Response, Trouble> {
    let (parts, body) = request.into_parts();
    let admitted = served.guard.admit(&parts.method, parts.uri.path(), &parts.headers);
    let path = admitted.map_err(|(status, message)| Trouble::new(status, message))?.to_owned();
    if parts.method == Method::GET
        && let Some((_, kind, content)) = FILES.iter().find(|(name, ..)| *name == path)
    {
        return Ok(([(CONTENT_TYPE, *kind)], *content).into_response());
    }
    let desk = Arc::clone(&served.desk);
    match (&parts.method, path.as_str()) {
        (&Method::GET, "api/queue") => {
            let response = working(move || desk.queue().map_err(Refusal::from)).await?;
            Ok(unless_known(response, parts.headers.get(IF_NONE_MATCH)).await)
        }
        (&Method::GET, "api/example") => {
            let query = query(parts.uri.query().unwrap_or_default());
            let (Some(dataset), Some(example)) = (query.get("dataset").cloned(), query.get("example").cloned()) else {
                return Err(Trouble::new(StatusCode::BAD_REQUEST, "the address lacks dataset or example"));
            };
            working(move || desk.example(&dataset, &example).map_err(Refusal::from)).await
        }
        (&Method::POST, "api/decide") => {
            let request = read(body).await?;
            working(move || desk.decide(request)).await
        }
        (&Method::POST, "api/undo") => {
            let request = read(body).await?;
            working(move || desk.undo(request)).await
        }
        _ => Err(Trouble::new(StatusCode::NOT_FOUND, "there is nothing here")),
    }
}

/// Runs work that reads files and the database, and sends its result.
async fn working<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<Response, Trouble> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(view)) => Ok(axum::Json(view).into_response()),
        Ok(Err(refusal)) => Err(refusal.into()),
        Err(_) => Err(Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "karat failed; the terminal tells more")),
    }
}

/// The response with a tag, or only the tag if the page already has this content: it asks every two seconds.
async fn unless_known(response: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    // The body is in memory, so reading it cannot fail.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let tag = HeaderValue::try_from(format!("\"{}\"", blake3::hash(&bytes).to_hex())).ok();
    if tag.is_some() && tag.as_ref() == known {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    parts.headers.extend(tag.map(|tag| (ETAG, tag)));
    Response::from_parts(parts, Body::from(bytes))
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Trouble> {
    let too_large = |_| Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 64 KiB");
    let late = |_| Trouble::new(StatusCode::REQUEST_TIMEOUT, "the request took too long");
    let bytes: Bytes = timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT)).await.map_err(late)?.map_err(too_large)?;
    serde_json::from_slice(&bytes).map_err(|error| Trouble {
        hint: Some(error.to_string()),
        ..Trouble::new(StatusCode::BAD_REQUEST, "the request is not as documented in docs/json.md")
    })
}

/// The decoded pairs of a query.
fn query(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// A refused request.
struct Trouble {
    status: StatusCode,
    message: String,
    hint: Option<String>,
    details: Vec<String>,
}

impl Trouble {
    fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), hint: None, details: Vec::new() }
    }
}

impl From<Refusal> for Trouble {
    fn from(Refusal { is_conflict, failure }: Refusal) -> Self {
        let status = match failure.kind {
            _ if is_conflict => StatusCode::CONFLICT,
            FailureKind::Data | FailureKind::Usage => StatusCode::UNPROCESSABLE_ENTITY,
            FailureKind::Store | FailureKind::Incomplete | FailureKind::Other => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, message: failure.message, hint: failure.hint, details: failure.details }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Self { status, message, hint, details } = self;
        let details: Vec<String> = details.iter().map(|line| shown(line)).collect();
        let error =
            json!({"error": {"message": shown(&message), "hint": hint.as_deref().map(shown), "details": details}});
        (status, axum::Json(error)).into_response()
    }
}
