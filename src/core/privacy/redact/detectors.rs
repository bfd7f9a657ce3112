//! The table of detectors: the kind of data, the pattern that finds candidate positions, and the check that decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;

use super::assignment::{looks_random, spoken};
use super::email::email;
use super::kind::RedactionKind::{
    self, ApiKey, BearerToken, CardNumber, Email, Iban, IpAddress, Jwt, Password, Phone, PrivateKey, UrlCredentials,
};
use super::numbers::{Shapes, card, phone};

/// Returns the range to replace, which may be part of the match or extend beyond it; `None` if there is nothing to
/// replace.
type Check = fn(&Shapes, &str, Range<usize>) -> Option<Range<usize>>;

/// A detector for one kind of data.
#[derive(Debug, Clone)]
pub(super) struct Detector {
    pub(super) kind: RedactionKind,
    /// Finds candidate positions. Without a pattern, every run of digits is a candidate.
    pattern: Option<Regex>,
    check: Check,
}

/// Every detector except the one for assignments, which derives the kind from the name.
const TABLE: [(RedactionKind, &str, Check); 13] = [
    (UrlCredentials, "://", url_credentials),
    (Email, "@|%40", |_, text, at| email(text, at)),
    (PrivateKey, PEM, |_, _, block| Some(block)),
    (PrivateKey, CUT_PEM, |_, _, block| Some(block)),
    (ApiKey, API_KEY, |_, text, key| Some(inner(text, key)).filter(|key| looks_random(&text[key.clone()]))),
    // A JOSE object in compact form: a Base64url header that starts with `{"`, and two (JWS) to four (JWE) further
    // parts.
    (Jwt, r"(?-u)(?:\b|_)eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}", |_, text, jwt| {
        Some(inner(text, jwt))
    }),
    // Credentials as in RFC 6750 and RFC 7617, outside of a header.
    (BearerToken, r"(?i-u)\b(?:bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{8,}", scheme),
    (Password, r"(?i-u)\b(?:password|passcode|passphrase|pwd)[ \t]+is[ \t]*:?[ \t]+", |_, text, at| {
        spoken(text, at.end)
    }),
    (Iban, DIGITS, iban),
    (CardNumber, DIGITS, card),
    (Phone, DIGITS, phone),
    (IpAddress, DIGITS, address_4),
    (IpAddress, r"(?-u)[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*", address_6),
];

/// Stands in for a pattern: every run of digits, which is faster to find without a pattern.
const DIGITS: &str = "";

/// A complete block, and a block without an end line, which extends over the lines or words that can still belong to a
/// key.
const PEM: &str =
    r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----(?u:.)*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----";
const CUT_PEM: &str = concat!(
    r"(?-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----",
    r#"(?:[ \t\r\n]*(?:[A-Za-z0-9+/=\\".]{16,}|Proc-Type:|4,ENCRYPTED|DEK-Info:|(?:AES|DES)-[A-Z0-9,-]*))+"#,
);

/// Prefixes documented by their issuers, each with the minimum length of the rest of a key.
///
/// A key starts at a word boundary or after an underscore (`KEY_sk-...`), which is then excluded from the match.
const API_KEY: &str = concat!(
    r"(?-u)(?:\b|_)(?:",
    r"sk-ant-[A-Za-z0-9_-]{8,}|sk-[A-Za-z0-9_-]{16,}", // Anthropic; OpenAI and compatible services
    r"|[psr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{16,}", // Stripe
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}\b",                   // Amazon Web Services
    r"|gh[opusr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}", // GitHub
    r"|gl(?:pat|ptt|rt|dt|cbt|soat)-[A-Za-z0-9_-]{16,}", // GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{16,}", // Slack
    r"|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}", // Google
    r"|hf_[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}", // models
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",   // SendGrid
    r"|npm_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}", // package registries
    r"|dop_v1_[a-f0-9]{32,}|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}", // DigitalOcean, Shopify
    r")",
);

