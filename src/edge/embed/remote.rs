//! An embedder that calls any server with OpenAI's `/embeddings` API.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::core::domain::{CallError, CallErrorKind, Embedder, EmbeddingSpace, Failure, FailureKind};
use crate::core::privacy::Mask;
use crate::edge::net::{Exchange, RetryPolicy, with_retry};

/// The path of the API, below the base URL.
const PATH: &str = "/embeddings";

/// The maximum number of bytes of a text that are sent; the rest is cut off, because servers refuse texts that are too
/// long.
const MAX_BYTES: usize = 20_000;

/// The maximum size of the response to one batch in bytes (64 MiB).
const MAX_ANSWER: usize = 64 << 20;

/// The settings of a remote embedder.
#[derive(Clone)]
pub struct RemoteSettings {
    /// The embedder's name in the workspace.
    pub name: String,
    /// The model to request.
    pub model: String,
    /// Number of dimensions to request, if the model offers a choice.
    pub dimensions: Option<usize>,
    /// Number of texts per request.
    pub batch: usize,
    /// Maximum number of requests started per minute.
    pub requests_per_minute: Option<u32>,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// How transient failures are retried.
    pub retry: RetryPolicy,
}

/// How to connect to a server, including secrets.
pub struct Connection {
    /// The client, which contains the connection pool.
    pub client: Client,
    /// The URL without `/embeddings`. A query (`?api-version=…`) is preserved.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …`.
    pub api_key: Option<SecretString>,
    /// Additional headers by name; all values are treated as credentials.
    pub headers: Vec<(String, SecretString)>,
    /// Masks the secrets wherever the server repeats them.
    pub mask: Mask,
}

/// Returns the connection when the first text is embedded, so that a command that embeds nothing needs no key.
pub type Connect = Arc<dyn Fn() -> Result<Connection, Failure> + Send + Sync>;

/// An embedder behind `POST {base_url}/embeddings`.
pub struct Remote {
    settings: RemoteSettings,
    connect: Connect,
    server: OnceLock<RemoteServer>,
    dim: OnceLock<usize>,
    space: EmbeddingSpace,
}

struct RemoteServer {
    exchange: Exchange,
    mask: Mask,
}

impl Remote {
    /// Creates an embedder that gets its connection from `connect`; nothing is sent yet. The server's address is not
    /// part of the embedding space: the same model behind another gateway returns the same vectors, and the probes
    /// detect if it does not.
    pub fn new(settings: RemoteSettings, connect: Connect) -> Self {
        let mut parts = BTreeMap::from([
            ("model".to_owned(), settings.model.clone()),
            ("normalisation".to_owned(), "unit".to_owned()),
            ("truncation".to_owned(), format!("{MAX_BYTES} bytes")),
        ]);
        if let Some(dimensions) = settings.dimensions {
            parts.insert("dimension".to_owned(), dimensions.to_string());
        }
        let space = EmbeddingSpace::new("openai", parts);
        Self { space, connect, server: OnceLock::new(), dim: OnceLock::new(), settings }
    }

    fn server(&self) -> Result<&RemoteServer, Failure> {
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let Connection { client, base_url, api_key, headers, mask } = (self.connect)()?;
        let name = &self.settings.name;
        let url = embeddings_url(name, &base_url)?;
        let headers = header_map(&headers, api_key.as_ref())
            .ok_or_else(|| Failure::data(format!("embedder \"{name}\": a header or the key cannot be sent")))?;
        let exchange = Exchange { max_body: MAX_ANSWER, ..Exchange::post(client, url, headers, self.settings.timeout) };
        Ok(self.server.get_or_init(|| RemoteServer { exchange, mask }))
    }

    /// Embeds all texts in batches, one after the other.
    async fn ask_all(&self, exchange: &Exchange, texts: &[&str]) -> Result<Vec<Vec<f32>>, CallError> {
        let pause = self.settings.requests_per_minute.map(|limit| Duration::from_secs(60) / limit.max(1));
        let mut vectors = Vec::with_capacity(texts.len());
        let mut next = Instant::now();
        for batch in texts.chunks(self.settings.batch.max(1)) {
            tokio::time::sleep_until(next).await;
            next = Instant::now() + pause.unwrap_or_default();
            vectors.extend(self.ask_each_if_refused(exchange, batch).await?);
        }
        Ok(vectors)
    }

