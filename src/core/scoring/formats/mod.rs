//! Whether an answer is valid JSON, XML, YAML, SQL or HTML, and where in an answer there is some.
//!
//! Every check accepts an answer that is wrapped in one Markdown code fence. Time and memory are linear in the length
//! of the answer, except that SQL is refused beyond a size, and no answer can exhaust the stack.

mod blocks;
mod html;
mod json;
mod sql;
mod xml;
mod yaml;

use crate::core::domain::unfenced;

use super::reason::short;

pub use self::html::{find_html, is_html, is_html_with_text};
pub use self::json::{find_json, is_json};
pub use self::sql::{SqlDialect, find_sql, is_sql};
pub use self::xml::{find_xml, is_xml};
pub use self::yaml::{find_yaml, is_yaml};

/// What is wrong with a text, and the byte at which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    at: usize,
    problem: String,
}

impl Fault {
    fn new(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: problem.into() }
    }
}

/// Checks the content of an answer, without its fence. The place in an error is the one in the answer.
fn check(answer: &str, check: impl FnOnce(&str) -> Result<(), Fault>) -> Result<(), String> {
    let content = unfenced(answer);
    if content.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    check(content).map_err(|fault| {
        let start = content.as_ptr().addr().saturating_sub(answer.as_ptr().addr());
        let (line, column) = line_and_column(answer, start.saturating_add(fault.at));
        short(&format!("line {line}, column {column}: {}", fault.problem))
    })
}

/// The line and the column of a byte, both from 1; columns are characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.bytes().filter(|b| *b == b'\n').count() + 1, column + 1)
}

