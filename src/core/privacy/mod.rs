//! Privacy and sanitizing: what may be stored, and what may be shown.
//!
//! [`redact`] replaces obvious secrets and personal data before a text is stored. [`sanitize`] makes stored text safe
//! to show in a terminal, spreadsheet, Markdown or XML. A [`Mask`] hides known secrets, and a [`UserKey`] hides the
//! identity of users. All are pure functions of their input.

mod mask;
mod pseudonym;
pub mod redact;
pub mod sanitize;

pub use mask::Mask;
pub use pseudonym::UserKey;
pub use redact::names_a_secret;
