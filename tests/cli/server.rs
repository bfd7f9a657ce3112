//! A chat completions server on loopback that answers as it is told to, well or badly, and counts what it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// One request as the server sees it.
pub struct Ask<'a> {
    /// Text of the last message.
    pub input: &'a str,
    /// How often this input was asked, this time included.
    pub time: usize,
}

/// What becomes of a request.
pub enum Reply {
    /// An answer.
    Text(String),
    /// An answer after a while.
    Later(Duration, String),
    /// 429, with the seconds to wait.
    TooMany(u32),
    /// 500.
    Broken,
}

type Answer = Box<dyn Fn(Ask<'_>) -> Reply + Send + Sync>;

#[derive(Default)]
struct Seen {
    counts: BTreeMap<String, usize>,
    authorizations: Vec<String>,
}

struct Shared {
    answer: Answer,
    seen: Mutex<Seen>,
}

/// A running server; it ends when it is dropped.
pub struct Server {
    /// The base URL an endpoint is given.
    pub url: String,
    shared: Arc<Shared>,
    // Dropping it ends the runtime's thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    pub fn start(answer: impl Fn(Ask<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { answer: Box::new(answer), seen: Mutex::default() });
        let app = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&shared));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { url, shared, _stop: stop }
    }

    /// A server that answers every input with what `answer` makes of it.
    pub fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |ask| Reply::Text(answer(ask.input)))
    }

    /// How often each input was asked.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.shared.seen.lock().unwrap().counts.clone()
    }

    /// Requests seen in all.
    pub fn total(&self) -> usize {
        self.shared.seen.lock().unwrap().counts.values().sum()
    }

    /// Every `Authorization` header seen.
    pub fn authorizations(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().authorizations.clone()
    }
}

/// A base URL that nobody listens at.
pub fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let last = request["messages"].as_array().and_then(|messages| messages.last());
    let input = last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned();
    let time = {
        let mut seen = shared.seen.lock().unwrap();
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        seen.authorizations.extend(authorization.map(str::to_owned));
        let count = seen.counts.entry(input.clone()).or_default();
        *count += 1;
        *count
    };
    match (shared.answer)(Ask { input: &input, time }) {
        Reply::Text(text) => completion(&text),
        Reply::Later(pause, text) => {
            tokio::time::sleep(pause).await;
            completion(&text)
        }
        Reply::TooMany(seconds) => {
            let body = Json(json!({"error": {"message": "slow down"}}));
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], body).into_response()
        }
        Reply::Broken => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": {"message": "out of order"}}))).into_response()
        }
    }
}

fn completion(text: &str) -> Response {
    Json(json!({
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": "test-model-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }))
    .into_response()
}
