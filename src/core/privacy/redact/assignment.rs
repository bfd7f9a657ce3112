//! Secrets detected by the name they are assigned to: `password=...`, `"api_key": "..."`, `Authorization: ...`,
//! `?token=...`.

use std::ops::Range;

use regex::Regex;

use super::kind::RedactionKind;
use super::names::{SecretName, is_one_of, secret_name};

/// Maximum lengths of a name, and of a quoted string or header line, in bytes. They bound the work per name.
const MAX_NAME: usize = 64;
const MAX_LEN: usize = 4096;

/// A value longer than this, in bytes, is not searched again for names within it, even if it is not a secret.
const LONG: usize = 256;

/// The endings of names of secrets, the characters that close a name, and the assignment operator.
const SITE: &str = concat!(
    r"(?i-u)(?:key[_.-]*(?:s|id|base)?|token|jwt|secrets?|credentials?|pass|phrase|words?|wd|code|authorization|auth|cookies?",
    r#"|sig|signature)[_.-]*(?:\\{0,8}["'`]\]?)?\*{0,2}[ \t]{0,3}(?::=|=>|=|:)\*{0,2}[ \t]{0,8}"#,
);

/// Ends a bare value that continues without a space: an escaped newline or quote, or the next assignment in a list.
const END: &str = r#"(?-u)\\[nrt"']|,[A-Za-z0-9_-]{1,64}[=:]"#;

/// The credentials of an `Authorization` header, by scheme (RFC 9110, with the colon that some servers accept).
const AUTHORIZATION: &str = concat!(
    r"(?i)^(?:(?:bearer|basic|token|apikey|negotiate|ntlm)[ \t]+(?P<token>[a-z0-9._~+/=:-]+)",
    r"|(?:digest|hawk|oauth|signature|aws4-hmac-sha256)[ \t]+(?P<fields>[^ \t].*)|(?P<bare>[a-z0-9._~+/=:-]+))",
);

/// The pairs of a `Cookie` or `Set-Cookie` header.
const COOKIE: &str = r#"^[^;=\s"']+=[^;\s"'][^\r\n"']*"#;

/// Values that denote a missing value or a type.
const NON_VALUES: &str = "any bool false hidden input int integer n/a nil no none null number object optional redacted required \
                          secretstr str string text true undefined unknown varchar yes";

/// Words that start a sentence after `Password:` and are not passwords.
const PROSE: &str = "cannot change choose click confirm contact create enter follow forgot have incorrect invalid make minimum must \
                     never open please reset select should that there this type what when your you";

/// Prefixes of references to values that are stored elsewhere.
const REFERENCES: [&str; 11] =
    ["${", "{{", "{%", "<", "os.environ", "os.getenv", "getenv(", "process.env", "env.", "env(", "std::env"];

/// Query parameters whose value is always a credential, and those whose value may be one.
const SIGNATURES: &str = "sig signature x-amz-signature x-amz-credential x-goog-signature pass";
const PARAMETERS: &str = "key auth code";

/// The compiled patterns.
#[derive(Debug, Clone)]
pub(super) struct Assignments {
    site: Regex,
    end: Regex,
    authorization: Regex,
    cookie: Regex,
}

/// A name, the operator after it, and the position where its value may start.
struct Site<'a> {
    text: &'a str,
    name: &'a str,
    is_parameter: bool,
    /// Whether the operator is `=` or `=>`.
    assigned: bool,
    value_at: usize,
}

/// The range of the value after a name, and its kind if it is a secret.
type Reading = (Range<usize>, Option<RedactionKind>);