    /// If a batch is refused, requests each of its texts separately; a text that is refused again gets no vector. If
    /// all of them are refused, the texts are not the cause, and the error is returned.
    async fn ask_each_if_refused(&self, exchange: &Exchange, batch: &[&str]) -> Result<Vec<Vec<f32>>, CallError> {
        let refused = match self.ask(exchange, batch).await {
            Err(error) if error.kind == CallErrorKind::Refused && batch.len() > 1 => error,
            other => return other,
        };
        let mut vectors = Vec::with_capacity(batch.len());
        for text in batch {
            match self.ask(exchange, &[*text]).await {
                Ok(found) => vectors.extend(found),
                Err(error) if error.kind == CallErrorKind::Refused => vectors.push(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        if vectors.iter().all(Vec::is_empty) { Err(refused) } else { Ok(vectors) }
    }

    async fn ask(&self, exchange: &Exchange, batch: &[&str]) -> Result<Vec<Vec<f32>>, CallError> {
        let texts: Vec<&str> = batch.iter().map(|text| &text[..text.floor_char_boundary(MAX_BYTES)]).collect();
        let mut body = json!({"model": self.settings.model, "input": texts, "encoding_format": "float"});
        if let Some(dimensions) = self.settings.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        let body = body.to_string().into_bytes();
        let attempt = async |_: u32| {
            let answer = exchange.json(body.clone()).await.result?;
            read_answer(&answer.body, batch.len())
        };
        let (vectors, _) = with_retry(&self.settings.retry, attempt).await?;
        let dim = *self.dim.get_or_init(|| vectors.first().map_or(0, Vec::len));
        if vectors.iter().any(|vector| vector.len() != dim) {
            let what = format!("the server returned vectors of {dim} components before, and now of another size");
            return Err(CallError::new(CallErrorKind::BadAnswer, what));
        }
        Ok(vectors)
    }
}

impl Embedder for Remote {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.settings.dimensions.or(self.dim.get().copied()).unwrap_or(0)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        // Use a separate thread, because the caller may itself be a task of an async runtime, which must not block.
        let server = self.server()?;
        let answer = std::thread::scope(|scope| scope.spawn(|| block_on(self.ask_all(&server.exchange, texts))).join());
        let stopped = || Failure::other("embedding stopped unexpectedly");
        let vectors = answer.map_err(|_| stopped())?.map_err(|failure| {
            let message = server.mask.text(&failure.message).into_owned();
            Failure { message, ..failure }
        })?;
        let dim = self.dim();
        Ok(vectors.into_iter().map(|vector| if vector.is_empty() { vec![0.0; dim] } else { vector }).collect())
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, CallError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other("cannot start the network runtime").caused_by(error))?;
    runtime.block_on(work).map_err(|error| {
        Failure::new(FailureKind::Incomplete, format!("cannot embed texts: {}", error.message))
            .hint("vectors computed so far are stored; run the command again")
    })
}

/// The URL to which texts are sent, for a base URL.
///
/// # Errors
/// A data failure that names the embedder if the URL is invalid.
pub fn embeddings_url(name: &str, base_url: &str) -> Result<Url, Failure> {
    let fault = |what: &str| Failure::data(format!("embedder \"{name}\": {what}"));
    let mut url: Url = base_url.trim().parse().map_err(|_| fault("base_url is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("base_url must begin with http:// or https:// and must not contain a user name or password"));
    }
    let path = url.path().trim_end_matches('/');
    let path = format!("{}{PATH}", path.strip_suffix(PATH).unwrap_or(path));
    url.set_path(&path);
    Ok(url)
}

fn header_map(headers: &[(String, SecretString)], api_key: Option<&SecretString>) -> Option<HeaderMap> {
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name.parse::<HeaderName>().ok()?, secret(value.expose_secret())?);
    }
    if let Some(key) = api_key {
        map.insert(AUTHORIZATION, secret(&format!("Bearer {}", key.expose_secret()))?);
    }
    Some(map)
}

/// The vectors of a response, in the order of their indexes.
fn read_answer(answer: &Value, expected: usize) -> Result<Vec<Vec<f32>>, CallError> {
    let wrong = |what: &str| CallError::new(CallErrorKind::BadAnswer, format!("the response {what}"));
    let items = answer.get("data").and_then(Value::as_array).ok_or_else(|| wrong("has no \"data\""))?;
    let mut vectors = vec![Vec::new(); expected];
    for (place, item) in items.iter().enumerate() {
        let index = item.get("index").and_then(Value::as_u64).map_or(place, |index| index as usize);
        let numbers = item.get("embedding").and_then(Value::as_array).ok_or_else(|| wrong("lacks an \"embedding\""))?;
        let vector: Option<Vec<f32>> = numbers.iter().map(|number| number.as_f64().map(|n| n as f32)).collect();
        let vector = vector.filter(|vector| vector.iter().all(|component| component.is_finite()));
        *vectors.get_mut(index).ok_or_else(|| wrong("has an index out of range"))? =
            vector.ok_or_else(|| wrong("contains a component that is not a number"))?;
    }
    if vectors.iter().any(Vec::is_empty) {
        return Err(wrong(&format!("contains {} vectors for {expected} texts", items.len())));
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::net::direct_client;
    use crate::edge::net::fault_server::{FaultServer, Reply};

    const KEY: &str = "sk-canary";

    fn settings() -> RemoteSettings {
        RemoteSettings {
            name: "r".into(),
            model: "m".into(),
            dimensions: None,
            batch: 2,
            requests_per_minute: None,
            timeout: Duration::from_secs(2),
            retry: RetryPolicy { max_retries: 1, base: Duration::from_millis(1), ..RetryPolicy::default() },
        }
    }

    fn connection(base_url: String) -> Connection {
        let api_key = Some(KEY.to_owned().into());
        Connection { client: direct_client(), base_url, api_key, headers: vec![], mask: Mask::new(["path-canary"]) }
    }

    fn remote(server: &FaultServer) -> Remote {
        let url = format!("{}/v1?v=2", server.url);
        Remote::new(settings(), Arc::new(move || Ok(connection(url.clone()))))
    }

    fn answer(vectors: &[(usize, &[f32])]) -> Reply {
        let data: Vec<Value> =
            vectors.iter().map(|(index, vector)| json!({"index": index, "embedding": vector})).collect();
        Reply::http(200, "", json!({"data": data}).to_string().as_bytes())
    }

    #[test]
    fn texts_are_sent_in_batches_and_vectors_returned_in_order() {
        let server = FaultServer::start(vec![
            answer(&[(1, &[0.0, 1.0]), (0, &[1.0, 0.0])]),
            Reply::http(503, "", b"{}"),
            answer(&[(0, &[0.5, 0.5])]),
        ]);
        let remote = remote(&server);
        assert_eq!(remote.dim(), 0);
        let found = remote.embed(&["a", "b", "c"]).unwrap();
        assert_eq!(found, [vec![1.0, 0.0], vec![0.0, 1.0], vec![0.5, 0.5]]);
        assert_eq!(remote.dim(), 2);
        let requests = server.requests();
        assert!(requests[0].starts_with("POST /v1/embeddings?v=2 ") && requests[0].contains("Bearer sk-canary"));
        assert!(requests[0].contains(r#""input":["a","b"]"#) && requests[2].contains(r#""input":["c"]"#));
    }

    #[test]
    fn a_text_that_the_server_refuses_has_no_vector_but_the_others_do() {
        let refusal = || Reply::http(400, "", br#"{"error":{"message":"too long"}}"#);
        let server = FaultServer::start(vec![refusal(), answer(&[(0, &[1.0, 0.0])]), refusal()]);
        assert_eq!(remote(&server).embed(&["a", "b"]).unwrap(), [vec![1.0, 0.0], vec![0.0, 0.0]]);
        let server = FaultServer::start(vec![refusal()]);
        let failure = remote(&server).embed(&["a", "b"]).unwrap_err();
        assert!(failure.message.starts_with("cannot embed texts: "), "{failure}");
    }

    #[test]
    fn a_broken_response_is_an_error_without_secrets_and_never_a_vector() {
        let broken: [&[u8]; 6] = [
            b"{}",
            br#"{"data":[{"index":9,"embedding":[1]}]}"#,
            br#"{"data":[]}"#,
            br#"{"data":[{"index":0,"embedding":[null]}]}"#,
            br#"{"data":[{"index":0,"embedding":[1e99]}]}"#,
            b"not json",
        ];
        for body in broken {
            let server = FaultServer::start(vec![Reply::http(200, "", body)]);
            let failure = remote(&server).embed(&["a"]).unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
        let server = FaultServer::start(vec![answer(&[(0, &[1.0, 0.0])]), answer(&[(0, &[1.0])])]);
        let remote = remote(&server);
        remote.embed(&["a"]).unwrap();
        assert!(remote.embed(&["b"]).unwrap_err().message.contains("2 components before"));
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for url in ["", "ftp://x", "http://u:p@x/v1"] {
            assert!(embeddings_url("r", url).is_err(), "{url}");
        }
        for url in ["http://a/v1", "http://a/v1/", "http://a/v1/embeddings"] {
            assert_eq!(embeddings_url("r", url).unwrap().as_str(), "http://a/v1/embeddings");
        }
    }

    #[test]
    fn the_connection_is_opened_for_the_first_text_and_its_secrets_are_masked() {
        let remote = Remote::new(settings(), Arc::new(|| Err(Failure::data("there is no key"))));
        assert_eq!((remote.dim(), remote.embed(&[]).unwrap().len()), (0, 0));
        assert_eq!(remote.embed(&["a"]).unwrap_err().message, "there is no key");

        let echo = br#"{"error":{"message":"no sk-canary for path-canary"}}"#;
        let server = FaultServer::start(vec![Reply::http(401, "", echo)]);
        let url = format!("{}/path-canary", server.url);
        let remote = Remote::new(settings(), Arc::new(move || Ok(connection(url.clone()))));
        let failure = format!("{:?}", remote.embed(&["a"]).unwrap_err());
        assert!(failure.contains("***") && !failure.contains("canary"), "{failure}");
    }
}
