//! Server-sent events, as the WHATWG's HTML standard (9.2) defines them, to the extent that model APIs use them: only
//! the data of each event is read, because every API repeats the event's name in it.

use crate::core::domain::CallErrorKind;

/// The meaning of an event for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The event carried no part of the answer.
    Quiet,
    /// The event carried a part of the answer.
    Output,
    /// The answer is complete.
    End,
}

/// Assembles an answer from events.
pub trait EventReader: Send {
    /// Processes the data of one event.
    ///
    /// # Errors
    /// The error kind and a message if the event reports an error or cannot be read.
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)>;

    /// Whether the answer is complete if the stream ends here, for servers that send no final event.
    fn is_complete(&self) -> bool;
}

/// Splits bytes into events, however the network has chunked them.
#[derive(Default)]
pub(super) struct EventParser {
    /// Bytes of an unfinished line.
    line: Vec<u8>,
    /// Data lines of an unfinished event.
    data: Option<Vec<u8>>,
    /// Whether the last byte was a carriage return, so that a following line feed belongs to it.
    after_return: bool,
}

impl EventParser {
    /// The data of every event that is completed by `bytes`; an error for an event that is not UTF-8.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Result<String, std::string::FromUtf8Error>> {
        let mut events = Vec::new();
        for byte in bytes {
            let is_second_half = std::mem::replace(&mut self.after_return, *byte == b'\r') && *byte == b'\n';
            match byte {
                _ if is_second_half => {}
                b'\n' | b'\r' => events.extend(self.end_line().map(String::from_utf8)),
                other => self.line.push(*other),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(value) = line.strip_prefix(b"data:".as_slice()) {
            let value = value.strip_prefix(b" ".as_slice()).unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = ": comment\n\nevent: start\ndata: {\"a\":1}\n\ndata:two\ndata: lines\r\n\r\nid: 7\rdata: h\u{e4}\r\r\
                          data\n\ndata: [DONE]\n\ndata: unfinished\n";

    fn parse(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = EventParser::default();
        chunks.iter().flat_map(|chunk| parser.push(chunk)).map(Result::unwrap).collect()
    }

    #[test]
    fn comments_names_and_every_line_ending_are_read_and_an_unfinished_event_is_not() {
        assert_eq!(parse(&[STREAM.as_bytes()]), ["{\"a\":1}", "two\nlines", "h\u{e4}", "[DONE]"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_of_that_event_only() {
        let events = EventParser::default().push(b"data: \xff\n\ndata: ok\n\n");
        assert!(events[0].is_err() && events[1].as_deref() == Ok("ok"));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_where_bytes_are_split(mut cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(parse(&chunks), parse(&[STREAM.as_bytes()]));
        }
    }
}
