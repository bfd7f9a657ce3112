//! Secrets that are known by the name they are assigned to: `password=...`, `"api_key": "..."`, `Authorization: ...`, `?token=...`.

use std::ops::Range;

use regex::Regex;

use super::key_name::{SecretName, ValueForm, secret_name};
use super::kind::RedactionKind;
use super::span::Span;
use super::value::{is_secret, read_authorization, read_cookie, read_word};

/// The longest name that is looked at, in bytes; a longer one counts by its end.
const MAX_NAME: usize = 64;

/// A value of more bytes than this is not read again for the names inside it, even if it is no secret.
const LONG: usize = 256;

/// `password is ...`, as people write it.
const SPOKEN: &str = r"(?i-u)\b(?:password|passcode|passphrase|pwd)[ \t]+is[ \t]*:?[ \t]+";

/// The compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct AssignmentScanner {
    spoken: Regex,
}

/// A name and the sign that follows it.
struct Site<'a> {
    name: &'a str,
    /// The byte before the name.
    before: Option<u8>,
    /// Where the value may begin.
    value_at: usize,
    /// Whether the sign is `=`.
    assigned: bool,
}

impl AssignmentScanner {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { spoken: Regex::new(SPOKEN)? })
    }

    pub(super) fn scan(&self, text: &str, out: &mut Vec<Span>) {
        // A value is read once: names inside it are skipped, which also keeps the time linear.
        let mut covered = 0;
        for (at, byte) in text.bytes().enumerate() {
            if !matches!(byte, b'=' | b':') || at < covered {
                continue;
            }
            let Some(reading) = site(text, at).and_then(|site| read_value(text, &site)) else {
                continue;
            };
            if let Some(kind) = reading.kind {
                out.push(Span::new(reading.range.start, reading.range.end, kind));
                covered = reading.range.end;
            } else if reading.range.len() > LONG {
                covered = reading.range.end;
            }
        }
        for found in self.spoken.find_iter(text) {
            let Some(value) = read_word(text, found.end(), false) else {
                continue;
            };
            let word = text.get(value.range.clone()).unwrap_or_default();
            if value.quoted || (word.len() >= 4 && word.bytes().any(|b| b.is_ascii_digit())) {
                out.push(Span::new(value.range.start, value.range.end, RedactionKind::Password));
            }
        }
    }
}

/// What was read after a name, and its kind where it is a secret.
struct Reading {
    range: Range<usize>,
    kind: Option<RedactionKind>,
}

fn read_value(text: &str, site: &Site<'_>) -> Option<Reading> {
    if site.assigned && matches!(site.before, Some(b'?' | b'&')) {
        return read_parameter(text, site);
    }
    let what = secret_name(site.name)?;
    match what.form {
        ValueForm::Authorization => {
            Some(Reading { range: read_authorization(text, site.value_at)?, kind: Some(what.kind) })
        }
        ValueForm::Cookie if site.assigned => None,
        ValueForm::Cookie => Some(Reading { range: read_cookie(text, site.value_at)?, kind: Some(what.kind) }),
        ValueForm::Word => {
            let value = read_word(text, site.value_at, site.assigned)?;
            let secret = is_secret(site.name, what, site.assigned, value.quoted, text.get(value.range.clone())?);
            Some(Reading { range: value.range, kind: secret.then_some(what.kind) })
        }
    }
}

/// Reads a query parameter of a URL, or a field of a form.
fn read_parameter(text: &str, site: &Site<'_>) -> Option<Reading> {
    let rest = text.get(site.value_at..)?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '<' | '>' | '`' | '\\' | ')');
    let value = rest.get(..rest.find(ends).unwrap_or(rest.len()))?.trim_end_matches(['.', ',', ';', '!', '?']);
    let what = SecretName { kind: RedactionKind::UrlCredentials, strong: true, form: ValueForm::Word };
    let name = site.name.to_ascii_lowercase();
    let secret = match name.as_str() {
        "key" | "auth" | "code" => is_secret(&name, what, true, false, value),
        "sig" | "signature" | "x-amz-signature" | "x-amz-credential" | "x-goog-signature" | "pass" => true,
        _ => secret_name(&name).is_some() && is_secret(&name, what, true, true, value),
    };
    let kind = (secret && !value.is_empty()).then_some(RedactionKind::UrlCredentials);
    Some(Reading { range: site.value_at..site.value_at + value.len(), kind })
}

/// The name before the sign at `at`, and the place of its value; `None` where the sign is a comparison or part of a longer one.
fn site(text: &str, at: usize) -> Option<Site<'_>> {
    let bytes = text.as_bytes();
    let assigned = bytes.get(at) == Some(&b'=');
    let previous = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
    let next = bytes.get(at + 1).copied();
    if next == Some(b'=')
        || (assigned && matches!(previous, Some(b'=' | b'!' | b'<' | b'>')))
        || (!assigned && (next == Some(b':') || previous == Some(b':')))
    {
        return None;
    }
    let end = name_end(bytes, if assigned && previous == Some(b':') { at - 1 } else { at });
    let start = name_start(bytes, end);
    let start = with_word_before(text, start, end);
    let name = text.get(start..end)?;
    let arrow = usize::from(assigned && next == Some(b'>'));
    let value_at = skip_right(bytes, at + 1 + arrow);
    let before = start.checked_sub(1).and_then(|i| bytes.get(i)).copied();
    (!name.is_empty()).then_some(Site { name, before, value_at, assigned })
}

