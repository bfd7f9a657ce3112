//! A loopback server for tests that sends scripted replies, valid or broken.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The reply to one connection.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Send these bytes, then close the connection.
    Send(Vec<u8>),
    /// Send these bytes, then a TCP reset.
    Reset(Vec<u8>),
    /// Send these bytes, then nothing, and leave the connection open.
    Stall(Vec<u8>),
}

impl Reply {
    /// A complete HTTP response; `headers` are lines that end with `\r\n`.
    pub(crate) fn http(status: u16, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
        Self::Send([head.as_bytes(), body].concat())
    }

    /// The head of a response of `length` bytes, followed only by `body`.
    pub(crate) fn partial(length: usize, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// A running server; it runs until the test process ends.
pub(crate) struct FaultServer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FaultServer {
    /// Starts a server that sends the replies in turn, one per connection, and repeats the last one.
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || serve(&listener, &replies, &seen));
        Self { url, requests }
    }

    /// The requests received so far, heads and bodies; only the first byte of a request that was reset.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The URL of a port on which nothing listens.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn serve(listener: &TcpListener, replies: &[Reply], seen: &Mutex<Vec<String>>) {
    let mut stalled = Vec::new();
    for (index, stream) in listener.incoming().enumerate() {
        let mut stream = stream.unwrap();
        let reply = replies.get(index).or(replies.last()).unwrap();
        let request = if matches!(reply, Reply::Reset(_)) { read_byte(&mut stream) } else { read_request(&stream) };
        seen.lock().unwrap().push(request);
        let (Reply::Send(bytes) | Reply::Reset(bytes) | Reply::Stall(bytes)) = reply;
        // The client may close the connection first, as it does when a response is too large.
        let _ = stream.write_all(bytes);
        match reply {
            Reply::Send(_) => {}
            // Closing with unread input sends a reset; the pause lets the client read what was sent before.
            Reply::Reset(_) => std::thread::sleep(Duration::from_millis(30)),
            Reply::Stall(_) => stalled.push(stream),
        }
    }
}

fn read_byte(stream: &mut TcpStream) -> String {
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    String::from_utf8_lossy(&byte).into_owned()
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") && reader.read_line(&mut text).unwrap() > 0 {}
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}
