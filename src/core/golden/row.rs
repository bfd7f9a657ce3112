//! Reading rows: the accepted field names, and the values that each field may have.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::core::domain::fields::{EXPECTED, INPUT};
use crate::core::domain::{Example, ExampleStatus, Source, Turn, canonical_json, content_hash, parse_timestamp, short};

/// The reason why a row is not a valid example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RowError {
    /// Line of the file, starting at 1.
    pub line: u64,
    /// What is wrong and how to fix it.
    pub message: String,
}

/// Creates an example from the fields of a row.
///
/// Scalars are text: `5`, `"5"` and a CSV cell `5` are the same answer. A list of expected answers means that any of
/// them is accepted. Unknown fields are added to `metadata`. An example without an id gets an empty one, which
/// `finish_ids` fills in once the whole file has been read.
///
/// # Errors
/// Returns a sentence that names the field if the row has no input, has a field under two names, or has an invalid
/// value.
pub fn example_from_row(line: u64, mut row: Map<String, Value>) -> Result<Example, RowError> {
    let fail = |message: String| RowError { line, message };
    row.retain(|_, value| !is_absent(value));
    let turns = take_turns(&mut row).map_err(fail)?;
    let input = take_alias(&mut row, "input", INPUT).map_err(fail)?;
    if input.is_some() && !turns.is_empty() {
        return Err(fail("the row has both turns and an input; the turns are the input".to_owned()));
    }
    let said = || Some(turns.iter().map(|turn| json!({"role": "user", "content": turn.user})).collect());
    let input = input
        .or_else(|| said().filter(|_| !turns.is_empty()))
        .ok_or_else(|| fail(format!("missing input; add one of the fields {}", INPUT.join(", "))))?;
    let expected = take_alias(&mut row, "expected", EXPECTED).map_err(fail)?;
    let sources = take_sources(&mut row).map_err(fail)?;
    let mut example = Example {
        id: take_text(&mut row, "id").map_err(fail)?.unwrap_or_default(),
        input: textual(input),
        expected: expected.map(expected_values).unwrap_or_default(),
        turns,
        context: row.remove("context").map(textual),
        metadata: Map::new(),
        tags: take_tags(&mut row).map_err(fail)?,
        created_at: take_time(&mut row, "created_at").map_err(fail)?,
        labeled_at: take_time(&mut row, "labeled_at").map_err(fail)?,
        labeled_by: take_text(&mut row, "labeled_by").map_err(fail)?,
        reviewed_at: take_time(&mut row, "reviewed_at").map_err(fail)?,
        valid_until: take_date(&mut row, "valid_until").map_err(fail)?,
        source: take_text(&mut row, "source").map_err(fail)?,
        sources,
        assert: take_assert(&mut row).map_err(fail)?,
        critical: take_bool(&mut row, "critical").map_err(fail)?,
        status: take_status(&mut row).map_err(fail)?,
        retired_reason: take_text(&mut row, "retired_reason").map_err(fail)?,
        line,
    };
    example.metadata = metadata(row).map_err(fail)?;
    Ok(example)
}

/// Assigns an id to every example without one: the hash of its canonical input, with a suffix `-2`, `-3` … if several
/// examples share an input. The suffixes depend on the content of these examples, not on their order in the file.
pub fn finish_ids(examples: &mut [Example]) {
    let mut unnamed: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, example) in examples.iter().enumerate() {
        if example.id.is_empty() {
            unnamed.entry(input_id(example)).or_default().push(index);
        }
    }
    for (base, mut members) in unnamed {
        members.sort_by_cached_key(|index| super::canonical_example(&examples[*index]));
        for (rank, index) in members.into_iter().enumerate() {
            examples[index].id = if rank == 0 { base.clone() } else { format!("{base}-{}", rank + 1) };
        }
    }
}