impl Detector {
    /// Compiles the table.
    pub(super) fn all() -> Result<Vec<Self>, regex::Error> {
        let compile = |(kind, pattern, check): &(RedactionKind, &str, Check)| {
            let pattern = (*pattern != DIGITS).then(|| Regex::new(pattern)).transpose()?;
            Ok(Self { kind: *kind, pattern, check: *check })
        };
        TABLE.iter().map(compile).collect()
    }

    /// Its family in the corpus.
    #[cfg(test)]
    pub(super) fn family(&self) -> &'static str {
        match self.kind {
            UrlCredentials => "url",
            Email => "email",
            PrivateKey => "pem",
            ApiKey | Jwt | BearerToken => "token",
            Password => "assignment",
            Iban => "iban",
            CardNumber => "card",
            Phone => "phone",
            IpAddress => "network",
        }
    }

    /// Calls `found` with every match.
    pub(super) fn scan(
        &self,
        shapes: &Shapes,
        text: &str,
        digits: &[Range<usize>],
        mut found: impl FnMut(Range<usize>),
    ) {
        let mut covered = 0;
        let mut look = |place: Range<usize>| {
            if place.start >= covered
                && let Some(part) = (self.check)(shapes, text, place)
            {
                covered = part.end;
                found(part);
            }
        };
        match &self.pattern {
            Some(pattern) => pattern.find_iter(text).for_each(|place| look(place.range())),
            None => digits.iter().cloned().for_each(look),
        }
    }
}

/// The ranges of all runs of digits.
pub(super) fn rows_of_digits(text: &str) -> Vec<Range<usize>> {
    let (bytes, mut at, mut rows) = (text.as_bytes(), 0, Vec::new());
    while let Some(start) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)).map(|i| at + i) {
        at = start + bytes.iter().skip(start).take_while(|b| b.is_ascii_digit()).count();
        rows.push(start..at);
    }
    rows
}

/// A match without its leading underscore.
fn inner(text: &str, range: Range<usize>) -> Range<usize> {
    let key = text.get(range.clone()).unwrap_or_default().trim_start_matches('_');
    range.end - key.len()..range.end
}

fn scheme(_: &Shapes, text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let (scheme, token) = text.get(range.clone())?.split_once([' ', '\t'])?;
    let token = token.trim_start_matches([' ', '\t']);
    let start = range.end - token.len();
    let token = token.trim_end_matches(['.', '-']);
    let secret = if scheme.eq_ignore_ascii_case("basic") {
        decode_base64(token)
            .is_some_and(|plain| plain.contains(&b':') && plain.iter().all(|b| *b >= 0x20 && *b != 0x7F))
    } else {
        token.len() >= 16 && looks_random(token)
    };
    secret.then(|| start..start + token.len())
}

/// Decodes Base64 (RFC 4648) in either alphabet, with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, config).decode(text.replace('-', "+").replace('_', "/")).ok()
}

/// The user information of a URL (RFC 3986, section 3.2.1), if it has a password or is long and looks random.
fn url_credentials(_: &Shapes, text: &str, mark: Range<usize>) -> Option<Range<usize>> {
    let rest = text.get(mark.end..)?;
    let url = rest.get(..rest.floor_char_boundary(256))?;
    let url = url.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')).next()?;
    let authority = url.split(['/', '?', '#']).next()?;
    let len = match authority.rfind('@') {
        Some(at) => {
            let is_credential = match authority.get(..at)?.split_once(':') {
                Some((_, password)) => !password.is_empty(),
                None => at >= 16 && authority.bytes().take(at).any(|b| b.is_ascii_digit()),
            };
            is_credential.then_some(at)
        }
        // A password with an unescaped `/`, `?` or `#`: the part after the colon is then not a port.
        None => {
            let (user, port) = authority.split_once(':')?;
            let is_port = port.bytes().all(|b| b.is_ascii_digit());
            let is_host = user.is_empty() || user.starts_with('[') || is_port || url.contains("://");
            if is_host { None } else { url.find('@') }
        }
    };
    len.map(|len| mark.end..mark.end + len)
}

