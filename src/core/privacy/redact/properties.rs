//! Property tests of the redactor as a whole.

use proptest::prelude::*;

use super::redactor::Redactor;

/// Pieces of secrets and of what stands around them, so that random texts hit the detectors and their edges.
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