impl Assignments {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            site: Regex::new(SITE)?,
            end: Regex::new(END)?,
            authorization: Regex::new(AUTHORIZATION)?,
            cookie: Regex::new(COOKIE)?,
        })
    }

    /// Calls `found` with every secret value. Each value is read only once: names within it are skipped, which also
    /// bounds the time.
    pub(super) fn scan(&self, text: &str, mut found: impl FnMut(RedactionKind, Range<usize>)) {
        let (mut at, mut covered) = (0, 0);
        while let Some(place) = self.site.find_at(text, at) {
            at = place.end();
            let sign = place.start() + place.as_str().trim_end_matches(['*', ' ', '\t', '>']).len();
            let Some((range, kind)) =
                site(text, place.range()).filter(|_| sign > covered).and_then(|site| self.read(&site))
            else {
                continue;
            };
            if kind.is_some() || range.len() > LONG {
                covered = range.end;
            }
            kind.into_iter().for_each(|kind| found(kind, range.clone()));
        }
    }

    fn read(&self, site: &Site<'_>) -> Option<Reading> {
        if site.is_parameter {
            return read_parameter(site);
        }
        let what = secret_name(site.name)?;
        let last = site.name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
        if last.ends_with("authorization") {
            return Some((self.authorization(site)?, Some(what.kind)));
        }
        if what.strong && (last.ends_with("cookie") || last.ends_with("cookies")) {
            let start = skip_quote(site.text, site.value_at);
            let pairs = self.cookie.find(line(site.text, start)?).filter(|_| !site.assigned)?.as_str();
            let pairs = pairs.trim_end_matches(['\\', ' ', '\t']);
            return Some((start..start + pairs.len(), Some(what.kind)));
        }
        let (range, quoted) = self.value(site)?;
        let secret = is_secret(site, what, quoted, site.text.get(range.clone())?);
        Some((range, secret.then_some(what.kind)))
    }

    /// The value, which is a word or a quoted string, and whether it is quoted. After `=`, a bare value ends at `&` or
    /// `;`.
    fn value(&self, site: &Site<'_>) -> Option<(Range<usize>, bool)> {
        if let Some(range) = quoted(site.text, site.value_at) {
            return Some((range, true));
        }
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>') || (site.assigned && matches!(c, '&' | ';'))
        };
        let word = site.text.get(site.value_at..)?;
        // A backslash before the closing quote belongs to the quote.
        let with_quote = word.get(..word.find(ends).map_or(word.len(), |end| end + 1)).unwrap_or(word);
        let end = self.end.find(with_quote).map(|end| end.start());
        let word = word.split(ends).next()?;
        let word = word.get(..end.unwrap_or(word.len()).min(word.len()))?;
        let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '*', '\\']);
        (!word.is_empty()).then(|| (site.value_at..site.value_at + word.len(), false))
    }

    fn authorization(&self, site: &Site<'_>) -> Option<Range<usize>> {
        let start = skip_quote(site.text, site.value_at);
        let found = self.authorization.captures(line(site.text, start)?)?;
        let part = found.name("token").map(|part| part.range());
        let part = part
            .or_else(|| found.name("fields").map(|part| part.start()..part.start() + part.as_str().trim_end().len()));
        let bare = |part: &regex::Match<'_>| part.len() >= 40 || (part.len() >= 16 && looks_random(part.as_str()));
        let part = part.or_else(|| found.name("bare").filter(bare).map(|part| part.range()))?;
        Some(start + part.start..start + part.end)
    }
}

/// The name and operator of a match of [`SITE`]; `None` if the operator is part of another one, such as a comparison.
fn site(text: &str, place: Range<usize>) -> Option<Site<'_>> {
    let bytes = text.as_bytes();
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let name_start = |end: usize| {
        let before = bytes.get(..end).unwrap_or_default();
        end - before.iter().rev().take(MAX_NAME).take_while(|b| is_name(b)).count()
    };
    let end = place.start + bytes.get(place.clone())?.iter().take_while(|b| is_name(b)).count();
    let start = name_start(end);
    let signs = text.get(end..place.end)?.trim_end_matches(['*', ' ', '\t']);
    let arrow = signs.ends_with("=>");
    let assigned = arrow || signs.ends_with('=');
    let after = text.get(end + signs.len()..)?;
    if !arrow && (after.starts_with('=') || (!assigned && after.starts_with(':'))) {
        return None;
    }
    let name = text.get(start..end)?;
    let bare = ["key", "token", "secret"].iter().any(|word| name.eq_ignore_ascii_case(word));
    // The preceding word belongs to the name: `API key`, `access token`.
    let name = if bare && text.get(..start)?.ends_with(' ') { text.get(name_start(start - 1)..end)? } else { name };
    let is_parameter = assigned && text.get(..start)?.ends_with(['?', '&']);
    Some(Site { text, name, is_parameter, assigned, value_at: place.end })
}

