//! The documented JSON form.

use std::borrow::Cow;

use serde::Serialize;

use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::Report;

/// The report in its documented JSON form.
///
/// # Errors
/// As [`to_json`].
pub fn json(report: &Report) -> FlowResult<String> {
    to_json(report)
}

/// Any value as indented JSON with a newline at the end.
///
/// Characters that steer a terminal or reorder text are written as `\uXXXX`, which every reader turns back into the
/// same string.
///
/// # Errors
/// A failure of the encoder, such as a map whose keys are not text, is passed on.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> FlowResult<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::other("this cannot be written as JSON").caused_by(error))?;
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Outside strings JSON is ASCII, and its only control character is the newline.
        if c != '\n' && steers(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    Ok(out)
}

/// Whether a terminal may not be shown this character as it is.
fn steers(c: char) -> bool {
    matches!(for_terminal(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{empty, rich};
    use super::*;

    #[test]
    fn the_json_form_of_a_rich_report() {
        insta::assert_snapshot!(json(&rich()).unwrap());
    }

    #[test]
    fn the_json_form_of_an_empty_report() {
        insta::assert_snapshot!(json(&empty()).unwrap());
    }

    #[test]
    fn it_reads_back_as_the_same_report_and_holds_nothing_that_steers_a_terminal() {
        let report = rich();
        let text = json(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert!(text.ends_with("}\n"));
        assert!(!text.contains(|c: char| c != '\n' && steers(c)));
    }
}
