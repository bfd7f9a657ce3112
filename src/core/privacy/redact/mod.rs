//! Replacement of obvious secrets and personal data by stable placeholders such as `[redacted:email]`.
//!
//! A text is folded first (full-width and other digits to ASCII, invisible characters dropped, typographic dashes and spaces to
//! ASCII), so that a disguised card number is still found; what is found is replaced in the original text, and everything else stays
//! byte for byte. Time is linear in the length of the text.

mod assignment;
mod card;
mod email;
mod fold;
mod iban;
mod json;
mod key_name;
mod kind;
mod network;
mod pem;
mod phone;
mod phone_parts;
#[cfg(test)]
mod properties;
mod redactor;
mod span;
mod token;
mod url;
mod value;

pub use kind::{RedactionCounts, RedactionKind};
pub use redactor::{Redacted, Redactor, RedactorError};