/// The default id of an example: the hash of its canonical input.
pub fn input_id(example: &Example) -> String {
    let hash = content_hash("karat-input", canonical_json(&example.input).as_bytes());
    short(&hash, 12).to_owned()
}

fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn take_alias(row: &mut Map<String, Value>, name: &str, aliases: &[&str]) -> Result<Option<Value>, String> {
    let present: Vec<&str> = aliases.iter().copied().filter(|alias| row.contains_key(*alias)).collect();
    match present.as_slice() {
        [] => Ok(None),
        [one] => Ok(row.remove(*one)),
        // `input` and `expected` are the canonical names; if they are present, an alias is an ordinary additional
        // field.
        [first, ..] if *first == name => Ok(row.remove(*first)),
        many => Err(format!(
            "{} are all names of the field {name}; keep one, or rename it to \"{name}\"",
            many.join(" and ")
        )),
    }
}

/// Converts scalars to text, also in lists, and line endings to `\n`. In objects numbers stay numbers: JSON is compared with
/// JSON, and tools are sent with their schemas.
fn textual(value: Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(textual).collect()),
        other => unix_lines(other),
    }
}

fn unix_lines(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("\r\n", "\n")),
        Value::Array(items) => Value::Array(items.into_iter().map(unix_lines).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, inner)| (key, unix_lines(inner))).collect()),
        scalar => scalar,
    }
}

fn expected_values(value: Value) -> Vec<Value> {
    match textual(value) {
        Value::Array(items) => items.into_iter().filter(|item| !item.is_null()).collect(),
        one => vec![one],
    }
}

fn take_text(row: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match row.remove(key).map(textual) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(format!("{key} must be a string")),
    }
}

fn take_tags(row: &mut Map<String, Value>) -> Result<Vec<String>, String> {
    let mut tags: Vec<String> = match row.remove("tags").map(textual) {
        None => Vec::new(),
        Some(Value::String(text)) => text.split([',', ';']).map(|tag| tag.trim().to_owned()).collect(),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or("tags must be a list of strings"))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("tags must be a list of strings".into()),
    };
    tags.retain(|tag| !tag.is_empty());
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// The documents under `source`; text is left there.
fn take_sources(row: &mut Map<String, Value>) -> Result<Vec<Source>, String> {
    let structured = row.get("source").is_some_and(|value| value.is_object() || value.is_array());
    let value = structured.then(|| row.remove("source")).flatten();
    value.map_or_else(|| Ok(Vec::new()), |value| Source::list(&value))
}

/// The turns of a conversation: texts, or objects with `user` and, for the answer to it, `expected` and `assert`. They may
/// be JSON in a cell of a CSV file.
fn take_turns(row: &mut Map<String, Value>) -> Result<Vec<Turn>, String> {
    const FORM: &str = "turns must be a list such as [\"Hi\", {\"user\": \"Cancel it\", \"expected\": \"cancelled\"}]";
    let turns = match row.remove("turns") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|error| format!("{FORM} ({error})"))?,
        Some(turns) => turns,
    };
    let Value::Array(turns) = turns else { return Err(FORM.into()) };
    if turns.is_empty() {
        return Err("turns is empty; a conversation has at least one".into());
    }
    turns.into_iter().map(|turn| take_turn(turn).ok_or_else(|| FORM.to_owned())?).collect()
}

/// `None` if it is neither text nor an object with `user`.
fn take_turn(turn: Value) -> Option<Result<Turn, String>> {
    let mut fields = match textual(turn) {
        Value::String(user) => return Some(Ok(Turn { user, expected: Vec::new(), assert: None })),
        Value::Object(fields) => fields,
        _ => return None,
    };
    let Some(Value::String(user)) = fields.remove("user") else { return None };
    let expected = match take_alias(&mut fields, "expected", EXPECTED) {
        Ok(expected) => expected.map(expected_values).unwrap_or_default(),
        Err(fault) => return Some(Err(format!("in a turn: {fault}"))),
    };
    let assert = match take_assert(&mut fields) {
        Ok(assert) => assert,
        Err(fault) => return Some(Err(format!("in a turn: {fault}"))),
    };
    if let Some(key) = fields.keys().next() {
        return Some(Err(format!("a turn has the unknown field \"{key}\"; it may have user, expected and assert")));
    }
    Some(Ok(Turn { user, expected, assert }))
}