/// The length of account numbers by country, from the SWIFT IBAN registry, release 101.
const IBAN_LENGTHS: &str = "\
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 \
    FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 \
    LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 \
    RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// An account number in upper or lower case, without separators or in groups separated by single spaces or hyphens.
fn iban(_: &Shapes, text: &str, digits: Range<usize>) -> Option<Range<usize>> {
    let (bytes, start) = (text.as_bytes(), digits.start.checked_sub(2)?);
    let country = text.get(start..digits.start).filter(|country| country.bytes().all(|b| b.is_ascii_alphabetic()))?;
    let is_inside = start.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphanumeric);
    if digits.len() < 2 || is_inside {
        return None;
    }
    let country = country.to_ascii_uppercase();
    let length: usize = IBAN_LENGTHS.split(' ').find_map(|entry| entry.strip_prefix(&country))?.parse().ok()?;
    let (mut at, mut number) = (start, Vec::with_capacity(length));
    while number.len() < length {
        match *bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => number.push(byte.to_ascii_uppercase()),
            b' ' | b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        at += 1;
    }
    let ends = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    // ISO 7064, MOD 97-10: with the first four characters moved to the end and letters read as 10 to 35, the remainder
    // must be 1.
    number.rotate_left(4);
    let remainder = number.iter().fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    (ends && remainder == 1).then_some(start..at)
}

/// Words that make the four numbers after them a version or a section.
const VERSION_WORDS: &str = "ver version v release rel build rev revision section sec chapter firmware driver";

/// A standalone IPv4 address that is neither loopback nor unspecified.
fn address_4(_: &Shapes, text: &str, digits: Range<usize>) -> Option<Range<usize>> {
    let rest = text.get(digits.start..)?;
    let len = rest.bytes().take(16).take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let run = rest.get(..len)?.trim_end_matches('.');
    let address: Ipv4Addr = run.parse().ok()?;
    let (before, after) = (text.get(..digits.start)?, rest.get(run.len()..)?);
    let longer = before.ends_with('.') || after.trim_start_matches('.').starts_with(|c: char| c.is_ascii_hexdigit());
    let alone = !longer && !is_glued(before, after) && !is_version(before, after);
    (alone && is_public(address.into())).then(|| digits.start..digits.start + run.len())
}

/// A standalone IPv6 address that is neither loopback nor unspecified.
fn address_6(_: &Shapes, text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let run = text.get(range.clone())?;
    let before = text.get(..range.start)?;
    if before.ends_with('.') || is_glued(before, text.get(range.end..)?) {
        return None;
    }
    let run = run.trim_end_matches('.');
    let run = run.strip_suffix(':').filter(|rest| !rest.ends_with(':')).unwrap_or(run);
    let address: Ipv6Addr = run.parse().ok()?;
    // `a::b` may be a path in a program; a time or a list of bytes has no long group.
    let groups = run.split(':').filter(|group| !group.is_empty()).count();
    let long = run.split(':').next().is_some_and(|first| first.len() >= 3) || groups >= 4 || run.contains('.');
    let likely = long && run.bytes().any(|b| b.is_ascii_digit());
    (likely && is_public(address.into())).then(|| range.start..range.start + run.len())
}

fn is_glued(before: &str, after: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    before.ends_with(word) || after.starts_with(word)
}

fn is_public(address: IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified()
}

/// Whether four numbers are the version of a product (`Agent/1.2.3.4`) or another version.
fn is_version(before: &str, after: &str) -> bool {
    let tail = before.get(before.floor_char_boundary(before.len().saturating_sub(24))..).unwrap_or_default();
    let product = tail.strip_suffix('/').is_some_and(|name| name.ends_with(|c: char| c.is_ascii_alphanumeric()));
    let suffix = matches!(after.as_bytes(), [b'-' | b'+', b, ..] if b.is_ascii_alphabetic());
    let tail = tail.trim_end_matches([' ', ':', '=', '.', '"', '\'']);
    let last_word = tail.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
    product || suffix || super::names::is_one_of(&last_word, VERSION_WORDS)
}
