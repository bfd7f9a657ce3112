//! A loopback server that implements the OpenAI chat completions API with the demo's classifier.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::classifier::Classifier;
use crate::core::domain::Failure;

/// The model's name, as the server reports it.
const MODEL: &str = "demo-classifier";

/// A listening server.
pub struct DemoServer {
    listener: TcpListener,
    model: Arc<Classifier>,
}

impl DemoServer {
    /// Listens on the loopback address at `port`, or at any free port if that one is taken or 0.
    ///
    /// # Errors
    /// A failure if no port is available.
    pub async fn bind(port: u16, model: Arc<Classifier>) -> Result<Self, Failure> {
        let wanted = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = match wanted {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(("127.0.0.1", 0))
                .await
                .map_err(|error| Failure::other("the demo's server cannot listen on 127.0.0.1").caused_by(error))?,
        };
        Ok(Self { listener, model })
    }

    /// The address on which it listens.
    ///
    /// # Errors
    /// A failure if the system does not report it.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        self.listener.local_addr().map_err(|error| Failure::other("the demo's server has no address").caused_by(error))
    }

    /// Answers requests until the future is dropped.
    ///
    /// # Errors
    /// A failure if the listener fails.
    pub async fn serve(self) -> Result<(), Failure> {
        let app = Router::new().route("/v1/chat/completions", post(complete)).with_state(self.model);
        axum::serve(self.listener, app)
            .await
            .map_err(|error| Failure::other("the demo's server stopped").caused_by(error))
    }
}

async fn complete(State(model): State<Arc<Classifier>>, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    let messages = request["messages"].as_array();
    let last = messages.and_then(|messages| messages.iter().rev().find(|message| message["role"] == "user"));
    let Some(text) = last.and_then(|message| message["content"].as_str()) else {
        let error = json!({"error": {"message": "messages must contain a user message with text", "type": "invalid_request_error"}});
        return (StatusCode::BAD_REQUEST, Json(error));
    };
    let (worker, owned) = (Arc::clone(&model), text.to_owned());
    let answer = match tokio::task::spawn_blocking(move || worker.classify(&owned)).await {
        Ok(Ok(answer)) => answer,
        _ => {
            let error = json!({"error": {"message": "the model failed", "type": "server_error"}});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(error));
        }
    };
    let words = |text: &str| text.split_whitespace().count();
    let body = json!({
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": words(text), "completion_tokens": 1, "total_tokens": words(text) + 1},
    });
    (StatusCode::OK, Json(body))
}
