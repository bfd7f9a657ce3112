//! How an answer becomes a number in [0, 1]: the scorers of a suite, compiled once and applied to every answer.
//!
//! Scoring never fails: what can be wrong with a scorer is found when the suite is loaded, and an example that
//! cannot be scored gives [`Score::Skipped`](crate::core::domain::Score::Skipped) with the reason.

mod compiled;
mod json_schema;
mod numeric;
mod pattern;
mod reason;
mod reduce;
mod text;

pub use compiled::CompiledScorers;
pub use reduce::reduce;
