//! International Bank Account Numbers (ISO 13616).

use super::kind::RedactionKind;
use super::span::Span;

/// The length of the number per country: SWIFT IBAN registry, release 101; sorted.
const LENGTHS: [(&str, usize); 89] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// Finds account numbers in any case, in one piece or in groups parted by single blanks or hyphens.
pub(super) fn scan(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let begins = byte.is_ascii_alphabetic()
            && !at.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphanumeric);
        match begins.then(|| account_end(bytes, at)).flatten() {
            Some(end) => {
                out.push(Span::new(at, end, RedactionKind::Iban));
                at = end;
            }
            None => at += 1,
        }
    }
}

/// The end of the account number that begins at `start`; `None` where there is none.
fn account_end(bytes: &[u8], start: usize) -> Option<usize> {
    let [a, b, c, d] = *bytes.get(start..start + 4)? else {
        return None;
    };
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    if !(c.is_ascii_digit() && d.is_ascii_digit()) {
        return None;
    }
    let index = LENGTHS.binary_search_by(|(code, _)| code.as_bytes().cmp(&country)).ok()?;
    let length = LENGTHS.get(index)?.1;
    let mut number = Vec::with_capacity(length);
    let mut at = start;
    while number.len() < length {
        match *bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => number.push(byte.to_ascii_uppercase()),
            b' ' | b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        at += 1;
    }
    let ends = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (ends && is_valid(&number)).then_some(at)
}

/// The check of ISO 7064 (MOD 97-10): the first four characters moved to the end, letters read as 10 to 35, must leave 1.
fn is_valid(number: &[u8]) -> bool {
    let Some((head, tail)) = number.split_at_checked(4) else {
        return false;
    };
    let remainder = tail.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        scan(text, &mut out);
        out.iter().map(|s| &text[s.start..s.end]).collect()
    }

    #[test]
    fn the_table_of_lengths_is_sorted() {
        assert!(LENGTHS.is_sorted());
    }

    #[test]
    fn account_numbers_are_found_in_every_grouping() {
        let cases = [
            ("DE89370400440532013000", "DE89370400440532013000"),
            ("IBAN: DE89 3704 0044 0532 0130 00.", "DE89 3704 0044 0532 0130 00"),
            ("gb29-nwbk-6016-1331-9268-19", "gb29-nwbk-6016-1331-9268-19"),
            ("(FR14 2004 1010 0505 0001 3M02 606)", "FR14 2004 1010 0505 0001 3M02 606"),
            ("NO9386011117947 thanks", "NO9386011117947"),
            ("账号DE89370400440532013000吗", "DE89370400440532013000"),
        ];
        for (text, number) in cases {
            assert_eq!(found(text), [number], "{text}");
        }
    }

    #[test]
    fn numbers_that_fail_the_check_are_left_alone() {
        let texts = [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "XX89370400440532013000",
            "XDE89370400440532013000",
            "DE89  3704 0044 0532 0130 00",
            "AB12",
            "de",
            "",
            "GB2",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_check_agrees_with_the_reference_implementation() {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/numbers.json")).unwrap();
        let cases = fixture["iban"].as_array().unwrap();
        assert!(cases.len() > 200);
        for case in cases {
            let number = case["text"].as_str().unwrap();
            assert_eq!(found(number).len() == 1, case["valid"].as_bool().unwrap(), "{number}");
        }
    }
}
