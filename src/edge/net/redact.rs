//! Makes URLs and text from servers safe to show: one short line, without control characters or credentials.

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::core::privacy::names_a_secret;

/// The maximum number of characters shown of a server's message.
const MAX_CHARS: usize = 200;
/// The replacement for a credential.
const MASK: &str = "***";
/// Shorter values are placeholders (`x`, `-`); masking them would destroy ordinary words.
const MIN_SECRET_CHARS: usize = 4;

/// Makes text from a server safe to print and store.
///
/// It masks the credentials of one call: headers marked as sensitive (the whole value, and the part after the scheme,
/// as in `Bearer KEY`), the password of the URL, and query values whose name suggests a secret (see
/// [`names_a_secret`]). Secrets of fewer than 4 characters are taken for placeholders and not masked.
pub struct Redactor {
    /// Longest first, so that no part of a longer secret remains.
    secrets: Vec<String>,
}

impl Redactor {
    /// Creates the redactor for a call to `url` with `headers`.
    pub fn new(url: &Url, headers: &HeaderMap) -> Self {
        let mut secrets = Vec::new();
        for value in headers.values().filter(|value| value.is_sensitive()) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            secrets.extend(value.split_whitespace().last().map(str::to_owned));
            secrets.push(value);
        }
        secrets.extend(url.password().map(str::to_owned));
        for (name, value) in url.query_pairs() {
            if names_a_secret(&name) {
                secrets.push(value.into_owned());
            }
        }
        secrets.retain(|secret| secret.chars().count() >= MIN_SECRET_CHARS);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// `text` as one line of at most 200 characters: control and text-direction characters and runs of whitespace
    /// become one space, credentials become `***`, and `…` marks where text was cut off. Empty text remains empty.
    pub fn line(&self, text: &str) -> String {
        // Mask before truncating; otherwise the beginning of a credential could remain at the end.
        let line = self.mask(&one_line(&self.mask(text)));
        match line.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line,
        }
    }

    /// The error message in a JSON response, as a [`Redactor::line`]: `error.message`, or else `error`, `message` or
    /// `detail`, if it is text. `None` if there is none of these.
    pub fn error_message(&self, answer: &Value) -> Option<String> {
        let error = answer.get("error");
        [error.and_then(|error| error.get("message")), error, answer.get("message"), answer.get("detail")]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
            .map(|text| self.line(text))
            .filter(|line| !line.is_empty())
    }

    /// The message in the body of an error response: [`Redactor::error_message`], or else the beginning of the body.
    pub(super) fn body_message(&self, body: &[u8]) -> String {
        match serde_json::from_slice::<Value>(body) {
            // Serialized again, so that a credential is found even if its characters were escaped.
            Ok(answer) => self.error_message(&answer).unwrap_or_else(|| self.line(&answer.to_string())),
            Err(_) => self.line(&String::from_utf8_lossy(body)),
        }
    }

    fn mask(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// The URL without user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

/// `host:port`, with the scheme's default port if the URL has none.
pub(super) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_unprintable(c: char) -> bool {
    // Besides control characters: characters that reorder or hide text in a terminal.
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    fn redactor() -> Redactor {
        let mut headers = HeaderMap::new();
        let mut value = HeaderValue::from_static("Bearer sk-abcdef0123456789");
        value.set_sensitive(true);
        headers.insert("authorization", value);
        headers.insert("x-plain", HeaderValue::from_static("visible"));
        let url = "https://user:hunter2hunter2@host/v1?api-version=2024-02-01&key=query-secret".parse().unwrap();
        Redactor::new(&url, &headers)
    }

    #[test]
    fn every_credential_of_the_call_is_masked_and_nothing_else() {
        let cases = [
            ("bad key sk-abcdef0123456789!", "bad key ***!"),
            ("sent Bearer sk-abcdef0123456789", "sent ***"),
            ("no Bearer token", "no Bearer token"),
            ("at ?key=query-secret&api-version=2024-02-01", "at ?key=***&api-version=2024-02-01"),
            ("pass hunter2hunter2, visible", "pass ***, visible"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor().line(text), expected);
        }
    }

    #[test]
    fn control_and_direction_characters_become_spaces() {
        assert_eq!(redactor().line("\u{1b}[31mred\r\n\ttwo\u{202e}evil\0"), "[31mred two evil");
    }

    #[test]
    fn a_placeholder_of_three_characters_is_not_masked() {
        let url = "http://host/?key=abc".parse().unwrap();
        assert_eq!(Redactor::new(&url, &HeaderMap::new()).line("abcde"), "abcde");
    }

    #[test]
    fn the_message_is_found_wherever_servers_put_it() {
        let cases = [
            (json!({"error": {"message": "deep", "code": 1}}), Some("deep")),
            (json!({"error": "flat"}), Some("flat")),
            (json!({"object": "error", "message": "vllm"}), Some("vllm")),
            (json!({"detail": "Not Found"}), Some("Not Found")),
            (json!({"error": null}), None),
            (json!({"error": {"message": ""}}), None),
            (json!(["x"]), None),
        ];
        for (answer, expected) in cases {
            assert_eq!(redactor().error_message(&answer).as_deref(), expected, "{answer}");
        }
        assert_eq!(redactor().body_message(b"<html>\n gone"), "<html> gone");
        assert_eq!(redactor().body_message(br#"{"errors": ["sk\u002dabcdef0123456789"]}"#), r#"{"errors":["***"]}"#);
    }

    #[test]
    fn a_shown_url_has_neither_user_nor_query() {
        let url: Url = "https://user:pass@host/v1/x?key=s#f".parse().unwrap();
        assert_eq!(shown(&url), "https://host/v1/x");
        assert_eq!(host_and_port(&url), "host:443");
        let local: Url = "http://[::1]:8080".parse().unwrap();
        assert_eq!((shown(&local), host_and_port(&local)), ("http://[::1]:8080/".into(), "[::1]:8080".into()));
    }

    proptest! {
        #[test]
        fn no_part_of_a_credential_remains_where_text_is_cut_off(before in 150usize..210, after in "\\PC{0,40}") {
            let text = format!("{}sk-abcdef0123456789{after}", "é".repeat(before));
            let line = redactor().line(&text);
            prop_assert!(!line.contains("sk-"));
            prop_assert!(line.chars().count() <= MAX_CHARS + 1);
        }
    }
}
