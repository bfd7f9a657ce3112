//! Paths to values in JSON: `choices.0.message`, or a JSON pointer such as `/choices/0/message`.

use serde_json::{Map, Value};

/// A path to a value. A path without steps refers to the whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<String>,
}

impl JsonPath {
    /// Parses a path. Returns `None` if a dotted path has an empty step.
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = match text.strip_prefix('/') {
            _ if text.is_empty() => Vec::new(),
            Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        let is_whole = text.starts_with('/') || !steps.iter().any(String::is_empty);
        is_whole.then_some(Self { steps })
    }

    /// Finds the value at the path.
    ///
    /// # Errors
    /// Returns the steps that were found, and the value that lacks the next one.
    pub fn find<'a>(&self, value: &'a Value) -> Result<&'a Value, (&[String], &'a Value)> {
        walk(&self.steps, value)
    }
}

fn walk<'p, 'a>(steps: &'p [String], value: &'a Value) -> Result<&'a Value, (&'p [String], &'a Value)> {
    let mut here = value;
    for (done, step) in steps.iter().enumerate() {
        let next = match here {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        here = next.ok_or_else(|| (steps.get(..done).unwrap_or_default(), here))?;
    }
    Ok(here)
}

/// The value at a path in an object: the field with exactly that name, or else the value at the parsed path.
pub fn at_path<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    fields.get(path).or_else(|| {
        let JsonPath { steps } = JsonPath::parse(path)?;
        let (first, rest) = steps.split_first()?;
        walk(rest, fields.get(first)?).ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dots_indexes_pointers_and_exact_names_find_a_value() {
        let value = json!({"a": {"b": [{"c": 1}]}, "a.b": 2, "x/y": {"~": 3}, "": 4});
        let cases = [
            ("a.b", Some(json!(2))),
            ("a.b.0.c", Some(json!(1))),
            ("/a/b/0/c", Some(json!(1))),
            ("/x~1y/~0", Some(json!(3))),
            ("a.b.1", None),
            ("a.b.c", None),
            ("a..b", None),
            ("a.b.0.c.d", None),
            ("nowhere", None),
        ];
        for (path, expected) in cases {
            assert_eq!(at_path(value.as_object().unwrap(), path).cloned(), expected, "{path}");
        }
        assert_eq!(JsonPath::parse("").unwrap().find(&value), Ok(&value));
        let end =
            JsonPath::parse("a.b.7").unwrap().find(&value).map_err(|(steps, there)| (steps.to_vec(), there.clone()));
        assert_eq!(end, Err((vec!["a".to_owned(), "b".to_owned()], json!([{"c": 1}]))));
    }
}