/// The end of the name that stands before `at`, past blanks, emphasis, a closing quote and a closing bracket.
fn name_end(bytes: &[u8], at: usize) -> usize {
    let back = |mut end: usize, most: usize, test: fn(u8) -> bool| {
        for _ in 0..most {
            match end.checked_sub(1).and_then(|i| bytes.get(i)) {
                Some(b) if test(*b) => end -= 1,
                _ => break,
            }
        }
        end
    };
    let end = back(at, 3, |b| matches!(b, b' ' | b'\t'));
    let end = back(end, 2, |b| b == b'*');
    let inside = back(end, 1, |b| b == b']');
    let unquoted = back(inside, 1, |b| matches!(b, b'"' | b'\'' | b'`'));
    if unquoted == inside {
        // A bracket without a quote is not a subscript.
        return end;
    }
    back(unquoted, 8, |b| b == b'\\')
}

fn name_start(bytes: &[u8], end: usize) -> usize {
    let name = bytes.get(..end).unwrap_or_default();
    let len = name
        .iter()
        .rev()
        .take(MAX_NAME)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        .count();
    end - len
}

/// Takes in the word before `key`, `token` or `secret`: `API key`, `access token`.
fn with_word_before(text: &str, start: usize, end: usize) -> usize {
    let name = text.get(start..end).unwrap_or_default();
    let bare = ["key", "token", "secret"].iter().any(|word| name.eq_ignore_ascii_case(word));
    let bytes = text.as_bytes();
    match start.checked_sub(1) {
        Some(gap) if bare && bytes.get(gap) == Some(&b' ') => name_start(bytes, gap),
        _ => start,
    }
}

fn skip_right(bytes: &[u8], from: usize) -> usize {
    let skip = |from: usize, most: usize, test: fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take(most).take_while(|b| test(**b)).count()
    };
    let at = skip(from, 2, |b| b == b'*');
    skip(at, 8, |b| matches!(b, b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static SCANNER: LazyLock<AssignmentScanner> = LazyLock::new(|| AssignmentScanner::new().unwrap());
    use RedactionKind::{ApiKey, BearerToken, Password, UrlCredentials};

    fn found(text: &str) -> Vec<(&str, RedactionKind)> {
        let mut out = Vec::new();
        SCANNER.scan(text, &mut out);
        out.iter().map(|s| (&text[s.start..s.end], s.kind)).collect()
    }

    #[test]
    fn values_of_secret_names_are_found() {
        let cases = [
            ("password=hunter2", "hunter2", Password),
            ("password = \"correct horse\"", "correct horse", Password),
            ("Password: hunter2.", "hunter2", Password),
            ("**Password:** hunter2", "hunter2", Password),
            ("my password is hunter2!", "hunter2", Password),
            ("{\"password\": \"hunter two\", \"x\": 1}", "hunter two", Password),
            (r#"{\"password\":\"hunter2\"}"#, "hunter2", Password),
            ("pwd := abc", "abc", Password),
            ("'db_password' => 'abc'", "abc", Password),
            ("config[\"api_key\"] = \"abcdef123\"", "abcdef123", ApiKey),
            ("api_key: abcdef123", "abcdef123", ApiKey),
            ("API key: abcdef123", "abcdef123", ApiKey),
            ("x-api-key: abcdef123", "abcdef123", ApiKey),
            ("export OPENAI_API_KEY=abcdef123", "abcdef123", ApiKey),
            ("client_secret=abcdef", "abcdef", Password),
            ("secret: abcdef123456", "abcdef123456", Password),
            ("token = abcdef123456", "abcdef123456", BearerToken),
            ("Authorization: Bearer abc", "abc", BearerToken),
            ("curl -H 'Authorization: Basic dXNlcjpwYXNz' x", "dXNlcjpwYXNz", BearerToken),
            ("Cookie: sid=1; x=2", "sid=1; x=2", BearerToken),
            ("Set-Cookie: sid=abc; HttpOnly\r\n", "sid=abc; HttpOnly", BearerToken),
            ("https://x.com/a?token=abc&b=1", "abc", UrlCredentials),
            ("https://x.com/a?key=AbCdEf1234#top", "AbCdEf1234", UrlCredentials),
            ("https://x.com/a?a=1&access_token=abc", "abc", UrlCredentials),
        ];
        for (text, value, kind) in cases {
            assert_eq!(found(text), [(value, kind)], "{text}");
        }
    }

    #[test]
    fn code_prose_and_counts_are_left_alone() {
        let texts = [
            "password: str = Field(...)",
            "password=None",
            "password=password",
            "password = settings.password",
            "password = getpass()",
            "api_key=os.environ[\"OPENAI_API_KEY\"]",
            "api_key: ${API_KEY}",
            "export API_KEY=$API_KEY",
            "api_key=<your key>",
            "if password == expected",
            "password != expected",
            "Forgot your password? Click here: https://x.com",
            "Password: must have 8 characters",
            "the password is required",
            "the password is wrong",
            "password: {\"type\": 1}",
            "max_tokens: 4096123412",
            "tokens=15320000",
            "eos_token: <|endoftext|>1",
            "secret: santa",
            "the secret: work hard",
            "token: hello",
            "Authorization: required",
            "cookie: we use cookies",
            "std::token::Stream1234567",
            "?key=name",
            "?page=2&sort=key",
            "=",
            ":",
            "==",
            "",
            "\"\":",
        ];
        for text in texts {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn a_chain_of_assignments_is_one_value() {
        let text = "password=".repeat(50_000);
        assert_eq!(found(&text).len(), 1);
    }
}
