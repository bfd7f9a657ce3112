//! Scorers, which map answers to numbers in [0, 1]. They are compiled once per suite and applied to every answer.
//!
//! Scoring never fails: invalid scorers are reported when the suite is loaded, an example that cannot be scored yields
//! [`Score::Skipped`](crate::core::domain::Score::Skipped), and a scorer that fails yields
//! [`Score::Failed`](crate::core::domain::Score::Failed), both with the reason. Neither is ever a score of 0.

mod answer;
mod classification;
mod combined;
mod compiled;
mod condition;
mod expression;
mod extraction;
mod formats;
mod json_compare;
mod json_schema;
mod metrics;
mod normalize;
mod numeric;
mod pattern;
mod ranking;
mod reason;
mod reduce;
mod reference;
mod requests;
mod retrieval;
mod rule;
mod safety;
mod similarity;
mod suite_scorers;
mod text;
mod tool_calls;
mod tool_match;
mod wellformed;

pub use answer::Answer;
pub use classification::LabelReader;
pub use compiled::CompiledScorers;
pub use normalize::normalize;
pub use reason::NO_ACCEPTED;
pub use reduce::reduce;
pub use reference::not_for_traffic;
pub use rule::references;
pub use suite_scorers::{SuiteScorers, has_template, uses_assert, varies};
