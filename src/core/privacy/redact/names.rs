//! Names of fields, headers and variables whose values are secret.

use super::kind::RedactionKind;

/// What the name of a secret implies about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretName {
    /// The kind of the value.
    pub(super) kind: RedactionKind,
    /// Whether the name alone is sufficient evidence. A bare `token` or `secret` is also used for things that are not
    /// secret.
    pub(super) strong: bool,
}

/// Endings of names (letters and digits only), with the kind of their values. The first match counts.
const ENDINGS: [(RedactionKind, &str); 4] = [
    (RedactionKind::PrivateKey, "privatekey sshkey"),
    (
        RedactionKind::ApiKey,
        "apikey apikeys apitoken apisecret accesskey accesskeyid secretkey secretaccesskey secretkeybase encryptionkey accountkey \
         subscriptionkey",
    ),
    (RedactionKind::BearerToken, "accesstoken refreshtoken authtoken bearertoken sessiontoken securitytoken"),
    (RedactionKind::Password, "password passwd passphrase passcode clientsecret"),
];

/// Last words of names, with the kind of their values and whether they are sufficient evidence.
const LAST_WORDS: [(&str, RedactionKind, bool); 4] = [
    ("pwd passwords", RedactionKind::Password, true),
    ("secret secrets credential credentials", RedactionKind::Password, false),
    ("token jwt", RedactionKind::BearerToken, false),
    ("authorization cookie cookies", RedactionKind::BearerToken, true),
];

/// Words before `token` that make it a unit of text or a position in a list rather than a credential.
const TEXT_TOKENS: &str = "bos cached chosen class cls completion continuation current each end eos first generated image input last \
                           mask max min next of output pad page per prompt reasoning sampled sep special start stop top unk";

/// Parts of setting names whose values are assumed to be secret.
const SECRET_PARTS: [&str; 8] = ["auth", "key", "token", "secret", "cookie", "password", "credential", "signature"];

/// Whether the value of a header or query parameter with this name is assumed to be secret. This is broader than what
/// is redacted in texts: for a false positive, the user only has to write the setting as a reference.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "sig" | "code") || SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// Determines what the name of a field implies about its value; `None` if it does not name a secret.
///
/// Case, separators and camel case do not matter: `OPENAI_API_KEY`, `x-api-key` and `apiKey` are treated alike. Counts
/// such as `max_tokens` and vocabulary such as `eos_token` are not secret.
pub(super) fn secret_name(name: &str) -> Option<SecretName> {
    let words = words(name);
    let last = words.last()?.as_str();
    let joined = words.concat();
    let ending = ENDINGS.iter().find(|(_, endings)| endings.split(' ').any(|ending| joined.ends_with(ending)));
    if let Some((kind, _)) = ending {
        return Some(SecretName { kind: *kind, strong: true });
    }
    let before = words.len().checked_sub(2).and_then(|i| words.get(i));
    if last == "token" && before.is_some_and(|word| is_one_of(word, TEXT_TOKENS)) {
        return None;
    }
    let (_, kind, strong) = LAST_WORDS.iter().find(|(words, ..)| is_one_of(last, words))?;
    Some(SecretName { kind: *kind, strong: *strong })
}

/// Whether a word is in a space-separated list.
pub(super) fn is_one_of(word: &str, list: &str) -> bool {
    list.split(' ').any(|other| other == word)
}

/// Splits a name into lower-case words, at separators and at changes from lower to upper case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_alphanumeric() {
            if !before.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase()) {
                words.push(String::new());
            }
            words.iter_mut().next_back().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_secret_values_are_recognised_by_a_part_of_their_name() {
        let secret =
            ["X-Api-Key", "Authorization", "api_key", "sig", "code", "Signature", "x-amz-credential", "Cookie"];
        assert!(secret.into_iter().all(names_a_secret));
        assert!(!["X-Team", "api-version", "zip-code", "", "User-Agent"].into_iter().any(names_a_secret));
    }

    #[test]
    fn names_of_secrets_are_recognised_in_every_spelling() {
        use RedactionKind::{ApiKey, BearerToken, Password, PrivateKey};
        let cases = [
            ("api_key", ApiKey),
            ("apiKey", ApiKey),
            ("X-API-Key", ApiKey),
            ("OPENAI_API_KEY", ApiKey),
            ("aws_secret_access_key", ApiKey),
            ("AWS_ACCESS_KEY_ID", ApiKey),
            ("secretKey", ApiKey),
            ("authorization", BearerToken),
            ("Proxy-Authorization", BearerToken),
            ("token", BearerToken),
            ("access_token", BearerToken),
            ("githubToken", BearerToken),
            ("HF_TOKEN", BearerToken),
            ("cookie", BearerToken),
            ("Set-Cookie", BearerToken),
            ("password", Password),
            ("DB_PASSWORD", Password),
            ("userPassword", Password),
            ("pwd", Password),
            ("secret", Password),
            ("client_secret", Password),
            ("private_key", PrivateKey),
            ("privateKey", PrivateKey),
        ];
        for (name, kind) in cases {
            assert_eq!(secret_name(name).map(|s| s.kind), Some(kind), "{name}");
        }
    }

    #[test]
    fn names_that_only_sound_like_secrets_are_not_secret() {
        let names = [
            "max_tokens",
            "prompt_tokens",
            "tokens",
            "eos_token",
            "next_page_token",
            "cost_per_token",
            "time_to_first_token",
            "tokenizer",
            "token_count",
            "secretary",
            "key",
            "keyboard",
            "primary_key",
            "monkey",
            "author",
            "authorized",
            "password_reset_url",
            "cookie_policy",
            "private",
            "",
            "_",
            "é",
        ];
        for name in names {
            assert_eq!(secret_name(name), None, "{name}");
        }
    }
}
