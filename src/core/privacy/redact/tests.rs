//! Tests of the redactor as a whole: the corpus, and properties.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::kind::RedactionKind;
use super::numbers::passes_luhn;
use super::redactor::Redactor;

/// A text, its redaction (null if there is nothing to redact), and the matches of each family of detectors.
type CorpusRow = (String, Option<String>, BTreeMap<String, Vec<String>>);

/// The corpus. A character in the middle of each key prevents secret scanners from mistaking it for a real one.
fn corpus() -> Vec<CorpusRow> {
    serde_json::from_str(&include_str!("../fixtures/redaction.json").replace('\u{241F}', "").replace("\\u241f", ""))
        .unwrap()
}

#[test]
fn the_corpus_is_redacted_as_specified() {
    let rows = corpus();
    assert!(rows.len() > 700);
    for (text, expected, families) in rows {
        let redacted = Redactor::shared().redact(&text);
        assert_eq!(redacted.text, expected.as_deref().unwrap_or(&text), "{text}");
        assert_eq!(matches!(redacted.text, Cow::Borrowed(_)), expected.is_none(), "{text}");
        assert_eq!(redacted.counts.is_empty(), expected.is_none(), "{text}");
        for (family, values) in families {
            assert_eq!(Redactor::shared().found(&family, &text), values, "{family} in {text}");
        }
    }
}

#[test]
fn the_check_digits_agree_with_the_reference_implementation() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/numbers.json")).unwrap();
    let cases = |name: &str| {
        fixture[name].as_array().unwrap().iter().map(|case| (case["text"].as_str().unwrap(), case["valid"] == true))
    };
    assert!(cases("luhn").count() > 200 && cases("iban").count() > 200);
    for (number, valid) in cases("luhn") {
        let digits: Vec<u8> = number.bytes().map(|b| b - b'0').collect();
        assert_eq!(passes_luhn(&digits), valid, "{number}");
    }
    for (number, valid) in cases("iban") {
        assert_eq!(Redactor::shared().found("iban", number).len() == 1, valid, "{number}");
    }
}

fn redact(text: &str) -> (String, Vec<(RedactionKind, u64)>) {
    let redacted = Redactor::shared().redact(text);
    (redacted.text.into_owned(), redacted.counts.iter().collect())
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
        ("https://host.com/x?token=abc&y=1", "https://host.com/x?token=[redacted:url_credentials]&y=1", UrlCredentials),
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

#[test]
fn long_runs_of_openings_are_one_value_or_none() {
    assert_eq!(Redactor::shared().found("assignment", &"password=".repeat(50_000)).len(), 1);
    assert!(Redactor::shared().found("pem", &"-----BEGIN PRIVATE KEY-----\n".repeat(20_000)).is_empty());
}

/// Pieces of secrets and of their surroundings, so that random texts exercise the detectors and their edge cases.
fn fragments() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "john",
        "@",
        "example.com",
        ".",
        " ",
        "-",
        ":",
        "=",
        "\"",
        "'",
        "\\",
        "password",
        "api_key",
        "token",
        "Authorization: ",
        "Bearer ",
        "Basic ",
        "Cookie: ",
        "https://",
        "user:pw@",
        "?key=",
        "&",
        "4111",
        "1111",
        "4111111111111111",
        "DE89",
        "370400440532013000",
        "+44",
        "(0)",
        "20 7946 0958",
        "415-555-2671",
        "06 12 34 56 78",
        "10.0.0.7",
        "2001:db8::1",
        "eyJhbGciOiJI",
        "sk-abcdEFGH1234ijklMNOP",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "MIIEowIBAAKCAQEA",
        "\n",
        "é",
        "漢",
        "\u{200B}",
        "４",
        "[redacted:",
        "[redacted:email]",
        "[redacted:password]",
        "]",
        ")",
        "/",
        ",",
        ";",
        "is ",
        "phone ",
        "1",
        "0",
        "_",
        "%40",
        "*",
    ]);
    prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn redacting_twice_changes_nothing(text in fragments()) {
        let redactor = Redactor::shared();
        let once = redactor.redact(&text);
        let twice = redactor.redact(&once.text);
        prop_assert_eq!(&once.text, &twice.text);
        prop_assert!(twice.counts.is_empty());
    }

    #[test]
    fn any_text_is_redacted_without_a_panic(text in "\\PC{0,80}") {
        let redactor = Redactor::shared();
        let once = redactor.redact(&text);
        prop_assert!(redactor.redact(&once.text).counts.is_empty());
    }

    #[test]
    fn a_valid_card_number_never_survives(body in "4[0-9]{14}", grouped in any::<bool>(), before in "[a-z ,:]{0,8} ", after in "[ ,;!?][a-z ]{0,8}") {
        let number = with_check_digit(&body);
        let shown = if grouped { number.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>().join(" ") } else { number };
        let text = format!("{before}{shown}{after}");
        prop_assert!(!Redactor::shared().redact(&text).text.contains(&shown), "{}", text);
    }

    #[test]
    fn an_address_never_survives(local in "[a-z0-9][a-z0-9._+-]{0,12}[a-z0-9]", domain in "[a-z0-9]{1,10}\\.(com|org|co\\.uk|de)", before in "\\PC{0,6} ", after in "[ ,;!?>)\"]\\PC{0,6}") {
        // The user of a repository is a service.
        prop_assume!(local != "git");
        let address = format!("{local}@{domain}");
        let text = format!("{before}{address}{after}");
        prop_assert!(!Redactor::shared().redact(&text).text.contains(&address), "{}", text);
    }
}

fn with_check_digit(body: &str) -> String {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let digit = u32::from(b - b'0') * if i % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}
