//! References of suites to files. A suite of another tool may come from anyone, and what it refers to is sent to a model: it must
//! not name a file of this machine.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

/// Text that begins with this is the path of a file.
const FILE: &str = "file://";

/// Keys of scorers that may be in a file.
const KEYS: [&str; 3] = ["criteria", "prompt", "schema"];

/// The first reference of a suite to a file that is not among `written`, as its key and its path.
pub(super) fn foreign(suite: &Map<String, Value>, written: &BTreeSet<PathBuf>) -> Option<(String, String)> {
    let mut found = Vec::new();
    let entries = |key: &str| suite.get(key).and_then(Value::as_object).into_iter().flatten();
    suite.get("prompt").into_iter().for_each(|prompt| of_prompt("prompt", prompt, &mut found));
    entries("prompts").for_each(|(name, prompt)| of_prompt(&format!("prompts.{name}"), prompt, &mut found));
    suite.get("vars").into_iter().for_each(|vars| of_text("vars", vars, &mut found));
    entries("vars").for_each(|(name, value)| of_text(&format!("vars.{name}"), value, &mut found));
    suite.get("scorers").into_iter().for_each(|scorers| of_scorers("scorers", scorers, &mut found));
    let is_foreign = |path: &str| within(path).is_none_or(|path| !written.contains(&path));
    found.into_iter().find(|(_, path)| is_foreign(path)).map(|(key, path)| (key, path.to_owned()))
}

fn of_text<'a>(key: &str, value: &'a Value, found: &mut Vec<(String, &'a str)>) {
    found.extend(value.as_str().and_then(|text| text.strip_prefix(FILE)).map(|path| (key.to_owned(), path)));
}

/// A prompt is text, a mapping with `file` or `messages`, or a list of messages, each of which may have a `file`.
fn of_prompt<'a>(key: &str, prompt: &'a Value, found: &mut Vec<(String, &'a str)>) {
    of_text(key, prompt, found);
    let messages = prompt.get("messages").unwrap_or(prompt);
    for part in std::iter::once(prompt).chain(listed(messages)) {
        found.extend(part.get("file").and_then(Value::as_str).map(|path| (format!("{key}.file"), path)));
    }
}

fn of_scorers<'a>(key: &str, scorers: &'a Value, found: &mut Vec<(String, &'a str)>) {
    for (at, scorer) in listed(scorers).iter().enumerate() {
        for name in KEYS {
            scorer.get(name).into_iter().for_each(|value| of_text(&format!("{key}[{at}].{name}"), value, found));
        }
        scorer.get("of").into_iter().for_each(|parts| of_scorers(&format!("{key}[{at}].of"), parts, found));
    }
}

/// The items of a list; a single value is read as a list of one.
pub(super) fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// The place in the workspace of a path that starts from the folder of the suites; `None` if it leads out of it.
fn within(path: &str) -> Option<PathBuf> {
    let mut place = PathBuf::from("suites");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir if place.pop() => {}
            _ => return None,
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_a_suite_is_read_with_them() {
        let written = BTreeSet::from([PathBuf::from("prompts/a.txt")]);
        let suite = |key: &str, value: Value| Map::from_iter([(key.to_owned(), value)]);
        let found = |key: &str, value: Value| foreign(&suite(key, value), &written).map(|(key, _)| key);
        let outside = "file:///etc/hosts";
        let cases = [
            ("prompt", json!(outside), "prompt"),
            ("prompt", json!("file://../prompts/b.txt"), "prompt"),
            ("prompt", json!({"file": "../../prompts/a.txt"}), "prompt.file"),
            ("prompt", json!([{"role": "user", "file": "/etc/hosts"}]), "prompt.file"),
            ("prompt", json!({"messages": {"role": "user", "file": "../.env"}}), "prompt.file"),
            ("prompts", json!({"a": "x", "b": outside}), "prompts.b"),
            ("vars", json!(outside), "vars"),
            ("vars", json!({"tone": outside}), "vars.tone"),
            ("scorers", json!(["exact", {"type": "rubric", "criteria": outside}]), "scorers[1].criteria"),
            ("scorers", json!([{"type": "all", "of": [{"prompt": outside}]}]), "scorers[0].of[0].prompt"),
            ("scorers", json!({"type": "json_schema", "schema": outside}), "scorers[0].schema"),
        ];
        for (key, value, expected) in cases {
            assert_eq!(found(key, value.clone()).as_deref(), Some(expected), "{value}");
        }
        for (key, value) in [
            ("prompt", json!("file://../prompts/a.txt")),
            ("prompt", json!({"file": "../prompts/./a.txt"})),
            ("prompt", json!({"text": outside})),
            ("prompt", json!([{"role": "user", "content": outside}])),
            ("scorers", json!([{"type": "contains", "value": outside}])),
        ] {
            assert_eq!(found(key, value.clone()), None, "{value}");
        }
    }
}
