//! Redaction of JSON values.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::kind::{RedactionCounts, RedactionKind};
use super::names::{secret_name, words};
use super::numbers::is_bare_number;
use super::redactor::{MAX_ROUNDS, Redactor};

/// Maximum depth. Deeper values are replaced by `null`, which bounds the stack; `serde_json` itself parses at most 128
/// levels.
const MAX_DEPTH: usize = 160;

/// Words in a key that indicate a telephone number, in the singular.
const PHONE_KEYS: [&str; 9] =
    ["cellphone", "fax", "mobile", "msisdn", "phone", "phonenumber", "tel", "telephone", "whatsapp"];

impl Redactor {
    /// Redacts a JSON value: every string at every depth, every object key, and every integer that is a card number. A
    /// string that itself contains a JSON object or list, such as the arguments of a tool call, is redacted as JSON.
    ///
    /// A value whose key names a secret (`api_key`, `authorization`, `password`, `token`, `secret`, `cookie`,
    /// `private_key` and the like) is replaced as a whole, regardless of its type. `null`, booleans, and empty strings,
    /// lists and objects contain nothing to hide and are unchanged. The properties of a JSON Schema are descriptions
    /// rather than values, and are redacted like any other text. Keys that become equal get the suffixes `#2`, `#3` and
    /// so on. The result is a fixed point: redacting it again changes nothing.
    pub fn redact_json(&self, value: &Value) -> (Value, RedactionCounts) {
        let mut counts = RedactionCounts::default();
        let redacted = self.redact_value(value, Place::default(), &mut counts);
        (redacted, counts)
    }

