//! What may be stored, and what may be shown.
//!
//! [`redact`] replaces obvious secrets and personal data before a text is stored; [`sanitize`] makes a stored text harmless where
//! it is shown (terminal, spreadsheet, Markdown, XML); a [`Mask`] hides secrets that are known, and a [`UserKey`] who users are. All are pure functions of
//! their input.

mod mask;
mod pseudonym;
pub mod redact;
pub mod sanitize;

pub use mask::Mask;
pub use pseudonym::UserKey;
pub use redact::names_a_secret;
