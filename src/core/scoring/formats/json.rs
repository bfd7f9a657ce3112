//! JSON in answers.

use serde::de::IgnoredAny;

use super::{Fault, byte_at, check};

/// Whether an answer is valid JSON (RFC 8259) of any kind and depth, alone or in one code fence.
///
/// Keys may be repeated and numbers may be beyond the range of f64, as in JavaScript.
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_json(answer: &str) -> Result<(), String> {
    check(answer, |text| match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let line_start = byte_at(text, error.line() as u64, 1);
            let message = error.to_string();
            let problem = message.rsplit_once(" at line ").map_or(message.as_str(), |(problem, _)| problem);
            // The column counts bytes.
            Err(Fault::new(line_start + error.column().saturating_sub(1), problem))
        }
    })
}

/// The first complete JSON object or array anywhere in a text: of all brackets from which one can be read, the first.
///
/// Objects and arrays inside of the text's own quotation marks, or of an array that is not complete, are found as well.
/// Takes linear time.
pub fn find_json(text: &str) -> Option<&str> {
    json_values(text).next()
}

/// Every complete JSON object or array in a text that is not part of one before it, in order. Takes linear time.
pub fn json_values(text: &str) -> impl Iterator<Item = &str> {
    let mut search = Search { bytes: text.as_bytes(), known: vec![Known::Nothing; text.len()] };
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(offset) = search.bytes.iter().skip(at).position(|b| matches!(b, b'{' | b'[')) {
            let start = at + offset;
            if let Some(end) = search.container_end(start) {
                at = end;
                return text.get(start..end);
            }
            at = start + 1;
        }
        None
    })
}

/// A search for JSON that remembers what it has found out about each bracket, so that no part is read twice in the same
/// way. Quotation marks can be read as the start or the end of a string, so a part may be read twice.
struct Search<'a> {
    bytes: &'a [u8],
    known: Vec<Known>,
}

/// What is known about the object or array that starts at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Incomplete,
    EndsAt(usize),
}

/// What has to come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
}

