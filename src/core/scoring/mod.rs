//! Scorers, which map answers to numbers in [0, 1]. They are compiled once per suite and applied to every answer.
//!
//! Scoring never fails: invalid scorers are reported when the suite is loaded, and an example that cannot be scored
//! yields [`Score::Skipped`](crate::core::domain::Score::Skipped) with the reason.

mod compiled;
mod json_schema;
mod numeric;
mod pattern;
mod reason;
mod reduce;
mod text;

pub use compiled::CompiledScorers;
pub use reduce::reduce;
pub use text::normalize;
