//! The redactor: all detectors over one text.

use std::borrow::Cow;

use super::assignment::AssignmentScanner;
use super::fold::Folded;
use super::kind::RedactionCounts;
use super::phone::PhoneScanner;
use super::span::{Span, merge, placeholders};
use super::token::TokenScanner;
use super::{card, email, iban, network, pem, url};

/// A replacement can lay bare another match only where two stood in each other's way; a text that needs more rounds is not known.
pub(super) const MAX_ROUNDS: usize = 16;

/// A pattern of the redactor could not be compiled: a fault of the program, not of the input.
#[derive(Debug, thiserror::Error)]
#[error("a redaction pattern is invalid: {0}")]
pub struct RedactorError(#[from] regex::Error);

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text with placeholders; borrowed where nothing was replaced.
    pub text: Cow<'a, str>,
    /// How many replacements were made. Placeholders that were in the text already are not counted.
    pub counts: RedactionCounts,
}

/// Finds and replaces secrets and personal data. Compile it once, and share it.
#[derive(Debug, Clone)]
pub struct Redactor {
    tokens: TokenScanner,
    assignments: AssignmentScanner,
    phones: PhoneScanner,
}

impl Redactor {
    /// Compiles the patterns.
    ///
    /// # Errors
    ///
    /// [`RedactorError`] where a pattern is invalid, which the tests of this module rule out.
    pub fn new() -> Result<Self, RedactorError> {
        Ok(Self { tokens: TokenScanner::new()?, assignments: AssignmentScanner::new()?, phones: PhoneScanner::new()? })
    }

    /// Replaces every match by the placeholder of its kind, such as `[redacted:email]`; all other text stays byte for byte.
    ///
    /// Overlapping matches become one placeholder, of the kind that comes first in [`RedactionKind`](super::RedactionKind). The result
    /// is a fixed point: redacting it again changes nothing. An empty text stays empty.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Redacted<'a> {
        let mut redacted = Redacted { text: Cow::Borrowed(text), counts: RedactionCounts::default() };
        for _ in 0..MAX_ROUNDS {
            let Some(next) = self.round(&redacted.text, &mut redacted.counts) else {
                break;
            };
            redacted.text = Cow::Owned(next);
        }
        redacted
    }

    /// Replaces the matches of one round; `None` where there are none.
    fn round(&self, text: &str, counts: &mut RedactionCounts) -> Option<String> {
        let folded = Folded::new(text);
        let spans = self.spans(folded.text());
        if spans.is_empty() {
            return None;
        }
        let mut result = String::with_capacity(text.len());
        let mut copied = 0;
        for span in spans {
            let Some(range) = folded.original_range(span.start..span.end) else {
                continue;
            };
            let Some(between) = text.get(copied..range.start) else {
                continue;
            };
            result.push_str(between);
            result.push_str(span.kind.placeholder());
            counts.record(span.kind);
            copied = range.end;
        }
        result.push_str(text.get(copied..).unwrap_or_default());
        Some(result)
    }

    fn spans(&self, text: &str) -> Vec<Span> {
        let mut found = Vec::new();
        url::scan(text, &mut found);
        let credentials = found.clone();
        email::scan(text, &credentials, &mut found);
        pem::scan(text, &mut found);
        self.tokens.scan(text, &mut found);
        self.assignments.scan(text, &mut found);
        iban::scan(text, &mut found);
        card::scan(text, &mut found);
        self.phones.scan(text, &mut found);
        network::scan(text, &mut found);
        if found.is_empty() { found } else { merge(found, &placeholders(text)) }
    }
}

#[cfg(test)]
impl Redactor {
    /// One redactor for all tests: to compile the patterns takes longer than most tests.
    pub(super) fn shared() -> &'static Self {
        static SHARED: std::sync::LazyLock<Redactor> = std::sync::LazyLock::new(|| Redactor::new().unwrap());
        &SHARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::privacy::redact::RedactionKind;

    fn redact(text: &str) -> (String, Vec<(RedactionKind, u64)>) {
        let redacted = Redactor::shared().redact(text);
        (redacted.text.into_owned(), redacted.counts.iter().collect())
    }

    #[test]
    fn the_patterns_compile() {
        assert!(Redactor::new().is_ok());
    }

    #[test]
    fn each_kind_has_its_placeholder_and_is_counted_once() {
        use RedactionKind::*;
        let cases = [
            ("mail john@example.com now", "mail [redacted:email] now", Email),
            ("call +44 20 7946 0958 now", "call [redacted:phone] now", Phone),
            ("pay 4111 1111 1111 1111 now", "pay [redacted:card_number] now", CardNumber),
            ("to DE89 3704 0044 0532 0130 00 now", "to [redacted:iban] now", Iban),
            ("from 203.0.113.7 now", "from [redacted:ip_address] now", IpAddress),
            ("from 2001:db8::1 now", "from [redacted:ip_address] now", IpAddress),
            ("https://u:p@host.com/x", "https://[redacted:url_credentials]@host.com/x", UrlCredentials),
            (
                "https://host.com/x?token=abc&y=1",
                "https://host.com/x?token=[redacted:url_credentials]&y=1",
                UrlCredentials,
            ),
            ("password=hunter2", "password=[redacted:password]", Password),
            ("{\"api_key\": \"abc\"}", "{\"api_key\": \"[redacted:api_key]\"}", ApiKey),
            ("Authorization: Bearer abc", "Authorization: Bearer [redacted:bearer_token]", BearerToken),
            ("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln y", "x [redacted:jwt] y", Jwt),
        ];
        for (text, expected, kind) in cases {
            assert_eq!(redact(text), (expected.to_owned(), vec![(kind, 1)]), "{text}");
        }
        let pem = "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END PRIVATE KEY-----";
        assert_eq!(redact(pem), ("[redacted:private_key]".to_owned(), vec![(PrivateKey, 1)]));
    }

