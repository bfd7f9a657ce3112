//! Secrets that are known by their shape: prefixed API keys, JSON Web Tokens, and `Bearer`/`Basic` credentials.

use regex::Regex;

use super::kind::RedactionKind;
use super::span::Span;

/// Prefixes that their issuers document, each with the least length of a body that is taken for a key.
///
/// A key begins at a word boundary or after an underscore (`KEY_sk-...`); the underscore is taken off again.
const API_KEY: &str = concat!(
    r"(?-u)(?:\b|_)(?:",
    r"sk-ant-[A-Za-z0-9_-]{8,}|sk-[A-Za-z0-9_-]{16,}", // Anthropic; OpenAI and those that follow it
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

/// A JOSE object in compact form: a Base64url header that begins with `{"`, and two (JWS) to four (JWE) further parts.
const JWT: &str = r"(?-u)(?:\b|_)eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}";

/// Credentials of RFC 6750 and RFC 7617 outside a header.
const SCHEME: &str = r"(?i-u)\b(?:bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{8,}";

/// The compiled patterns.
#[derive(Debug, Clone)]
pub(super) struct TokenScanner {
    api_key: Regex,
    jwt: Regex,
    scheme: Regex,
}

impl TokenScanner {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { api_key: Regex::new(API_KEY)?, jwt: Regex::new(JWT)?, scheme: Regex::new(SCHEME)? })
    }

    pub(super) fn scan(&self, text: &str, out: &mut Vec<Span>) {
        for found in self.api_key.find_iter(text) {
            let key = found.as_str().trim_start_matches('_');
            if looks_random(key.as_bytes()) {
                out.push(Span::new(found.end() - key.len(), found.end(), RedactionKind::ApiKey));
            }
        }
        for found in self.jwt.find_iter(text) {
            let token = found.as_str().trim_start_matches('_').len();
            out.push(Span::new(found.end() - token, found.end(), RedactionKind::Jwt));
        }
        for found in self.scheme.find_iter(text) {
            let Some((scheme, token)) = found.as_str().split_once([' ', '\t']) else {
                continue;
            };
            let token = token.trim_start_matches([' ', '\t']);
            let token_at = found.end() - token.len();
            let token = token.trim_end_matches(['.', '-']);
            let secret = if scheme.eq_ignore_ascii_case("basic") {
                is_basic_credential(token)
            } else {
                is_bearer_credential(token)
            };
            if secret {
                out.push(Span::new(token_at, token_at + token.len(), RedactionKind::BearerToken));
            }
        }
    }
}

/// Whether a run of letters is more than words: it has a digit, or an upper-case letter after a lower-case one.
pub(super) fn looks_random(bytes: &[u8]) -> bool {
    let camel = bytes.windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    camel || bytes.iter().any(u8::is_ascii_digit)
}

fn is_bearer_credential(token: &str) -> bool {
    token.len() >= 16 && looks_random(token.as_bytes())
}

/// Whether this is the Base64 form of `user:password`.
fn is_basic_credential(token: &str) -> bool {
    decode_base64(token.trim_end_matches('='))
        .is_some_and(|plain| plain.contains(&b':') && plain.iter().all(|b| *b >= 0x20 && *b != 0x7F))
}

/// Decodes unpadded Base64 (RFC 4648); `None` for a foreign character or an impossible length.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(six)) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            plain.push(u8::try_from(buffer >> bits & 0xFF).ok()?);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static SCANNER: LazyLock<TokenScanner> = LazyLock::new(|| TokenScanner::new().unwrap());

    fn found(text: &str) -> Vec<(&str, RedactionKind)> {
        let mut out = Vec::new();
        SCANNER.scan(text, &mut out);
        out.iter().map(|s| (&text[s.start..s.end], s.kind)).collect()
    }

    #[test]
    fn the_documented_prefixes_are_known() {
        // Put together here, so that the source itself holds no string that a secret scanner would report.
        let keys = [
            ["sk-", "abcdEFGH1234ijklMNOP"],
            ["sk-proj-", "abcdEFGH1234ijklMNOP_-x"],
            ["sk-ant-", "api03-abcdEFGH1234"],
            ["AKIA", "IOSFODNN7EXAMPLE"],
            ["ASIA", "IOSFODNN7EXAMPLE"],
            ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"],
            ["gho_", "abcdefghijklmnopqrstuvwxyz0123456789"],
            ["github_pat_", "11ABCDEFG0abcdefghijkl_mnopqrstuvw"],
            ["xoxb-", "123456789012-abcdefABCDEF"],
            ["xoxp-", "123456789012-abcdefABCDEF"],
            ["AIza", "SyA1234567890abcdefghijklmnopqrstuv"],
            ["glpat-", "abcdefGHIJ1234567890"],
            ["hf_", "abcdefghijKLMNOPQRSTuvwxyzabcdefgh"],
            ["SG.", "abcdefghijklmnop123456.ABCDEFGHIJKLMNOP1234567890abcdefghijklmnopq"],
            ["npm_", "abcdefghijklmnopqrstuvwxyz0123456789"],
            ["pypi-", "AgEIcHlwaS5vcmcCJGFiY2RlZmdoaWprbG1ub3A"],
            ["sk_live_", "abcdefghij0123456789"],
        ];
        for parts in keys {
            let key = parts.concat();
            for (before, after) in [("", ""), ("key is ", "."), ("\"", "\""), ("KEY_", "\n"), ("鍵", "鍵")] {
                let text = format!("{before}{key}{after}");
                assert_eq!(found(&text), [(key.as_str(), RedactionKind::ApiKey)], "{text}");
            }
        }
    }

    #[test]
    fn json_web_tokens_are_known() {
        let jws = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl";
        assert_eq!(found(&format!("a {jws}, b")), [(jws, RedactionKind::Jwt)]);
        let jwe = "eyJhbGciOiJkaXIifQ.abcd1234.aXY0.Y2lwaGVy.dGFn";
        assert_eq!(found(jwe), [(jwe, RedactionKind::Jwt)]);
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.";
        assert_eq!(found(unsigned), [(unsigned, RedactionKind::Jwt)]);
    }

    #[test]
    fn credentials_of_a_scheme_are_known_outside_a_header() {
        assert_eq!(found("use Bearer abcdef0123456789xyz."), [("abcdef0123456789xyz", RedactionKind::BearerToken)]);
        assert_eq!(found("Basic dXNlcjpwYXNzd29yZA=="), [("dXNlcjpwYXNzd29yZA==", RedactionKind::BearerToken)]);
    }

    #[test]
    fn ordinary_words_are_not_secrets() {
        let texts = [
            "risk-assessment-and-mitigation-2024-plan",
            "task-1234567890abcdefghij",
            "sk-learn-contrib-packages-list",
            "the bearer of bad news",
            "Bearer authentication-is-used-here",
            "Basic authentication",
            "Basic Attention Token",
            "Basic information about 2024",
            "hf_hub_download_the_model_file",
            "npm_config_registry_url_2",
            "xoxo-",
            "AKIAlowercaseletters",
            "AKIAIOSFODNN7EXAMPLEEXTRA",
            "eyJ.a.b",
            "eyeJacket",
            "gh_actions_run",
            "",
        ];
        for text in texts {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn base64_decodes_to_the_bytes_of_the_standard() {
        // RFC 4648, section 10.
        let cases = [
            ("", ""),
            ("Zg", "f"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (text, plain) in cases {
            assert_eq!(decode_base64(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        assert_eq!(decode_base64("A"), None);
        assert_eq!(decode_base64("Zm9?"), None);
    }
}