    fn redact_value(&self, value: &Value, place: Place<'_>, counts: &mut RedactionCounts) -> Value {
        if place.depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(kind) = kind_of_whole(value, place) {
            counts.record(kind);
            return Value::String(kind.placeholder().to_owned());
        }
        match value {
            Value::String(text) => Value::String(self.redact_string(text, place.depth, counts)),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                let text = number.to_string();
                let redacted = self.redact(&text);
                // Only card numbers can be recognised among integers by their digits alone.
                if redacted.counts.get(RedactionKind::CardNumber) == 0 {
                    return value.clone();
                }
                counts.merge(&redacted.counts);
                Value::String(redacted.text.into_owned())
            }
            Value::Array(items) => {
                // Items inherit the key of their list: `"phones": [...]`.
                let inner = Place { in_properties: false, depth: place.depth + 1, ..place };
                Value::Array(items.iter().map(|item| self.redact_value(item, inner, counts)).collect())
            }
            Value::Object(fields) => Value::Object(self.redact_fields(fields, place, counts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn redact_fields(
        &self,
        fields: &Map<String, Value>,
        place: Place<'_>,
        counts: &mut RedactionCounts,
    ) -> Map<String, Value> {
        let in_properties = place.key == Some("properties");
        let mut redacted = Map::new();
        let mut repeats: HashMap<String, u64> = HashMap::new();
        for (key, value) in fields {
            let inner = Place {
                key: Some(key),
                in_properties,
                is_phone: place.is_phone || names_phone(key),
                depth: place.depth + 1,
            };
            let value = self.redact_value(value, inner, counts);
            let name = self.redact_text(key, counts);
            let name = free_name(name, &redacted, &mut repeats);
            redacted.insert(name, value);
        }
        redacted
    }

    fn redact_string(&self, text: &str, depth: usize, counts: &mut RedactionCounts) -> String {
        let mut text = Cow::Borrowed(text);
        // After redaction as text, the string may be different JSON, with other keys to be found.
        for _ in 0..MAX_ROUNDS {
            let before = counts.total();
            if let Some(json) = parse_json(&text) {
                let redacted = self.redact_value(&json, Place { depth: depth + 1, ..Place::default() }, counts);
                if counts.total() != before {
                    text = Cow::Owned(redacted.to_string());
                }
            }
            let redacted = self.redact_text(&text, counts);
            if counts.total() == before {
                break;
            }
            text = Cow::Owned(redacted);
        }
        text.into_owned()
    }

    fn redact_text(&self, text: &str, counts: &mut RedactionCounts) -> String {
        let redacted = self.redact(text);
        counts.merge(&redacted.counts);
        redacted.text.into_owned()
    }
}

/// The JSON object or list contained in a string.
fn parse_json(text: &str) -> Option<Value> {
    let is_json = text.trim_start().starts_with(['{', '[']) && text.trim_end().ends_with(['}', ']']);
    is_json.then(|| serde_json::from_str(text).ok()).flatten()
}

/// The position of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'a> {
    key: Option<&'a str>,
    /// Whether the enclosing object is the `properties` of a JSON Schema.
    in_properties: bool,
    /// Whether its key, or an enclosing one, indicates a telephone number.
    is_phone: bool,
    depth: usize,
}

/// The kind of the placeholder that replaces the whole value; `None` if the value must be inspected further.
fn kind_of_whole(value: &Value, place: Place<'_>) -> Option<RedactionKind> {
    let key = place.key?;
    let digits = match value {
        Value::Null | Value::Bool(_) => return None,
        Value::String(text) if text.is_empty() || Redactor::is_placeholder(text) => return None,
        Value::Array(items) if items.is_empty() => return None,
        Value::Object(fields) if fields.is_empty() || (place.in_properties && is_schema(fields)) => return None,
        Value::String(text) => is_bare_number(text),
        Value::Number(number) => is_bare_number(&number.to_string()),
        _ => false,
    };
    let is_phone = digits && place.is_phone;
    secret_name(key).map(|name| name.kind).or(is_phone.then_some(RedactionKind::Phone))
}

fn is_schema(fields: &Map<String, Value>) -> bool {
    ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|word| fields.contains_key(*word))
}

fn names_phone(key: &str) -> bool {
    words(key).iter().any(|word| PHONE_KEYS.contains(&word.strip_suffix('s').unwrap_or(word)))
}

/// The name itself if it is not taken, otherwise the name with the first free suffix `#2`, `#3` and so on.
fn free_name(name: String, taken: &Map<String, Value>, repeats: &mut HashMap<String, u64>) -> String {
    if !taken.contains_key(&name) {
        return name;
    }
    let next = repeats.entry(name.clone()).or_insert(2);
    loop {
        let candidate = format!("{name}#{next}");
        *next = next.saturating_add(1);
        if !taken.contains_key(&candidate) {
            return candidate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn redact(value: &Value) -> (Value, RedactionCounts) {
        Redactor::shared().redact_json(value)
    }

    #[test]
    fn strings_and_keys_are_redacted_at_every_depth() {
        let (value, counts) = redact(
            &json!({"a": [{"b": "mail x@y.com"}, ["10.1.2.3"]], "x@y.com": 1, "z@y.com": 2, "n": 48213, "t": true}),
        );
        assert_eq!(
            value,
            json!({"a": [{"b": "mail [redacted:email]"}, ["[redacted:ip_address]"]], "[redacted:email]": 1, "[redacted:email]#2": 2, "n": 48213, "t": true})
        );
        assert_eq!((counts.get(RedactionKind::Email), counts.get(RedactionKind::IpAddress), counts.total()), (3, 1, 4));
    }

    #[test]
    fn values_of_secret_keys_are_replaced_as_a_whole() {
        let keys = [
            ("api_key", "[redacted:api_key]"),
            ("X-Api-Key", "[redacted:api_key]"),
            ("Authorization", "[redacted:bearer_token]"),
            ("token", "[redacted:bearer_token]"),
            ("cookie", "[redacted:bearer_token]"),
            ("set-cookie", "[redacted:bearer_token]"),
            ("password", "[redacted:password]"),
            ("secret", "[redacted:password]"),
            ("private_key", "[redacted:private_key]"),
        ];
        for (key, placeholder) in keys {
            for value in [json!("abc"), json!(12345), json!(["a", "b"]), json!({"x": "y"})] {
                let (redacted, counts) = redact(&json!({"outer": {key: value}}));
                assert_eq!(redacted, json!({"outer": {key: placeholder}}));
                assert_eq!(counts.total(), 1);
            }
        }
    }

    #[test]
    fn values_without_secrets_are_unchanged() {
        let value = json!({
            "password": null, "secret": false, "token": "", "cookies": [], "credentials": {}, "max_tokens": 4096, "usage": {"prompt_tokens": 12, "total_tokens": 15},
            "parameters": {"properties": {"password": {"type": "string"}}}, "score": 0.453_201_511_283_036_6, "id": 1_234_567_890_u64, "phone": null, "mobile": true,
        });
        let (redacted, counts) = redact(&value);
        assert_eq!(redacted, value);
        assert!(counts.is_empty());
    }

    #[test]
    fn numbers_under_a_phone_key_and_card_numbers_are_replaced() {
        let (redacted, counts) = redact(
            &json!({"phone": "4155552671", "mobile_phone": 4155552671_u64, "phones": ["+14155552671"], "n": 4111111111111111_u64}),
        );
        let phone = "[redacted:phone]";
        assert_eq!(
            redacted,
            json!({"phone": phone, "mobile_phone": phone, "phones": [phone], "n": "[redacted:card_number]"})
        );
        assert_eq!(counts.total(), 4);
    }

    #[test]
    fn json_in_a_string_is_redacted_by_its_keys_and_other_text_is_unchanged() {
        let (redacted, counts) = redact(&json!(r#"{"inner": "{\"phone\": 4155552671}", "token": "abc"}"#));
        assert_eq!(
            redacted,
            json!(r#"{"inner":"{\"phone\":\"[redacted:phone]\"}","token":"[redacted:bearer_token]"}"#)
        );
        assert_eq!(counts.total(), 2);
        for text in [r#"{ "tokens": 7 }"#, "[1]", "{", "[see below]"] {
            assert_eq!(redact(&json!(text)).0, json!(text));
        }
    }

    #[test]
    fn scalars_and_very_deep_values_are_handled() {
        for value in [json!(null), json!(1), json!(""), json!([]), json!({})] {
            assert_eq!(redact(&value).0, value);
        }
        let deep = (0..600).fold(json!("x@y.com"), |inner, _| json!([inner]));
        assert!(!redact(&deep).0.to_string().contains("x@y.com"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let texts = prop::sample::select(vec![
            "x@y.com",
            "abc",
            "",
            "4111111111111111",
            "password=abc",
            "[redacted:email]",
            "[redacted:email]#2",
            "48213",
            r#"{"token": "abc"}"#,
            r#"{"a": "password=abc", "phone": 4155552671} "#,
            r#"["mail x@y.com", {"secret": {"b": 1.50}}]"#,
            r#"{"a": "{\"token\": \"abc\"}"}"#,
        ]);
        let keys = prop::sample::select(vec![
            "password",
            "a",
            "x@y.com",
            "z@y.com",
            "[redacted:email]",
            "[redacted:email]#2",
            "properties",
            "type",
            "phone",
            "10.1.2.3",
        ]);
        let leaf = prop_oneof![
            texts.prop_map(Value::from),
            any::<u32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let map = prop::collection::vec((keys.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()));
            prop_oneof![list, map]
        })
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing(value in values()) {
            let (once, _) = redact(&value);
            let (twice, counts) = redact(&once);
            prop_assert_eq!(once, twice);
            prop_assert!(counts.is_empty());
        }
    }
}
