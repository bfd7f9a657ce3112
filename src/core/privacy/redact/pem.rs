//! Private keys in PEM form (RFC 7468), whole or cut off.

use super::kind::RedactionKind;
use super::span::Span;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Finds the blocks from `-----BEGIN ... PRIVATE KEY-----` to the next matching end line; without an end line, to the end of the lines
/// or words that can still belong to a key.
pub(super) fn scan(text: &str, out: &mut Vec<Span>) {
    let mut begins = label_ends(text, BEGIN).peekable();
    if begins.peek().is_none() {
        return;
    }
    let ends: Vec<(usize, usize)> = label_ends(text, END).collect();
    let mut covered = 0;
    for (start, body) in begins {
        if start < covered {
            continue;
        }
        let next_end = ends.partition_point(|(at, _)| *at < body);
        let end = match ends.get(next_end) {
            Some((_, end)) => *end,
            None => unterminated_end(text, body),
        };
        if end > body {
            out.push(Span::new(start, end, RedactionKind::PrivateKey));
            covered = end;
        }
    }
}

/// Where the lines with this opening and a label of a private key begin and end.
fn label_ends<'a>(text: &'a str, opening: &'static str) -> impl Iterator<Item = (usize, usize)> + 'a {
    text.match_indices(opening).filter_map(move |(at, _)| {
        let label_at = at + opening.len();
        let label = text
            .as_bytes()
            .get(label_at..)?
            .iter()
            .take(40)
            .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ')
            .count();
        let label_end = label_at + label;
        let is_key = text.get(label_at..label_end)?.contains("PRIVATE KEY");
        let closed = text.get(label_end..)?.starts_with(DASHES);
        (is_key && closed).then_some((at, label_end + DASHES.len()))
    })
}

/// The end of the words after `body` that look like Base64 or like a header of an encrypted key; `body` itself where there is none.
fn unterminated_end(text: &str, body: usize) -> usize {
    let mut end = body;
    let rest = text.get(body..).unwrap_or_default();
    let mut at = body;
    for word in rest.split_inclusive([' ', '\t', '\r', '\n']) {
        let bare = word.trim_end();
        at += word.len();
        if bare.is_empty() {
            continue;
        }
        if !(is_base64(bare) || is_header(bare)) {
            break;
        }
        end = at - (word.len() - bare.len());
    }
    end
}

fn is_base64(word: &str) -> bool {
    // `\` admits the line breaks of a key inside a JSON string.
    word.len() >= 16
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\\' | b'"' | b'.'))
}

fn is_header(word: &str) -> bool {
    ["Proc-Type:", "DEK-Info:", "4,ENCRYPTED", "AES-", "DES-"].iter().any(|header| word.starts_with(header))
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
    fn a_block_is_found_from_begin_to_end() {
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ] {
            let block = format!("-----BEGIN {label}-----\nMIIEowIBAAKCAQEA\nabc=\n-----END {label}-----");
            assert_eq!(found(&format!("key:\n{block}\nthanks")), [block.as_str()]);
        }
    }

    #[test]
    fn a_block_in_a_json_string_is_found() {
        let block = r"-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END PRIVATE KEY-----";
        assert_eq!(found(&format!("{{\"k\":\"{block}\\n\"}}")), [block]);
    }

    #[test]
    fn a_block_that_is_cut_off_is_found_as_far_as_it_goes() {
        let block = "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEAabcd\nMIIEowIBAAKCAQEAabce";
        assert_eq!(found(&format!("{block}\nthat was it")), [block]);
    }

    #[test]
    fn talk_about_keys_public_keys_and_certificates_are_left_alone() {
        let texts = [
            "look for -----BEGIN PRIVATE KEY----- in the file",
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEF\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEF\n-----END CERTIFICATE-----",
            "-----BEGIN PRIVATE KEY",
            "-----BEGIN ",
            "",
        ];
        for text in texts {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn many_openings_without_an_end_take_linear_time() {
        let text = "-----BEGIN PRIVATE KEY-----\n".repeat(20_000);
        assert!(found(&text).is_empty());
    }
}