/// The content of a quoted string that starts at `from`, with possibly escaped quotes. It must end on the same line.
fn quoted(text: &str, from: usize) -> Option<Range<usize>> {
    let start = skip_quote(text, from);
    let escapes = start.checked_sub(from + 1)?;
    let quote = text.as_bytes().get(start - 1)?;
    let mut backslashes = 0;
    for (i, byte) in text.as_bytes().get(start..)?.iter().take(MAX_LEN).enumerate() {
        match *byte {
            b'\n' | b'\r' => return None,
            b'\\' => backslashes += 1,
            // A string in escaped quotes ends at a quote with as many escapes; a plain string ends where the escapes
            // cancel out.
            b if b == *quote && (backslashes == escapes || (escapes == 0 && backslashes % 2 == 0)) => {
                return Some(start..start + i - escapes.min(backslashes));
            }
            _ => backslashes = 0,
        }
    }
    None
}

/// The position after the possibly escaped quote at `from`; `from` itself if there is no quote.
fn skip_quote(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let escapes = rest.iter().take(8).take_while(|b| **b == b'\\').count();
    if matches!(rest.get(escapes), Some(b'"' | b'\'' | b'`')) { from + escapes + 1 } else { from }
}

fn line(text: &str, from: usize) -> Option<&str> {
    let rest = text.get(from..)?;
    rest.get(..rest.floor_char_boundary(MAX_LEN))?.split(['\r', '\n']).next()
}

/// A query parameter of a URL, or a field of a form.
fn read_parameter(site: &Site<'_>) -> Option<Reading> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '<' | '>' | '`' | '\\' | ')');
    let value = site.text.get(site.value_at..)?.split(ends).next()?.trim_end_matches(['.', ',', ';', '!', '?']);
    let what = SecretName { kind: RedactionKind::UrlCredentials, strong: true };
    let name = site.name.to_ascii_lowercase();
    let can_be = is_one_of(&name, PARAMETERS);
    let secret = is_one_of(&name, SIGNATURES)
        || ((can_be || secret_name(&name).is_some()) && is_secret(site, what, !can_be, value));
    Some((site.value_at..site.value_at + value.len(), (secret && !value.is_empty()).then_some(what.kind)))
}

/// The value after `password is`, as people write it: a word with a digit, or a quoted string.
pub(super) fn spoken(text: &str, from: usize) -> Option<Range<usize>> {
    quoted(text, from).or_else(|| {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let word = text.get(from..)?.split(ends).next()?;
        let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '*', '\\']);
        (word.len() >= 4 && word.bytes().any(|b| b.is_ascii_digit())).then(|| from..from + word.len())
    })
}

/// Whether the value after the name of a secret is a secret, rather than a type, a reference to a variable, or the next
/// word of a sentence.
fn is_secret(site: &Site<'_>, what: SecretName, quoted: bool, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if value.is_empty() || is_one_of(&lower, NON_VALUES) || is_reference(site.name, value) {
        return false;
    }
    let (len, random) = (value.chars().count(), looks_random(value));
    if !what.strong {
        return !value.contains(char::is_whitespace) && ((len >= 8 && random) || len >= 20);
    }
    match what.kind {
        _ if quoted => true,
        _ if !value.contains(char::is_alphanumeric) => false,
        RedactionKind::Password => site.assigned || (len >= 4 && !is_one_of(&lower, PROSE)),
        _ => (len >= 6 && random) || len >= 16,
    }
}

/// Whether a value refers to a secret that is stored elsewhere: `$VAR`, `${VAR}`, `<key>`, `{{key}}`,
/// `os.environ[...]`, `settings.password`.
fn is_reference(name: &str, value: &str) -> bool {
    let is_variable = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    if REFERENCES.iter().any(|start| value.starts_with(start)) || value.strip_prefix('$').is_some_and(is_variable) {
        return true;
    }
    let path = value.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.'));
    let is_call = path.len() < value.len() && path.starts_with('(');
    let last_part = name.rsplit(['.', ' ']).next().unwrap_or(name).to_ascii_lowercase();
    is_call || (path.is_empty() && !last_part.is_empty() && value.to_ascii_lowercase().ends_with(&last_part))
}

/// Whether a text looks like more than words: it has a digit, or an upper-case letter after a lower-case one.
pub(super) fn looks_random(text: &str) -> bool {
    let bytes = text.as_bytes();
    let camel = bytes.windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    camel || bytes.iter().any(u8::is_ascii_digit)
}
