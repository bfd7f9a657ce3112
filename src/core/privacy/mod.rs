//! What may be stored, and what may be shown.
//!
//! [`redact`] replaces obvious secrets and personal data before a text is stored; [`neutralise`] makes a stored text harmless where
//! it is shown (terminal, spreadsheet, Markdown, XML). Both are pure functions of their input.

pub mod neutralise;
pub mod redact;
