//! A model server on loopback that sends scripted replies, valid or broken, and records the requests. It implements
//! plain HTTP/1.1 over TCP, so that it can also break off, stall, and send without end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A request as a reply function sees it.
pub struct Ask<'a> {
    /// The text of the last message, or else the body's field `question`.
    pub input: &'a str,
    /// How often this input has been received, including this time.
    pub time: usize,
    /// The complete request.
    pub seen: &'a Seen,
}

/// The reply to a request.
pub enum Reply {
    /// An answer; if a stream was requested, a stream of its words.
    Text(String),
    /// An answer after a delay.
    Later(Duration, String),
    /// An answer (the second text) from a model with this name (the first).
    Model(String, String),
    /// Status 429, with the seconds to wait.
    TooMany(u32),
    /// Status 500.
    Broken,
    /// This status with this body.
    Json(u16, Value),
    /// Status 200 with these bytes as a JSON body.
    Bytes(Vec<u8>),
    /// Half an answer, then the end of the connection.
    Cut(String),
    /// Half a stream, then an orderly end without a finish reason.
    Ended(String),
    /// No response, and a connection reset.
    Reset,
    /// No response, and a connection that stays open.
    Stall,
    /// A body that never ends, sent as fast as it is read.
    EndlessBody,
    /// A stream that never ends, with one word every 20 ms.
    EndlessStream,
}

type Answer = Box<dyn Fn(Ask<'_>) -> Reply + Send + Sync>;

/// A request as received.
#[derive(Clone, Default)]
pub struct Seen {
    /// The path and query.
    pub target: String,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

#[derive(Default)]
struct Memory {
    counts: BTreeMap<String, usize>,
    requests: Vec<Seen>,
}

struct Shared {
    answer: Answer,
    memory: Mutex<Memory>,
}

/// A running server; it stops when it is dropped.
pub struct Server {
    /// The base URL for endpoints.
    pub url: String,
    shared: Arc<Shared>,
    // Dropping it stops the runtime's thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    pub fn start(answer: impl Fn(Ask<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { answer: Box::new(answer), memory: Mutex::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let accept = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        stream.set_nodelay(true).unwrap();
                        // A client that disconnects ends only its own connection.
                        let serving = Arc::clone(&serving);
                        tokio::spawn(async move { drop(serve(stream, &serving).await) });
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, shared, _stop: stop }
    }

    /// Starts a server that replies to every request with the result of `answer`.
    pub fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |ask| Reply::Text(answer(ask.input)))
    }

    /// How often each input was received.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.shared.memory.lock().unwrap().counts.clone()
    }

    /// The total number of requests.
    pub fn total(&self) -> usize {
        self.shared.memory.lock().unwrap().counts.values().sum()
    }

    /// All requests, in order.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.memory.lock().unwrap().requests.clone()
    }

    /// All `Authorization` headers received.
    pub fn authorizations(&self) -> Vec<String> {
        self.requests().into_iter().filter_map(|seen| seen.headers.get("authorization").cloned()).collect()
    }
}

/// A base URL on which nothing listens.
pub fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// Handles the requests of one connection, one after the other.
async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await? {
        let reply = reply(shared, &seen);
        if !write(&mut stream, reply, seen.body["stream"] == true).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads the next request; `None` if the client has disconnected.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut seen = Seen { target: line.split(' ').nth(1).unwrap_or_default().to_owned(), ..Seen::default() };
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = seen.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Some(seen))
}

/// Records a request and returns the test's reply to it.
fn reply(shared: &Shared, seen: &Seen) -> Reply {
    let path = seen.target.split('?').next().unwrap_or_default();
    if path != "/v1/chat/completions" && path != "/v1/ask" {
        return Reply::Json(404, json!({"error": {"message": format!("nothing is served at {path}")}}));
    }
    let last = seen.body["messages"].as_array().and_then(|messages| messages.last());
    let input = last.map_or(&seen.body["question"], |message| &message["content"]).as_str().unwrap_or_default();
    let time = {
        let mut memory = shared.memory.lock().unwrap();
        memory.requests.push(seen.clone());
        let count = memory.counts.entry(input.to_owned()).or_default();
        *count += 1;
        *count
    };
    (shared.answer)(Ask { input, time, seen })
}

