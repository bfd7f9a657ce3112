//! Server-sent events, as the WHATWG's HTML standard (9.2) defines them, as far as model APIs use them: only the data of
//! each event is used, since every API repeats the event's name in it.

use crate::core::domain::CallErrorKind;

/// What an event was to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing of the answer itself.
    Quiet,
    /// It carried a part of the answer.
    Output,
    /// The answer is complete.
    End,
}

/// Puts an answer together from events.
pub trait EventReader: Send {
    /// Takes the data of one event.
    ///
    /// # Errors
    /// The kind of failure and a sentence, where the event says that the answer failed or cannot be read.
    fn event(&mut self, data: &str) -> Result<Step, (CallErrorKind, String)>;

    /// Whether the stream may end here, for servers that end it without a word.
    fn is_complete(&self) -> bool;
}

/// Cuts bytes into events, wherever the network cut them.
#[derive(Default)]
pub(super) struct EventParser {
    /// Bytes of a line whose end has not come.
    line: Vec<u8>,
    /// Lines of data of an event whose end has not come.
    data: Option<Vec<u8>>,
    /// The last byte was a carriage return, so that a line feed now belongs to it.
    after_return: bool,
}

impl EventParser {
    /// The data of every event that `bytes` complete; an error for one that is not UTF-8.
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
    fn bytes_that_are_no_text_are_an_error_of_that_event_alone() {
        let events = EventParser::default().push(b"data: \xff\n\ndata: ok\n\n");
        assert!(events[0].is_err() && events[1].as_deref() == Ok("ok"));
    }

    proptest! {
        #[test]
        fn the_events_are_the_same_wherever_the_bytes_are_cut(mut cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(parse(&chunks), parse(&[STREAM.as_bytes()]));
        }
    }
}