/// The example's own scorers, which may be JSON in a cell of a CSV file.
fn take_assert(row: &mut Map<String, Value>) -> Result<Option<Value>, String> {
    match row.remove("assert") {
        Some(Value::String(text)) if text.trim_start().starts_with(['[', '{']) => {
            serde_json::from_str(&text).map(Some).map_err(|error| format!("assert is not JSON: {error}"))
        }
        Some(value @ (Value::String(_) | Value::Array(_) | Value::Object(_))) => Ok(Some(value)),
        Some(_) => Err(
            "assert must be a scorer, or a list of scorers such as [{\"type\": \"contains\", \"value\": \"Paris\"}]"
                .into(),
        ),
        None => Ok(None),
    }
}

fn take_time(row: &mut Map<String, Value>, key: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = take_text(row, key)? else { return Ok(None) };
    let read = parse_timestamp(&text);
    read.map(Some).ok_or_else(|| format!("{key} \"{text}\" is not a date; write 2026-09-14 or 2026-09-14T08:30:00Z"))
}

fn take_date(row: &mut Map<String, Value>, key: &str) -> Result<Option<Date>, String> {
    Ok(take_time(row, key)?.map(|time| time.to_zoned(jiff::tz::TimeZone::UTC).date()))
}

fn take_bool(row: &mut Map<String, Value>, key: &str) -> Result<bool, String> {
    match take_text(row, key)?.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "no" | "0") => Ok(false),
        Some("true" | "yes" | "1") => Ok(true),
        Some(other) => Err(format!("{key} must be true or false, not \"{other}\"")),
    }
}

fn take_status(row: &mut Map<String, Value>) -> Result<ExampleStatus, String> {
    match take_text(row, "status")?.as_deref() {
        None | Some("active") => Ok(ExampleStatus::Active),
        Some("regression-only") => Ok(ExampleStatus::RegressionOnly),
        Some("retired") => Ok(ExampleStatus::Retired),
        Some(other) => Err(format!("status \"{other}\" is not one of active, regression-only, retired")),
    }
}

