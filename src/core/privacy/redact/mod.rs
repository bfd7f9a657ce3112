//! Replacement of obvious secrets and personal data by stable placeholders such as `[redacted:email]`.
//!
//! A text is first folded (full-width and other digits to ASCII, invisible characters dropped, typographic dashes and
//! spaces to ASCII), so that a disguised card number is still found. Most detectors are in one table: a pattern that
//! finds candidate positions, and a check that decides what is there. Matches are replaced in the original text, and
//! everything else remains unchanged, byte for byte. The time is linear in the length of the text.

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
