//! What the answer of an example depends on, with its hash when the answer was agreed on.

use std::fmt;
use std::path::{Component, Path};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A document that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub place: SourcePlace,
    /// Its hash when the answer was agreed on.
    pub hash: SourceHash,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourcePlace {
    /// A file, relative to the workspace.
    File(String),
    /// A document elsewhere, which is never fetched.
    Url(String),
}

impl SourcePlace {
    /// The place given by the members `file` and `url`, of which there must be one.
    ///
    /// # Errors
    /// A sentence for the user if there is not, or if the file would be outside of the workspace.
    pub fn new(file: Option<String>, url: Option<String>) -> Result<Self, String> {
        let file = match (file, url) {
            (Some(file), None) => file,
            (None, Some(url)) => return Ok(Self::Url(url)),
            _ => return Err("a source has either a file or a url".into()),
        };
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if Path::new(&file).components().all(inside) && !file.contains('\\') {
            return Ok(Self::File(file));
        }
        Err(format!(
            "the source \"{file}\" must be a path within the workspace, such as policies/refunds.md; for a document elsewhere, use \
             a url, with its copy under decay.sources in karat.yaml"
        ))
    }

    /// The path or URL.
    pub fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Url(name) => name,
        }
    }
}

/// The function of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashKind {
    /// SHA-256, as printed by `sha256sum`.
    Sha256,
    /// BLAKE3, as printed by `b3sum`.
    Blake3,
}

/// The first digits of the hash of a document: at least 8, at most 64, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceHash {
    /// Its function.
    pub kind: HashKind,
    digits: String,
}

/// Range of the number of digits.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=64;

/// Number of digits shown in evidence.
const SHOWN: usize = 16;

impl SourceHash {
    /// The complete hash of a document.
    pub fn new(kind: HashKind, digits: String) -> Self {
        Self { kind, digits }
    }

    /// Whether both may be of the same document. `None` if their functions differ, so that nothing can be said.
    pub fn agrees(&self, other: &Self) -> Option<bool> {
        let agrees = self.digits.starts_with(&other.digits) || other.digits.starts_with(&self.digits);
        (self.kind == other.kind).then_some(agrees)
    }

    /// The hash with at most as many digits as another one.
    pub fn as_long_as(&self, other: &Self) -> Self {
        Self { kind: self.kind, digits: super::short(&self.digits, other.digits.len()).to_owned() }
    }

    /// The hash as shown to people, which is long enough to be used.
    pub fn shown(&self) -> String {
        Self { kind: self.kind, digits: super::short(&self.digits, SHOWN).to_owned() }.to_string()
    }
}

impl fmt::Display for SourceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            HashKind::Sha256 => "sha256",
            HashKind::Blake3 => "blake3",
        };
        write!(f, "{kind}:{}", self.digits)
    }
}

impl From<SourceHash> for String {
    fn from(hash: SourceHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for SourceHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, digits) = match text.split_once(':') {
            None => (HashKind::Sha256, text.as_str()),
            Some(("sha256", digits)) => (HashKind::Sha256, digits),
            Some(("blake3", digits)) => (HashKind::Blake3, digits),
            Some((other, _)) => return Err(format!("\"{other}\" is not one of sha256, blake3")),
        };
        let digits = digits.trim().to_ascii_lowercase();
        if !DIGITS.contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "\"{text}\" is not a hash; write 8 to 64 hexadecimal digits, such as those that `sha256sum FILE` prints"
            ));
        }
        Ok(Self { kind, digits })
    }
}

impl JsonSchema for SourceHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SourceHash".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^((sha256|blake3):)?[0-9A-Fa-f]{8,64}$"})
    }
}

