//! What may be stored, and what may be shown.
//!
//! [`redact`] replaces obvious secrets and personal data before a text is stored; [`sanitize`] makes a stored text harmless where
//! it is shown (terminal, spreadsheet, Markdown, XML); a [`Mask`] hides secrets that are known. All are pure functions of
//! their input.

mod mask;
pub mod redact;
pub mod sanitize;

pub use mask::Mask;
