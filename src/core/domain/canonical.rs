//! Canonical JSON and content hashes: equal content yields equal bytes, however it was written in a file.

use serde_json::Value;

/// Serializes a value as JSON with object keys sorted by their bytes, no white space, and line endings as `\n`.
///
/// Values that differ only in key order or in CRLF versus LF give the same text.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (index, (key, inner)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(inner, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, inner) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(inner, out);
            }
            out.push(']');
        }
        Value::String(text) => write_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    let text = text.replace("\r\n", "\n");
    out.push_str(&Value::String(text).to_string());
}

/// The BLAKE3 hash of `bytes` under a domain label, as 64 lower-case hex digits.
///
/// Things of different kinds have different hashes even if their bytes are equal, since their labels differ.
pub fn content_hash(label: &str, bytes: &[u8]) -> String {
    let mut hasher = ContentHasher::new(label);
    hasher.update(bytes);
    hasher.finish()
}

/// [`content_hash`] as bytes.
pub fn content_hash_bytes(label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut hasher = ContentHasher::new(label);
    hasher.update(bytes);
    *hasher.0.finalize().as_bytes()
}

/// An incremental [`content_hash`].
#[derive(Debug, Clone)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// Creates a hasher for a domain label.
    pub fn new(label: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(label.as_bytes());
        hasher.update(&[0]);
        Self(hasher)
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash as 64 lower-case hex digits.
    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// A hash of an id in 16 bytes, to remember which ids there were.
pub fn fingerprint(id: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(bytes)
}

/// The first `digits` characters of a hash, for people to read.
pub fn short(hash: &str, digits: usize) -> &str {
    hash.get(..digits).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_and_line_endings_do_not_change_the_text() {
        let a: Value = serde_json::from_str(r#"{"b":[1,{"z":null,"a":true}],"a":"x\r\ny"}"#).unwrap();
        let b = json!({"a": "x\ny", "b": [1, {"a": true, "z": null}]});
        assert_eq!(canonical_json(&a), canonical_json(&b));
        assert_eq!(canonical_json(&b), r#"{"a":"x\ny","b":[1,{"a":true,"z":null}]}"#);
    }

    #[test]
    fn equal_bytes_under_different_labels_have_different_hashes() {
        assert_ne!(content_hash("input", b"x"), content_hash("output", b"x"));
        let hex: String = content_hash_bytes("input", b"x").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(content_hash("input", b"x"), hex);
    }
}
