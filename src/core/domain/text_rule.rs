//! The conversion of a structured input (chat messages, an object, a long document) to the text that is embedded and
//! compared.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{at_path, fields};

/// The turns of a conversation that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Turns {
    /// The last turn of the user.
    #[default]
    LastUser,
    /// Every turn of the user.
    User,
    /// Every turn of any role.
    All,
}

/// How an input is converted to the text that is embedded. Part of the embedding space: a different rule means a
/// different space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextRule {
    /// The turns of chat messages that count: last-user, user or all. Default: last-user.
    #[serde(default)]
    pub messages: Turns,
    /// The fields of an object that count, in this order; dots refer to nested fields. Default: the first of input,
    /// question, query, prompt, text and messages, or else the whole object as JSON.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Number of words per chunk of a long text, whose vector is the mean of its chunks' vectors. Default: no chunks;
    /// text beyond the limit of the embedder is cut off.
    pub chunk_words: Option<usize>,
}

impl TextRule {
    /// The text of an input: a string unchanged; the turns that count of chat messages; the fields that count of an
    /// object. For anything else, or if nothing is found, canonical JSON.
    pub fn text(&self, input: &Value) -> String {
        match input {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => self.turns(items),
            Value::Object(map) => {
                let named: Vec<String> =
                    self.fields.iter().filter_map(|path| at_path(map, path)).map(|value| self.text(value)).collect();
                if !named.is_empty() {
                    return named.join("\n");
                }
                fields::TEXT.iter().find_map(|key| map.get(*key)).map(|value| self.text(value))
            }
            _ => None,
        }
        .unwrap_or_else(|| super::canonical_json(input))
    }

    /// Splits a text into chunks of `chunk_words` words; there is always at least one chunk.
    pub fn chunks<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let Some(size) = self.chunk_words.filter(|size| *size > 0) else { return vec![text] };
        let starts: Vec<usize> =
            text.split_whitespace().map(|word| word.as_ptr() as usize - text.as_ptr() as usize).collect();
        if starts.len() <= size {
            return vec![text];
        }
        let firsts: Vec<usize> = starts.into_iter().step_by(size).collect();
        let ends = firsts.iter().skip(1).copied().chain([text.len()]);
        firsts.iter().zip(ends).map(|(start, end)| text[*start..end].trim_end()).collect()
    }

    /// The parts that the rule adds to the fingerprint of a space; none for the default rule.
    pub fn parts(&self) -> BTreeMap<String, String> {
        let mut parts = BTreeMap::new();
        let mut add = |name: &str, value: String| parts.insert(format!("text.{name}"), value);
        match self.messages {
            Turns::LastUser => {}
            Turns::User => drop(add("messages", "user".into())),
            Turns::All => drop(add("messages", "all".into())),
        }
        if !self.fields.is_empty() {
            add("fields", self.fields.join(", "));
        }
        if let Some(words) = self.chunk_words {
            add("chunk_words", words.to_string());
        }
        parts
    }

    fn turns(&self, messages: &[Value]) -> Option<String> {
        let counts = |message: &&Value| {
            let role = message.get("role").and_then(Value::as_str);
            if self.messages == Turns::All { role.is_some() } else { role == Some("user") }
        };
        let mut texts = messages.iter().filter(counts).filter_map(|message| turn_text(message.get("content")?));
        match self.messages {
            Turns::LastUser => texts.next_back(),
            Turns::User | Turns::All => {
                let texts: Vec<String> = texts.collect();
                (!texts.is_empty()).then(|| texts.join("\n"))
            }
        }
    }
}

fn turn_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        _ => None,
    }
}

/// The text of an input under the default rule; see [`TextRule::text`].
pub fn input_text(input: &Value) -> String {
    TextRule::default().text(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_input_becomes_the_text_that_counts() {
        let chat = json!([
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image_url"}]}
        ]);
        let ticket = json!({"subject": "S", "body": {"text": "B"}, "messages": chat, "id": 7});
        let rule = |json: Value| serde_json::from_value::<TextRule>(json).unwrap();
        let cases = [
            (json!({}), json!("plain"), "plain"),
            (json!({}), chat.clone(), "second"),
            (json!({"messages": "user"}), chat.clone(), "first\nsecond"),
            (json!({"messages": "all"}), chat.clone(), "be kind\nfirst\nsecond"),
            (json!({}), ticket.clone(), "second"),
            (json!({"fields": ["subject", "body.text"]}), ticket.clone(), "S\nB"),
            (json!({"fields": ["subject", "messages"], "messages": "user"}), ticket.clone(), "S\nfirst\nsecond"),
            (json!({"fields": ["nowhere"]}), json!({"question": "q"}), "q"),
            (json!({"fields": ["tags.1"]}), json!({"tags": ["a", "b"]}), "b"),
            (json!({}), json!({"a": 1}), "{\"a\":1}"),
            (json!({}), json!([{"role": "assistant", "content": "x"}]), "[{\"content\":\"x\",\"role\":\"assistant\"}]"),
            (json!({}), json!(7), "7"),
        ];
        for (settings, input, expected) in cases {
            assert_eq!(rule(settings.clone()).text(&input), expected, "{settings}");
        }
    }

    #[test]
    fn chunks_contain_every_word_once_and_a_short_text_is_unchanged() {
        let rule = TextRule { chunk_words: Some(3), ..TextRule::default() };
        assert_eq!(rule.chunks(" a b\tc  d é  f\ng "), ["a b\tc", "d é  f", "g"]);
        for short in ["", "  ", "a b c", " a "] {
            assert_eq!(rule.chunks(short), [short]);
            assert_eq!(TextRule::default().chunks(short), [short]);
        }
    }

    #[test]
    fn only_a_rule_other_than_the_default_is_part_of_a_fingerprint() {
        assert!(TextRule::default().parts().is_empty());
        let rule = TextRule { messages: Turns::All, fields: vec!["a".into(), "b".into()], chunk_words: Some(9) };
        let parts: Vec<_> = rule.parts().into_iter().collect();
        let expected = [("text.chunk_words", "9"), ("text.fields", "a, b"), ("text.messages", "all")];
        assert_eq!(parts, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