impl Source {
    /// Reads `{"file": …, "hash": …}` or `{"url": …, "hash": …}`, or a list of them.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn list(value: &Value) -> Result<Vec<Self>, String> {
        match value {
            Value::Array(items) => items.iter().map(Self::of).collect(),
            one => Ok(vec![Self::of(one)?]),
        }
    }

    fn of(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or("source must be text, {\"file\": …, \"hash\": …}, or a list of these")?;
        let unknown = members.keys().find(|key| !["file", "url", "hash"].contains(&key.as_str()));
        if let Some(key) = unknown {
            return Err(format!("source has an unknown member \"{key}\"; there are file, url and hash"));
        }
        let text = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("source.{key} must be a string")),
        };
        let place = SourcePlace::new(text("file")?, text("url")?)?;
        let hash = text("hash")?.ok_or_else(|| {
            format!("the source \"{}\" has no hash; add the one that `sha256sum` prints for it", place.name())
        })?;
        Ok(Self { place, hash: SourceHash::try_from(hash)? })
    }

    /// Sources as JSON, as read by [`Self::list`]; a single one without a list.
    pub fn to_json(sources: &[Self]) -> Value {
        let one = |Self { place, hash }: &Self| match place {
            SourcePlace::File(file) => json!({"file": file, "hash": hash.to_string()}),
            SourcePlace::Url(url) => json!({"url": url, "hash": hash.to_string()}),
        };
        match sources {
            [only] => one(only),
            several => several.iter().map(one).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> SourceHash {
        SourceHash::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_source_is_written_as_it_was_read() {
        let digits = "00ff".repeat(16);
        let cases = [
            json!({"file": "policies/refunds.md", "hash": format!("sha256:{digits}")}),
            json!({"url": "https://example.org/faq", "hash": "blake3:12345678"}),
            json!([{"file": "a.md", "hash": "sha256:12345678"}, {"file": "./b/c.md", "hash": "sha256:87654321"}]),
        ];
        for case in cases {
            assert_eq!(Source::to_json(&Source::list(&case).unwrap()), case);
        }
        let bare = Source::list(&json!({"file": "a.md", "hash": "ABCDEF01"})).unwrap();
        assert_eq!(bare[0].hash.to_string(), "sha256:abcdef01");
    }

    #[test]
    fn a_source_that_cannot_be_compared_is_refused_with_the_fix() {
        let cases = [
            (json!({"file": "a.md"}), "add the one that `sha256sum` prints"),
            (json!({"file": "a.md", "hash": "1234567"}), "8 to 64 hexadecimal digits"),
            (json!({"file": "a.md", "hash": "today..."}), "8 to 64 hexadecimal digits"),
            (json!({"file": "a.md", "hash": "md5:12345678"}), "not one of sha256, blake3"),
            (json!({"file": "../a.md", "hash": "12345678"}), "within the workspace"),
            (json!({"file": "/etc/passwd", "hash": "12345678"}), "within the workspace"),
            (json!({"file": "..\\a.md", "hash": "12345678"}), "within the workspace"),
            (json!({"hash": "12345678"}), "either a file or a url"),
            (json!({"file": "a", "url": "b", "hash": "12345678"}), "either a file or a url"),
            (json!({"file": "a", "sha256": "12345678"}), "unknown member \"sha256\""),
            (json!([5]), "source must be text"),
            (json!(5), "source must be text"),
        ];
        for (value, expected) in cases {
            let problem = Source::list(&value).unwrap_err();
            assert!(problem.contains(expected), "{value}: {problem}");
        }
    }

    #[test]
    fn a_hash_agrees_with_a_longer_one_that_begins_the_same() {
        assert_eq!(hash("12345678").agrees(&hash("sha256:1234567890")), Some(true));
        assert_eq!(hash("1234567890").agrees(&hash("12345678")), Some(true));
        assert_eq!(hash("1234567890").agrees(&hash("12345679")), Some(false));
        assert_eq!(hash("12345678").agrees(&hash("blake3:12345678")), None);
        assert_eq!(hash("1234567890").as_long_as(&hash("87654321")), hash("12345678"));
    }
}
