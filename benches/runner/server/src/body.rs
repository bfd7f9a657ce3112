//! The body of a response: pieces in order, possibly cut off early.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How many bytes are missing from a body that is cut off.
const MISSING: u64 = 64;

/// The pieces of a body.
pub struct Script {
    pieces: VecDeque<Bytes>,
    /// The length announced in the headers; `None` for a stream.
    length: Option<u64>,
    /// The body is cut off after a short delay, so that everything before has been sent by then.
    cut: Option<Pin<Box<Sleep>>>,
}

impl Script {
    /// A body in one piece.
    pub fn whole(body: String) -> Self {
        Self { length: Some(body.len() as u64), pieces: [body.into()].into(), cut: None }
    }

    /// A stream of server-sent events.
    pub fn events(events: Vec<String>) -> Self {
        let pieces = events.into_iter().map(|event| format!("data: {event}\n\n").into()).collect();
        Self { pieces, length: None, cut: None }
    }

    /// Cuts the body off: a stream after its first half, any other body before its announced length.
    pub fn cut(mut self) -> Self {
        match &mut self.length {
            Some(length) => *length += MISSING,
            None => self.pieces.truncate(self.pieces.len() / 2),
        }
        self.cut = Some(Box::pin(sleep(Duration::from_millis(1))));
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(cut) = &mut self.cut else { return Poll::Ready(None) };
        ready!(cut.as_mut().poll(context));
        Poll::Ready(Some(Err(std::io::Error::other("cut on purpose"))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}
