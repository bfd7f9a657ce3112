//! Rows of CSV and JSON Lines as tests.

use std::path::Path;
use std::rc::Rc;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Number, Value};

use super::files::{extension, is_script, path_and_function};
use super::tree::{Item, Kind};

/// A row as a test, or its line and why it cannot be read.
type Row = Result<Item, (u64, String)>;

/// Types of assertions that a cell may begin with.
const TYPES: [&str; 60] = [
    "agent-rubric",
    "answer-relevance",
    "bleu",
    "classifier",
    "contains",
    "contains-all",
    "contains-any",
    "contains-html",
    "contains-json",
    "contains-sql",
    "contains-xml",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "conversation-relevance",
    "cost",
    "equals",
    "factuality",
    "finish-reason",
    "g-eval",
    "gleu",
    "guardrails",
    "icontains",
    "icontains-all",
    "icontains-any",
    "is-html",
    "is-json",
    "is-refusal",
    "is-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-valid-openai-tools-call",
    "is-xml",
    "javascript",
    "latency",
    "levenshtein",
    "llm-rubric",
    "pi",
    "meteor",
    "model-graded-closedqa",
    "model-graded-factuality",
    "moderation",
    "perplexity",
    "perplexity-score",
    "python",
    "regex",
    "rouge-n",
    "ruby",
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
    "starts-with",
    "search-rubric",
    "tool-call-f1",
    "trace-error-spans",
    "trace-span-count",
    "trace-span-duration",
    "webhook",
    "word-count",
];

/// Types whose threshold in a cell is 0.75 unless it says otherwise.
const WITH_THRESHOLD: [&str; 11] = [
    "answer-relevance",
    "classifier",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "cost",
    "latency",
    "levenshtein",
    "perplexity-score",
    "perplexity",
    "rouge-n",
];

/// How the names of columns with settings of assertions begin.
pub(super) const CONFIG: &str = "__config:";

/// The type, the threshold and the value of an assertion in a cell.
static CELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(not-)?([a-z][a-z0-9-]*(?::(?:cosine|dot|euclidean))?)(?:\((\d+(?:\.\d+)?)\))?(?::(?s:(.*)))?$").ok()
});

/// The rows of a table.
pub(super) fn csv(text: &str, file: &Path, delimiter: u8) -> Vec<Row> {
    let file: Rc<Path> = Rc::from(file);
    let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(columns) => columns.iter().map(|column| column.trim().to_owned()).collect(),
        Err(error) => return vec![Err((1, format!("the columns cannot be read: {error}")))],
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                if record.iter().all(|cell| cell.trim().is_empty()) {
                    continue;
                }
                if record.len() != columns.len() {
                    rows.push(Err((
                        line,
                        format!("it has {} cells, but there are {} columns", record.len(), columns.len()),
                    )));
                    continue;
                }
                let at = Item { file: Rc::clone(&file), line, kind: Kind::Null };
                let text = |cell: &str| at.at(Kind::Text(cell.to_owned()));
                let entries: Vec<_> = columns.iter().cloned().zip(record.iter().map(text)).collect();
                rows.push(Ok(test_of_row(&at, &entries)));
            }
            Err(error) => {
                rows.push(Err((error.position().map_or(0, csv::Position::line), format!("it is not CSV: {error}"))))
            }
        }
    }
    rows
}

/// The rows of JSON Lines.
pub(super) fn json_lines(text: &str, file: &Path) -> Vec<Row> {
    let file: Rc<Path> = Rc::from(file);
    let lines = (1_u64..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty());
    let row = |(line, text): (u64, &str)| match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => Ok(Item::from_value(&file, line, &value, 0)),
        Ok(_) => Err((line, "it is no JSON object".to_owned())),
        Err(error) => Err((line, format!("it is not JSON: {error}"))),
    };
    lines.map(row).collect()
}