    #[test]
    fn overlapping_matches_take_the_most_serious_kind_and_leave_nothing() {
        let key = ["sk-", "abcdEFGH1234ijklMNOP"].concat();
        let cases = [
            (format!("Authorization: Bearer {key}"), "Authorization: Bearer [redacted:api_key]"),
            (format!("password=\"a {key} b\""), "password=\"[redacted:api_key]\""),
            (
                "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln".to_owned(),
                "Authorization: Bearer [redacted:jwt]",
            ),
            ("password=john@example.com".to_owned(), "password=[redacted:password]"),
            ("https://john:pw@203.0.113.7/".to_owned(), "https://[redacted:url_credentials]@[redacted:ip_address]/"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(&text).0, expected);
        }
    }

    #[test]
    fn disguises_do_not_help() {
        let cases = [
            ("card ４１１１ １１１１ １１１１ １１１１!", "card [redacted:card_number]!"),
            ("4111\u{200B}1111\u{200B}1111\u{200B}1111", "[redacted:card_number]"),
            ("4111\u{2011}1111\u{2011}1111\u{2011}1111", "[redacted:card_number]"),
            ("4111\u{A0}1111\u{A0}1111\u{A0}1111", "[redacted:card_number]"),
            ("٤١١١١١١١١١١١١١١١", "[redacted:card_number]"),
            ("jo\u{200B}hn\u{2060}@exa\u{AD}mple.com", "[redacted:email]"),
            ("ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[redacted:email]"),
            ("john\u{FE6B}example.com", "[redacted:email]"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text).0, expected, "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_borrowed_unchanged() {
        let redactor = Redactor::shared();
        let texts = [
            "",
            " ",
            "Where is my order 48213?",
            "Order #1234567890 shipped on 2026-11-22 at 10:30.",
            "It costs $1,234.50 or 1.234,50 €.",
            "id 550e8400-e29b-41d4-a716-446655440000",
            "2026-11-22T10:30:00.123456Z",
            "version 1.2.3 and v10.0.19041.1",
            "ts 1699999999 and 1699999999999",
            "score 0.4532015112830366, p=0.0004, n=128",
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "max_tokens: 4096, temperature=0.7",
            "tracking 1Z999AA10123456784",
            "ISBN 978-3-16-148410-0",
            "call us at noon",
            "@handle #123 C++ a::b",
            "{\"order\": 48213, \"tokens\": 153}",
            "row 12 34 56 78 90 11",
            "The secret: work hard. The password is required.",
            "ünïcödé 漢字 🎉 ½",
            "[redacted:email] and [redacted:card_number]",
            "password=[redacted:password]",
            "https://[redacted:url_credentials]@host.com",
            "def login(user, password=None): pass",
            "$$$",
            "\u{202E}abc\u{200B}",
            "1 234 567 890",
            "5 x 4 = 20; 3:2",
            "a=b:c=d",
            "π ≈ 3.14159265358979",
        ];
        for text in texts {
            let redacted = redactor.redact(text);
            assert_eq!(redacted.text, text);
            assert!(matches!(redacted.text, Cow::Borrowed(_)) && redacted.counts.is_empty(), "{text}");
        }
    }

    #[test]
    fn several_matches_are_counted_exactly() {
        let (text, counts) =
            redact("a@b.com, c@d.org; 10.1.2.3 and +14155552671, card 4111111111111111 (4111111111111111)");
        assert_eq!(
            text,
            "[redacted:email], [redacted:email]; [redacted:ip_address] and [redacted:phone], card [redacted:card_number] ([redacted:card_number])"
        );
        assert_eq!(
            counts,
            [
                (RedactionKind::CardNumber, 2),
                (RedactionKind::Email, 2),
                (RedactionKind::Phone, 1),
                (RedactionKind::IpAddress, 1)
            ]
        );
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        let redactor = Redactor::shared();
        let pieces = [
            "a@",
            "@",
            "%40",
            "://",
            "a:b://",
            "password=",
            "password:",
            "token=${",
            "?key=",
            "cookie:",
            "authorization:",
            "1 ",
            "1.",
            "4111-",
            "+1 ",
            "(1)",
            "AA00 ",
            "DE89",
            "::",
            "1:",
            "sk-",
            "ask-",
            "eyJaaaaaa.",
            "-----BEGIN PRIVATE KEY-----",
            "bearer ",
            "phone:",
            "[redacted:",
            "[redacted:email]",
            "\\\"",
            "４",
            "é@",
            "\u{200B}",
            "password=\"",
            "token='",
            "password is ",
        ];
        for piece in pieces {
            let text = piece.repeat(200_000 / piece.len());
            let once = redactor.redact(&text).text.into_owned();
            assert!(redactor.redact(&once).counts.is_empty(), "{piece}");
        }
    }
}