impl Search<'_> {
    /// The end of the object or array that starts at a byte, if it is complete.
    fn container_end(&mut self, start: usize) -> Option<usize> {
        let mut open: Vec<usize> = Vec::new();
        let mut at = start;
        let mut next = Next::Value;
        loop {
            at = self.skip_white_space(at);
            let Some((end, following)) = self.step(at, next, &mut open) else { break };
            (at, next) = (end, following);
            if open.is_empty() {
                return Some(at);
            }
        }
        // None of those that are still open can be complete.
        for start in open.into_iter().chain([start]) {
            self.note(start, Known::Incomplete);
        }
        None
    }

    /// Reads one token; returns its end, and what has to come next.
    fn step(&mut self, at: usize, next: Next, open: &mut Vec<usize>) -> Option<(usize, Next)> {
        let byte = *self.bytes.get(at)?;
        match (next, byte) {
            (Next::Value | Next::ValueOrEnd, b'{' | b'[') => match self.known.get(at)? {
                Known::Incomplete => None,
                Known::EndsAt(end) => Some((*end, Next::CommaOrEnd)),
                Known::Nothing => {
                    open.push(at);
                    Some((at + 1, if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd }))
                }
            },
            (Next::ValueOrEnd | Next::CommaOrEnd, b']') => self.close(at, b'[', open),
            (Next::KeyOrEnd | Next::CommaOrEnd, b'}') => self.close(at, b'{', open),
            (Next::CommaOrEnd, b',') => {
                let is_object = self.bytes.get(*open.last()?) == Some(&b'{');
                Some((at + 1, if is_object { Next::Key } else { Next::Value }))
            }
            (Next::Key | Next::KeyOrEnd, b'"') => {
                let colon = self.skip_white_space(self.string_end(at)?);
                (self.bytes.get(colon) == Some(&b':')).then_some((colon + 1, Next::Value))
            }
            (Next::Value | Next::ValueOrEnd, _) => Some((self.scalar_end(at)?, Next::CommaOrEnd)),
            _ => None,
        }
    }

    fn close(&mut self, at: usize, opening: u8, open: &mut Vec<usize>) -> Option<(usize, Next)> {
        let start = *open.last()?;
        if self.bytes.get(start) != Some(&opening) {
            return None;
        }
        open.pop();
        self.note(start, Known::EndsAt(at + 1));
        Some((at + 1, Next::CommaOrEnd))
    }

    fn note(&mut self, start: usize, known: Known) {
        if let Some(note) = self.known.get_mut(start) {
            *note = known;
        }
    }

    fn skip_white_space(&self, at: usize) -> usize {
        at + self.count(at, |b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
    }

    fn count(&self, at: usize, is_wanted: impl Fn(u8) -> bool) -> usize {
        self.bytes.get(at..).unwrap_or_default().iter().take_while(|b| is_wanted(**b)).count()
    }

    fn scalar_end(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let literal = ["true", "false", "null"].into_iter().find(|literal| rest.starts_with(literal.as_bytes()));
        match (literal, rest.first()?) {
            (Some(literal), _) => Some(at + literal.len()),
            (None, b'"') => self.string_end(at),
            _ => self.number_end(at),
        }
    }

    fn string_end(&self, quote: usize) -> Option<usize> {
        let mut at = quote + 1;
        loop {
            at += self.count(at, |b| b >= 0x20 && b != b'"' && b != b'\\');
            match (self.bytes.get(at)?, self.bytes.get(at + 1)) {
                (b'"', _) => return Some(at + 1),
                (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => at += 2,
                (b'\\', Some(b'u')) if self.bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            }
        }
    }

    fn number_end(&self, start: usize) -> Option<usize> {
        let digits = |at: usize| self.count(at, |b| b.is_ascii_digit());
        let mut at = start + usize::from(self.bytes.get(start) == Some(&b'-'));
        at += if self.bytes.get(at) == Some(&b'0') { 1 } else { Some(digits(at)).filter(|count| *count > 0)? };
        if self.bytes.get(at) == Some(&b'.') {
            at += 1 + Some(digits(at + 1)).filter(|count| *count > 0)?;
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-')));
            at += Some(digits(at)).filter(|count| *count > 0)?;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_of_any_kind_is_valid() {
        let valid = ["{}", "[1, 2]", "\"a\"", "1e999", "null", "```json\n{\"a\": [true]}\n```", "{\"a\": 1, \"a\": 2}"];
        for answer in valid {
            assert_eq!(is_json(answer), Ok(()), "{answer}");
        }
        let cases = [
            ("{a: 1}", "line 1, column 2: key must be a string"),
            ("[1,\n 2,]", "line 2, column 4: expected value"),
            ("{} {}", "line 1, column 4: trailing characters"),
            ("[1", "line 1, column 2: EOF while parsing a list"),
            ("Sure: {}", "line 1, column 1: expected value"),
            ("[NaN]", "line 1, column 2: expected value"),
            ("['a']", "line 1, column 2: expected value"),
        ];
        for (answer, error) in cases {
            assert_eq!(is_json(answer), Err(error.to_owned()), "{answer}");
        }
    }

    #[test]
    fn every_value_that_is_not_part_of_another_is_found() {
        let cases: [(&str, &[&str]); 6] = [
            ("See [1]: {\"a\": [2]} and [3] {", &["[1]", "{\"a\": [2]}", "[3]"]),
            ("[[1], [2], {\"a\": 3", &["[1]", "[2]"]),
            ("He said \"use [\" {\"a\": \"]\"}", &["{\"a\": \"]\"}"]),
            ("[\"oops {\"a\": 1}", &["{\"a\": 1}"]),
            ("{'a': 1}", &[]),
            ("é[]🙂{}", &["[]", "{}"]),
        ];
        for (text, expected) in cases {
            assert_eq!(json_values(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        found: Option<String>,
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        find: Vec<Case>,
    }

    #[test]
    fn the_first_value_is_the_one_that_pythons_decoder_finds() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../../tests/fixtures/scoring/extraction.json")).unwrap();
        for case in &fixture.find {
            assert_eq!(find_json(&case.text), case.found.as_deref(), "{}", case.text);
        }
        assert!(fixture.find.len() > 100);
    }

    proptest! {
        #[test]
        fn the_first_value_is_the_first_that_can_be_parsed(text in r#"[\[\]{}",:01a \\\-.e]{0,24}"#) {
            let parsed = (0..text.len()).find_map(|start| {
                let rest = text[start..].starts_with(['{', '[']).then(|| &text[start..])?;
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
                values.next()?.ok()?;
                Some(&rest[..values.byte_offset()])
            });
            prop_assert_eq!(find_json(&text), parsed);
        }

        #[test]
        fn a_value_is_found_in_text_around_it(before in "[a-z \"é]{0,9}", value in "[a-z\\[{\\]]{0,9}", after in "[ -~]{0,9}") {
            let value = serde_json::json!([{ value.clone(): [value] }]).to_string();
            let text = format!("{before}{value}{after}");
            prop_assert_eq!(find_json(&text), Some(value.as_str()));
        }
    }
}