/// A row of variables, and of columns with a meaning such as `__expected`, as a test.
pub(super) fn test_of_row(at: &Item, row: &[(String, Item)]) -> Item {
    let mut test = Vec::new();
    let (mut vars, mut asserts, mut options, mut metadata) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut metric = None;
    for (name, cell) in row {
        let name = name.trim();
        let text = cell.scalar().unwrap_or_default();
        let filled = !text.trim().is_empty();
        match name {
            _ if name.starts_with("__expected") => asserts.extend(filled.then(|| assertion(at, text.trim()))),
            "__prefix" | "__suffix" => options.push((bare(name), cell.clone())),
            "__description" | "__providerOutput" if filled => test.push((bare(name), cell.clone())),
            // A threshold of 0 in a table is none.
            "__threshold" => {
                let number = number(at, &text).filter(|number| number.number() != Some(0.0));
                test.extend(number.map(|number| ("threshold".to_owned(), number)));
            }
            "__metric" => metric = Some(cell.clone()).filter(|_| filled),
            "__description" | "__providerOutput" => {}
            _ if name.starts_with("__metadata:") => {
                metadata.extend(filled.then(|| metadatum(name.trim_start_matches("__metadata:"), cell, &text)));
            }
            _ if name.starts_with(CONFIG) => {}
            _ => vars.push((name.to_owned(), cell.clone())),
        }
    }
    let left = configure(at, row, &mut asserts);
    if !left.is_empty() {
        test.push(("config".to_owned(), at.at(Kind::Map(left))));
    }
    if let Some(metric) = metric {
        asserts.iter_mut().for_each(|entries| entries.push(("metric".to_owned(), metric.clone())));
    }
    let map = |entries| at.at(Kind::Map(entries));
    test.push(("vars".to_owned(), map(vars)));
    test.push(("assert".to_owned(), at.at(Kind::List(asserts.into_iter().map(map).collect()))));
    test.push(("options".to_owned(), map(options)));
    test.push(("metadata".to_owned(), map(metadata)));
    map(test)
}

fn bare(name: &str) -> String {
    name.trim_start_matches('_').to_owned()
}

/// A field of the metadata; `NAME[]` is a list.
fn metadatum(name: &str, cell: &Item, text: &str) -> (String, Item) {
    match name.strip_suffix("[]") {
        Some(name) => {
            let parts = text.replace("\\,", "\u{0}");
            let parts = parts.split(',').map(|part| cell.at(Kind::Text(part.trim().replace('\u{0}', ","))));
            (name.to_owned(), cell.at(Kind::List(parts.collect())))
        }
        None => (name.to_owned(), cell.clone()),
    }
}

/// Sets the thresholds of columns such as `__config:__expected2:threshold`, and returns the cells of columns that set
/// anything else.
fn configure(at: &Item, row: &[(String, Item)], asserts: &mut [Vec<(String, Item)>]) -> Vec<(String, Item)> {
    let mut left = Vec::new();
    for (name, cell) in row {
        let Some(rest) = name.trim().strip_prefix(CONFIG) else { continue };
        let text = cell.scalar().unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        let target = rest.strip_prefix("__expected").and_then(|rest| rest.strip_suffix(":threshold")).and_then(index);
        match (target, number(at, &text)) {
            (Some(index), Some(threshold)) => {
                // A row may have fewer assertions than the table has columns for them.
                if let Some(entries) = asserts.get_mut(index) {
                    entries.retain(|(name, _)| name != "threshold");
                    entries.push(("threshold".to_owned(), threshold));
                }
            }
            _ => left.push((name.clone(), cell.clone())),
        }
    }
    left
}

/// The index of an assertion by what follows `__expected` in the name of its column.
fn index(number: &str) -> Option<usize> {
    match number {
        "" => Some(0),
        number => number.parse::<usize>().ok()?.checked_sub(1),
    }
}

fn number(at: &Item, text: &str) -> Option<Item> {
    let number = text.trim().parse::<f64>().ok().and_then(Number::from_f64)?;
    Some(at.at(Kind::Number(number)))
}

/// The assertion that a cell is: `TYPE: VALUE`, `TYPE(THRESHOLD): VALUE`, or a text that the answer must equal.
fn assertion(at: &Item, cell: &str) -> Vec<(String, Item)> {
    let of = |kind: &str, value: &str| {
        vec![
            ("type".to_owned(), at.at(Kind::Text(kind.to_owned()))),
            ("value".to_owned(), at.at(Kind::Text(value.to_owned()))),
        ]
    };
    for (prefix, kind) in [
        ("javascript:", "javascript"),
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("grade:", "llm-rubric"),
        ("llm-rubric:", "llm-rubric"),
        ("python:", "python"),
    ] {
        if let Some(value) = cell.strip_prefix(prefix) {
            return of(kind, value.trim());
        }
    }
    if cell.starts_with("file://") {
        let kind = extension(path_and_function(cell).0);
        match kind.as_str() {
            "py" => return of("python", cell),
            kind if is_script(kind) => return of("javascript", cell),
            _ => {}
        }
    }
    typed(at, cell).unwrap_or_else(|| of("equals", cell))
}

