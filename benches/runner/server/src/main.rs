//! An OpenAI-compatible chat server on loopback that knows every answer, for measuring its clients.
//!
//!     cargo run --release --manifest-path benches/runner/server/Cargo.toml -- --port 0 [--latency-ms 50] [--rate-429 0.05 …]
//!
//! The answer to a question that ends in `00042` is `answer 00042`, at once or after a fixed time. HTTP/1.1 and HTTP/2
//! without TLS. `GET /stats` returns what has been received, `POST /reset` clears it.
//!
//! Faults are determined by a hash of the last user message and by how often it has been received, so that different
//! runs, and clients whose requests differ otherwise, meet the same faults. A fault only affects the first request for
//! a message: a retry succeeds.

mod body;
mod faults;
mod state;

use std::convert::Infallible;
use std::io::{Error, Result, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};

use body::Script;
use faults::{Fault, Rates};
use state::State;

/// A chat server on loopback that knows every answer.
#[derive(Parser)]
struct Options {
    /// Port on 127.0.0.1; 0 picks a free one. The first line of output shows it.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Number of server threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Latency of an answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    #[command(flatten)]
    rates: Rates,
}

/// The error that resets the connection: hyper drops it, and a socket option set before turns that into an RST.
fn reset() -> Error {
    Error::other("reset on purpose")
}

fn main() -> Result<()> {
    let options = Options::parse();
    // With one thread, the simpler scheduler is faster.
    let runtime = match options.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        threads => tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    runtime.block_on(serve(Arc::new(options)))
}

async fn serve(options: Arc<Options>) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    // Printed through a handle that flushes, because the parent process reads the port from a pipe.
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    std::io::stdout().flush()?;
    let state = Arc::new(State::default());
    loop {
        // Too many open files, or a client that is already gone: neither is a reason to stop serving others.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        state.connected();
        tokio::spawn(connection(stream, options.clone(), state.clone()));
    }
}

async fn connection(stream: TcpStream, options: Arc<Options>, state: Arc<State>) {
    // A second descriptor for the same socket, to prepare a reset on it; the first one belongs to hyper.
    let Ok(control) = socket2::SockRef::from(&stream).try_clone().map(Arc::new) else { return };
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, options.clone(), state.clone(), control.clone()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    // Errors are faults caused here, or clients that disconnected.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    options: Arc<Options>,
    state: Arc<State>,
    control: Arc<Socket>,
) -> Result<Response<Script>> {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/stats") => Ok(plain(StatusCode::OK, &state.stats())),
        (&Method::POST, "/reset") => {
            state.clear();
            Ok(plain(StatusCode::OK, &json!({})))
        }
        (&Method::POST, _) if path.ends_with("/chat/completions") => chat(request, &options, &state, &control).await,
        _ => Ok(failure(StatusCode::NOT_FOUND, "no such path")),
    }
}

async fn chat(
    request: Request<Incoming>,
    options: &Options,
    state: &State,
    control: &Socket,
) -> Result<Response<Script>> {
    let in_flight = state.arrived();
    // A request body that breaks off counts as empty: its client is gone.
    let Ok(body) = request.into_body().collect().await else { return Err(reset()) };
    let Some(question) = serde_json::from_slice(&body.to_bytes()).ok().and_then(Question::of) else {
        state.answered(StatusCode::BAD_REQUEST);
        return Ok(failure(StatusCode::BAD_REQUEST, "no user message"));
    };
    let hash = faults::hash(question.text.as_bytes());
    let fault = if state.asked(hash) == 1 { options.rates.draw(hash) } else { None };
    if let Some(fault) = fault {
        state.faulted(fault);
    }
    if fault == Some(Fault::Stall) {
        // Ends when the client disconnects, which drops this future.
        std::future::pending::<Infallible>().await;
    }
    if options.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(options.latency_ms)).await;
    }
    drop(in_flight);
    let response = match fault {
        Some(Fault::Reset) => {
            let _ = control.set_linger(Some(Duration::ZERO));
            return Err(reset());
        }
        Some(Fault::TooMany) => {
            let mut response = failure(StatusCode::TOO_MANY_REQUESTS, "slow down");
            response.headers_mut().insert(RETRY_AFTER, "1".parse().expect("a header value"));
            response
        }
        Some(Fault::Internal) => failure(StatusCode::INTERNAL_SERVER_ERROR, "a fault on purpose"),
        _ => {
            let script = question.reply();
            let script = if fault == Some(Fault::Truncate) { script.cut() } else { script };
            let kind = if question.stream { "text/event-stream" } else { "application/json" };
            Response::builder().header(CONTENT_TYPE, kind).body(script).expect("a response")
        }
    };
    state.answered(response.status());
    Ok(response)
}

fn plain(status: StatusCode, value: &Value) -> Response<Script> {
    let body = Script::whole(value.to_string());
    Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(body).expect("a response")
}

fn failure(status: StatusCode, message: &str) -> Response<Script> {
    plain(status, &json!({"error": {"message": message, "type": "bench"}}))
}

/// The parts of a chat request on which the answer depends.
struct Question {
    model: String,
    /// The last user message.
    text: String,
    stream: bool,
    include_usage: bool,
}

impl Question {
    fn of(request: Value) -> Option<Self> {
        let messages = request["messages"].as_array()?;
        let message = messages.iter().rev().find(|message| message["role"] == "user")?;
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
            _ => return None,
        };
        Some(Self {
            model: request["model"].as_str().unwrap_or("bench").to_owned(),
            text,
            stream: request["stream"] == true,
            include_usage: request["stream_options"]["include_usage"] == true,
        })
    }

    fn reply(&self) -> Script {
        let word = self.text.split_whitespace().next_back().unwrap_or_default();
        let answer = format!("answer {word}");
        // Words count as tokens; nothing here depends on the exact number.
        let (asked, told) = (self.text.split_whitespace().count(), 2);
        let usage = json!({"prompt_tokens": asked, "completion_tokens": told, "total_tokens": asked + told});
        if !self.stream {
            let message = json!({"role": "assistant", "content": answer});
            let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
            return Script::whole(self.object("chat.completion", choices, Some(usage)));
        }
        let delta = |delta: Value, finish: Value| {
            let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
            self.object("chat.completion.chunk", choices, None)
        };
        let mut events = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
        events.extend(answer.split_inclusive(' ').map(|piece| delta(json!({"content": piece}), Value::Null)));
        events.push(delta(json!({}), json!("stop")));
        if self.include_usage {
            events.push(self.object("chat.completion.chunk", json!([]), Some(usage)));
        }
        events.push("[DONE]".to_owned());
        Script::events(events)
    }

    fn object(&self, kind: &str, choices: Value, usage: Option<Value>) -> String {
        let mut object = json!({"id": "chatcmpl-bench", "object": kind, "created": 1_700_000_000, "model": self.model, "choices": choices});
        if let Some(usage) = usage {
            object["usage"] = usage;
        }
        object.to_string()
    }
}
