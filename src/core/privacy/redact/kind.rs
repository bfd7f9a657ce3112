//! The kinds of redacted data and their counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)*) => {
        /// The kind of data that a placeholder replaces.
        ///
        /// The order of the variants is the order of precedence: overlapping matches are replaced together by one
        /// placeholder of the first kind in this order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RedactionKind { $($(#[$doc])* $kind,)* }

        impl RedactionKind {
            /// Every kind, in order of precedence.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name in snake case, as serialized, such as `api_key`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The text that replaces a match of this kind, such as `[redacted:api_key]`.
            pub const fn placeholder(self) -> &'static str {
                match self { $(Self::$kind => concat!("[redacted:", $name, "]"),)* }
            }
        }
    };
}

kinds! {
    /// A private key: a PEM block, or the value of a field such as `private_key`.
    PrivateKey "private_key",
    /// An API key: a known prefix such as `sk-` or `AKIA`, or the value of a field such as `api_key`.
    ApiKey "api_key",
    /// A JSON Web Token or JSON Web Encryption in compact form (RFC 7519, RFC 7516).
    Jwt "jwt",
    /// A credential in an HTTP header (`Authorization`, `Cookie`), or the value of a field such as `token`.
    BearerToken "bearer_token",
    /// User information of a URL (`user:pass@`), or the value of a query parameter such as `?key=`.
    UrlCredentials "url_credentials",
    /// A password, passphrase or shared secret, detected by the name it is assigned to.
    Password "password",
    /// An International Bank Account Number (ISO 13616) with the right length and check digits.
    Iban "iban",
    /// A payment card number (ISO/IEC 7812) with a known issuer prefix, 13 to 19 digits, and a valid Luhn check digit.
    CardNumber "card_number",
    /// An e-mail address.
    Email "email",
    /// A telephone number in international format, or in a grouped national format.
    Phone "phone",
    /// An IPv4 or IPv6 address. Loopback and unspecified addresses identify nobody and are not replaced.
    IpAddress "ip_address",
}

impl fmt::Display for RedactionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of replacements by kind. Kinds that did not occur are absent. Serialized as a map such as `{"email":2}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedactionCounts(BTreeMap<RedactionKind, u64>);

impl RedactionCounts {
    /// The number of replacements of one kind.
    pub fn get(&self, kind: RedactionKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The number of replacements of all kinds.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whether nothing was replaced.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one replacement.
    pub fn record(&mut self, kind: RedactionKind) {
        *self.0.entry(kind).or_insert(0) += 1;
    }

    /// Adds the counts of another text.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(kind, count)| *self.0.entry(kind).or_insert(0) += count);
    }

    /// The kinds that occurred and their counts (each at least 1), in order of precedence.
    pub fn iter(&self) -> impl Iterator<Item = (RedactionKind, u64)> + '_ {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_in_serde_display_and_placeholder() {
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
    fn counts_add_up_and_round_trip() {
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
