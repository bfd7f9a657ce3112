//! CSV for spreadsheets and data frames: one row per outcome.
//!
//! The columns are those of [`super::jsonl`], with these differences: `error` is `error_kind` and `error_message`;
//! `input` is the text, and `input_json` the structure of an input that is not a text; `expected` is the accepted
//! answer, or a JSON list of several or of answers that are not texts; `tool_calls`, `tags`, `metadata` and `turns` are
//! JSON. Each scorer has the columns `score.NAME` (empty without a value), `state.NAME` (`scored`, `skipped`, `failed`,
//! empty without an answer) and `reason.NAME`.
//!
//! Every text is in quotes, and one that a spreadsheet program would interpret as a formula gets an apostrophe before it,
//! also where only a program that separates cells by semicolons or tabs would see a formula. Lines and tabs stay as they
//! are, but other control and invisible characters are made visible. The other formats are better for text that is
//! processed further.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::{ExportedOutcome, ExportedRun, Exporter, Header, Summary, one_line, run_of};
use crate::core::privacy::sanitize::{FORMULA_SIGNS, for_spreadsheet, for_terminal, visible_lines};

/// The columns before those of the scorers.
const COLUMNS: [&str; 30] = [
    "run_id",
    "suite",
    "suite_version",
    "dataset",
    "dataset_version",
    "endpoint",
    "prompt",
    "started_at",
    "example_id",
    "trial",
    "answered_at",
    "model",
    "input",
    "input_json",
    "expected",
    "output",
    "tool_calls",
    "finish_reason",
    "error_kind",
    "error_message",
    "attempts",
    "latency_ms",
    "ttft_ms",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "cached",
    "tags",
    "metadata",
    "turns",
];

/// Writes CSV. The writer of the `csv` crate quotes either all cells or those that need it; here texts are in quotes, but
/// numbers and empty cells are not, since databases take `""` in a column of numbers for a text.
pub struct Csv<W> {
    out: W,
    runs: Vec<ExportedRun>,
    scorers: Vec<String>,
}

impl<W: Write> Csv<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, runs: Vec::new(), scorers: Vec::new() }
    }
}

