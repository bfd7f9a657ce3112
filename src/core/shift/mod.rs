//! Tests of one window of traffic against another: the topics of requests, their appearance, and the outputs.
//!
//! Every p-value comes from permuting the windows of a subsample, so it is valid for any size. A finding takes both a
//! p-value *and* an effect. Every result depends only on the inputs and the seed, not on the number of threads.

mod answers;
#[cfg(test)]
mod calibration;
mod categories;
mod classifier;
mod clusters;
mod discrepancy;
mod looks;
mod numbers;
mod outputs;
mod permutation;
mod pool;
mod run;
mod subsample;
mod types;
mod words;

pub use answers::{AnswerChange, PairedAnswers, answer_change};
pub use looks::{NO_SCRIPT, casing, language_above};
pub use outputs::OutputChange;
pub use run::{OfTopics, output_mix, shift_tests, topic_mix, wording_tests};
pub use types::{ShiftKind, ShiftOptions, ShiftTest};
pub use words::vocabulary;
