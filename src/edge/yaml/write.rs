//! Writes YAML as a person would: in blocks, short mappings on one line, long text as it is.

use serde_json::{Map, Value};

/// Keys that come first in a mapping, in this order; all others follow by name.
const FIRST: [&str; 40] = [
    "name",
    "type",
    "description",
    "dataset",
    "prompt",
    "prompts",
    "vars",
    "matrix",
    "turns",
    "repeat",
    "endpoints",
    "scorers",
    "gates",
    "slices",
    "owner",
    "task",
    "labels",
    "license",
    "source",
    "rationale",
    "base_url",
    "url",
    "command",
    "model",
    "api",
    "api_key",
    "price",
    "params",
    "role",
    "content",
    "file",
    "judge",
    "criteria",
    "schema",
    "value",
    "values",
    "of",
    "when",
    "threshold",
    "weight",
];

/// The widest line on which a mapping or list is written as one.
const MAX_WIDTH: usize = 100;

/// Spaces per level.
const STEP: usize = 2;

/// Writes a mapping as a YAML document. Reading it gives the same value.
pub fn to_yaml(map: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_map(map, 0, &mut out);
    out
}

/// Writes the entries of a mapping as lines that begin with `indent` spaces.
fn write_map(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in ordered(map) {
        out.push_str(&" ".repeat(indent));
        out.push_str(&scalar_text(key, false));
        out.push(':');
        write_value(value, indent, out);
    }
}

/// The entries of a mapping in the order in which they are written.
pub fn ordered(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    entries.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    entries
}

/// Writes a value behind a key or a hyphen, with the end of its line.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    let fits = |flow: &String| is_scalar(value) || (!is_nested(value) && indent + flow.chars().count() <= MAX_WIDTH);
    if let Some(flow) = flow(value).filter(fits) {
        out.push(' ');
        out.push_str(&flow);
        out.push('\n');
        return;
    }
    match value {
        Value::Object(map) => {
            out.push('\n');
            write_map(map, indent + STEP, out);
        }
        Value::Array(items) => {
            out.push('\n');
            items.iter().for_each(|item| write_item(item, indent + STEP, out));
        }
        Value::String(text) => write_block(text, indent + STEP, out),
        _ => out.push('\n'),
    }
}

fn write_item(item: &Value, indent: usize, out: &mut String) {
    out.push_str(&" ".repeat(indent));
    out.push('-');
    let fits = !is_nested(item) && flow(item).is_some_and(|flow| indent + flow.chars().count() <= MAX_WIDTH);
    match item {
        // The first entry stands beside the hyphen.
        Value::Object(map) if !fits && !map.is_empty() => {
            let mut entries = String::new();
            write_map(map, indent + STEP, &mut entries);
            out.push(' ');
            out.push_str(entries.trim_start_matches(' '));
        }
        _ => write_value(item, indent, out),
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

/// Whether a value contains mappings that each deserve a line.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(Value::is_object),
        Value::Object(map) => map.values().any(|inner| inner.is_object() || is_nested(inner)),
        _ => false,
    }
}

/// A value on one line; `None` for text that is better written as a block.
fn flow(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) if is_block(text) => return None,
        Value::String(text) => scalar_text(text, true),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(flow).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| Some(format!("{}: {}", scalar_text(key, true), flow(value)?));
            let entries: Option<Vec<String>> = ordered(map).into_iter().map(entry).collect();
            format!("{{{}}}", entries?.join(", "))
        }
        other => other.to_string(),
    })
}

/// Whether text of several lines can be written as it is.
fn is_block(text: &str) -> bool {
    let plain =
        |line: &str| !line.ends_with([' ', '\t']) && line.chars().all(|char| char == '\t' || is_printable(char));
    let starts = text.starts_with([' ', '\t', '\n']);
    text.contains('\n') && !starts && !text.ends_with("\n\n") && text.split('\n').all(plain)
}

/// Whether a character may stand in YAML as it is.
fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{fffe}' | '\u{ffff}')
}

fn write_block(text: &str, indent: usize, out: &mut String) {
    let (body, mark) = match text.strip_suffix('\n') {
        Some(body) => (body, " |\n"),
        None => (text, " |-\n"),
    };
    out.push_str(mark);
    for line in body.split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Text on one line: as it is if it can only be read as this text, else quoted.
fn scalar_text(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            char if is_printable(char) => quoted.push(char),
            char if u32::from(char) > 0xffff => quoted.push_str(&format!("\\U{:08x}", u32::from(char))),
            char => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
        }
    }
    quoted.push('"');
    quoted
}

/// Words that YAML readers take for something else than text.
const WORDS: [&str; 12] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", ".nan", ".inf"];

fn is_plain(text: &str, in_flow: bool) -> bool {
    let allowed = |char: char| {
        char.is_alphanumeric()
            || matches!(char, ' ' | '_' | '-' | '.' | '/' | '(' | ')' | '+' | '=' | '<' | '>' | ';' | '^' | '$')
            || (!in_flow && char == ',')
    };
    let begins_well =
        text.chars().next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '/' | '$'));
    begins_well
        && text.chars().all(allowed)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_lowercase().as_str())
        && text.chars().count() <= MAX_WIDTH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_suite_is_written_as_a_person_would() {
        let suite = json!({
            "scorers": [{"type": "contains", "value": "a, b"}, "exact", {"type": "rubric", "judge": "grader", "criteria": "Polite.\nShort."}],
            "dataset": "support", "endpoints": ["gpt"],
            "prompt": {"messages": [{"role": "system", "content": "Answer with one word, please."}, {"role": "user", "content": "{{ input }}"}]},
            "repeat": 3, "error_tolerance": 0.02, "description": "yes",
        });
        let text = to_yaml(suite.as_object().unwrap());
        let start = "description: \"yes\"\ndataset: support\nprompt:\n  messages:\n    - {role: system, content: \"Answer with one word, please.\"}\n";
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.contains("  - type: rubric\n    judge: grader\n    criteria: |-\n      Polite.\n      Short.\n"),
            "{text}"
        );
        assert!(text.contains("  - {type: contains, value: \"a, b\"}\n  - exact\n"), "{text}");
        assert_eq!(read(&text), suite);
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "\\PC{0,12}",
            Just("null".to_owned()),
            Just("- a".to_owned()),
            Just("a\n  b\n".to_owned()),
            Just("\u{7}\u{85}\u{2028}\u{1f600}".to_owned()),
            Just("# no comment".to_owned()),
            Just("1e3".to_owned()),
            Just("2026-01-01".to_owned()),
            Just("---".to_owned()),
            "[a-z: \n\t#-]{0,20}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1e6..1e6_f64).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let map = Map::from_iter([("value".to_owned(), value)]);
            prop_assert_eq!(read(&to_yaml(&map)), Value::Object(map));
        }
    }
}