/// The assertion that a cell is if it begins with a type.
fn typed(at: &Item, cell: &str) -> Option<Vec<(String, Item)>> {
    let found = CELL.as_ref().and_then(|pattern| pattern.captures(cell));
    let found = found.filter(|found| found.get(2).is_some_and(|kind| TYPES.contains(&kind.as_str())))?;
    let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
    let (base, value) = (part(2), part(4));
    let mut entries = vec![("type".to_owned(), at.at(Kind::Text(format!("{}{base}", part(1)))))];
    let value = if ["is-json", "contains-json"].contains(&base) { value } else { value.trim() };
    if !value.is_empty() {
        let texts = |value: &str| value.split(',').map(|part| at.at(Kind::Text(part.trim().to_owned()))).collect();
        let is_list = base.ends_with("contains-all") || base.ends_with("contains-any");
        let kind = if is_list { Kind::List(texts(value)) } else { Kind::Text(value.to_owned()) };
        entries.push(("value".to_owned(), at.at(kind)));
    }
    let usual = match base {
        "similar" => Some("0.8"),
        base if WITH_THRESHOLD.contains(&base) => Some("0.75"),
        _ => None,
    };
    let threshold = Some(part(3)).filter(|text| !text.is_empty()).or(usual);
    entries.extend(threshold.and_then(|text| number(at, text)).map(|number| ("threshold".to_owned(), number)));
    Some(entries)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cell(text: &str) -> Value {
        let at = Item { file: Rc::from(Path::new("t.csv")), line: 2, kind: Kind::Null };
        at.at(Kind::Map(assertion(&at, text))).value()
    }

    #[test]
    fn cells_are_read_as_assertions() {
        for (text, expected) in [
            ("Paris", json!({"type": "equals", "value": "Paris"})),
            ("contains: Paris", json!({"type": "contains", "value": "Paris"})),
            ("not-icontains:a", json!({"type": "not-icontains", "value": "a"})),
            ("similar(0.9): x", json!({"type": "similar", "value": "x", "threshold": 0.9})),
            ("similar: x", json!({"type": "similar", "value": "x", "threshold": 0.8})),
            ("contains-any: a, b", json!({"type": "contains-any", "value": ["a", "b"]})),
            ("is-json", json!({"type": "is-json"})),
            ("grade: is kind", json!({"type": "llm-rubric", "value": "is kind"})),
            ("fn:output.length < 3", json!({"type": "javascript", "value": "output.length < 3"})),
            ("file://a.py:f", json!({"type": "python", "value": "file://a.py:f"})),
            ("latency(500)", json!({"type": "latency", "threshold": 500.0})),
            ("note: this is an answer", json!({"type": "equals", "value": "note: this is an answer"})),
        ] {
            assert_eq!(cell(text), expected, "{text}");
        }
    }

    #[test]
    fn tables_are_read_with_their_lines_and_special_columns() {
        let table = "q , __expected1,__expected2,__threshold,__metadata:tags[],__config:__expected2:threshold,\
                     __metric\n\
                     \"a\nb\",contains:x,similar:y,0.5,\"p, q\",0.6,tone\nonly two,cells\n";
        let rows = csv(table, Path::new("t.csv"), b',');
        let first = rows[0].as_ref().unwrap();
        assert_eq!(
            first.value(),
            json!({
                "threshold": 0.5,
                "vars": {"q": "a\nb"},
                "assert": [
                    {"type": "contains", "value": "x", "metric": "tone"},
                    {"type": "similar", "value": "y", "threshold": 0.6, "metric": "tone"},
                ],
                "options": {},
                "metadata": {"tags": ["p", "q"]},
            })
        );
        assert_eq!((first.line, rows[1].as_ref().unwrap_err().0), (2, 4));
        let other = csv("q,__expected,__config:__expected:weight,__threshold\na,b,2,0\n", Path::new("t.csv"), b',');
        let other = other[0].as_ref().unwrap();
        assert_eq!(other.get("config").map(Item::value), Some(json!({"__config:__expected:weight": "2"})));
        assert!(other.get("threshold").is_none(), "promptfoo takes 0 for no threshold");
        let lines = json_lines("{\"vars\": {\"q\": 1}}\n\nnot json\n", Path::new("t.jsonl"));
        assert!(lines[0].is_ok() && lines[1].as_ref().unwrap_err().0 == 3);
    }
}
