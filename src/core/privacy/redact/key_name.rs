//! Names of fields, headers and variables whose values are secret.

use super::kind::RedactionKind;

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretName {
    /// The kind of the value.
    pub(super) kind: RedactionKind,
    /// Whether the name alone is proof enough; a bare `token` or `secret` is also used of things that are not secret.
    pub(super) strong: bool,
    /// How the value is to be read.
    pub(super) form: ValueForm,
}

/// How the value that follows a name in a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueForm {
    /// One word, or a quoted string.
    Word,
    /// An HTTP authorisation header: a scheme and credentials.
    Authorization,
    /// An HTTP cookie header: `name=value` pairs.
    Cookie,
}

/// Endings of names, letters and digits only, with the kind of their values. The first that fits counts.
const ENDINGS: [(&str, RedactionKind); 25] = [
    ("privatekey", RedactionKind::PrivateKey),
    ("sshkey", RedactionKind::PrivateKey),
    ("apikey", RedactionKind::ApiKey),
    ("apikeys", RedactionKind::ApiKey),
    ("apitoken", RedactionKind::ApiKey),
    ("apisecret", RedactionKind::ApiKey),
    ("accesskey", RedactionKind::ApiKey),
    ("accesskeyid", RedactionKind::ApiKey),
    ("secretkey", RedactionKind::ApiKey),
    ("secretaccesskey", RedactionKind::ApiKey),
    ("secretkeybase", RedactionKind::ApiKey),
    ("encryptionkey", RedactionKind::ApiKey),
    ("accountkey", RedactionKind::ApiKey),
    ("subscriptionkey", RedactionKind::ApiKey),
    ("accesstoken", RedactionKind::BearerToken),
    ("refreshtoken", RedactionKind::BearerToken),
    ("authtoken", RedactionKind::BearerToken),
    ("bearertoken", RedactionKind::BearerToken),
    ("sessiontoken", RedactionKind::BearerToken),
    ("securitytoken", RedactionKind::BearerToken),
    ("password", RedactionKind::Password),
    ("passwd", RedactionKind::Password),
    ("passphrase", RedactionKind::Password),
    ("passcode", RedactionKind::Password),
    ("clientsecret", RedactionKind::Password),
];

/// Words before `token` that make it a unit of text or a position in a list, not a credential.
const TEXT_TOKENS: [&str; 34] = [
    "bos",
    "cached",
    "chosen",
    "class",
    "cls",
    "completion",
    "continuation",
    "current",
    "each",
    "end",
    "eos",
    "first",
    "generated",
    "image",
    "input",
    "last",
    "mask",
    "max",
    "min",
    "next",
    "of",
    "output",
    "pad",
    "page",
    "per",
    "prompt",
    "reasoning",
    "sampled",
    "sep",
    "special",
    "start",
    "stop",
    "top",
    "unk",
];

/// What the name of a field says of its value; `None` where it does not name a secret.
///
/// Case, separators and camel case do not matter: `OPENAI_API_KEY`, `x-api-key` and `apiKey` are one. Counts such as `max_tokens` and
/// vocabulary such as `eos_token` are not secret.
pub(super) fn secret_name(name: &str) -> Option<SecretName> {
    let words = words(name);
    let last = words.last()?.as_str();
    let joined = words.concat();
    if let Some((_, kind)) = ENDINGS.iter().find(|(ending, _)| joined.ends_with(ending)) {
        return Some(SecretName { kind: *kind, strong: true, form: ValueForm::Word });
    }
    let before = words.len().checked_sub(2).and_then(|i| words.get(i)).map(String::as_str);
    let (kind, strong, form) = match last {
        "pwd" | "passwords" => (RedactionKind::Password, true, ValueForm::Word),
        "secret" | "secrets" | "credential" | "credentials" => (RedactionKind::Password, false, ValueForm::Word),
        "token" if !before.is_some_and(|word| TEXT_TOKENS.contains(&word)) => {
            (RedactionKind::BearerToken, false, ValueForm::Word)
        }
        "jwt" => (RedactionKind::BearerToken, false, ValueForm::Word),
        "authorization" => (RedactionKind::BearerToken, true, ValueForm::Authorization),
        "cookie" | "cookies" => (RedactionKind::BearerToken, true, ValueForm::Cookie),
        _ => return None,
    };
    Some(SecretName { kind, strong, form })
}

/// The words of a name in lower case, parted at separators and at a change from lower to upper case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        if !open || (lower_before && c.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        open = true;
        lower_before = c.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
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
    fn names_that_only_sound_like_it_are_not_secret() {
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