/// The byte at a line and a column, both from 1, as other parsers count them: columns are characters.
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start = match skipped {
        0 => 0,
        _ => text.match_indices('\n').nth(skipped - 1).map_or(text.len(), |(newline, _)| newline + 1),
    };
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every check and every search, by name.
    fn every_check(text: &str) -> Vec<(&'static str, Result<(), String>)> {
        let sql = |name| is_sql(text, SqlDialect::named(name).unwrap());
        vec![
            ("json", is_json(text)),
            ("xml", is_xml(text)),
            ("yaml", is_yaml(text)),
            ("html", is_html(text)),
            ("sql", is_sql(text, SqlDialect::default())),
            ("postgres", sql("postgres")),
            ("mysql", sql("mysql")),
        ]
    }

    fn every_search(text: &str) -> Vec<Option<&str>> {
        vec![find_json(text), find_xml(text), find_yaml(text), find_sql(text), find_html(text)]
    }

    fn in_small_thread(work: impl FnOnce() + Send + 'static) {
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn places_are_those_in_the_answer_with_its_fence() {
        let cases = [
            (is_json("{\"é\": x}"), "line 1, column 7: expected value"),
            (is_json("  ```json\n{\n \"é\": x}\n```"), "line 3, column 7: expected value"),
            (is_xml("```xml\n<a>é</b>\n```"), "line 2, column 5: </b> does not match <a>"),
            (is_yaml("```yaml\na: 1\na: 2\n```"), "line 3, column 1: duplicate mapping key: a"),
            (
                is_sql("```sql\nSELECT 1 FORM t x\n```", SqlDialect::default()),
                "line 2, column 15: expected the end of the statement, found t",
            ),
            (is_html("```html\n<div>\n<b>é</i></div>\n```"), "line 3, column 5: </i> does not match <b>"),
            (is_json(""), "the answer is empty"),
            (is_html("```\n```"), "the answer is empty"),
        ];
        for (result, expected) in cases {
            let error = result.unwrap_err();
            assert!(error.starts_with(expected), "{error} instead of {expected}");
        }
    }

    #[test]
    fn lines_columns_and_bytes_are_converted() {
        let text = "é\nab\r\n\n東x";
        for (at, place) in [(0, (1, 1)), (1, (1, 1)), (2, (1, 2)), (3, (2, 1)), (7, (3, 1)), (8, (4, 1)), (11, (4, 2))]
        {
            assert_eq!(line_and_column(text, at), place, "{at}");
        }
        assert_eq!(line_and_column(text, 99), (4, 3));
        for at in [0, 2, 3, 4, 8, 11, 12] {
            let (line, column) = line_and_column(text, at);
            assert_eq!(byte_at(text, line as u64, column as u64), at);
        }
        assert_eq!(byte_at(text, 99, 99), text.len());
        assert_eq!(byte_at(text, 0, 0), 0);
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let nest = |open: &str, middle: &str, close: &str| {
            let levels = 100_000;
            [format!("{}{middle}{}", open.repeat(levels), close.repeat(levels)), open.repeat(levels)]
        };
        let texts = [
            nest("[", "1", "]"),
            nest("{\"a\":", "1", "}"),
            nest("<a>", "1", "</a>"),
            nest("<div>", "1", "</div>"),
            nest("<p>", "1", ""),
            nest("- ", "1", ""),
            nest("? ", "1", ""),
            nest("{a: ", "1", "}"),
            nest("SELECT (", "1", ")"),
            nest("(", "SELECT 1", ")"),
            nest("SELECT NOT ", "1", ""),
            nest("EXPLAIN ", "SELECT 1", ""),
            nest("SELECT CASE WHEN ", "1", " THEN 1 END"),
            nest("SELECT * FROM (", "t", ")"),
        ];
        in_small_thread(move || {
            for text in texts.iter().flatten() {
                assert_eq!(every_check(text).len(), 7);
                assert_eq!(every_search(text).len(), 5);
            }
        });
    }

    #[test]
    fn long_hostile_answers_are_checked_in_linear_time() {
        let units = [
            "a",
            "[",
            "[\"",
            "{\"a\":",
            "[1,",
            "[\"[\\\"",
            "<",
            "<a ",
            "<a>",
            "<a b=\"",
            "<a><!--",
            "<!---->",
            "<a><![CDATA[",
            "<a><?p ",
            "</a>",
            "&amp;",
            "<script>",
            "<p>",
            "- ",
            "? ",
            "&a ",
            "*a ",
            "a: ",
            "|\n",
            "\t",
            "\n",
            "(",
            "SELECT ",
            "1+",
            "1,",
            "'",
            "/*",
            "$$",
            "NOT ",
            "SELECT 1;",
            "`",
            "```\n",
            "\0",
            "\u{301}",
            "🙂",
            "\u{feff}",
            "x in (",
            "a|",
        ];
        for unit in units {
            let text = unit.repeat((1 << 20) / unit.len());
            every_search(&text);
            every_check(&format!("```x\n{text}\n```")).into_iter().for_each(|(name, result)| {
                assert!(result.err().unwrap_or_default().chars().count() <= 200, "{name} {unit}");
            });
            // More SQL than that is refused.
            let short = unit.repeat((250 << 10) / unit.len());
            let error = is_sql(&short, SqlDialect::default()).err().unwrap_or_default();
            assert!(!error.contains("could not be parsed"), "{unit}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_found_is_part_of_it(
            text in prop_oneof![
                any::<String>(),
                r#"([\[\]{}",:0-9a \\]|</?[ab]|<p>|/>|>|<!--|-->|```[a-z]{0,4}\n|&(amp)?;|select |- |: |\n|[é🙂\u{301}\u{0}]){0,30}"#,
            ]
        ) {
            for (name, result) in every_check(&text) {
                if let Err(error) = result {
                    prop_assert!(error == "the answer is empty" || error.starts_with("line "), "{} {}", name, error);
                    prop_assert!(!error.chars().any(char::is_control));
                }
            }
            for found in every_search(&text).into_iter().flatten() {
                prop_assert!(text.contains(found));
            }
            prop_assert!(find_json(&text).is_none_or(|found| is_json(found).is_ok()));
            prop_assert!(find_xml(&text).is_none_or(|found| is_xml(found).is_ok()));
        }
    }
}
