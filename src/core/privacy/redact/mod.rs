//! Replacement of obvious secrets and personal data by stable placeholders such as `[redacted:email]`.
//!
//! A text is folded first (full-width and other digits to ASCII, invisible characters dropped, typographic dashes and spaces to
//! ASCII), so that a disguised card number is still found. One table of detectors says what is looked for: a pattern that finds where
//! something may be, and a check that tells what is there. What is found is replaced in the original text, and everything else stays
//! byte for byte. Time is linear in the length of the text.

mod assignment;
mod detectors;
mod email;
mod fold;
mod json;
mod kind;
mod names;
mod numbers;
mod redactor;
#[cfg(test)]
mod tests;

pub use kind::{RedactionCounts, RedactionKind};
pub use names::names_a_secret;
pub use redactor::Redactor;
