//! The values of assertions.

use serde_json::{Map, Value, json};

use super::templates::{is_template, literal_value};
use super::tree::{Item, Kind, object};

/// The names of tools.
pub(super) fn names_of(value: &Item) -> Vec<String> {
    let split = |text: String| text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    match &value.kind {
        Kind::List(items) => items.iter().filter_map(Item::scalar).collect(),
        _ => value.scalar().map(split).unwrap_or_default().into_iter().filter(|name| !name.is_empty()).collect(),
    }
}

pub(super) fn word_count(value: &Item) -> Result<Map<String, Value>, String> {
    let whole = |number: f64| (number >= 0.0).then_some(number as u64);
    let limit = |key: &str| value.get(key).and_then(Item::number).and_then(whole);
    let (min, max) = match value.number().and_then(whole) {
        Some(exact) => (Some(exact), Some(exact)),
        None => (limit("min"), limit("max")),
    };
    if min.is_none() && max.is_none() {
        return Err("it has neither a number nor min and max".to_owned());
    }
    let mut scorer = object([("type", json!("word_count"))]);
    for (key, limit) in [("min", min), ("max", max)] {
        if let Some(limit) = limit {
            scorer.insert(key.to_owned(), json!(limit));
        }
    }
    Ok(scorer)
}

/// The schema that a value is, or that its text contains as JSON or YAML.
pub(super) fn schema(value: &Item) -> Result<Option<Value>, String> {
    let found = match &value.kind {
        Kind::Null => return Ok(None),
        Kind::Map(_) => value.value(),
        Kind::Text(text) if text.trim().is_empty() => return Ok(None),
        Kind::Text(text) if is_template(text) => return Err("its schema is a template".to_owned()),
        Kind::Text(text) => {
            let path = std::path::Path::new("schema.yaml");
            super::tree::parse(text.clone(), path).map_err(|_| "its schema is neither JSON nor YAML")?.value()
        }
        _ => return Err("its schema is not a mapping".to_owned()),
    };
    match found.is_object() {
        true => Ok(Some(literal_value(&found))),
        false => Err("its schema is not a mapping".to_owned()),
    }
}

/// Splits the values of a contains assertion, some of which may be quoted.
///
/// # Errors
/// A sentence if a quote does not end.
pub(super) fn comma_separated(text: &str) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let skip = |at: &mut usize, and: char| {
        while chars.get(*at).is_some_and(|c| c.is_whitespace() || *c == and) {
            *at += 1;
        }
    };
    loop {
        skip(&mut at, ',');
        match chars.get(at) {
            None => return Ok(values),
            Some('"') => {
                let (field, end) = quoted(&chars, at + 1).ok_or("a quote in its value does not end")?;
                values.push(field);
                at = end;
                skip(&mut at, ' ');
                if chars.get(at).is_some_and(|c| *c != ',') {
                    return Err("a quoted part of its value is not followed by a comma".to_owned());
                }
            }
            Some(_) => {
                let field: String = chars.iter().skip(at).take_while(|c| **c != ',').collect();
                at += field.chars().count();
                values.push(field.trim().to_owned());
            }
        }
    }
}

fn quoted(chars: &[char], mut at: usize) -> Option<(String, usize)> {
    let mut field = String::new();
    loop {
        match (chars.get(at)?, chars.get(at + 1)) {
            ('\\', Some(c @ ('"' | '\\'))) => {
                field.push(*c);
                at += 2;
            }
            ('"', Some('"')) => {
                field.push('"');
                at += 2;
            }
            ('"', _) => return Some((field, at + 1)),
            (c, _) => {
                field.push(*c);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_as_promptfoo_does() {
        for (text, expected) in [
            ("a, b ,c", vec!["a", "b", "c"]),
            ("\"x, y\", z", vec!["x, y", "z"]),
            ("\"say \"\"hi\"\"\"", vec!["say \"hi\""]),
            (",, a ,,", vec!["a"]),
            ("", vec![]),
        ] {
            assert_eq!(comma_separated(text).unwrap(), expected, "{text}");
        }
        assert!(comma_separated("\"open").is_err());
        assert!(comma_separated("\"a\" b").is_err());
    }
}