fn metadata(mut row: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut fields = match row.remove("metadata") {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("metadata must be an object".into()),
    };
    for (key, value) in row {
        if fields.contains_key(&key) {
            return Err(format!("\"{key}\" appears both inside metadata and next to it; keep one"));
        }
        fields.insert(key, value);
    }
    Ok(fields.into_iter().map(|(key, value)| (key, textual(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Result<Example, RowError> {
        example_from_row(7, value.as_object().unwrap().clone())
    }

    #[test]
    fn every_documented_alias_is_accepted() {
        for input in INPUT {
            for expected in EXPECTED {
                let example = row(json!({ *input: "where is it", *expected: "track" })).unwrap();
                assert_eq!(example.text(), "where is it", "{input}");
                assert_eq!(example.label().as_deref(), Some("track"), "{expected}");
            }
        }
    }

    #[test]
    fn two_aliases_of_one_field_are_rejected_and_the_canonical_name_wins() {
        let error = row(json!({"question": "a", "query": "b"})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 7: question and query are all names of the field input; keep one, or rename it to \"input\""
        );
        let example = row(json!({"input": "a", "text": "b"})).unwrap();
        assert_eq!((example.text().as_str(), example.metadata["text"].as_str()), ("a", Some("b")));
    }

    #[test]
    fn any_answer_in_a_list_of_expected_answers_is_accepted() {
        let example = row(json!({"input": "x", "expected": ["yes", 1, true, null]})).unwrap();
        assert_eq!(example.expected_texts(), ["yes", "1", "true"]);
        let answer = json!({"count": 2, "open": [true, null], "note": "a\r\nb"});
        let example = row(json!({"input": answer.clone(), "expected": answer})).unwrap();
        let kept = json!({"count": 2, "open": [true, null], "note": "a\nb"});
        assert_eq!((&example.input, &example.expected[0]), (&kept, &kept), "objects keep the types of JSON");
    }

    #[test]
    fn errors_of_bad_rows_name_the_field_and_the_problem() {
        let cases = [
            (
                json!({"expected": "x"}),
                "missing input; add one of the fields input, inputs, question, prompt, query, text, vars",
            ),
            (
                json!({"input": "  "}),
                "missing input; add one of the fields input, inputs, question, prompt, query, text, vars",
            ),
            (
                json!({"input": "x", "labeled_at": "soon"}),
                "labeled_at \"soon\" is not a date; write 2026-09-14 or 2026-09-14T08:30:00Z",
            ),
            (json!({"input": "x", "status": "old"}), "status \"old\" is not one of active, regression-only, retired"),
            (json!({"input": "x", "critical": "maybe"}), "critical must be true or false, not \"maybe\""),
            (json!({"input": "x", "metadata": "m"}), "metadata must be an object"),
            (json!({"input": "x", "tags": {"a": 1}}), "tags must be a list of strings"),
            (
                json!({"input": "x", "source": {"file": "a.md"}}),
                "the source \"a.md\" has no hash; add the one that `sha256sum` prints for it",
            ),
            (
                json!({"input": "x", "lang": "en", "metadata": {"lang": "de"}}),
                "\"lang\" appears both inside metadata and next to it; keep one",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(row(value).unwrap_err().message, expected);
        }
    }

    #[test]
    fn the_turns_of_a_conversation_are_its_input_and_may_have_answers() {
        let example = row(json!({
            "turns": ["Hi", {"user": "Cancel it", "target": ["cancelled", "done"], "assert": ["is_json"]}], "expected": "bye",
        }));
        let example = example.unwrap();
        assert_eq!((example.text().as_str(), example.turns.len()), ("Cancel it", 2));
        assert_eq!(example.turns[1].expected, [json!("cancelled"), json!("done")]);
        let first = example.at_turn(0, &[]);
        assert_eq!((first.input, first.expected), (json!([{"role": "user", "content": "Hi"}]), vec![]));
        let last = example.at_turn(1, &["Hello!".into()]);
        assert_eq!(last.input[1], json!({"role": "assistant", "content": "Hello!"}));
        assert_eq!((last.expected.len(), last.assert), (2, Some(json!(["is_json"]))));
        let plain = row(json!({"turns": ["a", "b"], "expected": "c"})).unwrap();
        assert_eq!(plain.at_turn(1, &["x".into()]).expected, [json!("c")]);
        for (value, expected) in [
            (json!({"turns": []}), "turns is empty"),
            (json!({"turns": ["a"], "input": "b"}), "both turns and an input"),
            (json!({"turns": [{"says": "a"}]}), "turns must be a list such as"),
            (json!({"turns": [{"user": "a", "then": "b"}]}), "unknown field \"then\""),
        ] {
            let error = row(value).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn ids_do_not_depend_on_labels_and_suffixes_do_not_depend_on_the_order() {
        let mut first = [
            row(json!({"input": "a", "expected": "1"})).unwrap(),
            row(json!({"input": "a", "expected": "2"})).unwrap(),
        ];
        let mut second = [first[1].clone(), first[0].clone()];
        finish_ids(&mut first);
        finish_ids(&mut second);
        assert_eq!(first[0].id, second[1].id);
        assert_eq!(first[1].id, format!("{}-2", first[0].id));
        let mut edited = [row(json!({"input": "a", "expected": "3"})).unwrap()];
        finish_ids(&mut edited);
        assert_eq!(edited[0].id, first[0].id);
    }
}
