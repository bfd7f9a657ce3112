//! The kinds of redacted data and their counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a placeholder stands for.
///
/// The order of the variants is the order of precedence: where matches overlap, the whole overlapping stretch becomes one placeholder
/// of the first kind in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedactionKind {
    /// A private key: a PEM block, or the value of a field such as `private_key`.
    PrivateKey,
    /// An API key: a known prefix such as `sk-` or `AKIA`, or the value of a field such as `api_key`.
    ApiKey,
    /// A JSON Web Token or JSON Web Encryption in compact form (RFC 7519, RFC 7516).
    Jwt,
    /// A credential of an HTTP header (`Authorization`, `Cookie`), or the value of a field such as `token`.
    BearerToken,
    /// User information of a URL (`user:pass@`), or the value of a query parameter such as `?key=`.
    UrlCredentials,
    /// A password, passphrase or shared secret, found by the name it is assigned to.
    Password,
    /// An International Bank Account Number (ISO 13616) whose length and check digits are right.
    Iban,
    /// A payment card number (ISO/IEC 7812): a known issuer prefix, 13 to 19 digits, and a valid Luhn check digit.
    CardNumber,
    /// An e-mail address.
    Email,
    /// A telephone number in international form, or in a grouped national form.
    Phone,
    /// An IPv4 or IPv6 address; loopback and unspecified addresses identify nobody and are kept.
    IpAddress,
}

impl RedactionKind {
    /// Every kind, in order of precedence.
    pub const ALL: [Self; 11] = [
        Self::PrivateKey,
        Self::ApiKey,
        Self::Jwt,
        Self::BearerToken,
        Self::UrlCredentials,
        Self::Password,
        Self::Iban,
        Self::CardNumber,
        Self::Email,
        Self::Phone,
        Self::IpAddress,
    ];

    /// The name in snake case, as serialised: `api_key`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key",
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::BearerToken => "bearer_token",
            Self::UrlCredentials => "url_credentials",
            Self::Password => "password",
            Self::Iban => "iban",
            Self::CardNumber => "card_number",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::IpAddress => "ip_address",
        }
    }

    /// The text that replaces a match of this kind: `[redacted:api_key]`.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::PrivateKey => "[redacted:private_key]",
            Self::ApiKey => "[redacted:api_key]",
            Self::Jwt => "[redacted:jwt]",
            Self::BearerToken => "[redacted:bearer_token]",
            Self::UrlCredentials => "[redacted:url_credentials]",
            Self::Password => "[redacted:password]",
            Self::Iban => "[redacted:iban]",
            Self::CardNumber => "[redacted:card_number]",
            Self::Email => "[redacted:email]",
            Self::Phone => "[redacted:phone]",
            Self::IpAddress => "[redacted:ip_address]",
        }
    }
}

impl fmt::Display for RedactionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many replacements were made, per kind. Kinds that did not occur are absent; serialised as a map such as `{"email":2}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedactionCounts(BTreeMap<RedactionKind, u64>);

impl RedactionCounts {
    /// The number of replacements of one kind; 0 where there was none.
    #[must_use]
    pub fn get(&self, kind: RedactionKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The number of replacements of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Whether nothing was replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one replacement.
    pub fn record(&mut self, kind: RedactionKind) {
        let count = self.0.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Adds the counts of another text.
    pub fn merge(&mut self, other: &Self) {
        for (kind, n) in other.iter() {
            let count = self.0.entry(kind).or_insert(0);
            *count = count.saturating_add(n);
        }
    }

    /// The kinds that occurred and their counts (each at least 1), in order of precedence.
    pub fn iter(&self) -> impl Iterator<Item = (RedactionKind, u64)> + '_ {
        self.0.iter().map(|(kind, n)| (*kind, *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_serde_display_and_placeholder_agree() {
        for kind in RedactionKind::ALL {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(kind.placeholder(), format!("[redacted:{kind}]"));
        }
    }

    #[test]
    fn all_lists_the_kinds_in_order_of_precedence() {
        assert!(RedactionKind::ALL.is_sorted());
    }

    #[test]
    fn counts_add_up_and_survive_a_round_trip() {
        let mut counts = RedactionCounts::default();
        assert!(counts.is_empty());
        counts.record(RedactionKind::Email);
        counts.record(RedactionKind::Email);
        let mut more = RedactionCounts::default();
        more.record(RedactionKind::Email);
        more.record(RedactionKind::ApiKey);
        counts.merge(&more);
        assert_eq!(counts.get(RedactionKind::Email), 3);
        assert_eq!(counts.get(RedactionKind::Iban), 0);
        assert_eq!(counts.total(), 4);
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"api_key":1,"email":3}"#);
        assert_eq!(serde_json::from_str::<RedactionCounts>(&json).unwrap(), counts);
    }
}
