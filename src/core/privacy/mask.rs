//! Masks known secrets wherever they appear.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The replacement for a secret.
const MASK: &str = "***";
/// Minimum length of a secret, in characters. A shorter one is a placeholder (`x`, `-`), which would mask ordinary
/// text.
const MIN_CHARS: usize = 4;

/// The characters that are not encoded in URLs (RFC 3986), besides letters and digits.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces known secrets, both verbatim and as encoded in JSON and URLs.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    finder: Option<AhoCorasick>,
}

impl Mask {
    /// Creates a mask for these secrets. Those shorter than four characters are taken to be placeholders and ignored.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<String> = Vec::new();
        for secret in secrets.into_iter().map(str::trim).filter(|secret| secret.chars().count() >= MIN_CHARS) {
            let json = Value::from(secret).to_string();
            forms.extend([
                secret.to_owned(),
                json.trim_matches('"').to_owned(),
                utf8_percent_encode(secret, UNRESERVED).to_string(),
            ]);
        }
        if forms.is_empty() {
            return Self::default();
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms);
        // Building fails only for patterns that are larger than any header or variable.
        Self { finder: finder.ok() }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.finder.is_none()
    }

    /// Replaces every secret in a text by `***`.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.finder {
            Some(finder) if finder.is_match(text) => {
                let mut masked = String::with_capacity(text.len());
                finder.replace_all_with(text, &mut masked, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                Cow::Owned(masked)
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// Replaces every secret in the strings and keys of a value by `***`.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text).into_owned()),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let masked = map.iter().map(|(key, inner)| (self.text(key).into_owned(), self.value(inner)));
                Value::Object(masked.collect())
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_in_every_encoding_and_the_longest_first() {
        let mask = Mask::new(["sec\"ret/1", "sec\"ret/1-long", "abc", " "]);
        assert_eq!(mask.text("x sec\"ret/1-long y sec\"ret/1 z abc"), "x *** y *** z abc");
        assert_eq!(mask.text(r#"{"a":"sec\"ret/1"}"#), r#"{"a":"***"}"#);
        assert_eq!(mask.text("?k=sec%22ret%2F1&x"), "?k=***&x");
        assert_eq!(mask.value(&json!({"a": ["sec\"ret/1", 1, null]})), json!({"a": ["***", 1, null]}));
        assert!(Mask::new(["abc"]).is_empty() && !mask.is_empty());
    }

    proptest! {
        #[test]
        fn no_secret_survives_within_other_text(secret in "[a-zA-Z0-9/+=-]{4,20}", before in "\\PC{0,10}", after in "\\PC{0,10}") {
            let masked = Mask::new([secret.as_str()]).text(&format!("{before}{secret}{after}")).into_owned();
            prop_assert!(!masked.contains(&secret) || "***".contains(&secret));
        }
    }
}