/// Writes a reply; returns whether the connection stays open.
async fn write(stream: &mut BufReader<TcpStream>, reply: Reply, streamed: bool) -> std::io::Result<bool> {
    let own = "test-model-1".to_owned();
    match reply {
        Reply::Text(text) => whole(stream, &own, &text, streamed).await?,
        Reply::Model(model, text) => whole(stream, &model, &text, streamed).await?,
        Reply::Later(pause, text) => {
            tokio::time::sleep(pause).await;
            whole(stream, &own, &text, streamed).await?;
        }
        Reply::TooMany(seconds) => {
            let body = json!({"error": {"message": "slow down"}}).to_string();
            send(stream, 429, &format!("retry-after: {seconds}\r\n"), body.as_bytes()).await?;
        }
        Reply::Broken => send(stream, 500, "", br#"{"error": {"message": "out of order"}}"#).await?,
        Reply::Json(status, body) => send(stream, status, "", body.to_string().as_bytes()).await?,
        Reply::Bytes(bytes) => send(stream, 200, "", &bytes).await?,
        Reply::Cut(text) => {
            if streamed {
                stream.write_all(STREAM.as_bytes()).await?;
                let words: Vec<String> = words(&own, &text);
                for event in &words[..words.len() / 2] {
                    chunk(stream, event).await?;
                }
            } else {
                let body = completion(&own, &text);
                let head = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&body.as_bytes()[..body.len() / 2]).await?;
                stream.flush().await?;
            }
            return Ok(false);
        }
        Reply::Ended(text) => {
            stream.write_all(STREAM.as_bytes()).await?;
            chunk(stream, &words(&own, &text)[0]).await?;
            stream.write_all(b"0\r\n\r\n").await?;
        }
        Reply::Reset => {
            stream.get_ref().set_zero_linger()?;
            return Ok(false);
        }
        Reply::Stall => {
            // Until the client disconnects.
            stream.read_u8().await?;
            return Ok(false);
        }
        Reply::EndlessBody => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{JSON}{CHUNKED}\r\n").as_bytes()).await?;
            loop {
                chunk(stream, &" ".repeat(1 << 16)).await?;
            }
        }
        Reply::EndlessStream => {
            stream.write_all(STREAM.as_bytes()).await?;
            loop {
                chunk(stream, &event(&own, &json!({"content": "more "}), None)).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    stream.flush().await?;
    Ok(true)
}

const JSON: &str = "content-type: application/json\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn send(stream: &mut BufReader<TcpStream>, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} Status\r\n{JSON}{headers}content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

async fn chunk(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    stream.flush().await
}

/// Writes an answer, as one body or as a stream of words with short pauses.
async fn whole(stream: &mut BufReader<TcpStream>, model: &str, text: &str, streamed: bool) -> std::io::Result<()> {
    if !streamed {
        return send(stream, 200, "", completion(model, text).as_bytes()).await;
    }
    stream.write_all(STREAM.as_bytes()).await?;
    for event in words(model, text) {
        chunk(stream, &event).await?;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    chunk(stream, "data: [DONE]\n\n").await?;
    stream.write_all(b"0\r\n\r\n").await
}

/// The events of a streamed answer: its words, the finish reason, and the token counts (one per word).
fn words(model: &str, text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let usage = json!({"prompt_tokens": 7, "completion_tokens": words.len()});
    let mut events: Vec<String> = words.iter().map(|word| event(model, &json!({"content": word}), None)).collect();
    events.push(event(model, &json!({}), Some("stop")));
    events.push(format!("data: {}\n\n", json!({"model": model, "choices": [], "usage": usage})));
    events
}

fn event(model: &str, delta: &Value, finish_reason: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
    format!("data: {}\n\n", json!({"object": "chat.completion.chunk", "model": model, "choices": [choice]}))
}

/// A chat completion.
pub fn completion(model: &str, text: &str) -> String {
    json!({
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    })
    .to_string()
}