impl<W: Write> Exporter for Csv<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.runs.clone_from(&header.runs);
        self.scorers.clone_from(&header.scorers);
        let of_scorers = header
            .scorers
            .iter()
            .flat_map(|name| ["score", "state", "reason"].map(|what| column(&format!("{what}.{name}"))));
        let columns: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).chain(of_scorers).collect();
        writeln!(self.out, "{}", columns.join(","))
    }

    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()> {
        let mut row = cells(run_of(&self.runs, outcome)?, outcome)?;
        for name in &self.scorers {
            let score = outcome.score(name);
            row.push(number(score.and_then(super::ExportedScore::number)));
            row.push(optional(score.map(|score| score.state.name())));
            row.push(optional(score.and_then(|score| score.reason.as_deref())));
        }
        writeln!(self.out, "{}", row.join(","))
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

fn cells(run: &ExportedRun, outcome: &ExportedOutcome) -> io::Result<Vec<String>> {
    let error = outcome.error.as_ref();
    Ok(vec![
        text(&run.run_id),
        text(&run.suite),
        text(&run.suite_version),
        text(&run.dataset),
        text(&run.dataset_version),
        text(&run.endpoint),
        optional(run.prompt.as_deref()),
        text(&run.started_at.to_string()),
        text(&outcome.example_id),
        outcome.trial.to_string(),
        optional(outcome.answered_at.map(|at| at.to_string()).as_deref()),
        optional(outcome.model.as_deref()),
        text(&outcome.input_text),
        if outcome.input.is_string() { String::new() } else { json(&outcome.input)? },
        expected(&outcome.expected)?,
        optional(outcome.output.as_deref()),
        outcome.tool_calls.as_ref().map(json).transpose()?.unwrap_or_default(),
        optional(outcome.finish_reason.as_deref()),
        optional(error.map(|(kind, _)| kind.as_str())),
        optional(error.map(|(_, message)| message.as_str())),
        outcome.attempts.to_string(),
        number(outcome.latency_ms),
        number(outcome.ttft_ms),
        outcome.prompt_tokens.map(|n| n.to_string()).unwrap_or_default(),
        outcome.completion_tokens.map(|n| n.to_string()).unwrap_or_default(),
        number(outcome.cost),
        outcome.cached.to_string(),
        json(&outcome.tags)?,
        json(&outcome.metadata)?,
        outcome.turns.as_ref().map(json).transpose()?.unwrap_or_default(),
    ])
}

fn expected(answers: &[Value]) -> io::Result<String> {
    match answers {
        [] => Ok(String::new()),
        // A text that looks like JSON is written as a list, since readers take it for one.
        [Value::String(answer)] if !answer.starts_with(['[', '{']) => Ok(text(answer)),
        several => json(&several),
    }
}

/// The name of a column, in quotes only if it needs them, since it is a name for programs.
fn column(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    if is_plain { name.to_owned() } else { quoted(&for_spreadsheet(&for_terminal(name))) }
}

fn text(text: &str) -> String {
    quoted(&for_spreadsheet(&visible_lines(text)))
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// JSON in which escapes replace control characters, and semicolons after which a formula could start, so that it is still
/// the same JSON; an apostrophe would change it.
fn json(value: &impl Serialize) -> io::Result<String> {
    let mut json = one_line(value)?;
    if json.contains(';') {
        for sign in FORMULA_SIGNS {
            json = json.replace(&format!(";{sign}"), &format!("\\u003b{sign}"));
        }
    }
    Ok(text(&json))
}

fn optional(value: Option<&str>) -> String {
    value.map(text).unwrap_or_default()
}

fn number(value: Option<f64>) -> String {
    super::finite(value).map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fixture::{hostile, outcomes, rich_header};
    use super::*;

    fn rows(header: &Header, outcomes: &[ExportedOutcome]) -> Vec<BTreeMap<String, String>> {
        let mut bytes = Vec::new();
        {
            let mut exporter = Csv::new(&mut bytes);
            exporter.begin(header).unwrap();
            outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
            exporter.end(&Summary::default()).unwrap();
        }
        ::csv::Reader::from_reader(bytes.as_slice()).deserialize().map(Result::unwrap).collect()
    }

    #[test]
    fn every_outcome_is_one_row_with_a_column_per_scorer() {
        let rows = rows(&rich_header(), &outcomes());
        let cells = |column: &str| rows.iter().map(|row| row[column].as_str()).collect::<Vec<_>>();
        assert_eq!(cells("example_id"), ["a", "b", "c", "a"]);
        assert_eq!(cells("expected"), ["delivery", r#"["greeting",{"intent":"greeting"}]"#, "delivery", ""]);
        assert_eq!(cells("input_json"), ["", r#"[{"content":"Hello","role":"user"}]"#, "", ""]);
        assert_eq!(cells("turns"), ["", r#"[{"user":"Hello","expected":["greeting"],"output":"complaint"}]"#, "", ""]);
        assert_eq!(cells("score.rouge"), ["0.75", "", "", ""]);
        assert_eq!(cells("tags"), [r#"["billing","de"]"#, "[]", r#"["billing","de"]"#, r#"["billing","de"]"#]);
    }

    #[test]
    fn an_error_and_a_scorer_without_a_score_are_empty_and_not_zero() {
        let rows = rows(&rich_header(), &outcomes());
        let cells = |column: &str| rows.iter().map(|row| row[column].as_str()).collect::<Vec<_>>();
        assert_eq!(cells("score.exact"), ["1", "0", "", ""]);
        assert_eq!(cells("state.exact"), ["scored", "scored", "", "skipped"]);
        assert_eq!(cells("score.judge"), ["", "", "", ""]);
        assert_eq!(cells("state.judge"), ["skipped", "failed", "", ""]);
        assert_eq!(cells("error_kind"), ["", "", "timeout", ""]);
    }

    #[test]
    fn no_cell_starts_a_formula_for_any_separator_or_contains_a_control_character() {
        let mut header = rich_header();
        header.scorers.push("=1+1\n".to_owned());
        for row in rows(&header, &[hostile()]) {
            for (name, cell) in &row {
                for part in cell.split([';', '\t', '\n']).map(|part| part.trim_start_matches('"')) {
                    assert!(!part.starts_with(['=', '+', '-', '@']), "{name}: {cell}");
                }
                let is_bad = |c: char| c.is_control() && c != '\n';
                assert!(!name.contains(char::is_control) && !cell.contains(is_bad), "{name}: {cell:?}");
            }
            assert_eq!((row["score.exact"].as_str(), row["score.rouge"].as_str(), row["cost"].as_str()), ("", "", ""));
            assert_eq!(row["state.rouge"], "failed");
            let outcome = hostile();
            let read = |column: &str| serde_json::from_str::<Value>(&row[column]).unwrap();
            assert_eq!((read("input_json"), read("expected")), (outcome.input, Value::Array(outcome.expected)));
            assert_eq!((read("tags"), read("metadata")), (outcome.tags.into(), Value::Object(outcome.metadata)));
            assert_eq!(read("turns"), serde_json::to_value(outcome.turns).unwrap());
        }
    }

    #[test]
    fn lines_tabs_and_emoji_of_an_answer_are_unchanged() {
        let text = "Steps:\n1. open; -b\n\t- \"save\", or not\n\n👩\u{200D}💻 ;-)\n";
        let outcome = ExportedOutcome { output: Some(text.to_owned()), ..outcomes().remove(0) };
        assert_eq!(rows(&rich_header(), &[outcome])[0]["output"], text);
    }

    #[test]
    fn every_text_is_in_quotes_and_no_number_or_empty_cell_is() {
        let cases = [
            (text("ok;=cmd|'/c calc'!A1"), "\"ok;'=cmd|'/c calc'!A1\""),
            (text("a \"b\""), "\"a \"\"b\"\"\""),
            (text("1"), "\"1\""),
            (text(""), "\"\""),
            (optional(None), ""),
            (number(Some(0.5)), "0.5"),
            (column("score.exact"), "score.exact"),
            (column("score.a,b"), "\"score.a,b\""),
        ];
        cases.into_iter().for_each(|(cell, expected)| assert_eq!(cell, expected));
    }

    #[test]
    fn an_answer_that_looks_like_json_is_written_as_a_list() {
        let cases = [("a", "a"), ("[1]", r#"["[1]"]"#), ("{}", r#"["{}"]"#), ("=1", "'=1")];
        for (answer, cell) in cases {
            assert_eq!(expected(&[Value::String(answer.to_owned())]).unwrap(), quoted(cell));
        }
    }
}
