//! Pseudonyms, which distinguish users and records without revealing who they are.

use super::super::domain::{content_hash, short};

/// Number of digits of the plain hashes that were stored before there was a key.
const PLAIN_DIGITS: usize = 16;
/// Number of digits of a pseudonym: 128 bits.
const DIGITS: usize = 32;

/// The secret key with which a database hides the identity of its users. Without it, nobody can find a user by hashing
/// candidate e-mail addresses or numbers and comparing the hashes with the stored ones.
#[derive(Clone, Copy)]
pub struct UserKey([u8; 32]);

impl UserKey {
    /// Creates a key from bytes, which must be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The pseudonym of a user.
    pub fn user(&self, user: &str) -> String {
        self.hide_user(&plain("karat-user", user))
    }

    /// The pseudonym of a record. `content` is its id if that contains personal data, or the whole row if it has no id.
    pub fn record(&self, content: &str) -> String {
        self.hide("record", &plain("karat-record", content))
    }

    /// The pseudonym of a user whose plain hash was stored by an older version. Equals the result of [`Self::user`].
    pub fn hide_user(&self, plain: &str) -> String {
        self.hide("user", plain)
    }

    /// The pseudonym of a record stored by an older version, if its id may be a plain hash: 16 digits, followed by a
    /// suffix such as `-2` for repeated rows. Otherwise `None`.
    pub fn hide_record(&self, id: &str) -> Option<String> {
        let (hash, repeat) = id.split_once('-').map_or((id, None), |(hash, repeat)| (hash, Some(repeat)));
        let is_hash = hash.len() == PLAIN_DIGITS && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_repeat = repeat.is_none_or(|repeat| repeat.parse::<u32>().is_ok());
        let repeat = repeat.map_or_else(String::new, |repeat| format!("-{repeat}"));
        (is_hash && is_repeat).then(|| format!("{}{repeat}", self.hide("record", hash)))
    }

    /// The keyed hash of a plain hash. The plain hash is used rather than the name itself so that values stored before
    /// there was a key can be converted.
    fn hide(&self, kind: &str, plain: &str) -> String {
        let hash = blake3::keyed_hash(&self.0, format!("{kind}\0{plain}").as_bytes());
        short(&hash.to_hex(), DIGITS).to_owned()
    }
}

fn plain(label: &str, text: &str) -> String {
    short(&content_hash(label, text.as_bytes()), PLAIN_DIGITS).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_depend_on_the_key_and_distinguish_names() {
        let (one, other) = (UserKey::new([1; 32]), UserKey::new([2; 32]));
        assert_eq!(one.user("jane@example.org"), one.user("jane@example.org"));
        assert_eq!(one.user("jane@example.org").len(), 32);
        let all = [one.user("a"), one.user("b"), one.record("a"), other.user("a"), other.record("a")];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn values_stored_without_a_key_convert_to_those_stored_with_one() {
        let key = UserKey::new([7; 32]);
        assert_eq!(key.hide_user(&plain("karat-user", "jane")), key.user("jane"));
        let old = plain("karat-record", "a row");
        assert_eq!(key.hide_record(&old), Some(key.record("a row")));
        assert_eq!(key.hide_record(&format!("{old}-3")), Some(format!("{}-3", key.record("a row"))));
        for own in ["r1", "", "0123456789ABCDEF", "0123456789abcdef0", "0123456789abcdef-x", "2026-01-01"] {
            assert_eq!(key.hide_record(own), None, "{own}");
        }
    }
}
